"""Provider accounts: what they can do, and how they are."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.views.decorators.http import require_safe

from customers.access import staff_page
from orders.selectors.accounts import list_accounts, read_account_page
from providers.models import ProviderAccount


@require_safe
@staff_page("providers.view_provideraccount")
def provider_list(request: HttpRequest) -> HttpResponse:
    return render(request, "providers/list.html", {"rows": list_accounts()})


@require_safe
@staff_page("providers.view_provideraccount")
def provider_detail(request: HttpRequest, slug: str) -> HttpResponse:
    account = get_object_or_404(ProviderAccount, slug=slug)
    context = {"account": account, "page": read_account_page(account), "sync_url": reverse("sync-start")}
    return render(request, "providers/detail.html", context)
