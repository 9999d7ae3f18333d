"""The activation form, the list of activations, and the form put right after the provider refused it.

Names, numbers and passwords travel in the body of POSTs only, never in an address.
"""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_safe

from catalog.models import Plan
from customers.access import staff_page
from customers.keyset import keyset_page
from customers.models import Customer
from customers.search import find_customers
from esims.codes import record_reveal
from esims.models import Esim
from orders.activations import (
    CorrectionRefused,
    FormNotReady,
    correct_form,
    facts_of,
    find_rules,
    may_correct,
    place_activation,
    read_form,
    record_shown,
    settled_by,
)
from orders.checkout import CheckoutRefused, why_not_sellable
from orders.forms import CustomerSearchForm
from orders.forms_activation import ActivationFilterForm, ActivationSaleForm, CorrectionForm
from orders.forms_sale import read_payment
from orders.models import Activation, Purchase
from orders.payments import PaymentRefused
from orders.selectors.activations import (
    activations_for_page,
    find_activations,
    form_plans,
    longest_waiting,
    look_at,
    read_activation,
)
from orders.selectors.credit import find_credit
from orders.views.form_turns import FormTurn, take_turn
from orders.views.requests import person, read_id
from providers.activation_form import ActivationFacts, ActivationRules

CUSTOMERS_SHOWN = 12
PAGE_SIZE = 50


@require_safe
@staff_page("orders.view_purchase")
def activation_list(request: HttpRequest) -> HttpResponse:
    form = ActivationFilterForm(request.GET)
    form.is_valid()
    text, only_open = form.cleaned_data.get("q", ""), form.cleaned_data.get("show", "") == "open"
    cursors: dict[str, Any] = {side: request.GET.get(side, "") for side in ("after", "before")}
    waiting: list[Activation] = []
    page = ended = None
    if text:
        ended = keyset_page(find_activations(text=text, is_open=only_open or None), size=PAGE_SIZE, **cursors)
    elif only_open:
        page = Paginator(longest_waiting(), PAGE_SIZE).get_page(request.GET.get("page"))
        waiting = list(page.object_list)
    else:
        ended = keyset_page(find_activations(is_open=False), size=PAGE_SIZE, **cursors)
        if not any(cursors.values()):
            waiting = list(longest_waiting()[: PAGE_SIZE + 1])
    shown = waiting[:PAGE_SIZE]
    context = {
        "form": form,
        "page": page,
        "ended": ended,
        "has_more_open": len(waiting) > PAGE_SIZE,
        "looks": [look_at(activation) for activation in [*shown, *(ended.rows if ended else ())]],
        "is_filtered": bool(text or only_open),
    }
    return render(request, "activations/list.html", context)


#: Who corrects a form sees the numbers of the device in it.
CORRECTS = ("orders.sell", "esims.reveal_codes")


@never_cache
@require_safe
@staff_page("orders.view_purchase")
def activation_detail(request: HttpRequest, pk: int) -> HttpResponse:
    activation = get_object_or_404(activations_for_page(), pk=pk)
    page = read_activation(activation)
    purchase = page.look.purchase
    shows_codes = request.user.has_perm("esims.reveal_codes")
    if shows_codes:
        record_shown(activation, by=person(request).email)
    context = {
        "activation": activation,
        "page": page,
        "may_correct": purchase is not None and may_correct(purchase) and request.user.has_perms(CORRECTS),
        "shows_codes": shows_codes,
    }
    return render(request, "activations/detail.html", context)


# -- a new one --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """What was chosen so far, as the address says it; ``esim`` is the line that is replaced."""

    customer: Customer | None
    plan: Plan | None
    esim: Esim | None
    find: str

    def address(self, **changes: object) -> str:
        words = {
            "esim": self.esim.pk if self.esim else "",
            "customer": self.customer.pk if self.customer and self.esim is None else "",
            "plan": self.plan.pk if self.plan else "",
            **changes,
        }
        query = urlencode({name: value for name, value in words.items() if value})
        return reverse("activation-new") + (f"?{query}" if query else "")


def read_draft(request: HttpRequest) -> Draft:
    """The draft from the address; nonsense in it counts as not chosen."""
    numbers = {name: read_id(request.GET.get(name, "")) or 0 for name in ("customer", "plan", "esim")}
    esim = Esim.objects.select_related("customer", "account", "plan").filter(pk=numbers["esim"]).first()
    return Draft(
        customer=esim.customer if esim else Customer.objects.filter(pk=numbers["customer"]).first(),
        plan=Plan.objects.select_related("account").filter(pk=numbers["plan"], kind__in=Plan.ENTERED_KINDS).first(),
        esim=esim,
        find=request.GET.get("find", "")[:120].strip(),
    )


def _choose_customer(request: HttpRequest, draft: Draft) -> HttpResponse:
    found = list(find_customers(draft.find).order_by("-created_at", "-pk")[: CUSTOMERS_SHOWN + 1])
    context = {
        "search": CustomerSearchForm({"find": draft.find}) if draft.find else CustomerSearchForm(),
        "text": draft.find,
        "plan": draft.plan,
        "customers": [
            {"customer": customer, "url": draft.address(customer=customer.pk)} for customer in found[:CUSTOMERS_SHOWN]
        ],
        "has_more": len(found) > CUSTOMERS_SHOWN,
    }
    return render(request, "activations/customer.html", context)


def _choose_plan(request: HttpRequest, draft: Draft, *, problem: str) -> HttpResponse:
    context = {
        "customer": draft.customer,
        "esim": draft.esim,
        "problem": problem,
        "choices": [{"choice": choice, "url": draft.address(plan=choice.plan.pk)} for choice in form_plans(draft.esim)],
        "customer_url": draft.address(customer="", plan=""),
        "sees_cost": request.user.has_perm("catalog.set_price"),
    }
    return render(request, "activations/plan.html", context, status=409 if problem else 200)


@never_cache
@sensitive_post_parameters()
@require_http_methods(["GET", "HEAD", "POST"])
@staff_page("orders.sell")
def activation_new(request: HttpRequest) -> HttpResponse:
    """Who, which plan, then the form with its payment."""
    draft = read_draft(request)
    if draft.customer is None:
        return _choose_customer(request, draft)
    rules = find_rules(draft.plan.account.slug) if draft.plan else None
    refusal = why_not_sellable(draft.plan) if draft.plan else ""
    if draft.plan is None or rules is None or refusal:
        return _choose_plan(request, draft, problem=refusal)
    plan, credit = draft.plan, find_credit(draft.customer, draft.plan.currency)

    def open_sale(posted: Mapping[str, Any] | None) -> ActivationSaleForm:
        keys = {"checkout_key": uuid.uuid4(), "form_key": uuid.uuid4(), "unit_price": plan.retail_price}
        return ActivationSaleForm(posted, initial=keys, credit=credit)

    turn = take_turn(
        request,
        rules=rules,
        settled=settled_by(plan.kind, plan.plan_ref),
        start=rules.prefill(_facts_to_show(request, draft.esim, plan)),
        open_ours=open_sale,
    )
    if turn.is_ready and (done := _sell(request, turn, draft.customer, plan, draft.esim)):
        return done
    return _draw_new(request, turn, draft)


def _sell(
    request: HttpRequest, turn: FormTurn, customer: Customer, plan: Plan, esim: Esim | None
) -> HttpResponse | None:
    """Sell it and go to the order; None where the verb refused, which the form then shows."""
    given = turn.ours.cleaned_data
    payment = read_payment(given)
    try:
        order = place_activation(
            customer=customer,
            plan=plan,
            values=turn.form.values,
            checkout_key=given["checkout_key"],
            expected_price=given["unit_price"],
            by=person(request),
            payment=payment,
            note=given["note"],
            esim=esim,
        )
    except FormNotReady as error:
        turn.show_check(error)
    except CheckoutRefused as error:
        turn.show_refusal(error.message, error.field)
        if error.field == "price":
            # The new price goes into the form only now that the page shows it.
            plan.refresh_from_db()
            turn.ours.data = {**turn.ours.data, "unit_price": plan.retail_price}
    except PaymentRefused as error:
        turn.show_refusal(error.message, error.field)
    else:
        if payment is None:
            text = _("Order %(number)s is placed. Nothing is sent to the provider until it is paid.")
        else:
            text = _("Order %(number)s is paid; the activation is being sent.")
        messages.success(request, text % {"number": order.number})
        return redirect("order-detail", order.pk)
    return None


def _draw_new(request: HttpRequest, turn: FormTurn, draft: Draft) -> HttpResponse:
    context = {
        **turn.context(),
        "customer": draft.customer,
        "plan": draft.plan,
        "esim": draft.esim,
        "customer_url": draft.address(customer="", plan=""),
        "plan_url": draft.address(plan=""),
        "sees_cost": request.user.has_perm("catalog.set_price"),
    }
    return _draw(request, "activations/new.html", turn, context)


def _facts_to_show(request: HttpRequest, esim: Esim | None, plan: Plan) -> ActivationFacts:
    """The numbers of the line that is replaced, for those who may see them; that they saw them is written down.

    Others type what the customer tells: it is compared with the line when it is sent.
    """
    fits = esim is not None and esim.account_id == plan.account_id and plan.kind == Plan.Kind.REISSUE
    if esim is None or not fits or not request.user.has_perm("esims.reveal_codes"):
        return ActivationFacts()
    if request.method != "POST":
        record_reveal(esim=esim, by=person(request).email)
    return ActivationFacts(old_eid=esim.eid, account_number=esim.phone_number)


def _draw(request: HttpRequest, template: str, turn: FormTurn, context: Mapping[str, Any]) -> HttpResponse:
    if turn.is_fragment:
        template = "activations/_fields.html"
    return render(request, template, context, status=turn.status)


# -- put right --------------------------------------------------------------------------------------------------------


@never_cache
@sensitive_post_parameters()
@require_http_methods(["GET", "HEAD", "POST"])
@staff_page("orders.sell")
@staff_page("esims.reveal_codes")
def activation_correct(request: HttpRequest, pk: int) -> HttpResponse:
    """The form of a held purchase once more: what is kept of it is filled in, and what the provider named is marked.
    The numbers of the device stand in it in clear.
    """
    activation = get_object_or_404(activations_for_page(), pk=pk)
    purchase = (
        Purchase.objects.select_related("order_line__order", "account")
        .filter(order_line=activation.order_line_id)
        .first()
    )
    rules = find_rules(activation.account.slug)
    if purchase is None or rules is None or not may_correct(purchase):
        messages.warning(request, _("The form of this activation cannot be corrected now."))
        return redirect("activation-detail", activation.pk)
    turn = take_turn(
        request,
        rules=rules,
        settled=settled_by(purchase.order_line.kind, purchase.plan_ref),
        start=read_form(activation) or rules.prefill(facts_of(activation)),
        open_ours=CorrectionForm,
    )
    if turn.is_ready and (done := _correct(request, turn, activation, purchase)):
        return done
    named = ""
    if request.method != "POST":
        record_shown(activation, by=person(request).email)
        named = _mark_fault(turn, rules, purchase)
    context = {**turn.context(), "activation": activation, "purchase": purchase, "named": named}
    return _draw(request, "activations/correct.html", turn, context)


def _correct(request: HttpRequest, turn: FormTurn, activation: Activation, purchase: Purchase) -> HttpResponse | None:
    try:
        correct_form(purchase=purchase, values=turn.form.values, why=turn.ours.cleaned_data["why"], by=person(request))
    except FormNotReady as error:
        turn.show_check(error)
    except CorrectionRefused as error:
        turn.show_refusal(error.message, error.field)
    else:
        messages.success(request, _("The form is corrected and being sent again."))
        return redirect("activation-detail", activation.pk)
    return None


def _mark_fault(turn: FormTurn, rules: ActivationRules, purchase: Purchase) -> str:
    """Mark the field that the provider's code names; what names none is said above the form."""
    known = rules.explain(purchase.error_code)
    if known is None:
        return purchase.error
    field = next((name for name in known.fields if name in turn.form.fields), "")
    if not field:
        return str(known.meaning)
    turn.form.show_problem(field, known.meaning)
    return ""
