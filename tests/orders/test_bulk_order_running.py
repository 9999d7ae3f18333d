"""A list is bought once: whoever clicks twice, uploads it again or dies in the middle; and it stops with a word."""

import csv
from datetime import timedelta
from decimal import Decimal
from io import BytesIO, StringIO
from typing import Any

import pytest
from django.core.exceptions import PermissionDenied
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from openpyxl import load_workbook

from catalog.models import Plan
from customers.models import Customer, User
from orders.bulk_order_report import write_report
from orders.bulk_order_running import (
    BulkRefused,
    confirm_bulk,
    drop_bulk,
    forget_old_lists,
    pause_bulk,
    resume_bulk,
    retry_refused,
    run_bulk,
    run_due_bulks,
)
from orders.checkpoints import Checkpoint, install_hook
from orders.leaving import delete_account
from orders.models import BulkOrder, BulkOrderRow, Order, Payment, Purchase
from orders.purchasing import run_purchase
from orders.waking import WAKE_UPS
from tests.orders.bulk_order_lists import check, make_seller, run, write_list
from tests.orders.fakes import Wholesaler
from tests.orders.making import make_customer, make_fake_plan, make_user
from tests.orders.test_credit import make_credit
from tests.queue import Queue

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("wholesaler")]


def count_rows() -> tuple[int, int, int, int]:
    return (Customer.objects.count(), Order.objects.count(), Payment.objects.count(), Purchase.objects.count())


def states(bulk: BulkOrder) -> list[str]:
    return list(bulk.rows.order_by("number").values_list("state", flat=True))


class Died(BaseException):
    """The worker is gone: nothing of it catches this."""


def test_each_row_becomes_an_ordinary_paid_order() -> None:
    plan, seller = make_fake_plan(), make_seller()
    known = make_customer(name="Mia Sato", email="mia@example.com")
    rows = [
        "name,email,phone,language,plan,quantity,note",
        f"Mia Sato,MIA@example.com,,,{plan.plan_ref},2,window seat",
        f"森 葵,aoi@example.jp,+81 90 1234 5678,ja,{plan.plan_ref},1,",
    ]
    bulk = run(check("\n".join(rows).encode(), by=seller, method="terminal"))
    assert (bulk.state, bulk.why, states(bulk)) == ("done", "", ["ordered", "ordered"])
    first, second = (row.order for row in bulk.rows.order_by("number").select_related("order__customer"))
    assert first is not None
    assert second is not None
    assert (first.customer, first.total, first.state, first.note) == (known, Decimal(12), "buying", "window seat")
    assert (first.created_by, first.payments.get().method, first.payments.get().amount) == (
        seller,
        "terminal",
        Decimal(12),
    )
    aoi = second.customer
    assert (aoi.name, aoi.email, aoi.phone, aoi.language) == ("森 葵", "aoi@example.jp", "+819012345678", "ja")
    assert first.events.filter(kind="order.from_list", facts={"list": bulk.pk, "row": 2}, by=seller.email).exists()
    assert Purchase.objects.filter(state="planned").count() == 2
    # Who they are stands with the customers from now on.
    assert not bulk.rows.exclude(name="", email="", phone="", note="").exists()


def test_a_second_click_and_a_job_that_comes_twice_buy_nothing_more(queue: Queue) -> None:
    bulk = check(write_list(make_fake_plan(), 3))
    seller = bulk.created_by
    assert seller is not None
    confirm_bulk(bulk=bulk, by=seller)
    confirm_bulk(bulk=bulk, by=seller)
    assert [job.args for job in queue.waiting()] == [("bulk_orders",)]
    assert (run_due_bulks(seconds=60), run_due_bulks(seconds=60), run_bulk(bulk_id=bulk.pk, seconds=60)) == (3, 0, 0)
    confirm_bulk(bulk=bulk, by=seller)
    assert count_rows() == (3, 3, 3, 3)
    assert not WAKE_UPS["bulk_orders"].is_due()


def test_a_second_upload_of_the_same_list_buys_nothing_twice() -> None:
    data, seller = write_list(make_fake_plan(), 2), make_seller()
    # Both were checked before either was started.
    first, second = check(data, by=seller), check(data, by=seller)
    run(first)
    with pytest.raises(BulkRefused, match=f"list {first.pk}"):
        confirm_bulk(bulk=second, by=seller)
    third = check(data, by=seller)
    assert {tuple(row.remarks) for row in third.rows.all()} == {
        ("An earlier list has ordered the same for this customer.",)
    }
    with pytest.raises(BulkRefused):
        confirm_bulk(bulk=third, by=seller, repeat_reason="I want to")
    assert (run_due_bulks(seconds=60), count_rows(), states(third)) == (0, (2, 2, 2, 2), ["waiting", "waiting"])


def test_a_list_is_repeated_with_a_reason_and_a_permission_only() -> None:
    data, boss = write_list(make_fake_plan(), 2), make_seller("orders.repeat_bulk")
    run(check(data, by=boss))
    again = check(data, by=boss)
    with pytest.raises(BulkRefused) as refused:
        confirm_bulk(bulk=again, by=boss, repeat_reason="  ")
    assert refused.value.field == "reason"
    confirm_bulk(bulk=again, by=boss, repeat_reason="the second bus")
    run_due_bulks(seconds=60)
    again.refresh_from_db()
    assert (again.state, again.repeat_reason, count_rows()) == ("done", "the second bus", (2, 4, 4, 4))


@pytest.mark.parametrize("place", [Checkpoint.PLACED, Checkpoint.CAPTURING, Checkpoint.CAPTURED])
def test_a_worker_that_dies_in_the_middle_leaves_whole_rows(place: Checkpoint) -> None:
    bulk = check(write_list(make_fake_plan(), 4))
    confirm_bulk(bulk=bulk, by=bulk.created_by or make_user())
    passed: list[int] = []

    def die(checkpoint: Checkpoint, row_id: int) -> None:
        passed.extend([row_id] if checkpoint == place else [])
        if len(passed) == 2:
            raise Died

    install_hook(die)
    with pytest.raises(Died):
        run_bulk(bulk_id=bulk.pk, seconds=60)
    install_hook(None)
    assert (count_rows(), states(bulk)) == ((1, 1, 1, 1), ["ordered", "waiting", "waiting", "waiting"])
    # Its claim stands until nobody can be at it any more.
    assert run_due_bulks(seconds=60) == 0
    BulkOrder.objects.update(claimed_until=timezone.now() - timedelta(seconds=1))
    assert run_due_bulks(seconds=60) == 3
    assert (count_rows(), set(states(bulk))) == ((4, 4, 4, 4), {"ordered"})


def test_it_pauses_where_our_own_program_fails_and_goes_on_afterwards(monkeypatch: pytest.MonkeyPatch) -> None:
    bulk = check(write_list(make_fake_plan(), 2))
    confirm_bulk(bulk=bulk, by=bulk.created_by or make_user())

    def fail(**_given: Any) -> None:
        raise RuntimeError

    with monkeypatch.context() as patch:
        patch.setattr("orders.bulk_order_running.sell_plan", fail)
        assert run_bulk(bulk_id=bulk.pk, seconds=60) == 1
    bulk.refresh_from_db()
    assert (bulk.state, bulk.why) == ("paused", "Row 2: our own program failed; the log says why.")
    assert (count_rows(), states(bulk)) == ((0, 0, 0, 0), ["waiting", "waiting"])
    resume_bulk(bulk=bulk, by=bulk.created_by or make_user())
    assert run_due_bulks(seconds=60) == 2
    assert (count_rows(), states(bulk)) == ((2, 2, 2, 2), ["ordered", "ordered"])


def test_who_leaves_is_in_no_row_any_more() -> None:
    plan, mia = make_fake_plan(), make_customer(name="Mia Sato", email="mia@example.com")
    user = User.objects.create_user("mia@example.com", "not-used-here-9")
    Customer.objects.filter(pk=mia.pk).update(user=user)
    rows = [
        "name,email,plan,note",
        f"Mia Tanaka,mia@example.com,{plan.plan_ref},window",
        f"Ben,ben@example.com,{plan.plan_ref},",
    ]
    bulk = check("\n".join(rows).encode())
    delete_account(user=user)
    told = bulk.rows.order_by("number").values_list("name", "email", "note", "remarks")
    assert list(told) == [("", "", "", []), ("Ben", "ben@example.com", "", [])]


def test_it_runs_in_pieces_and_makes_way_for_purchases() -> None:
    bulk = check(write_list(make_fake_plan(), 3))
    confirm_bulk(bulk=bulk, by=bulk.created_by or make_user())
    assert run_bulk(bulk_id=bulk.pk, seconds=0) == 1
    assert run_bulk(bulk_id=bulk.pk, seconds=60, give_way=lambda: True) == 1
    assert states(bulk) == ["ordered", "ordered", "waiting"]


def test_a_price_that_changed_after_the_check_stops_the_list() -> None:
    bulk = check(write_list(make_fake_plan(), 2))
    Plan.objects.update(retail_price=Decimal("6.50"))
    with pytest.raises(BulkRefused, match=r"price of .* has changed"):
        confirm_bulk(bulk=bulk, by=bulk.created_by or make_user())
    bulk.refresh_from_db()
    assert (bulk.state, bulk.run_key, count_rows()) == ("checked", None, (0, 0, 0, 0))


def test_a_price_that_changes_while_it_runs_refuses_rows_and_they_can_be_tried_again() -> None:
    plan, seller = make_fake_plan(), make_seller()
    bulk = check(write_list(plan, 2), by=seller)
    confirm_bulk(bulk=bulk, by=seller)
    run_bulk(bulk_id=bulk.pk, seconds=0)
    Plan.objects.update(retail_price=Decimal("6.50"))
    run_bulk(bulk_id=bulk.pk, seconds=60)
    bulk.refresh_from_db()
    assert (bulk.state, states(bulk)) == ("done", ["ordered", "refused"])
    assert bulk.rows.get(state="refused").faults == [
        "The price has changed from 6.00 USD to 6.50 USD. Look at it and confirm again."
    ]
    # Nothing was left behind of the row's customer either.
    assert count_rows() == (1, 1, 1, 1)
    Plan.objects.update(retail_price=Decimal(6))
    retry_refused(bulk=bulk, by=seller)
    run_due_bulks(seconds=60)
    assert (states(bulk), count_rows()) == (["ordered", "ordered"], (2, 2, 2, 2))


def test_it_pauses_with_a_word_when_the_credit_ends_and_goes_on_afterwards() -> None:
    plans, seller = [make_fake_plan(), make_fake_plan()], make_seller()
    account = make_credit("12", make_customer(name="Firm", email="firm@example.com"))
    rows = [f"Firm,firm@example.com,{plan.plan_ref},1" for plan in plans]
    bulk = check("\n".join(["name,email,plan,qty", *rows]).encode(), method="credit", by=seller)
    confirm_bulk(bulk=bulk, by=seller)
    type(account).objects.update(credit_limit=Decimal(6))
    run_bulk(bulk_id=bulk.pk, seconds=60)
    bulk.refresh_from_db()
    assert (bulk.state, states(bulk), count_rows()) == ("paused", ["ordered", "waiting"], (1, 1, 1, 1))
    assert bulk.why == (
        "Row 3: The credit limit does not allow it: 0.00 USD are free, 6.00 USD are needed. Nothing was written."
    )
    type(account).objects.update(credit_limit=Decimal(12))
    resume_bulk(bulk=bulk, by=seller)
    run_due_bulks(seconds=60)
    bulk.refresh_from_db()
    account.refresh_from_db()
    assert (bulk.state, bulk.why, account.owed) == ("done", "", Decimal(12))


def test_it_pauses_where_a_provider_holds_what_was_bought(wholesaler: Wholesaler) -> None:
    bulk = check(write_list(make_fake_plan(), 3))
    confirm_bulk(bulk=bulk, by=bulk.created_by or make_user())
    run_bulk(bulk_id=bulk.pk, seconds=0)
    wholesaler.plan_orders("no_balance")
    run_purchase(purchase_id=Purchase.objects.get().pk)
    run_bulk(bulk_id=bulk.pk, seconds=60)
    bulk.refresh_from_db()
    assert (bulk.state, states(bulk)) == ("paused", ["ordered", "waiting", "waiting"])
    assert bulk.why.startswith("A provider holds purchases of this list")


def test_staff_pause_go_on_and_drop_the_rest() -> None:
    seller = make_seller()
    bulk = check(write_list(make_fake_plan(), 3), by=seller)
    confirm_bulk(bulk=bulk, by=seller)
    run_bulk(bulk_id=bulk.pk, seconds=0)
    assert pause_bulk(bulk=bulk, by=seller).why == f"Paused by {seller.email}."
    assert run_due_bulks(seconds=60) == 0
    assert drop_bulk(bulk=bulk, by=seller).state == drop_bulk(bulk=bulk, by=seller).state == "dropped"
    for verb in (resume_bulk, pause_bulk, retry_refused):
        with pytest.raises(BulkRefused, match="dropped"):
            verb(bulk=bulk, by=seller)
    assert (states(bulk), count_rows()) == (["ordered", "waiting", "waiting"], (1, 1, 1, 1))


def test_faulty_lists_and_people_without_the_permission_start_nothing() -> None:
    plan = make_fake_plan()
    faulty = check(f"name,email,plan\nMia,mia@example.com,{plan.plan_ref}\nBen,,{plan.plan_ref}\n".encode())
    with pytest.raises(BulkRefused, match="faulty"):
        confirm_bulk(bulk=faulty, by=faulty.created_by or make_user())
    good = check(write_list(plan, 1))
    for verb in (confirm_bulk, drop_bulk, pause_bulk, resume_bulk):
        with pytest.raises(PermissionDenied):
            verb(bulk=good, by=make_user("orders.sell", "orders.view_bulkorder"))
    good.refresh_from_db()
    assert (good.state, run_due_bulks(seconds=60), count_rows()) == ("checked", 0, (0, 0, 0, 0))


def test_one_new_customer_in_several_rows_is_made_once() -> None:
    one, other = make_fake_plan(), make_fake_plan()
    rows = [
        "name,email,phone,plan",
        *(f"Mia,mia@example.com,,{plan.plan_ref}" for plan in (one, other)),
        *(f"Ken,,0901112222,{plan.plan_ref}" for plan in (one, other)),
    ]
    bulk = run(check("\n".join(rows).encode()))
    assert (states(bulk), count_rows()) == (["ordered"] * 4, (2, 4, 4, 4))


def test_every_row_takes_the_same_number_of_statements() -> None:
    bulk = check(write_list(make_fake_plan(), 1000))
    confirm_bulk(bulk=bulk, by=bulk.created_by or make_user())
    counts = []
    for _row in range(12):
        with CaptureQueriesContext(connection) as queries:
            run_bulk(bulk_id=bulk.pk, seconds=0)
        counts.append(len(queries))
    assert len(set(counts)) == 1, counts


def test_the_report_tells_of_every_row_and_runs_no_formula() -> None:
    plan = make_fake_plan(plan_ref="=P1")
    bulk = run(check(b"name,email,plan,qty\n=Mia,mia@example.com,=P1,2\n"))
    order = Order.objects.get()
    header, row = csv.reader(StringIO(write_report(bulk=bulk, form="csv").decode("utf-8-sig")))
    assert row == [
        *("2", "'=Mia", "mia@example.com", "", "'=P1", plan.name, "2", "", "6.0000", "12.0000", "USD", "ordered"),
        *(order.number, "being bought", ""),
    ]
    sheet: Any = load_workbook(BytesIO(write_report(bulk=bulk, form="xlsx"))).active
    names, cells = sheet.iter_rows()
    assert [cell.value for cell in names] == header
    assert (cells[1].value, cells[1].data_type, cells[9].value) == ("=Mia", "s", 12)


def test_what_nobody_ran_is_forgotten_and_who_was_refused_as_well() -> None:
    plan = make_fake_plan()
    check(write_list(plan, 1))
    bulk = check(write_list(plan, 2))
    confirm_bulk(bulk=bulk, by=bulk.created_by or make_user())
    Plan.objects.update(is_published=False)
    run_due_bulks(seconds=60)
    assert forget_old_lists() == 0
    BulkOrder.objects.update(created_at=timezone.now() - timedelta(days=31))
    BulkOrder.objects.filter(state="done").update(finished_at=timezone.now() - timedelta(days=31))
    assert forget_old_lists() == 4
    assert BulkOrder.objects.get().pk == bulk.pk
    assert list(BulkOrderRow.objects.values_list("state", "name", "email")) == [("refused", "", "")] * 2
