"""Orders, payments, and the requests by which eSIMs are bought (docs/purchase-protocol.md)."""

from orders.models.activations import Activation, CompletionImport, CompletionOutcome
from orders.models.bulk_orders import BulkOrder, BulkOrderRow
from orders.models.comparisons import Comparison, Difference, DifferenceEvent, LedgerMark
from orders.models.credit import CreditAccount, CreditEntry, CreditStatement
from orders.models.jobs import Wake, WorkerBeat
from orders.models.lists import BulkItem, BulkRun, ListExport
from orders.models.notifications import NoticeChoice, Notification
from orders.models.payments import Dispute, Payment, PaymentDelivery
from orders.models.purchases import Purchase, PurchaseAttempt, PurchasedEsim, PurchasedPackage, Refund
from orders.models.receipts import Receipt
from orders.models.returns import ReturnWish, TopUpOffer
from orders.models.sales import Order, OrderLine
from orders.models.timeline import OrderEvent

__all__ = [
    "Activation",
    "BulkItem",
    "BulkOrder",
    "BulkOrderRow",
    "BulkRun",
    "Comparison",
    "CompletionImport",
    "CompletionOutcome",
    "CreditAccount",
    "CreditEntry",
    "CreditStatement",
    "Difference",
    "DifferenceEvent",
    "Dispute",
    "LedgerMark",
    "ListExport",
    "NoticeChoice",
    "Notification",
    "Order",
    "OrderEvent",
    "OrderLine",
    "Payment",
    "PaymentDelivery",
    "Purchase",
    "PurchaseAttempt",
    "PurchasedEsim",
    "PurchasedPackage",
    "Receipt",
    "Refund",
    "ReturnWish",
    "TopUpOffer",
    "Wake",
    "WorkerBeat",
]
