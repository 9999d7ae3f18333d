"""The lines that a provider holds against ours, as far as it tells of them.

- It lists its lines by time: all of them, from both sides.
- It tells what a transaction holds: the transactions of the last days. Lines that we do not know of other sales it
  cannot be asked for.
- It tells of single lines: ours, a few in each run, those that were read the longest ago first.
- None of these: it cannot be compared, and the run says so.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from functools import partial

from django.conf import settings
from django.db.models import F, Q
from django.utils import timezone

from catalog.models import Plan
from esims.claims import LineBusy
from esims.models import Esim
from esims.refresh import refresh_line
from esims.states import ENDED
from orders.findings import Finding, OutOfTime, Pace, Part, PartState, Span
from orders.line_evidence import is_denial
from orders.models import Difference, OrderLine, Purchase
from providers.base import Provider
from providers.errors import ProviderError, Rejected
from providers.models import ProviderAccount
from providers.types import Capability, LineSnapshot, LineState, Priority

Kind = Difference.Kind

#: Lines are asked for in spans of so long, so that a run shows how far it is.
_SLICE = timedelta(days=30)
#: A line that we hold may have been entered so long after it was sold: it is looked for in a longer time than that.
_ENTERED_WITHIN = timedelta(days=7)
#: Transactions are looked at for so long, also where the provider finds them for longer.
_TRANSACTIONS_FOR = timedelta(hours=48)
#: Before "the provider does not know it" is said of lines that a listing lacks, so many of them are asked for.
_MOST_CONFIRMED = 50
#: More missing lines than this, and more than a fifth of all: the listing is doubted, not the lines.
_DOUBTFUL = 20
#: While a purchase is in one of these its lines are on their way into our books.
_UNDER_WAY = (Purchase.State.PLANNED, Purchase.State.SENDING, Purchase.State.ALLOCATING)


@dataclass(slots=True)
class _Seen:
    """What was found so far, and of which lines it is known whether they differ."""

    findings: list[Finding] = field(default_factory=list)
    unknown: set[str] = field(default_factory=set)
    missing: set[str] = field(default_factory=set)
    looked: int = 0


def compare_lines(account: ProviderAccount, provider: Provider, pace: Pace) -> Part:
    """The account's lines, by whatever the provider offers."""
    offered = provider.offered
    if Capability.LINE_LISTING in offered:
        return _compare_listing(account, provider, pace)
    if Capability.READ_LINE not in offered:
        note = "The provider tells of no lines: what it holds comes by its completion files only."
        return Part(state=PartState.IMPOSSIBLE, note=note)
    seen = _Seen()
    note = "The provider lists no lines: ours are read one by one, the longest unread first."
    try:
        if Capability.TRANSACTION_INQUIRY in offered:
            note = "The provider lists no lines: recent transactions and our own lines are looked at."
            _look_at_transactions(account, provider, pace, seen)
        _read_ours(account, provider, pace, seen)
    except OutOfTime:
        note = "The time of the run was over: the other lines come next time."
    covers = {Kind.UNKNOWN_LINE: frozenset(seen.unknown), Kind.MISSING_LINE: frozenset(seen.missing)}
    return Part(state=PartState.PARTLY, looked=seen.looked, note=note, findings=tuple(seen.findings), covers=covers)


# -- by listing -------------------------------------------------------------------------------------------------------


def _compare_listing(account: ProviderAccount, provider: Provider, pace: Pace) -> Part:
    until = timezone.now() - timedelta(minutes=settings.COMPARE_SETTLING_MINUTES)
    span = Span(since=until - timedelta(days=settings.COMPARE_DAYS), until=until)
    theirs = _list_theirs(provider, pace, span)
    _read_topped_up(account, span, theirs.values())
    ours = dict(Esim.objects.filter(account=account).values_list("provider_ref", "pk"))
    findings = _find_unknown(account, [line for ref, line in theirs.items() if ref not in ours])
    entered = Esim.objects.filter(account=account, created_at__gt=span.since + _ENTERED_WITHIN, created_at__lte=until)
    lines = {line.provider_ref: line for line in entered.select_related("plan", "purchased__purchase__order_line")}
    lacking = [line for ref, line in lines.items() if ref not in theirs]
    if len(lacking) > max(_DOUBTFUL, len(lines) // 5):
        note = f"The provider lists {len(theirs)} lines and lacks {len(lacking)} of ours: its list is doubted."
        covers: dict[Kind, frozenset[str] | None] = {Kind.UNKNOWN_LINE: None}
        return Part(state=PartState.FAILED, looked=len(theirs), note=note, findings=tuple(findings), covers=covers)
    missing, undecided = _confirm_missing(provider, pace, lacking)
    findings += [_make_missing(line, said) for line, said in missing]
    decided = frozenset({*ours} - undecided)
    return Part(
        state=PartState.PARTLY if undecided else PartState.COMPARED,
        looked=len(theirs),
        note=f"Of {len(undecided)} lines the provider did not say whether it knows them." if undecided else "",
        findings=tuple(findings),
        covers={Kind.UNKNOWN_LINE: None, Kind.MISSING_LINE: decided},
    )


def _list_theirs(provider: Provider, pace: Pace, span: Span) -> dict[str, LineSnapshot]:
    """Every line that the provider sold in the span, each once. A slice that fails is read again as a whole."""
    slices = list(_cut(span))
    pace.begin(len(slices))
    theirs: dict[str, LineSnapshot] = {}
    for part in slices:
        lines = pace.ask(partial(_list_slice, provider, part))
        theirs |= {line.provider_ref: line for line in lines}
        pace.step()
    return theirs


def _read_topped_up(account: ProviderAccount, span: Span, theirs: Iterable[LineSnapshot]) -> None:
    """Have those lines read soon that are listed with a top-up of ours under its key, of which we do not know that it
    arrived: the reading brings it.
    """
    lost = Purchase.objects.filter(account=account, order_line__kind=OrderLine.Kind.TOP_UP, topped_up__isnull=True)
    lost = lost.filter(created_at__gte=span.since).exclude(state__in=_UNDER_WAY)
    lines = dict(lost.values_list("idempotency_key", "order_line__esim_id"))
    shown = {package.order_key for line in theirs for package in line.packages} & set(lines) if lines else set()
    if shown:
        esims = Esim.objects.filter(pk__in=[lines[key] for key in shown])
        esims.update(next_refresh_at=timezone.now())


def _list_slice(provider: Provider, span: Span) -> list[LineSnapshot]:
    return list(provider.list_lines(since=span.since, until=span.until))


def _cut(span: Span) -> Iterable[Span]:
    since = span.since
    while since < span.until:
        yield Span(since=since, until=min(since + _SLICE, span.until))
        since += _SLICE


def _confirm_missing(
    provider: Provider, pace: Pace, lacking: Sequence[Esim]
) -> tuple[list[tuple[Esim, str]], set[str]]:
    """Which of the lines that a listing lacks the provider does not know when asked for them, with what it said; and
    those of which it did not say. An object of a listing that cannot be read is not missing for that.
    """
    missing: list[tuple[Esim, str]] = []
    undecided = {line.provider_ref for line in lacking[_MOST_CONFIRMED:]}
    for line in lacking[:_MOST_CONFIRMED]:
        said = _ask_for(provider, pace, line)
        if said is None:
            undecided.add(line.provider_ref)
        elif said:
            missing.append((line, said))
    return missing, undecided


def _ask_for(provider: Provider, pace: Pace, line: Esim) -> str | None:
    """What the provider says of a line that it does not know; "" where it knows it, None where it does not tell."""
    try:
        pace.ask(lambda: provider.read_line(line.provider_ref, priority=Priority.BACKGROUND, order_ref=line.order_ref))
    except ProviderError as error:
        return error.message if is_denial(error) else None
    return ""


# -- by transaction and line by line ----------------------------------------------------------------------------------


def _look_at_transactions(account: ProviderAccount, provider: Provider, pace: Pace, seen: _Seen) -> None:
    """What the provider holds under the transactions of the last days, against what came of them here."""
    now = timezone.now()
    window = min(provider.inquiry_window or _TRANSACTIONS_FOR, _TRANSACTIONS_FOR)
    since = now - window + timedelta(minutes=settings.PURCHASE_INQUIRY_MARGIN_MINUTES)
    settled = now - timedelta(minutes=settings.COMPARE_SETTLING_MINUTES)
    purchases = (
        Purchase.objects.filter(account=account, first_sent_at__gte=since, first_sent_at__lte=settled)
        .filter(order_line__kind=OrderLine.Kind.ESIM)
        .exclude(Q(transaction_id="") | Q(state__in=_UNDER_WAY))
        .select_related("order_line__plan")
        .order_by("first_sent_at", "pk")[: settings.COMPARE_READS]
    )
    rows = list(purchases)
    pace.begin(len(rows))
    for purchase in rows:
        _look_at_transaction(account, provider, pace, seen, purchase)
        pace.step()


def _look_at_transaction(
    account: ProviderAccount, provider: Provider, pace: Pace, seen: _Seen, purchase: Purchase
) -> None:
    wanted = purchase.transaction_id
    try:
        record = pace.ask(lambda: provider.read_transaction(wanted, priority=Priority.BACKGROUND))
    except Rejected:
        # Too old, malformed or unknown: which of them it does not say.
        return
    if record.is_pending or record.is_missing:
        return
    named = set(record.line_refs)
    held = dict(Esim.objects.filter(account=account, provider_ref__in=named).values_list("provider_ref", "pk"))
    of_it = Esim.objects.filter(purchased__purchase=purchase).select_related("plan", "purchased__purchase__order_line")
    came = {line.provider_ref: line for line in of_it}
    seen.looked += len(named | set(came))
    for ref in sorted(named - set(held)):
        seen.findings.append(_make_unknown(ref, purchase, order_ref=purchase.transaction_id))
    for ref in sorted(set(came) - named):
        seen.findings.append(_make_missing(came[ref], "its transaction does not name it"))
    seen.unknown |= named
    seen.missing |= named | set(came)


def _read_ours(account: ProviderAccount, provider: Provider, pace: Pace, seen: _Seen) -> None:
    """Read some of our lines; each reading brings the line up to date as well."""
    ended = [state.value for state in ENDED]
    settled = timezone.now() - timedelta(minutes=settings.COMPARE_SETTLING_MINUTES)
    lines = list(
        Esim.objects.filter(account=account, created_at__lte=settled)
        .exclude(state__in=ended)
        .select_related("plan", "purchased__purchase__order_line")
        .order_by(F("refreshed_at").asc(nulls_first=True), "pk")[: settings.COMPARE_READS]
    )
    pace.begin(len(lines))
    refused: list[tuple[Esim, str]] = []
    for line in lines:
        said = _read_one(pace, line)
        if said is not None:
            seen.looked += 1
            seen.missing.add(line.provider_ref)
        if said:
            refused.append((line, said))
        pace.step()
    if len(refused) > _DOUBTFUL and len(refused) == len(lines):
        raise Rejected(f"The provider refuses every one of {len(lines)} lines: the account is doubted, not the lines.")
    seen.findings += [_make_missing(line, said) for line, said in refused]


def _read_one(pace: Pace, line: Esim) -> str | None:
    """As ``_ask_for``, and the line is brought up to date."""
    try:
        pace.ask(lambda: refresh_line(esim_id=line.pk, priority=Priority.BACKGROUND, by="comparison"))
    except LineBusy:
        return None
    except ProviderError as error:
        return error.message if is_denial(error) else None
    return ""


# -- findings ---------------------------------------------------------------------------------------------------------


def _find_unknown(account: ProviderAccount, lines: Sequence[LineSnapshot]) -> list[Finding]:
    """Lines that we do not hold; those that are on their way into our books are left out."""
    handles = {handle for line in lines for handle in (line.order_ref, line.order_key) if handle}
    purchases = _purchases_by_handle(account, handles)
    refs = {package.plan_ref for line in lines for package in line.packages if package.plan_ref}
    plans = {plan.plan_ref: plan for plan in Plan.objects.filter(account=account, plan_ref__in=refs)}
    findings = []
    for line in lines:
        purchase = purchases.get(line.order_key) or purchases.get(line.order_ref)
        if line.state is LineState.PROVISIONING or (purchase is not None and purchase.state in _UNDER_WAY):
            continue
        plan_ref = next((package.plan_ref for package in line.packages if package.plan_ref), "")
        findings.append(
            _make_unknown(
                line.provider_ref,
                purchase,
                iccid=line.iccid,
                order_ref=line.order_ref,
                order_key=line.order_key,
                plan_ref=plan_ref,
                state=line.state.value,
                plan=plans.get(plan_ref),
            )
        )
    return findings


def _purchases_by_handle(account: ProviderAccount, handles: set[str]) -> dict[str, Purchase]:
    known = Q(transaction_id__in=handles) | Q(provider_order_ref__in=handles) | Q(idempotency_key__in=handles)
    found: dict[str, Purchase] = {}
    for purchase in Purchase.objects.filter(known, account=account).select_related("order_line__plan"):
        for handle in (purchase.transaction_id, purchase.provider_order_ref, purchase.idempotency_key):
            if handle:
                found[handle] = purchase
    return found


def _make_unknown(
    ref: str,
    purchase: Purchase | None,
    *,
    iccid: str = "",
    order_ref: str = "",
    order_key: str = "",
    plan_ref: str = "",
    state: str = "",
    plan: Plan | None = None,
) -> Finding:
    told = {"line": ref, "iccid": iccid, "order": order_ref, "key": order_key, "plan": plan_ref}
    amount, currency = _cost_of(purchase.order_line, plan) if purchase is not None else _net_of(plan)
    if state == LineState.CANCELLED:
        # Where a line is cancelled its price may have come back: what it costs us is not known.
        amount, currency = None, ""
    return Finding(
        kind=Kind.UNKNOWN_LINE,
        key=ref,
        ours={"line": None},
        theirs={name: value for name, value in told.items() if value},
        details={"state": state} if state else {},
        amount=amount,
        currency=currency,
        purchase_id=purchase.pk if purchase is not None else None,
    )


def _make_missing(line: Esim, said: str) -> Finding:
    purchased = getattr(line, "purchased", None)
    purchase = purchased.purchase if purchased is not None else None
    amount, currency = _cost_of(purchase.order_line, line.plan) if purchase is not None else _net_of(line.plan)
    return Finding(
        kind=Kind.MISSING_LINE,
        key=line.provider_ref,
        ours={"line": line.shown_ref, **({"iccid": line.iccid} if line.iccid else {}), "plan": line.plan.plan_ref},
        theirs={"line": None},
        details={"said": said, "state": line.state, "entered": _write(line.created_at)},
        amount=amount,
        currency=currency,
        esim_id=line.pk,
        purchase_id=purchase.pk if purchase is not None else None,
    )


def _cost_of(order_line: OrderLine, plan: Plan | None) -> tuple[Decimal | None, str]:
    if order_line.unit_cost is not None:
        return order_line.unit_cost, order_line.cost_currency
    return _net_of(plan)


def _net_of(plan: Plan | None) -> tuple[Decimal | None, str]:
    return (plan.net_price, plan.currency) if plan is not None else (None, "")


def _write(moment: datetime) -> str:
    return moment.isoformat(timespec="seconds")
