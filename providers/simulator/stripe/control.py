"""The control calls of the payment service, below `/_control/stripe`.

POST /account             {"webhook": url}: where events go; "" for nowhere
GET  /objects             ?kind=payment_intent, charge, refund or dispute: every one, the newest first
POST /intents/{id}        {"event": "pay", "amount"?, "currency"?}: the customer's money comes, all or some of it
                          {"event": "decline", "code"?, "message"?}: the card is refused
                          {"event": "processing"}, {"event": "requires_action"}: steps in between
POST /intents/{id}/dispute  {"amount"?, "reason"?, "inquiry"?, "days"?}: the bank takes the money back, or only asks
POST /disputes/{id}       {"status": "under_review", "needs_response", "won", "lost", "warning_closed" …}
POST /refunds/{id}        {"status": "succeeded", "failed", "canceled"}: also days after it had succeeded
POST /events              {"type", "object"?, "id"?, "age_s"?, "secret"?, "text"?}: any event, also a wrong one: signed
                          so many seconds ago, with another secret, or with `text` as its whole body
"""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from providers.simulator.messages import Refusal
from providers.simulator.stripe.desk import Desk
from providers.simulator.stripe.events import Events
from providers.simulator.stripe.object_store import CHARGE, DISPUTE, INTENT, REFUND, ObjectStore
from providers.simulator.system import ControlRoute, Core

Arguments = Mapping[str, str]
_STATUSES = (
    *("warning_needs_response", "warning_under_review", "warning_closed"),
    *("needs_response", "under_review", "won", "lost"),
)


class StripeControl:
    """Handlers of the calls above."""

    def __init__(self, core: Core, *, objects: ObjectStore, desk: Desk, events: Events) -> None:
        self._core = core
        self._objects = objects
        self._desk = desk
        self._events = events

    def routes(self) -> Sequence[ControlRoute]:
        """All of them."""
        return [
            ControlRoute("POST", "/account", self._change_account),
            ControlRoute("GET", "/objects", self._list_objects),
            ControlRoute("POST", "/intents/{id}", self._move_intent),
            ControlRoute("POST", "/intents/{id}/dispute", self._dispute),
            ControlRoute("POST", "/disputes/{id}", self._move_dispute),
            ControlRoute("POST", "/refunds/{id}", self._end_refund),
            ControlRoute("POST", "/events", self._send_event),
        ]

    def _change_account(self, arguments: Arguments, query: Arguments, body: Any) -> Any:
        self._events.set_url(str(body["webhook"]))
        return {"webhook": self._events.url}

    def _list_objects(self, arguments: Arguments, query: Arguments, body: Any) -> Any:
        kind = query.get("kind", INTENT)
        if kind not in (INTENT, CHARGE, REFUND, DISPUTE):
            raise Refusal(400, "BAD_CONTROL", f"No objects of kind {kind!r}")
        return {"objects": self._objects.list_of(kind)}

    def _move_intent(self, arguments: Arguments, query: Arguments, body: Any) -> Any:
        with self._core.store.write():
            intent = self._objects.get(INTENT, arguments["id"])
            match body.get("event"):
                case "pay":
                    amount = body.get("amount")
                    received = None if amount is None else int(amount)
                    return {"intent": self._desk.pay(intent, amount=received, currency=body.get("currency"))}
                case "decline":
                    code, message = str(body.get("code", "generic_decline")), str(body.get("message", ""))
                    return {"intent": self._desk.decline(intent, code=code, message=message)}
                case "processing" | "requires_action" as status:
                    return {"intent": self._desk.move(intent, status)}
                case other:
                    raise Refusal(400, "BAD_CONTROL", f"No event {other!r}: pay, decline, processing, requires_action")

    def _dispute(self, arguments: Arguments, query: Arguments, body: Any) -> Any:
        with self._core.store.write():
            amount = body.get("amount")
            dispute = self._desk.dispute(
                self._objects.get(INTENT, arguments["id"]),
                amount=None if amount is None else int(amount),
                reason=str(body.get("reason", "fraudulent")),
                is_inquiry=bool(body.get("inquiry")),
                due_by=self._core.clock.now() + timedelta(days=float(body.get("days", 9))),
            )
            return {"dispute": dispute}

    def _move_dispute(self, arguments: Arguments, query: Arguments, body: Any) -> Any:
        status = str(body.get("status"))
        if status not in _STATUSES:
            raise Refusal(400, "BAD_CONTROL", f"No status {status!r}: {', '.join(_STATUSES)}")
        with self._core.store.write():
            return {"dispute": self._desk.move_dispute(self._objects.get(DISPUTE, arguments["id"]), status=status)}

    def _end_refund(self, arguments: Arguments, query: Arguments, body: Any) -> Any:
        with self._core.store.write():
            refund = self._objects.get(REFUND, arguments["id"])
            return {"refund": self._desk.end_refund(refund, status=str(body.get("status")))}

    def _send_event(self, arguments: Arguments, query: Arguments, body: Any) -> Any:
        event_id = self._events.send(
            str(body["type"]),
            body.get("object"),
            event_id=body.get("id"),
            age_s=int(body.get("age_s", 0)),
            secret=body.get("secret"),
            text=body.get("text"),
        )
        return {"id": event_id}
