"""Deciding that a customer gets money back for what was delivered, and that they do not after all."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from customers.access import NothingHere, staff_page
from esims.page import find_line
from orders.forms_decisions import ReasonForm
from orders.forms_returns import GiveBackForm, show_left
from orders.giving_back import (
    PERMISSION,
    count_given,
    drop_return,
    find_instead,
    has_due_return,
    list_sold,
    owe_return,
    why_nothing_left,
)
from orders.models import Refund
from orders.notice_refunds import is_told_of_refunds, say_told_of_refunds
from orders.refunds import RefundRefused
from orders.selectors.refunds import with_purpose
from orders.views.requests import person, read_id


@require_http_methods(["GET", "HEAD", "POST"])
@staff_page(PERMISSION)
def give_back(request: HttpRequest, pk: int) -> HttpResponse:
    """How much the customer gets back for a line, or for one of its top-ups (``?purchase=``), and why."""
    esim = find_line(pk)
    if esim is None:
        raise NothingHere(_("No such line is in our books."))
    sold = list_sold(esim)
    wanted = read_id(request.GET.get("purchase", "")) or (sold[0].pk if sold else None)
    purchase = next((one for one in sold if one.pk == wanted), None)
    if purchase is None:
        messages.error(request, _("No order of ours brought it: there is nothing to give back for it."))
        return redirect("esim-detail", esim.pk)
    given = count_given(purchase, esim)
    instead = find_instead(purchase, esim)
    form = GiveBackForm(
        request.POST if request.method == "POST" else None,
        given=given,
        initial={"replaced_by": instead.order_id if instead else None, "left": given.left},
    )
    if request.method == "POST" and form.is_valid():
        said = form.cleaned_data
        try:
            owe_return(
                purchase=purchase,
                esim=esim,
                amount=said["amount"],
                reason=said["why"],
                form_key=said["form_key"],
                by=person(request),
                replaced_by=said["replaced_by"],
                shown_left=said["left"],
            )
        except RefundRefused as error:
            show_left(form, given)
            form.add_error(error.field if error.field in form.fields else None, error.message)
        else:
            messages.success(request, _("It is owed back: it shows among the refunds until it is made."))
            return redirect("esim-detail", esim.pk)
    context = {
        "esim": esim,
        "purchase": purchase,
        "order": purchase.order_line.order,
        "sold": sold,
        "given": given,
        "instead": instead,
        "refusal": why_nothing_left(given),
        "is_due": has_due_return(purchase, esim),
        "form": form,
        "title": _("Give money back"),
        "consequences": [
            _("It is owed back to the customer and shows among the refunds until it is made. No money moves by this."),
            _("The line stays as it is: it is not ended by this, and the provider is asked for nothing."),
            _("While it is due it can be dropped again, with a reason."),
            *say_told_of_refunds(),
        ],
        "action": _("Owe it back"),
        "danger": False,
        "cancel_label": _("Leave it as it is"),
        "cancel_url": reverse("esim-detail", args=[esim.pk]),
    }
    return render(request, "orders/give_back.html", context, status=422 if form.errors else 200)


@require_http_methods(["GET", "HEAD", "POST"])
@staff_page(PERMISSION)
def refund_drop(request: HttpRequest, pk: int) -> HttpResponse:
    """Money that was promised is not owed after all."""
    refund = get_object_or_404(with_purpose(Refund.objects.select_related("order__customer")), pk=pk)
    form = ReasonForm(request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        try:
            drop_return(refund=refund, why=form.cleaned_data["why"], by=person(request))
        except RefundRefused as error:
            form.add_error(None, error.message)
        else:
            messages.success(request, _("It is no longer owed."))
            return redirect("order-detail", refund.order_id)
    elif request.method != "POST" and (refund.kind != Refund.Kind.RETURNED or refund.state != Refund.State.DUE):
        messages.info(request, _("Only what staff promised can be dropped, and only while it is due."))
        return redirect("order-detail", refund.order_id)
    context = {
        "form": form,
        "refund": refund,
        "order": refund.order,
        "title": _("Drop this refund"),
        "consequences": [
            _("The customer does not get this money back."),
            _("Whoever was told by a message that it is owed is told that it no longer is.")
            if is_told_of_refunds()
            else _("Tell them, if it was promised to them."),
        ],
        "action": _("Drop it"),
        "danger": True,
        "cancel_label": _("Leave it as it is"),
        "cancel_url": reverse("order-detail", args=[refund.order_id]),
    }
    return render(request, "orders/decide.html", context, status=422 if form.errors else 200)
