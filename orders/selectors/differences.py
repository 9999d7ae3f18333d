"""Comparisons and differences as staff see them. The number of queries does not depend on the data."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db.models import Count, Exists, F, OuterRef, QuerySet
from django.utils.dateparse import parse_datetime

from orders.difference_words import (
    MEANINGS,
    PART_STATES,
    PART_TONES,
    RECKONING,
    STEPS,
    advise,
    describe,
    name_fact,
    read_amount,
    tell_value,
)
from orders.models import Comparison, Difference, DifferenceEvent
from providers.models import ProviderAccount

RUNS_SHOWN = 20
SEEN_SHOWN = 50
EVENTS_SHOWN = 60

_TONES = {
    DifferenceEvent.Kind.FOUND: "warn",
    DifferenceEvent.Kind.CHANGED: "warn",
    DifferenceEvent.Kind.REOPENED: "warn",
    DifferenceEvent.Kind.RETURNED: "warn",
    DifferenceEvent.Kind.OPENED: "warn",
    DifferenceEvent.Kind.GONE: "ok",
    DifferenceEvent.Kind.CLOSED: "ok",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class DifferenceFilter:
    """What is asked for; the defaults ask for what is open."""

    state: str = Difference.State.OPEN.value
    kind: str = ""
    account: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class DifferenceRow:
    """A difference in words."""

    difference: Difference
    title: str
    advice: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FactRow:
    """One fact, ours beside theirs; None: this side does not have it."""

    label: str
    ours: str | None
    theirs: str | None
    differs: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ReckoningRow:
    label: str
    amount: Decimal
    sign: str
    is_sum: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class DifferencePage:
    difference: Difference
    title: str
    meaning: str
    advice: str
    facts: Sequence[FactRow]
    details: Sequence[tuple[str, str]]
    reckoning: Sequence[ReckoningRow]
    since: datetime | None
    until: datetime | None
    uncounted: int
    events: Sequence[Mapping[str, Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class PartLook:
    label: str
    word: str
    tone: str
    looked: int
    note: str


def find_differences(wanted: DifferenceFilter) -> QuerySet[Difference]:
    """Differences that fit, those that have stood the longest first."""
    rows = Difference.objects.select_related("account", "purchase__order_line__order", "esim")
    if wanted.state:
        rows = rows.filter(state=wanted.state)
    if wanted.kind:
        rows = rows.filter(kind=wanted.kind)
    if wanted.account:
        rows = rows.filter(account__slug=wanted.account)
    return rows.order_by("first_seen_at", "pk")


def look_at(difference: Difference) -> DifferenceRow:
    return DifferenceRow(difference=difference, title=describe(difference), advice=advise(difference))


def count_by_state(wanted: DifferenceFilter) -> dict[str, int]:
    """How many differences each state holds, with the other filters."""
    every = DifferenceFilter(state="", kind=wanted.kind, account=wanted.account)
    rows = find_differences(every).order_by().values_list("state").annotate(number=Count("pk"))
    return dict(rows)


def account_choices() -> Sequence[tuple[str, str]]:
    """Accounts of which differences are known, for the filter."""
    known = Exists(Difference.objects.filter(account=OuterRef("pk")))
    return list(ProviderAccount.objects.filter(known).order_by("name").values_list("slug", "name"))


def read_difference_page(difference: Difference) -> DifferencePage:
    """A difference (fetched with account, purchase and line) and all that is known of it."""
    details = difference.details
    is_balance = difference.kind == Difference.Kind.BALANCE
    return DifferencePage(
        difference=difference,
        title=describe(difference),
        meaning=str(MEANINGS.get(difference.kind, "")),
        advice=advise(difference),
        facts=[] if is_balance else _read_facts(difference.facts),
        details=[]
        if is_balance
        else [(name_fact(name), tell_value(name, value)) for name, value in details.items() if value not in ("", None)],
        reckoning=_read_reckoning(details) if is_balance else [],
        since=parse_datetime(str(details.get("since", ""))) if is_balance else None,
        until=parse_datetime(str(details.get("until", ""))) if is_balance else None,
        uncounted=int(details.get("uncounted", 0)),
        events=_read_events(difference),
    )


def _read_facts(facts: Mapping[str, Any]) -> list[FactRow]:
    ours, theirs = facts.get("ours", {}), facts.get("theirs", {})
    return [
        FactRow(
            label=name_fact(name),
            ours=tell_value(name, ours[name]) if name in ours else None,
            theirs=tell_value(name, theirs[name]) if name in theirs else None,
            differs=name in ours and name in theirs and ours[name] != theirs[name],
        )
        for name in dict.fromkeys([*ours, *theirs])
    ]


def _read_reckoning(details: Mapping[str, Any]) -> list[ReckoningRow]:
    rows = []
    for name, sign, label in RECKONING:
        amount = read_amount(details.get(name))
        if amount is None or (not amount and name in ("open", "late", "perhaps", "cheaper", "dearer", "returned")):
            continue
        rows.append(
            ReckoningRow(
                label=str(label),
                amount=amount,
                sign="−" if sign < 0 else "+" if name == "returned" else "",
                is_sum=name in ("expected", "amount"),
            )
        )
    return rows


def _read_events(difference: Difference) -> list[Mapping[str, Any]]:
    rows = difference.events.order_by("-at", "-pk")[:EVENTS_SHOWN]
    return [
        {
            "title": _event_title(row),
            "why": row.why,
            "by": row.by,
            "at": row.at,
            "tone": _TONES.get(DifferenceEvent.Kind(row.kind), ""),
        }
        for row in rows
    ]


def _event_title(row: DifferenceEvent) -> str:
    verdict = row.facts.get("verdict", "")
    if verdict in Difference.Verdict.values:
        return f"{row.get_kind_display()}: {Difference.Verdict(verdict).label}"
    return str(row.get_kind_display())


# -- runs -------------------------------------------------------------------------------------------------------------


def newest_runs(*, account: ProviderAccount | None = None) -> QuerySet[Comparison]:
    """The newest runs first."""
    rows = Comparison.objects.select_related("account")
    return (rows if account is None else rows.filter(account=account)).order_by("-created_at", "-pk")


def read_parts(run: Comparison) -> list[PartLook]:
    """How far each part of a run came, in the order in which they are done."""
    return [
        PartLook(
            label=str(STEPS[name]),
            word=str(PART_STATES.get(told["state"], told["state"])),
            tone=PART_TONES.get(told["state"], "neutral"),
            looked=told["looked"],
            note=told["note"],
        )
        for name in STEPS
        if (told := run.parts.get(name)) is not None
    ]


def seen_by(run: Comparison) -> list[DifferenceRow]:
    """The open differences that a run saw last, the newest first."""
    rows = Difference.objects.filter(run=run, state=Difference.State.OPEN).select_related("account")
    return [look_at(row) for row in rows.order_by(F("first_seen_at").desc(), "-pk")[:SEEN_SHOWN]]
