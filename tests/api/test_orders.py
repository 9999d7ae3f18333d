"""Orders of the app, over HTTP, against the simulated wholesaler and payment service."""

from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from pytest_django.fixtures import Settings

from catalog.models import Plan
from customers.idempotency import digest_request
from customers.models import IdempotencyKey, User
from esims.models import Esim
from orders.models import Order, OrderEvent, Payment, Purchase
from providers.models import ProviderAccount
from tests.api.app import App
from tests.api.buying import buy_all, give_credit, make_traveller, make_wire_plan, order_body, pay_body, place, send
from tests.customers.making import make_staff
from tests.orders.card_office import drain
from tests.orders.making import make_customer, order_plan, pay
from tests.simulator_cards import CardService
from tests.simulator_client import Simulator

pytestmark = pytest.mark.django_db
ONCE = "A paid order is bought at once: that cannot be taken back."


@pytest.fixture
def user() -> User:
    return make_traveller()


@pytest.fixture
def app(user: User) -> App:
    return App.signed_in(user)


@pytest.fixture
def plan(shop: Simulator) -> Plan:
    return make_wire_plan(shop)


def nothing_happened(shop: Simulator) -> None:
    assert (Order.objects.count(), Payment.objects.count(), OrderEvent.objects.count()) == (0, 0, 0)
    assert shop.orders() == []


# -- ordering ----------------------------------------------------------------------------------------------------------


def test_an_order_is_taken_and_nothing_is_bought(app: App, user: User, plan: Plan, shop: Simulator) -> None:
    Plan.objects.update(kyc_required=True, starts_with="connection", after_cap="cut_off", unused_termination_days=90)
    response = send(app, "/orders", order_body(plan))
    order = Order.objects.get()
    assert (response.status_code, response["Location"]) == (201, f"/api/v1/orders/{order.number}")
    assert response["Cache-Control"] == "no-store"
    assert response.json() == {
        "number": order.number,
        "state": "awaiting_payment",
        "state_text": "Nothing is bought before it is paid.",
        "takes_longer": False,
        "plan_name": "Japan 1 GB",
        "more_lines": 0,
        "quantity": 2,
        "delivered": 0,
        "total": {"amount": "12.00", "currency": "USD"},
        "created_at": order.created_at.isoformat().replace("+00:00", "Z"),
        "expires_at": order.expires_at.isoformat().replace("+00:00", "Z") if order.expires_at else None,
        "paid_at": None,
        "finished_at": None,
        "items": [
            {
                "kind": "esim",
                "plan_id": plan.pk,
                "plan_name": "Japan 1 GB",
                "quantity": 2,
                "period_days": None,
                "unit_price": {"amount": "6.00", "currency": "USD"},
                "price": {"amount": "12.00", "currency": "USD"},
                "esim_id": None,
                "must_show": [
                    "Identity check (eKYC): the traveller must pass it before the eSIM works.",
                    "Its days start when the line first connects to a network at the destination.",
                    "When its data is used up the connection ends.",
                    "Unused, it ends 90 days after it was bought.",
                    ONCE,
                ],
            }
        ],
        "outstanding": {"amount": "12.00", "currency": "USD"},
        "pay_by": ["card"],
        "payments": [],
        "refunds": [],
        "esims": [],
    }
    assert (order.customer, order.created_by, order.state) == (user.customer, user, "unpaid")
    assert order.expires_at is not None
    assert Purchase.objects.count() == 0
    assert shop.orders() == []


def test_sent_again_it_is_the_same_order(app: App, plan: Plan) -> None:
    first = send(app, "/orders", order_body(plan), key="wish-1")
    again = send(app, "/orders", dict(reversed(order_body(plan).items())), key="wish-1")
    assert (again.status_code, again["Idempotency-Replayed"]) == (201, "true")
    assert (again.content, again["Location"]) == (first.content, first["Location"])
    other = send(app, "/orders", order_body(plan, quantity=3), key="wish-1")
    assert (other.status_code, other.json()["code"]) == (409, "key_reused")
    assert Order.objects.get().total == Decimal("12.0000")
    assert send(app, "/orders", order_body(plan), key="wish-2").json()["number"] != first.json()["number"]


def test_a_request_that_died_goes_on_with_its_order(app: App, user: User, plan: Plan) -> None:
    """The process died after the order was committed; the price has changed since."""
    order, body = place(app, plan), order_body(plan)
    digest = digest_request(method="POST", path="/api/v1/orders", data=body)
    IdempotencyKey.objects.create(user=user, key="died", digest=digest, reached={"order": order.pk})
    Plan.objects.update(retail_price=Decimal(7))
    response = send(app, "/orders", body, key="died")
    assert (response.status_code, response.json()["number"]) == (201, order.number)
    assert Order.objects.count() == 1


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"plan_id": 2**63 - 1}, (409, "plan_id", "refused")),
        ({"plan_id": "1"}, (422, "plan_id", "invalid")),
        ({"plan_id": True}, (422, "plan_id", "invalid")),
        ({"quantity": 0}, (422, "quantity", "min_value")),
        ({"quantity": 1001}, (409, "quantity", "refused")),
        ({"period_days": 3}, (409, "period_days", "refused")),
        ({"unit_price": {"amount": 6.0, "currency": "USD"}}, (422, "unit_price.amount", "invalid")),
        ({"unit_price": {"amount": "-6.00", "currency": "USD"}}, (422, "unit_price.amount", "invalid")),
        ({"unit_price": {"amount": "6.00"}}, (422, "unit_price.currency", "required")),
        ({"unit_price": {"amount": "5.99", "currency": "USD"}}, (409, "unit_price", "price_changed")),
        ({"unit_price": {"amount": "6.00", "currency": "JPY"}}, (409, "unit_price", "price_changed")),
        ({"customer": 1}, (422, "customer", "unknown_field")),
        ({"note": "x"}, (422, "note", "unknown_field")),
    ],
)
def test_what_is_refused_writes_nothing(
    app: App, plan: Plan, shop: Simulator, change: dict[str, Any], fault: tuple[int, str, str]
) -> None:
    response = send(app, "/orders", order_body(plan, **change))
    assert [(response.status_code, row["path"], row["code"]) for row in response.json()["errors"]] == [fault]
    nothing_happened(shop)


@pytest.mark.parametrize(
    "change",
    [
        {"retired_at": timezone.now()},
        {"is_published": False},
        {"retail_price": None},
        {"kind": "top_up"},
        {"kind": "activation"},
        {"currency": "EUR"},
    ],
)
def test_what_is_not_for_sale_is_not_sold(app: App, plan: Plan, shop: Simulator, change: dict[str, Any]) -> None:
    Plan.objects.update(**change)
    response = send(app, "/orders", order_body(plan))
    assert (response.status_code, response.json()["code"]) == (
        409,
        "price_changed" if "currency" in change else "refused",
    )
    nothing_happened(shop)


def test_a_refusal_does_not_name_the_wholesaler(app: App, plan: Plan, shop: Simulator) -> None:
    ProviderAccount.objects.update(is_paused=True, name="Whole Saler Inc")
    response = send(app, "/orders", order_body(plan))
    assert (response.status_code, response.json()["detail"]) == (
        409,
        "This plan cannot be bought now. Choose another one.",
    )
    assert "Whole" not in response.content.decode()
    nothing_happened(shop)


def test_days_are_chosen_where_the_plan_is_sold_by_the_day(app: App, plan: Plan, shop: Simulator) -> None:
    Plan.objects.update(days_choice_max=10)
    assert send(app, "/orders", order_body(plan)).json()["errors"][0]["path"] == "period_days"
    nothing_happened(shop)
    price = {"amount": "18.00", "currency": "USD"}
    made = send(app, "/orders", order_body(plan, period_days=3, unit_price=price)).json()
    assert made["total"] == {"amount": "36.00", "currency": "USD"}
    assert [(item["period_days"], item["unit_price"]) for item in made["items"]] == [(3, price)]


def test_a_key_is_needed(app: App, plan: Plan, shop: Simulator) -> None:
    response = app.call("post", "/orders", order_body(plan))
    assert (response.status_code, response.json()["code"]) == (400, "key_missing")
    nothing_happened(shop)


def test_who_is_no_customer_orders_nothing(plan: Plan, shop: Simulator) -> None:
    staff = App.signed_in(make_staff("orders.sell", "orders.view_order"))
    assert send(staff, "/orders", order_body(plan)).status_code == 403
    assert send(App(), "/orders", order_body(plan)).status_code == 401
    nothing_happened(shop)


def test_orders_of_one_person_have_a_limit(app: App, plan: Plan, settings: Settings) -> None:
    settings.API_RATES = {**settings.API_RATES, "order": "2/min"}
    answers = [send(app, "/orders", order_body(plan)) for _number in range(3)]
    assert [answer.status_code for answer in answers] == [201, 201, 429]
    assert 1 <= int(answers[2]["Retry-After"]) <= 60
    assert Order.objects.count() == 2
    assert app.call("get", "/orders").status_code == 200


# -- from the order to the eSIM ----------------------------------------------------------------------------------------


def test_paid_by_card_and_delivered(app: App, plan: Plan, shop: Simulator, cards: CardService) -> None:
    order = place(app, plan)
    sheet = send(app, f"/orders/{order.number}/payments", pay_body()).json()["payments"][0]["sheet"]
    cards.pay(sheet["intent_id"])
    assert cards.bring_in("payment_intent.succeeded") == [200]
    drain()
    paid = app.call("get", f"/orders/{order.number}").json()
    assert (paid["state"], paid["state_text"], paid["takes_longer"]) == (
        "in_progress",
        "0 of 2 eSIMs are here.",
        False,
    )
    assert paid["payments"][0]["state"] == "captured"
    assert (paid["payments"][0]["sheet"], paid["pay_by"]) == (None, [])
    buy_all()
    done = app.call("get", f"/orders/{order.number}").json()
    lines = list(Esim.objects.order_by("pk"))
    assert (done["state"], done["state_text"], done["delivered"]) == ("completed", "All 2 eSIMs are here.", 2)
    assert done["esims"] == [{"id": line.pk, "iccid": line.iccid} for line in lines]
    assert done["outstanding"] == {"amount": "0.00", "currency": "USD"}
    (sale,) = shop.orders()
    assert (sale["quantity"], sorted(sale["refs"])) == (2, sorted(line.provider_ref for line in lines))
    assert cards.effects("captured") == [("captured", 1200)]


def test_what_a_person_must_decide_only_takes_longer(app: App, user: User, plan: Plan, shop: Simulator) -> None:
    give_credit(user)
    order = place(app, plan)
    send(app, f"/orders/{order.number}/payments", pay_body(method="credit"))
    shop.order_fault("reset_after", "order")
    buy_all()
    assert Purchase.objects.get().state == "unknown"
    found = app.call("get", f"/orders/{order.number}").json()
    assert (found["state"], found["takes_longer"]) == ("in_progress", True)
    assert found["state_text"] == "0 of 2 eSIMs are here. It takes longer than usual: we are looking into it."
    (row,) = app.call("get", "/orders").json()["results"]
    assert (row["state"], row["takes_longer"]) == ("in_progress", True)


def test_in_japanese(app: App, plan: Plan) -> None:
    order = place(app, plan)
    response = app.call("get", f"/orders/{order.number}", **{"Accept-Language": "ja"})
    assert response["Content-Language"] == "ja"
    assert response.json()["state_text"] != "Nothing is bought before it is paid."


# -- looking -----------------------------------------------------------------------------------------------------------


def test_each_sees_their_own(app: App, user: User, plan: Plan) -> None:
    mine, other = order_plan(plan, customer=user.customer), order_plan(plan)
    assert [row["number"] for row in app.call("get", "/orders").json()["results"]] == [mine.number]
    for address in (f"/orders/{other.number}", "/orders/R-0000-NOBODY", "/orders/%00", "/orders/R-0000-A%00"):
        response = app.call("get", address)
        assert (response.status_code, response.json()["code"]) == (404, "not_found")
    assert app.call("get", "/orders?scope=all").status_code == 403
    assert App().call("get", f"/orders/{mine.number}").status_code == 401


def test_staff_see_all_orders_by_permission_and_never_a_payment_sheet(app: App, plan: Plan, shop: Simulator) -> None:
    order = place(app, plan)
    send(app, f"/orders/{order.number}/payments", pay_body())
    clerk = App.signed_in(make_staff("orders.view_order"))
    found = clerk.call("get", f"/orders/{order.number}").json()
    assert (found["number"], found["payments"][0]["state"], found["payments"][0]["sheet"]) == (
        order.number,
        "pending",
        None,
    )
    assert [row["number"] for row in clerk.call("get", "/orders?scope=all").json()["results"]] == [order.number]
    assert clerk.call("get", "/orders").status_code == 403
    other = App.signed_in(make_staff(email="other@example.com"))
    assert other.call("get", f"/orders/{order.number}").status_code == 404
    assert other.call("get", "/orders?scope=all").status_code == 403


def test_the_list_goes_by_pages_and_states(app: App, user: User, plan: Plan) -> None:
    orders = [order_plan(plan, customer=user.customer) for _number in range(5)]
    pay(orders[0])
    first = app.call("get", "/orders?limit=2").json()
    second = app.call("get", f"/orders?limit=2&cursor={first['next']}").json()
    third = app.call("get", f"/orders?limit=2&cursor={second['next']}").json()
    numbers = [row["number"] for page in (first, second, third) for row in page["results"]]
    assert numbers == [order.number for order in reversed(orders)]
    assert (first["previous"], third["next"]) == (None, None)
    assert app.call("get", "/orders?cursor=abc").status_code == 404
    paid = app.call("get", "/orders?state=in_progress&state=completed").json()["results"]
    assert [(row["number"], row["state"]) for row in paid] == [(orders[0].number, "in_progress")]


@pytest.mark.parametrize(
    ("query", "path", "code"),
    [
        ("state=paid", "state.0", "invalid_choice"),
        ("scope=mine", "scope", "invalid_choice"),
        ("limit=101", "limit", "max_value"),
        ("customer=1", "customer", "unknown_parameter"),
    ],
)
def test_what_the_list_does_not_know_is_refused(app: App, query: str, path: str, code: str) -> None:
    response = app.call("get", f"/orders?{query}")
    assert response.status_code == 422
    assert [(row["in"], row["path"], row["code"]) for row in response.json()["errors"]] == [("query", path, code)]


def test_the_number_of_queries_is_constant(app: App, user: User, plan: Plan) -> None:
    counted = []
    for quantity in (1, 2, 5):
        order = order_plan(plan, quantity, customer=user.customer)
        pay(order)
        buy_all()
        found = []
        for address in ("/orders", f"/orders/{order.number}"):
            app.call("get", address)
            with CaptureQueriesContext(connection) as queries:
                assert app.call("get", address).status_code == 200
            found.append(len(queries))
        counted.append(found)
    assert counted[0] == counted[1] == counted[2]


# -- cancelling --------------------------------------------------------------------------------------------------------


def test_an_unpaid_order_is_cancelled_once(app: App, plan: Plan, shop: Simulator) -> None:
    order = place(app, plan)
    answers = [app.call("post", f"/orders/{order.number}/cancellation") for _number in range(2)]
    assert [(answer.status_code, answer.json()["state"]) for answer in answers] == [(200, "cancelled")] * 2
    assert (answers[0].json()["pay_by"], answers[0].json()["expires_at"]) == ([], None)
    event = OrderEvent.objects.get(kind="order.state")
    assert (event.by, event.why) == ("hana@example.com", "the customer cancelled it in the app")
    assert send(app, f"/orders/{order.number}/payments", pay_body()).json()["code"] == "payment_refused"
    assert (Payment.objects.count(), shop.orders()) == (0, [])


def test_a_paid_order_is_not_cancelled(app: App, user: User, plan: Plan) -> None:
    order = order_plan(plan, customer=user.customer)
    pay(order)
    response = app.call("post", f"/orders/{order.number}/cancellation")
    assert (response.status_code, response.json()["code"]) == (409, "refused")
    assert Order.objects.get().state == "buying"


def test_others_orders_are_not_cancelled(app: App, plan: Plan) -> None:
    order = order_plan(plan, customer=make_customer())
    assert app.call("post", f"/orders/{order.number}/cancellation").status_code == 404
    clerk = App.signed_in(make_staff("orders.sell", "orders.view_order"))
    assert clerk.call("post", f"/orders/{order.number}/cancellation").status_code == 403
    assert App().call("post", f"/orders/{order.number}/cancellation").status_code == 401
    assert (Order.objects.get().state, OrderEvent.objects.filter(kind="order.state").count()) == ("unpaid", 0)
