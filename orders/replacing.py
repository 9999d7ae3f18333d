"""Replacing a faulty line: another eSIM for the same customer, free of charge, by an order of its own.

The new order names the line whose place it takes; it is bought like every other, and what it costs stays visible as
our loss. A line has one replacement at a time: only one that was not delivered makes room for another.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from uuid import UUID

from django.core.exceptions import ImproperlyConfigured, PermissionDenied
from django.db import IntegrityError, transaction
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext as _

from catalog.models import Plan
from catalog.places import covers_all
from catalog.search import sellable_plans
from catalog.terms import read_terms, with_equal_terms
from customers.models import User
from esims.abilities import abilities_of
from esims.action_rules import RULES
from esims.actions import ActionRefused, request_action, why_refused
from esims.events import EventKind, make_event
from esims.models import Esim, Package
from orders.capturing import begin_buying, note_capture
from orders.checkout import why_not_sellable
from orders.giving_back import count_given, find_sold
from orders.models import Order, OrderLine, Payment, Purchase, ReturnWish
from orders.numbers import draw_number
from orders.replaced import find_replacement
from orders.states import lock_purchase, note_event
from providers.types import Capability

PERMISSION = "orders.replace"
PRICE_SOURCE = "replacement"
#: Other plans that are offered where the line's own cannot be had any more.
MOST_CHOICES = 20
_TRIES = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """A plan that may be given in a line's place, for how many days where it is sold by the day."""

    plan: Plan
    period_days: int | None
    is_same: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Choices:
    """What may be given; ``refusal`` says why it is not the same plan ("" where it is)."""

    plans: Sequence[Choice]
    refusal: str


class ReplacementRefused(Exception):
    """The line is not replaced; nothing was written. ``field`` names what to mend: plan, old_line."""

    def __init__(self, message: str, field: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.field = field


def why_not_replaceable(esim: Esim) -> str:
    """Why the line cannot be replaced now, in the reader's language; "" where it can."""
    if Capability.LINE_ACTIVATION in abilities_of(esim.account) or esim.plan.kind != Plan.Kind.ESIM:
        return _("This line was opened by a form: it is reissued, not replaced.")
    if (line := find_replacement(esim)) is not None:
        return _("It is replaced already, by order %(number)s.") % {"number": line.order.number}
    purchase = find_sold(esim)
    if purchase is not None:
        given = count_given(purchase, esim)
        if given.paid and not given.left:
            return _("All that the customer paid for it is owed back or went back: sell a new one instead.")
        if given.paid and count_promised(purchase, esim) >= given.left:
            return _("All that the customer paid for it was promised back for its end: sell a new one instead.")
    return ""


def count_promised(purchase: Purchase, esim: Esim) -> Decimal:
    """What the customer of a line is to get back once the line confirms its end."""
    waiting = ReturnWish.objects.filter(purchase=purchase, action__esim=esim, state=ReturnWish.State.WAITING)
    return sum(waiting.values_list("amount", flat=True), Decimal(0))


def find_choices(esim: Esim) -> Choices:
    """The line's own plan, or, where that cannot be had any more, others that work wherever it does."""
    days = _find_days(esim)
    own = Plan.objects.select_related("account").get(pk=esim.plan_id)
    refusal = why_not_sellable(own)
    if not refusal:
        return Choices(plans=[_choose(own, days, is_same=True)], refusal="")
    return Choices(plans=[_choose(plan, days, is_same=False) for plan in _find_others(own, days)], refusal=refusal)


def list_endings(esim: Esim, by: User) -> list[tuple[Capability, Package | None]]:
    """How the old line may be ended by this person now: the actions that are for good."""
    base = Package.objects.filter(esim=esim, kind=Package.Kind.BASE).order_by("pk").first()
    found: list[tuple[Capability, Package | None]] = []
    for rule in RULES.values():
        package = base if rule.on_package else None
        may = rule.is_final and by.has_perm(rule.permission) and (package is not None or not rule.on_package)
        if may and not why_refused(esim, rule.capability, package):
            found.append((rule.capability, package))
    return found


def replace_line(
    *, esim: Esim, plan: Plan, reason: str, checkout_key: UUID, by: User, end_by: Capability | None = None
) -> Order:
    """Order another eSIM in the place of a faulty line, free of charge, and begin to buy it, in one transaction.

    ``end_by``: the provider is asked to end the old line as well, by an ordinary action. The same ``checkout_key``
    gives the same order, also under a race. Raises ``ReplacementRefused``, and ``PermissionDenied`` without
    ``orders.replace``; nothing is written then.
    """
    if not by.has_perm(PERMISSION):
        raise PermissionDenied
    if (known := _find_placed(checkout_key, esim, plan)) is not None:
        return known
    for remaining in reversed(range(_TRIES)):
        try:
            with transaction.atomic():
                locked = lock_replaced(esim)
                if (known := _find_placed(checkout_key, esim, plan)) is not None:
                    return known
                return _write(
                    locked, plan, reason=reason.strip()[:300], checkout_key=checkout_key, by=by, end_by=end_by
                )
        except IntegrityError:
            # The number that was drawn is taken, which is rare.
            if not remaining:
                raise
    raise AssertionError("the loop returns or raises")


def lock_replaced(esim: Esim) -> Esim:
    """The line as it is now, locked after the order and the purchase that brought it, as everybody locks them.

    Whoever else would replace it waits here, and then sees that it is replaced; so does who gives its money back.
    """
    if (purchase := find_sold(esim)) is not None:
        lock_purchase(purchase.pk)
    rows = Esim.objects.select_for_update(of=("self",)).select_related("account", "plan", "customer")
    return rows.get(pk=esim.pk)


def _write(esim: Esim, plan: Plan, *, reason: str, checkout_key: UUID, by: User, end_by: Capability | None) -> Order:
    if refusal := why_not_replaceable(esim):
        raise ReplacementRefused(refusal)
    choice = _require_choice(esim, plan)
    order = _write_order(esim, choice, reason=reason, checkout_key=checkout_key, by=by)
    _tell_both(esim, order, reason=reason, by=by)
    _pay_nothing(order, checkout_key=checkout_key, by=by)
    if end_by is not None:
        _end_old_line(esim, end_by, reason=reason, by=by)
    return order


def _require_choice(esim: Esim, plan: Plan) -> Choice:
    choices = find_choices(esim)
    choice = next((one for one in choices.plans if one.plan.pk == plan.pk), None)
    if choice is None and plan.pk == esim.plan_id:
        raise ReplacementRefused(choices.refusal, "plan")
    if choice is None:
        raise ReplacementRefused(_("This plan cannot be given in its place. Choose again."), "plan")
    most = choice.plan.days_choice_max
    if most is not None and not 1 <= (choice.period_days or 0) <= most:
        raise ReplacementRefused(_("For how many days it was sold is not known: sell a new one instead."), "plan")
    return choice


def _write_order(esim: Esim, choice: Choice, *, reason: str, checkout_key: UUID, by: User) -> Order:
    plan = choice.plan
    order = Order.objects.create(
        number=draw_number(timezone.now()),
        checkout_key=checkout_key,
        customer=esim.customer,
        currency=plan.currency,
        total=Decimal(0),
        note=reason,
        created_by=by,
    )
    OrderLine.objects.create(
        order=order,
        kind=OrderLine.Kind.ESIM,
        plan=plan,
        plan_name=plan.name,
        quantity=1,
        period_days=choice.period_days,
        replaces=esim,
        unit_price=Decimal(0),
        price_source=PRICE_SOURCE,
        unit_cost=None if plan.net_price is None else plan.net_price * (choice.period_days or 1),
        cost_currency=plan.currency if plan.net_price is not None else "",
    )
    return order


def _tell_both(esim: Esim, order: Order, *, reason: str, by: User) -> None:
    """One row on the timelines of the new order, of the old one, and of the old line."""
    purchase = find_sold(esim)
    old = purchase.order_line.order if purchase is not None else None
    facts = {"line": esim.label, "order": old.number if old is not None else "–"}
    note_event(order, kind="order.replaces", by=by.email, why=reason, facts=facts)
    if old is not None:
        told = {"line": esim.label, "order": order.number}
        note_event(old, kind="order.replaced", purchase=purchase, by=by.email, why=reason, facts=told)
    make_event(esim, EventKind.REPLACEMENT_ORDERED, by=by.email, why=reason, facts={"order": order.number}).save()


def _pay_nothing(order: Order, *, checkout_key: UUID, by: User) -> None:
    """Nothing is bought before it is paid: what is free of charge is paid by nothing, at once."""
    payment = Payment.objects.create(
        order=order,
        form_key=checkout_key,
        method=Payment.Method.FREE,
        amount=Decimal(0),
        currency=order.currency,
        captured_amount=Decimal(0),
        captured_currency=order.currency,
        recorded_by=by,
        captured_at=timezone.now(),
    )
    note_capture(payment, by=by.email)
    try:
        begin_buying(order, by=by.email)
    except ImproperlyConfigured as error:
        raise ReplacementRefused(_("The provider's account is not configured, so nothing could be bought.")) from error


def _end_old_line(esim: Esim, capability: Capability, *, reason: str, by: User) -> None:
    package = next((package for ending, package in list_endings(esim, by) if ending is capability), None)
    if not by.has_perm(RULES[capability].permission):
        raise PermissionDenied
    try:
        request_action(esim=esim, capability=capability, package=package, reason=reason, by=by)
    except ActionRefused as error:
        raise ReplacementRefused(error.message, "old_line") from error


def _find_others(own: Plan, days: int | None) -> list[Plan]:
    """Plans that work wherever the line's own did, as long and as much where there are such; the cheapest first."""
    countries = list(own.coverage.values_list("country", flat=True))
    sold = sellable_plans().filter(covers_all(countries), account__is_sandbox=own.account.is_sandbox)
    plans = with_equal_terms(sold.exclude(pk=own.pk).select_related("account"), days=days)
    mine = read_terms(with_equal_terms(Plan.objects.filter(pk=own.pk), days=days).get())
    enough = Q()
    if mine.days:
        enough &= Q(most_days__gte=mine.days)
    if own.data_unlimited:
        enough &= Q(data_unlimited=True)
    elif mine.size:
        enough &= Q(term_bytes__gte=mine.size) | Q(data_unlimited=True)
    for condition in (enough, Q()):
        found = plans.filter(condition).order_by("currency", "net_price", "pk")[: 2 * MOST_CHOICES]
        fits = [plan for plan in found if not why_not_sellable(plan)]
        if fits:
            return fits[:MOST_CHOICES]
    return []


def _choose(plan: Plan, days: int | None, *, is_same: bool) -> Choice:
    return Choice(plan=plan, period_days=None if plan.days_choice_max is None else days, is_same=is_same)


def _find_days(esim: Esim) -> int | None:
    """For how long the line was sold: chosen days, else those of its plan."""
    purchase = find_sold(esim)
    chosen = purchase.order_line.period_days if purchase is not None else None
    return chosen or esim.plan.validity_days


def _find_placed(key: UUID, esim: Esim, plan: Plan) -> Order | None:
    order = Order.objects.filter(checkout_key=key).first()
    if order is not None and list(order.lines.values_list("replaces_id", "plan_id")) != [(esim.pk, plan.pk)]:
        message = _("This form was sent before, with other contents, and gave order %(number)s. Begin a new order.")
        raise ReplacementRefused(message % {"number": order.number})
    return order
