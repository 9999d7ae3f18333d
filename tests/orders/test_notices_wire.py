"""Notifications of what really happens at a simulated provider: SMS, a replacement, a top-up."""

import uuid
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
import time_machine
from django.core import mail
from django.utils import timezone
from pytest_django import Settings

from catalog.models import Plan
from esims.actions import run_action
from esims.models import Esim, LineAction
from esims.refresh import refresh_line
from orders.models import Notification, Order, Payment, Purchase
from orders.purchasing import run_purchase
from orders.replacing import replace_line
from orders.selling import PaymentTaken
from orders.topups import find_top_ups, sell_top_up
from providers.types import Priority
from tests.catalog.making import make_account, make_plan
from tests.orders.making import make_customer, make_due, make_user, order_plan, pay
from tests.orders.telling import subjects, tell
from tests.simulator_access import Access, open_account
from tests.simulator_client import Simulator

pytestmark = pytest.mark.django_db


@pytest.fixture
def access(settings: Settings, simulator: Simulator) -> Access:
    """The account at the simulator, which has lines ready at once."""
    access = open_account(settings, simulator)
    settings.HTTP_CONNECT_TIMEOUT = settings.HTTP_READ_TIMEOUT = settings.HTTP_ORDER_READ_TIMEOUT = 1.0
    return access


def make_access_plan(access: Access) -> Plan:
    """One with an allowance in total, whose lines take an SMS and top-ups."""
    code = access.find_package(dataType=1, supportTopUpType=2)
    access.change_package(code, smsStatus=1)
    package = access.package(code)
    return make_plan(
        make_account("esim-access", adapter="esim_access"),
        plan_ref=code,
        alias=package["slug"],
        net_price=Decimal(package["price"]) / 10_000,
        currency="USD",
        data_bytes=package["volume"],
    )


def deliver(order: Order) -> Esim:
    for _turn in range(3):
        for purchase in Purchase.objects.filter(order_line__order=order).exclude(state__in=Purchase.ENDED):
            run_purchase(purchase_id=make_due(purchase).pk)
    return Esim.objects.get(purchased__purchase__order_line__order=order)


def buy(access: Access) -> Esim:
    """A line of a customer with an address, of which has been told."""
    order = order_plan(make_access_plan(access), customer=make_customer(name="Aiko", email="aiko@example.jp"))
    pay(order)
    esim = deliver(order)
    tell()
    return esim


def use(access: Access, esim: Esim, share: float) -> None:
    """So much of its allowance is used, and the provider says so."""
    total = access.line(esim.provider_ref)["line"]["totalVolume"]
    access.use_data(esim.provider_ref, int(total * share))
    refresh_line(esim_id=esim.pk, priority=Priority.PEOPLE, by="test")


# -- SMS --------------------------------------------------------------------------------------------------------------


def run_actions() -> LineAction:
    """Every step of the only action, until nothing is due any more."""
    for _count in range(40):
        action = LineAction.objects.get()
        if action.state not in LineAction.OPEN:
            return action
        due = action.next_attempt_at or action.deadline_at
        assert due is not None
        with time_machine.travel(max(due, timezone.now()) + timedelta(milliseconds=1)):
            run_action(action_id=action.pk)
    pytest.fail(f"still {action.state}")


def test_the_provider_gets_the_words_and_the_link_once(access: Access, settings: Settings) -> None:
    settings.NOTIFICATION_SMS = ["usage"]
    esim = buy(access)
    use(access, esim, 0.85)
    tell()
    assert run_actions().state == LineAction.State.CONFIRMED
    tell()
    (effect,) = access.effects("sms")
    assert effect["ref"] == esim.provider_ref
    words = effect["detail"]["message"]
    assert words.startswith("Roamdesk: 80 % of your data is used http://127.0.0.1:8000/l/")
    row = Notification.objects.get(channel="sms")
    assert (row.state, row.facts["action"]) == ("sent", LineAction.objects.get().pk)
    # The customer got the same by e-mail, and the link in the SMS is one that works.
    assert mail.outbox[-1].subject == "80 % of your data is used"
    assert len(access.requests("sms")) == 1


FAULTS: list[tuple[str, dict[str, Any], str, int]] = [
    # kind, parameters, how the action ends, SMS that went out
    ("refuse_code", {"code": "200008"}, "rejected", 0),
    ("reset_after", {}, "unknown", 1),
    ("hang_after", {"seconds": 2}, "unknown", 1),
    ("status_after", {"status": 503}, "unknown", 1),
    ("reset_before", {}, "unknown", 0),
]


@pytest.mark.parametrize("fault", FAULTS, ids=[fault[0] for fault in FAULTS])
def test_a_refusal_or_a_lost_answer_is_not_sent_twice(
    access: Access, settings: Settings, fault: tuple[str, dict[str, Any], str, int]
) -> None:
    kind, parameters, ends, sent = fault
    settings.NOTIFICATION_SMS = ["usage"]
    esim = buy(access)
    use(access, esim, 0.85)
    access.simulator.order_fault(kind, "sms", system="access", **parameters)
    tell()
    assert run_actions().state == ends
    # Neither another look at what waits nor another reading of the same use brings it again.
    use(access, esim, 0)
    with time_machine.travel(timezone.now() + timedelta(days=2)):
        tell()
    assert LineAction.objects.count() == 1
    assert Notification.objects.filter(channel="sms").count() == 1
    assert (len(access.requests("sms")), len(access.effects("sms"))) == (1, sent)


def test_no_sms_to_a_line_whose_provider_says_that_it_takes_none(access: Access, settings: Settings) -> None:
    settings.NOTIFICATION_SMS = ["usage"]
    esim = buy(access)
    Esim.objects.filter(pk=esim.pk).update(api_sms=False)
    access.set_line(esim.provider_ref, smsStatus=0)
    use(access, esim, 0.85)
    tell()
    assert not Notification.objects.filter(channel="sms").exists()
    assert access.requests("sms") == []


# -- a replacement, and a top-up --------------------------------------------------------------------------------------


def test_a_replacement_that_was_ordered_is_told_as_one(access: Access) -> None:
    faulty = buy(access)
    mina = make_user("orders.replace")
    order = replace_line(esim=faulty, plan=faulty.plan, reason="no network", checkout_key=uuid.uuid4(), by=mina)
    assert len(tell()) == 1
    new = deliver(order)
    assert tell() == sorted([f"ready:order:{number}:0" for number in Order.objects.values_list("pk", flat=True)])
    row = Notification.objects.get(order=order)
    assert (row.kind, row.esim_id, row.facts) == ("replacement", new.pk, {"esims": [new.pk]})
    assert subjects() == ["Your eSIM is ready", "Your replacement eSIM is ready"]
    body = " ".join(str(mail.outbox[1].body).split())
    assert f"Here is a new eSIM in place of {faulty.label}, free of charge (order {order.number})." in body
    assert access.line(new.provider_ref)["line"]["ac"] in body
    assert faulty.lpa not in body
    # No money is owed and none went back.
    assert not Notification.objects.filter(kind__startswith="refund").exists()


def test_a_top_up_that_was_bought_is_told_once(access: Access) -> None:
    esim = buy(access)
    use(access, esim, 0.1)
    choice = next(choice for choice in find_top_ups(esim=Esim.objects.get(pk=esim.pk)) if not choice.refusal)
    assert choice.plan.retail_price is not None
    order = sell_top_up(
        esim=Esim.objects.get(pk=esim.pk),
        plan=choice.plan,
        checkout_key=uuid.uuid4(),
        expected_price=choice.plan.retail_price,
        by=make_user(),
        payment=PaymentTaken(method=Payment.Method.CASH, reference="", form_key=uuid.uuid4()),
    )
    before = len(tell())
    purchase = Purchase.objects.get(order_line__order=order)
    for _turn in range(3):
        run_purchase(purchase_id=make_due(purchase).pk)
    assert len(access.effects("topup")) == 1
    key = f"topped-up:purchase:{purchase.pk}"
    assert key in tell()
    assert len(tell()) == before + 1
    row = Notification.objects.get(key=key)
    assert (row.kind, row.order_id, row.esim_id, row.state) == ("topped_up", order.pk, esim.pk, "sent")
    message = mail.outbox[-1]
    assert message.subject == "Data was added to your eSIM"
    body = " ".join(str(message.body).split())
    assert f"“{choice.plan.name}” was added to your eSIM {esim.label} (order {order.number})." in body
    # Its link, and no code: the eSIM is on the phone already.
    assert "/l/" in body
    assert "LPA:" not in body
