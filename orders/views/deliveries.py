"""Webhook deliveries: the list, one with its body, and trying it again."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from customers.access import staff_page
from customers.lists import read_list
from orders.inbox import RetryRefused, retry_delivery
from orders.list_pages import DELIVERIES, read_delivery_filter
from orders.selectors.deliveries import account_choices, count_waiting, find_deliveries, read_body
from orders.views.requests import person
from providers.models import WebhookDelivery

PAGE_SIZE = 50


@require_safe
@staff_page("providers.view_webhookdelivery")
def delivery_list(request: HttpRequest) -> HttpResponse:
    state = read_list(DELIVERIES, request)
    if state.first_address:
        return redirect(state.first_address)
    wanted = read_delivery_filter(request.GET)
    page = state.read_page(find_deliveries(wanted), size=PAGE_SIZE)
    waiting = count_waiting()
    context = {
        "list": state,
        "page": page,
        "wanted": wanted,
        "states": [
            (value, label, waiting.get(value)) for value, label in (("", _("all")), *WebhookDelivery.State.choices)
        ],
        "accounts": account_choices(),
    }
    return render(request, "deliveries/list.html", context)


@require_safe
@staff_page("providers.view_webhookdelivery")
def delivery_detail(request: HttpRequest, pk: int) -> HttpResponse:
    delivery = get_object_or_404(WebhookDelivery.objects.select_related("account").defer("body"), pk=pk)
    context = {
        "delivery": delivery,
        "body": read_body(delivery),
        "may_retry": request.user.has_perm("providers.handle_delivery") and delivery.state != WebhookDelivery.State.NEW,
    }
    return render(request, "deliveries/detail.html", context)


@require_POST
@staff_page("providers.handle_delivery")
def delivery_retry(request: HttpRequest, pk: int) -> HttpResponse:
    """Have it worked off once more."""
    delivery = get_object_or_404(WebhookDelivery.objects.defer("body"), pk=pk)
    try:
        retry_delivery(delivery=delivery, by=person(request))
    except RetryRefused as refused:
        messages.info(request, refused.message)
    else:
        messages.success(request, _("The delivery is worked off again."))
    return redirect("delivery-detail", delivery.pk)
