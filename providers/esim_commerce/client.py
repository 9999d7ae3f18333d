"""eSIM Commerce, production and sandbox: one API, two systems. See ``docs/providers/esim-commerce.md``."""

import json
import re
from collections.abc import Iterator, Mapping
from datetime import date, datetime, timedelta
from typing import Any, ClassVar, Self

from django.conf import settings

from providers import classify, transport
from providers.base import Provider
from providers.errors import OutcomeUnknown, ProviderError, Rejected, Unavailable
from providers.esim_commerce import mapping
from providers.esim_commerce.config import EsimCommerceConfig
from providers.esim_commerce.listing import PlanListing
from providers.reading import UnreadableError, parse_document
from providers.types import (
    Capability,
    ControlOutcome,
    ControlRequest,
    LineSnapshot,
    OrderOutcome,
    OrderRequest,
    PlanPage,
    Priority,
    ProviderReply,
    RateBudget,
    TransactionRecord,
)

#: "Items per page (1-200)".
PAGE_SIZE = 200
#: OURS: how long a person's click waits for the rate budget, in seconds. Background work is told to come back.
_PATIENCE_PEOPLE = 4.0
_ACTIONS: Mapping[Capability, str] = {Capability.SUSPEND: "suspend", Capability.RELEASE: "release"}
#: Whole in the bytes that came: a value that is cut off would be another transaction's.
_TRANSACTION_ID = re.compile(rb'"transactionId"\s*:\s*"([!#-\[\]-~]{1,64})"')
#: A UUID by the documents; anything else that fits into a path is asked for as it is.
_SENDABLE_TRANSACTION_ID = re.compile(r"[A-Za-z0-9][!-~]{0,63}")


class EsimCommerceProvider(Provider):
    """An order is one synchronous call without an idempotency key: it is never sent again by itself."""

    adapter = "esim_commerce"
    required_settings = ("url", "key_id", "key_secret")
    capabilities: ClassVar[frozenset[Capability]] = frozenset(
        {
            Capability.LIST_PLANS,
            Capability.ORDER,
            Capability.READ_LINE,
            Capability.USAGE_BY_DAY,
            Capability.SUSPEND,
            Capability.RELEASE,
            Capability.TRANSACTION_INQUIRY,
            Capability.SIMULATE_USAGE,
        }
    )
    #: "quantity … integer [ 1 .. 1000 ]".
    max_order_quantity = 1000
    #: "Only orders received within 48 hours (JST) are eligible"; the asker keeps a margin.
    inquiry_window = timedelta(hours=48)

    def __init__(self, account: str, config: EsimCommerceConfig) -> None:
        super().__init__(account)
        self.config = config
        longest = timedelta(seconds=settings.HTTP_CONNECT_TIMEOUT + 2 * settings.HTTP_ORDER_READ_TIMEOUT)
        self.order_deadline = max(timedelta(minutes=5), longest + timedelta(minutes=1))

    @classmethod
    def from_settings(cls, account: str, values: Mapping[str, Any]) -> Self:
        return cls(account, EsimCommerceConfig.from_settings(account, values))

    @property
    def budgets(self) -> Mapping[str, RateBudget]:
        return self.config.budgets

    @property
    def offered(self) -> frozenset[Capability]:
        return self.capabilities if self.config.is_sandbox else self.capabilities - {Capability.SIMULATE_USAGE}

    # -- reads ------------------------------------------------------------------------------------------------------

    def _check(self) -> None:
        self._read_page({"page": "1", "limit": "1"}, Priority.PEOPLE, _PATIENCE_PEOPLE)

    def _list_plans(
        self, *, country: str, region: str, carrier: str, include_roaming: bool, first_page: int, cursor: str
    ) -> Iterator[PlanPage]:
        # It knows countries only, and numbered pages.
        del region, cursor
        # Written as the documents print them: whole numbers, and the flag in lower case.
        filters = {"countryCode": country, "providerCode": carrier, "includeRoaming": str(include_roaming).lower()}
        query = {name: value for name, value in filters.items() if value}
        listing = PlanListing(
            account=self.account,
            currency=self.config.currency,
            # "When false (default), searches homeCountry only": then the country asked for is each plan's home.
            home_country="" if include_roaming else country,
            first_page=first_page,
        )
        while not listing.is_finished:
            paging = {"page": str(listing.next_page), "limit": str(PAGE_SIZE)}
            document = self._read_page({**query, **paging}, Priority.BACKGROUND, 0.0)
            try:
                page = listing.add(document)
            except UnreadableError as error:
                raise Unavailable(
                    f"The catalogue cannot be read: {error}", operation="plans", account=self.account
                ) from error
            yield page

    def _read_page(self, query: Mapping[str, str], priority: Priority, patience: float) -> Mapping[str, Any]:
        def parse(reply: ProviderReply) -> Mapping[str, Any]:
            document = parse_document(reply.body)
            if not isinstance(document, dict) or not isinstance(document.get("items"), list):
                raise UnreadableError("it has no list of plans")
            return document

        call = self._make_call("plans", query=query, priority=priority, patience=patience)
        return transport.read(call, judge=self._judge_read, parse=parse)

    def _read_line(self, provider_ref: str, priority: Priority) -> LineSnapshot:
        self._require_iccid(provider_ref, "status")

        def parse(reply: ProviderReply) -> LineSnapshot:
            line = self._map_line(parse_document(reply.body), reply.sent_at)
            if line.provider_ref != provider_ref:
                raise UnreadableError("it is about another eSIM")
            return line

        patience = _PATIENCE_PEOPLE if priority is Priority.PEOPLE else 0.0
        call = self._make_call("status", arguments={"iccid": provider_ref}, priority=priority, patience=patience)
        return transport.read(call, judge=self._judge_read, parse=parse)

    def _read_transaction(self, transaction_id: str, priority: Priority) -> TransactionRecord:
        """Documented: "error code 400" for an id that does not exist. An id older than 48 hours and a malformed one
        may get the same, so the ``Rejected`` that comes of it proves nothing about the order.
        """
        if not _SENDABLE_TRANSACTION_ID.fullmatch(transaction_id):
            raise Rejected(
                "This is not a transaction id",
                code="transaction_id",
                operation="transaction",
                account=self.account,
                field="transactionId",
            )

        def parse(reply: ProviderReply) -> TransactionRecord:
            return mapping.map_transaction(parse_document(reply.body), transaction_id=transaction_id)

        call = self._make_call("transaction", arguments={"id": transaction_id}, priority=priority)
        return transport.read(call, judge=self._judge_read, parse=parse)

    # -- orders -----------------------------------------------------------------------------------------------------

    def _send_order(self, request: OrderRequest) -> ProviderReply:
        body = {"planCode": request.plan_ref, "quantity": request.quantity}
        call = self._make_call("order", body=body, is_write=True, read_timeout=settings.HTTP_ORDER_READ_TIMEOUT)
        return transport.send_write(call)

    def _read_order_reply(self, reply: ProviderReply, request: OrderRequest) -> OrderOutcome:
        """Pure: the same reply always gives the same outcome, whenever it is read."""
        if not classify.is_success(reply):
            error = classify.judge_write(reply, account=self.account, verdicts=self.config.refusals)
            raise self._with_transaction_id(error, reply)
        if not reply.complete:
            raise self._unknown("The reply to the order was cut off", reply)
        try:
            document = parse_document(reply.body)
        except UnreadableError as error:
            raise self._unknown("The reply to the order is not JSON", reply) from error
        if not isinstance(document, dict) or not isinstance(document.get("esims"), list):
            raise self._unknown("The reply to the order has no list of eSIMs", reply)
        return self._map_order(document, reply, request)

    def _map_order(self, document: Mapping[str, Any], reply: ProviderReply, request: OrderRequest) -> OrderOutcome:
        lines, faults = mapping.collect_lines(
            document["esims"], lambda item: self._map_line(item, reply.sent_at, reply.received_at)
        )
        told = document.get("transactionId")
        transaction_id = told.strip() if isinstance(told, str) and len(told) <= 64 else ""
        if not lines and not transaction_id:
            raise self._unknown("The reply to the order names neither eSIMs nor a transaction", reply)
        more = mapping.find_count_faults(
            ordered=request.quantity, delivered=len(lines), has_transaction=bool(transaction_id)
        )
        return OrderOutcome(
            transaction_id=transaction_id,
            order_ref=transaction_id,
            lines=lines,
            final=len(lines) >= request.quantity,
            faults=(*faults, *more),
        )

    def _unknown(self, message: str, reply: ProviderReply) -> OutcomeUnknown:
        match = _TRANSACTION_ID.search(reply.body)
        return OutcomeUnknown(
            message,
            code=str(reply.status),
            operation="order",
            account=self.account,
            transaction_id=match.group(1).decode("ascii") if match else "",
        )

    def _with_transaction_id(self, error: ProviderError, reply: ProviderReply) -> ProviderError:
        return self._unknown(error.message, reply) if isinstance(error, OutcomeUnknown) else error

    # -- control ----------------------------------------------------------------------------------------------------

    def _send_control(self, request: ControlRequest) -> ProviderReply:
        self._require_iccid(request.provider_ref, "control")
        call = self._make_call(
            "control",
            arguments={"iccid": request.provider_ref},
            body={"action": _ACTIONS[request.capability]},
            is_write=True,
            patience=_PATIENCE_PEOPLE,
        )
        return transport.send_write(call)

    def _read_control_reply(self, reply: ProviderReply, capability: Capability) -> ControlOutcome:
        """Only the status counts: the documents' own reply to a suspend still shows an unrestricted line."""
        if not classify.is_success(reply):
            raise classify.judge_write(reply, account=self.account, verdicts=self._refusals_of_lines)
        return ControlOutcome()

    # -- the sandbox's usage setter ---------------------------------------------------------------------------------

    def _simulate_usage(self, provider_ref: str, days: Mapping[date, int]) -> None:
        """ "Only works with sandbox eSIMs": refused here for any other, before anything is sent."""
        if not self.config.is_sandbox or not mapping.is_sandbox_iccid(provider_ref):
            raise self._refuse_usage("Usage can be set for eSIMs of the sandbox only", "iccid")
        if not days:
            raise self._refuse_usage("No day is given", "days")
        if any(used < 0 or used % 1024 for used in days.values()):
            raise self._refuse_usage("Usage is set in whole kilobytes of 1,024 bytes", "usage")
        body = [{"day": day.isoformat(), "usage": str(used // 1024)} for day, used in sorted(days.items())]
        call = self._make_call(
            "usage", arguments={"iccid": provider_ref}, body=body, is_write=True, patience=_PATIENCE_PEOPLE
        )
        reply = transport.send_write(call)
        if not classify.is_success(reply):
            raise classify.judge_write(reply, account=self.account, verdicts=self._refusals_of_lines)

    def _refuse_usage(self, message: str, field: str) -> Rejected:
        return Rejected(message, code=field, operation="usage", account=self.account, field=field)

    # -- shared -----------------------------------------------------------------------------------------------------

    def _make_call(
        self,
        name: str,
        *,
        arguments: Mapping[str, str] | None = None,
        query: Mapping[str, str] | None = None,
        body: object = None,
        is_write: bool = False,
        priority: Priority = Priority.PEOPLE,
        patience: float = 0.0,
        read_timeout: float | None = None,
    ) -> transport.OutboundCall:
        endpoint = self.config.endpoints[name]
        headers = {
            "X-API-Key-ID": self.config.key_id,
            "X-API-Key-Secret": self.config.key_secret,
            "Accept": "application/json",
        }
        if body is not None:
            headers["Content-Type"] = "application/json"
        return transport.OutboundCall(
            account=self.account,
            operation=name,
            method=endpoint.method,
            url=self.config.url + endpoint.path(**(arguments or {})),
            headers=headers,
            is_write=is_write,
            query=query or {},
            body=b"" if body is None else json.dumps(body, separators=(",", ":")).encode(),
            budget=self.budgets.get(name),
            priority=priority,
            patience=patience,
            read_timeout=read_timeout,
        )

    @property
    def _refusals_of_lines(self) -> Mapping[str, classify.Verdict]:
        """For one line there is neither stock nor balance to mend: such a refusal is final."""
        final = (classify.Verdict.STOCK, classify.Verdict.BALANCE, classify.Verdict.PRICE)
        return {
            name: classify.Verdict.FINAL if verdict in final else verdict
            for name, verdict in self.config.refusals.items()
        }

    def _judge_read(self, reply: ProviderReply) -> ProviderError | None:
        if classify.is_success(reply):
            return None
        return classify.judge_read(reply, account=self.account, verdicts=self._refusals_of_lines)

    def _require_iccid(self, iccid: str, operation: str) -> None:
        if not mapping.is_sendable_iccid(iccid):
            raise Rejected(
                "An ICCID of this provider has 19 digits",
                code="iccid",
                operation=operation,
                account=self.account,
                field="iccid",
            )

    def _map_line(self, item: object, sent_at: datetime, seen_at: datetime | None = None) -> LineSnapshot:
        today = (seen_at or sent_at).astimezone(mapping.JAPAN).date()
        return mapping.map_line(item, account=self.account, sent_at=sent_at, today=today)
