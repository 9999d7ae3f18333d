"""The order wizard: customer → plan → quantity → confirm. What was chosen stands in the address, not in the session.

The key of the checkout is in the address as well: a refresh, the back button and a double click all meet the order
that was placed with it.
"""

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from catalog.search import search_plans, sellable_plans, tells_home_from_roaming
from customers.access import staff_page
from customers.customers import CustomerExists, create_customer
from customers.forms import CustomerForm
from customers.models import Customer
from customers.search import find_customers
from orders.forms import CustomerSearchForm
from orders.forms_sale import PlanSearchForm, QuantityForm
from orders.selectors.checkout_page import read_offer
from orders.views.requests import person
from orders.views.wizard_buying import buy, show_confirm
from orders.views.wizard_draft import STEPS, Draft, list_hidden, read_draft, render_step

CUSTOMERS_SHOWN = 12
PLANS_SHOWN = 20


@require_http_methods(["GET", "HEAD", "POST"])
@staff_page("orders.sell")
def order_new(request: HttpRequest) -> HttpResponse:
    """One address for all steps; the step is the one asked for, or the first that is not done."""
    draft = read_draft(request)
    wanted = request.GET.get("step", "")
    if request.method == "POST":
        return buy(request, draft) if wanted == "confirm" else _make_customer(request, draft)
    step = wanted if wanted in STEPS and STEPS.index(wanted) <= STEPS.index(draft.next_step) else draft.next_step
    match step:
        case "customer":
            return _show_customers(request, draft)
        case "plan":
            return _show_plans(request, draft)
        case "quantity":
            return _show_quantity(request, draft)
        case _:
            return show_confirm(request, draft)


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
        "hidden": list_hidden(draft, "find", "customer"),
        "post_url": draft.address("customer"),
    }
    return render_step(request, "customer", draft, context, status)


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
        "hidden": list_hidden(draft, "country", "coverage", "gb", "days", "account", "q", "sort", "plan"),
        "clear_url": draft.address("plan", country="", coverage="", gb="", days="", account="", q="", sort=""),
        "is_filtered": any(draft.words.get(name) for name in ("country", "coverage", "gb", "days", "account", "q")),
        "sees_cost": request.user.has_perm("catalog.set_price"),
        "days": search.cleaned_data.get("days"),
    }
    return render_step(request, "plan", draft, context, status)


# -- how many ---------------------------------------------------------------------------------------------------------


def _show_quantity(request: HttpRequest, draft: Draft, *, refusal: str = "", status: int = 200) -> HttpResponse:
    form = _open_quantity(draft)
    if refusal:
        form.add_error("quantity", refusal)
    context = {
        "form": form,
        "offer": read_offer(draft.plan) if draft.plan else None,
        # A new quantity is a new order: the key is not taken along.
        "hidden": list_hidden(draft, *form.fields, "key"),
        "plan_url": draft.address("plan"),
        "customer_url": draft.address("customer"),
    }
    return render_step(request, "quantity", draft, context, 422 if form.errors else status)


def _open_quantity(draft: Draft) -> QuantityForm:
    """The form with what was typed, or, where a field was never shown, with what is likely."""
    form = QuantityForm(draft.words, plan=draft.plan)
    if all(name in draft.words for name in form.fields):
        return form
    searched = draft.words.get("days", "")
    likely = {"quantity": 1, "period_days": searched if searched.isdecimal() else ""}
    return QuantityForm(initial={**likely, **draft.words}, plan=draft.plan)
