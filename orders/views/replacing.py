"""The page on which a faulty line is replaced, free of charge."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from customers.access import NothingHere, staff_page
from esims.action_rules import action_label
from esims.action_words import money_words
from esims.models import Esim
from esims.page import find_line
from orders.forms_replacing import ReplaceForm
from orders.giving_back import count_given, find_sold
from orders.models import Order
from orders.replacing import (
    PERMISSION,
    PRICE_SOURCE,
    Choices,
    ReplacementRefused,
    count_promised,
    find_choices,
    list_endings,
    replace_line,
    why_not_replaceable,
)
from orders.views.requests import person
from providers.types import Capability


@require_http_methods(["GET", "HEAD", "POST"])
@staff_page(PERMISSION)
def esim_replace(request: HttpRequest, pk: int) -> HttpResponse:
    """What is given in the line's place, why, and what becomes of the line; then it is bought at once."""
    esim = find_line(pk)
    if esim is None:
        raise NothingHere(_("No such line is in our books."))
    if request.method == "POST" and (placed := _find_placed(request, esim)) is not None:
        return _leave(request, placed, esim)
    if refusal := why_not_replaceable(esim):
        messages.error(request, refusal)
        return redirect("esim-detail", esim.pk)
    choices = find_choices(esim)
    form = ReplaceForm(
        request.POST if request.method == "POST" else None,
        choices=choices.plans,
        endings=_describe_endings(request, esim),
    )
    if request.method == "POST" and form.is_valid():
        said = form.cleaned_data
        try:
            order = replace_line(
                esim=esim,
                plan=said["plan"],
                reason=said["why"],
                checkout_key=said["checkout_key"],
                by=person(request),
                end_by=said["old_line"],
            )
        except ReplacementRefused as error:
            form.add_error(error.field if error.field in form.fields else None, error.message)
        else:
            text = _("Order %(number)s replaces the line, free of charge; it is being bought.")
            messages.success(request, text % {"number": order.number})
            return _leave(request, order, esim)
    return _render(request, esim, choices, form)


def _leave(request: HttpRequest, order: Order, esim: Esim) -> HttpResponse:
    """To the new order, or back to the line for those who may not see orders."""
    if request.user.has_perm("orders.view_order"):
        return redirect("order-detail", order.pk)
    return redirect("esim-detail", esim.pk)


def _render(request: HttpRequest, esim: Esim, choices: Choices, form: ReplaceForm) -> HttpResponse:
    consequences = [
        _("Another eSIM is bought for the customer at once, by an order of its own. They pay nothing for it."),
        _("What it costs us is our loss, and shows as that on the new order."),
        _("Both orders and both lines name each other. The old line can no longer be topped up."),
    ]
    purchase = find_sold(esim)
    context = {
        "esim": esim,
        "choices": choices,
        "given": count_given(purchase, esim) if purchase is not None else None,
        "promised": count_promised(purchase, esim) if purchase is not None else None,
        "form": form if choices.plans else None,
        "title": _("Replace this line"),
        "consequences": consequences,
        "sees_cost": request.user.has_perm("catalog.set_price"),
        "action": _("Replace it"),
        "danger": False,
        "cancel_label": _("Leave it as it is"),
        "cancel_url": reverse("esim-detail", args=[esim.pk]),
    }
    return render(request, "orders/replace.html", context, status=422 if form.errors else 200)


def _describe_endings(request: HttpRequest, esim: Esim) -> list[tuple[Capability, str]]:
    """How the old line may be ended, each with what the provider gives us back for it."""
    now = timezone.now()
    return [
        (
            capability,
            _("%(action)s, now. %(money)s")
            % {"action": action_label(capability), "money": money_words(capability, esim, package, now=now)},
        )
        for capability, package in list_endings(esim, person(request))
    ]


def _find_placed(request: HttpRequest, esim: Esim) -> Order | None:
    """The order that this very form gave before."""
    form = ReplaceForm({"checkout_key": request.POST.get("checkout_key", "")}, choices=(), endings=())
    form.is_valid()
    key = form.cleaned_data.get("checkout_key")
    if key is None:
        return None
    return Order.objects.filter(checkout_key=key, lines__replaces=esim, lines__price_source=PRICE_SOURCE).first()
