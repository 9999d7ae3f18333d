"""Completion files: every row is applied, repeated, unmatched or faulty; no file and no row does anything twice."""

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from pytest_django import Settings

from catalog.models import Plan
from esims.events import describe_event
from esims.lifecycle import LineAlreadyHeld, register_lines
from esims.models import Esim, LineEvent
from orders.applying import digest_reply
from orders.books import read_balances
from orders.checkpoints import Checkpoint, install_hook
from orders.completions import FileRefused, find_earlier, import_completions
from orders.models import (
    Activation,
    CompletionImport,
    CompletionOutcome,
    Order,
    OrderEvent,
    Purchase,
    PurchaseAttempt,
    Refund,
)
from orders.purchasing import run_purchase
from orders.reconciliation import await_completion, mark_not_bought, settle_attention
from orders.refunds import record_refund_made
from providers.freebit.rules import RESULT_CODES, NextStep
from tests.esims.making import make_line, make_snapshot
from tests.orders.activating import (
    NEW,
    REISSUE,
    TRANSFER,
    activation_of,
    fail,
    make_activation_plan,
    make_eid,
    make_file,
    make_freebit,
    make_row,
    place,
    send,
)
from tests.orders.making import make_due, make_user
from tests.simulator_freebit import Freebit

pytestmark = pytest.mark.django_db
P = Purchase.State


def accept(values: Mapping[str, str] = NEW, **changes: Any) -> Purchase:
    """An activation that freebit took."""
    purchase = send(place(values, **changes))
    assert purchase.state == P.ALLOCATING
    return purchase


def bring(*rows: Mapping[str, str], data: bytes | None = None) -> CompletionImport:
    return import_completions(
        account=make_freebit(), data=make_file(*rows) if data is None else data, file_name="done.csv", by="command"
    )


def counts(report: CompletionImport) -> tuple[int, int, int, int]:
    """Applied, repeated, unmatched, faulty; they are the report's rows."""
    told = (report.applied, report.repeated, report.unmatched, report.faulty)
    words = ("applied", "repeated", "unmatched", "faulty")
    assert told == tuple(report.outcomes.filter(outcome=word).count() for word in words)
    return told


def fresh(purchase: Purchase) -> Purchase:
    return Purchase.objects.get(pk=purchase.pk)


def row_of(purchase: Purchase, **changes: str) -> dict[str, str]:
    return make_row(activation_of(purchase), **changes)


def assert_balanced() -> None:
    assert [balance.difference for balance in read_balances()] == [Decimal(0)] * len(read_balances())


# -- success ----------------------------------------------------------------------------------------------------------


def test_a_success_enters_the_line_and_ends_the_purchase(freebit: Freebit) -> None:
    purchase = accept()
    activation = activation_of(purchase)
    report = bring(row_of(purchase))
    assert counts(report) == (1, 0, 0, 0)
    esim = Esim.objects.get(purchased__purchase=purchase)
    assert esim.provider_ref == f"{activation.eid}:{activation.delivery_code}"
    assert (esim.eid, esim.phone_number, esim.lpa, esim.state) == (activation.eid, "09011110000", "", "ready")
    assert (esim.customer, esim.plan) == (purchase.order_line.order.customer, purchase.order_line.plan)
    assert esim.state_as_of == datetime(2026, 2, 3, 1, 11, 12, tzinfo=UTC)
    assert (esim.next_refresh_at, esim.next_usage_at) == (None, None)
    order = Order.objects.get()
    assert (fresh(purchase).state, order.state, Refund.objects.count()) == (P.FULFILLED, "completed", 0)
    activation.refresh_from_db()
    assert (activation.is_open, activation.account_number, activation.payload) == (False, "09011110000", None)
    row = report.outcomes.get()
    assert (row.number, row.delivery_code, row.eid_end, row.code) == (2, activation.delivery_code, esim.eid[-6:], "100")
    assert (row.purchase, row.note) == (purchase, "")
    assert_balanced()


@pytest.mark.parametrize("encoding", ["cp932", "utf-8", "utf-8-sig"])
def test_either_encoding(freebit: Freebit, encoding: str) -> None:
    purchase = accept()
    assert counts(bring(data=make_file(row_of(purchase, result="完了"), encoding=encoding))) == (1, 0, 0, 0)


def test_the_same_file_twice_changes_nothing(freebit: Freebit) -> None:
    good, bad = accept(), accept()
    data = make_file(row_of(good), row_of(bad, **fail("372")))
    first = bring(data=data)
    assert counts(first) == (2, 0, 0, 0)
    before = snapshot_of_books()
    second = bring(data=data)
    assert counts(second) == (0, 2, 0, 0)
    assert snapshot_of_books() == before
    assert (find_earlier(first), find_earlier(second)) == (None, first)


def test_a_row_that_stands_twice_in_a_file_is_applied_once(freebit: Freebit) -> None:
    purchase = accept()
    assert counts(bring(row_of(purchase), row_of(purchase))) == (1, 1, 0, 0)
    assert Esim.objects.count() == 1


def snapshot_of_books() -> list[Any]:
    models = (Order, Purchase, Refund, Activation, Esim, LineEvent, OrderEvent)
    return [list(model._default_manager.order_by("pk").values()) for model in models]


# -- which activation -------------------------------------------------------------------------------------------------


def test_a_row_without_a_delivery_code_is_matched_by_eid_and_number(freebit: Freebit) -> None:
    purchase, _other = accept(TRANSFER), accept()
    assert counts(bring(row_of(purchase, deliveryCode="", account="08077776666"))) == (1, 0, 0, 0)
    assert fresh(purchase).state == P.FULFILLED


@pytest.mark.parametrize("missing", ["eid", "deliveryCode"])
def test_one_handle_is_enough_where_it_names_one_request(freebit: Freebit, missing: str) -> None:
    purchase, _other = accept(), accept()
    assert counts(bring(row_of(purchase, **{missing: ""}))) == (1, 0, 0, 0)
    assert fresh(purchase).state == P.FULFILLED


def test_a_device_with_two_requests_needs_the_delivery_code(freebit: Freebit) -> None:
    eid = make_eid()
    bring(row_of(accept({**NEW, "eid": eid}), **fail("372")))
    freebit.complete(eid, code="372")
    again = accept({**NEW, "eid": eid})
    report = bring(row_of(again, deliveryCode=""))
    assert counts(report) == (0, 0, 1, 0)
    assert report.outcomes.get().note == "several requests of ours have this EID"
    assert fresh(again).state == P.ALLOCATING
    assert counts(bring(row_of(again))) == (1, 0, 0, 0)


def test_a_number_that_differs_is_no_match(freebit: Freebit) -> None:
    purchase = accept(TRANSFER)
    report = bring(row_of(purchase, deliveryCode="", account="08000000009"))
    assert counts(report) == (0, 0, 1, 0)
    assert fresh(purchase).state == P.ALLOCATING


def test_rows_of_other_systems_are_kept_in_the_report(freebit: Freebit) -> None:
    purchase = accept()
    report = bring(
        row_of(purchase, eid=make_eid()),
        row_of(purchase, deliveryCode="OTHER00001"),
        row_of(purchase, eid=make_eid(), deliveryCode=""),
    )
    assert counts(report) == (0, 0, 3, 0)
    assert [row.note for row in report.outcomes.all()] == [
        "our request of this delivery code has another EID",
        "no request of ours has this delivery code",
        "no request of ours has this EID",
    ]
    assert {len(row.eid_end) for row in report.outcomes.all()} == {6}
    assert (fresh(purchase).state, Esim.objects.count()) == (P.ALLOCATING, 0)


def test_a_request_that_was_never_paid_matches_nothing(freebit: Freebit) -> None:
    activation = activation_of(place(paid=False))
    report = bring(make_row(activation))
    assert counts(report) == (0, 0, 1, 0)
    assert report.outcomes.get().note == "it was never sent: its order is not paid"
    assert Esim.objects.count() == 0


def test_another_accounts_requests_are_not_looked_at(freebit: Freebit, settings: Settings) -> None:
    purchase = accept()
    other = {**settings.PROVIDERS["freebit"]}
    settings.PROVIDERS = {**settings.PROVIDERS, "freebit-two": other}
    account = make_freebit()
    account.pk, account.slug = None, "freebit-two"
    account.save()
    report = import_completions(account=account, data=make_file(row_of(purchase)), file_name="x", by="command")
    assert counts(report) == (0, 0, 1, 0)
    assert fresh(purchase).state == P.ALLOCATING


# -- failures ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("code", sorted(RESULT_CODES))
def test_a_failure_owes_the_money_back_and_says_why(freebit: Freebit, code: str) -> None:
    purchase = accept()
    report = bring(row_of(purchase, **fail(code)))
    assert counts(report) == (1, 0, 0, 0)
    after, known = fresh(purchase), RESULT_CODES[code]
    assert (after.state, after.error_code) == (P.REJECTED, code)
    assert after.error == f"The provider refused ({code}): {known.meaning}"
    refund = Refund.objects.get()
    assert (refund.state, refund.amount, refund.currency) == ("due", Decimal("6.00"), "USD")
    event = OrderEvent.objects.get(purchase=purchase, facts__new=P.REJECTED)
    facts = {"old": "allocating", "new": "rejected", "code": code, "field": known.field or ""}
    assert event.facts == {**facts, "import": report.pk, "row": 2}
    activation = activation_of(purchase)
    assert (activation.is_open, activation.payload) == (False, None)
    assert (Esim.objects.count(), Order.objects.get().state) == (0, "failed")


def what_a_code_does(code: str) -> tuple[str, str, str]:
    """State, what is to mend, and the state of the refund after one answer with this code."""
    step = RESULT_CODES[code].next_step
    if RESULT_CODES[code].may_be_ours:
        return P.REJECTED, "", "due"
    return {
        NextStep.FIX_FIELD: (P.HELD, "data", ""),
        NextStep.RENEW_KEY: (P.HELD, "credentials", ""),
        NextStep.NEXT_MONTH: (P.HELD, "time", ""),
        NextStep.CONTRACT: (P.HELD, "stock", ""),
        NextStep.RETRY_LATER: (P.PLANNED, "", ""),
        NextStep.OUTCOME_UNKNOWN: (P.UNKNOWN, "", ""),
    }[step]


@pytest.mark.parametrize("code", sorted(RESULT_CODES))
def test_what_the_house_does_when_the_answer_has_this_code(freebit: Freebit, code: str) -> None:
    """Two answers, because a refused key is renewed once."""
    order = place(TRANSFER)
    freebit.order_fault("refuse_code", code=code, times=2)
    purchase = send(order)
    state, mend, refund = what_a_code_does(code)
    assert (purchase.state, purchase.mend, purchase.error_code) == (state, mend, code)
    assert [row.state for row in Refund.objects.all()] == ([refund] if refund else [])
    is_sendable = state in (P.HELD, P.PLANNED)
    assert (activation_of(order).payload is not None) == is_sendable
    assert (purchase.next_attempt_at is not None) == (state == P.PLANNED)
    assert freebit.orders() == []
    assert freebit.count_activations() == (2 if mend == "credentials" else 1)


def test_a_code_that_is_not_in_the_document_is_told_as_it_came(freebit: Freebit) -> None:
    purchase = accept()
    bring(row_of(purchase, **{**fail("Z9"), "message": "no stock"}))
    assert fresh(purchase).error == "The provider refused (Z9): no stock"


# -- late, early and against one another ------------------------------------------------------------------------------


def test_a_line_that_is_registered_meanwhile_is_looked_for_again(
    freebit: Freebit, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another transaction was faster than our insert: no fault of the row, and no second line."""
    purchase, tries = accept(), list[int]()

    def be_late_once(*args: Any, **kwargs: Any) -> list[Esim]:
        tries.append(1)
        if len(tries) == 1:
            raise LineAlreadyHeld(["x"])
        return register_lines(*args, **kwargs)

    monkeypatch.setattr("orders.delivering.register_lines", be_late_once)
    assert counts(bring(row_of(purchase))) == (1, 0, 0, 0)
    assert (fresh(purchase).state, Esim.objects.count(), len(tries)) == (P.FULFILLED, 1, 2)


def test_an_unknown_outcome_is_settled_by_the_file(freebit: Freebit) -> None:
    purchases = []
    for _ in range(2):
        freebit.order_fault("close_after")
        purchases.append(send(place()))
    good, bad = purchases
    assert {good.state, bad.state} == {P.UNKNOWN}
    assert counts(bring(row_of(good), row_of(bad, **fail("372")))) == (2, 0, 0, 0)
    assert (fresh(good).state, fresh(bad).state) == (P.FULFILLED, P.REJECTED)
    assert_balanced()


def test_a_success_after_a_refusal_is_kept_and_the_refund_dropped(freebit: Freebit) -> None:
    purchase = accept()
    bring(row_of(purchase, **fail("372")))
    report = bring(row_of(purchase))
    assert counts(report) == (1, 0, 0, 0)
    assert report.outcomes.get().note == "came late: the purchase was “refused: nothing was bought”"
    assert (fresh(purchase).state, Refund.objects.get().state, fresh(purchase).attention) == (
        P.FULFILLED,
        "dropped",
        "",
    )
    assert Esim.objects.count() == 1
    assert_balanced()


def test_a_success_after_the_money_went_back_asks_for_a_look(freebit: Freebit) -> None:
    purchase = accept()
    bring(row_of(purchase, **fail("372")))
    boss = make_user("orders.refund")
    record_refund_made(refund=Refund.objects.get(), method="transfer", reference="T-1", by=boss)
    assert counts(bring(row_of(purchase))) == (1, 0, 0, 0)
    after = fresh(purchase)
    assert (after.state, Refund.objects.get().state) == (P.FULFILLED, "made")
    assert "went back already" in after.attention
    assert counts(bring(row_of(purchase))) == (0, 1, 0, 0)


def test_a_failure_after_the_line_came_asks_for_a_look_once(freebit: Freebit) -> None:
    purchase = accept()
    bring(row_of(purchase))
    assert counts(bring(row_of(purchase, **fail("372")))) == (1, 0, 0, 0)
    after = fresh(purchase)
    assert (after.state, Esim.objects.count(), Refund.objects.count()) == (P.FULFILLED, 1, 0)
    assert after.attention == "A completion file says that the activation failed (372), yet its line is here."
    settle_attention(purchase=after, by=make_user("orders.reconcile"))
    assert counts(bring(row_of(purchase, **fail("372")))) == (0, 1, 0, 0)
    assert fresh(purchase).attention == ""


def test_what_staff_decided_since_is_not_undone_by_the_same_row(freebit: Freebit) -> None:
    purchase = accept()
    data = make_file(row_of(purchase, **fail("372")))
    bring(data=data)
    await_completion(purchase=fresh(purchase), why="the portal shows it", by=make_user("orders.reconcile"))
    assert counts(bring(data=data)) == (0, 1, 0, 0)
    assert fresh(purchase).state == P.ALLOCATING
    assert counts(bring(row_of(purchase))) == (1, 0, 0, 0)


def test_a_failure_of_what_nobody_waits_for_changes_nothing(freebit: Freebit) -> None:
    freebit.order_fault("refuse_code", code="255")
    held = send(place(TRANSFER))
    report = bring(row_of(held, **fail("255")))
    assert counts(report) == (0, 0, 1, 0)
    assert (fresh(held).state, Refund.objects.count()) == (P.HELD, 0)


def test_a_failure_after_staff_said_not_bought_is_no_news(freebit: Freebit) -> None:
    freebit.order_fault("close_after")
    purchase = send(place())
    mark_not_bought(purchase=purchase, why="the portal shows none", by=make_user("orders.reconcile"))
    assert counts(bring(row_of(purchase, **fail("372")))) == (0, 1, 0, 0)
    assert Refund.objects.count() == 1


def test_an_acceptance_that_is_read_after_the_files_failure_does_not_wait_again(freebit: Freebit) -> None:
    """The reply was stored, its worker died before it was read, and the file was quicker than the sweeper."""
    purchase = accept()
    Purchase.objects.filter(pk=purchase.pk).update(state=P.SENDING, claim_until=purchase.created_at)
    attempt = PurchaseAttempt.objects.get()
    PurchaseAttempt.objects.update(outcome="")
    assert counts(bring(row_of(purchase, **fail("372")))) == (1, 0, 0, 0)
    digest_reply(attempt_id=attempt.pk, by="sweeper")
    assert (fresh(purchase).state, Refund.objects.get().state) == (P.REJECTED, "due")


def test_a_success_stops_what_is_about_to_be_sent_again(freebit: Freebit) -> None:
    freebit.order_fault("refuse_code", code="230")
    purchase = send(place())
    assert purchase.state == P.PLANNED
    assert counts(bring(row_of(purchase))) == (1, 0, 0, 0)
    run_purchase(purchase_id=make_due(purchase).pk)
    assert (fresh(purchase).state, freebit.count_activations()) == (P.FULFILLED, 1)


# -- damage -----------------------------------------------------------------------------------------------------------


def test_rows_that_cannot_be_read_cost_only_themselves(freebit: Freebit) -> None:
    purchase, undated, unclear = accept(), accept(), accept()
    data = make_file(
        row_of(undated, completedAt="2026/02/30"),
        row_of(unclear, result="保留", code=""),
        row_of(accept(), eid="12345"),
        row_of(purchase),
    )
    report = bring(data=data + b"\xff\xfe\xfd,\x81\r\n")
    assert counts(report) == (2, 0, 0, 3)
    assert [(row.number, row.outcome, row.note) for row in report.outcomes.all()] == [
        (2, "applied", "has a date that cannot be read"),
        (3, "faulty", "says neither success nor failure"),
        (4, "faulty", "has no EID of 32 digits"),
        (5, "applied", ""),
        (6, "faulty", "has 2 columns where 8 are needed"),
    ]
    assert (fresh(purchase).state, fresh(undated).state, fresh(unclear).state) == (
        P.FULFILLED,
        P.FULFILLED,
        P.ALLOCATING,
    )


def test_a_report_keeps_no_names_that_stood_in_a_wrong_column(freebit: Freebit) -> None:
    purchase = accept()
    report = bring(row_of(purchase, result="髙橋美咲", code=""), row_of(purchase, deliveryCode="08077776666"))
    kept = str(list(CompletionOutcome.objects.values())) + str(list(OrderEvent.objects.values()))
    assert report.outcomes.count() == 2
    assert not [word for word in ("髙橋", "08077776666", activation_of(purchase).eid) if word in kept]


@pytest.mark.parametrize("data", [b"", b"nonsense", b"PK\x03\x04\x00\x00", "名前,住所\r\n".encode("cp932")])
def test_another_kind_of_file_is_refused_as_a_whole(freebit: Freebit, data: bytes) -> None:
    accept()
    with pytest.raises(FileRefused, match="This is no completion file"):
        bring(data=data)
    assert CompletionImport.objects.count() == 0


def test_an_account_that_is_not_set_up_imports_nothing(freebit: Freebit, settings: Settings) -> None:
    purchase = accept()
    settings.PROVIDERS = {"freebit": {**settings.PROVIDERS["freebit"], "oem_key": ""}}
    with pytest.raises(FileRefused, match="not configured"):
        bring(row_of(purchase))
    assert CompletionImport.objects.count() == 0


def test_a_row_that_our_program_fails_over_does_not_stop_the_rest(freebit: Freebit) -> None:
    first, second = accept(), accept()

    def crash(_checkpoint: Checkpoint, purchase_id: int) -> None:
        if purchase_id == first.pk:
            raise RuntimeError("09011110000")

    data = make_file(row_of(first), row_of(second))
    install_hook(crash)
    report = bring(data=data)
    assert counts(report) == (1, 0, 0, 1)
    note = report.outcomes.get(outcome="faulty").note
    assert note.startswith("our program failed over this row (RuntimeError")
    assert "0901" not in note
    assert (fresh(first).state, fresh(second).state) == (P.ALLOCATING, P.FULFILLED)
    install_hook(None)
    assert counts(bring(data=data)) == (1, 1, 0, 0)


# -- reissues ---------------------------------------------------------------------------------------------------------


def test_a_reissue_says_on_the_old_line_what_replaced_it(freebit: Freebit) -> None:
    plan = make_activation_plan(Plan.Kind.REISSUE)
    old_eid = make_eid()
    old = make_line(
        make_snapshot(f"{old_eid}:OLD", iccid="", lpa="", eid=old_eid, phone_number="08011112225"),
        account=plan.account,
        plan=make_activation_plan(),
    )
    purchase = accept(REISSUE, plan=plan, customer=old.customer, esim=old)
    data = make_file(row_of(purchase, account="08011112225"))
    assert counts(bring(data=data)) == (1, 0, 0, 0)
    new = Esim.objects.get(purchased__purchase=purchase)
    assert purchase.order_line.esim == old
    event = LineEvent.objects.get(esim=old, kind="replaced")
    number = purchase.order_line.order.number
    assert event.facts == {"line": new.pk, "order": number}
    assert describe_event(event) == f"Replaced by a reissue: another eSIM has the line now (order {number})."
    assert counts(bring(data=data)) == (0, 1, 0, 0)
    assert LineEvent.objects.filter(kind="replaced").count() == 1


def test_a_reissue_of_a_physical_sim_replaces_no_line_of_ours(freebit: Freebit) -> None:
    purchase = accept(REISSUE, plan=make_activation_plan(Plan.Kind.REISSUE))
    assert counts(bring(row_of(purchase))) == (1, 0, 0, 0)
    assert not LineEvent.objects.filter(kind="replaced").exists()
