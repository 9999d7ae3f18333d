"""Receipts of the app: issued once, with the tax that the settings name, and never changed."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from pytest_django.fixtures import Settings

from catalog.models import Plan
from config.settings_api import read_percent
from customers.models import Customer, User
from orders.leaving import delete_account
from orders.models import Order, Payment, Purchase, Receipt, Refund
from orders.purchasing import run_purchase
from orders.refunds import record_refund_made
from tests.api.app import App
from tests.api.buying import make_traveller
from tests.customers.making import make_staff
from tests.orders.fakes import Wholesaler
from tests.orders.making import make_customer, make_fake_plan, make_user, order_plan, pay

pytestmark = pytest.mark.django_db


@pytest.fixture
def user(wholesaler: Wholesaler) -> User:
    return make_traveller(company="Sato KK")


@pytest.fixture
def app(user: User) -> App:
    return App.signed_in(user)


@pytest.fixture
def issuer(settings: Settings) -> Settings:
    """A Japanese office that is registered."""
    settings.ISSUER_NAME, settings.ISSUER_ADDRESS = "Roam KK", "1-1 Marunouchi\nTokyo"
    settings.ISSUER_REGISTRATION = "登録番号 T1234567890123"
    settings.RECEIPT_TAX_PERCENT = Decimal(10)
    return settings


def make_paid(user: User, price: str = "1000", currency: str = "JPY", quantity: int = 2, **plan: Any) -> Order:
    fields = {"retail_price": Decimal(price), "net_price": Decimal(4), "currency": currency, "name": "Japan 1 GB"}
    order = order_plan(make_fake_plan(**{**fields, **plan}), quantity, customer=user.customer)
    pay(order)
    return Order.objects.get(pk=order.pk)


def address(order: Order) -> str:
    return f"/orders/{order.number}/receipt"


def test_a_qualified_invoice(app: App, user: User, issuer: Settings) -> None:
    order = make_paid(user)
    # Already the next day in Tokyo.
    Order.objects.update(paid_at=datetime(2026, 10, 31, 16, 0, tzinfo=UTC))
    issuer.TIME_ZONE = "Asia/Tokyo"
    response = app.call("post", address(order))
    receipt, payment = Receipt.objects.get(), Payment.objects.get()
    assert payment.captured_at is not None
    assert response.status_code == 201
    assert response.json() == {
        "number": f"RC-{order.number[2:]}",
        "order_number": order.number,
        "issued_at": receipt.issued_at.isoformat().replace("+00:00", "Z"),
        "sold_on": "2026-11-01",
        "recipient": "Sato KK, Hana",
        "issuer": {
            "name": "Roam KK",
            "address": "1-1 Marunouchi\nTokyo",
            "registration": "登録番号 T1234567890123",
        },
        "is_qualified_invoice": True,
        "lines": [
            {
                "description": "Japan 1 GB",
                "quantity": 2,
                "period_days": None,
                "unit_price": {"amount": "1000", "currency": "JPY"},
                "price": {"amount": "2000", "currency": "JPY"},
                "tax_percent": "10",
            }
        ],
        "total": {"amount": "2000", "currency": "JPY"},
        # 2000 × 10 / 110 = 181.8…
        "taxes": [
            {
                "percent": "10",
                "gross": {"amount": "2000", "currency": "JPY"},
                "tax": {"amount": "181", "currency": "JPY"},
            }
        ],
        "payments": [
            {
                "method": "cash",
                "amount": {"amount": "2000", "currency": "JPY"},
                "captured_at": payment.captured_at.isoformat().replace("+00:00", "Z"),
            }
        ],
        "returned": [],
    }


def test_once_issued_it_stays_as_it_is(app: App, user: User, issuer: Settings) -> None:
    order = make_paid(user)
    assert app.call("get", address(order)).status_code == 404
    assert Receipt.objects.count() == 0
    first = app.call("post", address(order))
    issuer.RECEIPT_TAX_PERCENT, issuer.ISSUER_NAME, issuer.ISSUER_REGISTRATION = Decimal(20), "New KK", ""
    Customer.objects.update(name="Hanako")
    Plan.objects.update(name="Another name")
    again = app.call("post", address(order))
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json() == again.json() == app.call("get", address(order)).json()
    assert Receipt.objects.count() == 1


def test_what_went_back_is_said_with_its_tax(app: App, user: User, issuer: Settings, wholesaler: Wholesaler) -> None:
    order = make_paid(user)
    assert app.call("post", address(order)).json()["returned"] == []
    wholesaler.plan_orders("refused")
    run_purchase(purchase_id=Purchase.objects.get().pk)
    refund = Refund.objects.get()
    assert app.call("get", address(order)).json()["returned"] == []
    clerk = make_user("orders.refund")
    record_refund_made(refund=refund, method="cash", reference="", by=clerk)
    refund.refresh_from_db()
    assert refund.made_at is not None
    found = app.call("get", address(order)).json()
    assert found["returned"] == [
        {
            "amount": {"amount": "2000", "currency": "JPY"},
            "made_on": timezone.localdate(refund.made_at, timezone.get_default_timezone()).isoformat(),
            "taxes": [
                {
                    "percent": "10",
                    "gross": {"amount": "2000", "currency": "JPY"},
                    "tax": {"amount": "181", "currency": "JPY"},
                }
            ],
        }
    ]
    assert found["total"] == {"amount": "2000", "currency": "JPY"}


def test_without_a_rate_nothing_is_said_of_tax(app: App, user: User) -> None:
    found = app.call("post", address(make_paid(user, "6.00", "USD"))).json()
    assert (found["taxes"], found["lines"][0]["tax_percent"], found["is_qualified_invoice"]) == ([], None, False)
    assert found["total"] == {"amount": "12.00", "currency": "USD"}


@pytest.mark.parametrize(
    ("names", "plan", "expected"),
    [
        # In dollars the tax is told all the same; the law wants it in yen.
        ({}, {"price": "6.00", "currency": "USD"}, ("10", "1.09", False)),
        ({"ISSUER_REGISTRATION": "T123"}, {}, ("10", "181", False)),
        ({"RECEIPT_TAX_COUNTRIES": ["JP"]}, {"covers": ("JP", "KR")}, ("10", "181", True)),
        ({"RECEIPT_TAX_COUNTRIES": ["JP"]}, {"covers": ("KR",)}, ("0", "0", False)),
        ({"RECEIPT_TAX_PERCENT": Decimal("7.7")}, {}, ("7.7", "142", True)),
    ],
)
def test_what_is_taxed(
    user: User, issuer: Settings, names: dict[str, Any], plan: dict[str, Any], expected: tuple[Any, ...]
) -> None:
    for name, value in names.items():
        setattr(issuer, name, value)
    found = App.signed_in(user).call("post", address(make_paid(user, **plan))).json()
    (tax,) = found["taxes"]
    assert (tax["percent"], tax["tax"]["amount"], found["is_qualified_invoice"]) == expected


def test_what_is_not_paid_has_none(app: App, user: User) -> None:
    order = order_plan(make_fake_plan(), customer=user.customer)
    response = app.call("post", address(order))
    assert (response.status_code, response.json()["detail"]) == (409, "There is a receipt once the order is paid.")
    app.call("post", f"/orders/{order.number}/cancellation")
    assert app.call("post", address(order)).status_code == 409
    assert Receipt.objects.count() == 0


def test_receipts_of_others_are_not_there(app: App, user: User) -> None:
    order = order_plan(make_fake_plan(), customer=make_customer())
    pay(order)
    clerk = App.signed_in(make_staff("orders.view_order"))
    assert [who.call("post", address(order)).status_code for who in (app, clerk, App())] == [404, 403, 401]
    assert Receipt.objects.count() == 0
    mine = make_paid(user)
    app.call("post", address(mine))
    other = App.signed_in(make_traveller("other@example.com"))
    staff = App.signed_in(make_staff(email="plain@example.com"))
    assert [who.call("get", address(mine)).status_code for who in (app, clerk, other, staff, App())] == [
        200,
        200,
        404,
        404,
        401,
    ]


def test_who_leaves_is_no_longer_named(app: App, user: User) -> None:
    order = make_paid(user)
    run_purchase(purchase_id=Purchase.objects.get().pk)
    app.call("post", address(order))
    delete_account(user=user)
    receipt = Receipt.objects.get()
    assert (receipt.recipient, receipt.issued_by, receipt.total) == ("", "customer", Decimal(2000))


def test_the_number_of_queries_is_constant(app: App, user: User) -> None:
    counted = []
    for quantity in (1, 3):
        order = make_paid(user, quantity=quantity)
        app.call("post", address(order))
        with CaptureQueriesContext(connection) as queries:
            app.call("get", address(order))
        counted.append(len(queries))
    assert counted[0] == counted[1]


def test_a_rate_that_is_none_stops_the_start() -> None:
    assert (read_percent(""), read_percent("10"), read_percent("7.7")) == (None, Decimal(10), Decimal("7.7"))
    for text in ("ten", "-1", "100", "10%"):
        with pytest.raises(Exception, match="RECEIPT_TAX_PERCENT"):
            read_percent(text)
