"""Nomad eSIMfx. See ``docs/providers/esimfx.md``."""

import re
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any, ClassVar, Self

import structlog
from django.conf import settings

from providers.base import Provider
from providers.errors import OutcomeUnknown, Rejected
from providers.esimfx import envelope, mapping, plans, webhooks
from providers.esimfx.config import OPERATIONS, EsimfxConfig
from providers.esimfx.connection import AUTH_TIMEOUT, Connection
from providers.identifiers import is_iccid
from providers.reading import UnreadableError
from providers.types import (
    AccountBalance,
    Capability,
    ControlOutcome,
    ControlRequest,
    Fault,
    IncomingWebhook,
    LineSnapshot,
    MoneyBack,
    OrderOutcome,
    OrderRequest,
    PlanOffer,
    PlanPage,
    Priority,
    ProviderReply,
    RateBudget,
    Returned,
    TopUpOutcome,
    TopUpRequest,
    TopUpRule,
    TopUpTerms,
    TransactionRecord,
    WebhookHint,
)

log = structlog.get_logger(__name__)

#: OURS: how long a person's click, and a call that belongs to one before it, wait for the rate budget, in seconds.
_PATIENCE_PEOPLE = 4.0
_PATIENCE_SEQUEL = 2.0
_CONTROLS: Mapping[Capability, str] = {
    Capability.TERMINATE: "terminate",
    Capability.ACTIVATE: "activate",
    Capability.BLOCK: "block",
}
_SENDABLE = re.compile(r"[!-~]{1,120}")
#: The order's id where the reply began as the document prints it, whole in the bytes that came.
_ORDER_ID = re.compile(rb'"data"\s*:\s*\{\s*"id"\s*:\s*"([!#-\[\]-~]{1,64})"')


class EsimfxProvider(Provider):
    """One order is one eSIM, in one synchronous call that may be sent again with its key."""

    adapter = "esimfx"
    required_settings = ("url", "client_id", "client_key")
    capabilities: ClassVar[frozenset[Capability]] = frozenset(
        {
            Capability.LIST_PLANS,
            Capability.PLAN_LOOKUP,
            Capability.ORDER,
            Capability.READ_LINE,
            Capability.TERMINATE,
            Capability.ACTIVATE,
            Capability.BLOCK,
            Capability.TOP_UP,
            Capability.BALANCE,
            Capability.WEBHOOKS,
            Capability.TRANSACTION_INQUIRY,
        }
    )
    #: "Keys remain valid for 6 months to prevent duplicate charges on retries."
    repeatable = frozenset({Capability.ORDER, Capability.TOP_UP})
    #: "Once data from your current plan is used up or expires, your add-on data will be automatically activated." "The
    #: countdown towards expiry will start when you start using data from the add-on package." "You do not need to
    #: re-install the eSIM." Not activated "within 60 days of purchase", a package "might be infunctional". In which
    #: states of the eSIM one is taken, it does not say.
    top_up_terms = TopUpTerms(
        rule=TopUpRule.QUEUED, days_add_up=False, needs_install=False, use_within=timedelta(days=60)
    )
    #: PENDING "within the 60 days creation of the order"; "the eSIM fee will not be refunded". Blocking: not said.
    money_back: ClassVar[Mapping[Capability, MoneyBack]] = {
        Capability.TERMINATE: MoneyBack(returned=Returned.PACKAGE_FEE, only_waiting=True, within=timedelta(days=60)),
    }
    #: No quantity is documented.
    max_order_quantity = 1
    #: OURS, for an order whose reply names no eSIM yet: no such reply is described.
    allocation_pace = (2.0, 5.0, 15.0, 60.0)

    def __init__(self, account: str, config: EsimfxConfig) -> None:
        super().__init__(account)
        self.config = config
        # Two tokens and two orders, where the first token is refused.
        longest = 4 * settings.HTTP_CONNECT_TIMEOUT + 4 * settings.HTTP_READ_TIMEOUT + 4 * AUTH_TIMEOUT
        longest = max(longest, settings.HTTP_CONNECT_TIMEOUT + settings.HTTP_ORDER_READ_TIMEOUT)
        self.order_deadline = max(timedelta(minutes=5), timedelta(seconds=longest) + timedelta(minutes=1))
        self._connection = Connection(config)

    @classmethod
    def from_settings(cls, account: str, values: Mapping[str, Any]) -> Self:
        return cls(account, EsimfxConfig.from_settings(account, values))

    @property
    def budgets(self) -> Mapping[str, RateBudget]:
        return dict.fromkeys(OPERATIONS, self.config.budget) if self.config.budget else {}

    @property
    def webhook_secret(self) -> str:
        return self.config.webhook_secret

    @property
    def offered(self) -> frozenset[Capability]:
        missing = set()
        if not self.config.can_block:
            missing.add(Capability.BLOCK)
        if not self.config.webhook_token:
            missing.add(Capability.WEBHOOKS)
        return self.capabilities - missing

    # -- the catalogue ------------------------------------------------------------------------------------------------

    def _check(self) -> None:
        body = {"page_start": {}, "page_size": 1}
        self._connection.read(
            "products", lambda data, _reply: plans.read_products(data), body=body, patience=_PATIENCE_PEOPLE
        )

    def _list_plans(
        self, *, country: str, region: str, carrier: str, include_roaming: bool, first_page: int, cursor: str
    ) -> Iterator[PlanPage]:
        # It knows neither carriers nor home countries. A region would silently win over countries: one is sent.
        del carrier, include_roaming
        filters = {"region": region} if region else {"countries": country} if country else {}
        listing = plans.ProductListing(account=self.account, first_page=first_page, cursor=cursor)
        while not listing.is_finished:
            body = {**filters, "page_start": listing.page_start, "page_size": self.config.page_size}
            yield self._connection.read(
                "products",
                lambda data, _reply: listing.add(data),
                body=body,
                priority=Priority.BACKGROUND,
                patience=_PATIENCE_SEQUEL,
            )

    def _read_plan(self, plan_ref: str) -> PlanOffer:
        """Either kind of id."""
        self._require_sendable(plan_ref, "product", "id")

        def parse(data: Any, _reply: ProviderReply) -> PlanOffer:
            return plans.map_product(data, account=self.account, asked_for=plan_ref)

        return self._connection.read("product", parse, query={"id": plan_ref}, patience=_PATIENCE_PEOPLE)

    def _list_top_ups(self, provider_ref: str, iccid: str, plan_ref: str) -> tuple[PlanOffer, ...]:
        """By the eSIM, as the rules say; by the product only where there is no eSIM to ask for."""
        line = provider_ref or iccid
        if line:
            self._require_iccid(line, "topups")
        else:
            self._require_sendable(plan_ref, "topups", "product_id")

        def parse(data: Any, _reply: ProviderReply) -> tuple[PlanOffer, ...]:
            offers, faults = plans.map_offers(data, account=self.account)
            if faults:
                log.warning("top_ups_not_readable", account=self.account, faults=len(faults), first=faults[0].message)
            return offers

        query = {"iccid": line} if line else {"product_id": plan_ref}
        return self._connection.read("topups", parse, query=query, patience=_PATIENCE_PEOPLE)

    # -- lines --------------------------------------------------------------------------------------------------------

    def _read_line(self, provider_ref: str, priority: Priority) -> LineSnapshot:
        """Two calls: the eSIM, and the orders with the packages on it. The line is as old as the first."""
        self._require_iccid(provider_ref, "esim_status")
        query = {"iccid": provider_ref}
        patience = _PATIENCE_PEOPLE if priority is Priority.PEOPLE else 0.0

        def parse_esim(data: Any, reply: ProviderReply) -> tuple[Mapping[str, Any], datetime]:
            return mapping.read_esim(data, iccid=provider_ref), reply.sent_at

        esim, as_of = self._connection.read(
            "esim_status", parse_esim, query=query, priority=priority, patience=patience
        )
        faults: list[Fault] = []

        def parse_orders(data: Any, _reply: ProviderReply) -> tuple[mapping.Order, ...]:
            return mapping.map_orders(data, iccid=provider_ref, faults=faults, account=self.account)

        orders = self._connection.read(
            "esim_orders", parse_orders, query=query, priority=priority, patience=max(patience, _PATIENCE_SEQUEL)
        )
        return mapping.map_line(esim, orders, iccid=provider_ref, faults=faults, account=self.account, as_of=as_of)

    def _read_transaction(self, transaction_id: str, priority: Priority) -> TransactionRecord:
        """An order by its id, for the transaction's id is the order's."""
        self._require_sendable(transaction_id, "order_detail", "order_id")

        def parse(data: Any, _reply: ProviderReply) -> TransactionRecord:
            return mapping.map_transaction(data, order_id=transaction_id, account=self.account)

        return self._connection.read("order_detail", parse, query={"order_id": transaction_id}, priority=priority)

    # -- orders -------------------------------------------------------------------------------------------------------

    def _send_order(self, request: OrderRequest) -> ProviderReply:
        self._require_sendable(request.plan_ref, "order", "product.id")
        body = {"operation_type": "NEW", "product": {"id": request.plan_ref}}
        return self._send_sale(body, request.idempotency_key)

    def _send_top_up(self, request: TopUpRequest) -> ProviderReply:
        iccid = request.provider_ref or request.iccid
        self._require_iccid(iccid, "order")
        self._require_sendable(request.plan_ref, "order", "product.id")
        body = {"operation_type": "TOPUP", "iccid": iccid, "product": {"id": request.plan_ref}}
        return self._send_sale(body, request.idempotency_key)

    def _send_sale(self, body: Mapping[str, Any], key: str) -> ProviderReply:
        """The key is the order's own, whatever is sent again: another one would buy again."""
        self._require_sendable(key, "order", "X-Idempotency-Key")
        return self._connection.write(
            "order", body, is_sale=True, headers={"X-Idempotency-Key": key}, patience=_PATIENCE_PEOPLE
        )

    def _read_order_reply(self, reply: ProviderReply, request: OrderRequest) -> OrderOutcome:
        """Pure: the same reply always gives the same outcome, whenever it is read."""
        data = self._open_sale(reply)
        faults: list[Fault] = []
        order = self._map_sale(reply, data, faults, request.plan_ref)
        iccid = order.iccid if order else mapping.find_iccid(data)
        if not iccid and order is None:
            raise self._unknown("The reply to the order names neither an order nor an eSIM", reply)
        order_id = order.order_id if order else ""
        if not iccid:
            faults.append(Fault(where="esim.iccid", message="is missing"))
            return OrderOutcome(
                transaction_id=order_id, order_ref=order_id, lines=(), final=False, faults=tuple(faults)
            )
        line = mapping.map_line(
            mapping.read_nested_esim(data),
            (order,) if order else (),
            iccid=iccid,
            faults=faults,
            account=self.account,
            as_of=reply.sent_at,
            order_ref=order_id,
        )
        return OrderOutcome(
            transaction_id=order_id, order_ref=order_id, lines=(line,), final=True, faults=tuple(faults)
        )

    def _read_top_up_reply(self, reply: ProviderReply, request: TopUpRequest) -> TopUpOutcome:
        """The reply tells of the new package alone, not of the line's totals."""
        data = self._open_sale(reply)
        faults: list[Fault] = []
        order = self._map_sale(reply, data, faults, request.plan_ref)
        if order is None:
            raise self._unknown("The reply to the top-up names no order", reply)
        if order.iccid not in ("", request.provider_ref or request.iccid):
            raise self._unknown("The reply to the top-up is about another eSIM", reply)
        return TopUpOutcome(
            transaction_id=order.order_id, order_ref=order.order_id, package=order.package, faults=tuple(faults)
        )

    def _open_sale(self, reply: ProviderReply) -> Any:
        error = envelope.judge_write(reply, self.config, is_sale=True)
        if error:
            raise self._unknown(error.message, reply, code=error.code) if isinstance(error, OutcomeUnknown) else error
        return envelope.read_data(reply.body)

    def _map_sale(self, reply: ProviderReply, data: Any, faults: list[Fault], plan_ref: str) -> mapping.Order | None:
        try:
            return mapping.map_order(data, faults=faults, account=self.account, plan_ref=plan_ref)
        except UnreadableError as error:
            faults.append(Fault(where="data", message=str(error)))
            log.warning("order_without_id", account=self.account, status=reply.status)
            return None

    def _unknown(self, message: str, reply: ProviderReply, *, code: str = "") -> OutcomeUnknown:
        match = _ORDER_ID.search(reply.body)
        return OutcomeUnknown(
            message,
            code=code or str(reply.status),
            operation=reply.operation,
            account=self.account,
            transaction_id=match.group(1).decode("ascii") if match else "",
        )

    # -- control ------------------------------------------------------------------------------------------------------

    def _send_control(self, request: ControlRequest) -> ProviderReply:
        """Packages are ended and started by their order; an eSIM is blocked by its ICCID (that body is OURS)."""
        name = _CONTROLS[request.capability]
        if request.capability is Capability.BLOCK:
            iccid = request.provider_ref or request.iccid
            self._require_iccid(iccid, name)
            return self._connection.write(name, {"iccid": iccid}, patience=_PATIENCE_PEOPLE)
        order_id = request.package_ref or request.order_ref
        self._require_sendable(order_id, name, "order_id")
        return self._connection.write(name, {"order_id": order_id}, patience=_PATIENCE_PEOPLE)

    def _read_control_reply(self, reply: ProviderReply, capability: Capability) -> ControlOutcome:
        error = envelope.judge_write(reply, self.config, is_sale=False)
        if error:
            raise error
        return ControlOutcome(refund=mapping.read_refund(envelope.read_data(reply.body)))

    # -- the account --------------------------------------------------------------------------------------------------

    def _read_balance(self, priority: Priority) -> AccountBalance:
        def parse(data: Any, reply: ProviderReply) -> AccountBalance:
            return mapping.map_balance(data, currency=self.config.balance_currency, as_of=reply.sent_at)

        patience = _PATIENCE_PEOPLE if priority is Priority.PEOPLE else 0.0
        return self._connection.read("profile", parse, priority=priority, patience=patience)

    # -- webhooks -----------------------------------------------------------------------------------------------------

    def _authenticate_webhook(self, webhook: IncomingWebhook) -> None:
        webhooks.authenticate(webhook, self.config)

    def _read_webhook_key(self, body: bytes) -> str:
        return webhooks.read_key(body)

    def _read_webhook(self, body: bytes) -> tuple[WebhookHint, ...]:
        return webhooks.read_hints(body)

    # -- shared -----------------------------------------------------------------------------------------------------

    def _require_iccid(self, iccid: str, operation: str) -> None:
        if not is_iccid(iccid):
            raise self._refuse("An ICCID has 18 to 22 digits", operation, "iccid")

    def _require_sendable(self, text: str, operation: str, field: str) -> None:
        if not _SENDABLE.fullmatch(text):
            raise self._refuse(f"{field} is missing or cannot be sent", operation, field)

    def _refuse(self, message: str, operation: str, field: str) -> Rejected:
        return Rejected(message, code=field, operation=operation, account=self.account, field=field)
