"""Selling the activation of a line by the provider's form, and putting a form right that the provider refused.

What the form asks for is the adapter's business (``providers.activation_form``). It is kept, encrypted, only until it
is not needed to be sent any more (``states.settle_form``, ``orders/erasing.py``); what stays is in ``Activation``.
"""

import json
import secrets
from collections.abc import Mapping
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.db import IntegrityError, transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from catalog.models import Plan
from customers.models import Customer, User
from esims.codes import SEEN_AGAIN_WITHIN
from esims.models import Esim
from orders.checkout import CheckoutRefused, Wish, take_order
from orders.models import Activation, Order, OrderEvent, OrderLine, Purchase
from orders.planning import enqueue_purchase
from orders.selling import PaymentTaken, take_payment
from orders.settling import find_provider
from orders.states import change_purchase, lock_purchase, note_event
from providers.activation_form import ActivationFacts, ActivationRules, FormCheck
from providers.models import ProviderAccount
from providers.types import Capability

#: Capitals and digits that nobody mistakes for one another.
_CODE_LETTERS = "23456789ABCDEFGHJKMNPQRSTUVWXYZ"
_CODE_LENGTH = 10
_TRIES = 5
#: The kind of the timeline's row that says who saw a form.
SHOWN = "activation.shown"


class FormNotReady(Exception):
    """The form cannot be sent as it was given; nothing was written. ``check`` says what is wrong or was put right.

    Corrections alone raise it too: whoever gave the values must see them, and give the corrected ones.
    """

    def __init__(self, check: FormCheck) -> None:
        super().__init__(f"{len(check.problems)} problems, {len(check.corrections)} corrections")
        self.check = check


class CorrectionRefused(Exception):
    """The form can no longer be corrected; nothing was written. ``field`` names what to mend."""

    def __init__(self, message: str, field: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.field = field


def find_rules(slug: str) -> ActivationRules | None:
    """The rules of an account's activation form; None where it is not set up, or activates no lines."""
    provider = find_provider(slug)
    if provider is None or Capability.LINE_ACTIVATION not in provider.offered:
        return None
    return provider.activation_rules


def settled_by(kind: str, plan_ref: str) -> dict[str, Any]:
    """What is sold settles in the form: the plan's code, and whether a line moves to another eSIM."""
    return {
        "plan_code": plan_ref if kind == OrderLine.Kind.ACTIVATION else "",
        "is_reissue": kind == OrderLine.Kind.REISSUE,
    }


def place_activation(
    *,
    customer: Customer,
    plan: Plan,
    values: Mapping[str, str],
    checkout_key: UUID,
    expected_price: Decimal,
    by: User,
    payment: PaymentTaken | None = None,
    note: str = "",
    esim: Esim | None = None,
) -> Order:
    """Take an order for one activation, with its form and, where ``payment`` says so, the money; all of it or nothing.

    ``values`` are the form's by the provider's names; they are written as they are. ``esim`` is the line that a reissue
    replaces, where it is one of ours (found by the old EID where it is not named). The same ``checkout_key`` gives the
    same order. Raises ``FormNotReady``, ``CheckoutRefused`` (field "eid": it has an open request) and
    ``PaymentRefused``.
    """
    if plan.kind not in Plan.ENTERED_KINDS:
        raise CheckoutRefused(_("This plan is not sold by the activation form."), "plan")
    check = _check(plan.account, plan.kind, plan.plan_ref, values)
    old_line = _find_old_line(plan, customer, check.facts, esim)
    wish = Wish(plan=plan, quantity=1, unit_price=expected_price, esim=old_line)
    with transaction.atomic():
        order = take_order(customer=customer, wish=wish, checkout_key=checkout_key, by=by, note=note)
        _keep_form(order, check)
        take_payment(order=order, payment=payment, by=by)
    return order


def may_correct(purchase: Purchase) -> bool:
    """Whether the form of a purchase can be entered again now. It comes with its order line."""
    return purchase.order_line.kind in OrderLine.BY_FORM and purchase.state == Purchase.State.HELD


def correct_form(*, purchase: Purchase, values: Mapping[str, str], why: str, by: User) -> Purchase:
    """Put another form in the place of one that the provider refused, or that was erased, and send the purchase again.

    For a ``held`` purchase. Its delivery code stays, unless the provider refused just that. Raises ``FormNotReady``
    and ``CorrectionRefused``.
    """
    with transaction.atomic():
        locked = lock_purchase(purchase.pk)
        line = locked.order_line
        if not may_correct(locked):
            message = _("This purchase is %(state)s now: its form can no longer be corrected.")
            raise CorrectionRefused(message % {"state": locked.get_state_display()})
        try:
            check = _check(locked.account, line.kind, locked.plan_ref, values)
            _replace_form(locked, check)
        except CheckoutRefused as error:
            raise CorrectionRefused(error.message, error.field) from error
        change_purchase(
            locked,
            to=Purchase.State.PLANNED,
            by=by.email,
            why=why.strip() or "form corrected",
            next_attempt_at=timezone.now(),
            failures_in_row=0,
            error="",
            error_code="",
        )
        enqueue_purchase(locked)
    return locked


def read_form(activation: Activation) -> Mapping[str, str]:
    """The form's values as they are kept; empty once they are erased. Personal: for the form's own page only."""
    kept: Mapping[str, str] = json.loads(activation.payload) if activation.payload else {}
    return kept


def record_shown(activation: Activation, *, by: str) -> None:
    """Somebody was shown the kept form, or the device's numbers in clear; written once an hour per person.

    The activation comes with its order line and order.
    """
    order = activation.order_line.order
    since = timezone.now() - SEEN_AGAIN_WITHIN
    if not OrderEvent.objects.filter(order=order, kind=SHOWN, by=by, at__gte=since).exists():
        note_event(order, kind=SHOWN, by=by)


def facts_of(activation: Activation) -> ActivationFacts:
    """What is known of a form after it is erased. The activation comes with its order line and that one's eSIM."""
    old_line = activation.order_line.esim
    return ActivationFacts(
        eid=activation.eid,
        account_number=activation.account_number,
        old_eid=old_line.eid if old_line else "",
        add_kind=activation.add_kind,
        aladin_operated=activation.aladin_operated,
    )


# -- the form in our books --------------------------------------------------------------------------------------------


def _check(account: ProviderAccount, kind: str, plan_ref: str, values: Mapping[str, str]) -> FormCheck:
    rules = find_rules(account.slug)
    if rules is None:
        message = _("%(account)s is not configured: nothing can be bought there now.")
        raise CheckoutRefused(message % {"account": account}, "plan")
    check = rules.check(values, **settled_by(kind, plan_ref), now=timezone.now())
    if not check.is_ready:
        raise FormNotReady(check)
    return check


def _keep_form(order: Order, check: FormCheck) -> None:
    """Write the form of an order that was just taken; of one that was taken before, see that it is the same."""
    line = order.lines.select_related("plan__account").get()
    known = Activation.objects.filter(order_line=line).first()
    if known is not None:
        if (known.eid, known.add_kind) != (check.facts.eid, check.facts.add_kind):
            message = _("This form was sent before, with other contents, and gave order %(number)s. Begin a new order.")
            raise CheckoutRefused(message % {"number": order.number})
        return
    account = line.plan.account
    activation = Activation(order_line=line, account=account, delivery_code=_draw_code(account))
    _write(activation, check)


def _replace_form(purchase: Purchase, check: FormCheck) -> None:
    line = purchase.order_line
    activation = Activation.objects.select_for_update().get(order_line=line)
    rules = find_rules(purchase.account.slug)
    meaning = rules.explain(purchase.error_code) if rules else None
    if meaning is not None and meaning.blames_delivery_code:
        activation.delivery_code = _draw_code(purchase.account)
    _write(activation, check)
    old_line = _find_old_line(line.plan, line.order.customer, check.facts, None)
    if old_line is not None and old_line.pk != line.esim_id:
        line.esim = old_line
        line.save(update_fields=["esim"])


def _write(activation: Activation, check: FormCheck) -> None:
    """Save the form with what our books keep of it. Raises ``CheckoutRefused`` when another request has its EID."""
    facts = check.facts
    activation.eid, activation.account_number = facts.eid, facts.account_number
    activation.add_kind, activation.aladin_operated = facts.add_kind, facts.aladin_operated
    activation.payload = json.dumps(dict(check.values), ensure_ascii=False).encode()
    activation.payload_erased_at, activation.is_open = None, True
    _refuse_second(activation)
    try:
        with transaction.atomic():
            activation.save()
    except IntegrityError:
        # Another form for the same device was faster.
        _refuse_second(activation)
        raise


def _refuse_second(activation: Activation) -> None:
    others = Activation.objects.filter(account=activation.account, eid=activation.eid, is_open=True)
    other = others.exclude(pk=activation.pk).select_related("order_line__order").first()
    if other is not None:
        message = _("This EID has an open request already, in order %(number)s: wait for its outcome, or cancel it.")
        raise CheckoutRefused(message % {"number": other.order_line.order.number}, "eid")


def _draw_code(account: ProviderAccount) -> str:
    """A delivery code that this account has not used. Two that are equal by chance are refused by the database."""
    for _try in range(_TRIES):
        code = "".join(secrets.choice(_CODE_LETTERS) for _letter in range(_CODE_LENGTH))
        if not Activation.objects.filter(account=account, delivery_code=code).exists():
            return code
    raise AssertionError("several delivery codes in a row were taken")


def _find_old_line(plan: Plan, customer: Customer, facts: ActivationFacts, esim: Esim | None) -> Esim | None:
    """The line of ours that a reissue replaces; None where it is none of ours, or nothing is replaced."""
    if plan.kind != Plan.Kind.REISSUE:
        if esim is not None:
            raise CheckoutRefused(_("Only a reissue replaces a line. Choose a plan of that kind."), "plan")
        return None
    if esim is not None:
        if esim.account_id != plan.account_id or esim.customer_id != customer.pk:
            raise CheckoutRefused(_("This line is another customer's, or another provider's."))
        if facts.old_eid and esim.eid and facts.old_eid != esim.eid:
            raise CheckoutRefused(_("The old EID in the form is not that of the line which is replaced."))
        return esim
    if not facts.old_eid:
        return None
    lines = list(Esim.objects.filter(account=plan.account, customer=customer, eid=facts.old_eid)[:_TRIES])
    if len(lines) > 1:
        lines = [line for line in lines if line.phone_number and line.phone_number == facts.account_number]
    return lines[0] if len(lines) == 1 else None
