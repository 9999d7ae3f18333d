"""Paying in the app: by card or on credit, once, and in no other way."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone
from pytest_django.fixtures import Settings

from catalog.models import Plan
from customers.idempotency import digest_request
from customers.models import IdempotencyKey, User
from orders.card.payments import run_card_payments
from orders.models import CreditEntry, Order, Payment, Purchase
from tests.api.app import App
from tests.api.buying import HANA, give_credit, make_traveller, pay_body, place, send
from tests.customers.making import make_staff
from tests.orders.making import make_customer, make_fake_plan, order_plan, pay
from tests.simulator_cards import PUBLISHABLE_KEY, CardService

pytestmark = pytest.mark.django_db


@pytest.fixture
def user() -> User:
    return make_traveller()


@pytest.fixture
def app(user: User) -> App:
    return App.signed_in(user)


@pytest.fixture
def plan(cards: CardService) -> Plan:
    return make_fake_plan()


@pytest.fixture
def order(app: App, plan: Plan) -> Order:
    """Unpaid, 2 × 6.00 USD."""
    return place(app, plan)


@pytest.fixture
def address(order: Order) -> str:
    return f"/orders/{order.number}/payments"


def nothing_was_paid(cards: CardService) -> None:
    assert (Payment.objects.count(), Purchase.objects.count(), CreditEntry.objects.count()) == (0, 0, 0)
    assert Order.objects.get().state == "unpaid"
    assert cards.objects() == []


def test_by_card_the_app_gets_what_its_sheet_needs(app: App, user: User, address: str, cards: CardService) -> None:
    response = send(app, address, pay_body())
    (intent,) = cards.objects()
    payment = Payment.objects.get()
    assert response.status_code == 201
    assert response.json()["state"] == "awaiting_payment"
    assert response.json()["payments"] == [
        {
            "id": payment.pk,
            "method": "card",
            "state": "pending",
            "amount": {"amount": "12.00", "currency": "USD"},
            "created_at": payment.created_at.isoformat().replace("+00:00", "Z"),
            "captured_at": None,
            "sheet": {
                "intent_id": intent["id"],
                "client_secret": intent["client_secret"],
                "publishable_key": PUBLISHABLE_KEY,
            },
        }
    ]
    assert (intent["amount"], intent["currency"], payment.recorded_by) == (1200, "usd", user)
    assert Purchase.objects.count() == 0


def test_sent_again_with_the_same_or_another_key_it_is_one_payment(app: App, address: str, cards: CardService) -> None:
    first = send(app, address, pay_body(), key="pay-1")
    again = send(app, address, pay_body(), key="pay-1")
    other = send(app, address, pay_body(), key="pay-2")
    assert (again["Idempotency-Replayed"], again.content) == ("true", first.content)
    assert (other.status_code, other.json()["payments"]) == (201, first.json()["payments"])
    assert (Payment.objects.count(), cards.count("intent_create")) == (1, 1)


def test_while_the_service_is_silent_nothing_is_paid_and_the_key_stays_good(
    app: App, address: str, cards: CardService
) -> None:
    cards.order_fault("reset_after", "intent_create")
    response = send(app, address, pay_body(), key="pay-1")
    assert (response.status_code, response["Retry-After"], response.json()["code"]) == (
        503,
        "5",
        "provider_unavailable",
    )
    again = send(app, address, pay_body(), key="pay-1")
    (intent,) = cards.objects()
    assert (again.status_code, again.json()["payments"][0]["sheet"]["intent_id"]) == (201, intent["id"])
    assert send(app, address, pay_body(amount="11.00"), key="pay-1").json()["code"] == "key_reused"
    assert (Payment.objects.count(), Purchase.objects.count()) == (1, 0)


def test_a_request_that_died_finds_its_payment(app: App, user: User, address: str, cards: CardService) -> None:
    """Killed when the payment was asked for, before anything was answered."""
    send(app, address, pay_body())
    payment = Payment.objects.get()
    digest = digest_request(method="POST", path=f"/api/v1{address}", data=pay_body())
    long_ago = timezone.now() - timedelta(hours=1)
    IdempotencyKey.objects.create(
        user=user, key="died", digest=digest, claimed_at=long_ago, reached={"form_key": str(payment.form_key)}
    )
    cards.pay(payment.intent_id)
    Payment.objects.update(next_check_at=timezone.now())
    run_card_payments()
    response = send(app, address, pay_body(), key="died")
    assert (response.status_code, response.json()["state"]) == (201, "in_progress")
    assert (Payment.objects.count(), cards.effects("captured")) == (1, [("captured", 1200)])


def test_what_the_service_refuses_is_refused(app: App, address: str, cards: CardService) -> None:
    cards.order_fault("refuse_code", "intent_create", code="amount_too_small", message="Too small")
    response = send(app, address, pay_body(), key="pay-1")
    assert (response.status_code, response.json()["code"]) == (409, "payment_refused")
    assert "Too small" not in response.content.decode()
    assert (Payment.objects.get().state, Order.objects.get().state) == ("failed", "unpaid")
    # The answer stands; another wish is another try.
    assert send(app, address, pay_body(), key="pay-1").status_code == 409
    assert send(app, address, pay_body(), key="pay-2").status_code == 201
    assert Purchase.objects.count() == 0


def test_on_credit_it_is_bought_at_once(app: App, user: User, address: str, cards: CardService) -> None:
    account = give_credit(user, "12.00")
    order_address = address.removesuffix("/payments")
    assert app.call("get", order_address).json()["pay_by"] == ["card", "credit"]
    first = send(app, address, pay_body(method="credit"), key="pay-1")
    again = send(app, address, pay_body(method="credit"), key="pay-1")
    assert (first.status_code, first.json()["state"], again.content) == (201, "in_progress", first.content)
    assert first.json()["payments"][0]["amount"] == {"amount": "12.00", "currency": "USD"}
    account.refresh_from_db()
    assert (account.owed, Purchase.objects.count(), cards.objects()) == (Decimal("12.0000"), 1, [])
    other = send(app, address, pay_body(method="credit"), key="pay-2")
    assert (other.status_code, other.json()["code"]) == (409, "payment_refused")
    account.refresh_from_db()
    assert (account.owed, Payment.objects.count(), Purchase.objects.count()) == (Decimal("12.0000"), 1, 1)


def test_credit_ends_at_its_limit(app: App, user: User, order: Order, address: str, cards: CardService) -> None:
    account = give_credit(user, "11.99")
    assert app.call("get", f"/orders/{order.number}").json()["pay_by"] == ["card"]
    response = send(app, address, pay_body(method="credit"))
    assert (response.status_code, response.json()["errors"][0]["path"]) == (409, "method")
    assert response.json()["detail"] == "Your credit does not cover this order. Pay in another way."
    account.refresh_from_db()
    assert account.owed == 0
    nothing_was_paid(cards)


def test_without_a_credit_account_there_is_no_credit(app: App, address: str, cards: CardService) -> None:
    give_credit(make_traveller("other@example.com"))
    assert send(app, address, pay_body(method="credit")).json()["code"] == "payment_refused"
    nothing_was_paid(cards)


@pytest.mark.parametrize("method", ["cash", "transfer", "terminal", "invoice", "free", "", "CARD"])
def test_what_only_staff_take_is_refused(app: App, address: str, cards: CardService, method: str) -> None:
    response = send(app, address, pay_body(method=method))
    assert (response.status_code, response.json()["errors"][0]["path"]) == (422, "method")
    nothing_was_paid(cards)


@pytest.mark.parametrize("method", ["card", "credit"])
@pytest.mark.parametrize("amount", [("11.99", "USD"), ("12.01", "USD"), ("0", "USD"), ("12.00", "JPY")])
def test_only_what_is_outstanding_is_paid(
    app: App, address: str, cards: CardService, method: str, amount: tuple[str, str]
) -> None:
    """The app has shown another amount."""
    give_credit(User.objects.get(email=HANA))
    response = send(app, address, pay_body(amount[0], method, amount[1]))
    assert (response.status_code, response.json()["code"]) == (409, "payment_refused")
    nothing_was_paid(cards)


def test_without_a_payment_service_no_card_is_asked_for(
    app: App, order: Order, address: str, cards: CardService, settings: Settings
) -> None:
    settings.STRIPE_SECRET_KEY = ""
    assert app.call("get", f"/orders/{order.number}").json()["pay_by"] == []
    assert send(app, address, pay_body()).json()["code"] == "payment_refused"
    nothing_was_paid(cards)


@pytest.mark.parametrize("method", ["card", "credit"])
def test_an_expired_order_is_not_paid(app: App, order: Order, address: str, cards: CardService, method: str) -> None:
    """Also before the job comes that says so."""
    give_credit(User.objects.get(email=HANA))
    Order.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    assert app.call("get", f"/orders/{order.number}").json()["pay_by"] == []
    assert send(app, address, pay_body(method=method)).json()["code"] == "payment_refused"
    nothing_was_paid(cards)


def test_a_paid_order_is_not_paid_again(app: App, user: User, plan: Plan, cards: CardService) -> None:
    order = order_plan(plan, 2, customer=user.customer)
    pay(order)
    for method in ("card", "credit"):
        response = send(app, f"/orders/{order.number}/payments", pay_body(method=method))
        assert (response.status_code, response.json()["code"]) == (409, "payment_refused")
    assert (Payment.objects.count(), cards.objects()) == (1, [])


def test_nobody_pays_what_is_not_theirs(app: App, plan: Plan, cards: CardService) -> None:
    other = order_plan(plan, 2, customer=make_customer())
    address = f"/orders/{other.number}/payments"
    staff = App.signed_in(make_staff("orders.sell", "orders.view_order"))
    answers: list[Any] = [send(who, address, pay_body()) for who in (app, staff, App())]
    assert [answer.status_code for answer in answers] == [404, 403, 401]
    nothing_was_paid(cards)
