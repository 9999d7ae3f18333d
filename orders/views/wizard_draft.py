"""What was chosen in the order wizard so far: read from the address, and written into it."""

import uuid
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _

from catalog.models import Plan
from customers.models import Customer
from orders.checkout import price_for, why_not_sellable
from orders.forms_sale import QuantityForm
from orders.views.requests import read_id

STEPS = ("customer", "plan", "quantity", "confirm")
#: What rides along in the address: what was chosen, the filters, and what was typed about the payment.
_WORDS = (
    *("customer", "plan", "quantity", "period_days", "key"),
    *("find", "country", "coverage", "gb", "days", "account", "q", "sort"),
    *("method", "reference", "note"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """What was chosen so far, as the address says it, and what became of it meanwhile."""

    words: dict[str, str]
    customer: Customer | None
    plan: Plan | None
    #: Valid ones only; ``words["quantity"]`` and ``words["period_days"]`` are what was typed. The days are None as well
    #: where the plan's are fixed.
    quantity: int | None
    period_days: int | None
    key: uuid.UUID | None
    #: What is wrong with a choice, by its step: the customer is gone, the plan can no longer be sold.
    problems: dict[str, str]

    @property
    def unit_price(self) -> Decimal | None:
        """What one eSIM costs, for all its days."""
        return price_for(self.plan, self.period_days) if self.plan is not None else None

    @property
    def next_step(self) -> str:
        """The first step that is not done."""
        lacks_days = self.plan is not None and self.plan.days_choice_max is not None and self.period_days is None
        done = {
            "customer": self.customer,
            "plan": self.plan,
            "quantity": None if lacks_days else self.quantity,
        }
        return next((step for step, choice in done.items() if choice is None or step in self.problems), "confirm")

    def address(self, step: str = "", **changes: object) -> str:
        """The wizard with these choices changed; an empty value forgets one."""
        words = {**self.words, **{name: str(value) for name, value in changes.items()}}
        query = {name: value for name, value in words.items() if value and name in _WORDS}
        return f"{reverse('order-new')}?{urlencode({**({'step': step} if step else {}), **query})}"


def read_draft(request: HttpRequest) -> Draft:
    """The draft from the address; nonsense in it counts as not chosen."""
    words = {name: request.GET[name][:2000] for name in _WORDS if request.GET.get(name)}
    problems: dict[str, str] = {}
    customer = plan = key = None
    if number := words.get("customer"):
        customer = Customer.objects.filter(pk=read_id(number) or 0).first()
        if customer is None:
            problems["customer"] = _("This customer is no longer there. Choose another one.")
    if number := words.get("plan"):
        plan = Plan.objects.select_related("account").filter(pk=read_id(number) or 0).first()
        if plan is None:
            problems["plan"] = _("This plan is no longer in the catalogue. Choose another one.")
        elif refusal := _why_not_here(plan):
            problems["plan"] = _("“%(plan)s”: %(reason)s Choose another one.") % {"plan": plan, "reason": refusal}
    for name in ("quantity", "period_days"):
        if name in request.GET:
            # Left empty is an answer as well, and gets its message.
            words.setdefault(name, "")
    amounts = QuantityForm(words, plan=plan)
    amounts.is_valid()
    try:
        key = uuid.UUID(words.get("key", ""))
    except ValueError:
        words.pop("key", None)
    return Draft(
        words=words,
        customer=customer,
        plan=plan,
        quantity=amounts.cleaned_data.get("quantity"),
        period_days=amounts.cleaned_data.get("period_days"),
        key=key,
        problems=problems,
    )


def _why_not_here(plan: Plan) -> str:
    """Why the wizard cannot sell the plan now; it sells new eSIMs only."""
    return _("This plan is not sold as a new eSIM.") if plan.kind != Plan.Kind.ESIM else why_not_sellable(plan)


def render_step(
    request: HttpRequest, step: str, draft: Draft, context: dict[str, Any], status: int = 200
) -> HttpResponse:
    """A step with the steps before it, to go back to."""
    number = STEPS.index(step) + 1
    past = [
        {"label": label, "url": draft.address(name)}
        for name, label in zip(STEPS, _step_labels(), strict=True)
        if STEPS.index(name) < number - 1
    ]
    return render(
        request,
        f"orders/wizard_{step}.html",
        {"draft": draft, "step": number, "past": past, "problem": draft.problems.get(step, ""), **context},
        status=status,
    )


def _step_labels() -> tuple[str, ...]:
    return (_("Customer"), _("Plan"), _("Quantity"), _("Payment"))


def list_hidden(draft: Draft, *without: str) -> list[tuple[str, str]]:
    """What a search form of a step takes along."""
    return [(name, value) for name, value in draft.words.items() if value and name not in without]
