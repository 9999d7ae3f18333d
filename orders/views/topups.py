"""The page on which a line is topped up: what fits now, its rules, its price, and the payment."""

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from customers.access import staff_page
from esims.install import top_up_rules
from esims.models import Esim
from orders.checkout import CheckoutRefused
from orders.forms_sale import read_payment
from orders.forms_topup import TopUpForm, write_choice
from orders.models import Order
from orders.payments import PaymentRefused
from orders.selectors.credit import find_credit
from orders.topups import TopUpChoice, TopUpsUnknown, find_top_ups, sell_top_up
from orders.views.requests import person


@require_http_methods(["GET", "HEAD", "POST"])
@staff_page("orders.sell")
def esim_top_up(request: HttpRequest, pk: int) -> HttpResponse:
    """Ask the provider what fits, show it with its rules before anything is paid, and sell it."""
    esim = get_object_or_404(Esim.objects.select_related("account", "plan", "customer"), pk=pk)
    if request.method == "POST" and (placed := _find_placed(request)):
        # The same form again: it is answered with its order, whatever fits now.
        return redirect("order-detail", placed.pk)
    try:
        choices = find_top_ups(esim=esim)
    except TopUpsUnknown as error:
        return _render(request, esim, [], None, problem=error, status=200 if request.method != "POST" else 409)
    if request.method != "POST":
        return _render(request, esim, choices, TopUpForm(choices=choices, credit=find_credit(esim.customer)))
    form = TopUpForm(request.POST, choices=choices, credit=find_credit(esim.customer))
    if not form.is_valid():
        return _render(request, esim, choices, form, status=422)
    return _sell(request, esim, choices, form)


def _sell(request: HttpRequest, esim: Esim, choices: list[TopUpChoice], form: TopUpForm) -> HttpResponse:
    given = form.cleaned_data
    plan, price = given["package"]
    days = given.get("period_days")
    payment = read_payment(given)
    try:
        order = sell_top_up(
            esim=esim,
            plan=plan,
            checkout_key=given["checkout_key"],
            expected_price=price * (days or 1),
            by=person(request),
            period_days=days,
            payment=payment,
            note=given["note"],
        )
    except (CheckoutRefused, PaymentRefused) as error:
        form.add_error(error.field if error.field in form.fields else None, error.message)
        return _render(request, esim, choices, form, status=409 if error.field == "price" else 422)
    if payment is None:
        text = _("Order %(number)s is placed. Nothing is bought until it is paid.")
    else:
        text = _("Order %(number)s is paid; the line is being topped up.")
    messages.success(request, text % {"number": order.number})
    return redirect("order-detail", order.pk)


def _find_placed(request: HttpRequest) -> Order | None:
    key = request.POST.get("checkout_key", "")
    form = TopUpForm({"checkout_key": key}, choices=[])
    form.is_valid()
    checkout_key = form.cleaned_data.get("checkout_key")
    return Order.objects.filter(checkout_key=checkout_key).first() if checkout_key else None


def _render(
    request: HttpRequest,
    esim: Esim,
    choices: list[TopUpChoice],
    form: TopUpForm | None,
    *,
    problem: TopUpsUnknown | None = None,
    status: int = 200,
) -> HttpResponse:
    chosen = form["package"].value() if form is not None else None
    context: dict[str, Any] = {
        "esim": esim,
        "form": form,
        "rows": [
            {"choice": choice, "value": write_choice(choice.plan), "is_chosen": write_choice(choice.plan) == chosen}
            for choice in choices
        ],
        "problem": problem,
        "rules": top_up_rules(esim),
        "sees_cost": request.user.has_perm("catalog.set_price"),
        "back_url": reverse("esim-detail", args=[esim.pk]),
    }
    return render(request, "orders/top_up.html", context, status=status)
