"""eSIM Access: everything by POST, orders that are filled later, lines known by ``esimTranNo``.

See ``docs/providers/esim-access.md``.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, ClassVar, Self

from django.conf import settings
from django.utils import timezone

from providers.base import Provider
from providers.errors import OutcomeUnknown
from providers.esim_access import bodies, facts, queries, webhooks
from providers.esim_access.config import EsimAccessConfig
from providers.esim_access.envelope import Envelope
from providers.esim_access.gateway import PATHS, Gateway
from providers.esim_access.lines import read_ref
from providers.esim_access.packages import list_packages, list_top_ups, read_package
from providers.esim_access.plans import MOST_DAYS
from providers.types import (
    AccountBalance,
    Capability,
    ControlOutcome,
    ControlRequest,
    Fault,
    IncomingWebhook,
    LineSnapshot,
    LineState,
    MoneyBack,
    OrderOutcome,
    OrderRequest,
    PlanOffer,
    PlanPage,
    Priority,
    ProviderReply,
    RateBudget,
    Region,
    Returned,
    TopUpOutcome,
    TopUpRequest,
    TopUpRule,
    TopUpTerms,
    TransactionRecord,
    UsageSnapshot,
    WebhookHint,
)

_ACTIONS: Mapping[Capability, str] = {
    Capability.SUSPEND: "suspend",
    Capability.RELEASE: "unsuspend",
    Capability.CANCEL: "cancel",
    Capability.REVOKE: "revoke",
    Capability.SMS: "sms",
}
#: The document says what becomes of our money: a cancelled eSIM's price comes back, a revoked one's does not.
_REFUNDS: Mapping[Capability, bool] = {Capability.CANCEL: True, Capability.REVOKE: False}
#: "String(500)".
LONGEST_MESSAGE = 500
#: Whole in the bytes that came: a number that is cut off would be another order's.
_ORDER_NO = re.compile(rb'"orderNo"\s*:\s*"([!#-\[\]-~]{1,64})"')


class EsimAccessProvider(Provider):
    """An order gives a number at once and its lines later; the same ``transactionId`` is the same order."""

    adapter = "esim_access"
    required_settings = ("url", "code")
    capabilities: ClassVar[frozenset[Capability]] = frozenset(
        {
            Capability.LIST_PLANS,
            Capability.PLAN_LOOKUP,
            Capability.ORDER,
            Capability.ORDER_LOOKUP,
            Capability.READ_LINE,
            Capability.BATCH_QUERY,
            Capability.LINE_LISTING,
            Capability.USAGE_BATCH,
            Capability.SUSPEND,
            Capability.RELEASE,
            Capability.CANCEL,
            Capability.REVOKE,
            Capability.SMS,
            Capability.TOP_UP,
            Capability.BALANCE,
            Capability.REGIONS,
            Capability.WEBHOOKS,
            Capability.WEBHOOK_SETUP,
            Capability.TRANSACTION_INQUIRY,
        }
    )
    #: "Duplicate transactionId will be identified as the same request": said of orders, not of top-ups.
    repeatable: ClassVar[frozenset[Capability]] = frozenset({Capability.ORDER})
    #: "The eSIM `price` is refunded to your balance" (cancel); "Non-refundable" (revoke).
    money_back: ClassVar[Mapping[Capability, MoneyBack]] = {
        Capability.CANCEL: MoneyBack(returned=Returned.ALL),
        Capability.REVOKE: MoneyBack(returned=Returned.NOTHING),
    }
    #: Its lines are known by it, for ICCIDs are used again: what looks like an ICCID is refused.
    line_reference_name = "esimTranNo"
    line_reference_pattern = r"(?![0-9]{18,22}$)[0-9A-Za-z]{6,40}"
    #: The portal and each webhook show both, but for this letter alike: ``"orderNo": "B25091113270004", "esimTranNo":
    #: "25091113270004"``. Every documented order number has it, no documented esimTranNo.
    order_reference_pattern = r"[Bb][0-9]+"
    #: "Top ups can be requested while the eSIM is in New, In Use or Depleted status, but not after eSIM expiry." The
    #: reply has the "new date of package expiry", the "new volume of data" and the "new duration in days"; which part
    #: is used first it does not say.
    top_up_terms = TopUpTerms(
        rule=TopUpRule.MERGED,
        days_add_up=True,
        # "New" is before the phone has it, its "Onboard" between that and the first use.
        states=frozenset(
            {LineState.READY, LineState.DOWNLOADED, LineState.INSTALLED, LineState.ACTIVE, LineState.DEPLETED}
        ),
        until_end=True,
    )
    #: "You can order up to 30 eSIMs in one batch."
    max_order_quantity = 30
    #: "Check the data usage of up to 10 eSIMs."
    usage_batch = 10
    #: OURS: "wait times of up to 30 seconds", often 3 to 10; a webhook may come before.
    allocation_pace: ClassVar[tuple[float, ...]] = (3, 5, 10, 15, 30, 60, 120, 300)

    def __init__(self, account: str, config: EsimAccessConfig) -> None:
        super().__init__(account)
        self.config = config
        self.charged_less = config.charged_less
        self._gateway = Gateway(account=account, config=config)
        longest = timedelta(seconds=settings.HTTP_CONNECT_TIMEOUT + 2 * settings.HTTP_ORDER_READ_TIMEOUT)
        self.order_deadline = max(timedelta(minutes=5), longest + timedelta(minutes=1))

    @classmethod
    def from_settings(cls, account: str, values: Mapping[str, Any]) -> Self:
        return cls(account, EsimAccessConfig.from_settings(account, values))

    @property
    def budgets(self) -> Mapping[str, RateBudget]:
        """One budget under every name: the limit is the account's."""
        return dict.fromkeys(PATHS, self.config.budget)

    @property
    def webhook_secret(self) -> str:
        return self.config.webhook_secret

    @property
    def offered(self) -> frozenset[Capability]:
        """Without a secret in its path a webhook could be sent by anybody, so none is taken, nor asked for."""
        if self.config.webhook_secret:
            return self.capabilities
        return self.capabilities - {Capability.WEBHOOKS, Capability.WEBHOOK_SETUP}

    # -- the account ------------------------------------------------------------------------------------------------

    def _check(self) -> None:
        self._read_balance(Priority.PEOPLE)

    def _read_balance(self, priority: Priority) -> AccountBalance:
        # "Request parameters: none": no body at all.
        return self._gateway.read("balance", None, parse=facts.map_balance, priority=priority)

    def _read_regions(self) -> tuple[Region, ...]:
        return self._gateway.read("locations", {}, parse=facts.map_regions, priority=Priority.PEOPLE)

    def _read_webhook_address(self) -> str:
        return self._gateway.read("webhook_query", {}, parse=facts.find_webhook_address, priority=Priority.PEOPLE)

    def _save_webhook_address(self, address: str) -> None:
        self._gateway.open_reply(self._gateway.write("webhook_save", {"webhook": address}))

    # -- the catalogue ----------------------------------------------------------------------------------------------

    def _list_plans(
        self, *, country: str, region: str, carrier: str, include_roaming: bool, first_page: int, cursor: str
    ) -> Iterator[PlanPage]:
        # It knows neither carriers nor home countries, and everything comes on one page.
        del carrier, include_roaming, cursor
        if first_page == 1:
            yield list_packages(self._gateway, country=country, region=region)

    def _read_plan(self, plan_ref: str) -> PlanOffer:
        return read_package(self._gateway, plan_ref)

    def _list_top_ups(self, provider_ref: str, iccid: str, plan_ref: str) -> tuple[PlanOffer, ...]:
        return list_top_ups(self._gateway, provider_ref=provider_ref, iccid=iccid, plan_ref=plan_ref)

    # -- orders -----------------------------------------------------------------------------------------------------

    def _send_order(self, request: OrderRequest) -> ProviderReply:
        self._require_sendable("order", request.idempotency_key, request.period_days)
        body = bodies.write_order(request, checks_price=self.config.checks_prices)
        return self._gateway.write("order", body, read_timeout=settings.HTTP_ORDER_READ_TIMEOUT)

    def _read_order_reply(self, reply: ProviderReply, request: OrderRequest) -> OrderOutcome:
        """Pure: the same reply always gives the same outcome. The lines come later, by the order's number."""
        try:
            envelope = self._gateway.open_reply(reply)
        except OutcomeUnknown as error:
            error.transaction_id = _find_order_no(reply.body)
            raise
        part = envelope.obj if isinstance(envelope.obj, dict) else {}
        order_ref = read_ref(part.get("orderNo"))
        if not order_ref:
            raise self._gateway.unknown(reply, "has no orderNo")
        told = read_ref(part.get("transactionId"))
        faults = (
            (Fault(where="obj.transactionId", message="is not the order's"),)
            if told and told != request.idempotency_key
            else ()
        )
        return OrderOutcome(transaction_id=order_ref, order_ref=order_ref, lines=(), final=False, faults=faults)

    def _find_order(self, idempotency_key: str, sent_at: datetime) -> TransactionRecord | None:
        return queries.find_order(self._gateway, idempotency_key, sent_at=sent_at, now=timezone.now())

    def _read_transaction(self, transaction_id: str, priority: Priority) -> TransactionRecord:
        if not read_ref(transaction_id):
            raise self._gateway.refuse("query", "This is not an order number", "orderNo")
        return queries.read_order(self._gateway, transaction_id, priority=priority)

    # -- lines ------------------------------------------------------------------------------------------------------

    def _read_line(self, provider_ref: str, priority: Priority) -> LineSnapshot:
        return self._read_line_of_order(provider_ref, "", priority)

    def _read_line_of_order(self, provider_ref: str, order_ref: str, priority: Priority) -> LineSnapshot:
        self._require_ref(provider_ref, "query")
        return queries.read_line(self._gateway, provider_ref, priority=priority, order_ref=read_ref(order_ref))

    def _read_order_lines(self, order_ref: str, priority: Priority) -> tuple[LineSnapshot, ...]:
        if not read_ref(order_ref):
            raise self._gateway.refuse("query", "This is not an order number", "orderNo")
        return queries.read_order_lines(self._gateway, order_ref, priority=priority)

    def _list_lines(self, since: datetime, until: datetime) -> Iterator[LineSnapshot]:
        return queries.list_lines(self._gateway, since=since, until=until)

    def _read_usage(self, provider_refs: Sequence[str], priority: Priority) -> tuple[UsageSnapshot, ...]:
        refs = list(dict.fromkeys(provider_refs))
        for ref in refs:
            self._require_ref(ref, "usage")

        def parse(envelope: Envelope, reply: ProviderReply) -> tuple[UsageSnapshot, ...]:
            return facts.map_usages(envelope, reply, asked=frozenset(refs))

        return self._gateway.read("usage", {"esimTranNoList": refs}, parse=parse, priority=priority)

    def _send_control(self, request: ControlRequest) -> ProviderReply:
        """Always by ``esimTranNo``, never by ICCID: that may be another customer's line today."""
        name = _ACTIONS[request.capability]
        self._require_ref(request.provider_ref, name)
        body = {"esimTranNo": request.provider_ref}
        if request.capability is Capability.SMS:
            if not 0 < len(request.message) <= LONGEST_MESSAGE or not request.message.strip():
                raise self._gateway.refuse(name, f"A message has 1 to {LONGEST_MESSAGE} characters", "message")
            body["message"] = request.message
        return self._gateway.write(name, body)

    def _read_control_reply(self, reply: ProviderReply, capability: Capability) -> ControlOutcome:
        self._gateway.open_reply(reply)
        return ControlOutcome(refund=_REFUNDS.get(capability))

    # -- top-ups ----------------------------------------------------------------------------------------------------

    def _send_top_up(self, request: TopUpRequest) -> ProviderReply:
        self._require_ref(request.provider_ref, "topup")
        self._require_sendable("topup", request.idempotency_key, request.period_days)
        body = bodies.write_top_up(request, checks_price=self.config.checks_prices)
        return self._gateway.write("topup", body, read_timeout=settings.HTTP_ORDER_READ_TIMEOUT)

    def _read_top_up_reply(self, reply: ProviderReply, request: TopUpRequest) -> TopUpOutcome:
        return facts.map_top_up(self._gateway.open_reply(reply), request)

    # -- webhooks ---------------------------------------------------------------------------------------------------

    def _authenticate_webhook(self, webhook: IncomingWebhook) -> None:
        webhooks.authenticate(webhook, config=self.config, account=self.account)

    def _read_webhook_key(self, body: bytes) -> str:
        return webhooks.read_key(body)

    def _read_webhook(self, body: bytes) -> tuple[WebhookHint, ...]:
        return webhooks.read_hints(body)

    # -- what is not sent -------------------------------------------------------------------------------------------

    def _require_ref(self, provider_ref: str, operation: str) -> None:
        if not read_ref(provider_ref):
            raise self._gateway.refuse(operation, "This is not an esimTranNo", "provider_ref")

    def _require_sendable(self, operation: str, key: str, period_days: int | None) -> None:
        if not 0 < len(key) <= bodies.LONGEST_KEY:
            raise self._gateway.refuse(
                operation, f"A transactionId has 1 to {bodies.LONGEST_KEY} characters", "idempotency_key"
            )
        if period_days is not None and not 1 <= period_days <= MOST_DAYS:
            raise self._gateway.refuse(operation, f"A plan by the day is sold for 1 to {MOST_DAYS} days", "period_days")


def _find_order_no(body: bytes) -> str:
    match = _ORDER_NO.search(body)
    return match.group(1).decode("ascii") if match else ""
