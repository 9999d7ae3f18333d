"""Nomad eSIMfx in the suite for all adapters."""

import json
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from providers.errors import Mend
from providers.types import Capability, IncomingWebhook, WebhookHint, WebhookKind
from tests.providers.conformance.answers import Answer, refuse_code
from tests.providers.conformance.ground import Configure
from tests.providers.conformance.operations import (
    LIST_PLANS,
    LIST_TOP_UPS,
    ORDER,
    READ_BALANCE,
    READ_LINE,
    READ_PLAN,
    READ_TRANSACTION,
    TOP_UP,
    Operation,
    Stock,
    control,
)
from tests.providers.conformance.suite import ProviderConformance
from tests.providers.conformance.tokens import TokenConformance
from tests.providers.conformance.webhooks import Delivery, WebhookConformance
from tests.simulator_client import Simulator
from tests.simulator_esimfx import BLOCK_PATH, CLIENT_ID, CLIENT_KEY, SYSTEM, WEBHOOK_TOKEN, Esimfx

#: No code is documented: these are placed by the account's settings.
PLACED = {"40201": "balance", "40902": "stock", "40401": "final"}
ENVELOPE = frozenset({"code", "data"})
BY_STATUS = Answer(code="40001", parameters={"status": 400, "code": "40001", "message": "No such thing"})
NOT_FOUND = refuse_code("40401")
NO_MONEY = refuse_code("40201", mend=Mend.BALANCE)
NO_STOCK = refuse_code("40902", mend=Mend.STOCK)
OF_A_SALE = (BY_STATUS, NOT_FOUND, NO_MONEY, NO_STOCK)
#: A refusal with HTTP 200 that is the keys' fault.
BAD_KEYS = Answer(code="403", fault="refuse_code", parameters={"code": "403"}, mend=Mend.CREDENTIALS)


def switch_on(configure: Configure, simulator: Simulator, **changes: Any) -> None:
    values = {
        "url": f"{simulator.url}/{SYSTEM}",
        "client_id": CLIENT_ID,
        "client_key": CLIENT_KEY,
        "webhook_token": WEBHOOK_TOKEN,
        "block_path": BLOCK_PATH,
        "refusals": PLACED,
        # Three calls of one operation must not wait for each other.
        "limits": {"calls": 100, "seconds": 1},
    }
    configure("esimfx", **{**values, **changes})


class TestEsimfx(TokenConformance, ProviderConformance):
    adapter = "esimfx"
    account = "esimfx"
    system = SYSTEM
    sign_in = "auth"
    # Known by its meaning, placed by a setting, and by its number where nothing places it.
    refusals = (BY_STATUS, NOT_FOUND, refuse_code("49999"))
    operations = (
        # 250 products in pages of 99.
        LIST_PLANS.at("products", then=("products", "products"), vital=ENVELOPE | {"products"}),
        READ_PLAN.at("product", vital=ENVELOPE),
        ORDER.at("order", vital=ENVELOPE, refusals=OF_A_SALE),
        READ_LINE.at("esim_status", then=("esim_orders",), vital=ENVELOPE, identity=frozenset({"iccid"})),
        READ_LINE.at("esim_orders", label="read_line_orders", first=("esim_status",), vital=ENVELOPE | {"orders"}),
        READ_TRANSACTION.at("order_detail", vital=ENVELOPE, identity=frozenset({"id"})),
        LIST_TOP_UPS.at("topups", vital=ENVELOPE | {"products"}),
        TOP_UP.at("order", vital=ENVELOPE | {"id"}, refusals=OF_A_SALE),
        READ_BALANCE.at("profile", vital=ENVELOPE | {"balance"}),
        *(
            control(capability).at(
                capability.value, reads_body=True, vital=frozenset({"code"}), refusals=(BY_STATUS, NOT_FOUND)
            )
            for capability in (Capability.TERMINATE, Capability.ACTIVATE, Capability.BLOCK)
        ),
    )

    def switch_on(self, configure: Configure, simulator: Simulator, **changes: Any) -> None:
        switch_on(configure, simulator, **changes)

    def limit_to_one(self, name: str) -> Mapping[str, Any]:
        del name
        return {"limits": {"calls": 1, "seconds": 60, "reserve": 0}}

    def buy_stock(self, simulator: Simulator) -> Stock:
        esimfx = Esimfx(simulator)
        plan_ref = str(esimfx.find_product(is_unlimited=False)["id"])
        order = esimfx.order_new(plan_ref, key=str(uuid.uuid4()))
        iccid = str(order["esim"]["iccid"])
        lpa = str(order["esim"]["esim_qr"])
        return Stock(
            plan_ref=plan_ref,
            line_ref=iccid,
            iccid=iccid,
            transaction_id=str(order["id"]),
            order_ref=str(order["id"]),
            package_ref=str(order["id"]),
            top_up_ref=plan_ref,
            secrets=(CLIENT_ID, CLIENT_KEY, WEBHOOK_TOKEN, lpa, lpa.split("$")[2]),
        )

    def test_refused_keys_may_come_with_http_200(self, stock: Stock) -> None:
        operation = next(one for one in self.operations if one.capability is Capability.BALANCE)
        self.test_wrong_credentials_can_be_mended(operation, BAD_KEYS, stock)

    def test_a_control_of_a_line_has_nothing_to_mend(self, stock: Stock) -> None:
        """Money and stock are the shop's: for a line such a code is final."""
        operation: Operation = next(one for one in self.operations if one.capability is Capability.TERMINATE)
        self.test_a_refusal_is_final(operation, refuse_code("40201"), stock)


ICCID = "89442001795562652000"
ORDER_ID = "13bd78f-4a74-4873-87e2-d234y475xxxx"
AT = datetime(2025, 10, 8, 3, 7, 11, tzinfo=UTC)


def hint(kind: WebhookKind, word: str, **changes: Any) -> WebhookHint:
    facts: dict[str, Any] = {"provider_ref": ICCID, "iccid": ICCID, "order_ref": ORDER_ID, "event_at": AT, **changes}
    return WebhookHint(kind=kind, word=word, **facts)


def deliver(body: object, *hints: WebhookHint) -> Delivery:
    return Delivery(body=json.dumps(body).encode(), hints=hints)


FACTS = {"iccid": ICCID, "order_id": ORDER_ID}
STAMP = "2025-10-08T03:07:11Z"


class TestEsimfxWebhooks(WebhookConformance):
    """No payload is documented: three events, and that an ICCID or an order is named somewhere."""

    adapter = "esimfx"
    account = "esimfx"
    system = SYSTEM
    without_secret = {"webhook_token": ""}
    deliveries = (
        deliver(
            {"event_type": "DATA_USAGE", **FACTS, "threshold": 80, "event_time": STAMP},
            hint(WebhookKind.USAGE, "DATA_USAGE"),
        ),
        deliver(
            {"event": "ACTIVATION", "data": {**FACTS, "time": STAMP}}, hint(WebhookKind.LINE_CHANGED, "ACTIVATION")
        ),
        deliver(
            {"type": "Expiration", "esim": {"iccid": ICCID}, "order": {"id": ORDER_ID}, "timestamp": STAMP},
            hint(WebhookKind.VALIDITY, "Expiration"),
        ),
        deliver(
            {"notificationType": "100% Usage", "payload": {"ICCID": int(ICCID)}},
            hint(WebhookKind.USAGE, "100% Usage", order_ref="", event_at=None),
        ),
        deliver(
            {"topic": "LINE_MOVED", "card": "…2000", "moved": STAMP},
            WebhookHint(kind=WebhookKind.UNKNOWN, word="LINE_MOVED"),
        ),
    )

    def switch_on(self, configure: Configure, simulator: Simulator, **changes: Any) -> None:
        switch_on(configure, simulator, **changes)

    def sign(self, body: bytes) -> IncomingWebhook:
        return _bring(body, token=WEBHOOK_TOKEN)

    def forge(self, body: bytes) -> Mapping[str, IncomingWebhook]:
        return {
            "no token": _bring(body),
            "an empty token": _bring(body, token=""),
            "another token": _bring(body, token="another"),
            "a token that begins like it": _bring(body, token=WEBHOOK_TOKEN[:-1]),
            "a token that is no text": _bring(body, token="dém\udcffo"),
            "the token in another header": _bring(body, authorization=WEBHOOK_TOKEN),
        }


def _bring(body: bytes, **headers: str) -> IncomingWebhook:
    return IncomingWebhook(path_secret="", address="203.0.113.9", headers=headers, body=body)
