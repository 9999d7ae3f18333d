"""Purchases that a person must look at: the queue, the evidence, and the decisions."""

from collections.abc import Mapping, Sequence
from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from customers.access import staff_page
from customers.lists import read_list
from esims.action_steps import settle_action
from esims.models import LineAction
from orders.forms import PurchaseFilterForm
from orders.forms_decisions import LinesForm, NotBoughtForm, RemarkForm
from orders.list_pages import PURCHASES
from orders.models import Purchase, PurchaseAttempt
from orders.reconciliation import ReconciliationRefused, tell_evidence
from orders.revealing import reveal_reply
from orders.selectors.order_page import look_at_purchase
from orders.selectors.purchase_list import PurchaseFilter, find_purchases
from orders.selectors.queue import read_purchase_page
from orders.selectors.queue_entries import count_kinds, read_queue
from orders.settling import find_provider
from orders.views.decisions import DECISIONS
from orders.views.requests import person

PAGE_SIZE = 25


@require_safe
@staff_page("orders.view_purchase")
def purchase_queue(request: HttpRequest) -> HttpResponse:
    user = person(request)
    counts = count_kinds(user)
    kind = request.GET.get("kind", "")
    kind = kind if kind in counts else ""
    page, entries = read_queue(user, kind=kind, page=request.GET.get("page"), size=PAGE_SIZE)
    context = {"kind": kind, "counts": counts, "page": page, "entries": entries, "tabs": _tabs(counts)}
    return render(request, "orders/queue.html", context)


@require_safe
@staff_page("orders.view_purchase")
def purchase_list(request: HttpRequest) -> HttpResponse:
    """All purchases, also those that need nobody."""
    state = read_list(PURCHASES, request)
    if state.first_address:
        return redirect(state.first_address)
    form = PurchaseFilterForm(request.GET)
    wanted = form.read_filter()
    context = {
        "list": state,
        "form": form,
        "is_filtered": wanted != PurchaseFilter(),
        "page": state.read_page(find_purchases(wanted)),
    }
    return render(request, "orders/purchases.html", context)


def _tabs(counts: Mapping[str, int]) -> list[tuple[str, str, int | None]]:
    labels = {
        "unknown": _("Outcome unknown"),
        "held": _("Held"),
        "look": _("To look at"),
        "actions": _("Line actions"),
        "differences": _("Differences"),
        "waiting": _("Waiting long"),
    }
    return [("", _("All"), None), *((kind, label, counts[kind]) for kind, label in labels.items() if kind in counts)]


@require_safe
@staff_page("orders.view_purchase")
def purchase_detail(request: HttpRequest, pk: int) -> HttpResponse:
    purchase = _find_purchase(pk)
    context = {
        "purchase": purchase,
        "order": purchase.order_line.order,
        "page": read_purchase_page(purchase),
        "decisions": list(_possible(purchase)) if request.user.has_perm("orders.reconcile") else [],
        "may_reveal": request.user.has_perm("esims.reveal_codes"),
    }
    return render(request, "orders/purchase.html", context)


@require_POST
@staff_page("esims.reveal_codes")
def purchase_reply(request: HttpRequest, pk: int, number: int) -> HttpResponse:
    """A raw reply in clear; that it was shown stands on the timeline."""
    attempts = PurchaseAttempt.objects.select_related("purchase__account", "purchase__order_line__order__customer")
    attempt = get_object_or_404(attempts, purchase=pk, number=number)
    text = reveal_reply(attempt=attempt, by=person(request))
    if not text:
        messages.info(request, _("No reply is stored for this call, or it has been erased."))
        return redirect("purchase-detail", pk)
    context = {
        "attempt": attempt,
        "purchase": attempt.purchase,
        "order": attempt.purchase.order_line.order,
        "text": text,
    }
    return render(request, "orders/reply.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@staff_page("orders.reconcile")
def action_settle(request: HttpRequest, pk: int) -> HttpResponse:
    """Somebody has looked what came of a line action without an answer."""
    rows = LineAction.objects.select_related("esim__account", "esim__customer")
    action = get_object_or_404(rows, pk=pk, state=LineAction.State.UNKNOWN)
    form = RemarkForm(request.POST if request.method == "POST" else None)
    form.fields["why"].help_text = _("It stands on the line's timeline with your name.")
    if request.method == "POST" and form.is_valid():
        settle_action(action=action, by=person(request).email, why=form.cleaned_data["why"])
        messages.success(request, _("It leaves the queue; the line's timeline says that you have looked."))
        return redirect("purchase-queue")
    context = {
        "form": form,
        "esim": action.esim,
        "title": _("Have you looked what came of it?"),
        "consequences": [
            _("The action leaves the queue; nothing is sent to the provider."),
            _("What the line shows counts. If it did not happen, ask for it again on the line's page."),
        ],
        "action": _("I have looked at it"),
        "cancel_url": reverse("purchase-queue"),
    }
    return render(request, "esims/confirm_action.html", context, status=422 if form.errors else 200)


@require_http_methods(["GET", "HEAD", "POST"])
@staff_page("orders.reconcile")
def purchase_decide(request: HttpRequest, pk: int, decision: str) -> HttpResponse:
    """What the decision will do, its form, and the decision itself."""
    chosen = DECISIONS.get(decision)
    if chosen is None:
        raise Http404
    purchase = _find_purchase(pk)
    form = chosen.form(request.POST if request.method == "POST" else None)
    provider = find_provider(purchase.account.slug)
    if isinstance(form, LinesForm) and provider is not None and provider.line_reference_name != "ICCID":
        form.name_reference(provider.line_reference_name)
    if isinstance(form, NotBoughtForm):
        form.ask_about(tell_evidence(purchase))
    if request.method == "POST" and form.is_valid():
        try:
            chosen.verb(purchase=purchase, by=person(request), **form.cleaned_data)
        except ReconciliationRefused as error:
            form.add_error(error.field if error.field in form.fields else None, error.message)
        else:
            messages.success(request, str(chosen.done))
            return redirect("purchase-detail", purchase.pk)
    elif request.method != "POST" and not chosen.is_possible(purchase):
        messages.warning(
            request,
            _("The purchase is “%(state)s” now: this is no longer possible.") % {"state": purchase.get_state_display()},
        )
        return redirect("purchase-detail", purchase.pk)
    context = {
        "form": form,
        "purchase": purchase,
        "order": purchase.order_line.order,
        "look": look_at_purchase(purchase, delivered=purchase.delivered.count()),
        "title": chosen.title,
        "consequences": chosen.consequences,
        "action": chosen.label,
        "danger": chosen.danger,
        "cancel_url": reverse("purchase-detail", args=[purchase.pk]),
    }
    return render(request, "orders/decide.html", context, status=422 if form.errors else 200)


def _find_purchase(pk: int) -> Purchase:
    purchases = Purchase.objects.select_related("account", "order_line__plan", "order_line__order__customer")
    return get_object_or_404(purchases, pk=pk)


def _possible(purchase: Purchase) -> Sequence[Mapping[str, Any]]:
    return [
        {"decision": decision, "url": reverse("purchase-decide", args=[purchase.pk, name])}
        for name, decision in DECISIONS.items()
        if decision.is_possible(purchase)
    ]
