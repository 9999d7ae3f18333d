"""What staff can decide about a refund that hangs at the payment service, with the page for it."""

from collections.abc import Mapping

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods

from customers.access import staff_page
from orders.card import deciding
from orders.forms_decisions import ReasonForm, WentThroughForm
from orders.models import Refund
from orders.refunds import RefundRefused
from orders.selectors.refunds import with_purpose
from orders.views.decisions import Decision
from orders.views.requests import person

REFUND_DECISIONS: Mapping[str, Decision] = {
    "went-through": Decision(
        label=gettext_lazy("It went through"),
        hint=gettext_lazy("The service's own pages show that the money went back."),
        title=gettext_lazy("Decide that this refund went through?"),
        consequences=(
            gettext_lazy("The payment service is asked first, if it can be: what it says counts, not this decision."),
            gettext_lazy("The refund is made: nothing is owed any more, and nothing more is sent."),
            gettext_lazy("If the service says later that it failed, it is due again."),
        ),
        form=WentThroughForm,
        verb=deciding.declare_refunded,
        is_possible=deciding.may_decide_refund,
        done=gettext_lazy("Decided. The order's page shows what became of the refund."),
    ),
    "not-paid": Decision(
        label=gettext_lazy("It did not go through"),
        hint=gettext_lazy("The service's own pages show no refund, or it is cancelled there."),
        title=gettext_lazy("Decide that this refund did not go through?"),
        consequences=(
            gettext_lazy("The payment service is asked first, if it can be: what it says counts, not this decision."),
            gettext_lazy("Cancel it in the service's own pages before, or the customer may be paid back twice."),
            gettext_lazy("The refund is due again: it can be paid back by hand, or by card anew."),
            gettext_lazy("If the service says later that it went through, that is recorded and shown."),
        ),
        form=ReasonForm,
        verb=deciding.declare_not_refunded,
        is_possible=deciding.may_decide_refund,
        done=gettext_lazy("Decided. The order's page shows what became of the refund."),
        danger=True,
    ),
}


@require_http_methods(["GET", "HEAD", "POST"])
@staff_page("orders.refund")
def refund_decide(request: HttpRequest, pk: int, decision: str) -> HttpResponse:
    """What the decision will do, its form, and the decision itself."""
    chosen = REFUND_DECISIONS.get(decision)
    if chosen is None:
        raise Http404
    refund = get_object_or_404(with_purpose(Refund.objects.select_related("order__customer")), pk=pk)
    form = chosen.form(request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        try:
            chosen.verb(refund=refund, by=person(request), **form.cleaned_data)
        except RefundRefused as error:
            form.add_error(error.field if error.field in form.fields else None, error.message)
        else:
            messages.success(request, str(chosen.done))
            return redirect("order-detail", refund.order_id)
    elif request.method != "POST" and not chosen.is_possible(refund):
        words = {"state": refund.get_state_display()}
        messages.info(request, _("There is nothing to decide now: this refund is “%(state)s”.") % words)
        return redirect("refund-list")
    context = {
        "form": form,
        "refund": refund,
        "order": refund.order,
        "title": chosen.title,
        "consequences": chosen.consequences,
        "action": chosen.label,
        "danger": chosen.danger,
        "cancel_url": f"{reverse('refund-list')}?state={Refund.State.SENDING}",
    }
    return render(request, "orders/decide.html", context, status=422 if form.errors else 200)
