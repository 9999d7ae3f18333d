"""Disputes about card payments, and the payment service's calls."""

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from customers.access import staff_page
from customers.keyset import keyset_page
from orders.card.disputes import DisputeRefused, settle_dispute
from orders.card.inbox import retry_payment_delivery
from orders.inbox import RetryRefused
from orders.models import Dispute, PaymentDelivery
from orders.selectors.cards import (
    count_payment_deliveries,
    find_disputes,
    find_payment_deliveries,
    read_payment_body,
)
from orders.views.requests import person

PAGE_SIZE = 50


@require_safe
@staff_page("orders.view_dispute")
def dispute_list(request: HttpRequest) -> HttpResponse:
    """Those that need a person first asked for; all of them with ``?kind=all``."""
    kind = "all" if request.GET.get("kind") == "all" else "open"
    page = Paginator(find_disputes(for_a_person=kind == "open"), PAGE_SIZE).get_page(request.GET.get("page"))
    kinds = [("open", _("need a person")), ("all", _("all"))]
    return render(request, "orders/disputes.html", {"page": page, "kind": kind, "kinds": kinds})


@require_POST
@staff_page("orders.handle_payment")
def dispute_settle(request: HttpRequest, pk: int) -> HttpResponse:
    """Close a lost one here too."""
    dispute = get_object_or_404(Dispute.objects.select_related("payment"), pk=pk)
    try:
        settle_dispute(dispute=dispute, by=person(request))
    except DisputeRefused as refused:
        messages.error(request, refused.message)
    else:
        messages.success(request, _("The dispute is settled."))
    return redirect("dispute-list")


@require_safe
@staff_page("orders.view_paymentdelivery")
def payment_delivery_list(request: HttpRequest) -> HttpResponse:
    state = request.GET.get("state", "")
    state = state if state in PaymentDelivery.State.values else ""
    page = keyset_page(
        find_payment_deliveries(state),
        after=request.GET.get("after", ""),
        before=request.GET.get("before", ""),
        size=PAGE_SIZE,
        key="received_at",
    )
    waiting = count_payment_deliveries()
    states = [(value, label, waiting.get(value)) for value, label in (("", _("all")), *PaymentDelivery.State.choices)]
    return render(request, "deliveries/payments.html", {"page": page, "state": state, "states": states})


@require_safe
@staff_page("orders.view_paymentdelivery")
def payment_delivery_detail(request: HttpRequest, pk: int) -> HttpResponse:
    delivery = get_object_or_404(PaymentDelivery, pk=pk)
    may_retry = request.user.has_perm("orders.handle_paymentdelivery") and delivery.state != PaymentDelivery.State.NEW
    context = {"delivery": delivery, "body": read_payment_body(delivery), "may_retry": may_retry}
    return render(request, "deliveries/payment.html", context)


@require_POST
@staff_page("orders.handle_paymentdelivery")
def payment_delivery_retry(request: HttpRequest, pk: int) -> HttpResponse:
    """Have it worked off once more."""
    delivery = get_object_or_404(PaymentDelivery, pk=pk)
    try:
        retry_payment_delivery(delivery=delivery, by=person(request))
    except RetryRefused as refused:
        messages.info(request, refused.message)
    else:
        messages.success(request, _("The delivery is worked off again."))
    return redirect("payment-delivery-detail", delivery.pk)
