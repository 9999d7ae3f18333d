"""Payments by card on the order's page, and refunds that go back to the card."""

from uuid import UUID

from django.contrib import messages
from django.core.exceptions import ImproperlyConfigured
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from customers.access import is_partial, staff_page
from orders.amounts import say_amount
from orders.card.gateway import CardServiceError
from orders.card.payments import give_up_card_payment, look_at_card_payment, start_card_payment
from orders.card.refunds import find_card_to_refund, pay_back_by_card
from orders.forms_decisions import EmptyForm
from orders.models import Order, Payment, Refund
from orders.payments import PaymentRefused
from orders.refunds import RefundRefused
from orders.selectors.cards import read_card_panel, warn_of_charge_backs
from orders.selectors.order_page import read_order_page
from orders.selectors.refunds import with_purpose
from orders.views.requests import person


@require_safe
@staff_page("orders.view_order")
def order_card(request: HttpRequest, pk: int) -> HttpResponse:
    """The part of the order's page about its open card payment; 204 while it is as shown, a new page when it ended."""
    order = get_object_or_404(Order.objects.select_related("customer", "created_by"), pk=pk)
    if not is_partial(request):
        return redirect("order-detail", order.pk)
    panel = read_card_panel(read_order_page(order))
    if panel.payment is None:
        return HttpResponse(status=204, headers={"HX-Refresh": "true"})
    if request.GET.get("seen") == panel.digest:
        return HttpResponse(status=204)
    return render(request, "orders/_card.html", {"order": order, "card": panel})


@require_POST
@staff_page("orders.sell")
def order_card_ask(request: HttpRequest, pk: int) -> HttpResponse:
    """Ask the customer to pay by card; the second click finds the open payment."""
    order = get_object_or_404(Order, pk=pk)
    try:
        payment = start_card_payment(order=order, form_key=_read_key(request), by=person(request))
    except PaymentRefused as error:
        messages.error(request, error.message)
    else:
        if payment.intent_id:
            messages.success(request, _("The customer can pay by card now."))
        elif payment.state == Payment.State.FAILED:
            messages.error(request, _("The payment service refused the payment."))
        else:
            messages.info(request, _("The payment service has not answered yet; it is asked again by itself."))
    return redirect("order-detail", order.pk)


@require_POST
@staff_page("orders.sell")
def card_payment_look(request: HttpRequest, pk: int) -> HttpResponse:
    """Ask the service now what became of a payment."""
    payment = _find_card_payment(pk)
    seen = look_at_card_payment(payment=payment, by=person(request).email)
    if seen.state == Payment.State.PENDING:
        messages.info(request, _("The payment is still open."))
    else:
        messages.success(request, _("The payment is “%(state)s”.") % {"state": seen.get_state_display()})
    return redirect("order-detail", payment.order_id)


@require_http_methods(["GET", "HEAD", "POST"])
@staff_page("orders.sell")
def card_payment_give_up(request: HttpRequest, pk: int) -> HttpResponse:
    """Ask once more, then cancel it at the service."""
    payment = _find_card_payment(pk)
    if request.method == "POST":
        try:
            seen = give_up_card_payment(payment=payment, by=person(request).email)
        except (CardServiceError, ImproperlyConfigured):
            messages.error(request, _("The payment service did not cancel it: it stays open."))
        else:
            messages.success(request, _("The payment is “%(state)s”.") % {"state": seen.get_state_display()})
        return redirect("order-detail", payment.order_id)
    context = {
        "form": EmptyForm(),
        "order": payment.order,
        "title": _("Give up the card payment of order %(number)s?") % {"number": payment.order.number},
        "consequences": [
            _("It is cancelled at the payment service: the customer cannot pay it any more."),
            _("If the customer has paid meanwhile, the money counts all the same."),
        ],
        "action": _("Give it up"),
        "danger": True,
        "cancel_url": reverse("order-detail", args=[payment.order_id]),
    }
    return render(request, "orders/decide.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@staff_page("orders.refund")
def refund_card(request: HttpRequest, pk: int) -> HttpResponse:
    """Pay a refund back to the card that paid; the second click finds it under way."""
    refund = get_object_or_404(with_purpose(Refund.objects.select_related("order__customer")), pk=pk)
    form = EmptyForm(request.POST if request.method == "POST" else None)
    if request.method == "POST":
        try:
            done = pay_back_by_card(refund=refund, by=person(request))
        except RefundRefused as error:
            form.add_error(None, error.message)
        else:
            _tell(request, done)
            return redirect("order-detail", refund.order_id)
    elif refund.state != Refund.State.DUE:
        words = {"state": refund.get_state_display()}
        messages.info(request, _("Nothing is due any more: this refund is “%(state)s”.") % words)
        return redirect("refund-list")
    payment = find_card_to_refund(refund)
    amount = {"amount": say_amount(refund.amount, refund.currency)}
    if payment is None and not form.errors:
        messages.info(request, _("No card payment has %(amount)s left to be paid back.") % amount)
        return redirect("refund-made", refund.pk)
    reference = {**amount, "reference": payment.reference if payment else ""}
    context = {
        "form": form,
        "refund": refund,
        "order": refund.order,
        "title": _("Pay back by card?"),
        "consequences": [
            *warn_of_charge_backs(refund.order),
            _("%(amount)s go back to the card of the payment %(reference)s.") % reference,
            _("The payment service moves the money; it cannot be taken back."),
        ],
        "action": _("Pay back by card"),
        "danger": False,
        "cancel_url": reverse("refund-list"),
    }
    return render(request, "orders/decide.html", context, status=422 if form.errors else 200)


def _tell(request: HttpRequest, refund: Refund) -> None:
    if refund.state == Refund.State.MADE:
        messages.success(request, _("The money is on its way to the card: the refund is made."))
    elif refund.state == Refund.State.SENDING:
        messages.info(request, _("The refund is on its way; the payment service has not said yet that it is made."))
    else:
        messages.error(request, _("The payment service did not pay it back: it is due again."))


def _find_card_payment(pk: int) -> Payment:
    return get_object_or_404(Payment.objects.select_related("order__customer"), pk=pk, method=Payment.Method.CARD)


def _read_key(request: HttpRequest) -> UUID:
    """The form's key. Raises ``PaymentRefused`` for what is none."""
    try:
        return UUID(request.POST.get("form_key", ""))
    except ValueError as error:
        raise PaymentRefused(_("This form was sent before, with other contents. Open the order again.")) from error
