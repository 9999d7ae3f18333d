"""News that come late, or of something else than was asked: a line that was revoked, a use that was settled before."""

import json
from dataclasses import replace
from decimal import Decimal

import pytest
from django.utils import timezone

from esims.actions import run_action
from esims.due_lines import refresh_due_lines
from esims.models import Esim, LineAction, LineEvent
from orders.ending import request_end, settle_return_wishes
from orders.hints import follow_hints
from orders.models import Refund, ReturnWish
from providers.esim_access import webhooks
from providers.types import Capability
from tests.emulator.wire import Fault
from tests.emulator_access.books import GIB
from tests.emulator_access.conftest import OpenOffice
from tests.emulator_access.office import Office
from tests.emulator_access.quirks import VARIANTS
from tests.emulator_access.test_whole_life import buy_one
from tests.orders.making import make_user


@pytest.fixture(params=["document", "live"])
def told(request: pytest.FixtureRequest, open_office: OpenOffice) -> Office:
    """The house of the document's words, and one that tells more."""
    return open_office(VARIANTS[request.param])


# -- a cancellation whose answer was lost -----------------------------------------------------------------------------


def cancel(office: Office, esim: Esim, fault: Fault) -> LineAction:
    """Asked for with money that the customer is to get back; sent once."""
    user = make_user("orders.give_back", "esims.cancel_esim")
    action = request_end(
        esim=esim, capability=Capability.CANCEL, reason="not wanted", by=user, gives_back=Decimal("1.00")
    )
    office.emulator.meet("cancel", fault)
    return run_action(action_id=action.pk)


def look(action: LineAction, *, is_late: bool = False) -> LineAction:
    """The next look for the effect; ``is_late``: the last one."""
    now = timezone.now()
    waiting = LineAction.objects.filter(pk=action.pk, next_attempt_at__isnull=False)
    waiting.update(next_attempt_at=now, **({"deadline_at": now} if is_late else {}))
    return run_action(action_id=action.pk)


def test_revoked_line_is_no_cancelled_one(told: Office) -> None:
    """Our cancellation never arrived and somebody revoked the line: the provider gave nothing back."""
    esim, books = buy_one(told), told.emulator.books
    paid = books.balance
    action = cancel(told, esim, Fault(kind="reset_before"))
    books.revoke(books.lines[esim.provider_ref])
    for _ in range(3):
        action = look(action)
        assert action.state == "not_confirmed"
    assert Esim.objects.get().state == "terminated"
    action = look(action, is_late=True)
    assert (action.state, action.refunded) == ("unknown", None)
    assert action.error.startswith(
        "The line was ended in another way, not by this: nothing says that the provider gave its cost back."
    )
    assert settle_return_wishes() == 1
    wish = ReturnWish.objects.get()
    assert (wish.state, wish.refund) == ("void", None)
    assert wish.note.startswith("nobody knows whether the line ended")
    assert (Refund.objects.count(), books.balance, told.emulator.count("cancel")) == (0, paid, 1)
    told.check_books()


def test_cancellation_that_arrived_is_confirmed_as_before(told: Office) -> None:
    esim, books = buy_one(told), told.emulator.books
    paid = books.balance
    action = look(cancel(told, esim, Fault(kind="reset_after")))
    assert (action.state, Esim.objects.get().state) == ("confirmed", "cancelled")
    assert books.balance > paid
    assert settle_return_wishes() == 1
    assert Refund.objects.get().amount == Decimal("1.00")
    told.check_books()


# -- use that was settled before we read the whole line ---------------------------------------------------------------


def hear_of_use(office: Office, esim: Esim) -> None:
    """The house's webhook, and what it makes due."""
    line = office.emulator.books.lines[esim.provider_ref]
    content = {"esimTranNo": esim.provider_ref, "orderUsage": line.used, "totalVolume": line.volume}
    body = json.dumps({"notifyType": "DATA_USAGE", "content": {**content, "remainThreshold": 0.1}}).encode()
    hints = webhooks.read_hints(body)
    told = follow_hints(account_id=office.account.pk, slug=office.account.slug, deliveries=[hints])
    assert told == [("applied", "1 to be read again")]
    refresh_due_lines(limit=None, seconds=5.0)


def test_use_settled_before_a_full_reading_is_taken(told: Office) -> None:
    """The full reading says nothing of when its use was settled: what the other call tells is more, whatever its
    stamp.
    """
    esim, books = buy_one(told), told.emulator.books
    line = books.lines[esim.provider_ref]
    books.install(line, in_use=True)
    esim = told.refresh(esim)
    assert esim.total_used_bytes == 0
    read_at = esim.usage_as_of
    books.use(line, int(2.8 * GIB))
    assert read_at is not None
    assert line.used_at is not None
    assert line.used_at < read_at
    hear_of_use(told, esim)
    assert told.emulator.count("usage") == 1
    esim = Esim.objects.get()
    assert (esim.total_used_bytes, esim.usage_as_of) == (int(2.8 * GIB), read_at)
    (event,) = LineEvent.objects.filter(kind="usage_reached", awaits_notice=True)
    assert event.facts["percent"] == 90
    # Near its end it is asked again within the hour.
    assert esim.next_usage_at is not None
    assert (esim.next_usage_at - timezone.now()).total_seconds() <= 3600
    told.check_books()


# -- installed, and not in use ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("starts", [1, 2])
def test_installed_line_keeps_its_deadline_where_its_days_begin_with_the_connection(starts: int, told: Office) -> None:
    """``activeType`` 2; where the days run since the installation there is nothing left to do."""
    books = told.emulator.books
    books.packages["CKH002"] = replace(books.packages["CKH002"], starts=starts)
    esim = buy_one(told)
    marks = esim.notice_due_at
    books.install(books.lines[esim.provider_ref])
    esim = told.refresh(esim)
    assert esim.state == "installed"
    assert marks is not None
    assert esim.activation_deadline is not None
    assert esim.notice_due_at == (marks if starts == 2 else None)
