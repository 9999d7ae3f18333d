"""What tests of the API start from: the wholesalers and the payment service of the order side."""

import pytest

from tests.esims.conftest import fleet
from tests.orders.conftest import allocator, cards, wholesaler, wire
from tests.simulator_cards import CardService
from tests.simulator_client import Simulator

__all__ = ["allocator", "cards", "fleet", "shop", "wholesaler", "wire"]


@pytest.fixture
def shop(cards: CardService, wire: Simulator) -> Simulator:
    """eSIM Commerce and the payment service, both at the simulator, over real HTTP."""
    return wire
