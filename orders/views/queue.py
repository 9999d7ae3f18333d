"""Purchases that a person must look at: the queue, the evidence, and the decisions."""

from collections.abc import Mapping, Sequence
from typing import Any

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe

from customers.access import staff_page
from orders.models import Purchase
from orders.reconciliation import ReconciliationRefused
from orders.selectors.order_page import look_at_purchase, with_delivered
from orders.selectors.queue import KINDS, count_queue, purchases_for_people, read_purchase_page
from orders.views.decisions import DECISIONS
from orders.views.requests import person

PAGE_SIZE = 25


@require_safe
@staff_page("orders.view_purchase")
def purchase_queue(request: HttpRequest) -> HttpResponse:
    kind = request.GET.get("kind", "")
    kind = kind if kind in KINDS else ""
    page = Paginator(with_delivered(purchases_for_people(kind)), PAGE_SIZE).get_page(request.GET.get("page"))
    context = {
        "kind": kind,
        "counts": count_queue(),
        "page": page,
        "looks": [look_at_purchase(row, delivered=row.delivered_count) for row in page.object_list],
    }
    return render(request, "orders/queue.html", context)


@require_safe
@staff_page("orders.view_purchase")
def purchase_detail(request: HttpRequest, pk: int) -> HttpResponse:
    purchase = _find_purchase(pk)
    context = {
        "purchase": purchase,
        "order": purchase.order_line.order,
        "page": read_purchase_page(purchase),
        "decisions": list(_possible(purchase)) if request.user.has_perm("orders.reconcile") else [],
    }
    return render(request, "orders/purchase.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@staff_page("orders.reconcile")
def purchase_decide(request: HttpRequest, pk: int, decision: str) -> HttpResponse:
    """What the decision will do, its form, and the decision itself."""
    chosen = DECISIONS.get(decision)
    if chosen is None:
        raise Http404
    purchase = _find_purchase(pk)
    form = chosen.form(request.POST if request.method == "POST" else None)
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
