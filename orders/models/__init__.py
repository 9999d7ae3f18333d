"""Orders, payments, and the requests by which eSIMs are bought (docs/purchase-protocol.md)."""

from orders.models.activations import Activation, CompletionImport, CompletionOutcome
from orders.models.jobs import Wake, WorkerBeat
from orders.models.purchases import Purchase, PurchaseAttempt, PurchasedEsim, PurchasedPackage, Refund
from orders.models.sales import Order, OrderLine, Payment
from orders.models.timeline import OrderEvent

__all__ = [
    "Activation",
    "CompletionImport",
    "CompletionOutcome",
    "Order",
    "OrderEvent",
    "OrderLine",
    "Payment",
    "Purchase",
    "PurchaseAttempt",
    "PurchasedEsim",
    "PurchasedPackage",
    "Refund",
    "Wake",
    "WorkerBeat",
]
