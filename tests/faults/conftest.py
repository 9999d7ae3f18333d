"""What schedules start from."""

from collections.abc import Iterator

import pytest

from tests.faults.wholesale import OPTIONS, Wholesale
from tests.simulator_client import Simulator


@pytest.fixture(scope="session")
def wholesale(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Wholesale]:
    """One simulator for the whole run of this worker; faults kill it, so it is not shared with other tests."""
    state = tmp_path_factory.mktemp("faults") / "state.sqlite3"
    with Simulator(state=state, options=OPTIONS) as simulator:
        yield Wholesale(simulator)
