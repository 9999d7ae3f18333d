"""Two at one list at once, on PostgreSQL: two who start it, and two workers who run it."""

import threading

import pytest
from django.utils import timezone

from customers.models import Customer
from orders.bulk_order_running import BulkRefused, confirm_bulk, run_bulk
from orders.checkpoints import Checkpoint, install_hook
from orders.models import BulkOrder, BulkOrderRow, Order, Payment, Purchase
from tests.orders.bulk_order_lists import check, make_seller, write_list
from tests.orders.making import make_fake_plan
from tests.orders.test_races import race

pytestmark = [
    pytest.mark.postgres,
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("wholesaler"),
]
PATIENCE = 20.0


def test_naive_start_runs_the_same_list_twice() -> None:
    """Without the key of the run: look for an earlier run, then start."""
    data = write_list(make_fake_plan(), 1)
    bulks = [check(data), check(data)]
    both_looked = threading.Barrier(2)

    def start_naively(bulk: BulkOrder) -> bool:
        earlier = BulkOrder.objects.filter(digest=bulk.digest, state="running").exists()
        both_looked.wait(timeout=PATIENCE)
        return not earlier and BulkOrder.objects.filter(pk=bulk.pk, state="checked").update(state="running") == 1

    assert race(*[lambda bulk=bulk: start_naively(bulk) for bulk in bulks]) == [True, True]


def test_one_of_two_uploads_starts_however_close_they_are() -> None:
    data, seller = write_list(make_fake_plan(), 2), make_seller()
    bulks = [check(data, by=seller) for _ in range(4)]
    results = race(*[lambda bulk=bulk: confirm_bulk(bulk=bulk, by=seller) for bulk in bulks])
    assert sorted(type(result).__name__ for result in results) == ["BulkOrder", *["BulkRefused"] * 3]
    assert all(isinstance(result, BulkOrder | BulkRefused) for result in results)
    (started,) = BulkOrder.objects.filter(state="running")
    run_bulk(bulk_id=started.pk, seconds=60)
    assert (Customer.objects.count(), Order.objects.count(), Payment.objects.count()) == (2, 2, 2)


def test_two_workers_at_one_list_order_each_row_once() -> None:
    """The second takes the list over while the first stands in the middle of a row, believed dead."""
    bulk = check(write_list(make_fake_plan(), 4))
    confirm_bulk(bulk=bulk, by=bulk.created_by or make_seller())
    in_the_middle, taken_over = threading.Event(), threading.Event()

    def hook(checkpoint: Checkpoint, _row_id: int) -> None:
        if checkpoint == Checkpoint.CAPTURED and not in_the_middle.is_set():
            in_the_middle.set()
            assert taken_over.wait(PATIENCE)

    def take_over() -> int:
        assert in_the_middle.wait(PATIENCE)
        # Nobody takes the list over in the middle of a row: this waits for the first to be done with it.
        threading.Timer(0.5, taken_over.set).start()
        BulkOrder.objects.update(claimed_until=timezone.now())
        return run_bulk(bulk_id=bulk.pk, seconds=60)

    install_hook(hook)
    first, second = race(lambda: run_bulk(bulk_id=bulk.pk, seconds=60), take_over)
    install_hook(None)
    assert isinstance(first, int), first
    assert isinstance(second, int), second
    assert BulkOrder.objects.get().state == "done"
    assert list(BulkOrderRow.objects.values_list("state", flat=True)) == ["ordered"] * 4
    assert (Customer.objects.count(), Order.objects.count(), Payment.objects.count()) == (4, 4, 4)
    assert Purchase.objects.count() == 4
