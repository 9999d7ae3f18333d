"""What every list offers: views, columns, orders, files and one action on many rows."""

import csv
import io
import re
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from openpyxl import load_workbook
from pytest_django import Settings

from customers.customers import create_customer
from customers.lists import walk
from customers.models import Customer, SavedView
from esims.models import Esim, LineAction, LineEvent
from orders import list_files
from orders.bulk import run_bulk, run_due_bulk
from orders.checkout import cancel_order
from orders.list_pages import LISTS
from orders.models import BulkItem, BulkRun, ListExport, Order, Purchase
from orders.tasks import run_bulk as run_bulk_job
from providers.models import WebhookDelivery
from tests.esims.making import make_line, make_snapshot
from tests.orders.desk import buy, sign_in, sign_in_as
from tests.orders.fakes import Wholesaler
from tests.orders.making import make_fake_plan, make_user, order_plan
from tests.pages import assert_clean_page
from tests.queue import Queue
from tests.simulator_client import KEYS, PRODUCTION

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("wholesaler")]

ADDRESSES = {
    "lines": "/esims/",
    "customers": "/customers/",
    "orders": "/orders/",
    "purchases": "/purchases/all/",
    "deliveries": "/webhooks/",
}


def fill_office(number: int = 3) -> None:
    """So many of everything, each later than the one before."""
    plan = make_fake_plan()
    for place in range(number):
        owner = create_customer(name=f"Mia {place}", email=f"mia{place}-{number}@example.com", by=make_user())
        order = order_plan(plan, customer=owner)
        line = make_line(make_snapshot(eid=f"8904903212345123451234567890{number:02}{place:02}"), customer=owner)
        delivery = WebhookDelivery.objects.create(
            account=plan.account, key=f"k{number}-{place}", received_at=timezone.now(), body=b"{}", state="applied"
        )
        purchase = Purchase.objects.create(
            order_line=order.lines.get(), account=plan.account, plan_ref="P", quantity=1, idempotency_key=f"K{order.pk}"
        )
        at = timezone.now() - timedelta(days=9) + timedelta(minutes=place)
        for row in (owner, order, line, purchase):
            type(row)._base_manager.filter(pk=row.pk).update(created_at=at)
        WebhookDelivery.objects.filter(pk=delivery.pk).update(received_at=at)


def rows_of(response: Any) -> list[int]:
    return [row.pk for row in response.context["page"].rows]


def read_stream(response: Any) -> list[list[str]]:
    data = b"".join(response.streaming_content)
    assert data.startswith(b"\xef\xbb\xbf")
    return list(csv.reader(io.StringIO(data.decode("utf-8-sig"))))


@pytest.mark.parametrize("name", LISTS)
def test_each_list_is_clean_in_its_orders_and_with_all_its_columns(name: str) -> None:
    fill_office()
    client, page, address = sign_in_as(make_user(is_superuser=True)), LISTS[name], ADDRESSES[name]
    newest = client.get(address)
    assert_clean_page(newest)
    oldest = client.get(address, {"sort": "oldest"})
    assert rows_of(oldest) == rows_of(newest)[::-1]
    assert len(rows_of(newest)) == 3
    every = [("col", column.name) for column in page.columns]
    with CaptureQueriesContext(connection) as few:
        wide = client.get(address + "?" + "&".join(f"{key}={value}" for key, value in every))
    assert_clean_page(wide)
    narrow = client.get(address, {"col": page.columns[0].name, "sort": "oldest"})
    assert wide.content.decode().count('<th scope="col"') > narrow.content.decode().count('<th scope="col"') == 1
    # What was chosen is kept by the filters' form and by the links to other pages.
    assert '<input type="hidden" name="sort" value="oldest">' in narrow.content.decode()
    fill_office(5)
    with CaptureQueriesContext(connection) as many:
        client.get(address + "?" + "&".join(f"{key}={value}" for key, value in every))
    assert len(many) == len(few) <= 20
    assert_clean_page(sign_in(page.permission).get(address))


def test_pages_by_name_hold_everybody_once() -> None:
    Customer.objects.bulk_create(Customer(name=name) for name in ["Abe", "Ito", "Ito", "Sato", "Ueda"])
    page = LISTS["customers"]
    names = [[row.name for row in batch] for batch in walk(Customer.objects.all(), page.sorts[2], size=2)]
    assert names == [["Abe", "Ito"], ["Ito", "Sato"], ["Ueda"]]
    client = sign_in("customers.view_customer")
    # No JSON, an instant where a text is wanted, half a character, a NUL.
    texts = ("x", "WyJhIiwgMV0", "bnVsbA", "WyJcdWQ4MDAiLCAxXQ", "WyJcdTAwMDAiLCAxXQ")
    for nonsense in texts:
        assert client.get("/customers/", {"sort": "name", "after": nonsense}).status_code == 200
        assert client.get("/customers/", {"after": nonsense}).status_code == 200


def test_views_are_saved_opened_first_shared_and_deleted() -> None:
    fill_office()
    mine, other = make_user("orders.view_order"), make_user("orders.view_order", "customers.share_view")
    client, address = sign_in_as(mine), "/lists/orders/views/"
    query = "state=unpaid&sort=oldest&col=number&col=state&after=abc&q="
    response = client.post(address, {"name": " Unpaid  ones ", "query": query, "is_default": "on"})
    view = SavedView.objects.get()
    assert (view.name, view.query) == ("Unpaid ones", "state=unpaid&sort=oldest&col=number&col=state")
    assert response["Location"] == f"/orders/?{view.query}&view={view.pk}"
    assert client.get("/orders/")["Location"] == response["Location"]
    page = client.get(response["Location"])
    assert_clean_page(page)
    assert "Unpaid ones" in page.content.decode()
    assert client.get("/orders/?all=1").status_code == 200
    # Another default takes its place; the same name is written over.
    client.post(address, {"name": "All", "query": "", "is_default": "on"})
    client.post(address, {"name": "All", "query": "state=buying", "is_default": "on"})
    assert list(SavedView.objects.order_by("pk").values_list("name", "is_default", "query")) == [
        ("Unpaid ones", False, view.query),
        ("All", True, "state=buying"),
    ]
    # Not for everybody without the right to; nobody else sees it, or takes it away.
    assert client.post(address, {"name": "For all", "query": "", "is_shared": "on"}).status_code == 403
    theirs = sign_in_as(other)
    assert "Unpaid ones" not in theirs.get("/orders/").content.decode()
    assert theirs.post(f"{address}{view.pk}/delete/").status_code == 403
    theirs.post(address, {"name": "Shared", "query": "state=unpaid", "is_shared": "on"})
    assert "Shared" in client.get("/orders/?all=1").content.decode()
    assert client.post(f"{address}{SavedView.objects.get(name='Shared').pk}/delete/").status_code == 403
    client.post(f"{address}{view.pk}/delete/")
    assert not SavedView.objects.filter(pk=view.pk).exists()
    for name in ("", "x" * 61):
        client.post(address, {"name": name, "query": ""})
    assert SavedView.objects.count() == 2
    assert sign_in("esims.view_esim").post(address, {"name": "x", "query": ""}).status_code == 403


def test_a_file_holds_what_is_shown_and_is_written_down(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(list_files, "_BATCH", 2)
    fill_office(5)
    Customer.objects.filter(name="Mia 3").update(name='=HYPERLINK("http://x")', company="@x")
    user = make_user("orders.view_order", "orders.export_list")
    client = sign_in_as(user)
    export = {"query": "sort=oldest&col=number&col=customer&col=total&col=email", "format": "csv"}
    with CaptureQueriesContext(connection) as queries:
        response = client.post("/lists/orders/export/", export)
        table = read_stream(response)
    assert response["Content-Disposition"].startswith('attachment; filename="roamdesk-orders-')
    numbers = list(Order.objects.order_by("created_at", "pk").values_list("number", flat=True))
    # Addresses are for those who may see customers.
    assert table[0] == ["Number", "Customer", "Total", "Currency"]
    assert [row[0] for row in table[1:]] == numbers
    assert [row[1] for row in table[1:]] == ["Mia 0", "Mia 1", "Mia 2", '\'=HYPERLINK("http://x")', "Mia 4"]
    assert {tuple(row[2:]) for row in table[1:]} == {("6.0000", "USD")}
    assert not any("OFFSET" in query["sql"] for query in queries)
    record = ListExport.objects.get()
    assert (record.by, record.page, record.kind, record.rows) == (user.email, "orders", "csv", 5)
    assert record.query == "sort=oldest&col=number&col=customer&col=total&col=email"
    assert record.columns == ["number", "customer", "total", "currency"]
    assert record.finished_at is not None
    answer: Any = client.post("/lists/orders/export/", {**export, "format": "xlsx"})
    sheet = load_workbook(io.BytesIO(b"".join(answer))).active
    assert sheet is not None
    cells = [[cell.value for cell in row] for row in sheet.iter_rows()]
    assert [row[1] for row in cells[1:]][3] == '\'=HYPERLINK("http://x")'
    assert all(cell.data_type != "f" for row in sheet.iter_rows() for cell in row)
    assert cells[1][2] == 6
    monkeypatch.setattr(list_files, "MOST_SHEET_ROWS", 4)
    assert client.post("/lists/orders/export/", {**export, "format": "xlsx"}).status_code == 302
    assert ListExport.objects.count() == 2
    assert client.get("/lists/orders/export/").status_code == 405
    assert client.post("/lists/orders/export/", {"format": "exe"}).status_code == 404
    assert sign_in("orders.view_order").post("/lists/orders/export/", export).status_code == 403
    assert sign_in("orders.export_list").post("/lists/orders/export/", export).status_code == 403
    assert ListExport.objects.count() == 2


def test_a_file_that_nobody_takes_whole_says_how_far_it_came(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(list_files, "_BATCH", 2)
    fill_office(5)
    user = make_user("orders.view_order", "orders.export_list")
    pieces = list_files.begin_export(page=LISTS["orders"], query="", secrets=(), kind="csv", by=user).write_csv()
    assert next(pieces).startswith(b"\xef\xbb\xbfNumber,")
    next(pieces)
    pieces.close()  # as the server does when the browser goes away
    assert list(ListExport.objects.values_list("rows", "finished_at")) == [(2, None)]


def test_codes_leave_only_with_the_right_and_with_a_word_on_each_line() -> None:
    fill_office(2)
    Esim.objects.update(lpa="LPA:1$smdp.example$SECRET")
    asked = {"format": "csv", "secret": ["lpa", "eid"], "query": "col=iccid&col=lpa"}
    plain = read_stream(sign_in("esims.view_esim", "orders.export_list").post("/lists/lines/export/", asked))
    assert plain[0] == ["ICCID"]
    assert LineEvent.objects.filter(kind="codes_revealed").count() == 0
    client = sign_in("esims.view_esim", "orders.export_list", "esims.reveal_codes")
    with CaptureQueriesContext(connection) as queries:
        table = read_stream(client.post("/lists/lines/export/", asked))
    assert table[0] == ["ICCID", "Activation code", "EID"]
    assert {row[1] for row in table[1:]} == {"LPA:1$smdp.example$SECRET"}
    assert LineEvent.objects.filter(kind="codes_revealed", why="in a file").count() == 2
    assert len(queries) < 20
    assert "SECRET" not in client.get("/esims/", {"col": ["iccid", "lpa"]}).content.decode()


def choose(client: Any, name: str, **words: Any) -> Any:
    return client.post(f"/lists/{name}/bulk/", words)


def test_orders_are_looked_at_first_and_then_cancelled_once(queue: Queue) -> None:
    unpaid = [order_plan(make_fake_plan()) for _number in range(2)]
    bought = buy(1)
    client = sign_in("orders.view_order", "orders.sell")
    response = choose(client, "orders", action="cancel", row=[str(order.pk) for order in (*unpaid, bought)])
    run = BulkRun.objects.get()
    assert response["Location"] == f"/bulk/{run.pk}/"
    preview = client.get(response["Location"])
    assert_clean_page(preview)
    text = re.sub(r"\s+", " ", preview.content.decode())
    assert "It will be done with 2 rows." in text
    assert "With 1 row it cannot be done." in text
    assert "This order no longer waits for its payment." in text
    assert Order.objects.filter(pk__in=[order.pk for order in unpaid], state="unpaid").count() == 2
    assert_clean_page(client.post(f"/bulk/{run.pk}/start/", {"why": " "}), status=422)
    # Somebody else may look, and may not start what another has chosen.
    other = sign_in("orders.view_order", "orders.sell")
    assert_clean_page(other.get(f"/bulk/{run.pk}/"))
    assert other.post(f"/bulk/{run.pk}/start/", {"why": "x"}).status_code == 403
    assert sign_in("orders.view_order").get(f"/bulk/{run.pk}/").status_code == 403
    for _click in range(2):
        client.post(f"/bulk/{run.pk}/start/", {"why": "The fair is over"})
    assert 'hx-trigger="every 2s"' in client.get(f"/bulk/{run.pk}/").content.decode()
    assert run_bulk_job(run.pk) == 2
    assert run_bulk_job(run.pk) == run_bulk(run_id=run.pk) == 0
    run.refresh_from_db()
    assert (run.state, run.reason, run.next_attempt_at) == ("done", "The fair is over", None)
    for order in unpaid:
        order.refresh_from_db()
        assert order.state == "cancelled"
        assert order.events.filter(why="The fair is over").count() == 1
    report = client.get(f"/bulk/{run.pk}/")
    assert_clean_page(report)
    assert "every 2s" not in report.content.decode()
    assert sorted(run.items.values_list("state", flat=True)) == ["done", "done", "refused"]


def test_all_that_match_is_what_the_preview_found(monkeypatch: pytest.MonkeyPatch, settings: Settings) -> None:
    keys = KEYS[PRODUCTION]
    account = {"url": "http://127.0.0.1:9", "key_id": keys.key_id, "key_secret": keys.key_secret, "currency": "USD"}
    settings.PROVIDERS = {"esim-commerce": {**settings.PROVIDERS["esim-commerce"], **account}}
    lines = [make_line() for _number in range(4)]
    Esim.objects.filter(pk=lines[0].pk).update(state="terminated")
    client = sign_in("esims.view_esim", "esims.suspend_esim")
    query = "state=ready&after=xyz"
    choose(client, "lines", action="suspend", which="all", query=query)
    run = BulkRun.objects.get()
    assert set(run.items.values_list("row", flat=True)) == {line.pk for line in lines[1:]}
    Esim.objects.filter(pk=lines[1].pk).update(state="cancelled")
    later = make_line(account=lines[0].account)
    client.post(f"/bulk/{run.pk}/start/", {"why": "Lost parcel"})
    run_due_bulk()
    # What changed since is refused with the reason; what came since is not touched.
    assert set(LineAction.objects.values_list("esim", "kind", "reason")) == {
        (line.pk, "suspend", "Lost parcel") for line in lines[2:]
    }
    assert not LineAction.objects.filter(esim=later).exists()
    assert BulkItem.objects.get(row=lines[1].pk).state == "refused"
    # Asked once more, nothing is asked twice.
    again = choose(client, "lines", action="suspend", row=[str(lines[2].pk)])
    client.post(f"{again['Location']}start/", {"why": "Again"})
    run_due_bulk()
    assert LineAction.objects.filter(esim=lines[2]).count() == 1
    monkeypatch.setattr("orders.bulk.MOST_ROWS", 2)
    cut = client.get(choose(client, "lines", action="suspend", which="all", query="")["Location"])
    assert "More rows match" in cut.content.decode()


def test_a_dead_workers_row_is_taken_over_and_a_failing_one_keeps_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    orders = [order_plan(make_fake_plan()) for _number in range(3)]
    user = make_user("orders.view_order", "orders.sell")
    client = sign_in_as(user)
    place = choose(client, "orders", action="extend", row=[str(order.pk) for order in orders])["Location"]
    client.post(f"{place}start/", {"why": "Holidays"})
    run = BulkRun.objects.get()
    first, second, third = run.items.order_by("pk")
    busy = timezone.now() + timedelta(minutes=1)
    BulkItem.objects.filter(pk=first.pk).update(state="running", claimed_until=busy)
    BulkItem.objects.filter(pk=second.pk).update(state="running", claimed_until=timezone.now() - timedelta(seconds=1))
    Order.objects.filter(pk=third.row).update(state="failed")
    assert run_bulk(run_id=run.pk) == 2
    assert list(run.items.order_by("pk").values_list("state", flat=True)) == ["running", "done", "refused"]
    BulkItem.objects.filter(pk=first.pk).update(claimed_until=timezone.now() - timedelta(seconds=1))

    def fail(**_given: Any) -> None:
        raise RuntimeError

    monkeypatch.setattr("orders.list_pages.extend_order", fail)
    run_bulk(run_id=run.pk)
    run.refresh_from_db()
    assert list(run.items.order_by("pk").values_list("state", flat=True)) == ["failed", "done", "refused"]
    assert run.state == "done"


class Died(BaseException):
    """The worker is gone: nothing of it catches this."""


def test_a_worker_that_dies_before_it_says_so_has_done_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    order = order_plan(make_fake_plan())
    client = sign_in_as(make_user("orders.view_order", "orders.sell"))
    place = choose(client, "orders", action="cancel", row=[str(order.pk)])["Location"]
    client.post(f"{place}start/", {"why": "The fair is over"})
    run = BulkRun.objects.get()

    def die(*_given: Any) -> bool:
        raise Died

    with monkeypatch.context() as patch:
        patch.setattr("orders.bulk._settle", die)
        with pytest.raises(Died):
            run_bulk(run_id=run.pk)
    order.refresh_from_db()
    assert (order.state, run.items.get().state) == ("unpaid", "running")
    BulkItem.objects.update(claimed_until=timezone.now() - timedelta(seconds=1))
    assert run_bulk(run_id=run.pk) == 1
    order.refresh_from_db()
    assert (order.state, run.items.get().state) == ("cancelled", "done")


def test_what_a_slow_worker_did_too_late_is_taken_back(monkeypatch: pytest.MonkeyPatch) -> None:
    order = order_plan(make_fake_plan())
    client = sign_in_as(make_user("orders.view_order", "orders.sell"))
    place = choose(client, "orders", action="cancel", row=[str(order.pk)])["Location"]
    client.post(f"{place}start/", {"why": "The fair is over"})
    run, later = BulkRun.objects.get(), timezone.now() + timedelta(hours=1)

    def be_slow(**given: Any) -> Order:
        BulkItem.objects.update(claimed_until=later)
        return cancel_order(**given)

    monkeypatch.setattr("orders.list_pages.cancel_order", be_slow)
    run_bulk(run_id=run.pk)
    order.refresh_from_db()
    assert order.state == "unpaid"


def test_whoever_lost_the_right_gets_nothing_done(wholesaler: Wholesaler) -> None:
    wholesaler.plan_orders("no_balance")
    held = Purchase.objects.get(order_line__order=buy(1))
    user = make_user("orders.view_purchase", "orders.reconcile")
    client = sign_in_as(user)
    place = choose(client, "purchases", action="resume", row=[str(held.pk)])["Location"]
    client.post(f"{place}start/", {"why": "Paid in"})
    user.user_permissions.clear()
    run_due_bulk()
    held.refresh_from_db()
    assert held.state == "held"
    assert BulkItem.objects.get().state == "refused"
    assert choose(sign_in("orders.view_purchase"), "purchases", action="resume", row=["1"]).status_code == 403
    assert choose(sign_in("orders.reconcile"), "purchases", action="resume", row=["1"]).status_code == 403
    assert choose(client, "nothing", action="resume").status_code == 404
    both = sign_in("orders.view_purchase", "orders.reconcile")
    assert choose(both, "purchases", action="delete").status_code == 404
    assert choose(both, "purchases", action="resume", row=["x", "²"]).status_code == 302
    assert BulkRun.objects.count() == 1
    place = choose(both, "purchases", action="resume", row=[str(held.pk)])["Location"]
    both.post(f"{place}start/", {"why": "Paid in"})
    run_due_bulk()
    held.refresh_from_db()
    assert held.state == "planned"


def test_deliveries_and_readings_are_asked_for_again() -> None:
    fill_office(2)
    boss = sign_in_as(make_user(is_superuser=True))
    for name, action in (("deliveries", "retry"), ("lines", "refresh")):
        place = choose(boss, name, action=action, which="all", query="")["Location"]
        assert_clean_page(boss.get(place))
        boss.post(f"{place}start/", {"why": "After the fault"})
    run_due_bulk()
    assert set(WebhookDelivery.objects.values_list("state", flat=True)) == {"new"}
    assert set(BulkRun.objects.values_list("state", flat=True)) == {"done"}
