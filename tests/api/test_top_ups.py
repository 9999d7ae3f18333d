"""Top-ups in the app, over HTTP, against the simulated eSIM Access and payment service."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.db.models import F
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from pytest_django.fixtures import Settings

from customers.models import User
from esims.models import Esim, Package
from orders.models import Order, OrderLine, Payment, Purchase, TopUpOffer
from providers.models import ProviderAccount
from tests.api.app import App
from tests.api.buying import buy_all, give_credit, make_traveller, pay_body, send
from tests.catalog.making import make_account, make_plan
from tests.customers.making import make_staff
from tests.orders.making import order_plan, pay
from tests.simulator_access import Access, open_account
from tests.simulator_cards import CardService
from tests.simulator_client import Simulator

pytestmark = pytest.mark.django_db


@pytest.fixture
def access(settings: Settings, cards: CardService, simulator: Simulator) -> Access:
    """The account, with lines that are there at once, and no limits on its side."""
    access = open_account(settings, simulator)
    settings.HTTP_CONNECT_TIMEOUT = settings.HTTP_READ_TIMEOUT = settings.HTTP_ORDER_READ_TIMEOUT = 1.0
    return access


@pytest.fixture
def user() -> User:
    return make_traveller()


@pytest.fixture
def app(user: User) -> App:
    return App.signed_in(user)


@pytest.fixture
def line(user: User, access: Access) -> Esim:
    """Hana's line, bought here."""
    code = access.find_package(dataType=1, supportTopUpType=2)
    package = access.package(code)
    net = Decimal(package["price"]) / 10_000
    account = make_account("esim-access", adapter="esim_access", name="Whole Saler Inc")
    plan = make_plan(account, plan_ref=code, alias=package["slug"], net_price=net, top_up_supported=True)
    pay(order_plan(plan, customer=user.customer))
    for _step in range(3):
        buy_all()
    return Esim.objects.select_related("account", "plan", "customer").get()


def ask(app: App, line: Esim) -> dict[str, Any]:
    response = app.call("get", f"/esims/{line.pk}/top-ups")
    assert response.status_code == 200, response.content
    found: dict[str, Any] = response.json()
    return found


def wish(option: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return {"plan_id": option["plan_id"], "unit_price": option["price"], **changes}


def nothing_was_ordered(access: Access) -> None:
    assert (Order.objects.count(), Purchase.objects.count()) == (1, 1)
    assert access.effects("topup") == []


def test_what_fits_is_ordered_paid_and_on_the_line(app: App, user: User, line: Esim, access: Access) -> None:
    give_credit(user, "1000")
    found = ask(app, line)
    assert found["must_show"][:2] == [
        "The added data is there at once, beside what is left: the line has one new total.",
        "Which part is used first, the provider does not say.",
    ]
    until = parse_datetime(found["valid_until"])
    assert until is not None
    assert timedelta(minutes=14) < until - timezone.now() <= timedelta(minutes=15)
    option = found["options"][0]
    package = access.package(TopUpOffer.objects.get(plan=option["plan_id"]).plan.plan_ref)
    assert (option["name"], option["data"]) == (
        package["name"],
        {"bytes": package["volume"], "unlimited": False, "period": "total"},
    )
    assert option["validity_days"] == package["duration"]

    placed = send(app, f"/esims/{line.pk}/top-ups", wish(option), key="more-1")
    again = send(app, f"/esims/{line.pk}/top-ups", wish(option), key="more-1")
    assert (placed.status_code, again.content, again["Idempotency-Replayed"]) == (201, placed.content, "true")
    order = placed.json()
    assert placed["Location"] == f"/api/v1/orders/{order['number']}"
    assert (order["state"], order["total"]) == ("awaiting_payment", option["price"])
    (item,) = order["items"]
    assert (item["kind"], item["esim_id"], item["plan_id"]) == ("top_up", line.pk, option["plan_id"])
    assert set(found["must_show"]) <= set(item["must_show"])
    assert item["must_show"][-1] == "A paid order is bought at once: that cannot be taken back."
    assert access.effects("topup") == []

    body = pay_body(order["total"]["amount"], "credit")
    paid = send(app, f"/orders/{order['number']}/payments", body).json()
    assert (paid["state"], paid["state_text"]) == ("in_progress", "The line is being topped up.")
    buy_all()
    done = app.call("get", f"/orders/{order['number']}").json()
    assert (done["state"], done["state_text"], done["delivered"]) == ("completed", "The line is topped up.", 1)
    assert [effect["ref"] for effect in access.effects("topup")] == [line.provider_ref]
    assert Package.objects.filter(esim=line, kind="top_up").count() == 1


def test_what_the_provider_did_not_name_is_not_sold(app: App, line: Esim, access: Access) -> None:
    option = ask(app, line)["options"][0]
    TopUpOffer.objects.update(asked_at=F("asked_at") - timedelta(minutes=15, seconds=1))
    late = send(app, f"/esims/{line.pk}/top-ups", wish(option))
    assert (late.status_code, late.json()["code"]) == (409, "refused")
    assert late.json()["detail"] == "This package cannot be ordered for the line now. Ask again what fits."
    assert late.json()["errors"][0]["path"] == "plan_id"
    ask(app, line)
    changed = wish(option, unit_price={"amount": "0.01", "currency": option["price"]["currency"]})
    assert send(app, f"/esims/{line.pk}/top-ups", changed).json()["code"] == "price_changed"
    assert send(app, f"/esims/{line.pk}/top-ups", wish(option, plan_id=2**62)).status_code == 409
    assert send(app, f"/esims/{line.pk}/top-ups", wish(option, quantity=2)).status_code == 422
    assert app.call("post", f"/esims/{line.pk}/top-ups", wish(option)).json()["code"] == "key_missing"
    nothing_was_ordered(access)


def test_a_line_that_takes_nothing_says_why_without_a_call(app: App, line: Esim, access: Access) -> None:
    option = ask(app, line)["options"][0]
    asked = len(access.requests("packages"))
    Esim.objects.update(state="expired")
    response = app.call("get", f"/esims/{line.pk}/top-ups")
    assert (response.status_code, response.json()["detail"]) == (
        409,
        "The line has ended: it can no longer be topped up.",
    )
    assert send(app, f"/esims/{line.pk}/top-ups", wish(option)).status_code == 409
    Esim.objects.update(state="active")
    ProviderAccount.objects.update(is_paused=True)
    response = app.call("get", f"/esims/{line.pk}/top-ups")
    assert (response.status_code, response.json()["code"]) == (409, "refused")
    assert "Whole" not in response.content.decode()
    assert len(access.requests("packages")) == asked
    nothing_was_ordered(access)


def test_a_provider_that_does_not_answer_may_be_asked_again(app: App, line: Esim, access: Access) -> None:
    access.simulator.order_fault("status_before", "packages", system="access", status=500)
    response = app.call("get", f"/esims/{line.pk}/top-ups")
    assert (response.status_code, response["Retry-After"], response.json()["code"]) == (
        503,
        "5",
        "provider_unavailable",
    )
    assert "Whole" not in response.content.decode()
    assert TopUpOffer.objects.count() == 0
    assert ask(app, line)["options"]


def test_nobody_tops_up_what_is_not_theirs(app: App, line: Esim, access: Access) -> None:
    option = ask(app, line)["options"][0]
    asked = len(access.requests("packages"))
    other = App.signed_in(make_traveller("other@example.com"))
    staff = App.signed_in(make_staff("orders.sell", "esims.view_esim"))
    for who, status in ((other, 404), (staff, 403), (App(), 401)):
        assert who.call("get", f"/esims/{line.pk}/top-ups").status_code == status
        assert send(who, f"/esims/{line.pk}/top-ups", wish(option)).status_code == status
    for number in (999_999, 10**30):
        assert app.call("get", f"/esims/{number}/top-ups").status_code == 404
    assert len(access.requests("packages")) == asked
    nothing_was_ordered(access)


def test_asking_has_a_limit(app: App, line: Esim, settings: Settings) -> None:
    settings.API_RATES = {**settings.API_RATES, "refresh": "1/min"}
    assert ask(app, line)["options"]
    assert app.call("get", f"/esims/{line.pk}/top-ups").status_code == 429


def test_the_number_of_queries_is_constant(app: App, line: Esim, access: Access) -> None:
    both = ask(app, line)["options"]
    first = TopUpOffer.objects.get(plan=both[0]["plan_id"]).plan.plan_ref
    counted = []
    for remove in (access.remove_packages, access.restore_packages):
        remove(first)
        number = len(ask(app, line)["options"])
        with CaptureQueriesContext(connection) as queries:
            ask(app, line)
        counted.append((number, len(queries)))
    assert [number for number, _queries in counted] == [len(both) - 1, len(both)]
    assert counted[0][1] == counted[1][1]
    assert (OrderLine.objects.count(), Payment.objects.count()) == (1, 1)
