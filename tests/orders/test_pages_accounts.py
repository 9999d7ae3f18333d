"""What staff see and ask of a provider's account, its calls to us, and the page on which a line is topped up."""

import re
import uuid
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from esims.models import Esim
from orders.inbox import drain_inbox
from orders.models import Order, OrderLine, Purchase
from orders.purchasing import run_purchase
from providers import registry
from providers.models import AccountTask, BalanceReading, ProviderAccount, ProviderCall, ProviderRegion, WebhookDelivery
from providers.types import AccountBalance, Capability, Money, Priority, WebhookHint, WebhookKind
from tests.catalog.making import make_offer
from tests.orders import fakes_webhooks
from tests.orders.desk import sign_in, sign_in_as
from tests.orders.fakes_lines import Allocator
from tests.orders.fakes_webhooks import SECRET, CallingProvider
from tests.orders.making import make_due, make_fake_account, make_purchase, make_user
from tests.pages import assert_clean_page
from tests.queue import Queue

pytestmark = pytest.mark.django_db(transaction=True)

SEES = ("providers.view_provideraccount", "providers.view_webhookdelivery")
CHANGES = (*SEES, "providers.change_provideraccount")
PAGE = "/providers/fake-calls/"
HEALTH_CHECK = (WebhookHint(kind=WebhookKind.HEALTH_CHECK),)


@pytest.fixture(autouse=True)
def account(allocator: Allocator, monkeypatch: pytest.MonkeyPatch, settings: Settings) -> Iterator[ProviderAccount]:
    del allocator

    def read_balance(_self: object, _priority: Priority) -> AccountBalance:
        return AccountBalance(money=Money(amount=Decimal("42.50"), currency="USD"), as_of=timezone.now())

    monkeypatch.setattr(registry, "ADAPTERS", {**registry.ADAPTERS, **fakes_webhooks.ADAPTERS})
    monkeypatch.setattr(CallingProvider, "capabilities", CallingProvider.capabilities | {Capability.BALANCE})
    monkeypatch.setattr(CallingProvider, "_read_balance", read_balance)
    settings.PROVIDERS = {**settings.PROVIDERS, **fakes_webhooks.ACCOUNTS}
    yield make_fake_account("fake-calls")


def deliver(document: dict[str, Any]) -> WebhookDelivery:
    Client().post("/hooks/fake-calls/", data=document, content_type="application/json", headers={"token": SECRET})
    drain_inbox()
    return WebhookDelivery.objects.latest("pk")


# -- an account --------------------------------------------------------------------------------------------------------


def test_account_shows_its_health_its_money_and_its_regions(account: ProviderAccount) -> None:
    now = timezone.now()
    for outcome in ("ok", "ok", "ok", "failed", "rejected", "rate_limited"):
        ProviderCall.objects.create(
            account="fake-calls",
            operation="order",
            method="POST",
            path="/",
            outcome=outcome,
            sent_at=now,
            duration_ms=1,
        )
    for amount in ("60.00", "42.50"):
        BalanceReading.objects.create(account=account, at=now, amount=Decimal(amount), currency="USD")
    ProviderRegion.objects.create(account=account, code="EU-2", name="Two of Europe", is_multi=True, seen_at=now)
    ProviderAccount.objects.update(low_balance=Decimal(50))
    response = sign_in(*SEES).get(PAGE)
    assert_clean_page(response)
    text = " ".join(re.sub(r"<[^>]+>", " ", response.content.decode()).split())
    for words in (
        "6, of which 16.7 % failed",
        "1 refused, 1 told to wait",
        "42.50 USD as told",
        "below the mark",
        "1 region Two of Europe EU-2",
        "Call us when something happens",
    ):
        assert words in text, words
    assert "Set the mark" not in text


def test_person_asks_and_sees_what_came_of_it(account: ProviderAccount, queue: Queue) -> None:
    client = sign_in(*CHANGES)
    html = client.get(PAGE).content.decode()
    assert re.findall(r'name="kind" value="(\w+)"', html) == ["check", "balance"]
    response = client.post(f"{PAGE}tasks/", {"kind": "balance"}, follow=True)
    assert_clean_page(response)
    assert "It is asked for" in response.content.decode()
    queue.run()
    response = client.get(PAGE)
    assert_clean_page(response)
    assert "42.5 USD" in response.content.decode()
    assert AccountTask.objects.get().state == "done"


@pytest.mark.parametrize(("kind", "status"), [("regions", 302), ("nonsense", 400), ("", 400)])
def test_what_is_not_offered_is_not_asked(kind: str, status: int) -> None:
    client = sign_in(*CHANGES)
    response = client.post(f"{PAGE}tasks/", {"kind": kind})
    assert (response.status_code, AccountTask.objects.count()) == (status, 0)
    if status == 302:
        assert "not offered by this provider" in client.get(PAGE).content.decode()


def test_low_mark_is_set_and_taken_away_and_nonsense_loses_nothing(account: ProviderAccount) -> None:
    client = sign_in(*CHANGES)
    client.post(f"{PAGE}low-mark/", {"amount": "12.50"})
    assert ProviderAccount.objects.get().low_balance == Decimal("12.50")
    response = client.post(f"{PAGE}low-mark/", {"amount": "a lot"})
    assert response.status_code == 422
    html = response.content.decode()
    assert "Type an amount, such as 12.50." in html
    assert 'value="a lot"' in html
    assert ProviderAccount.objects.get().low_balance == Decimal("12.50")
    client.post(f"{PAGE}low-mark/", {"amount": ""})
    assert ProviderAccount.objects.get().low_balance is None


# -- deliveries --------------------------------------------------------------------------------------------------------


def test_deliveries_are_listed_by_state_and_shown_without_secrets() -> None:
    row = deliver({"id": "n1", "kind": "something_new", "ac": "LPA:1$smdp.example$TOPSECRET"})
    deliver({"id": "n2", "kind": "health_check"})
    client = sign_in(*SEES)
    response = client.get("/webhooks/?state=not_understood")
    assert_clean_page(response)
    html = response.content.decode()
    assert ("SOMETHING_NEW" in html, "HEALTH_CHECK" in html) == (True, False)
    response = client.get(f"/webhooks/{row.pk}/")
    assert_clean_page(response)
    html = response.content.decode()
    assert ("TOPSECRET" in html, "[redacted]" in html) == (False, True)
    assert "Try again" not in html


def test_person_has_a_delivery_tried_again() -> None:
    row = deliver({"id": "n1", "kind": "something_new"})
    client = sign_in(*SEES, "providers.handle_delivery")
    assert "Try again" in client.get(f"/webhooks/{row.pk}/").content.decode()
    response = client.post(f"/webhooks/{row.pk}/retry/", follow=True)
    assert_clean_page(response)
    row.refresh_from_db()
    assert (row.state, row.attempts) == ("new", 0)
    assert "waits to be worked off already" in client.post(f"/webhooks/{row.pk}/retry/", follow=True).content.decode()


def test_parked_delivery_tells_its_error_and_is_tried_again_by_its_button(monkeypatch: pytest.MonkeyPatch) -> None:
    row = deliver({"id": "n1", "kind": "crash"})
    for _ in range(4):
        WebhookDelivery.objects.update(next_attempt_at=timezone.now())
        drain_inbox()
    client = sign_in(*SEES, "providers.handle_delivery")
    assert f"/webhooks/{row.pk}/" in client.get("/webhooks/?state=parked").content.decode()
    html = client.get(f"/webhooks/{row.pk}/").content.decode()
    assert ("our program failed over it (KeyError" in html, f'action="/webhooks/{row.pk}/retry/"' in html) == (
        True,
        True,
    )
    # A new version of the program can read it.
    monkeypatch.setattr(CallingProvider, "_read_webhook", lambda _self, _body: HEALTH_CHECK)
    assert drain_inbox() == 0
    client.post(f"/webhooks/{row.pk}/retry/")
    assert drain_inbox() == 1
    row.refresh_from_db()
    assert (row.state, row.attempts) == ("ignored", 1)
    assert "Try again" in client.get(f"/webhooks/{row.pk}/").content.decode()


def test_delivery_whose_key_is_gone_has_a_page_and_a_button() -> None:
    row = deliver({"id": "n1", "kind": "something_new"})
    with connection.cursor() as cursor:
        cursor.execute("UPDATE providers_webhookdelivery SET body = 'not ours'")
    client = sign_in(*SEES, "providers.handle_delivery")
    assert "the body cannot be read" in client.get(f"/webhooks/{row.pk}/").content.decode()
    client.post(f"/webhooks/{row.pk}/retry/")
    assert drain_inbox() == 1
    row = WebhookDelivery.objects.defer("body").get()
    assert (row.state, row.attempts) == ("new", 1)
    assert "FIELD_ENCRYPTION_KEYS lacks the key" in client.get(f"/webhooks/{row.pk}/").content.decode()


def test_list_of_deliveries_costs_the_same_however_many(django_assert_num_queries: Any) -> None:
    client = sign_in_as(make_user(is_superuser=True))
    deliver({"id": "n0", "kind": "usage"})
    client.get("/webhooks/")
    with django_assert_num_queries(6):
        client.get("/webhooks/")
    for number in range(1, 60):
        deliver({"id": f"n{number}", "kind": "usage"})
    with django_assert_num_queries(6):
        assert_clean_page(client.get("/webhooks/"))


# -- topping up --------------------------------------------------------------------------------------------------------


def price(text: str) -> Money:
    return Money(amount=Decimal(text), currency="USD")


def make_line(allocator: Allocator) -> Esim:
    purchase = make_purchase("fake-calls", 1)
    run_purchase(purchase_id=purchase.pk)
    run_purchase(purchase_id=make_due(purchase).pk)
    allocator.offers = (
        make_offer("TOPUP_1", name="One more", suggested_price=price("3.00"), net_price=price("1.00")),
        make_offer(
            "TOPUP_DAY",
            name="Some days",
            days_choice_max=30,
            validity_days=1,
            suggested_price=price("2.00"),
            net_price=price("1.00"),
        ),
    )
    return Esim.objects.get(purchased__purchase=purchase)


def read_form(html: str) -> dict[str, str]:
    names = ("checkout_key", "form_key")
    return {name: re.search(rf'name="{name}" value="([^"]+)"', html)[1] for name in names}  # type: ignore[index]


def choice(html: str, name: str) -> str:
    rows = re.findall(r'name="package" value="([^"]+)".*?<span class="strong">([^<]+)', html, re.DOTALL)
    values: dict[str, str] = {label: value for value, label in rows}
    return values[name]


def test_line_is_topped_up_at_the_desk(allocator: Allocator) -> None:
    esim = make_line(allocator)
    client = sign_in("orders.sell", "orders.view_order", "esims.view_esim")
    url = f"/esims/{esim.pk}/top-up/"
    response = client.get(url)
    assert_clean_page(response)
    html = response.content.decode()
    typed = {
        **read_form(html),
        "package": choice(html, "One more"),
        "method": "cash",
        "reference": "",
        "note": "by phone",
    }
    response = client.post(url, typed, follow=True)
    assert_clean_page(response)
    line = OrderLine.objects.get(kind="top_up")
    assert (line.esim_id, line.unit_price, line.order.total, line.order.note) == (
        esim.pk,
        Decimal("3.0000"),
        Decimal("3.0000"),
        "by phone",
    )
    # The same form again is answered with the same order.
    response = client.post(url, typed)
    assert response["Location"] == f"/orders/{line.order_id}/"
    assert OrderLine.objects.filter(kind="top_up").count() == 1
    waiting = client.get(f"/orders/{line.order_id}/").content.decode()
    assert "The line is being topped up." in waiting
    assert "eSIMs are here" not in waiting
    run_purchase(purchase_id=Purchase.objects.get(order_line=line).pk)
    assert Order.objects.get(pk=line.order_id).state == "completed"
    response = client.get(f"/orders/{line.order_id}/")
    assert_clean_page(response)
    html = response.content.decode()
    assert "The line is topped up." in html
    assert f'For the line <a class="code" href="/esims/{esim.pk}/">' in html
    assert [look.delivered for look in response.context["page"].purchases] == [1]
    row = next(row for row in client.get("/orders/").context["rows"] if row.order.pk == line.order_id)
    assert (row.delivered, row.quantity) == (1, 1)


def test_days_are_chosen_and_paid_for(allocator: Allocator) -> None:
    esim = make_line(allocator)
    client = sign_in("orders.sell", "orders.view_order")
    url = f"/esims/{esim.pk}/top-up/"
    html = client.get(url).content.decode()
    typed = {**read_form(html), "package": choice(html, "Some days"), "method": "later", "period_days": "31"}
    response = client.post(url, typed)
    assert response.status_code == 422
    assert "Choose between 1 and 30 days." in response.content.decode()
    assert not OrderLine.objects.filter(kind="top_up").exists()
    client.post(url, {**typed, "period_days": "5"})
    line = OrderLine.objects.get(kind="top_up")
    assert (line.period_days, line.unit_price, line.order.state) == (5, Decimal("10.0000"), "unpaid")


def test_price_that_changed_since_the_page_is_asked_about(allocator: Allocator) -> None:
    esim = make_line(allocator)
    client = sign_in("orders.sell")
    url = f"/esims/{esim.pk}/top-up/"
    html = client.get(url).content.decode()
    number = choice(html, "One more").split(":")[0]
    response = client.post(url, {**read_form(html), "package": f"{number}:1.00", "method": "cash"})
    assert response.status_code == 409
    assert "The price has changed from 1.00 USD to 3.00 USD." in response.content.decode()
    assert not OrderLine.objects.filter(kind="top_up").exists()


def test_line_that_nothing_fits_to_says_so(allocator: Allocator) -> None:
    esim = make_line(allocator)
    allocator.offers = ()
    client = sign_in("orders.sell")
    response = client.get(f"/esims/{esim.pk}/top-up/")
    assert_clean_page(response)
    assert "no package that fits" in response.content.decode()
    Esim.objects.update(state="expired")
    response = client.post(f"/esims/{esim.pk}/top-up/", {"checkout_key": str(uuid.uuid4())})
    assert response.status_code == 409
    assert "The line has ended" in response.content.decode()


# -- the dashboard -----------------------------------------------------------------------------------------------------


def test_dashboard_tells_of_low_balances_and_deliveries_that_wait(account: ProviderAccount) -> None:
    client = sign_in(*SEES)
    assert "balance is low" not in client.get("/").content.decode()
    ProviderAccount.objects.update(low_balance=Decimal(50))
    now = timezone.now()
    for amount in ("60.00", "42.50"):
        BalanceReading.objects.create(account=account, at=now, amount=Decimal(amount), currency="USD")
    deliver({"id": "n1", "kind": "something_new"})
    response = client.get("/")
    assert_clean_page(response)
    html = response.content.decode()
    for words in ("Fake-Calls: our balance is low", "42.50 USD are left", "Webhook delivery to look at"):
        assert words in html
    ProviderAccount.objects.update(low_balance=Decimal(40))
    assert "balance is low" not in client.get("/").content.decode()
