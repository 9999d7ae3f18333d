"""Selling an activation by its form: what is kept, for how long, and that a device has one open request."""

import json
import uuid
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone
from pytest_django import Settings

from catalog.models import Plan
from esims.models import Esim
from orders.activations import CorrectionRefused, FormNotReady, correct_form, place_activation
from orders.checkout import CheckoutRefused, cancel_order
from orders.erasing import erase_waiting_forms
from orders.models import Activation, Order, OrderEvent, OrderLine, Payment, Purchase
from orders.payments import PaymentRefused
from orders.pruning import prune_old_rows
from orders.reconciliation import give_up_purchase, resume_purchase
from orders.selling import PaymentTaken
from providers.errors import Mend
from tests.esims.making import make_line, make_snapshot
from tests.orders.activating import (
    NEW,
    REISSUE,
    TRANSFER,
    activation_of,
    make_activation_plan,
    make_eid,
    pay_cash,
    place,
    purchase_for,
    send,
)
from tests.orders.making import make_customer, make_fake_plan, make_user, pay
from tests.simulator_freebit import Freebit

pytestmark = pytest.mark.django_db
P = Purchase.State


def nothing_was_written() -> bool:
    return not (Order.objects.exists() or Activation.objects.exists() or Payment.objects.exists())


def form_of(activation: Activation) -> Any:
    assert activation.payload is not None
    return json.loads(activation.payload)


# -- what is written --------------------------------------------------------------------------------------------------


def test_an_order_is_written_with_its_form(freebit: Freebit) -> None:
    eid = make_eid()
    order = place({**TRANSFER, "eid": eid}, paid=False)
    line, activation = order.lines.get(), activation_of(order)
    assert (order.state, line.kind, line.quantity, line.unit_price) == ("unpaid", "activation", 1, Decimal("6.00"))
    assert (activation.eid, activation.add_kind, activation.aladin_operated) == (eid, "M", "20")
    assert (activation.account_number, activation.is_open) == ("08077776666", True)
    assert form_of(activation) == {**TRANSFER, "eid": eid, "planCode": "100K_PLAN"}
    assert len(activation.delivery_code) == 10
    assert set(activation.delivery_code) <= set("23456789ABCDEFGHJKMNPQRSTUVWXYZ")
    assert freebit.count_activations() == 0


def test_the_form_is_encrypted_at_rest(freebit: Freebit) -> None:
    place(TRANSFER, paid=False)
    raw = Activation.objects.extra(select={"raw": "payload"}).values_list("raw", flat=True).get()
    assert not [value for value in TRANSFER.values() if len(value) > 2 and value in str(raw)]


@pytest.mark.parametrize(
    ("kind", "values", "plan_code"),
    [
        (Plan.Kind.ACTIVATION, NEW, "100K_PLAN"),
        (Plan.Kind.BARE_ACTIVATION, {"addKind": "N", "simKind": "E2"}, None),
        (Plan.Kind.REISSUE, REISSUE, None),
    ],
)
def test_every_kind_of_plan_is_an_order_line_of_its_own_kind(
    freebit: Freebit, kind: str, values: dict[str, str], plan_code: str | None
) -> None:
    order = place(values, plan=make_activation_plan(kind))
    assert order.lines.get().kind == kind
    assert form_of(activation_of(order)).get("planCode") == plan_code
    assert send(order).state == P.ALLOCATING


@pytest.mark.parametrize(
    ("kind", "values"),
    [(Plan.Kind.ACTIVATION, REISSUE), (Plan.Kind.BARE_ACTIVATION, REISSUE), (Plan.Kind.REISSUE, NEW)],
)
def test_the_kind_of_the_form_is_that_of_the_plan(freebit: Freebit, kind: str, values: dict[str, str]) -> None:
    with pytest.raises(FormNotReady) as caught:
        place(values, plan=make_activation_plan(kind))
    assert "addKind" in {problem.field for problem in caught.value.check.problems}
    assert nothing_was_written()


def test_a_faulty_form_is_refused_with_every_field(freebit: Freebit) -> None:
    with pytest.raises(FormNotReady) as caught:
        place({"eid": "1", "addKind": "N", "simKind": "E9", "createType": "new"})
    assert [problem.field for problem in caught.value.check.problems] == ["eid", "simKind"]
    assert nothing_was_written()


def test_nothing_is_put_right_in_silence(freebit: Freebit) -> None:
    eid = make_eid()
    grouped = " ".join(eid[at : at + 4] for at in range(0, 32, 4))
    with pytest.raises(FormNotReady) as caught:
        place({**NEW, "eid": grouped})
    assert [(one.field, one.new) for one in caught.value.check.corrections] == [("eid", eid)]
    assert nothing_was_written()
    assert activation_of(place(caught.value.check.values)).eid == eid


def test_other_plans_are_not_sold_by_the_form(freebit: Freebit) -> None:
    with pytest.raises(CheckoutRefused) as caught:
        place(plan=make_fake_plan())
    assert caught.value.field == "plan"
    assert nothing_was_written()


def test_an_account_that_is_not_set_up_sells_nothing(freebit: Freebit, settings: Settings) -> None:
    plan = make_activation_plan()
    settings.PROVIDERS = {"freebit": {**settings.PROVIDERS["freebit"], "url": ""}}
    with pytest.raises(CheckoutRefused, match="not configured"):
        place(plan=plan)
    assert nothing_was_written()


def test_order_and_payment_stand_or_fall_together(freebit: Freebit) -> None:
    payment = PaymentTaken(method="barter", reference="", form_key=uuid.uuid4())
    with pytest.raises(PaymentRefused):
        place(payment=payment)
    assert nothing_was_written()


# -- one form, one device, one order ----------------------------------------------------------------------------------


def test_the_same_form_twice_is_one_order(freebit: Freebit) -> None:
    words: dict[str, Any] = {
        "customer": make_customer(),
        "plan": make_activation_plan(),
        "values": {**NEW, "eid": make_eid()},
        "checkout_key": uuid.uuid4(),
        "expected_price": Decimal("6.00"),
        "by": make_user(),
        "payment": pay_cash(),
    }
    first, second = place_activation(**words), place_activation(**words)
    assert first == second
    assert (Order.objects.count(), Activation.objects.count(), Purchase.objects.count()) == (1, 1, 1)
    with pytest.raises(CheckoutRefused, match=first.number):
        place_activation(**{**words, "values": {**NEW, "eid": make_eid()}})
    assert (Order.objects.count(), Activation.objects.count()) == (1, 1)


def test_one_device_has_one_open_request(freebit: Freebit) -> None:
    eid = make_eid()
    first = place({**NEW, "eid": eid})
    with pytest.raises(CheckoutRefused) as caught:
        place({**NEW, "eid": eid})
    assert caught.value.field == "eid"
    assert first.number in caught.value.message
    assert (Order.objects.count(), Activation.objects.count()) == (1, 1)


def test_a_request_that_has_ended_leaves_its_device_free(freebit: Freebit) -> None:
    eid = make_eid()
    freebit.order_fault("refuse_code", code="371")
    assert send(place({**NEW, "eid": eid})).state == P.REJECTED
    assert send(place({**NEW, "eid": eid})).state == P.ALLOCATING


def test_delivery_codes_differ(freebit: Freebit) -> None:
    codes = [activation_of(place(paid=False)).delivery_code for _ in range(5)]
    assert len(set(codes)) == 5


# -- how long the form is kept ----------------------------------------------------------------------------------------


def test_the_form_is_gone_once_it_was_taken(freebit: Freebit) -> None:
    order = place(TRANSFER)
    purchase = send(order)
    activation = activation_of(order)
    assert (purchase.state, purchase.next_attempt_at) == (P.ALLOCATING, None)
    assert (activation.payload, activation.is_open) == (None, True)
    assert activation.payload_erased_at is not None
    (accepted,) = freebit.accepted()
    assert (accepted["eid"], accepted["delivery_code"]) == (activation.eid, activation.delivery_code)


def test_a_cancelled_order_keeps_no_form_and_frees_the_device(freebit: Freebit) -> None:
    eid = make_eid()
    order = place({**TRANSFER, "eid": eid}, paid=False)
    cancel_order(order=order, by=make_user(), why="changed their mind")
    activation = activation_of(order)
    assert (activation.payload, activation.is_open) == (None, False)
    assert activation.payload_erased_at is not None
    assert place({**NEW, "eid": eid}, paid=False).state == "unpaid"


def test_unpaid_forms_do_not_wait_for_ever(freebit: Freebit, settings: Settings) -> None:
    old, new, paid = place(TRANSFER, paid=False), place(paid=False), place()
    Activation.objects.exclude(order_line__order=new).update(created_at=timezone.now() - timedelta(days=41))
    assert prune_old_rows()["forms"] == 1
    assert (activation_of(old).payload, activation_of(old).is_open) == (None, False)
    assert (activation_of(new).payload is None, activation_of(new).is_open) == (False, True)
    assert activation_of(paid).payload is not None
    assert OrderEvent.objects.filter(kind="activation.form_erased").get().order == old
    assert prune_old_rows()["forms"] == 0


def test_an_order_that_is_paid_after_its_form_is_gone_asks_for_the_form(freebit: Freebit) -> None:
    eid = make_eid()
    order = place({**NEW, "eid": eid}, paid=False)
    Activation.objects.update(created_at=timezone.now() - timedelta(days=41))
    erase_waiting_forms(older_than=timedelta(days=40))
    pay(order)
    purchase = send(order)
    assert (purchase.state, purchase.mend, purchase.error_code) == (P.HELD, Mend.DATA, "")
    assert freebit.count_activations() == 0
    corrected = correct_form(purchase=purchase, values={**NEW, "eid": eid}, why="", by=make_user())
    assert (corrected.state, corrected.error) == (P.PLANNED, "")
    assert send(order).state == P.ALLOCATING


def test_held_forms_do_not_wait_for_ever_either(freebit: Freebit) -> None:
    freebit.order_fault("refuse_code", code="374")
    order = place(TRANSFER)
    assert send(order).state == P.HELD
    assert erase_waiting_forms(older_than=timedelta(days=40)) == 0
    OrderEvent.objects.update(at=timezone.now() - timedelta(days=41))
    assert erase_waiting_forms(older_than=timedelta(days=40)) == 1
    activation = activation_of(order)
    assert (activation.payload, activation.is_open) == (None, True)


# -- putting a form right ---------------------------------------------------------------------------------------------


def hold(freebit: Freebit, code: str = "255", **changes: Any) -> Purchase:
    freebit.order_fault("refuse_code", code=code)
    purchase = send(place({**TRANSFER, **changes}))
    assert (purchase.state, purchase.error_code) == (P.HELD, code)
    return purchase


def test_a_refused_form_is_put_right_and_sent_again(freebit: Freebit) -> None:
    purchase = hold(freebit)
    activation = activation_of(purchase)
    values = {**form_of(activation), "mnp.lastnameZenKana": "タカバシ"}
    corrected = correct_form(purchase=purchase, values=values, why="misread", by=make_user())
    assert (corrected.state, corrected.error_code, corrected.mend) == (P.PLANNED, "", "")
    again = activation_of(purchase)
    assert form_of(again)["mnp.lastnameZenKana"] == "タカバシ"
    assert again.delivery_code == activation.delivery_code
    event = OrderEvent.objects.filter(purchase=purchase, kind="purchase.state", why="misread").get()
    assert event.facts["new"] == P.PLANNED
    assert send(corrected.order_line.order).state == P.ALLOCATING
    assert freebit.count_activations() == 2
    assert activation_of(purchase).payload is None


def test_a_refused_delivery_code_is_drawn_anew(freebit: Freebit) -> None:
    purchase = hold(freebit, "274")
    before = activation_of(purchase)
    correct_form(purchase=purchase, values=form_of(before), why="", by=make_user())
    assert activation_of(purchase).delivery_code != before.delivery_code


def test_a_faulty_correction_changes_nothing(freebit: Freebit) -> None:
    purchase = hold(freebit)
    before = activation_of(purchase)
    with pytest.raises(FormNotReady):
        correct_form(purchase=purchase, values={**form_of(before), "eid": "7"}, why="", by=make_user())
    assert purchase_for(purchase.order_line.order).state == P.HELD
    assert activation_of(purchase).payload == before.payload


def test_a_correction_may_not_take_another_requests_device(freebit: Freebit) -> None:
    purchase = hold(freebit)
    other = place()
    values = {**form_of(activation_of(purchase)), "eid": activation_of(other).eid}
    with pytest.raises(CorrectionRefused) as caught:
        correct_form(purchase=purchase, values=values, why="", by=make_user())
    assert (caught.value.field, other.number in caught.value.message) == ("eid", True)
    assert purchase_for(purchase.order_line.order).state == P.HELD


@pytest.mark.parametrize("step", ["resume", "give_up"])
def test_what_was_decided_otherwise_is_no_longer_corrected(freebit: Freebit, step: str) -> None:
    purchase = hold(freebit)
    values = form_of(activation_of(purchase))
    boss = make_user("orders.reconcile")
    if step == "resume":
        resume_purchase(purchase=purchase, by=boss)
    else:
        give_up_purchase(purchase=purchase, why="the customer left", by=boss)
    with pytest.raises(CorrectionRefused):
        correct_form(purchase=purchase, values=values, why="", by=make_user())


def test_only_activations_have_a_form() -> None:
    order = Order.objects.create(number="R-1", customer=make_customer(), currency="USD", total=6)
    plan = make_fake_plan()
    line = OrderLine.objects.create(order=order, plan=plan, plan_name="x", quantity=1, unit_price=6)
    held = Purchase.objects.create(order_line=line, account=plan.account, quantity=1, idempotency_key="k", state="held")
    with pytest.raises(CorrectionRefused):
        correct_form(purchase=held, values=NEW, why="", by=make_user())


# -- reissues ---------------------------------------------------------------------------------------------------------


def old_line(phone_number: str = "") -> tuple[Plan, Esim]:
    """A line of ours on another eSIM, and the plan of a reissue."""
    plan, eid = make_activation_plan(Plan.Kind.REISSUE), make_eid()
    snapshot = make_snapshot(f"{eid}:OLD", iccid="", lpa="", eid=eid, phone_number=phone_number)
    return plan, make_line(snapshot, account=plan.account, plan=make_activation_plan())


def test_a_reissue_knows_the_line_that_it_replaces(freebit: Freebit) -> None:
    plan, line = old_line(phone_number="08011112229")
    values = {"addKind": "R", "account": "08011112229", "reissue.oldEid": line.eid}
    named = place(values, plan=plan, customer=line.customer, esim=line, paid=False)
    assert named.lines.get().esim == line
    found = place(values, plan=plan, customer=line.customer, paid=False)
    assert found.lines.get().esim == line
    stranger = place(values, plan=plan, paid=False)
    assert stranger.lines.get().esim is None


def test_a_line_that_does_not_fit_is_refused(freebit: Freebit) -> None:
    plan, line = old_line()
    values = {"addKind": "R", "account": "08011112229", "reissue.oldEid": make_eid()}
    with pytest.raises(CheckoutRefused, match="old EID"):
        place(values, plan=plan, customer=line.customer, esim=line)
    with pytest.raises(CheckoutRefused, match="another customer"):
        place({**values, "reissue.oldEid": line.eid}, plan=plan, esim=line)
    with pytest.raises(CheckoutRefused, match="Only a reissue"):
        place(NEW, customer=line.customer, esim=line)
    assert nothing_was_written()
