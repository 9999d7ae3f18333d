"""The order wizard: customer → plan → quantity → confirm. What was chosen stands in the address, not in the session.

The key of the checkout is in the address as well: a refresh, the back button and a double click all meet the order
that was placed with it.
"""

import uuid
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from catalog.models import Plan
from catalog.search import search_plans, sellable_plans, tells_home_from_roaming
from customers.access import staff_page
from customers.customers import CustomerExists, create_customer
from customers.forms import CustomerForm
from customers.models import Customer
from customers.search import find_customers
from orders.checkout import CheckoutRefused, price_for, why_not_sellable
from orders.forms import CustomerSearchForm
from orders.forms_sale import BuyForm, PlanSearchForm, QuantityForm, read_payment
from orders.models import CreditAccount, Order, OrderLine
from orders.payments import PaymentRefused
from orders.selectors.checkout_page import read_offer, recent_twin
from orders.selectors.credit import find_credit
from orders.selling import sell_plan
from orders.views.requests import person, read_id

STEPS = ("customer", "plan", "quantity", "confirm")
CUSTOMERS_SHOWN = 12
PLANS_SHOWN = 20
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


@require_http_methods(["GET", "HEAD", "POST"])
@staff_page("orders.sell")
def order_new(request: HttpRequest) -> HttpResponse:
    """One address for all steps; the step is the one asked for, or the first that is not done."""
    draft = read_draft(request)
    wanted = request.GET.get("step", "")
    if request.method == "POST":
        return _buy(request, draft) if wanted == "confirm" else _make_customer(request, draft)
    step = wanted if wanted in STEPS and STEPS.index(wanted) <= STEPS.index(draft.next_step) else draft.next_step
    match step:
        case "customer":
            return _show_customers(request, draft)
        case "plan":
            return _show_plans(request, draft)
        case "quantity":
            return _show_quantity(request, draft)
        case _:
            return _show_confirm(request, draft)


def _render(request: HttpRequest, step: str, draft: Draft, context: dict[str, Any], status: int = 200) -> HttpResponse:
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


# -- who --------------------------------------------------------------------------------------------------------------


def _show_customers(
    request: HttpRequest,
    draft: Draft,
    *,
    form: CustomerForm | None = None,
    existing: Customer | None = None,
    status: int = 200,
) -> HttpResponse:
    text = draft.words.get("find", "").strip()
    found = list(find_customers(text).order_by("-created_at", "-pk")[: CUSTOMERS_SHOWN + 1])
    new = form or CustomerForm(initial={"email" if "@" in text else "name": text})
    context = {
        "search": CustomerSearchForm({"find": text}) if text else CustomerSearchForm(),
        "text": text,
        "customers": [
            {"customer": customer, "url": draft.address(customer=customer.pk)} for customer in found[:CUSTOMERS_SHOWN]
        ],
        "has_more": len(found) > CUSTOMERS_SHOWN,
        "new_form": new,
        "new_open": bool(new.errors) or (bool(text) and not found),
        "existing": existing,
        "existing_url": draft.address(customer=existing.pk) if existing else "",
        "hidden": _hidden(draft, "find", "customer"),
        "post_url": draft.address("customer"),
    }
    return _render(request, "customer", draft, context, status)


def _make_customer(request: HttpRequest, draft: Draft) -> HttpResponse:
    """The customer made in place; a second click finds the first one's e-mail address and goes on with it."""
    if not request.user.has_perm("customers.add_customer"):
        messages.error(request, _("You may not add customers: ask somebody who may."))
        return redirect(draft.address("customer"))
    form = CustomerForm(request.POST)
    existing = None
    if form.is_valid():
        try:
            customer = create_customer(**form.cleaned_data, by=person(request))
        except CustomerExists as error:
            existing = error.existing
            form.add_error("email", str(error))
        except ValidationError as error:
            form.add_error(None, error)
        else:
            return redirect(draft.address(customer=customer.pk, find=""))
    return _show_customers(request, draft, form=form, existing=existing, status=422)


# -- what -------------------------------------------------------------------------------------------------------------


def _show_plans(request: HttpRequest, draft: Draft, status: int = 200) -> HttpResponse:
    search = PlanSearchForm(draft.words, with_coverage=tells_home_from_roaming())
    plans = search_plans(search.read_filter()).filter(pk__in=sellable_plans().order_by().values("pk"))
    # A sandbox's eSIMs help no traveller: they come after all others, however cheap.
    plans = plans.order_by("account__is_sandbox", *plans.query.order_by)
    page = Paginator(plans.prefetch_related("coverage"), PLANS_SHOWN).get_page(request.GET.get("page"))
    context = {
        "search": search,
        "page": page,
        "plans": [{"plan": plan, "url": draft.address(plan=plan.pk, key="")} for plan in page.object_list],
        "hidden": _hidden(draft, "country", "coverage", "gb", "days", "account", "q", "sort", "plan"),
        "clear_url": draft.address("plan", country="", coverage="", gb="", days="", account="", q="", sort=""),
        "is_filtered": any(draft.words.get(name) for name in ("country", "coverage", "gb", "days", "account", "q")),
        "sees_cost": request.user.has_perm("catalog.set_price"),
        "days": search.cleaned_data.get("days"),
    }
    return _render(request, "plan", draft, context, status)


# -- how many ---------------------------------------------------------------------------------------------------------


def _show_quantity(request: HttpRequest, draft: Draft, *, refusal: str = "", status: int = 200) -> HttpResponse:
    form = _open_quantity(draft)
    if refusal:
        form.add_error("quantity", refusal)
    context = {
        "form": form,
        "offer": read_offer(draft.plan) if draft.plan else None,
        # A new quantity is a new order: the key is not taken along.
        "hidden": _hidden(draft, *form.fields, "key"),
        "plan_url": draft.address("plan"),
        "customer_url": draft.address("customer"),
    }
    return _render(request, "quantity", draft, context, 422 if form.errors else status)


def _open_quantity(draft: Draft) -> QuantityForm:
    """The form with what was typed, or, where a field was never shown, with what is likely."""
    form = QuantityForm(draft.words, plan=draft.plan)
    if all(name in draft.words for name in form.fields):
        return form
    searched = draft.words.get("days", "")
    likely = {"quantity": 1, "period_days": searched if searched.isdecimal() else ""}
    return QuantityForm(initial={**likely, **draft.words}, plan=draft.plan)


# -- buy --------------------------------------------------------------------------------------------------------------


def _show_confirm(request: HttpRequest, draft: Draft) -> HttpResponse:
    if draft.key is None:
        return redirect(draft.address("confirm", key=uuid.uuid4()))
    placed = Order.objects.filter(checkout_key=draft.key).first()
    if placed is not None:
        messages.info(request, _("This order was placed already: here it is."))
        return redirect("order-detail", placed.pk)
    form = BuyForm(
        initial={
            "checkout_key": draft.key,
            "form_key": uuid.uuid5(draft.key, "payment"),
            "unit_price": draft.unit_price,
            "method": draft.words.get("method", ""),
            "reference": draft.words.get("reference", ""),
            "note": draft.words.get("note", ""),
        },
        credit=_credit_for(draft),
    )
    return _render_confirm(request, draft, form)


def _render_confirm(
    request: HttpRequest, draft: Draft, form: BuyForm, *, old_price: Decimal | None = None, status: int = 200
) -> HttpResponse:
    if draft.customer is None or draft.plan is None or draft.quantity is None:
        raise ValueError("nothing to confirm yet")
    price = draft.unit_price or Decimal(0)
    context = {
        "form": form,
        "offer": read_offer(draft.plan, period_days=draft.period_days),
        "price": price,
        "total": price * draft.quantity,
        "old_price": old_price,
        "old_total": old_price * draft.quantity if old_price is not None else None,
        "twin": recent_twin(draft.customer, draft.plan),
        "sees_cost": request.user.has_perm("catalog.set_price"),
        "customer_url": draft.address("customer", key=""),
        "plan_url": draft.address("plan", key=""),
        "quantity_url": draft.address("quantity", key=""),
        "post_url": draft.address("confirm"),
    }
    return _render(request, "confirm", draft, context, status)


def _credit_for(draft: Draft) -> list[CreditAccount]:
    return find_credit(draft.customer, draft.plan.currency) if draft.plan is not None else []


def _buy(request: HttpRequest, draft: Draft) -> HttpResponse:
    form = BuyForm(request.POST, credit=_credit_for(draft))
    valid = form.is_valid()
    key = form.cleaned_data.get("checkout_key")
    placed = OrderLine.objects.filter(order__checkout_key=key).first() if key is not None else None
    if placed is not None and not draft.problems.get("customer"):
        # The same form again, whatever has changed meanwhile: it is answered with its order.
        draft = _without_problems(draft, placed)
    if draft.next_step != "confirm":
        return _send_back(draft, form)
    if not valid:
        return _render_confirm(request, draft, form, status=422)
    return _sell(request, draft, form)


def _sell(request: HttpRequest, draft: Draft, form: BuyForm) -> HttpResponse:
    given = form.cleaned_data
    if draft.customer is None or draft.plan is None or draft.quantity is None:
        raise ValueError("nothing to sell yet")
    payment = read_payment(given)
    try:
        order = sell_plan(
            customer=draft.customer,
            plan=draft.plan,
            quantity=draft.quantity,
            checkout_key=given["checkout_key"],
            expected_unit_price=given["unit_price"],
            period_days=draft.period_days,
            payment=payment,
            by=person(request),
            note=given["note"],
        )
    except CheckoutRefused as error:
        return _answer_refusal(request, draft, form, error)
    except PaymentRefused as error:
        if (placed := Order.objects.filter(checkout_key=given["checkout_key"]).first()) is not None:
            messages.warning(request, error.message)
            return redirect("order-detail", placed.pk)
        form.add_error(error.field if error.field in form.fields else None, error.message)
        return _render_confirm(request, draft, form, status=422)
    if payment is None:
        messages.success(request, _("Order %(number)s is placed. Nothing is bought until it is paid.") % _named(order))
    else:
        messages.success(request, _("Order %(number)s is paid and being bought.") % _named(order))
    return redirect("order-detail", order.pk)


def _answer_refusal(request: HttpRequest, draft: Draft, form: BuyForm, error: CheckoutRefused) -> HttpResponse:
    """Back to the step where it can be mended, with everything that was typed."""
    placed = Order.objects.filter(checkout_key=form.cleaned_data["checkout_key"]).first()
    if placed is not None:
        messages.warning(request, error.message)
        return redirect("order-detail", placed.pk)
    if error.field == "price" and draft.plan is not None:
        draft.plan.refresh_from_db()
        old_price = form.cleaned_data["unit_price"]
        # The new price goes into the form only now that the page shows it.
        again = BuyForm({**request.POST.dict(), "unit_price": draft.unit_price}, credit=_credit_for(draft))
        again.add_error(None, error.message)
        return _render_confirm(request, draft, again, old_price=old_price, status=409)
    step = "quantity" if error.field == "period_days" else error.field
    if step in {"plan", "quantity", "customer"}:
        if step not in read_draft(request).problems:
            messages.error(request, error.message)
        return _send_back(draft, form, step=step)
    form.add_error(None, error.message)
    return _render_confirm(request, draft, form, status=422)


def _send_back(draft: Draft, form: BuyForm, step: str = "") -> HttpResponseRedirect:
    """To the step that has to be mended; what was typed about the payment rides along."""
    typed = {name: form.data.get(name, "")[:2000] for name in ("method", "reference", "note")}
    return HttpResponseRedirect(draft.address(step, key="", **typed))


def _without_problems(draft: Draft, placed: OrderLine) -> Draft:
    """As the draft was when its order was placed: the days were right then, whatever the plan allows by now."""
    days = read_id(draft.words.get("period_days", "")) if placed.period_days is not None else None
    return replace(draft, period_days=days, problems={})


def _named(order: Order) -> dict[str, str]:
    return {"number": order.number}


def _hidden(draft: Draft, *without: str) -> list[tuple[str, str]]:
    """What a search form of a step takes along."""
    return [(name, value) for name, value in draft.words.items() if value and name not in without]
