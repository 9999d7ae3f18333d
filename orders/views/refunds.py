"""Money that is owed back, and that it went back."""

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe

from customers.access import staff_page
from orders.card.deciding import may_decide_refund
from orders.card.refunds import find_card_to_refund
from orders.credit import may_refund_to_credit
from orders.forms_decisions import RefundForm
from orders.models import Refund
from orders.refunds import RefundRefused, record_refund_made
from orders.selectors.cards import warn_of_charge_backs
from orders.selectors.refunds import count_due, find_refunds, with_purpose
from orders.views.requests import person

PAGE_SIZE = 50


@require_safe
@staff_page("orders.view_refund")
def refund_list(request: HttpRequest) -> HttpResponse:
    state = request.GET.get("state", Refund.State.DUE)
    state = state if state in Refund.State.values else Refund.State.DUE
    page = Paginator(find_refunds(state), PAGE_SIZE).get_page(request.GET.get("page"))
    hanging = {refund.pk for refund in page.object_list if may_decide_refund(refund)}
    states = Refund.State.choices
    context = {"state": state, "states": states, "page": page, "due": count_due(), "hanging": hanging}
    return render(request, "orders/refunds.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@staff_page("orders.refund")
def refund_made(request: HttpRequest, pk: int) -> HttpResponse:
    """How the money went back; the second click finds it recorded."""
    refund = get_object_or_404(with_purpose(Refund.objects.select_related("order__customer")), pk=pk)
    form = RefundForm(
        request.POST if request.method == "POST" else None,
        initial={"shown": refund.amount},
        to_credit=may_refund_to_credit(refund.order),
    )
    if request.method == "POST" and form.is_valid():
        # What the person saw, and paid out: the verb compares it with what is owed by now.
        refund.amount = form.cleaned_data.pop("shown")
        try:
            record_refund_made(refund=refund, by=person(request), **form.cleaned_data)
        except RefundRefused as error:
            refund.refresh_from_db(fields=["amount", "state"])
            form.data = {**request.POST.dict(), "shown": str(refund.amount)}
            form.add_error(error.field if error.field in form.fields else None, error.message)
        else:
            messages.success(request, _("The refund is recorded."))
            return redirect("refund-list")
    elif request.method != "POST" and refund.state != Refund.State.DUE:
        messages.info(
            request, _("Nothing is due any more: this refund is “%(state)s”.") % {"state": refund.get_state_display()}
        )
        return redirect("refund-list")
    context = {
        "form": form,
        "refund": refund,
        "order": refund.order,
        "title": _("Record that the refund was made"),
        "card_url": reverse("refund-card", args=[refund.pk]) if find_card_to_refund(refund) else "",
        "consequences": [
            *warn_of_charge_backs(refund.order),
            _("Roamdesk moves no money: pay the customer back first, then record it here."),
            _("The order's timeline says who recorded it. It cannot be taken back."),
        ],
        "action": _("The money went back"),
        "danger": False,
        "cancel_url": reverse("refund-list"),
    }
    return render(request, "orders/decide.html", context, status=422 if form.errors else 200)
