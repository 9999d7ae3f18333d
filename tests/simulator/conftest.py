"""Fixtures of the simulator's own tests."""

import pytest

from tests.simulator_access import Access
from tests.simulator_client import Simulator


@pytest.fixture
def access(simulator: Simulator) -> Access:
    """The simulated eSIM Access without its limit of 8 calls a second; `test_access_limits.py` has it."""
    simulator.set_limits(multiplier=0)
    return Access(simulator)
