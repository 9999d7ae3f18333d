"""An order of which some codes do not come: what is there is told after a while, the rest once it comes, each once."""

from datetime import timedelta

import pytest
from django.core import mail
from django.utils import timezone
from pytest_django import Settings

from config.retelling import retell
from esims.lifecycle import apply_snapshot, register_bare_lines
from esims.models import Esim
from esims.notices import plan_next_notice
from orders.models import Notification, Order, OrderEvent, Purchase
from orders.notice_planning import due_lines
from orders.notice_staff import plan_staff_notifications
from orders.reconciliation import settle_attention
from providers.types import LineState
from tests.catalog.making import make_plan
from tests.esims.making import make_snapshot
from tests.orders.fakes import Wholesaler
from tests.orders.making import make_customer, make_user
from tests.orders.telling import subjects, tell
from tests.orders.test_notices_orders import deliver, sell

pytestmark = pytest.mark.django_db
PATIENCE = timedelta(hours=2)


def sell_without_codes(quantity: int, without: int) -> tuple[Order, list[Esim]]:
    """A delivered order; of the last lines the codes have not come."""
    order = sell(quantity)
    lines = deliver(order)
    for line in lines[quantity - without :]:
        line.lpa = line.matching_id = ""
        line.state = LineState.PROVISIONING
        line.notice_due_at = plan_next_notice(line, now=timezone.now())
        line.save()
    return order, lines


def time_passes(by: timedelta) -> None:
    for line in Esim.objects.exclude(notice_due_at=None):
        Esim.objects.filter(pk=line.pk).update(
            created_at=line.created_at - by,
            notice_due_at=line.notice_due_at - by,  # type: ignore[operator]
        )


def bring_code(line: Esim) -> None:
    now = timezone.now()
    snapshot = make_snapshot(line.provider_ref, state_as_of=now, usage_as_of=now, activation_deadline=None)
    apply_snapshot(esim_id=line.pk, snapshot=snapshot, by="refresh")


def test_what_is_there_is_told_after_the_patience_and_the_rest_when_it_comes(wholesaler: Wholesaler) -> None:
    order, lines = sell_without_codes(3, 1)
    assert tell() == []
    time_passes(PATIENCE - timedelta(minutes=1))
    assert tell() == []
    time_passes(timedelta(minutes=2))
    first = f"ready:order:{order.pk}:0"
    assert tell() == [first]
    assert tell() == [first]
    (message,) = mail.outbox
    assert message.subject == "Your 2 eSIMs are ready"
    assert "The code of 1 more eSIM of the order has not come yet." in " ".join(str(message.body).split())
    assert Notification.objects.get().facts == {"esims": [line.pk for line in lines[:2]]}
    assert [lpa in message.body for lpa in (lines[0].lpa, lines[1].lpa)] == [True, True]

    bring_code(lines[2])
    later = f"ready:order:{order.pk}:2"
    assert tell() == [first, later]
    assert tell() == [first, later]
    assert subjects() == ["Your 2 eSIMs are ready", "Your eSIM is ready"]
    assert Notification.objects.get(key=later).facts == {"esims": [lines[2].pk]}
    assert "has not come yet" not in mail.outbox[1].body
    assert len(mail.outbox) == 2


def test_staff_are_asked_to_look_once(wholesaler: Wholesaler) -> None:
    order, lines = sell_without_codes(2, 1)
    purchase = Purchase.objects.get(order_line__order=order)
    decider = make_user("orders.reconcile")
    tell()
    assert Purchase.objects.get().attention == ""
    assert plan_staff_notifications() == 0
    time_passes(PATIENCE)
    tell()
    word = f"The provider has named no code yet for: {lines[1].label}"
    assert Purchase.objects.get().attention == word
    assert retell(word) == word
    assert plan_staff_notifications() == 1
    assert Notification.objects.get(audience="staff").kind == "unknown_purchase"
    # Once somebody has looked, nothing asks for it again: neither time, nor a reading, nor the order.
    settle_attention(purchase=purchase, by=decider)
    OrderEvent.objects.filter(order=order).update(awaits_notice=True)
    time_passes(timedelta(days=3))
    tell()
    assert Purchase.objects.get().attention == ""
    assert OrderEvent.objects.filter(kind="purchase.attention").count() == 1


def test_without_a_single_code_the_customer_hears_nothing_and_staff_do(wholesaler: Wholesaler) -> None:
    _order, lines = sell_without_codes(2, 2)
    time_passes(PATIENCE)
    assert tell() == []
    labels = ", ".join(line.label for line in lines)
    assert Purchase.objects.get().attention == f"The provider has named no code yet for: {labels}"
    bring_code(lines[1])
    assert [key.rpartition(":")[2] for key in tell()] == ["0"]
    bring_code(lines[0])
    assert [key.rpartition(":")[2] for key in tell()] == ["0", "1"]
    assert subjects() == ["Your eSIM is ready"] * 2


def test_a_line_that_is_still_waited_for_holds_the_message_up(wholesaler: Wholesaler) -> None:
    _order, lines = sell_without_codes(3, 2)
    Esim.objects.filter(pk=lines[1].pk).update(created_at=timezone.now() - PATIENCE, notice_due_at=timezone.now())
    assert tell() == []
    assert lines[1].label in Purchase.objects.get().attention
    time_passes(PATIENCE)
    assert len(tell()) == 1


def test_the_patience_is_a_setting(wholesaler: Wholesaler, settings: Settings) -> None:
    settings.NOTIFICATION_CODE_HOURS = 0.5
    sell_without_codes(2, 1)
    time_passes(timedelta(minutes=29))
    assert tell() == []
    time_passes(timedelta(minutes=1))
    assert len(tell()) == 1


def test_an_order_that_is_still_bought_is_told_at_its_end(wholesaler: Wholesaler) -> None:
    order, lines = sell_without_codes(2, 1)
    Order.objects.filter(pk=order.pk).update(state=Order.State.BUYING)
    time_passes(PATIENCE)
    assert tell() == []
    assert Purchase.objects.get().attention != ""
    Order.objects.filter(pk=order.pk).update(state=Order.State.COMPLETED)
    OrderEvent.objects.filter(order=order).update(awaits_notice=True)
    assert len(tell()) == 1
    assert Notification.objects.get().facts == {"esims": [lines[0].pk]}


def test_a_bare_line_has_its_moment_and_loses_it_with_its_code(wholesaler: Wholesaler) -> None:
    plan = make_plan()
    (line,) = register_bare_lines(
        account=plan.account, customer=make_customer(), plan=plan, refs=["8900000000000000001"], by="test"
    )
    assert line.notice_due_at is not None
    assert abs(line.notice_due_at - line.created_at - PATIENCE) < timedelta(seconds=1)
    bring_code(line)
    assert Esim.objects.get(pk=line.pk).notice_due_at is None
    assert not due_lines().exists()


def test_nobody_is_hurried_to_install_what_has_no_code() -> None:
    deadline = timezone.now() + timedelta(days=1)
    line = Esim(state=LineState.READY, created_at=timezone.now() - timedelta(days=20), activation_deadline=deadline)
    assert plan_next_notice(line, now=timezone.now()) is None
    line.lpa = "LPA:1$smdp.example.com$CODE"
    assert plan_next_notice(line, now=timezone.now()) is not None


@pytest.mark.parametrize("state", [LineState.UNKNOWN, LineState.ERROR, LineState.DOWNLOADED, LineState.READY])
def test_whatever_is_said_of_a_line_its_code_is_waited_for(state: LineState, wholesaler: Wholesaler) -> None:
    order, (line,) = sell_without_codes(1, 1)
    Esim.objects.filter(pk=line.pk).update(state=state)
    assert tell() == []
    time_passes(PATIENCE)
    assert tell() == []
    assert Purchase.objects.get().attention == f"The provider has named no code yet for: {line.label}"
    bring_code(line)
    assert tell() == [f"ready:order:{order.pk}:0"]
    assert f"carddata={Esim.objects.get().lpa}" in mail.outbox[0].body


def test_what_came_onto_a_phone_without_a_code_holds_nobody_up(wholesaler: Wholesaler) -> None:
    order, lines = sell_without_codes(2, 1)
    assert tell() == []
    now = timezone.now()
    snapshot = make_snapshot(
        lines[1].provider_ref, state=LineState.ACTIVE, lpa="", matching_id="", state_as_of=now, usage_as_of=now
    )
    apply_snapshot(esim_id=lines[1].pk, snapshot=snapshot, by="refresh")
    assert tell() == []
    time_passes(PATIENCE)
    assert tell() == [f"ready:order:{order.pk}:0"]
    assert Notification.objects.get().facts == {"esims": [line.pk for line in lines]}
    assert Purchase.objects.get().attention == ""
    words = " ".join(str(mail.outbox[0].body).split())
    assert words.count("We hold no code for this line. Write to us if it is not on your phone yet.") == 1
    assert "made for one device" not in words


def test_a_line_for_one_device_is_told_as_one(wholesaler: Wholesaler) -> None:
    (line,) = deliver(sell(1))
    Esim.objects.filter(pk=line.pk).update(lpa="", matching_id="", eid="89049032000000000000000000000001")
    tell()
    words = " ".join(str(mail.outbox[0].body).split())
    assert "This line was made for one device, which fetches it by itself." in words
    assert "We hold no code" not in words
