"""Pages of the sync runs: what ran, what runs, and the question that a run may ask."""

from collections.abc import Callable, Mapping

from django.conf import settings
from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from catalog.forms import SyncStartForm
from catalog.history import describe_change
from catalog.models import Plan, SyncRun
from catalog.sync import (
    OPEN,
    STEPS,
    AlreadyDecided,
    NoCatalogue,
    approve_retirement,
    decline_retirement,
    has_catalogue,
    request_sync,
    tell_no_catalogue,
)
from catalog.views import name_of
from providers.access import is_partial, staff_page
from providers.models import ProviderAccount
from providers.registry import configured_accounts, ensure_accounts

PAGE = 30
CHANGES = 100
#: Plans named on a page that asks about them; the rest is counted.
NAMED = 200


@require_safe
@staff_page("catalog.view_syncrun")
def run_list(request: HttpRequest) -> HttpResponse:
    runs = SyncRun.objects.select_related("account").defer("would_retire", "faults")
    account = ProviderAccount.objects.filter(slug=request.GET.get("account", "")).first()
    if account is not None:
        runs = runs.filter(account=account)
    page = Paginator(runs, PAGE).get_page(request.GET.get("page"))
    names = {slug: settings.PROVIDERS[slug]["name"] for slug in configured_accounts()}
    context = {
        "page": page,
        "account": account,
        "accounts": [(slug, name) for slug, name in names.items() if has_catalogue(slug)],
        "account_is_read": account is None or has_catalogue(account.slug),
        "never_read": [tell_no_catalogue(name) for slug, name in names.items() if not has_catalogue(slug)],
    }
    return render(request, "catalog/runs.html", context)


@require_safe
@staff_page("catalog.view_syncrun")
def run_detail(request: HttpRequest, pk: int) -> HttpResponse:
    """The whole page, or for htmx its living part."""
    run = get_object_or_404(SyncRun.objects.select_related("account"), pk=pk)
    context = {"run": run, "is_open": run.state in OPEN, "step": STEPS.get(run.step, "")}
    if is_partial(request) and context["is_open"]:
        return render(request, "catalog/_run.html", context)
    if is_partial(request):
        # It is finished: the page around it (question, changes, faults) has something to say now.
        response = HttpResponse(status=204)
        response["HX-Refresh"] = "true"
        return response
    changes = run.plan_changes.select_related("plan").defer("plan__raw")[: CHANGES + 1]
    rows = [(change, describe_change(change)) for change in changes]
    context |= {
        "changes": rows[:CHANGES],
        "has_more_changes": len(rows) > CHANGES,
        "most_changes": CHANGES,
        "asks": run.state == SyncRun.State.NEEDS_APPROVAL,
        **_named_plans(run),
    }
    return render(request, "catalog/run.html", context)


@require_POST
@staff_page("catalog.sync_catalog")
def sync_start(request: HttpRequest) -> HttpResponse:
    form = SyncStartForm(request.POST)
    slug = form.cleaned_data["account"] if form.is_valid() else ""
    account = next((account for account in ensure_accounts() if account.slug == slug), None)
    if account is None:
        messages.error(request, _("This provider account is not set up."))
        return redirect("sync-run-list")
    try:
        run = request_sync(account=account, asked_by=name_of(request.user))
    except NoCatalogue as error:
        messages.error(request, str(error))
        return redirect("sync-run-list")
    return redirect("sync-run-detail", run.pk)


@require_http_methods(["GET", "HEAD", "POST"])
@staff_page("catalog.sync_catalog")
def sync_approve(request: HttpRequest, pk: int) -> HttpResponse:
    run = get_object_or_404(SyncRun.objects.select_related("account"), pk=pk)
    if request.method == "POST":
        return _decide(request, run, approve_retirement, _("The plans are retired."))
    count = len(run.would_retire)
    context = {
        "title": ngettext("Retire %(count)s plan?", "Retire %(count)s plans?", count) % {"count": count},
        "consequences": [
            _("The plans below leave the catalogue and cannot be sold any more."),
            _("What was sold stays sold; eSIMs are not touched."),
            _("A plan that the provider lists again comes back by itself with the next sync."),
        ],
        "action": _("Retire them"),
        "danger": True,
    }
    return _ask(request, run, context)


@require_http_methods(["GET", "HEAD", "POST"])
@staff_page("catalog.sync_catalog")
def sync_decline(request: HttpRequest, pk: int) -> HttpResponse:
    run = get_object_or_404(SyncRun.objects.select_related("account"), pk=pk)
    if request.method == "POST":
        return _decide(request, run, decline_retirement, _("The plans stay in the catalogue."))
    count = len(run.would_retire)
    context = {
        "title": ngettext("Keep %(count)s plan?", "Keep %(count)s plans?", count) % {"count": count},
        "consequences": [
            _("The plans below stay for sale although the provider did not list them."),
            _("The next sync asks again if they are still missing."),
        ],
        "action": _("Keep them"),
    }
    return _ask(request, run, context)


def _ask(request: HttpRequest, run: SyncRun, context: Mapping[str, object]) -> HttpResponse:
    if run.state != SyncRun.State.NEEDS_APPROVAL:
        messages.info(request, _("This question is answered already."))
        return redirect("sync-run-detail", run.pk)
    extra = {"run": run, "cancel_url": reverse("sync-run-detail", args=[run.pk]), **_named_plans(run)}
    return render(request, "catalog/decide.html", {**context, **extra})


def _decide(request: HttpRequest, run: SyncRun, verb: Callable[..., SyncRun], done: str) -> HttpResponse:
    try:
        verb(run=run, by=name_of(request.user))
    except AlreadyDecided:
        messages.info(request, _("This question is answered already."))
    else:
        messages.success(request, done)
    return redirect("sync-run-detail", run.pk)


def _named_plans(run: SyncRun) -> dict[str, object]:
    plans = Plan.objects.filter(pk__in=run.would_retire[:NAMED]).defer("raw").order_by("name", "pk")
    return {"vanished": list(plans), "unnamed": max(0, len(run.would_retire) - NAMED)}
