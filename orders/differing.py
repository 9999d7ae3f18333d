"""Differences between a provider and us: written down by a run, closed by a person.

A difference is one row for as long as it is known. While its facts stay as they are a run only notes that it saw it;
what no longer differs is "gone" by itself; a closed one opens again only when its facts change. Every change of state
locks the row, looks again and writes one row of its timeline with who and why.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import Q
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext as _

from catalog.models import Plan
from customers.models import Customer, User
from esims.lifecycle import LineAlreadyHeld, register_bare_lines
from esims.models import Esim
from esims.states import ENDED
from orders.comparing_balance import set_mark
from orders.findings import Finding, Part
from orders.line_evidence import find_doubt
from orders.models import Comparison, Difference, DifferenceEvent, Purchase
from orders.reconciliation import ReconciliationRefused, check_entered_lines, enter_lines, is_possible
from orders.settling import find_provider
from orders.states import lock_purchase

State, Kind, Verdict = Difference.State, Difference.Kind, Difference.Verdict
Happened = DifferenceEvent.Kind
BY = "comparison"

#: How a difference may be closed, by its kind.
VERDICTS = {
    Kind.BALANCE: (Verdict.DEPOSIT, Verdict.KNOWN, Verdict.MENDED),
    Kind.UNKNOWN_LINE: (Verdict.KNOWN, Verdict.MENDED),
    Kind.MISSING_LINE: (Verdict.KNOWN, Verdict.MENDED),
    Kind.LIST_PRICE: (Verdict.KNOWN, Verdict.MENDED),
    Kind.FROZEN_COST: (Verdict.KNOWN, Verdict.MENDED),
}


class DifferenceRefused(Exception):
    """The decision cannot be taken; nothing was written. ``field`` names what to mend."""

    def __init__(self, message: str, field: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.field = field


@dataclass(slots=True)
class Tally:
    """What a part of a run made of the rows."""

    found: int = 0
    reopened: int = 0
    changed: int = 0
    gone: int = 0
    still: int = 0


# -- by a run ---------------------------------------------------------------------------------------------------------


def record_findings(*, run: Comparison, part: Part) -> Tally:
    """Bring the account's differences in line with what a part found, in the caller's transaction.

    The number of statements does not grow with the number of findings (SQLite cuts long ones in parts).
    """
    now, tally = timezone.now(), Tally()
    kinds = {*part.covers, *(finding.kind for finding in part.findings)}
    rows = {
        (row.kind, row.key): row
        for row in Difference.objects.select_for_update().filter(account=run.account, kind__in=kinds).order_by("pk")
    }
    found = {(finding.kind.value, finding.key[:160]): finding for finding in part.findings}
    new = [_make_row(run, finding, now) for key, finding in found.items() if key not in rows]
    Difference.objects.bulk_create(new)
    tally.found = len(new)
    events = [_event(row, Happened.FOUND, at=now, facts=row.facts) for row in new]
    touched = []
    for key, finding in found.items():
        if (row := rows.get(key)) is not None:
            events += _see_again(row, finding, run, now, tally)
            touched.append(row)
    for key, row in rows.items():
        if row.state == State.OPEN and key not in found and _is_covered(part, row):
            row.state = State.GONE
            tally.gone += 1
            events.append(_event(row, Happened.GONE, at=now))
            touched.append(row)
    Difference.objects.bulk_update(touched, _WRITTEN)
    DifferenceEvent.objects.bulk_create(events)
    return tally


_WRITTEN = ["facts", "details", "amount", "currency", "state", "last_seen_at", "run", "esim", "purchase", "verdict"]


def _make_row(run: Comparison, finding: Finding, now: datetime) -> Difference:
    return Difference(
        account=run.account,
        kind=finding.kind.value,
        key=finding.key[:160],
        facts=finding.facts,
        details=dict(finding.details),
        amount=finding.amount,
        currency=finding.currency,
        first_seen_at=now,
        last_seen_at=now,
        run=run,
        esim_id=finding.esim_id,
        purchase_id=finding.purchase_id,
    )


def _see_again(
    row: Difference, finding: Finding, run: Comparison, now: datetime, tally: Tally
) -> Iterator[DifferenceEvent]:
    is_same, was = row.facts == finding.facts, row.state
    if is_same and was != State.GONE:
        tally.still += 1
    elif was == State.OPEN:
        tally.changed += 1
        yield _event(row, Happened.CHANGED, at=now, facts={"was": row.facts, "is": finding.facts})
    else:
        tally.reopened += 1
        row.state, row.verdict = State.OPEN, ""
        kind = Happened.RETURNED if was == State.GONE else Happened.REOPENED
        yield _event(row, kind, at=now, facts={"was": row.facts, "is": finding.facts})
    row.facts, row.details = finding.facts, dict(finding.details)
    row.amount, row.currency = finding.amount, finding.currency
    row.last_seen_at, row.run = now, run
    row.esim_id, row.purchase_id = finding.esim_id, finding.purchase_id


def _is_covered(part: Part, row: Difference) -> bool:
    kind = Kind(row.kind)
    if kind not in part.covers:
        return False
    keys = part.covers[kind]
    return keys is None or row.key in keys


# -- by a person ------------------------------------------------------------------------------------------------------


def close_difference(*, difference: Difference, verdict: str, why: str, by: User) -> Difference:
    """Close an open difference with a decision and its reason. Raises ``DifferenceRefused``.

    Of a balance the reckoning goes on from the reading that was looked at: ``difference.amount`` is what was shown, and
    another one by now is not closed with it.
    """
    with _deciding(difference, by, why) as row:
        if row.kind == Kind.BALANCE and row.amount != difference.amount:
            words = {"amount": f"{(row.amount or Decimal(0)).normalize():f}", "currency": row.currency}
            raise DifferenceRefused(
                _("It has changed meanwhile: %(amount)s %(currency)s are unexplained now. Look at it again.") % words,
                "shown",
            )
        if verdict not in VERDICTS[Kind(row.kind)]:
            raise DifferenceRefused(_("This cannot be decided of such a difference."), "verdict")
        if row.kind == Kind.BALANCE:
            _mark_balance(row, by)
        _close(row, verdict=verdict, why=why, by=by)
    return row


def attach_line(*, difference: Difference, purchase: Purchase, why: str, by: User) -> Difference:
    """Enter a line that we do not know as one that a purchase of ours brought. Raises ``DifferenceRefused``.

    The provider is asked about it first: never inside a transaction.
    """
    _require(by, why)
    _require_line(difference)
    if purchase.account_id != difference.account_id:
        raise DifferenceRefused(_("This purchase is another provider's."), "purchase")
    try:
        refs = check_entered_lines(purchase=purchase, iccids=[difference.key], by=by)
    except ReconciliationRefused as error:
        raise DifferenceRefused(error.message, "purchase") from error
    with _deciding(difference, by, why, purchase=purchase) as row:
        try:
            enter_lines(purchase=purchase, refs=refs, by=by, why=why)
        except ReconciliationRefused as error:
            raise DifferenceRefused(error.message, "purchase") from error
        row.purchase_id = purchase.pk
        row.esim = Esim.objects.filter(account_id=row.account_id, provider_ref=row.key).first()
        _close(row, verdict=Verdict.ATTACHED, why=why, by=by)
    return row


def take_over_line(*, difference: Difference, customer: Customer, plan: Plan, why: str, by: User) -> Difference:
    """Enter a line that no purchase of ours brought (bought in the portal, say) as a customer's line.

    No order and no money belongs to it here. The provider is asked about it first: never inside a transaction. Raises
    ``DifferenceRefused``.
    """
    _require(by, why)
    _require_line(difference)
    if plan.account_id != difference.account_id:
        raise DifferenceRefused(_("This plan is another provider's."), "plan")
    if doubt := find_doubt(find_provider(difference.account.slug), [difference.key]):
        raise DifferenceRefused(doubt)
    with _deciding(difference, by, why) as row:
        try:
            (esim,) = register_bare_lines(
                account=row.account, customer=customer, plan=plan, refs=[row.key], by=by.email
            )
        except LineAlreadyHeld as error:
            raise DifferenceRefused(_("This line is in the books already.")) from error
        row.esim = esim
        _close(row, verdict=Verdict.ATTACHED, why=why, by=by)
    return row


def reopen_difference(*, difference: Difference, why: str, by: User) -> Difference:
    """Open a closed difference again: it was closed by mistake. Raises ``DifferenceRefused``."""
    _require(by, why)
    with transaction.atomic():
        row = Difference.objects.select_for_update().get(pk=difference.pk)
        if row.state != State.CLOSED or row.verdict in (Verdict.ATTACHED, Verdict.DEPOSIT) or row.kind == Kind.BALANCE:
            raise DifferenceRefused(_("It cannot be opened again: what followed from it stands."))
        row.state, row.verdict = State.OPEN, ""
        row.save(update_fields=["state", "verdict"])
        _event(row, Happened.OPENED, at=timezone.now(), by=by.email, why=why.strip()).save()
    return row


def find_fitting_purchases(difference: Difference) -> Sequence[Purchase]:
    """Purchases of the account to which an unknown line may belong, the likeliest first."""
    if not may_enter(difference):
        return ()
    told = difference.facts.get("theirs", {})
    states = (Purchase.State.UNKNOWN, Purchase.State.ALLOCATING, Purchase.State.SHORT, Purchase.State.REJECTED)
    open_ones = Purchase.objects.filter(
        account=difference.account, state__in=(*states, Purchase.State.HELD), order_line__kind="esim"
    )
    rows = open_ones.select_related("account", "order_line__plan", "order_line__order__customer").order_by("-pk")
    # Those that the line names come first, however old: the newest ones fill the rest.
    named = {told.get("key"), told.get("order")} - {None, ""}
    known = Q(idempotency_key__in=named) | Q(transaction_id__in=named) | Q(provider_order_ref__in=named)
    found = {row.pk: row for row in (*rows.filter(Q(pk=difference.purchase_id) | known)[:20], *rows[:60])}
    fitting = [row for row in found.values() if is_possible(row, "attach_lines")]

    def rank(row: Purchase) -> tuple[int, int]:
        handles = {row.idempotency_key, row.transaction_id, row.provider_order_ref} - {""}
        named = bool(handles & {told.get("key"), told.get("order")})
        same_plan = told.get("plan") in (row.plan_ref, row.plan_alias)
        return (0 if named or row.pk == difference.purchase_id else 1 if same_plan else 2, -row.pk)

    return sorted(fitting, key=rank)[:20]


def may_enter(difference: Difference) -> bool:
    """Whether its line can become somebody's: one of which the provider said that it is over cannot."""
    return difference.kind == Kind.UNKNOWN_LINE and difference.details.get("state") not in ENDED


def _mark_balance(row: Difference, by: User) -> None:
    """The reckoning goes on from what was looked at.

    What was under way then, the next comparison knows by its times: it was ordered before, and came after.
    """
    told = row.details
    at = parse_datetime(str(told.get("until", "")))
    if at is None:
        return
    set_mark(account=row.account, at=at, amount=Decimal(str(told["amount"])), currency=row.currency, by=by.email)


def _require_line(row: Difference) -> None:
    if row.kind != Kind.UNKNOWN_LINE:
        raise DifferenceRefused(_("This cannot be decided of such a difference."))
    if not may_enter(row):
        raise DifferenceRefused(_("The provider says that this line is over: nobody can be given it."))


def _require(by: User, why: str) -> None:
    if not by.has_perm("orders.reconcile"):
        raise PermissionDenied
    if not why.strip():
        raise DifferenceRefused(_("Say why."), "why")


@contextmanager
def _deciding(difference: Difference, by: User, why: str, purchase: Purchase | None = None) -> Iterator[Difference]:
    """The open row, locked; a purchase that it is about is locked before it, with its order."""
    _require(by, why)
    with transaction.atomic():
        if purchase is not None:
            lock_purchase(purchase.pk)
        Difference.objects.select_for_update().get(pk=difference.pk)
        row = Difference.objects.select_related("account").get(pk=difference.pk)
        if row.state != State.OPEN:
            message = _("This difference is “%(state)s” now: this can no longer be decided.")
            raise DifferenceRefused(message % {"state": row.get_state_display()})
        yield row


def _close(row: Difference, *, verdict: str, why: str, by: User) -> None:
    now = timezone.now()
    row.state, row.verdict, row.why = State.CLOSED, verdict, why.strip()
    row.closed_at, row.closed_by = now, by.email
    row.save(update_fields=["state", "verdict", "why", "closed_at", "closed_by", "esim", "purchase"])
    facts = {"verdict": verdict, **({"purchase": row.purchase_id} if verdict == Verdict.ATTACHED else {})}
    _event(row, Happened.CLOSED, at=now, by=by.email, why=why.strip(), facts=facts).save()


def _event(
    row: Difference, kind: str, *, at: datetime, by: str = BY, why: str = "", facts: dict[str, Any] | None = None
) -> DifferenceEvent:
    return DifferenceEvent(difference=row, kind=kind, at=at, by=by, why=why, facts=facts or {})
