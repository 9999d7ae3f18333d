"""The pages of lists of orders: give, check, confirm, watch, take the report."""

from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from orders.bulk_order_running import run_due_bulks
from orders.models import BulkOrder, Order
from tests.orders.bulk_order_lists import SELLER, check, make_seller, run, write_list
from tests.orders.desk import sign_in, sign_in_as
from tests.orders.making import make_fake_plan, make_user
from tests.pages import assert_clean_page

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("wholesaler")]
PASTED = {"method": "cash", "reference": ""}


def post_list(client: Client, text: str, **changes: str) -> Any:
    return client.post("/bulk-orders/new/", {**PASTED, "text": text, **changes}, follow=True)


def test_a_pasted_list_is_checked_confirmed_and_reported() -> None:
    plan = make_fake_plan(name="Japan 5 GB")
    client = sign_in(*SELLER, "catalog.set_price", "orders.view_order")
    assert_clean_page(client.get("/bulk-orders/new/"))
    page = post_list(client, write_list(plan, 2, quantity=2).decode().replace(",", "\t"))
    assert_clean_page(page)
    text = page.content.decode()
    bulk = BulkOrder.objects.get()
    for words in ("Guest 1", "new customer", "24.00", "16.00", "8.00", "33.3 %", "Order all 2 rows now", "Japan 5 GB"):
        assert words in text, words
    assert not Order.objects.exists()
    running = client.post(f"/bulk-orders/{bulk.pk}/confirm/", follow=True)
    assert_clean_page(running)
    assert f'hx-get="/bulk-orders/{bulk.pk}/live/' in running.content.decode()
    run_due_bulks(seconds=60)
    fragment = client.get(f"/bulk-orders/{bulk.pk}/live/", headers={"HX-Request": "true"}).content.decode()
    assert "Every row is ordered." in fragment
    assert "hx-get" not in fragment
    for order in Order.objects.all():
        assert f'<a href="/orders/{order.pk}/">{order.number}</a>' in fragment
    report = client.get(f"/bulk-orders/{bulk.pk}/report.csv")
    assert report["Content-Disposition"] == f'attachment; filename="list-{bulk.pk}.csv"'
    assert Order.objects.order_by("pk")[0].number.encode() in report.content
    assert client.get(f"/bulk-orders/{bulk.pk}/report.xlsx").content[:2] == b"PK"
    assert client.get(f"/bulk-orders/{bulk.pk}/report.pdf").status_code == 404
    assert_clean_page(client.get("/bulk-orders/"))


def test_an_uploaded_list_names_its_faults_and_cannot_be_confirmed() -> None:
    plan = make_fake_plan()
    client = sign_in(*SELLER)
    data = f"氏名,メール,プラン,数量,座席\n森 葵,aoi@,{plan.plan_ref},1,7\nBen,ben@example.com,{plan.plan_ref},1,8\n"
    file = SimpleUploadedFile("客.csv", data.encode("shift_jis"))
    page = client.post("/bulk-orders/new/", {**PASTED, "file": file}, follow=True)
    assert_clean_page(page)
    text = page.content.decode()
    assert "The e-mail address is not valid." in text
    assert "These columns were not read: 座席." in text
    assert "Nothing can be ordered while a row is faulty." in text
    # Only the faulty row is shown first, and cost is not for everybody.
    assert ("ben@example.com" in text, "Margin" in text) == (False, False)
    bulk = BulkOrder.objects.get()
    assert client.post(f"/bulk-orders/{bulk.pk}/confirm/").status_code == 422
    assert (bulk.name, BulkOrder.objects.get().state) == ("客.csv", "checked")


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"text": ""}, "Choose a file, or paste the rows."),
        ({"text": "name,plan"}, "The list has no rows below its headers."),
        ({"method": ""}, "Say how the orders are paid."),
        ({"method": "transfer"}, "A transfer or an invoice needs its number."),
        ({"method": "later"}, "Select a valid choice."),
    ],
)
def test_what_cannot_be_checked_is_said_at_its_field(changes: dict[str, str], word: str) -> None:
    response = sign_in(*SELLER).post("/bulk-orders/new/", {**PASTED, "text": "name,plan\nMia,X\n", **changes})
    assert_clean_page(response, status=422)
    assert word in response.content.decode()
    assert not BulkOrder.objects.exists()


def test_a_list_that_has_run_says_so_before_anything_runs() -> None:
    data = write_list(make_fake_plan(), 1)
    seller, boss = make_seller(), make_seller("orders.repeat_bulk")
    done = run(check(data, by=seller))
    client = sign_in_as(seller)
    page = post_list(client, data.decode())
    text = page.content.decode()
    assert f"The same list has run already: list {done.pk}" in text
    assert "Only an administrator can have it bought once more." in text
    again = BulkOrder.objects.latest("pk")
    assert f"/bulk-orders/{again.pk}/confirm/" not in text
    assert client.post(f"/bulk-orders/{again.pk}/confirm/", {"reason": "please"}).status_code == 422
    client = sign_in_as(boss)
    assert_clean_page(client.get(f"/bulk-orders/{again.pk}/"))
    refused = client.post(f"/bulk-orders/{again.pk}/confirm/")
    assert_clean_page(refused, status=422)
    assert Order.objects.count() == 1
    client.post(f"/bulk-orders/{again.pk}/confirm/", {"reason": "A second bus"})
    run_due_bulks(seconds=60)
    assert Order.objects.count() == 2
    assert "A second bus" in client.get(f"/bulk-orders/{again.pk}/").content.decode()


def test_steps_are_buttons_and_a_late_click_is_told() -> None:
    bulk = check(write_list(make_fake_plan(), 2))
    client = sign_in(*SELLER)
    client.post(f"/bulk-orders/{bulk.pk}/confirm/")
    assert "paused" in client.post(f"/bulk-orders/{bulk.pk}/pause/", follow=True).content.decode()
    assert "running" in client.post(f"/bulk-orders/{bulk.pk}/resume/", follow=True).content.decode()
    late = client.post(f"/bulk-orders/{bulk.pk}/drop/", follow=True).content.decode()
    assert "The list is “running” by now." in late
    assert client.post(f"/bulk-orders/{bulk.pk}/explode/").status_code == 404


@pytest.mark.parametrize("language", ["en", "ja"])
def test_pages_in_every_state_are_clean_and_take_few_statements(language: str) -> None:
    plan = make_fake_plan()
    few = check(write_list(plan, 2))
    boss = make_user(is_superuser=True, language=language)
    client = sign_in_as(boss)
    many = check(write_list(make_fake_plan(), 60), by=boss)
    counts = []
    for bulk in (few, many):
        with CaptureQueriesContext(connection) as queries:
            assert_clean_page(client.get(f"/bulk-orders/{bulk.pk}/"), language=language)
        counts.append(len(queries))
        run(bulk, by=boss)
        with CaptureQueriesContext(connection) as queries:
            assert_clean_page(client.get(f"/bulk-orders/{bulk.pk}/"), language=language)
        counts.append(len(queries))
    assert counts[:2] == counts[2:]
    assert max(counts) <= 20
    for address in ("/bulk-orders/", "/bulk-orders/new/"):
        assert_clean_page(client.get(address), language=language)


@pytest.mark.parametrize(
    ("name", "permission"),
    [
        ("bulk-order-list", "orders.view_bulkorder"),
        ("bulk-order-detail", "orders.view_bulkorder"),
        ("bulk-order-live", "orders.view_bulkorder"),
        ("bulk-order-report", "orders.view_bulkorder"),
        ("bulk-order-new", "orders.bulk_sell"),
        ("bulk-order-confirm", "orders.bulk_sell"),
        ("bulk-order-step", "orders.bulk_sell"),
    ],
)
def test_only_staff_with_the_permission_come_in(name: str, permission: str) -> None:
    bulk = check(write_list(make_fake_plan(), 1))
    words = {
        "bulk-order-list": [],
        "bulk-order-new": [],
        "bulk-order-report": [bulk.pk, "csv"],
        "bulk-order-step": [bulk.pk, "drop"],
    }
    url = reverse(name, args=words.get(name, [bulk.pk]))
    posts = name in ("bulk-order-confirm", "bulk-order-step")
    stranger, other = Client(), sign_in("orders.sell", *({*SELLER} - {permission}))
    if posts:
        assert sign_in_as(make_user(is_superuser=True)).get(url).status_code == 405
    assert (stranger.post(url) if posts else stranger.get(url)).status_code == 302
    refused = other.post(url) if posts else other.get(url)
    assert refused.status_code == 403
    assert permission in refused.content.decode()
    bulk.refresh_from_db()
    assert bulk.state == "checked"
