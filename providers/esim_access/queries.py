"""Asking ``esim/query``: one endpoint for one line, an order's lines and the lines of a time, always in pages."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from providers.errors import NOT_TOLD, Rejected, StillAllocating, Unavailable
from providers.esim_access.envelope import Envelope
from providers.esim_access.gateway import Gateway
from providers.esim_access.lines import find_refs, has_key, is_allocated, map_line, map_lines
from providers.reading import FieldReader, UnreadableError
from providers.types import Fault, LineSnapshot, Priority, ProviderReply, TransactionRecord

#: "Page size, value range: [5, 500]", "Page number, value range: [1, 10000]".
PAGE_SIZE, LAST_PAGE = 500, 10_000
#: "SM-DP+ is still allocating profiles for the order."
_ALLOCATING = "200010"
#: "Request parameters (mandatory) are not contained", "… is null".
_MISSES_PARAMETER = frozenset({"000105", "000106"})
#: "The orderNo does not exist". Order numbers come from the provider itself, so right after an order it lags behind.
_NO_ORDER = "310272"
#: "Expect wait times of up to 30 seconds." OURS: asked again after half of it, and once more.
_ALLOCATED_WITHIN = timedelta(seconds=15)
#: OURS: our clock and the provider's may differ by so much.
_CLOCKS_DIFFER = timedelta(minutes=5)


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """One page of eSIM objects as they came. ``refusal`` is the accepted code that came in their place."""

    items: Sequence[Any]
    total: int | None
    sent_at: datetime
    refusal: str = ""


def read_pages(
    gateway: Gateway,
    criteria: Mapping[str, str],
    *,
    priority: Priority,
    accepted: frozenset[str] = frozenset(),
    parse: Callable[[Envelope, ProviderReply], Page] | None = None,
) -> Iterator[Page]:
    """All pages of one query, each read when it is asked for. Raises as every read.

    It ends where as many different objects came as the pager counts, at an empty page, and at one that only repeats
    others: what was sold meanwhile may push lines to the next page, so that one comes twice. The table of the reply
    names a pager without ``total``: then a short page proves nothing, because a page may be smaller than asked for.
    """
    seen: set[str] = set()
    count = 0
    for number in range(1, LAST_PAGE + 1):
        body = {**criteria, "pager": {"pageNum": number, "pageSize": PAGE_SIZE}}
        page = gateway.read("query", body, parse=parse or _parse_page, priority=priority, accepted=accepted)
        yield page
        refs = [find_refs(item)[0] for item in page.items]
        fresh = {ref for ref in refs if ref} - seen
        seen |= fresh
        count += len(fresh) + refs.count("")
        if not fresh or (page.total and count >= page.total):
            return


def _parse_page(envelope: Envelope, reply: ProviderReply) -> Page:
    if not envelope.is_success:
        return Page(items=(), total=None, sent_at=reply.sent_at, refusal=envelope.code)
    pager = envelope.part.get("pager")
    total = FieldReader(pager if isinstance(pager, dict) else {}, where="pager", faults=[]).integer("total")
    is_empty = total == 0 and envelope.part.get("esimList") is None
    items = [] if is_empty else envelope.find_list("esimList")
    return Page(items=items, total=total, sent_at=reply.sent_at)


# -- one line ---------------------------------------------------------------------------------------------------------


def read_line(gateway: Gateway, provider_ref: str, *, priority: Priority, order_ref: str = "") -> LineSnapshot:
    """The line of one ``esimTranNo``. An answer without it says nothing about it, so it is a failed read.

    The number stands in the document's text and not in its table of parameters. A provider that does not heed it
    answers with others' lines, and then the pages are searched; one that keeps to the table misses a parameter, and
    then the line is looked for in its order, ``order_ref``. A line that it does not tell of has the code ``NOT_TOLD``.
    """
    try:
        return _find_line(gateway, {"esimTranNo": provider_ref}, provider_ref, priority=priority)
    except Rejected as error:
        if error.code not in _MISSES_PARAMETER:
            raise
        if not order_ref:
            # It says nothing about the line.
            raise Unavailable(
                error.message, code=error.code, operation=error.operation, account=error.account
            ) from error
    return _find_line(gateway, {"orderNo": order_ref}, provider_ref, priority=priority)


def _find_line(gateway: Gateway, criteria: Mapping[str, str], provider_ref: str, *, priority: Priority) -> LineSnapshot:
    is_absent = False

    def parse(envelope: Envelope, reply: ProviderReply) -> Page:
        nonlocal is_absent
        page = _parse_page(envelope, reply)
        refs = [find_refs(item)[0] for item in page.items]
        if provider_ref not in refs and (len(refs) >= page.total if page.total else not refs):
            is_absent = True
            raise UnreadableError("it does not tell of this eSIM")
        return page

    try:
        for page in read_pages(gateway, criteria, priority=priority, parse=parse):
            for item in page.items:
                if find_refs(item)[0] == provider_ref:
                    return map_line(item, account=gateway.account, sent_at=page.sent_at)
    except Unavailable as error:
        error.code = NOT_TOLD if is_absent else error.code
        raise
    raise Unavailable(
        "The provider does not tell of this eSIM", code=NOT_TOLD, operation="query", account=gateway.account
    )


# -- the lines of an order --------------------------------------------------------------------------------------------


def read_order_lines(gateway: Gateway, order_ref: str, *, priority: Priority) -> tuple[LineSnapshot, ...]:
    """Every line of an order, also those that are still being made; none while nothing is allocated."""
    items: list[Any] = []
    sent_at = None
    for page in read_pages(gateway, {"orderNo": order_ref}, priority=priority, accepted=frozenset({_ALLOCATING})):
        items += page.items
        sent_at = sent_at or page.sent_at
    if sent_at is None:
        return ()
    own = [item for item in items if find_refs(item)[1] in ("", order_ref)]
    return map_lines(own, account=gateway.account, sent_at=sent_at).lines


def read_order(gateway: Gateway, order_ref: str, *, priority: Priority) -> TransactionRecord:
    """What the provider holds for an order. Pending while any of it is not a whole line yet, or cannot be read."""
    items: list[Any] = []
    total, sent_at, refusal = 0, None, ""
    for page in read_pages(
        gateway, {"orderNo": order_ref}, priority=priority, accepted=frozenset({_ALLOCATING, _NO_ORDER})
    ):
        items += page.items
        total, refusal = max(total, page.total or 0), page.refusal
        sent_at = sent_at or page.sent_at
    own = [item for item in items if find_refs(item)[1] in ("", order_ref)]
    record = _make_record(gateway, own, transaction_id=order_ref, order_ref=order_ref, sent_at=sent_at)
    faults = list(record.faults)
    if refusal == _NO_ORDER:
        faults.append(Fault(where="orderNo", message="the provider does not know this order, or not yet"))
    if len(own) < len(items):
        faults.append(Fault(where="esimList", message="holds lines of other orders; they were left out"))
    is_pending = record.is_pending or not own or total > len(items)
    return TransactionRecord(
        transaction_id=order_ref,
        line_refs=record.line_refs,
        lines=record.lines,
        is_pending=is_pending,
        is_missing=refusal == _NO_ORDER and not own,
        order_ref=order_ref,
        faults=tuple(faults),
    )


def find_order(gateway: Gateway, key: str, *, sent_at: datetime, now: datetime) -> TransactionRecord | None:
    """The order that came by our ``transactionId``, among all that were made since ``sent_at``.

    Raises ``StillAllocating`` where the provider says in the list's place that it allocates: it may be that order.
    """
    found: list[Any] = []
    asked_at = None
    is_cut = False
    for page in read_pages(
        gateway,
        write_span(sent_at - _CLOCKS_DIFFER, now + _CLOCKS_DIFFER),
        priority=Priority.PEOPLE,
        accepted=frozenset({_ALLOCATING}),
    ):
        found += [item for item in page.items if has_key(item, key)]
        asked_at = asked_at or page.sent_at
        is_cut = is_cut or bool(page.refusal)
    if not found and is_cut:
        raise StillAllocating(
            "The provider is still allocating, and lists nothing until it has done so",
            code=_ALLOCATING,
            operation="query",
            account=gateway.account,
        )
    if not found:
        return None
    order_ref = next((ref for ref in (find_refs(item)[1] for item in found) if ref), "")
    record = _make_record(gateway, found, transaction_id=order_ref, order_ref=order_ref, sent_at=asked_at)
    return replace(record, is_pending=True) if is_cut else record


def _make_record(
    gateway: Gateway, items: Sequence[Any], *, transaction_id: str, order_ref: str, sent_at: datetime | None
) -> TransactionRecord:
    told = map_lines(items, account=gateway.account, sent_at=sent_at or datetime.now(UTC))
    ready = tuple(line for line in told.lines if is_allocated(line))
    unreadable = [fault for fault in told.faults if not fault.ref]
    return TransactionRecord(
        transaction_id=transaction_id,
        line_refs=tuple(line.provider_ref for line in ready),
        lines=ready,
        is_pending=len(ready) < len(told.lines) or bool(unreadable),
        order_ref=order_ref,
        faults=told.faults,
    )


# -- the lines of a time ----------------------------------------------------------------------------------------------


def list_lines(gateway: Gateway, *, since: datetime, until: datetime) -> Iterator[LineSnapshot]:
    """Every line that was sold in a span of time, each once, whatever moves between two pages.

    Raises ``Unavailable`` where the provider says in a page's place that it allocates: that is no empty list.
    """
    seen: set[str] = set()
    for page in read_pages(
        gateway, write_span(since, until), priority=Priority.BACKGROUND, accepted=frozenset({_ALLOCATING})
    ):
        if page.refusal:
            raise Unavailable(
                "The provider is still allocating, and lists nothing until it has done so",
                code=_ALLOCATING,
                operation="query",
                account=gateway.account,
                retry_after=_ALLOCATED_WITHIN,
            )
        for line in map_lines(page.items, account=gateway.account, sent_at=page.sent_at).lines:
            if line.provider_ref not in seen:
                seen.add(line.provider_ref)
                yield line


def write_span(since: datetime, until: datetime) -> Mapping[str, str]:
    """A span of time as the document prints it: whole minutes, so it is made a little longer rather than shorter."""
    end = until.astimezone(UTC) + timedelta(seconds=59, microseconds=999_999)
    return {"startTime": _write_minute(since.astimezone(UTC)), "endTime": _write_minute(end)}


def _write_minute(instant: datetime) -> str:
    return f"{instant:%Y-%m-%dT%H:%M}+00:00"
