"""The dashboard, a customer's page and the provider accounts."""

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import transaction
from django.utils import timezone

from catalog.models import SyncRun
from esims.models import Esim
from orders.attention import ask_for_look
from orders.health import ask_for_beats, record_beat
from orders.models import Order, Purchase, WorkerBeat
from orders.states import lock_purchase
from providers.models import ProviderAccount, ProviderCall, RatePause, RateSlot
from providers.types import Capability
from tests.orders.desk import DECIDER, EVERYTHING, buy, purchase_of, sign_in, sign_in_as
from tests.orders.fakes import FakeProvider, Wholesaler
from tests.orders.making import make_customer, make_fake_account, make_fake_plan, make_user, order_plan
from tests.pages import assert_clean_page

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("wholesaler")]


@pytest.fixture
def workers_answer() -> None:
    """A dispatcher that runs and a worker that answered."""
    ask_for_beats()
    for beat in WorkerBeat.objects.all():
        record_beat(beat.queue)


def tasks_of(response: Any) -> dict[str, int]:
    return {task.title: task.number for task in response.context["tasks"]}


# -- dashboard --------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("workers_answer")
def test_with_nothing_to_do_it_says_so() -> None:
    response = sign_in(*EVERYTHING).get("/")
    assert_clean_page(response)
    assert tasks_of(response) == {}
    assert "Nothing. Everything runs by itself." in response.content.decode()


@pytest.mark.usefixtures("workers_answer")
def test_everything_that_needs_a_person_is_counted_and_leads_to_its_place(wholesaler: Wholesaler) -> None:
    wholesaler.plan_orders("lost_before", "no_balance", "refused")
    buy(1)
    buy(1)
    buy(3)
    marked = purchase_of(buy(1))
    with transaction.atomic():
        ask_for_look(lock_purchase(marked.pk), "One more came.", by="test")
    long_ago = timezone.now() - timedelta(days=2)
    allocating = purchase_of(buy(1))
    Purchase.objects.filter(pk=allocating.pk).update(state="allocating", first_sent_at=long_ago)
    Order.objects.filter(pk=order_plan(make_fake_plan()).pk).update(created_at=long_ago)
    order_plan(make_fake_plan())
    buy(4)
    first, second, third, fourth = Esim.objects.order_by("-pk")[:4]
    Esim.objects.filter(pk=first.pk).update(state="error")
    soon, later = timezone.now() + timedelta(days=3), timezone.now() + timedelta(days=30)
    Esim.objects.filter(pk=second.pk).update(activation_deadline=soon)
    Esim.objects.filter(pk=third.pk).update(activation_deadline=later)
    Esim.objects.filter(pk=fourth.pk).update(activation_deadline=soon, state="active")
    account = make_fake_account()
    ProviderAccount.objects.filter(pk=account.pk).update(last_failure_at=timezone.now(), last_failure="HTTP 503")
    SyncRun.objects.create(account=account, asked_by="schedule", state="failed", error="HTTP 503")
    asking = SyncRun.objects.create(
        account=make_fake_account("fake-single"), asked_by="schedule", state="needs_approval", would_retire=[1, 2]
    )
    response = sign_in_as(make_user(is_superuser=True)).get("/")
    assert_clean_page(response)
    assert tasks_of(response) == {
        "Purchase with unknown outcome": 1,
        "Held purchase": 1,
        "Purchase to look at": 1,
        "Purchase that waits long for its eSIMs": 1,
        "Fake: the last call failed": 1,
        "Refund due": 1,
        "Fake-Single: a sync asks whether plans may be retired": 1,
        "Fake: the last sync did not succeed": 1,
        "Faulty eSIM": 1,
        "eSIM to be installed within 14 days": 1,
        "Unpaid for more than a day": 1,
    }
    html = response.content.decode()
    for words in ("18.00 USD", "HTTP 503", "2 plans vanished", f"/syncs/{asking.pk}/", "/orders/?state=unpaid"):
        assert words in html
    for task in response.context["tasks"]:
        assert sign_in_as(make_user(is_superuser=True)).get(task.url).status_code == 200


def test_what_a_person_may_not_open_is_not_asked_of_them(wholesaler: Wholesaler) -> None:
    wholesaler.plan_orders("lost_before", "refused")
    order = buy(1)
    buy(1)
    response = sign_in().get("/")
    assert_clean_page(response)
    assert set(tasks_of(response)) == {"Nothing wakes the jobs that are due"}
    assert order.number not in response.content.decode()


def test_silent_workers_are_told() -> None:
    ask_for_beats()
    WorkerBeat.objects.update(asked_at=timezone.now() - timedelta(hours=1))
    response = sign_in().get("/")
    assert "Jobs of “roamdesk” are not being done" in tasks_of(response)
    assert "silent" in response.content.decode()


def test_the_month_adds_up_by_currency() -> None:
    buy(2)
    buy(1, retail_price=Decimal("1500"), net_price=Decimal("900"), currency="JPY")
    old = buy(5)
    past = timezone.now() - timedelta(days=40)
    Order.objects.filter(pk=old.pk).update(paid_at=past)
    Esim.objects.filter(purchased__purchase__order_line__order=old).update(created_at=past)
    response = sign_in(*EVERYTHING).get("/")
    month = response.context["page"].month
    assert (month.orders, month.esims, month.peak) == (2, 3, 3)
    assert month.sales == {"USD": Decimal(12), "JPY": Decimal(1500)}
    assert response.context["margin"] == {"USD": Decimal(4), "JPY": Decimal(600)}
    assert len(month.days) == 30
    assert (month.days[-1].esims, month.days[-1].orders, month.days[0].esims) == (3, 2, 0)
    assert sign_in(*DECIDER).get("/").context["margin"] == {}


def test_it_needs_a_constant_number_of_queries(
    wholesaler: Wholesaler, django_assert_max_num_queries: Callable[[int], Any]
) -> None:
    client = sign_in(*EVERYTHING, "providers.view_provideraccount")
    for _ in range(3):
        with django_assert_max_num_queries(27):
            client.get("/")
        wholesaler.plan_orders("lost_before", "refused", "no_balance")
        for _number in range(5):
            buy(1)
        SyncRun.objects.create(account=make_fake_account(), asked_by="x", state="failed")


# -- customers --------------------------------------------------------------------------------------------------------


def test_a_customers_page_shows_orders_esims_and_the_way_to_sell() -> None:
    order = buy(2)
    mia = order.customer
    other = buy(1)
    client = sign_in(*DECIDER)
    response = client.get(f"/customers/{mia.pk}/")
    assert_clean_page(response)
    html = response.content.decode()
    assert order.number in html
    assert other.number not in html
    for words in (f"/orders/new/?customer={mia.pk}", f"/customers/{mia.pk}/edit/", "12.00\u00a0USD"):
        assert words in html
    assert html.count("ready to install") == 2


def test_a_customers_page_shows_only_what_the_person_may_see() -> None:
    order = buy(1)
    html = sign_in("customers.view_customer").get(f"/customers/{order.customer_id}/").content.decode()
    assert order.number not in html
    assert "ready to install" not in html
    assert "/orders/new/" not in html


def test_a_customers_page_needs_a_constant_number_of_queries(django_assert_num_queries: Callable[[int], Any]) -> None:
    mia = make_customer(name="Mia")
    plan = make_fake_plan()
    order_plan(plan, 1, customer=mia)
    client = sign_in_as(make_user(is_superuser=True))
    client.get(f"/customers/{mia.pk}/")
    for _ in range(3):
        with django_assert_num_queries(15):
            client.get(f"/customers/{mia.pk}/")
        for _number in range(10):
            order_plan(plan, 1, customer=mia)


# -- provider accounts ------------------------------------------------------------------------------------------------


def test_an_account_shows_what_it_can_do_and_how_it_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(FakeProvider, "capabilities", FakeProvider.capabilities | {Capability.LIST_PLANS})
    account = make_fake_account()
    make_fake_plan()
    now = timezone.now()
    ProviderCall.objects.create(
        account="fake",
        operation="order",
        method="POST",
        path="/esim/orders",
        request='{"planCode": "P1"}',
        status=503,
        reply="busy",
        outcome="unknown",
        error="HTTP 503",
        sent_at=now,
        duration_ms=1200,
        request_id="abc-123",
    )
    SyncRun.objects.create(account=account, asked_by="mia@example.com")
    response = sign_in(*EVERYTHING, "providers.view_provideraccount").get("/providers/fake/")
    assert_clean_page(response)
    html = response.content.decode()
    for words in (
        *("Order eSIMs", "Look up a transaction", "at most 1000", "is never sent again by itself"),
        *("/esim/orders", "HTTP 503", "abc-123", "1200 ms", "mia@example.com", "Sync is running"),
    ):
        assert words in html


def test_rate_budgets_show_their_use(monkeypatch: pytest.MonkeyPatch, settings: Any) -> None:
    settings.PROVIDERS = {
        "esim-commerce": {
            **settings.PROVIDERS["esim-commerce"],
            "url": "http://127.0.0.1:9",
            "key_id": "k",
            "key_secret": "s",
            "currency": "USD",
        }
    }
    ProviderAccount.objects.create(slug="esim-commerce", adapter="esim_commerce", name="eSIM Commerce")
    now = timezone.now()
    for number in range(3):
        RateSlot.objects.create(account="esim-commerce", operation="order", number=number, used_at=now)
    RateSlot.objects.create(account="esim-commerce", operation="order", number=3, used_at=now - timedelta(minutes=5))
    RatePause.objects.create(account="esim-commerce", operation="order", until=now + timedelta(minutes=2))
    response = sign_in("providers.view_provideraccount").get("/providers/esim-commerce/")
    assert_clean_page(response)
    html = response.content.decode()
    assert "3 of 10 in 60 s" in html
    assert "The provider asks us to wait:" in html
    assert "Suspend a line" in html


def test_sync_now_is_for_those_who_may(monkeypatch: pytest.MonkeyPatch) -> None:
    make_fake_account()
    monkeypatch.setattr(FakeProvider, "capabilities", FakeProvider.capabilities | {Capability.LIST_PLANS})
    for permissions, there in (
        (("providers.view_provideraccount",), False),
        (("providers.view_provideraccount", "catalog.sync_catalog"), True),
    ):
        html = sign_in(*permissions).get("/providers/fake/").content.decode()
        assert ("Sync now" in html) is there


def test_an_account_that_lists_no_plans_has_nothing_to_sync(settings: Any) -> None:
    settings.PROVIDERS = {
        "freebit": {
            "adapter": "freebit",
            "name": "freebit",
            "url": "http://127.0.0.1:9",
            "oem_id": "us",
            "oem_key": "k",
        }
    }
    ProviderAccount.objects.create(slug="freebit", adapter="freebit", name="freebit")
    response = sign_in_as(make_user(is_superuser=True)).get("/providers/freebit/")
    assert_clean_page(response)
    html = response.content.decode()
    assert "Activate a line" in html
    assert "Sync now" not in html
    assert "Catalogue syncs" not in html


def test_the_list_of_accounts_needs_a_constant_number_of_queries(
    django_assert_num_queries: Callable[[int], Any],
) -> None:
    client = sign_in_as(make_user(is_superuser=True))
    make_fake_plan()
    client.get("/providers/")
    with django_assert_num_queries(6):
        client.get("/providers/")
    make_fake_plan("fake-single")
    make_fake_plan("fake-blind")
    with django_assert_num_queries(6):
        assert_clean_page(client.get("/providers/"))
