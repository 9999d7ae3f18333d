"""Many purchases under random faults at random houses; whatever happens, the two books agree."""

import random
from dataclasses import replace

import pytest

from orders.models import Purchase
from orders.reconciliation import enter_transaction_id, mark_not_bought, resume_purchase
from providers.models import RatePause
from tests.emulator.conftest import OpenOffice
from tests.emulator.office import Office
from tests.emulator.quirks import VARIANTS
from tests.emulator.wire import Fault


def draw_fault(dice: random.Random) -> Fault | None:
    share = dice.random()
    refused, broken = dice.choice([400, 401, 403, 404, 422]), dice.choice([500, 502, 503, 504])
    faults = [
        None,
        Fault(kind=dice.choice(["reset_before", "reset_after", "close_before"])),
        Fault(kind="cut", cut=lambda body: int(len(body) * share)),
        Fault(kind="no_end"),
        Fault(kind="answer", status=refused, headers={"Retry-After": "0"}),
        Fault(kind="answer", status=429, headers={"Retry-After": "1"}),
        Fault(kind="answer", status=broken, effect=dice.random() < 0.5),
        Fault(kind="answer", status=dice.choice([200, 202]), effect=True, body=b'{"ok":true}'),
    ]
    return dice.choice(faults)


def decide_what_is_open(office: Office, dice: random.Random) -> None:
    """What staff would do, knowing the house's own portal."""
    held = {purchase.transaction_id for purchase in Purchase.objects.all()}
    orphans = [sale for sale in office.emulator.books.sales if sale.transaction_id not in held]
    for purchase in Purchase.objects.filter(state="unknown", transaction_id="").order_by("pk"):
        match = next((sale for sale in orphans if len(sale.iccids) == purchase.quantity), None)
        if match is None:
            mark_not_bought(purchase=purchase, why="the portal shows no such order", by=office.user)
        else:
            orphans.remove(match)
            enter_transaction_id(purchase=purchase, transaction_id=match.transaction_id, by=office.user)
    for purchase in Purchase.objects.filter(state="unknown").exclude(transaction_id=""):
        enter_transaction_id(purchase=purchase, transaction_id=purchase.transaction_id, by=office.user)
    for purchase in Purchase.objects.filter(state="held"):
        resume_purchase(purchase=purchase, by=office.user)


@pytest.mark.parametrize("seed", range(4))
def test_random_life(seed: int, open_office: OpenOffice) -> None:
    dice = random.Random(seed)
    house = list(VARIANTS.values())[seed % len(VARIANTS)]
    office = open_office(replace(house, unknown_transaction=dice.choice([400, 404])))
    office.plan()
    for _ in range(12):
        office.emulator.meet("order", draw_fault(dice))
        office.emulator.meet("transaction", draw_fault(dice) if dice.random() < 0.3 else None)
        office.buy(dice.randint(1, 4))
        RatePause.objects.all().delete()
    office.check_books()
    office.emulator.faults.clear()
    for _ in range(3):
        for purchase in Purchase.objects.all():
            office.settle(purchase, steps=3)
        decide_what_is_open(office, dice)
        RatePause.objects.all().delete()
    for purchase in Purchase.objects.all():
        office.settle(purchase, steps=3)
    office.check_books()
    assert set(Purchase.objects.values_list("state", flat=True)) <= {"fulfilled", "rejected"}
    assert [esim.provider_ref for esim in office.lines()] == office.emulator.books.sold
