"""The feed of the app: what its customer was told, and what they have read."""

from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from customers.models import User
from esims.models import Esim
from orders.models import Notification
from tests.api.app import App
from tests.api.buying import buy_all, make_traveller, make_wire_plan
from tests.customers.making import make_staff
from tests.orders.making import order_plan, pay
from tests.orders.telling import tell
from tests.simulator_client import Simulator

pytestmark = pytest.mark.django_db


@pytest.fixture
def user() -> User:
    return make_traveller()


@pytest.fixture
def app(user: User) -> App:
    return App.signed_in(user)


def make_notice(to: User, number: int, **fields: Any) -> Notification:
    """A row as the planning writes it."""
    content = b'{"text":"","html":"","paragraphs":["One.","Two."],"sms":"","lines":[],"codes":[],"secrets":[]}'
    known = {"audience": "customer", "kind": "usage", "channel": "email", "customer": to.customer, "language": "en"}
    row = {"key": f"usage:{number}", "subject": f"Notice {number}", "content": content, "state": "sent"}
    return Notification.objects.create(**{**known, **row, **fields})


def test_a_delivered_order_is_told_once_without_its_codes(app: App, user: User, shop: Simulator) -> None:
    order = order_plan(make_wire_plan(shop), customer=user.customer)
    pay(order)
    buy_all()
    tell()
    response = app.call("get", "/notifications")
    row, line = Notification.objects.get(audience="customer"), Esim.objects.get()
    (item,) = response.json()["results"]
    assert item == {
        "id": row.pk,
        "kind": "order_ready",
        "created_at": row.created_at.isoformat().replace("+00:00", "Z"),
        "subject": row.subject,
        "paragraphs": item["paragraphs"],
        "order_number": order.number,
        "esim_id": row.esim_id,
        "is_read": False,
    }
    assert item["paragraphs"]
    assert not [secret for secret in (line.lpa, line.matching_id) if secret in response.content.decode()]
    assert response["Cache-Control"] == "no-store"
    assert app.call("get", "/notifications/unread").json() == {"unread": 1}


def test_what_was_read_stays_read(app: App, user: User) -> None:
    rows = [make_notice(user, number) for number in range(3)]
    other = make_notice(make_traveller("other@example.com"), 9)
    body = {"ids": [rows[0].pk, rows[2].pk, other.pk, 10**9]}
    assert [app.call("post", "/notifications/read", body).json() for _number in range(2)] == [{"unread": 1}] * 2
    assert [item["is_read"] for item in app.call("get", "/notifications").json()["results"]] == [True, False, True]
    unread = app.call("get", "/notifications?unread=true").json()["results"]
    assert [item["id"] for item in unread] == [rows[1].pk]
    other.refresh_from_db()
    assert other.read_at is None


def test_each_telling_is_shown_once_and_to_its_customer(app: App, user: User) -> None:
    row = make_notice(user, 1)
    make_notice(user, 2, channel="sms")
    make_notice(user, 3, resent_of=row)
    make_notice(make_traveller("other@example.com"), 4)
    clerk = make_staff()
    make_notice(user, 5, audience="staff", kind="low_balance", customer=None, user=clerk)
    assert [item["id"] for item in app.call("get", "/notifications").json()["results"]] == [row.pk]
    assert app.call("get", "/notifications/unread").json() == {"unread": 1}
    for method, address in (("get", "/notifications"), ("get", "/notifications/unread")):
        assert App.signed_in(clerk).call(method, address).status_code == 403
        assert App().call(method, address).status_code == 401
    for who, status in ((App.signed_in(clerk), 403), (App(), 401)):
        assert who.call("post", "/notifications/read", {"ids": [row.pk]}).status_code == status
    row.refresh_from_db()
    assert row.read_at is None


@pytest.mark.parametrize(
    "body", [{}, {"ids": []}, {"ids": ["1"]}, {"ids": [0]}, {"ids": [1] * 101}, {"ids": [1], "all": True}, []]
)
def test_marks_that_cannot_be_read_mark_nothing(app: App, user: User, body: Any) -> None:
    make_notice(user, 1, pk=1)
    assert app.call("post", "/notifications/read", body).status_code == 422
    assert Notification.objects.get().read_at is None


def test_the_feed_goes_by_pages_with_constant_queries(app: App, user: User, shop: Simulator) -> None:
    plan = make_wire_plan(shop)
    counted = []
    for number in range(6):
        make_notice(user, number, order=order_plan(plan, customer=user.customer))
        if number in (1, 5):
            app.call("get", "/notifications")
            with CaptureQueriesContext(connection) as queries:
                app.call("get", "/notifications")
            counted.append(len(queries))
    assert counted[0] == counted[1]
    seen, address = [], "/notifications?limit=4"
    while address:
        page = app.call("get", address).json()
        seen += [item["subject"] for item in page["results"]]
        address = f"/notifications?limit=4&cursor={page['next']}" if page["next"] else ""
    assert seen == [f"Notice {number}" for number in reversed(range(6))]
