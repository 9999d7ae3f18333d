"""All my data, and the end of my account."""

from decimal import Decimal
from typing import Any

import pytest
from allauth.account.models import EmailAddress
from allauth.usersessions.models import UserSession
from django.contrib.sessions.models import Session
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from customers.accounts import vouch_for_address
from customers.models import Customer, Device, IdempotencyKey, User
from customers.search import find_customers
from esims.models import Esim, LineLink
from orders.books import read_balances
from orders.checkout import CheckoutRefused
from orders.models import CreditAccount, Notification, Order, OrderEvent, Payment, Purchase, Refund
from orders.purchasing import run_purchase
from tests.api.app import PASSWORD, App
from tests.customers.making import make_staff
from tests.orders.making import make_fake_plan, order_plan, pay
from tests.orders.telling import tell

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("wholesaler")]
HANA = "hana@example.com"


@pytest.fixture
def user() -> User:
    user = User.objects.create_user(HANA, PASSWORD)
    vouch_for_address(user=user)
    return user


@pytest.fixture
def customer(user: User) -> Customer:
    return Customer.objects.create(user=user, name="Hana Sato", email=HANA, phone="+8190", note="likes windows")


@pytest.fixture
def app(customer: Customer) -> App:
    app = App()
    assert app.sign_in(HANA).status_code == 200
    return app


def buy(customer: Customer, quantity: int = 1) -> Order:
    """An order that is complete, and told of."""
    order = order_plan(make_fake_plan(), quantity, customer=customer)
    pay(order)
    for purchase in Purchase.objects.filter(order_line__order=order):
        run_purchase(purchase_id=purchase.pk)
    tell()
    return Order.objects.get(pk=order.pk)


def delete(app: App, email: str = HANA) -> Any:
    return app.call("post", "/me/deletion", {"email": email})


def test_all_my_data(app: App, customer: Customer) -> None:
    order = buy(customer)
    stranger = Customer.objects.create(name="Somebody Else", email="else@example.com")
    buy(stranger)
    app.call("post", "/me/devices", {"token": "a-push-token", "platform": "ios", "name": "Phone"})
    response = app.call("get", "/me/export")
    assert response.status_code == 200
    assert response["Content-Disposition"] == 'attachment; filename="my-data.json"'
    assert response["Cache-Control"] == "no-store"
    found = response.json()
    assert found["format"] == 1
    assert found["account"]["email"] == HANA
    assert (found["customer"]["name"], found["customer"]["phone"]) == ("Hana Sato", "+8190")
    assert [(row["number"], row["total"], row["state"]) for row in found["orders"]] == [
        (order.number, {"amount": "6.00", "currency": "USD"}, "completed")
    ]
    assert [payment["method"] for payment in found["orders"][0]["payments"]] == ["cash"]
    line = Esim.objects.get(customer=customer)
    assert [(row["iccid"], row["lpa"]) for row in found["esims"]] == [(line.iccid, line.lpa)]
    assert [row["kind"] for row in found["messages"]] == ["order_ready"]
    assert [row["name"] for row in found["devices"]] == ["Phone"]
    assert [row["ip"] for row in found["sign_ins"]] == ["127.0.0.1"]
    text = response.content.decode()
    assert "Somebody Else" not in text
    assert "else@example.com" not in text
    assert "likes windows" not in text
    assert "a-push-token" not in text
    assert PASSWORD not in text


def test_the_number_of_queries_is_constant(app: App, customer: Customer) -> None:
    counted = []
    for _order in range(3):
        buy(customer)
        with CaptureQueriesContext(connection) as queries:
            app.call("get", "/me/export")
        counted.append(len(queries))
    assert counted[1] == counted[2]


@pytest.mark.parametrize(("method", "address"), [("get", "/me/export"), ("post", "/me/deletion")])
def test_a_phone_that_lies_open_is_not_enough(customer: Customer, user: User, method: str, address: str) -> None:
    app = App.signed_in(user)
    response = app.call(method, address, {"email": HANA} if method == "post" else None)
    assert (response.status_code, response.json()["code"]) == (403, "sign_in_again")
    assert User.objects.count() == 1
    app.auth("post", "auth/reauthenticate", {"password": PASSWORD})
    assert app.call("get", "/me/export").status_code == 200


def test_what_a_deletion_means_is_told_before(app: App, customer: Customer) -> None:
    buy(customer)
    found = app.call("get", "/me/deletion").json()
    assert (found["possible"], found["hindrances"], found["working_esims"]) == (True, [], 1)
    assert any("the law wants them" in text for text in found["kept"])
    assert any("Your name" in text for text in found["erased"])


def test_deleting_erases_the_person_and_keeps_the_books(app: App, user: User, customer: Customer) -> None:
    order = buy(customer)
    Order.objects.update(note="call Hana")
    OrderEvent.objects.create(order=order, kind="note", by=HANA)
    app.call("post", "/me/devices", {"token": "a-push-token", "platform": "ios"})
    IdempotencyKey.objects.create(user=user, key="k", digest="d")
    before = [(balance.captured, balance.difference) for balance in read_balances()]

    response = delete(app)
    assert (response.status_code, response.content) == (204, b"")
    assert app.call("get", "/me").status_code == 401
    assert App().sign_in(HANA).status_code == 400
    customer.refresh_from_db()
    assert (customer.user, customer.name, customer.email) == (None, f"Erased customer {customer.pk}", "")
    assert (customer.phone, customer.note, customer.erased_at is not None) == ("", "", True)
    for emptied in (Notification, LineLink, Device, IdempotencyKey, EmailAddress, UserSession, Session):
        assert emptied._default_manager.count() == 0, emptied
    assert not User.objects.filter(email=HANA).exists()
    assert OrderEvent.objects.filter(by=HANA).count() == 0
    order.refresh_from_db()
    assert (order.customer, order.total, order.note, order.state) == (customer, Decimal(6), "", "completed")
    assert (Payment.objects.count(), Esim.objects.count()) == (1, 1)
    assert [(balance.captured, balance.difference) for balance in read_balances()] == before
    assert list(find_customers("")) == []


def test_nobody_is_told_anything_after_that(app: App, customer: Customer) -> None:
    order = buy(customer)
    delete(app)
    OrderEvent.objects.filter(order=order).update(awaits_notice=True)
    assert tell() == []


def test_nothing_more_is_ordered_for_who_is_erased(app: App, customer: Customer) -> None:
    delete(app)
    customer.refresh_from_db()
    with pytest.raises(CheckoutRefused, match="account deleted"):
        order_plan(make_fake_plan(), customer=customer)
    assert Order.objects.count() == 0


def test_the_address_is_free_again(app: App, customer: Customer) -> None:
    delete(app)
    again = App()
    again.sign_up(HANA)
    assert User.objects.filter(email=HANA).exists()
    assert Customer.objects.get(pk=customer.pk).user is None


@pytest.mark.parametrize("body", [{}, {"email": "other@example.com"}, {"email": HANA, "why": "bored"}, {"email": 7}])
def test_the_own_address_has_to_be_typed(app: App, customer: Customer, body: dict[str, Any]) -> None:
    assert app.call("post", "/me/deletion", body).status_code == 422
    customer.refresh_from_db()
    assert (customer.name, User.objects.count()) == ("Hana Sato", 1)


def stay(app: App, customer: Customer, *codes: str) -> None:
    """The account cannot be deleted for these reasons, and nothing was erased."""
    found = app.call("get", "/me/deletion").json()
    assert (found["possible"], [row["code"] for row in found["hindrances"]]) == (False, list(codes))
    response = delete(app)
    assert (response.status_code, response.json()["code"]) == (409, "refused")
    assert response.json()["detail"] == " ".join(row["text"] for row in found["hindrances"])
    customer.refresh_from_db()
    assert (customer.name, customer.email, customer.erased_at) == ("Hana Sato", HANA, None)
    assert User.objects.filter(email=HANA).count() == 1
    assert app.call("get", "/me").status_code == 200


def test_an_unpaid_order_stands_in_the_way(app: App, customer: Customer) -> None:
    order_plan(make_fake_plan(), customer=customer)
    stay(app, customer, "unpaid_order")


def test_an_order_that_is_being_bought_stands_in_the_way(app: App, customer: Customer) -> None:
    pay(order_plan(make_fake_plan(), customer=customer))
    stay(app, customer, "open_order")


def test_money_that_is_owed_stands_in_the_way(app: App, customer: Customer) -> None:
    order = buy(customer)
    purchase = Purchase.objects.get(order_line__order=order)
    refund = Refund.objects.create(order=order, purchase=purchase, kind="returned", amount=1, currency="USD")
    stay(app, customer, "open_money")
    Refund.objects.filter(pk=refund.pk).update(state=Refund.State.MADE, made_at=timezone.now())
    CreditAccount.objects.create(customer=customer, currency="USD", credit_limit=10, owed=Decimal("-0.01"))
    stay(app, customer, "open_money")
    CreditAccount.objects.update(owed=0)
    assert delete(app).status_code == 204


def test_staff_are_not_deleted_by_themselves() -> None:
    clerk = make_staff()
    vouch_for_address(user=clerk)
    app = App()
    app.sign_in(clerk.email)
    response = delete(app, clerk.email)
    assert response.status_code == 409
    assert User.objects.get() == clerk


@pytest.mark.parametrize(
    ("method", "address"), [("get", "/me/export"), ("get", "/me/deletion"), ("post", "/me/deletion")]
)
def test_nobody_signs_in_first(method: str, address: str) -> None:
    assert App().call(method, address, {"email": HANA} if method == "post" else None).status_code == 401
