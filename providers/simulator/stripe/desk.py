"""What happens to money at the service; each effect, its booking and its events are one commit of the caller."""

import secrets
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from providers.simulator.messages import Refusal
from providers.simulator.stripe.events import SYSTEM, Events
from providers.simulator.stripe.object_store import CHARGE, DISPUTE, INTENT, REFUND, ObjectStore
from providers.simulator.stripe.wire import make_id
from providers.simulator.system import Core

Document = dict[str, Any]
_PAYABLE = ("requires_payment_method", "requires_confirmation", "requires_action", "processing")
#: What a bank charges us for a dispute, in minor units. Guess; it is not part of the disputed amount.
_DISPUTE_FEE = 1500


class Desk:
    """Payments, refunds, disputes."""

    def __init__(self, core: Core, *, objects: ObjectStore, events: Events) -> None:
        self._core = core
        self._objects = objects
        self._events = events

    # -- payments -------------------------------------------------------------------------------------------------

    def open_intent(
        self, *, amount: int, currency: str, metadata: Mapping[str, str], description: str | None
    ) -> Document:
        """A payment that waits for its customer."""
        intent_id = make_id("pi")
        intent: Document = {
            "id": intent_id,
            "object": INTENT,
            "amount": amount,
            "amount_capturable": 0,
            "amount_received": 0,
            "automatic_payment_methods": {"allow_redirects": "always", "enabled": True},
            "canceled_at": None,
            "cancellation_reason": None,
            "capture_method": "automatic_async",
            "client_secret": f"{intent_id}_secret_{secrets.token_hex(12)}",
            "confirmation_method": "automatic",
            "created": self._seconds(),
            "currency": currency,
            "customer": None,
            "description": description,
            "last_payment_error": None,
            "latest_charge": None,
            "livemode": False,
            "metadata": dict(metadata),
            "next_action": None,
            "payment_method": None,
            "payment_method_types": ["card"],
            "receipt_email": None,
            "status": "requires_payment_method",
        }
        self._objects.put(intent)
        self._book("opened", intent_id, {"amount": amount, "currency": currency, "metadata": dict(metadata)})
        self._events.tell("payment_intent.created", intent)
        return intent

    def pay(self, intent: Document, *, amount: int | None = None, currency: str | None = None) -> Document:
        """The customer's money comes, perhaps less than was asked for, or in another currency. Raises Refusal 400."""
        self._require(intent, *_PAYABLE)
        charge: Document = {
            "id": make_id("ch"),
            "object": CHARGE,
            "amount": intent["amount"] if amount is None else amount,
            "amount_captured": intent["amount"] if amount is None else amount,
            "amount_refunded": 0,
            "captured": True,
            "created": self._seconds(),
            "currency": currency or intent["currency"],
            "disputed": False,
            "livemode": False,
            "metadata": intent["metadata"],
            "paid": True,
            "payment_intent": intent["id"],
            "refunded": False,
            "status": "succeeded",
        }
        intent |= {
            "status": "succeeded",
            "amount_received": charge["amount_captured"],
            "currency": charge["currency"],
            "latest_charge": charge["id"],
            "last_payment_error": None,
            "next_action": None,
            "payment_method": "pm_card_visa",
        }
        self._objects.put(charge)
        self._objects.put(intent)
        self._book("captured", intent["id"], {"amount": charge["amount"], "currency": charge["currency"]})
        self._events.tell("charge.succeeded", charge)
        self._events.tell("payment_intent.succeeded", intent)
        return intent

    def decline(self, intent: Document, *, code: str = "card_declined", message: str = "") -> Document:
        """The card is refused; the customer may try another."""
        self._require(intent, *_PAYABLE)
        error = {
            "type": "card_error",
            "code": "card_declined",
            "decline_code": code,
            "message": message or "Your card was declined.",
        }
        intent |= {"status": "requires_payment_method", "last_payment_error": error, "next_action": None}
        self._objects.put(intent)
        self._events.tell("payment_intent.payment_failed", intent)
        return intent

    def move(self, intent: Document, status: str) -> Document:
        """Between the customer's steps: `processing`, `requires_action`."""
        self._require(intent, *_PAYABLE)
        intent["status"] = status
        self._objects.put(intent)
        self._events.tell(f"payment_intent.{status}", intent)
        return intent

    def cancel(self, intent: Document, *, reason: str | None) -> Document:
        """Raises Refusal 400 for one that has succeeded, or was cancelled before."""
        if intent["status"] not in _PAYABLE:
            text = f"You cannot cancel this PaymentIntent because it has a status of {intent['status']}."
            raise Refusal(400, "payment_intent_unexpected_state", text)
        intent |= {"status": "canceled", "canceled_at": self._seconds(), "cancellation_reason": reason}
        self._objects.put(intent)
        self._book("canceled", intent["id"], {})
        self._events.tell("payment_intent.canceled", intent)
        return intent

    # -- refunds --------------------------------------------------------------------------------------------------

    def pay_back(self, intent: Document, *, amount: int | None, metadata: Mapping[str, str], status: str) -> Document:
        """Money back to the card, never more than is left of it. Raises Refusal 400."""
        if intent["status"] != "succeeded":
            raise Refusal(400, "charge_not_captured", "This PaymentIntent does not have a successful charge to refund.")
        charge = self._objects.get(CHARGE, intent["latest_charge"])
        left = charge["amount_captured"] - charge["amount_refunded"]
        wanted = left if amount is None else amount
        if left <= 0:
            raise Refusal(400, "charge_already_refunded", f"Charge {charge['id']} has already been refunded.")
        if charge["disputed"]:
            raise Refusal(
                400, "charge_disputed", f"Charge {charge['id']} has been charged back; cannot issue a refund."
            )
        if wanted > left:
            text = f"Refund amount ({wanted}) is greater than unrefunded amount on charge ({left})"
            raise Refusal(400, "amount_too_large", text)
        refund: Document = {
            "id": make_id("re"),
            "object": REFUND,
            "amount": wanted,
            "charge": charge["id"],
            "created": self._seconds(),
            "currency": charge["currency"],
            "failure_reason": None,
            "metadata": dict(metadata),
            "payment_intent": intent["id"],
            "reason": "requested_by_customer",
            "status": "pending",
        }
        self._objects.put(refund)
        charge["amount_refunded"] += wanted
        charge["refunded"] = charge["amount_refunded"] == charge["amount_captured"]
        self._objects.put(charge)
        self._events.tell("refund.created", refund)
        self._events.tell("charge.refunded", charge)
        self._book("refund_begun", refund["id"], {"amount": wanted, "intent": intent["id"]})
        if status != "pending":
            self.end_refund(refund, status=status)
        return refund

    def end_refund(self, refund: Document, *, status: str) -> Document:
        """It arrives, or it fails, also after it had arrived: the money is then ours again."""
        possible = {"pending": ("succeeded", "failed", "canceled"), "succeeded": ("failed",)}
        if status not in possible.get(refund["status"], ()):
            raise Refusal(400, "BAD_CONTROL", f"A refund that is {refund['status']} does not become {status}")
        refund["status"] = status
        if status == "succeeded":
            self._book("refunded", refund["id"], {"amount": refund["amount"], "currency": refund["currency"]})
        else:
            refund["failure_reason"] = "expired_or_canceled_card"
            charge = self._objects.get(CHARGE, refund["charge"])
            charge |= {"amount_refunded": charge["amount_refunded"] - refund["amount"], "refunded": False}
            self._objects.put(charge)
            self._book("refund_failed", refund["id"], {"amount": refund["amount"], "currency": refund["currency"]})
        self._objects.put(refund)
        if status == "failed":
            self._events.tell("refund.failed", refund)
        self._events.tell("refund.updated", refund)
        self._events.tell("charge.refund.updated", refund)
        return refund

    # -- disputes -------------------------------------------------------------------------------------------------

    def dispute(
        self, intent: Document, *, amount: int | None, reason: str, is_inquiry: bool, due_by: datetime
    ) -> Document:
        """The customer's bank takes the money back, or only asks (an inquiry). Raises Refusal 400."""
        if intent["status"] != "succeeded":
            raise Refusal(400, "BAD_CONTROL", "Only a payment that came can be disputed")
        charge = self._objects.get(CHARGE, intent["latest_charge"])
        dispute: Document = {
            "id": make_id("du"),
            "object": DISPUTE,
            "amount": charge["amount_captured"] if amount is None else amount,
            "balance_transactions": [],
            "charge": charge["id"],
            "created": self._seconds(),
            "currency": charge["currency"],
            "evidence_details": {"due_by": int(due_by.timestamp()), "has_evidence": False, "submission_count": 0},
            "is_charge_refundable": is_inquiry,
            "livemode": False,
            "metadata": {},
            "payment_intent": intent["id"],
            "reason": reason,
            "status": "warning_needs_response" if is_inquiry else "needs_response",
        }
        self._objects.put(dispute)
        self._events.tell("charge.dispute.created", dispute)
        if not is_inquiry:
            self._withdraw(dispute)
        return dispute

    def move_dispute(self, dispute: Document, *, status: str) -> Document:
        """What the bank decides: `under_review`, `needs_response`, `won`, `lost`, `warning_closed` …"""
        if dispute["status"] in ("won", "lost", "warning_closed"):
            raise Refusal(400, "BAD_CONTROL", f"This dispute is {dispute['status']}")
        was_inquiry = dispute["status"].startswith("warning_")
        dispute["status"] = status
        self._objects.put(dispute)
        if was_inquiry and not status.startswith("warning_"):
            self._withdraw(dispute)
        if status in ("won", "lost", "warning_closed"):
            self._events.tell("charge.dispute.closed", dispute)
        else:
            self._events.tell("charge.dispute.updated", dispute)
        if status == "won":
            self._add_transaction(dispute, dispute["amount"], "dispute_reversal")
            self._mark_charge(dispute, disputed=False)
            self._book("reinstated", dispute["id"], {"amount": dispute["amount"], "currency": dispute["currency"]})
            self._events.tell("charge.dispute.funds_reinstated", dispute)
        return dispute

    def _withdraw(self, dispute: Document) -> None:
        self._add_transaction(dispute, -dispute["amount"], "dispute")
        self._mark_charge(dispute, disputed=True)
        self._book("withdrawn", dispute["id"], {"amount": dispute["amount"], "currency": dispute["currency"]})
        self._events.tell("charge.dispute.funds_withdrawn", dispute)

    def _add_transaction(self, dispute: Document, amount: int, category: str) -> None:
        fee = _DISPUTE_FEE if amount < 0 else 0
        dispute["balance_transactions"].append(
            {
                "id": make_id("txn"),
                "object": "balance_transaction",
                "amount": amount,
                "currency": dispute["currency"],
                "fee": fee,
                "net": amount - fee,
                "reporting_category": category,
                "type": "adjustment",
            }
        )
        self._objects.put(dispute)

    def _mark_charge(self, dispute: Document, *, disputed: bool) -> None:
        charge = self._objects.get(CHARGE, dispute["charge"])
        charge["disputed"] = disputed
        self._objects.put(charge)

    # -- all ------------------------------------------------------------------------------------------------------

    def _require(self, intent: Document, *states: str) -> None:
        if intent["status"] not in states:
            text = f"This PaymentIntent's status is {intent['status']}: it cannot be paid."
            raise Refusal(400, "payment_intent_unexpected_state", text)

    def _book(self, kind: str, ref: str, detail: Mapping[str, Any]) -> None:
        self._core.books.record_effect(system=SYSTEM, request_id=0, kind=kind, ref=ref, detail=dict(detail))

    def _seconds(self) -> int:
        return int(self._core.clock.now().timestamp())
