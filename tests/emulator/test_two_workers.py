"""The same job given to several workers at once: one order leaves, whichever of them is faster."""

import threading

import pytest
from django.db import connection

from orders.models import Purchase
from orders.purchasing import run_purchase
from tests.emulator.conftest import OpenOffice
from tests.emulator.quirks import VARIANTS
from tests.emulator.wire import Fault


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("kind", ["drip", "cut"])
def test_four_workers(kind: str, transactional_db: None, open_office: OpenOffice) -> None:
    office = open_office(VARIANTS["nest"])
    office.plan()
    cut = (lambda body: len(body) // 2) if kind == "cut" else None
    office.emulator.meet("order", Fault(kind=kind, cut=cut, pieces=10, seconds=0.3))
    start = threading.Barrier(4)
    office.step = lambda purchase: purchase  # type: ignore[method-assign]
    purchase = office.buy(3)

    def work() -> None:
        start.wait()
        run_purchase(purchase_id=purchase.pk)
        connection.close()

    workers = [threading.Thread(target=work) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert office.emulator.count("order") == 1
    assert Purchase.objects.get().state == ("fulfilled" if kind == "drip" else "unknown")
    office.check_books()
