"""The endpoints of a payment service with Stripe's API: intents, refunds, disputes, idempotency keys.

From the documentation and the library: paths, forms, objects, lists, states, error types and codes, the life of a
key (the first answer again; 400 for other parameters; 409 while its first request is carried out; nothing is kept of a
request that was refused before it was carried out), events and their signature. Guessed: texts, the dispute's fee.
"""

import argparse
import hashlib
import hmac
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from providers.simulator.faults import collect_facts
from providers.simulator.messages import Refusal, Reply, Request, json_reply
from providers.simulator.stripe.control import StripeControl
from providers.simulator.stripe.desk import Desk
from providers.simulator.stripe.events import SYSTEM, Events
from providers.simulator.stripe.object_store import CHARGE, DISPUTE, INTENT, REFUND, ObjectStore
from providers.simulator.stripe.wire import (
    IDEMPOTENCY_MISMATCH,
    read_amount,
    read_body,
    read_query,
    read_words,
    write_error,
    write_list,
)
from providers.simulator.system import Call, ControlRoute, Core, Route, System

SWITCHES: Mapping[str, Any] = {
    # What becomes of a refund at once: "succeeded", "pending" (until the control call) or "failed".
    "stripe_refund_status": "succeeded",
    # Seconds (simulated) that the first answer to an idempotency key is kept.
    "stripe_key_life_s": 86_400.0,
    # Seconds (real) that a POST takes; a second one with its key meanwhile is 409.
    "stripe_slow_s": 0.0,
}
WORDS = {"stripe_refund_status": frozenset({"succeeded", "pending", "failed"})}
_DECLINED = "pm_card_chargeDeclined"
_CURRENCY_LETTERS = 3


class StripeSystem(System):
    """One account of the service."""

    name = SYSTEM
    limits: Mapping[str, int | None] = {"*": None}
    status_words = ("status",)

    def __init__(self, core: Core, options: argparse.Namespace) -> None:
        core.switches.declare(SWITCHES, WORDS)
        self._core = core
        self._secret_key: str = options.stripe_secret_key
        self._publishable_key: str = options.stripe_publishable_key
        self._objects = ObjectStore(core.store)
        self._events = Events(core, url=options.stripe_webhook_url, secret=options.stripe_webhook_secret)
        self._desk = Desk(core, objects=self._objects, events=self._events)

    def routes(self) -> Sequence[Route]:
        """What Roamdesk and an app of it use."""
        intents, refunds, disputes = "/v1/payment_intents", "/v1/refunds", "/v1/disputes"
        posts: list[tuple[str, str, Callable[[Call, dict[str, Any]], Any]]] = [
            ("intent_create", intents, self._create_intent),
            ("intent_confirm", f"{intents}/{{id}}/confirm", self._confirm_intent),
            ("intent_cancel", f"{intents}/{{id}}/cancel", self._cancel_intent),
            ("refund_create", refunds, self._create_refund),
        ]
        gets: list[tuple[str, str, Callable[[Call, dict[str, Any]], Any]]] = [
            ("intent_list", intents, self._list_intents),
            ("intent", f"{intents}/{{id}}", self._read_intent),
            ("refund_list", refunds, self._list_refunds),
            ("refund", f"{refunds}/{{id}}", self._read_refund),
            ("dispute_list", disputes, self._list_disputes),
            ("dispute", f"{disputes}/{{id}}", self._read_dispute),
        ]
        return [
            *(Route(name, "POST", path, self._once(path, handler), alone=False) for name, path, handler in posts),
            *(Route(name, "GET", path, self._plain(handler)) for name, path, handler in gets),
        ]

    def control_routes(self) -> Sequence[ControlRoute]:
        """See `stripe/control.py`."""
        return StripeControl(self._core, objects=self._objects, desk=self._desk, events=self._events).routes()

    def authenticate(self, request: Request) -> str:
        """The secret key opens all; the publishable one a payment whose client secret comes with it."""
        scheme, _, key = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer" and hmac.compare_digest(key.encode(), self._secret_key.encode()):
            return key
        if scheme.lower() == "bearer" and key == self._publishable_key and self._shows_client_secret(request):
            return key
        raise Refusal(401, "invalid_api_key", "Invalid API Key provided")

    def collect_facts(self, arguments: Mapping[str, str], request: Request) -> dict[str, str]:
        """The fields of the form; those in brackets as `metadata[order]`."""
        facts = collect_facts(arguments, request.query, b"")
        if request.method != "POST":
            return facts
        for name, value in read_body(request).items():
            inner = value.items() if isinstance(value, dict) else [("", value)]
            facts.update({f"{name}[{part}]" if part else name: str(text) for part, text in inner})
        return {**facts, "idempotency_key": request.headers.get("idempotency-key", "")}

    def render_refusal(self, refusal: Refusal) -> Reply:
        """Stripe's envelope."""
        return write_error(refusal)

    def refuse_order(self, reason: str) -> Refusal:
        """Nothing is sold here: a card is declined."""
        return Refusal(402, reason, "Your card was declined.")

    def reset(self, *, plans: int | None, seed: int | None) -> None:
        """No payments; the first address for events."""
        self._objects.forget_all()
        self._events.reset()

    def describe(self) -> dict[str, Any]:
        """How many of each object."""
        return {kind: len(self._objects.list_of(kind)) for kind in (INTENT, CHARGE, REFUND, DISPUTE)}

    # -- the rules of keys ----------------------------------------------------------------------------------------

    def _plain(self, handler: Callable[[Call, dict[str, Any]], Any]) -> Callable[[Call], Reply]:
        return lambda call: json_reply(200, handler(call, read_query(call.request)))

    def _once(self, path: str, handler: Callable[[Call, dict[str, Any]], Any]) -> Callable[[Call], Reply]:
        def answer(call: Call) -> Reply:
            form, key = read_body(call.request), call.request.headers.get("idempotency-key", "")
            fingerprint = hashlib.sha256(f"{call.request.path}\n".encode() + call.request.body).hexdigest()
            if (reply := self._begin(key, fingerprint, call.now)) is not None:
                return reply
            time.sleep(float(self._core.switches["stripe_slow_s"]))
            return self._carry_out(key, lambda: handler(call, form))

        return answer

    def _begin(self, key: str, fingerprint: str, now: datetime) -> Reply | None:
        """The kept answer to a key; None when its request is to be carried out. Raises Refusal 400, 409."""
        if not key:
            return None
        with self._core.store.write():
            known = self._objects.find_key(key, now=now, life_s=self._core.switches["stripe_key_life_s"])
            if known is None:
                self._objects.begin_key(key, fingerprint, now=now)
                return None
        if known.fingerprint != fingerprint:
            text = "Keys for idempotent requests can only be used with the same parameters they were first used with."
            raise Refusal(400, IDEMPOTENCY_MISMATCH, text)
        if known.status is None:
            text = "There is currently another in-progress request using this Idempotent Key."
            raise Refusal(409, "idempotency_key_in_use", text)
        return Reply(status=known.status, body=known.body, headers={"Idempotent-Replayed": "true"})

    def _carry_out(self, key: str, run: Callable[[], Any]) -> Reply:
        """The effect, its booking, its events and the kept answer in one commit; nothing is kept of a refusal."""
        try:
            with self._core.store.write():
                answer = run()
                reply = answer if isinstance(answer, Reply) else json_reply(200, answer)
                if key:
                    self._objects.end_key(key, reply.status, reply.body)
        except Refusal:
            if key:
                self._objects.forget_key(key)
            raise
        return reply

    # -- the calls ------------------------------------------------------------------------------------------------

    def _create_intent(self, call: Call, form: dict[str, Any]) -> Any:
        currency = str(form.get("currency", ""))
        if len(currency) != _CURRENCY_LETTERS or not currency.islower():
            raise Refusal(400, "parameter_invalid", f"Invalid currency: {currency}")
        amount = read_amount(form)
        if amount < 50 and currency == "usd":
            raise Refusal(400, "amount_too_small", "Amount must be at least $0.50 usd")
        metadata, description = form.get("metadata", {}), form.get("description")
        return self._desk.open_intent(amount=amount, currency=currency, metadata=metadata, description=description)

    def _confirm_intent(self, call: Call, form: dict[str, Any]) -> Any:
        intent = self._objects.get(INTENT, call.arguments["id"])
        if form.get("payment_method") == _DECLINED:
            self._desk.decline(intent)
            return write_error(Refusal(402, "generic_decline", "Your card was declined."))
        return self._desk.pay(intent)

    def _cancel_intent(self, call: Call, form: dict[str, Any]) -> Any:
        intent = self._objects.get(INTENT, call.arguments["id"])
        return self._desk.cancel(intent, reason=form.get("cancellation_reason"))

    def _create_refund(self, call: Call, form: dict[str, Any]) -> Any:
        intent = self._objects.get(INTENT, str(form.get("payment_intent", "")))
        amount = read_amount(form) if "amount" in form else None
        status = str(self._core.switches["stripe_refund_status"])
        return self._desk.pay_back(intent, amount=amount, metadata=form.get("metadata", {}), status=status)

    def _read_intent(self, call: Call, query: dict[str, Any]) -> Any:
        intent = self._objects.get(INTENT, call.arguments["id"])
        if "latest_charge" in read_words(query, "expand") and intent["latest_charge"]:
            intent["latest_charge"] = self._objects.get(CHARGE, intent["latest_charge"])
        return intent

    def _read_refund(self, call: Call, query: dict[str, Any]) -> Any:
        return self._objects.get(REFUND, call.arguments["id"])

    def _read_dispute(self, call: Call, query: dict[str, Any]) -> Any:
        return self._objects.get(DISPUTE, call.arguments["id"])

    def _list_intents(self, call: Call, query: dict[str, Any]) -> Any:
        return self._list(INTENT, "/v1/payment_intents", query)

    def _list_refunds(self, call: Call, query: dict[str, Any]) -> Any:
        return self._list(REFUND, "/v1/refunds", query)

    def _list_disputes(self, call: Call, query: dict[str, Any]) -> Any:
        return self._list(DISPUTE, "/v1/disputes", query)

    def _list(self, kind: str, url: str, query: dict[str, Any]) -> Any:
        """The newest first: of one payment, made within some time, after one that was shown."""
        limit = min(100, read_amount(query, "limit")) if "limit" in query else 10
        rows = self._objects.list_of(kind, query.get("payment_intent"))
        made = query.get("created", {})
        if isinstance(made, dict):
            rows = [row for row in rows if int(made.get("gte", 0)) <= row["created"] <= int(made.get("lte", 1 << 62))]
        after = query.get("starting_after")
        if after:
            ids = [row["id"] for row in rows]
            rows = rows[ids.index(after) + 1 :] if after in ids else []
        return write_list(url, rows[: limit + 1], limit=limit)

    def _shows_client_secret(self, request: Request) -> bool:
        """Whether a call of an app names the payment that it is about by its secret."""
        form = read_body(request) if request.method == "POST" else dict(request.query)
        secret = str(form.get("client_secret", ""))
        parts = request.path.removeprefix(f"{self.prefix}/v1/payment_intents/").split("/")
        known = [intent["client_secret"] for intent in self._objects.list_of(INTENT, parts[0])]
        return bool(secret) and parts[1:] in ([], ["confirm"]) and secret in known


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options, all named `--stripe-…`."""
    add = parser.add_argument_group("Stripe").add_argument
    add("--stripe-secret-key", default="sk_test_demo", help="secret key (default %(default)s)")
    add("--stripe-publishable-key", default="pk_test_demo", help="publishable key (default %(default)s)")
    add("--stripe-webhook-secret", default="whsec_demo", help="signs the events (default %(default)s)")
    add("--stripe-webhook-url", default="", help="where events go from the start; empty sends none (default)")


def build_systems(core: Core, options: argparse.Namespace) -> list[System]:
    """The one account."""
    return [StripeSystem(core, options)]
