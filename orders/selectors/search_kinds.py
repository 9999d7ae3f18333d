"""The kinds of things that the search finds: by what, for whom, and how a hit reads."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import Case, CharField, F, Q, QuerySet, Value, When
from django.db.models.functions import Lower
from django.db.models.lookups import Exact
from django.urls import reverse
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from catalog.models import Plan
from customers.indexed import LastSix, begins_with, is_filled
from customers.models import Customer, CustomerTerm, User
from customers.terms import fold, phone_term
from orders.models import Activation, Order, Payment, Purchase, Receipt
from orders.selectors.search_lines import (
    REASONS,
    find_lines_by_end,
    find_lines_by_number,
    find_lines_by_reference,
)
from orders.selectors.search_words import LEAST_OF_PHONE, Typed


@dataclass(frozen=True, slots=True, kw_only=True)
class Hit:
    """One thing that was found: what it is called, what else tells it apart, and why it was found."""

    title: str
    url: str
    why: str | Promise
    is_exact: bool
    #: Numbers and references are set apart from names; those of lines are read in groups of four.
    is_code: bool = False
    is_grouped: bool = False
    sub: str = ""
    state: str = ""
    state_label: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Looker:
    """Who looks, and what several kinds need."""

    user: User
    accounts: Sequence[int]
    #: No more than so many rows of one sort.
    limit: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    name: str
    label: Promise
    permission: str
    find: Callable[[Typed, Looker], Iterator[Hit]]


def _find_lines(typed: Typed, looker: Looker) -> Iterator[Hit]:
    rows: list[tuple[Any, bool]] = []
    if typed.digits:
        # Who may not see device numbers does not guess them by their ends either.
        sees_devices = looker.user.has_perm("esims.reveal_codes")
        exact = find_lines_by_number(typed.digits, looker.accounts)
        ends = find_lines_by_end(typed.digits, with_devices=sees_devices)
        rows += [(row, True) for row in exact[: looker.limit]]
        rows += [(row, False) for row in ends[: looker.limit]]
    elif typed.reference:
        exact = find_lines_by_reference(typed.spellings, looker.accounts, limit=looker.limit)
        rows += [(row, True) for row in exact[: looker.limit]]
    for row, is_exact in rows:
        yield Hit(
            title=row.label,
            is_code=True,
            is_grouped=True,
            url=reverse("esim-detail", args=[row.pk]),
            why=REASONS[row.matched],
            is_exact=is_exact,
            sub=f"{row.customer.name} · {row.plan.name}",
            state=row.state,
            state_label=row.get_state_display(),
        )


def _find_orders(typed: Typed, looker: Looker) -> Iterator[Hit]:
    """By number, receipt, or what a provider calls a purchase of it."""
    exact: dict[Promise, Q] = {}
    near: dict[Promise, Q] = {}
    if typed.order_number:
        exact[_("number")] = Q(number=typed.order_number)
        near[_("the number begins so")] = begins_with("number", typed.order_number) & ~Q(number=typed.order_number)
    elif typed.order_end:
        near[_("the number ends so")] = Q(Exact(LastSix("number"), typed.order_end))
    if typed.reference:
        receipts = Receipt.objects.filter(number__in=typed.spellings).order_by()
        exact[_("number of its receipt")] = Q(pk__in=list(receipts.values_list("order", flat=True)))
    orders = Order.objects.select_related("customer").order_by()
    for reasons, is_exact in ((exact, True), (near, False)):
        for row, why in _match(orders, reasons, looker.limit):
            yield Hit(
                title=row.number,
                is_code=True,
                url=reverse("order-detail", args=[row.pk]),
                why=why,
                is_exact=is_exact,
                sub=row.customer.name,
                state=row.state,
                state_label=row.get_state_display(),
            )


def _find_purchases(typed: Typed, looker: Looker) -> Iterator[Hit]:
    if not typed.reference:
        return
    reasons: dict[Promise, Q] = {
        _("provider's transaction"): Q(transaction_id__in=typed.spellings),
        _("our key of the purchase"): Q(idempotency_key__in=typed.spellings),
        _("provider's order"): is_filled("provider_order_ref") & Q(provider_order_ref__in=typed.spellings),
    }
    rows = Purchase.objects.select_related("order_line__order__customer").order_by()
    for row, why in _match(rows, reasons, looker.limit):
        order = row.order_line.order
        yield Hit(
            title=row.transaction_id or row.idempotency_key,
            is_code=True,
            url=reverse("purchase-detail", args=[row.pk]),
            why=why,
            is_exact=True,
            sub=f"{order.number} · {order.customer.name} · {row.order_line.plan_name}",
            state=row.state,
            state_label=row.get_state_display(),
        )


def _find_payments(typed: Typed, looker: Looker) -> Iterator[Hit]:
    reasons: dict[Promise, Q] = {}
    if typed.text and "@" not in typed.text:
        reasons[_("reference of the payment")] = is_filled("reference") & Q(reference__in=[typed.text])
    if typed.reference:
        reasons[_("the card service's payment")] = Q(intent_id__in=typed.spellings)
    rows = Payment.objects.select_related("order__customer").order_by()
    for row, why in _match(rows, reasons, looker.limit):
        yield Hit(
            title=row.reference or row.intent_id,
            is_code=True,
            url=reverse("payment-detail", args=[row.pk]),
            why=why,
            is_exact=True,
            sub=f"{row.order.number} · {row.order.customer.name}",
            state=row.state,
            state_label=row.get_state_display(),
        )


def _find_activations(typed: Typed, looker: Looker) -> Iterator[Hit]:
    reasons: dict[Promise, Q] = {}
    if typed.digits:
        reasons[_("EID")] = Q(account__in=looker.accounts, eid=typed.digits)
        reasons[_("phone number of the line")] = Q(account_number=typed.digits)
    if typed.reference:
        reasons[_("our delivery code")] = Q(account__in=looker.accounts, delivery_code__in=typed.spellings)
    rows = Activation.objects.select_related("order_line__order__customer").defer("payload").order_by()
    for row, why in _match(rows, reasons, looker.limit):
        order = row.order_line.order
        yield Hit(
            title=row.delivery_code,
            is_code=True,
            url=reverse("activation-detail", args=[row.pk]),
            why=why,
            is_exact=True,
            sub=f"{order.number} · {order.customer.name}",
        )


def _find_customers(typed: Typed, looker: Looker) -> Iterator[Hit]:
    """By e-mail address, phone, name or company; names are not exact, for people share them."""
    rows = Customer.objects.filter(erased_at=None).order_by()
    if "@" in typed.text:
        address = typed.text.lower()
        for row in rows.annotate(address=Lower("email")).filter(address=address).exclude(email="")[: looker.limit]:
            yield _customer_hit(row, _("e-mail address"), is_exact=True)
    wanted = fold(typed.text) if len(typed.text) >= 2 else ""
    why = _("e-mail address begins so") if "@" in wanted else _("name, company or e-mail address")
    if typed.digits:
        wanted = phone_term(typed.digits) if len(typed.digits) >= LEAST_OF_PHONE else ""
        why = _("phone number")
    if not wanted:
        return
    terms = CustomerTerm.objects.order_by()
    keys = [
        *terms.filter(term=wanted).values_list("customer", flat=True)[: looker.limit],
        *terms.filter(begins_with("term", wanted)).values_list("customer", flat=True)[: 4 * looker.limit],
    ]
    chosen = list(dict.fromkeys(keys))[: looker.limit]
    by_key = rows.in_bulk(chosen)
    for key in chosen:
        if key in by_key:
            yield _customer_hit(by_key[key], why, is_exact=False)


def _customer_hit(row: Customer, why: Promise, *, is_exact: bool) -> Hit:
    return Hit(
        title=row.name,
        url=reverse("customer-detail", args=[row.pk]),
        why=why,
        is_exact=is_exact,
        sub=" · ".join(word for word in (row.company, row.email, row.phone) if word),
    )


def _find_plans(typed: Typed, looker: Looker) -> Iterator[Hit]:
    if len(typed.text) < 2 or "@" in typed.text:
        return
    named = Q(account__in=looker.accounts, plan_ref__in=typed.spellings)
    rows = Plan.objects.select_related("account").order_by()
    found = [(row, _("plan code"), True) for row in rows.filter(named)[: looker.limit]]
    if not typed.digits:
        by_name = rows.filter(name__icontains=typed.text)
        offered_first = by_name.order_by(F("retired_at").asc(nulls_first=True), "name", "pk")
        found += [(row, _("name of the plan"), False) for row in offered_first[: looker.limit]]
    for row, why, is_exact in found:
        yield Hit(
            title=row.name,
            url=reverse("plan-detail", args=[row.pk]),
            why=why,
            is_exact=is_exact,
            sub=f"{row.plan_ref} · {row.account.name}",
        )


def _match(rows: QuerySet[Any], reasons: Mapping[Promise, Q], limit: int) -> Iterator[tuple[Any, Promise]]:
    """Rows that fit one of the conditions, with the first that fits; one query, none without conditions."""
    if not reasons:
        return
    condition, words = Q(), list(reasons)
    for one in reasons.values():
        condition |= one
    matched = Case(
        *(When(one, then=Value(str(place))) for place, one in enumerate(reasons.values())),
        output_field=CharField(),
        default=Value("0"),
    )
    for row in rows.filter(condition).annotate(matched=matched)[:limit]:
        yield row, words[int(row.matched)]


KINDS: Sequence[Kind] = (
    Kind(name="lines", label=_("eSIMs"), permission="esims.view_esim", find=_find_lines),
    Kind(name="orders", label=_("Orders"), permission="orders.view_order", find=_find_orders),
    Kind(name="customers", label=_("Customers"), permission="customers.view_customer", find=_find_customers),
    Kind(name="purchases", label=_("Purchases"), permission="orders.view_purchase", find=_find_purchases),
    Kind(name="payments", label=_("Payments"), permission="orders.view_payment", find=_find_payments),
    Kind(name="activations", label=_("Activations"), permission="orders.view_purchase", find=_find_activations),
    Kind(name="plans", label=_("Plans"), permission="catalog.view_plan", find=_find_plans),
)
