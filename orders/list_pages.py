"""The lists of orders, purchases and webhook deliveries; and every list of the console by its name."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from django.db.models import QuerySet
from django.http import QueryDict
from django.utils.translation import gettext as translated
from django.utils.translation import gettext_lazy as _

from customers.customer_list import CUSTOMERS
from customers.lists import Asked, BulkAction, BulkRefused, Column, ListPage, by_time
from esims.lists import LINES
from orders.checkout import CheckoutRefused, cancel_order
from orders.expiring import ExtensionRefused, extend_order
from orders.forms import OrderFilterForm, PurchaseFilterForm
from orders.inbox import RetryRefused, retry_delivery
from orders.models import Order, Purchase
from orders.reconciliation import ReconciliationRefused, is_possible, resume_purchase
from orders.selectors.deliveries import DeliveryFilter, find_deliveries
from orders.selectors.order_list import OrderRow, find_orders, list_rows
from orders.selectors.purchase_list import find_purchases
from orders.views.requests import read_id
from providers.models import WebhookDelivery

#: Orders that are let wait longer in bulk wait so long from the moment of asking.
MORE_DAYS = 3


# -- orders -----------------------------------------------------------------------------------------------------------


def _narrow_orders(words: QueryDict) -> QuerySet[Order]:
    return find_orders(OrderFilterForm(words).read_filter(read_id(words.get("customer", ""))))


def _load_orders(keys: Sequence[int]) -> QuerySet[Order]:
    return Order.objects.filter(pk__in=keys)


def _why_not_unpaid(order: Order) -> str:
    return "" if order.state == Order.State.UNPAID else translated("This order no longer waits for its payment.")


def _cancel(order: Order, asked: Asked) -> None:
    try:
        cancel_order(order=order, by=asked.by, why=asked.reason)
    except CheckoutRefused as refused:
        raise BulkRefused(refused.message) from refused


def _extend(order: Order, asked: Asked) -> None:
    try:
        extend_order(order=order, until=asked.at + timedelta(days=MORE_DAYS), why=asked.reason, by=asked.by)
    except ExtensionRefused as refused:
        raise BulkRefused(refused.message) from refused


def _email(row: OrderRow) -> str:
    return row.order.customer.email


ORDERS = ListPage(
    name="orders",
    label=_("Orders"),
    url_name="order-list",
    permission="orders.view_order",
    narrow=_narrow_orders,
    prepare=list_rows,
    load=_load_orders,
    sorts=by_time(),
    columns=(
        Column(name="number", label=_("Number"), value=lambda row: row.order.number),
        Column(name="customer", label=_("Customer"), value=lambda row: row.order.customer.name),
        Column(
            name="email",
            label=_("E-mail address"),
            value=_email,
            permission="customers.view_customer",
            is_usual=False,
        ),
        Column(name="plan", label=_("Plan"), value=lambda row: row.plan_name),
        Column(name="quantity", label=_("eSIMs"), value=lambda row: row.quantity),
        Column(name="delivered", label=_("Delivered"), value=lambda row: row.delivered, is_usual=False),
        Column(name="total", label=_("Total"), value=lambda row: row.order.total),
        Column(name="currency", label=_("Currency"), value=lambda row: row.order.currency, beside="total"),
        Column(name="state", label=_("State"), value=lambda row: str(row.order.get_state_display())),
        Column(name="paid", label=_("Paid"), value=lambda row: row.order.paid_at, is_usual=False),
        Column(name="taken", label=_("Taken"), value=lambda row: row.order.created_at),
    ),
    bulk=(
        BulkAction(
            name="extend",
            label=_("Let them wait longer"),
            permission="orders.sell",
            consequences=(_("Each order may be paid for three more days from now, at its price."),),
            why_not=_why_not_unpaid,
            run=_extend,
        ),
        BulkAction(
            name="cancel",
            label=_("Cancel the orders"),
            permission="orders.sell",
            consequences=(
                _("The orders stay in the list as cancelled; they cannot be paid or bought any more."),
                _("What came of their totals is owed back: refunds become due."),
            ),
            why_not=_why_not_unpaid,
            run=_cancel,
            danger=True,
        ),
    ),
)


# -- purchases --------------------------------------------------------------------------------------------------------


def _narrow_purchases(words: QueryDict) -> QuerySet[Purchase]:
    return find_purchases(PurchaseFilterForm(words).read_filter())


def _load_purchases(keys: Sequence[int]) -> QuerySet[Purchase]:
    return Purchase.objects.filter(pk__in=keys).select_related("account", "order_line")


def _why_not_resumed(purchase: Purchase) -> str:
    if is_possible(purchase, "resume_purchase"):
        return ""
    return translated("Only held purchases are resumed; this one is “%(state)s”.") % {
        "state": purchase.get_state_display()
    }


def _resume(purchase: Purchase, asked: Asked) -> None:
    try:
        resume_purchase(purchase=purchase, by=asked.by, why=asked.reason)
    except ReconciliationRefused as refused:
        raise BulkRefused(refused.message) from refused


def _order_of(purchase: Any) -> Order:
    order: Order = purchase.order_line.order
    return order


PURCHASES = ListPage(
    name="purchases",
    label=_("Purchases"),
    url_name="purchase-list",
    permission="orders.view_purchase",
    narrow=_narrow_purchases,
    load=_load_purchases,
    title=lambda row: row.idempotency_key,
    sorts=by_time(),
    columns=(
        Column(name="order", label=_("Order"), value=lambda row: _order_of(row).number),
        Column(name="customer", label=_("Customer"), value=lambda row: _order_of(row).customer.name),
        Column(name="account", label=_("Provider"), value=lambda row: row.account.name),
        Column(name="plan", label=_("Plan"), value=lambda row: row.order_line.plan_name),
        Column(name="quantity", label=_("eSIMs"), value=lambda row: row.quantity),
        Column(name="state", label=_("State"), value=lambda row: str(row.get_state_display())),
        Column(name="transaction", label=_("Transaction"), value=lambda row: row.transaction_id),
        Column(name="reference", label=_("Provider's order"), value=lambda row: row.provider_order_ref, is_usual=False),
        Column(name="key", label=_("Our key"), value=lambda row: row.idempotency_key, is_usual=False),
        Column(name="attempts", label=_("Attempts"), value=lambda row: row.attempts_made, is_usual=False),
        Column(name="error", label=_("Provider's code"), value=lambda row: row.error_code, is_usual=False),
        Column(
            name="cost",
            label=_("Unit cost"),
            value=lambda row: row.order_line.unit_cost,
            permission="catalog.set_price",
            is_usual=False,
        ),
        Column(
            name="cost_currency",
            label=_("Currency"),
            value=lambda row: row.order_line.cost_currency,
            permission="catalog.set_price",
            beside="cost",
        ),
        Column(name="planned", label=_("Planned"), value=lambda row: row.created_at),
        Column(name="finished", label=_("Finished"), value=lambda row: row.finished_at, is_usual=False),
    ),
    bulk=(
        BulkAction(
            name="resume",
            label=_("Resume what is held"),
            permission="orders.reconcile",
            consequences=(
                _("Each is sent again with its own key, because what stopped it is mended."),
                _("What is bought costs our money at the provider."),
            ),
            why_not=_why_not_resumed,
            run=_resume,
        ),
    ),
)


# -- webhook deliveries -----------------------------------------------------------------------------------------------


def read_delivery_filter(words: QueryDict) -> DeliveryFilter:
    state = words.get("state", "")
    known = state if state in WebhookDelivery.State.values else ""
    return DeliveryFilter(state=known, account=words.get("account", "")[:50])


def _narrow_deliveries(words: QueryDict) -> QuerySet[WebhookDelivery]:
    return find_deliveries(read_delivery_filter(words))


def _load_deliveries(keys: Sequence[int]) -> QuerySet[WebhookDelivery]:
    return WebhookDelivery.objects.filter(pk__in=keys).defer("body")


def _why_not_retried(delivery: WebhookDelivery) -> str:
    waits = delivery.state == WebhookDelivery.State.NEW
    return translated("This delivery waits to be worked off already.") if waits else ""


def _retry(delivery: WebhookDelivery, asked: Asked) -> None:
    try:
        retry_delivery(delivery=delivery, by=asked.by)
    except RetryRefused as refused:
        raise BulkRefused(refused.message) from refused


DELIVERIES = ListPage(
    name="deliveries",
    label=_("Webhooks"),
    url_name="delivery-list",
    permission="providers.view_webhookdelivery",
    narrow=_narrow_deliveries,
    load=_load_deliveries,
    title=lambda row: f"{row.word or row.kind or row.key} {row.received_at:%Y-%m-%d %H:%M} UTC"[:120],
    sorts=by_time("received_at"),
    columns=(
        Column(name="received", label=_("Received"), value=lambda row: row.received_at),
        Column(name="account", label=_("Account"), value=lambda row: row.account.name),
        Column(name="event", label=_("Event"), value=lambda row: row.word),
        Column(name="state", label=_("State"), value=lambda row: str(row.get_state_display())),
        Column(name="note", label=_("What came of it"), value=lambda row: row.note),
        Column(name="repeats", label=_("Repeated"), value=lambda row: row.repeats),
        Column(name="address", label=_("Sender"), value=lambda row: row.address, is_usual=False),
        Column(name="handled", label=_("Worked off"), value=lambda row: row.handled_at, is_usual=False),
    ),
    bulk=(
        BulkAction(
            name="retry",
            label=_("Work off again"),
            permission="providers.handle_delivery",
            consequences=(_("Each is worked off once more; what it names is read from the provider again."),),
            why_not=_why_not_retried,
            run=_retry,
        ),
    ),
)

LISTS: Mapping[str, ListPage] = {page.name: page for page in (LINES, CUSTOMERS, ORDERS, PURCHASES, DELIVERIES)}
