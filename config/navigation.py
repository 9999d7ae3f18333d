"""The console's navigation: what there is, and who sees it."""

from collections.abc import Sequence
from dataclasses import dataclass

from django.http import HttpRequest
from django.urls import NoReverseMatch, reverse
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _


@dataclass(frozen=True, slots=True)
class Entry:
    name: str
    label: Promise
    icon: str
    #: "app.codename"; "" for every member of staff.
    permission: str = ""
    #: Starts a new group of the list.
    starts_group: bool = False


ENTRIES = (
    Entry("dashboard", _("Dashboard"), "home"),
    Entry("order-list", _("Orders"), "orders", "orders.view_order", starts_group=True),
    Entry("bulk-order-list", _("Bulk orders"), "orders", "orders.view_bulkorder"),
    Entry("esim-list", _("eSIMs"), "sim", "esims.view_esim"),
    Entry("customer-list", _("Customers"), "people", "customers.view_customer"),
    Entry("plan-list", _("Catalogue"), "catalogue", "catalog.view_plan"),
    Entry("device-list", _("Devices"), "phone", "catalog.view_devicemodel"),
    Entry("purchase-queue", _("Reconciliation"), "queue", "orders.view_purchase", starts_group=True),
    Entry("difference-list", _("Differences"), "compare", "orders.view_difference"),
    Entry("activation-list", _("Activations"), "phone", "orders.view_purchase"),
    Entry("completion-list", _("Completion files"), "download", "orders.view_completionimport"),
    Entry("payment-queue", _("Payments"), "queue", "orders.view_payment"),
    Entry("refund-list", _("Refunds"), "refund", "orders.view_refund"),
    Entry("credit-list", _("Credit"), "people", "orders.view_creditaccount"),
    Entry("dispute-list", _("Disputes"), "refund", "orders.view_dispute"),
    Entry("payment-delivery-list", _("Payment calls"), "queue", "orders.view_paymentdelivery"),
    Entry("sync-run-list", _("Sync runs"), "sync", "catalog.view_syncrun"),
    Entry("notification-list", _("Notifications"), "mail", "orders.view_notification"),
    Entry("delivery-list", _("Webhooks"), "queue", "providers.view_webhookdelivery"),
    Entry("provider-list", _("Providers"), "provider", "providers.view_provideraccount"),
    Entry("staff-list", _("Staff"), "people", "customers.view_user"),
    Entry("admin:index", _("Admin"), "admin", starts_group=True),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    label: Promise
    icon: str
    url: str
    is_current: bool
    starts_group: bool


def items_for(request: HttpRequest) -> Sequence[Item]:
    """Entries whose page exists and that the person may open; none for people who are no staff."""
    user = getattr(request, "user", None)
    if user is None or not user.is_staff:
        return ()
    items = []
    for entry in ENTRIES:
        if entry.permission and not user.has_perm(entry.permission):
            continue
        try:
            url = reverse(entry.name)
        except NoReverseMatch:
            continue
        is_current = request.path == url or (url != "/" and request.path.startswith(url))
        items.append(
            Item(label=entry.label, icon=entry.icon, url=url, is_current=is_current, starts_group=entry.starts_group)
        )
    return items
