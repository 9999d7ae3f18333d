"""Payments that do not fit to their orders: the list, the evidence, the decisions, and recording what came."""

import uuid
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
from orders.forms_money import ArrivalForm
from orders.models import Order, Payment
from orders.payments import PaymentRefused, record_what_came
from orders.selectors.payments import count_unfit, find_unfit, read_payment_page
from orders.views.payment_decisions import PAYMENT_DECISIONS
from orders.views.requests import person

PAGE_SIZE = 25
#: What may be typed before, in the ordinary form.
_WORDS = ("amount", "currency", "method", "reference")


@require_safe
@staff_page("orders.view_payment")
def payment_queue(request: HttpRequest) -> HttpResponse:
    page = Paginator(find_unfit(), PAGE_SIZE).get_page(request.GET.get("page"))
    return render(request, "orders/payments.html", {"page": page, "number": count_unfit()})


@require_safe
@staff_page("orders.view_payment")
def payment_detail(request: HttpRequest, pk: int) -> HttpResponse:
    payment = _find_payment(pk)
    context = {
        "payment": payment,
        "order": payment.order,
        "page": read_payment_page(payment),
        "decisions": _possible(payment) if request.user.has_perm("orders.handle_payment") else [],
    }
    return render(request, "orders/payment.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@staff_page("orders.handle_payment")
def payment_decide(request: HttpRequest, pk: int, decision: str) -> HttpResponse:
    """What the decision will do, its form, and the decision itself."""
    chosen = PAYMENT_DECISIONS.get(decision)
    if chosen is None:
        raise Http404
    payment = _find_payment(pk)
    form = chosen.form(request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        try:
            chosen.verb(payment=payment, by=person(request), **form.cleaned_data)
        except PaymentRefused as error:
            form.add_error(error.field if error.field in form.fields else None, error.message)
        else:
            messages.success(request, str(chosen.done))
            return redirect("order-detail", payment.order_id)
    elif request.method != "POST" and not chosen.is_possible(payment):
        messages.warning(request, _("This is no longer possible: the payment or its order has changed."))
        return redirect("payment-detail", payment.pk)
    context = {
        "form": form,
        "payment": payment,
        "order": payment.order,
        "page": read_payment_page(payment),
        "title": chosen.title,
        "consequences": chosen.consequences,
        "action": chosen.label,
        "danger": chosen.danger,
        "cancel_url": reverse("payment-detail", args=[payment.pk]),
    }
    return render(request, "orders/payment_decide.html", context, status=422 if form.errors else 200)


@require_http_methods(["GET", "HEAD", "POST"])
@staff_page("orders.sell")
def order_came(request: HttpRequest, pk: int) -> HttpResponse:
    """Record money for an order as it came, whatever the order is; what follows is said at once."""
    order = get_object_or_404(Order.objects.select_related("customer"), pk=pk)
    if request.method == "POST":
        form = ArrivalForm(request.POST)
        if form.is_valid():
            try:
                payment = record_what_came(order=order, by=person(request), **form.cleaned_data)
            except PaymentRefused as error:
                form.add_error(error.field if error.field in form.fields else None, error.message)
            else:
                return _answer_arrival(request, payment)
    else:
        typed = {name: request.GET[name][:120] for name in _WORDS if request.GET.get(name)}
        form = ArrivalForm(initial={"currency": order.currency, "form_key": uuid.uuid4(), **typed})
    context = {
        "form": form,
        "order": order,
        "title": _("Record what came for %(number)s") % {"number": order.number},
        "consequences": [
            _("The amount is recorded as it came, in whatever currency; nothing is bought before the total is there."),
            _("What the order does not need is owed back to the customer, and shows until it is made."),
            _("What does not fit waits in the list of payments until somebody decides."),
        ],
        "action": _("Record what came"),
        "danger": False,
        "cancel_url": reverse("order-detail", args=[order.pk]),
    }
    return render(request, "orders/decide.html", context, status=422 if form.errors else 200)


def _answer_arrival(request: HttpRequest, payment: Payment) -> HttpResponse:
    if payment.attention:
        messages.warning(request, _("Recorded. It does not fit to the order: the order's page says what to do."))
    else:
        messages.success(request, _("The payment is recorded; the eSIMs are being bought."))
    return redirect("order-detail", payment.order_id)


def _find_payment(pk: int) -> Payment:
    return get_object_or_404(Payment.objects.select_related("order__customer", "recorded_by"), pk=pk)


def _possible(payment: Payment) -> Sequence[Mapping[str, Any]]:
    return [
        {"decision": decision, "url": reverse("payment-decide", args=[payment.pk, name])}
        for name, decision in PAYMENT_DECISIONS.items()
        if decision.is_possible(payment)
    ]
