"""The comparison: marked plans beside each other, a destination's plans on equal terms, or the equals of one plan."""

from dataclasses import replace
from decimal import ROUND_FLOOR, Decimal
from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_safe

from catalog.compare import Need, compare_marked, compare_plans, find_cheaper, find_equal
from catalog.forms import CompareForm
from catalog.models import Plan
from catalog.places import Place
from catalog.search import marked_plans
from catalog.terms import GIGABYTE, read_terms
from providers.access import staff_page

#: Marked plans stand in columns.
MOST_MARKED = 8


@require_safe
@staff_page("catalog.view_plan")
def plan_compare(request: HttpRequest) -> HttpResponse:
    """``?country=JP&days=7&gb=3&sort=per_gb``, ``?like=1&days=7&gb=1``, or ``?plan=1&plan=2``."""
    ids = [number for word in request.GET.getlist("plan") if (number := _read_number(word))]
    if ids:
        return _compare_marked(request, ids)
    form = CompareForm(request.GET or None)
    form.is_valid()
    like = _find_like(request)
    need = form.read_need(like)
    if like is not None:
        return _compare_like(request, form, need, like)
    shelves = compare_plans(need) if need.place else []
    context = {"form": form, "need": need, "shelves": shelves, "asked": bool(need.place)}
    return render(request, "catalog/compare.html", context)


def ask_for_equal(plan: Plan) -> str:
    """The address that compares a plan (with its terms) with its equals and with what is more than it.

    "" for a plan that no other can be compared with.
    """
    if plan.kind != Plan.Kind.ESIM or not plan.coverage.all():
        return ""
    terms = read_terms(plan)
    words: dict[str, object] = {"like": plan.pk}
    if plan.days_choice_max is None:
        size = (Decimal(terms.size or 0) / GIGABYTE).quantize(Decimal("0.01"), ROUND_FLOOR)
        words |= {"days": terms.days or "", "gb": f"{size.normalize():f}" if size else ""}
    return f"{reverse('plan-compare')}?{urlencode({name: word for name, word in words.items() if word})}"


def _compare_marked(request: HttpRequest, ids: list[int]) -> HttpResponse:
    plans = marked_plans(ids[:MOST_MARKED])
    context = {
        "form": CompareForm(),
        "plans": plans,
        "best": compare_marked(plans),
        "most": MOST_MARKED,
        "left_out": len(ids) > MOST_MARKED,
    }
    return render(request, "catalog/compare_marked.html", context)


def _compare_like(request: HttpRequest, form: CompareForm, need: Need, like: Plan) -> HttpResponse:
    countries = [row.country for row in like.coverage.all()]
    if len(countries) == 1:
        # All that fits works there: nothing is narrowed, and the networks can be told.
        need = replace(need, place=need.place or Place(country=countries[0]))
    equal = find_equal(like, days=need.days, place=need.place)
    own = next((entry for entry in equal.entries if entry.plan.pk == like.pk), None)
    context = {
        "form": form,
        "need": need,
        "like": like,
        "own": own,
        "equal": equal if len(equal.entries) > 1 else None,
        "cheaper": find_cheaper(equal, like),
        "shelves": compare_plans(need, without=[entry.plan.pk for entry in equal.entries]),
        "asked": True,
    }
    return render(request, "catalog/compare.html", context)


def _find_like(request: HttpRequest) -> Plan | None:
    number = _read_number(request.GET.get("like", ""))
    plans = Plan.objects.select_related("account").prefetch_related("coverage").defer("raw")
    return plans.filter(pk=number, kind=Plan.Kind.ESIM).first() if number else None


def _read_number(word: str) -> int:
    """A primary key from the address; 0 for what is none."""
    return int(word) if word.isdecimal() and len(word) < 19 else 0
