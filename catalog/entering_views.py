"""Pages for the plans that staff enter themselves."""

from collections.abc import Callable

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from catalog.entering import (
    accounts_for_entering,
    change_entered_plan,
    enter_plan,
    retire_entered_plan,
    return_entered_plan,
)
from catalog.forms_entering import EnteredPlanForm
from catalog.models import Plan
from catalog.views import name_of
from providers.access import staff_page


@require_http_methods(["GET", "HEAD", "POST"])
@staff_page("catalog.set_price")
@staff_page("catalog.add_plan")
def plan_enter(request: HttpRequest) -> HttpResponse:
    form = EnteredPlanForm(request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        given = form.cleaned_data
        try:
            plan = enter_plan(
                account=given["account"],
                kind=given["kind"],
                plan_ref=given["plan_ref"],
                terms=form.read_terms(),
                by=name_of(request.user),
            )
        except ValidationError as error:
            form.add_refusal(error)
        else:
            messages.success(request, _("The plan is in the catalogue."))
            return redirect("plan-detail", plan.pk)
    context = {
        "form": form,
        "title": _("Enter a plan"),
        "has_accounts": accounts_for_entering().exists(),
        "back_url": reverse("plan-list"),
    }
    return render(request, "catalog/enter.html", context, status=422 if form.errors else 200)


@require_http_methods(["GET", "HEAD", "POST"])
@staff_page("catalog.set_price")
@staff_page("catalog.change_plan")
def plan_edit(request: HttpRequest, pk: int) -> HttpResponse:
    plan = _get_entered(pk)
    title = _("Change “%(name)s”") % {"name": plan.name}
    # The form writes into the plan that it is given; the verb reads its own.
    form = EnteredPlanForm(request.POST if request.method == "POST" else None, instance=plan)
    if request.method == "POST" and form.is_valid():
        try:
            change_entered_plan(plan=plan, terms=form.read_terms(), by=name_of(request.user))
        except ValidationError as error:
            form.add_refusal(error)
        else:
            messages.success(request, _("The plan is changed."))
            return redirect("plan-detail", pk)
    context = {
        "form": form,
        "plan": plan,
        "title": title,
        "has_accounts": True,
        "back_url": reverse("plan-detail", args=[pk]),
    }
    return render(request, "catalog/enter.html", context, status=422 if form.errors else 200)


@require_http_methods(["GET", "HEAD", "POST"])
@staff_page("catalog.set_price")
@staff_page("catalog.change_plan")
def plan_retire(request: HttpRequest, pk: int) -> HttpResponse:
    consequences = [
        _("It leaves the catalogue and cannot be sold any more."),
        _("What was sold stays sold; lines and orders are not touched."),
        _("You can bring it back on its page."),
    ]
    question = {"title": _("Retire “%(name)s”?"), "action": _("Retire it"), "danger": True}
    return _ask(request, pk, retire_entered_plan, question, consequences, done=_("The plan is retired."))


@require_http_methods(["GET", "HEAD", "POST"])
@staff_page("catalog.set_price")
@staff_page("catalog.change_plan")
def plan_return(request: HttpRequest, pk: int) -> HttpResponse:
    consequences = [_("It is in the catalogue again, with the prices that it has.")]
    question = {"title": _("Bring “%(name)s” back?"), "action": _("Bring it back"), "danger": False}
    return _ask(request, pk, return_entered_plan, question, consequences, done=_("The plan is back in the catalogue."))


def _get_entered(pk: int) -> Plan:
    return get_object_or_404(Plan.objects.select_related("account"), pk=pk, kind__in=Plan.ENTERED_KINDS)


def _ask(
    request: HttpRequest,
    pk: int,
    verb: Callable[..., Plan],
    question: dict[str, object],
    consequences: list[str],
    *,
    done: str,
) -> HttpResponse:
    plan = _get_entered(pk)
    if request.method == "POST":
        verb(plan=plan, by=name_of(request.user))
        messages.success(request, done)
        return redirect("plan-detail", pk)
    context = {
        **question,
        "title": str(question["title"]) % {"name": plan.name},
        "consequences": consequences,
        "cancel_url": reverse("plan-detail", args=[pk]),
    }
    return render(request, "catalog/settle.html", context)
