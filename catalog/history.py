"""A plan's history in words, for pages and the admin."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.utils.translation import gettext

from catalog.countries import country_name
from catalog.models import Plan, PlanChange
from catalog.pricing import describe_source

TONES = {
    PlanChange.Kind.ADDED: "ok",
    PlanChange.Kind.CHANGED: "info",
    PlanChange.Kind.RETIRED: "warn",
    PlanChange.Kind.RETURNED: "ok",
    PlanChange.Kind.PRICED: "info",
}
#: Longer values are cut here; the plan's page has them whole.
LONGEST = 120


@dataclass(frozen=True, slots=True)
class HistoryEvent:
    """One entry of a timeline."""

    title: str
    at: datetime
    by: str
    why: str
    tone: str


def tell_history(changes: Iterable[PlanChange]) -> list[HistoryEvent]:
    """The entries of a plan's timeline, in the given order. No query."""
    return [
        HistoryEvent(
            title=str(change.get_kind_display()).capitalize(),
            at=change.at,
            by=change.by or gettext("sync"),
            why=describe_change(change),
            tone=TONES.get(PlanChange.Kind(change.kind), "info"),
        )
        for change in changes
    ]


def describe_change(change: PlanChange) -> str:
    """What changed, in one line: "net price: 4 → 4.5; tethering: yes → not said"."""
    return "; ".join(_describe(name, before, after) for name, (before, after) in change.changes.items())


def _describe(name: str, before: Any, after: Any) -> str:
    if name == "coverage":
        return _describe_coverage(before, after)
    if name == "raw":
        keys = ", ".join(sorted({*before, *after}))
        return gettext("fields that are kept as received only: %(names)s") % {"names": keys}
    if name == "price_source":
        before, after = describe_source(before), describe_source(after)
    label = str(_LABELS.get(name, name))
    words = _WORDS.get(name, {})
    return f"{label}: {_show(words.get(before, before))} → {_show(words.get(after, after))}"


def _describe_coverage(before: Mapping[str, Any], after: Mapping[str, Any]) -> str:
    parts = []
    for text, codes in (
        (gettext("new: %(countries)s"), after.keys() - before.keys()),
        (gettext("gone: %(countries)s"), before.keys() - after.keys()),
        (gettext("other networks or kind: %(countries)s"), before.keys() & after.keys()),
    ):
        if codes:
            parts.append(text % {"countries": ", ".join(sorted(country_name(code) for code in codes))})
    return gettext("coverage: %(parts)s") % {"parts": ", ".join(parts)}


def _show(value: Any) -> str:
    if value is None or value == "":
        return "—"
    if isinstance(value, bool):
        return gettext("yes") if value else gettext("no")
    text = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"


_LABELS = {field.name: field.verbose_name for field in Plan._meta.concrete_fields}  # noqa: SLF001
#: Columns that keep a word for machines: what people read instead.
_WORDS = {
    field.name: dict(field.flatchoices)
    for field in Plan._meta.concrete_fields  # noqa: SLF001
    if field.flatchoices
}
