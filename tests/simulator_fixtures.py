"""Fixtures around the provider simulator; loaded through `pytest_plugins` in `conftest.py`."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.simulator_client import Simulator


@pytest.fixture(scope="session")
def simulator_process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulator]:
    """One simulator for the whole run of this worker, with 400 plans a system."""
    with Simulator(state=tmp_path_factory.mktemp("simulator") / "state.sqlite3") as process:
        yield process


@pytest.fixture
def simulator(simulator_process: Simulator) -> Simulator:
    """The shared simulator with empty books, the first catalogue, documented limits and no faults."""
    simulator_process.reset()
    return simulator_process


@pytest.fixture
def start_simulator(tmp_path: Path) -> Iterator[Callable[..., Simulator]]:
    """Starts simulators of the test's own, to be killed and restarted: `start_simulator("--plans", "20")`."""
    with ExitStack() as stack:

        def start(*options: str) -> Simulator:
            state = tmp_path / f"simulator-{len(list(tmp_path.iterdir()))}.sqlite3"
            return stack.enter_context(Simulator(state=state, options=options))

        yield start
