"""Comparing with providers: runs, the list of differences, one with its facts, and what can be decided about it."""

from collections.abc import Callable, Mapping
from copy import copy
from typing import Any

from django.contrib import messages
from django.core.paginator import Paginator
from django.forms import Form
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from customers.access import is_partial, staff_page
from orders.comparing import ComparisonRefused, request_comparison
from orders.difference_words import STEPS
from orders.differing import (
    VERDICTS,
    DifferenceRefused,
    attach_line,
    close_difference,
    find_fitting_purchases,
    may_enter,
    reopen_difference,
    take_over_line,
)
from orders.forms_decisions import ReasonForm
from orders.forms_differences import AttachForm, CloseForm, DifferenceFilterForm, TakeOverForm
from orders.models import Comparison, Difference
from orders.selectors.differences import (
    RUNS_SHOWN,
    DifferenceFilter,
    account_choices,
    count_by_state,
    find_differences,
    look_at,
    newest_runs,
    read_difference_page,
    read_parts,
    seen_by,
)
from orders.views.requests import person
from providers.models import ProviderAccount
from providers.registry import configured_accounts

PAGE_SIZE = 50
State, Kind = Difference.State, Difference.Kind


@require_safe
@staff_page("orders.view_difference")
def difference_list(request: HttpRequest) -> HttpResponse:
    given = request.GET
    state, kind = given.get("state", State.OPEN), given.get("kind", "")
    wanted = DifferenceFilter(
        state=state if state in {"", *State.values} else State.OPEN.value,
        kind=kind if kind in Kind.values else "",
        account=given.get("account", "")[:50],
    )
    page = Paginator(find_differences(wanted), PAGE_SIZE).get_page(given.get("page"))
    counts = count_by_state(wanted)
    configured = set(configured_accounts())
    context = {
        "page": page,
        "rows": [look_at(row) for row in page.object_list],
        "wanted": wanted,
        "states": [(value, label, counts.get(value, 0)) for value, label in State.choices],
        "form": DifferenceFilterForm(
            {"state": wanted.state, "kind": wanted.kind, "account": wanted.account}, accounts=account_choices()
        ),
        "runs": list(newest_runs()[:RUNS_SHOWN]),
        "can_compare": [row for row in ProviderAccount.objects.order_by("name") if row.slug in configured],
    }
    return render(request, "comparisons/list.html", context)


@require_safe
@staff_page("orders.view_difference")
def difference_detail(request: HttpRequest, pk: int) -> HttpResponse:
    difference = _find(pk)
    is_open = difference.state == State.OPEN
    may = request.user.has_perm("orders.reconcile")
    fits = is_open and may and bool(find_fitting_purchases(difference))
    context = {
        "difference": difference,
        "page": read_difference_page(difference),
        "may_close": is_open and may,
        "may_attach": fits,
        "may_take_over": is_open and may_enter(difference) and may,
        "may_reopen": may
        and difference.state == State.CLOSED
        and difference.kind != Kind.BALANCE
        and difference.verdict != Difference.Verdict.ATTACHED,
    }
    return render(request, "comparisons/detail.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@staff_page("orders.reconcile")
def difference_close(request: HttpRequest, pk: int) -> HttpResponse:
    difference = _find(pk)
    is_balance = difference.kind == Kind.BALANCE
    form = CloseForm(
        _posted(request),
        verdicts=VERDICTS[Kind(difference.kind)],
        shown=difference.amount if is_balance else None,
    )
    consequences = [
        _("It leaves the list; your decision stands on its timeline."),
        _("The next comparison leaves it closed while its facts stay as they are."),
    ]
    if is_balance:
        consequences[1] = _("The balance is reckoned from this reading on: what was closed here does not show again.")
    words = {"title": _("Close this difference?"), "consequences": consequences, "action": _("Close it")}

    def decide(data: Mapping[str, Any]) -> None:
        seen = copy(difference)
        seen.amount = data.get("shown", difference.amount)
        try:
            close_difference(difference=seen, verdict=data["verdict"], why=data["why"], by=person(request))
        except DifferenceRefused as refused:
            if refused.field == "shown":
                # The page shows what it is now, and this is what the next click closes.
                difference.refresh_from_db(fields=["amount", "facts", "details"])
                form.data = {**request.POST.dict(), "shown": str(difference.amount)}
                raise DifferenceRefused(refused.message) from refused
            raise

    return _decide(request, difference, form, words, decide, done=_("The difference is closed."))


@require_http_methods(["GET", "HEAD", "POST"])
@staff_page("orders.reconcile")
def difference_attach(request: HttpRequest, pk: int) -> HttpResponse:
    difference = _find(pk)
    fitting = {row.pk: row for row in find_fitting_purchases(difference)}
    form = AttachForm(_posted(request), purchases=list(fitting.values()))
    words = {
        "title": _("Attach the line to a purchase?"),
        "consequences": [
            _("The provider is asked about the line first: one that is over, or another order's, stays out."),
            _("The line becomes an eSIM of that order's customer and is read from the provider; nothing is ordered."),
            _("With all of its lines here the purchase counts as delivered, and a refund that is due shrinks."),
        ],
        "action": _("Attach it"),
    }

    def decide(data: Mapping[str, Any]) -> None:
        attach_line(difference=difference, purchase=fitting[data["purchase"]], why=data["why"], by=person(request))

    return _decide(request, difference, form, words, decide, done=_("The line is entered and is being read."))


@require_http_methods(["GET", "HEAD", "POST"])
@staff_page("orders.reconcile")
def difference_take_over(request: HttpRequest, pk: int) -> HttpResponse:
    difference = _find(pk)
    form = TakeOverForm(_posted(request), account=difference.account)
    words = {
        "title": _("Take the line over for a customer?"),
        "consequences": [
            _("The provider is asked about the line first: one that it does not know, or that is over, stays out."),
            _("The line becomes this customer's eSIM and is read from the provider; nothing is ordered."),
            _("No order and no payment of ours belongs to it."),
        ],
        "action": _("Take it over"),
    }

    def decide(data: Mapping[str, Any]) -> None:
        take_over_line(difference=difference, by=person(request), **data)

    return _decide(request, difference, form, words, decide, done=_("The line is entered and is being read."))


@require_http_methods(["GET", "HEAD", "POST"])
@staff_page("orders.reconcile")
def difference_reopen(request: HttpRequest, pk: int) -> HttpResponse:
    difference = _find(pk)
    form = ReasonForm(_posted(request))
    words = {
        "title": _("Open this difference again?"),
        "consequences": [_("It stands on the list again until somebody closes it or it no longer differs.")],
        "action": _("Open it again"),
    }

    def decide(data: Mapping[str, Any]) -> None:
        reopen_difference(difference=difference, why=data["why"], by=person(request))

    return _decide(request, difference, form, words, decide, done=_("The difference is open again."), of=State.CLOSED)


@require_POST
@staff_page("orders.reconcile")
def comparison_start(request: HttpRequest) -> HttpResponse:
    """Have a worker compare an account."""
    account = get_object_or_404(ProviderAccount, slug=request.POST.get("account", ""))
    try:
        run = request_comparison(account=account, asked_by=person(request).email)
    except ComparisonRefused as refused:
        messages.error(request, refused.message)
        return redirect("difference-list")
    return redirect("comparison-detail", run.pk)


@require_safe
@staff_page("orders.view_difference")
def comparison_detail(request: HttpRequest, pk: int) -> HttpResponse:
    """The whole page, or for htmx its living part."""
    run = get_object_or_404(Comparison.objects.select_related("account"), pk=pk)
    is_open = run.state in Comparison.OPEN
    context: dict[str, Any] = {
        "run": run,
        "is_open": is_open,
        "step": STEPS.get(run.step, ""),
        "parts": read_parts(run),
    }
    if is_partial(request) and is_open:
        return render(request, "comparisons/_run.html", context)
    if is_partial(request):
        # It is finished: the page around it has something to say now.
        response = HttpResponse(status=204)
        response["HX-Refresh"] = "true"
        return response
    context["rows"] = seen_by(run)
    return render(request, "comparisons/run.html", context)


def _find(pk: int) -> Difference:
    rows = Difference.objects.select_related("account", "esim", "purchase__order_line__order__customer", "run")
    return get_object_or_404(rows, pk=pk)


def _posted(request: HttpRequest) -> QueryDict | None:
    return request.POST if request.method == "POST" else None


def _decide(
    request: HttpRequest,
    difference: Difference,
    form: Form,
    words: Mapping[str, Any],
    decide: Callable[[Mapping[str, Any]], None],
    *,
    done: str,
    of: str = State.OPEN,
) -> HttpResponse:
    """Ask first, then do what the verb does; it looks again."""
    if request.method == "POST" and form.is_valid():
        try:
            decide(form.cleaned_data)
        except DifferenceRefused as refused:
            form.add_error(refused.field if refused.field in form.fields else None, refused.message)
        else:
            messages.success(request, done)
            return redirect("difference-detail", difference.pk)
    elif request.method != "POST" and difference.state != of:
        messages.info(request, _("Somebody has decided about this difference already."))
        return redirect("difference-detail", difference.pk)
    context = {
        **words,
        "form": form,
        "difference": difference,
        "row": look_at(difference),
        "cancel_url": reverse("difference-detail", args=[difference.pk]),
    }
    return render(request, "comparisons/decide.html", context, status=422 if form.errors else 200)
