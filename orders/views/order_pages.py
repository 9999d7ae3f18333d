"""The list of orders and the page of one order, which fills in live while its eSIMs are being bought."""

import hashlib
import uuid
from datetime import timedelta
from typing import Any

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from customers.access import is_partial, staff_page
from customers.lists import read_list
from orders.amounts import write_amount
from orders.capturing import count_captured, count_outstanding
from orders.checkout import CheckoutRefused, cancel_order
from orders.expiring import ExtensionRefused, extend_order
from orders.forms import OrderFilterForm
from orders.forms_decisions import ReasonForm
from orders.forms_money import ExtensionForm
from orders.forms_sale import PaymentForm
from orders.list_pages import ORDERS
from orders.models import Order
from orders.payments import PaymentRefused
from orders.selectors.cards import read_card_panel
from orders.selectors.credit import find_credit
from orders.selectors.notifications import notifications_of
from orders.selectors.order_list import find_orders, list_rows
from orders.selectors.order_page import OrderPage, order_esims, read_order_page
from orders.selling import pay_order
from orders.views.requests import person, read_id

PAGE_SIZE = 50


@require_safe
@staff_page("orders.view_order")
def order_list(request: HttpRequest) -> HttpResponse:
    state = read_list(ORDERS, request)
    if state.first_address:
        return redirect(state.first_address)
    form = OrderFilterForm(request.GET)
    customer_id = read_id(request.GET.get("customer", ""))
    wanted = form.read_filter(customer_id)
    page = state.read_page(find_orders(wanted), size=PAGE_SIZE)
    context = {"list": state, "form": form, "wanted": wanted, "page": page, "rows": list_rows(page.rows)}
    return render(request, "orders/list.html", context)


@require_safe
@staff_page("orders.view_order")
def order_detail(request: HttpRequest, pk: int) -> HttpResponse:
    return _show_order(request, _find_order(pk))


@require_safe
@staff_page("orders.view_order")
def order_live(request: HttpRequest, pk: int) -> HttpResponse:
    """The part of the page that changes while the order is bought; 204 while it is as the page shows it."""
    order = _find_order(pk)
    if not is_partial(request):
        return redirect("order-detail", order.pk)
    context = _live_context(request, read_order_page(order))
    if request.GET.get("seen") == context["seen"]:
        return HttpResponse(status=204)
    return render(request, "orders/_live_answer.html", context)


@require_safe
@staff_page("orders.view_order")
def order_esim_list(request: HttpRequest, pk: int) -> HttpResponse:
    """All eSIMs of an order, in pages."""
    order = _find_order(pk)
    page = Paginator(order_esims(order), PAGE_SIZE).get_page(request.GET.get("page"))
    return render(request, "orders/esims.html", {"order": order, "page": page})


@require_POST
@staff_page("orders.sell")
def order_pay(request: HttpRequest, pk: int) -> HttpResponse:
    """Record that the customer paid what is outstanding; the form's key makes it one payment."""
    order = _find_order(pk)
    form = PaymentForm(request.POST, credit=find_credit(order.customer, order.currency))
    if not form.is_valid():
        return _show_order(request, order, payment_form=form, status=422)
    try:
        pay_order(order=order, currency=order.currency, by=person(request), **form.cleaned_data)
    except PaymentRefused as error:
        order.refresh_from_db(fields=["state"])
        if order.state != Order.State.UNPAID:
            messages.error(request, error.message)
            return redirect("order-detail", order.pk)
        form.add_error(error.field if error.field in form.fields else None, error.message)
        return _show_order(request, order, payment_form=form, status=422)
    messages.success(request, _("The payment is recorded; the eSIMs are being bought."))
    return redirect("order-detail", order.pk)


@require_http_methods(["GET", "HEAD", "POST"])
@staff_page("orders.sell")
def order_cancel(request: HttpRequest, pk: int) -> HttpResponse:
    """Ask once more, then cancel an order that nobody has paid."""
    order = _find_order(pk)
    form = ReasonForm(request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        try:
            cancel_order(order=order, by=person(request), why=form.cleaned_data["why"])
        except CheckoutRefused as error:
            form.add_error(None, error.message)
        else:
            messages.success(request, _("Order %(number)s is cancelled.") % {"number": order.number})
            return redirect("order-detail", order.pk)
    context = {
        "form": form,
        "order": order,
        "title": _("Cancel order %(number)s?") % {"number": order.number},
        "consequences": [
            _("The order stays in the list as cancelled; it cannot be paid or bought any more."),
            _("Nothing was bought for it. What came of its total is owed back: a refund becomes due.")
            if count_captured(order)
            else _("Nothing was bought for it and no money is recorded, so no refund is due."),
        ],
        "action": _("Cancel the order"),
        "danger": True,
        "cancel_url": reverse("order-detail", args=[order.pk]),
    }
    return render(request, "orders/decide.html", context, status=422 if form.errors else 200)


@require_http_methods(["GET", "HEAD", "POST"])
@staff_page("orders.sell")
def order_extend(request: HttpRequest, pk: int) -> HttpResponse:
    """Let an order wait longer for its payment."""
    order = _find_order(pk)
    form = ExtensionForm(request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        until = timezone.now() + timedelta(days=form.cleaned_data["days"])
        try:
            extend_order(order=order, until=until, why=form.cleaned_data["why"], by=person(request))
        except ExtensionRefused as error:
            form.add_error(error.field if error.field in form.fields else None, error.message)
        else:
            messages.success(request, _("Order %(number)s waits longer.") % {"number": order.number})
            return redirect("order-detail", order.pk)
    context = {
        "form": form,
        "order": order,
        "title": _("Let order %(number)s wait longer?") % {"number": order.number},
        "consequences": [
            _("It may be paid until then, at its price; nothing is bought before."),
            _("Unpaid until then it expires by itself."),
        ],
        "action": _("Wait longer"),
        "danger": False,
        "cancel_url": reverse("order-detail", args=[order.pk]),
    }
    return render(request, "orders/decide.html", context, status=422 if form.errors else 200)


def _find_order(pk: int) -> Order:
    return get_object_or_404(Order.objects.select_related("customer", "created_by"), pk=pk)


def _show_order(
    request: HttpRequest, order: Order, *, payment_form: PaymentForm | None = None, status: int = 200
) -> HttpResponse:
    context = _live_context(request, read_order_page(order))
    # Paid in full and not bought: a decision about the payment is needed then, not another payment.
    takes_payment = order.state == Order.State.UNPAID and (context["page"].outstanding or not order.total)
    context["notifications"] = notifications_of(order_id=order.pk)
    if takes_payment and request.user.has_perm("orders.sell"):
        context["payment_form"] = payment_form or PaymentForm(
            initial={"amount": write_amount(count_outstanding(order), order.currency), "form_key": uuid.uuid4()},
            credit=find_credit(order.customer, order.currency),
        )
    return render(request, "orders/detail.html", context, status=status)


def _live_context(request: HttpRequest, page: OrderPage) -> dict[str, Any]:
    return {
        "page": page,
        "order": page.order,
        "card": read_card_panel(page),
        "card_key": uuid.uuid4(),
        "seen": _digest(page),
        "shows_codes": request.user.has_perm("esims.reveal_codes"),
        "sees_cost": request.user.has_perm("catalog.set_price"),
    }


def _digest(page: OrderPage) -> str:
    """Changes when something that the live part shows does, but for the clock."""
    parts: list[object] = [page.order.state, page.is_open, page.esim_count, page.refunds_due, len(page.events)]
    parts += [page.events[0].at] if page.events else []
    parts += [
        (look.purchase.pk, look.purchase.state, look.purchase.next_attempt_at, look.purchase.attention, look.delivered)
        for look in page.purchases
    ]
    parts += [(esim.pk, esim.state, bool(esim.lpa)) for esim in page.esims]
    parts += [(refund.pk, refund.state, refund.amount) for refund in page.refunds]
    parts += [(line.pk, line.order.state) for line in page.replacements]
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:16]
