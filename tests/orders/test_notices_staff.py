"""What staff are told: who may look at it, once, collected, and by choice."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.contrib.auth.models import Group, Permission
from django.core import mail
from django.db.models import F
from django.utils import timezone
from pytest_django import Settings

from catalog.models import SyncRun
from customers.models import User
from orders import notice_staff
from orders.models import Notification, Payment, PaymentDelivery, Purchase
from orders.notice_sending import send_due_notifications
from orders.notice_staff import plan_staff_notifications
from orders.notifications import choose_notices
from orders.tasks import tell_staff
from providers.balances import record_balance, set_low_mark
from providers.models import WebhookDelivery
from providers.types import AccountBalance, Money
from tests.catalog.making import make_account
from tests.orders.desk import buy
from tests.orders.fakes import Wholesaler
from tests.orders.making import make_fake_plan, make_user, order_plan

pytestmark = pytest.mark.django_db


def tell() -> list[str]:
    """Look twice, send; the subjects of the mails since, each with who got it."""
    mail.outbox.clear()
    tell_staff()
    tell_staff()
    send_due_notifications(seconds=30)
    return sorted(f"{message.to[0]}: {message.subject}" for message in mail.outbox)


def an_hour_passes() -> None:
    Notification.objects.update(created_at=F("created_at") - timedelta(minutes=61))


def park(number: int = 1) -> None:
    account = make_account()
    WebhookDelivery.objects.bulk_create(
        WebhookDelivery(
            account=account,
            key=f"{timezone.now().timestamp()}-{index}",
            received_at=timezone.now(),
            handled_at=timezone.now(),
            body=b"{}",
            word="ORDER_STATUS",
            state="parked",
        )
        for index in range(number)
    )


def park_payment_call(event_id: str) -> None:
    PaymentDelivery.objects.create(
        event_id=event_id,
        kind="charge.refunded",
        received_at=timezone.now(),
        handled_at=timezone.now(),
        body=b"{}",
        state="parked",
    )


def test_an_unknown_purchase_is_told_to_those_who_decide(wholesaler: Wholesaler) -> None:
    decider, seller = make_user("orders.reconcile"), make_user("orders.sell")
    wholesaler.plan_orders("lost_before")
    order = buy(1)
    assert tell() == [f"{decider.email}: 1 purchase needs a decision"]
    assert order.number in mail.outbox[0].body
    assert "http://127.0.0.1:8000/purchases/" in mail.outbox[0].body
    an_hour_passes()
    assert tell() == []
    assert not Notification.objects.filter(user=seller).exists()


def test_a_flood_is_one_message_an_hour_with_its_number() -> None:
    reader = make_user("providers.handle_delivery")
    park(500)
    assert tell() == [f"{reader.email}: 500 webhooks are parked"]
    assert "… and 490 more." in mail.outbox[0].body
    park(3)
    assert tell() == []
    an_hour_passes()
    assert tell() == [f"{reader.email}: 3 webhooks are parked"]
    assert "In all 503 wait now." in " ".join(mail.outbox[0].body.split())
    an_hour_passes()
    assert tell() == []


def test_of_a_flood_beyond_what_is_remembered_the_number_is_right() -> None:
    reader = make_user("providers.handle_delivery")
    park(1500)
    for number in range(1100):
        park_payment_call(f"evt_{number}")
    assert tell() == [f"{reader.email}: 2600 webhooks are parked"]
    assert "… and 2590 more." in mail.outbox[0].body
    an_hour_passes()
    assert tell() == []
    park(2)
    assert tell() == [f"{reader.email}: 2 webhooks are parked"]
    assert "In all 2602 wait now." in " ".join(mail.outbox[0].body.split())
    # What comes into view again, because newer ones are settled, is no news.
    newest = PaymentDelivery.objects.order_by("-received_at", "-pk").values_list("pk", flat=True)[:700]
    PaymentDelivery.objects.filter(pk__in=list(newest)).update(state="applied")
    an_hour_passes()
    assert tell() == []


def test_a_purchase_beyond_a_thousand_is_told(wholesaler: Wholesaler, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notice_staff, "_REMEMBERED", 3)
    reader = make_user("orders.reconcile")
    buy(1)
    bought = Purchase.objects.get()
    wholesaler.plan_orders(*["lost_before"] * 5)
    for _ in range(4):
        buy(1)
    assert tell() == [f"{reader.email}: 4 purchases need a decision"]
    an_hour_passes()
    assert tell() == []
    newest = buy(1)
    assert tell() == [f"{reader.email}: 1 purchase needs a decision"]
    assert newest.number in mail.outbox[0].body
    assert "In all 5 wait now." in " ".join(mail.outbox[0].body.split())
    an_hour_passes()
    assert tell() == []
    # An old one that is not among the newest: the number tells of it.
    Purchase.objects.filter(pk=bought.pk).update(attention="look at it")
    assert tell() == [f"{reader.email}: 1 purchase needs a decision"]
    assert "… and 1 more." in mail.outbox[0].body
    an_hour_passes()
    assert tell() == []


def test_a_parked_call_of_the_payment_service_counts_as_well() -> None:
    reader = make_user("providers.handle_delivery")
    park_payment_call("evt_1")
    assert tell() == [f"{reader.email}: 1 webhook is parked"]


def test_a_low_balance_is_told_when_it_crosses_the_mark_and_again_only_after_it_was_up() -> None:
    reader = make_user("providers.change_provideraccount")
    account = set_low_mark(account=make_account(), amount=Decimal(100), by="mika")
    for minutes, amount, told in ((0, "120", 0), (1, "90", 1), (2, "80", 0), (3, "150", 0), (4, "50", 1)):
        at = timezone.now() + timedelta(minutes=minutes)
        balance = AccountBalance(money=Money(amount=Decimal(amount), currency="USD"), as_of=at)
        record_balance(account=account, balance=balance)
        an_hour_passes()
        assert tell() == [f"{reader.email}: Low balance at 1 provider"] * told


def test_a_sync_that_fails_is_told_once_for_all_its_failures() -> None:
    reader = make_user("catalog.sync_catalog")
    account = make_account()
    for state, told in (("succeeded", 0), ("failed", 1), ("failed", 0), ("succeeded", 0), ("failed", 1)):
        SyncRun.objects.create(account=account, state=state, asked_by="schedule", finished_at=timezone.now())
        an_hour_passes()
        assert tell() == [f"{reader.email}: The catalogue of 1 account cannot be read"] * told


def test_a_payment_that_does_not_fit_is_told(wholesaler: Wholesaler) -> None:
    reader = make_user("orders.handle_payment")
    order = order_plan(make_fake_plan())
    Payment.objects.create(
        order=order,
        method="card",
        amount=5,
        currency="USD",
        captured_amount=4,
        captured_currency="EUR",
        captured_at=timezone.now(),
        attention="another currency",
    )
    assert tell() == [f"{reader.email}: 1 payment needs a look"]
    assert f"{order.number}, 4.00 EUR" in mail.outbox[0].body
    assert "http://127.0.0.1:8000/payments/" in mail.outbox[0].body


def test_who_is_told() -> None:
    """By group, by being the boss; not who switched it off, who left, and customers never."""
    group = Group.objects.create(name="night shift")
    group.permissions.add(Permission.objects.get(codename="handle_delivery", content_type__app_label="providers"))
    by_group, boss = make_user(), make_user(is_superuser=True)
    by_group.groups.add(group)
    quiet, gone = make_user("providers.handle_delivery"), make_user("providers.handle_delivery", is_active=False)
    choose_notices(user=quiet, off=["parked_delivery", "nonsense"])
    traveller = User.objects.create_user("traveller@example.com", "x")
    traveller.groups.add(group)
    park()
    assert [line.partition(":")[0] for line in tell()] == sorted([by_group.email, boss.email])
    assert not Notification.objects.filter(user__in=[quiet, gone, traveller]).exists()
    assert quiet.notice_choice.off == ["parked_delivery"]


def test_the_language_is_the_persons_and_a_kind_can_be_off(settings: Settings) -> None:
    make_user("providers.handle_delivery", language="ja")
    settings.NOTIFICATION_OFF = ["parked_delivery"]
    park()
    assert plan_staff_notifications() == 0
    settings.NOTIFICATION_OFF = []
    assert plan_staff_notifications() == 1
    assert Notification.objects.get().language == "ja"
