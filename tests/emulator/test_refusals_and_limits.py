"""What a house may answer instead of doing what it was asked for, in every shape, and how long it wants us to wait."""

import json
from datetime import timedelta
from email.utils import format_datetime

import pytest
from django.utils import timezone

from esims.models import Esim
from esims.refresh import refresh_line
from orders.models import Purchase, Refund
from orders.reconciliation import resume_purchase
from providers.errors import ProviderError, RateLimited, Unavailable
from providers.models import ProviderCall, RatePause
from providers.registry import get_provider
from providers.types import Priority
from tests.emulator.conftest import OpenOffice
from tests.emulator.quirks import Quirks
from tests.emulator.server import KEY_ID, KEY_SECRET
from tests.emulator.wire import Fault

SHAPES = ["nest", "nested", "text", "empty", "code"]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(
    ("status", "state"),
    [
        (400, "rejected"),
        (401, "held"),
        (402, "held"),
        (403, "held"),
        (409, "held"),
        (422, "rejected"),
        (408, "unknown"),
        (418, "unknown"),
        (500, "unknown"),
        (502, "unknown"),
        (302, "unknown"),
    ],
)
def test_order_refused(shape: str, status: int, state: str, open_office: OpenOffice) -> None:
    office = open_office(Quirks(errors=shape))
    office.plan()
    office.emulator.meet("order", Fault(kind="answer", status=status))
    purchase = office.settle(office.buy(2), steps=2)
    assert (purchase.state, office.emulator.count("order"), office.emulator.books.sales) == (state, 1, [])
    assert Refund.objects.filter(state="due").count() == (state == "rejected")
    office.check_books()
    if state == "held":
        resume_purchase(purchase=purchase, by=office.user)
        purchase = office.settle(purchase, steps=1)
        assert (purchase.state, len(office.emulator.books.sales)) == ("fulfilled", 1)
        office.check_books()


@pytest.mark.parametrize("status", [200, 201, 202, 204])
@pytest.mark.parametrize("body", [b"", b"null", b"{}", b'{"code":400,"message":"no"}', b"<html>ok</html>", b"[]"])
def test_success_that_says_nothing(status: int, body: bytes, open_office: OpenOffice) -> None:
    """A 2xx without eSIMs or a transaction may have sold: never a refund, never a second order."""
    office = open_office()
    office.plan()
    office.emulator.meet("order", Fault(kind="answer", effect=True, status=status, body=b"" if status == 204 else body))
    purchase = office.settle(office.buy(1), steps=2)
    assert (purchase.state, office.emulator.count("order"), Refund.objects.count()) == ("unknown", 1, 0)
    office.check_books()


@pytest.mark.parametrize("esims", ["missing", "null", "[]", "one is null", "one has no iccid", "one comes twice"])
def test_transaction_with_fewer_readable_esims(esims: str, open_office: OpenOffice) -> None:
    """202 with a transaction and not (all) its eSIMs: the house is asked for the rest."""
    office = open_office(Quirks(order_status=202))
    office.plan()
    emulator = office.emulator

    def answer(_arrival: object) -> object:
        transaction_id, lines = emulator.books.sell("KD0001", 3)
        shown: list[object] = [emulator.wording.line(line) for line in lines]
        document: dict[str, object] = {"transactionId": transaction_id, "esims": shown}
        match esims:
            case "missing":
                del document["esims"]
            case "null":
                document["esims"] = None
            case "[]":
                shown.clear()
            case "one is null":
                shown[1] = None
            case "one has no iccid":
                shown[1] = {**emulator.wording.line(lines[1]), "iccid": None}
            case _:
                shown[1] = shown[0]
        return document

    emulator.canned["order"] = answer
    purchase = office.settle(office.buy(3))
    assert (purchase.state, office.emulator.count("order")) == ("fulfilled", 1)
    assert [esim.provider_ref for esim in office.lines()] == emulator.books.sold
    office.check_books()


def test_nest_validation_words_reach_the_staff(open_office: OpenOffice) -> None:
    """``message`` may be a list of sentences; they say what is wrong, ``error`` only repeats the status."""
    office = open_office(Quirks(errors="nest"))
    office.plan()
    office.emulator.books.plans.clear()
    assert "planCode does not exist" in office.buy(1).error


def test_plain_words_reach_the_staff(open_office: OpenOffice) -> None:
    office = open_office(Quirks(errors="nested"))
    office.plan()
    office.emulator.books.plans.clear()
    assert "planCode does not exist" in office.buy(1).error


# -- waiting ----------------------------------------------------------------------------------------------------------


def _retry_after(kind: str) -> dict[str, str]:
    at = format_datetime(timezone.now() + timedelta(seconds=30), usegmt=True)
    date = format_datetime(timezone.now(), usegmt=True)
    return {
        "seconds": {"Retry-After": "30"},
        "quoted": {"Retry-After": '"30"'},
        "date": {"Retry-After": at, "Date": date},
        "absent": {},
        "reset": {"X-RateLimit-Limit": '"10"', "X-RateLimit-Remaining": '"0"', "X-RateLimit-Reset": '"30"'},
        "nonsense": {"Retry-After": "soon"},
        "huge year": {"Retry-After": "Fri, 31 Dec 99999999999999999999 23:59:59 GMT"},
        "negative": {"Retry-After": "-5"},
    }[kind]


@pytest.mark.parametrize(
    ("kind", "wait"),
    [
        ("seconds", 30),
        ("quoted", 30),
        ("date", 30),
        ("reset", 30),
        ("absent", 60),
        ("nonsense", 60),
        ("huge year", 60),
        ("negative", 60),
    ],
)
def test_order_over_the_limit(kind: str, wait: int, open_office: OpenOffice) -> None:
    """429 sold nothing: the same order is sent once more, not before the house wants it."""
    office = open_office(Quirks(header_case="UPPER"))
    office.plan()
    office.emulator.meet("order", Fault(kind="answer", status=429, headers=_retry_after(kind)))
    before = timezone.now()
    purchase = office.buy(2)
    assert (purchase.state, office.emulator.count("order")) == ("planned", 1)
    assert purchase.next_attempt_at is not None
    assert wait - 2 <= (purchase.next_attempt_at - before).total_seconds() <= wait + 5
    purchase = office.step(purchase)
    assert (purchase.state, office.emulator.count("order")) == ("planned", 1), "the pause holds for all workers"
    RatePause.objects.all().delete()
    purchase = office.step(purchase)
    assert (purchase.state, office.emulator.count("order"), len(office.emulator.books.sales)) == ("fulfilled", 2, 1)
    office.check_books()


def test_a_strange_retry_after_does_not_lose_a_good_reply(open_office: OpenOffice) -> None:
    """The eSIMs are there; a header that nobody can read must not cost them."""
    office = open_office(Quirks(order_status=201))
    office.plan()
    emulator = office.emulator
    transaction_id, lines = emulator.books.sell("KD0001", 1)
    body = json.dumps({"transactionId": transaction_id, "esims": [emulator.wording.line(lines[0])]}).encode()
    emulator.meet("order", Fault(kind="answer", status=201, body=body, headers=_retry_after("huge year")))
    purchase = office.buy(1)
    assert (purchase.state, len(office.lines())) == ("fulfilled", 1)


@pytest.mark.parametrize("status", [429, 503])
def test_status_that_wants_us_to_wait(status: int, open_office: OpenOffice) -> None:
    """ "If the server returns Retry-After, honor that value for re-queries." """
    office = open_office(Quirks(rate_headers="quoted"))
    office.buy(1)
    (esim,) = office.lines()
    office.emulator.meet("status", Fault(kind="answer", status=status, headers={"Retry-After": "120"}))
    with pytest.raises(RateLimited if status == 429 else Unavailable):
        refresh_line(esim_id=esim.pk, priority=Priority.PEOPLE, by="test")
    with pytest.raises(RateLimited) as pause:
        refresh_line(esim_id=esim.pk, priority=Priority.PEOPLE, by="test")
    assert 110 < pause.value.retry_after.total_seconds() <= 120
    assert office.emulator.count("status") == 1
    after = Esim.objects.get()
    assert after.next_refresh_at is not None
    assert (after.next_refresh_at - timezone.now()).total_seconds() > 100
    assert (after.lpa, after.state) == (esim.lpa, "ready")


def test_success_with_retry_after_is_honoured_too(open_office: OpenOffice) -> None:
    """A cached copy comes with 200 and Retry-After."""
    office = open_office(Quirks())
    office.buy(1)
    (esim,) = office.lines()
    line = office.emulator.wording.line(office.emulator.books.lines[esim.provider_ref])
    body = json.dumps(line).encode()
    office.emulator.meet("status", Fault(kind="answer", status=200, body=body, headers={"Retry-After": "45"}))
    refresh_line(esim_id=esim.pk, priority=Priority.PEOPLE, by="test")
    with pytest.raises(RateLimited):
        refresh_line(esim_id=esim.pk, priority=Priority.PEOPLE, by="test")
    assert office.emulator.count("status") == 1


def test_documented_limit_of_orders_is_kept(open_office: OpenOffice) -> None:
    """Ten a minute: the eleventh waits here, and nothing of it is sent."""
    office = open_office(Quirks(), LIMITS=json.dumps({"plans": None}))
    purchases = [office.buy(1) for _ in range(11)]
    assert [purchase.state for purchase in purchases] == ["fulfilled"] * 10 + ["planned"]
    assert office.emulator.count("order") == 10
    office.check_books()


# -- secrets in what a house says -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "body",
    [
        f'{{"message":"bad X-API-Key-Secret: {KEY_SECRET}"}}'.encode(),
        f"unknown key {KEY_ID} with {KEY_SECRET}".encode(),
        f'{{"error":{{"message":"signature over {KEY_SECRET} is wrong"}}}}'.encode(),
    ],
)
@pytest.mark.parametrize("operation", ["order", "plans"])
def test_house_that_echoes_our_keys(operation: str, body: bytes, open_office: OpenOffice) -> None:
    office = open_office()
    office.plan()
    office.emulator.meet(operation, Fault(kind="answer", status=401, body=body))
    if operation == "order":
        assert office.buy(1).state == "held"
    else:
        with pytest.raises(ProviderError):
            get_provider(office.account.slug).check()
    assert ProviderCall.objects.filter(status=401).count() == 1
    assert Purchase.objects.count() == (operation == "order")
    office.check_secrets()
