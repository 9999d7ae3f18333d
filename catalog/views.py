"""The catalogue's pages: list, plan, and the two things that staff set on every plan."""

import json
from decimal import Decimal
from typing import Any

from django.contrib import messages
from django.contrib.auth.models import AbstractBaseUser, AnonymousUser
from django.core.exceptions import ValidationError
from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from catalog.compare_views import ask_for_equal
from catalog.forms import OwnPriceForm, PlanFilterForm
from catalog.history import tell_history
from catalog.models import Plan, PriceRule
from catalog.pricing import active_rules, describe_source, explain_price, floor_percent, set_own_price, set_published
from catalog.quotes import PriceQuote
from catalog.search import search_plans
from catalog.terms import with_equal_terms
from providers.access import staff_page

PAGE = 50
HISTORY = 50


def name_of(user: AbstractBaseUser | AnonymousUser) -> str:
    """How history names a person: the e-mail address."""
    return str(user.get_username())


@require_safe
@staff_page("catalog.view_plan")
def plan_list(request: HttpRequest) -> HttpResponse:
    form = PlanFilterForm(request.GET)
    form.is_valid()
    plans = search_plans(form.to_filter()).defer("raw").prefetch_related("coverage")
    page = Paginator(plans, PAGE).get_page(request.GET.get("page"))
    is_filtered = any(value for name, value in request.GET.items() if name not in ("page", "sort"))
    context = {
        "form": form,
        "page": page,
        "is_filtered": is_filtered,
        "days": form.cleaned_data.get("min_days"),
        "may_enter": request.user.has_perms(("catalog.set_price", "catalog.add_plan")),
    }
    return render(request, "catalog/list.html", context)


@require_safe
@staff_page("catalog.view_plan")
def plan_detail(request: HttpRequest, pk: int) -> HttpResponse:
    return _render_plan(request, _get_plan(pk))


@require_POST
@staff_page("catalog.set_price")
def plan_price(request: HttpRequest, pk: int) -> HttpResponse:
    plan = _get_plan(pk)
    form = OwnPriceForm(request.POST)
    if not form.is_valid():
        return _render_plan(request, plan, form)
    try:
        set_own_price(plan=plan, amount=form.cleaned_data["amount"], by=name_of(request.user))
    except ValidationError as error:
        form.add_error(None if "amount" not in error.message_dict else "amount", error.message_dict["amount"])
        return _render_plan(request, plan, form)
    messages.success(request, _("The price is set."))
    return redirect("plan-detail", pk)


@require_POST
@staff_page("catalog.set_price")
def plan_publish(request: HttpRequest, pk: int) -> HttpResponse:
    plan = _get_plan(pk)
    is_published = request.POST.get("is_published") == "yes"
    set_published(plan=plan, is_published=is_published, by=name_of(request.user))
    messages.success(request, _("The plan is for sale.") if is_published else _("The plan is no longer for sale."))
    return redirect("plan-detail", pk)


def _get_plan(pk: int) -> Plan:
    plans: QuerySet[Plan] = with_equal_terms(Plan.objects.select_related("account").prefetch_related("coverage"))
    return get_object_or_404(plans, pk=pk)


def _render_plan(request: HttpRequest, plan: Plan, form: OwnPriceForm | None = None) -> HttpResponse:
    quote = explain_price(plan, active_rules())
    start = {"amount": plan.own_price.normalize() if plan.own_price is not None else None}
    context: dict[str, Any] = {
        "plan": plan,
        "quote": quote,
        "source": describe_source(quote.source, rule=quote.rule),
        "margin_percent": _margin_percent(quote),
        "floor_percent": floor_percent().normalize(),
        "rounding": PriceRule.Rounding(quote.rule.rounding).label if quote.rule else "",
        "is_stale": (quote.amount, quote.source) != (plan.retail_price, plan.price_source),
        "price_form": form or OwnPriceForm(initial=start),
        "is_entered": plan.kind in Plan.ENTERED_KINDS,
        "equal_url": ask_for_equal(plan),
        "history": tell_history(plan.history.all()[:HISTORY]),
        "raw": json.dumps(plan.raw, ensure_ascii=False, indent=2),
    }
    return render(request, "catalog/detail.html", context, status=422 if form else 200)


def _margin_percent(quote: PriceQuote) -> Decimal | None:
    """Margin on the net price, in percent with one decimal."""
    if quote.margin is None or not quote.net_price:
        return None
    return (quote.margin / quote.net_price * 100).quantize(Decimal("0.1"))
