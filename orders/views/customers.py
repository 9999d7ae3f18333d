"""A customer with orders and eSIMs; the forms about a customer are in ``customers``."""

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_safe

from catalog.countries import country_name
from customers.access import staff_page
from customers.models import Customer
from orders.selectors.customer_page import read_customer_page
from orders.selectors.notifications import notifications_of
from providers.registry import configured_accounts, offers
from providers.types import Capability


@require_safe
@staff_page("customers.view_customer")
def customer_detail(request: HttpRequest, pk: int) -> HttpResponse:
    customer = get_object_or_404(Customer.objects.select_related("created_by", "user"), pk=pk)
    context = {
        "customer": customer,
        "page": read_customer_page(customer),
        "notifications": notifications_of(customer_id=customer.pk),
        "takes_forms": any(offers(slug, Capability.LINE_ACTIVATION) for slug in configured_accounts()),
        "country_name": country_name(customer.country) if customer.country else "",
        "language_name": dict(settings.LANGUAGES).get(customer.language, customer.language),
    }
    return render(request, "orders/customer.html", context)
