"""eSIM Access in the suites for all adapters."""

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, ClassVar

import pytest

from providers.errors import Mend
from providers.types import Capability, IncomingWebhook, Money, WebhookHint, WebhookKind
from tests.providers.access_samples import WEBHOOKS
from tests.providers.conformance.answers import BAD_REQUEST, FORBIDDEN, TOO_MANY, UNAUTHORIZED, refuse_code
from tests.providers.conformance.ground import SHORT_WAIT, Configure, Ground
from tests.providers.conformance.operations import (
    FIND_ORDER,
    LIST_LINES,
    LIST_PLANS,
    LIST_TOP_UPS,
    ORDER,
    READ_BALANCE,
    READ_LINE,
    READ_ORDER_LINES,
    READ_PLAN,
    READ_REGIONS,
    READ_TRANSACTION,
    READ_USAGE,
    READ_WEBHOOK_ADDRESS,
    SAVE_WEBHOOK_ADDRESS,
    TOP_UP,
    Operation,
    Stock,
    control,
)
from tests.providers.conformance.suite import ProviderConformance
from tests.providers.conformance.webhooks import Delivery, WebhookConformance
from tests.providers.scripted import ScriptedServer, answer
from tests.simulator_access import ACCESS_CODE, SECRET_KEY, SYSTEM, Access
from tests.simulator_client import Simulator

WEBHOOK_SECRET = "conformance-4f1d9c27"
SENDER = "3.1.131.226"
#: A code that nobody documented is an error all the same; a code that is absent is none.
CODE = frozenset({"errorCode"})
PACKAGES = frozenset({"success", "obj", "packageList", "packageCode"})
LINES = frozenset({"success", "obj", "esimList"})


class _EsimAccess(Ground):
    adapter = "esim_access"
    account = "esim-access"
    system = SYSTEM

    def switch_on(self, configure: Configure, simulator: Simulator, **changes: Any) -> None:
        values = {
            "url": f"{simulator.url}/{SYSTEM}",
            "code": ACCESS_CODE,
            "secret_key": SECRET_KEY,
            "webhook_secret": WEBHOOK_SECRET,
            "webhook_ips": [SENDER],
        }
        configure(self.account, **{**values, **changes})


class TestEsimAccess(_EsimAccess, ProviderConformance):
    refusals = (BAD_REQUEST, refuse_code("000106"))
    wrong_credentials = (
        UNAUTHORIZED,
        FORBIDDEN,
        refuse_code("101003", mend=Mend.CREDENTIALS),
        refuse_code("101001", mend=Mend.CREDENTIALS),
        refuse_code("000101", mend=Mend.CREDENTIALS),
    )
    rate_limits = (TOO_MANY, refuse_code("101013"))
    short_waits: ClassVar[Mapping[str, Any]] = {"packages_timeout": SHORT_WAIT}
    operations = (
        LIST_PLANS.at("packages", vital=PACKAGES, identity=CODE),
        READ_PLAN.at("packages", vital=PACKAGES, identity=CODE),
        ORDER.at(
            "order",
            vital=frozenset({"success", "obj", "orderNo"}),
            identity=CODE,
            refusals=(
                BAD_REQUEST,
                refuse_code("200005", mend=Mend.PRICE),
                refuse_code("200006", mend=Mend.PRICE),
                refuse_code("200007", mend=Mend.BALANCE),
                refuse_code("200011", mend=Mend.STOCK),
                refuse_code("310241"),
            ),
            rate_limits=(TOO_MANY, refuse_code("101013"), refuse_code("900001")),
        ),
        FIND_ORDER.at("query", vital=LINES, identity=CODE),
        READ_LINE.at(
            "query",
            vital=LINES | {"esimTranNo"},
            identity=CODE,
            # 000105 and 000106 to it may only mean that esimTranNo is no parameter: they say nothing of the line.
            refusals=(BAD_REQUEST, refuse_code("310403")),
        ),
        READ_ORDER_LINES.at("query", vital=LINES, identity=CODE),
        LIST_LINES.at("query", vital=LINES, identity=CODE),
        READ_USAGE.at("usage", vital=frozenset({"success", "obj", "esimUsageList", "esimTranNo"}), identity=CODE),
        READ_TRANSACTION.at("query", vital=LINES, identity=CODE),
        LIST_TOP_UPS.at("packages", vital=PACKAGES, identity=CODE),
        TOP_UP.at(
            "topup",
            vital=frozenset({"success"}),
            identity=CODE,
            refusals=(BAD_REQUEST, refuse_code("200002"), refuse_code("200007", mend=Mend.BALANCE)),
        ),
        READ_BALANCE.at("balance", vital=frozenset({"success", "obj", "balance"}), identity=CODE),
        READ_REGIONS.at("locations", vital=frozenset({"success", "obj", "locationList", "code"}), identity=CODE),
        READ_WEBHOOK_ADDRESS.at("webhook_query", vital=frozenset({"success"}), identity=CODE),
        SAVE_WEBHOOK_ADDRESS.at("webhook_save", vital=frozenset({"success"}), identity=CODE),
        *(
            control(capability).at(
                name,
                reads_body=True,
                vital=frozenset({"success"}),
                identity=CODE,
                refusals=(BAD_REQUEST, refuse_code("200002"), refuse_code("310403")),
            )
            for capability, name in (
                (Capability.SUSPEND, "suspend"),
                (Capability.RELEASE, "unsuspend"),
                (Capability.CANCEL, "cancel"),
                (Capability.REVOKE, "revoke"),
                (Capability.SMS, "sms"),
            )
        ),
    )

    @pytest.fixture(autouse=True)
    def listener(self) -> Iterator[None]:
        """Our webhook, as far as the provider's test of it sees."""
        server = ScriptedServer(answer())
        self.webhook_address = f"{server.url}/webhooks/{WEBHOOK_SECRET}/"
        yield
        server.close()

    def limit_to_one(self, name: str) -> Mapping[str, Any]:
        return {"limits": {"calls": 1, "seconds": 60, "reserve": 0}}

    def buy_stock(self, simulator: Simulator) -> Stock:
        access = Access(simulator)
        access.set_switches(allocation_delay_s=0, require_signature=True, limited_as_429=True)
        code = access.find_package(dataType=1, smsStatus=1, supportTopUpType=2)
        package = access.package(code)
        key = "stock-of-the-suite"
        number = self._buy(access, code, key)
        line = next(line for line in access.lines() if line["order_no"] == number)
        whole = access.line(line["tran_no"])["line"]
        top_up = self._find_top_up(access, code)
        return Stock(
            plan_ref=code,
            plan_alias=package["slug"],
            plan_price=Money(amount=Decimal(package["price"]) / 10_000, currency="USD"),
            line_ref=line["tran_no"],
            iccid=whole["iccid"],
            transaction_id=number,
            order_ref=number,
            order_key=key,
            top_up_ref=top_up["packageCode"],
            top_up_price=Money(amount=Decimal(top_up["price"]) / 10_000, currency="USD"),
            webhook_address=self.webhook_address,
            secrets=(ACCESS_CODE, SECRET_KEY, WEBHOOK_SECRET, whole["ac"], whole["imsi"], whole["puk"]),
        )

    def _buy(self, access: Access, code: str, key: str) -> str:
        access.set_switches(require_signature=False)
        number = access.order(code, transaction_id=key)
        access.set_switches(require_signature=True)
        return number

    def _find_top_up(self, access: Access, code: str) -> dict[str, Any]:
        access.set_switches(require_signature=False)
        found: list[dict[str, Any]] = access.ask("/package/list", {"type": "TOPUP", "packageCode": code})["packageList"]
        access.set_switches(require_signature=True)
        return found[0]

    def prepare(self, simulator: Simulator, stock: Stock, operation: Operation) -> Stock:
        access = Access(simulator)
        if operation.capability in (Capability.SUSPEND, Capability.RELEASE, Capability.REVOKE, Capability.SMS):
            access.change_line(stock.line_ref, "connect")
        if operation.capability is Capability.RELEASE:
            access.set_switches(require_signature=False)
            access.ask("/esim/suspend", {"esimTranNo": stock.line_ref})
            access.set_switches(require_signature=True)
        return stock


class TestEsimAccessWebhooks(_EsimAccess, WebhookConformance):
    without_secret: ClassVar[Mapping[str, Any]] = {"webhook_secret": ""}
    deliveries = (
        Delivery(
            body=WEBHOOKS["CHECK_HEALTH"],
            hints=(WebhookHint(kind=WebhookKind.HEALTH_CHECK, word="CHECK_HEALTH"),),
        ),
        Delivery(
            body=WEBHOOKS["ORDER_STATUS"],
            hints=(WebhookHint(kind=WebhookKind.ORDER_READY, word="ORDER_STATUS", order_ref="B23072016497499"),),
        ),
        Delivery(
            body=WEBHOOKS["SMDP_EVENT"],
            hints=(
                WebhookHint(
                    kind=WebhookKind.LINE_CHANGED,
                    word="SMDP_EVENT",
                    provider_ref="25091113270004",
                    iccid="8997250230000292199",
                    order_ref="B25091113270004",
                    order_key="12068951785848-1-1",
                    event_at=datetime(2025, 9, 11, 13, 28, 9, tzinfo=UTC),
                ),
            ),
        ),
        Delivery(
            body=WEBHOOKS["ESIM_STATUS"],
            hints=(
                WebhookHint(
                    kind=WebhookKind.LINE_CHANGED,
                    word="ESIM_STATUS",
                    provider_ref="25080323490020",
                    iccid="89852000263413436720",
                    order_ref="B25080823490018",
                    order_key="e23111e4d07746889c7bce41cf3f1b16",
                    event_at=datetime(2025, 8, 9, 0, 23, 45, tzinfo=UTC),
                ),
            ),
        ),
        Delivery(
            body=WEBHOOKS["DATA_USAGE"],
            hints=(
                WebhookHint(
                    kind=WebhookKind.USAGE,
                    word="DATA_USAGE",
                    provider_ref="25052822150009",
                    iccid="8943108170001029631",
                    order_ref="B25052822150009",
                    order_key="unique_id_from_partner",
                    event_at=datetime(2025, 7, 21, 10, 57, 28, tzinfo=UTC),
                ),
            ),
        ),
        Delivery(
            body=WEBHOOKS["VALIDITY_USAGE"],
            hints=(
                WebhookHint(
                    kind=WebhookKind.VALIDITY,
                    word="VALIDITY_USAGE",
                    iccid="894310817000000003",
                    order_ref="B23072016497499",
                    order_key="Your_txn_id",
                ),
            ),
        ),
    )

    def sign(self, body: bytes) -> IncomingWebhook:
        return IncomingWebhook(path_secret=WEBHOOK_SECRET, address=SENDER, headers={}, body=body)

    def forge(self, body: bytes) -> Mapping[str, IncomingWebhook]:
        changes = {
            "no secret": {"path_secret": ""},
            "another secret": {"path_secret": "conformance-4f1d9c28"},
            "a longer secret": {"path_secret": f"{WEBHOOK_SECRET}x"},
            "letters of no alphabet of ours": {"path_secret": "ü\u3042"},
            "another sender": {"address": "3.1.131.227"},
            "no sender": {"address": ""},
            "a sender that is no address": {"address": "provider.example"},
        }
        given = {"path_secret": WEBHOOK_SECRET, "address": SENDER}
        return {
            wrong: IncomingWebhook(headers={}, body=body, **{**given, **change}) for wrong, change in changes.items()
        }


def test_the_samples_are_the_documents_own() -> None:
    """A digest of a body tells deliveries apart, so the samples must not be one text with different words."""
    assert len({json.loads(body)["notifyType"] for body in WEBHOOKS.values()}) == 6
