"""Orders and buying in the admin. What the protocol writes is read-only here: it changes by its verbs alone."""

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from orders.models import (
    Activation,
    BulkItem,
    BulkOrder,
    BulkOrderRow,
    BulkRun,
    Comparison,
    CompletionImport,
    CompletionOutcome,
    CreditAccount,
    CreditEntry,
    CreditStatement,
    Difference,
    DifferenceEvent,
    Dispute,
    LedgerMark,
    ListExport,
    NoticeChoice,
    Notification,
    Order,
    OrderEvent,
    OrderLine,
    Payment,
    PaymentDelivery,
    Purchase,
    PurchaseAttempt,
    PurchasedEsim,
    PurchasedPackage,
    Receipt,
    Refund,
    ReturnWish,
    TopUpOffer,
    Wake,
    WorkerBeat,
)
from orders.wording import describe_event

if TYPE_CHECKING:
    _Admin = admin.ModelAdmin[Any]
    _Inline = admin.TabularInline[Any, Any]
else:
    # Not subscriptable at run time.
    _Admin = admin.ModelAdmin
    _Inline = admin.TabularInline


class ReadOnly:
    """Nobody adds, changes or deletes here, whatever their permissions."""

    def has_add_permission(self, _request: HttpRequest, _obj: Any = None) -> bool:
        return False

    def has_change_permission(self, _request: HttpRequest, _obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, _request: HttpRequest, _obj: Any = None) -> bool:
        return False


class ReadOnlyInline(ReadOnly, _Inline):
    extra = 0
    show_change_link = True


class OrderLineInline(ReadOnlyInline):
    model = OrderLine


class PaymentInline(ReadOnlyInline):
    model = Payment
    fields = ("method", "state", "amount", "currency", "reference", "recorded_by", "captured_at")


class OrderEventInline(ReadOnlyInline):
    model = OrderEvent
    fields = readonly_fields = ("at", "what", "by", "why", "facts")

    @admin.display(description=_("what"))
    def what(self, event: OrderEvent) -> str:
        return describe_event(event)


class PurchaseAttemptInline(ReadOnlyInline):
    model = PurchaseAttempt
    # Never the body: it holds activation codes.
    fields = ("number", "kind", "started_at", "received_at", "status", "is_complete", "outcome", "error_code", "error")


class PurchasedEsimInline(ReadOnlyInline):
    model = PurchasedEsim


@admin.register(Order)
class OrderAdmin(ReadOnly, _Admin):
    list_display = ("number", "state", "customer", "total", "currency", "created_at", "paid_at", "finished_at")
    list_filter = ("state", "currency", "created_at")
    search_fields = ("number", "customer__name", "customer__email")
    list_select_related = ("customer",)
    date_hierarchy = "created_at"
    inlines = (OrderLineInline, PaymentInline, OrderEventInline)


@admin.register(OrderLine)
class OrderLineAdmin(ReadOnly, _Admin):
    list_display = ("order", "kind", "plan_name", "quantity", "unit_price", "unit_cost", "cost_currency")
    list_filter = ("kind",)
    search_fields = ("order__number", "plan_name")
    list_select_related = ("order",)


@admin.register(BulkOrder)
class BulkOrderAdmin(ReadOnly, _Admin):
    list_display = ("id", "state", "name", "method", "reference", "created_by", "created_at", "finished_at")
    list_filter = ("state", "method")
    search_fields = ("name", "reference")
    list_select_related = ("created_by",)


@admin.register(BulkOrderRow)
class BulkOrderRowAdmin(ReadOnly, _Admin):
    list_display = ("bulk", "number", "state", "plan", "quantity", "unit_price", "currency", "order")
    list_filter = ("state",)
    search_fields = ("=order__number", "=bulk__id")
    list_select_related = ("bulk", "plan", "order")


@admin.register(Payment)
class PaymentAdmin(ReadOnly, _Admin):
    list_display = (
        *("order", "method", "state", "amount", "currency", "captured_amount", "captured_currency", "reference"),
        *("recorded_by", "captured_at"),
    )
    exclude = ("client_secret",)
    list_filter = ("state", "method", "currency")
    search_fields = ("order__number", "reference")
    list_select_related = ("order", "recorded_by")


@admin.register(Dispute)
class DisputeAdmin(ReadOnly, _Admin):
    list_display = ("dispute_id", "payment", "state", "amount", "currency", "is_withdrawn", "opened_at", "closed_at")
    list_filter = ("state", "currency")
    search_fields = ("=dispute_id", "payment__order__number")
    list_select_related = ("payment",)


@admin.register(PaymentDelivery)
class PaymentDeliveryAdmin(ReadOnly, _Admin):
    list_display = ("event_id", "kind", "state", "received_at", "attempts", "repeats", "note")
    list_filter = ("state", "kind")
    search_fields = ("=event_id",)
    exclude = ("body",)


@admin.register(CreditAccount)
class CreditAccountAdmin(ReadOnly, _Admin):
    list_display = ("customer", "currency", "credit_limit", "owed", "is_open")
    list_filter = ("currency", "is_open")
    search_fields = ("customer__name", "customer__email")
    list_select_related = ("customer",)


@admin.register(CreditEntry)
class CreditEntryAdmin(ReadOnly, _Admin):
    list_display = ("account", "at", "kind", "amount", "owed_after", "method", "reference", "why", "by", "statement")
    list_filter = ("kind", "account__currency")
    search_fields = ("account__customer__name", "reference", "=statement__number")
    list_select_related = ("account", "statement")


@admin.register(CreditStatement)
class CreditStatementAdmin(ReadOnly, _Admin):
    list_display = ("number", "account", "issued_at", "due_on", "opening", "closing")
    search_fields = ("=number", "account__customer__name")
    list_select_related = ("account",)


@admin.register(Receipt)
class ReceiptAdmin(ReadOnly, _Admin):
    list_display = ("number", "order", "issued_at", "sold_on", "currency", "total")
    search_fields = ("=number", "=order__number")
    list_select_related = ("order",)


@admin.register(Purchase)
class PurchaseAdmin(ReadOnly, _Admin):
    list_display = (
        "id",
        "order_number",
        "account",
        "state",
        "quantity",
        "attempts_made",
        "next_attempt_at",
        "transaction_id",
        "error_code",
    )
    list_filter = ("state", "account", "mend")
    search_fields = ("=id", "order_line__order__number", "idempotency_key", "transaction_id", "provider_order_ref")
    list_select_related = ("account", "order_line__order")
    inlines = (PurchaseAttemptInline, PurchasedEsimInline)

    @admin.display(ordering="order_line__order__number")
    def order_number(self, purchase: Purchase) -> str:
        return purchase.order_line.order.number


@admin.register(PurchaseAttempt)
class PurchaseAttemptAdmin(ReadOnly, _Admin):
    list_display = ("purchase", "number", "kind", "started_at", "status", "outcome", "error_code")
    list_filter = ("kind", "outcome")
    search_fields = ("=purchase__id", "purchase__order_line__order__number")
    list_select_related = ("purchase",)
    exclude = ("body",)


@admin.register(PurchasedEsim)
class PurchasedEsimAdmin(ReadOnly, _Admin):
    list_display = ("purchase", "esim")
    search_fields = ("=purchase__id", "esim__iccid")
    list_select_related = ("purchase", "esim")


@admin.register(PurchasedPackage)
class PurchasedPackageAdmin(ReadOnly, _Admin):
    list_display = ("purchase", "esim", "package", "at")
    search_fields = ("=purchase__id", "esim__iccid")
    list_select_related = ("purchase", "esim", "package")


@admin.register(Activation)
class ActivationAdmin(ReadOnly, _Admin):
    """Without EID, phone number and form: those are shown on the console's pages, by permission."""

    list_display = ("delivery_code", "account", "add_kind", "aladin_operated", "is_open", "created_at")
    list_filter = ("account", "is_open", "add_kind")
    search_fields = ("=delivery_code", "order_line__order__number")
    list_select_related = ("account",)
    exclude = ("eid", "account_number", "payload")


@admin.register(CompletionImport)
class CompletionImportAdmin(ReadOnly, _Admin):
    list_display = ("file_name", "account", "imported_at", "imported_by", "applied", "repeated", "unmatched", "faulty")
    list_filter = ("account",)
    search_fields = ("file_name", "imported_by")
    list_select_related = ("account",)


@admin.register(CompletionOutcome)
class CompletionOutcomeAdmin(ReadOnly, _Admin):
    list_display = ("report", "number", "outcome", "delivery_code", "code", "note", "purchase")
    list_filter = ("outcome",)
    search_fields = ("=delivery_code", "report__file_name")
    list_select_related = ("report", "purchase")


@admin.register(Refund)
class RefundAdmin(ReadOnly, _Admin):
    list_display = ("order", "kind", "state", "quantity", "amount", "currency", "created_at", "made_at", "made_by")
    list_filter = ("kind", "state", "currency")
    search_fields = ("=purchase__id", "order__number", "reference")
    list_select_related = ("order", "made_by")


@admin.register(ReturnWish)
class ReturnWishAdmin(ReadOnly, _Admin):
    list_display = ("action", "purchase", "amount", "currency", "state", "asked_by", "created_at", "settled_at")
    list_filter = ("state", "currency")
    list_select_related = ("action", "purchase", "asked_by")


@admin.register(TopUpOffer)
class TopUpOfferAdmin(ReadOnly, _Admin):
    list_display = ("esim", "plan", "asked_at")
    list_select_related = ("esim", "plan")


@admin.register(OrderEvent)
class OrderEventAdmin(ReadOnly, _Admin):
    list_display = ("at", "order", "purchase", "what", "by", "why")
    list_filter = ("kind",)
    search_fields = ("order__number", "by", "why")
    list_select_related = ("order", "purchase")

    @admin.display(description=_("what"), ordering="kind")
    def what(self, event: OrderEvent) -> str:
        return describe_event(event)


@admin.register(Comparison)
class ComparisonAdmin(ReadOnly, _Admin):
    list_display = ("account", "state", "created_at", "found", "reopened", "still", "gone")
    list_filter = ("state", "account")
    list_select_related = ("account",)


@admin.register(Difference)
class DifferenceAdmin(ReadOnly, _Admin):
    list_display = ("account", "kind", "key", "state", "first_seen_at", "last_seen_at")
    list_filter = ("state", "kind", "account")
    search_fields = ("key",)
    list_select_related = ("account",)
    raw_id_fields = ("run", "esim", "purchase")


@admin.register(DifferenceEvent)
class DifferenceEventAdmin(ReadOnly, _Admin):
    list_display = ("difference", "kind", "by", "at")
    list_select_related = ("difference",)
    raw_id_fields = ("difference",)


@admin.register(LedgerMark)
class LedgerMarkAdmin(ReadOnly, _Admin):
    list_display = ("account", "at", "amount", "currency", "by")
    list_filter = ("account",)
    list_select_related = ("account",)


@admin.register(Wake)
class WakeAdmin(ReadOnly, _Admin):
    list_display = ("name", "queued_at", "started_at", "finished_at")


@admin.register(WorkerBeat)
class WorkerBeatAdmin(ReadOnly, _Admin):
    list_display = ("queue", "asked_at", "beat_at")


@admin.register(Notification)
class NotificationAdmin(ReadOnly, _Admin):
    """What was told to whom; the words are on the console's page, without codes."""

    list_display = ("created_at", "kind", "channel", "customer", "user", "state", "sent_at")
    list_filter = ("state", "kind", "channel")
    list_select_related = ("customer", "user")
    search_fields = ("key",)
    # Never the content: it holds activation codes.
    exclude = ("content",)
    show_full_result_count = False


@admin.register(NoticeChoice)
class NoticeChoiceAdmin(ReadOnly, _Admin):
    list_display = ("user", "off")
    list_select_related = ("user",)


@admin.register(ListExport)
class ListExportAdmin(ReadOnly, _Admin):
    """Who took what out of the lists."""

    list_display = ("started_at", "by", "page", "kind", "rows", "finished_at")
    list_filter = ("page", "kind")
    search_fields = ("by",)
    show_full_result_count = False


@admin.register(BulkRun)
class BulkRunAdmin(ReadOnly, _Admin):
    list_display = ("created_at", "by", "page", "action", "state", "started_at", "finished_at")
    list_filter = ("state", "page", "action")
    list_select_related = ("by",)


@admin.register(BulkItem)
class BulkItemAdmin(ReadOnly, _Admin):
    list_display = ("title", "run", "state", "note")
    list_filter = ("state",)
    list_select_related = ("run",)
    show_full_result_count = False
