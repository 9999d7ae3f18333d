"""200010 in the place of a list of a time: something is being allocated. It says neither "nothing" nor "not ours"."""

from datetime import timedelta

import pytest
import time_machine
from django.utils import timezone
from pytest_django import Settings

from orders.comparing import open_comparison, run_comparison
from orders.models import Comparison, Difference, Purchase
from providers.errors import StillAllocating, Unavailable
from providers.registry import get_provider
from tests.emulator.wire import Fault
from tests.emulator_access.conftest import OpenOffice
from tests.emulator_access.office import Office
from tests.emulator_access.quirks import VARIANTS


def still_allocating(office: Office, times: int = 1) -> None:
    body = office.emulator.wording.failure("200010")
    office.emulator.meet("query", *[Fault(kind="answer", body=body) for _ in range(times)])


def compare(office: Office) -> Comparison:
    run, _made = open_comparison(account=office.account, asked_by="test", enqueue=False)
    return run_comparison(run_id=run.pk)


def test_it_is_no_answer_to_a_look_for_our_key(office: Office) -> None:
    still_allocating(office)
    provider = get_provider(office.account.slug)
    with pytest.raises(StillAllocating) as told:
        provider.find_order("our-key", sent_at=timezone.now())
    assert told.value.code == "200010"
    assert provider.find_order("our-key", sent_at=timezone.now()) is None


def test_what_was_found_before_it_is_kept_and_more_may_come(open_office: OpenOffice) -> None:
    office = open_office(VARIANTS["odd"])
    office.plan("CKH002")
    (purchase,) = office.buy(7)
    office.emulator.books.sales[0].looks_left = 0
    provider = get_provider(office.account.slug)
    whole = provider.find_order(purchase.idempotency_key, sent_at=timezone.now())
    assert whole is not None
    assert (len(whole.lines), whole.is_pending) == (7, False)
    body = office.emulator.wording.failure("200010")
    # Pages of five: the second one is refused.
    office.emulator.meet("query", None, Fault(kind="answer", body=body))
    cut = provider.find_order(purchase.idempotency_key, sent_at=timezone.now())
    assert cut is not None
    assert (len(cut.lines), cut.is_pending) == (5, True)


def test_it_is_no_empty_list_of_a_time(office: Office) -> None:
    still_allocating(office)
    until = timezone.now()
    lines = get_provider(office.account.slug).list_lines(since=until - timedelta(days=1), until=until)
    with pytest.raises(Unavailable) as told:
        list(lines)
    assert (told.value.code, told.value.retry_after) == ("200010", timedelta(seconds=15))


def test_an_order_that_may_be_under_way_is_not_called_unknown(open_office: OpenOffice) -> None:
    """Three looks in a row used to park it with "the provider lists no order under our key"."""
    office = open_office(VARIANTS["live"])
    office.plan("CKH002")
    office.emulator.meet("order", Fault(kind="reset_after"), Fault(kind="answer", body=taken(office)))
    (purchase,) = office.buy(1)
    still_allocating(office, times=10)
    for _look in range(6):
        purchase = office.step(purchase)
    assert (purchase.state, purchase.attention) == ("allocating", "")
    outcomes = purchase.attempts.filter(kind="lookup").values_list("outcome", flat=True)
    assert set(outcomes) == {"allocating"}
    with time_machine.travel(timezone.now() + timedelta(hours=2)):
        purchase = office.step(purchase)
    assert purchase.state == "allocating"
    assert (
        purchase.attention == "The provider has been allocating for long and does not say whether it took this order."
    )
    office.emulator.faults.clear()
    purchase = office.settle(purchase)
    assert (purchase.state, len(office.emulator.books.sales)) == ("fulfilled", 1)


def taken(office: Office) -> bytes:
    return office.emulator.wording.failure("310402", "transactionId exists")


def test_it_closes_no_difference(open_office: OpenOffice, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float] = []
    monkeypatch.setattr("orders.findings.sleep", waits.append)
    settings.COMPARE_SETTLING_MINUTES, settings.COMPARE_DAYS = 0.0, 20
    office = open_office(VARIANTS["document"])
    office.sync()
    books = office.emulator.books
    books.sell("console-1", [(books.packages["CKH002"], 1, 0)]).looks_left = 0
    compare(office)
    stranger = Difference.objects.get(kind="unknown_line")
    still_allocating(office, times=3)
    run = compare(office)
    assert (run.state, run.parts["lines"]["state"]) == ("incomplete", "failed")
    assert run.parts["lines"]["note"].startswith("The provider is still allocating")
    assert waits == [15.0, 15.0]
    stranger.refresh_from_db()
    assert stranger.state == "open"
    # Said once or twice, it is only waited for.
    still_allocating(office, times=2)
    run = compare(office)
    assert (run.state, run.parts["lines"]["looked"], Purchase.objects.count()) == ("succeeded", 1, 0)
