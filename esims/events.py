"""The words of a line's timeline: which kinds of row there are, and how each reads."""

from collections.abc import Callable, Mapping
from datetime import date, datetime
from enum import StrEnum
from typing import Any

from django.utils.dateparse import parse_date, parse_datetime
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from esims.action_rules import RULES, action_label
from esims.models import PACKAGE_LABELS, STATE_LABELS, Esim, LineEvent
from esims.states import date_words, instant_words
from providers.types import Capability, LineState, PackageStatus


class EventKind(StrEnum):
    """Kinds of timeline rows. Higher floors read them: a name never changes its meaning."""

    REGISTERED = "registered"
    STATE = "state"  # facts: old, new, words
    PROVIDER_STATES = "provider_states"  # facts: old, new (the provider's words)
    FIELD = "field"  # facts: field, old, new
    CODES_REPORTED = "codes_reported"  # for the first time; facts: fields, never the values
    CODES_CHANGED = "codes_changed"  # facts: fields, never the values
    PACKAGE_ADDED = "package_added"  # facts: name
    PACKAGE_STATE = "package_state"  # facts: name, old, new
    ACTION_ASKED = "action_asked"  # facts: action
    ACTION_SENT = "action_sent"
    ACTION_CONFIRMED = "action_confirmed"
    ACTION_REJECTED = "action_rejected"  # facts: action, code, message
    ACTION_UNKNOWN = "action_unknown"
    ACTION_SETTLED = "action_settled"  # somebody has looked at one whose outcome is not known
    READ_FAILED = "read_failed"  # facts: message; only the first failure in a row
    CODES_REVEALED = "codes_revealed"
    QR_SHOWN = "qr_shown"
    CODES_HANDED_OUT = "codes_handed_out"  # with the others of an order; facts: form (pdf, zip, csv, text), order
    USAGE_SIMULATED = "usage_simulated"
    USAGE_REACHED = "usage_reached"  # facts: percent, used, total (bytes), package (its id), as_of
    NOTICE_FAILED = "notice_failed"  # the customer was not told of something; facts: crash
    LINKS_REVOKED = "links_revoked"  # facts: count
    RENAMED = "renamed"  # by its customer; never the name itself
    LINK_MADE = "link_made"  # by hand, to be given to the customer; never its address
    REPLACED = "replaced"  # by a reissue; facts: line (the new one's id), order (its number)
    REPLACEMENT_ORDERED = "replacement_ordered"  # of a faulty line; facts: order (the number of the new one)
    REPLACEMENT_CAME = "replacement_came"  # facts: line (the new one's label), order
    REPLACES = "replaces"  # on the new line; facts: line (the faulty one's label), order
    MONEY_BACK_OWED = "money_back_owed"  # to the customer; facts: amount, order
    MONEY_BACK_DROPPED = "money_back_dropped"
    MONEY_BACK_NOT_OWED = "money_back_not_owed"  # it was promised for an end that was not confirmed


def make_event(
    esim: Esim, kind: EventKind, *, by: str, why: str = "", facts: Mapping[str, Any] | None = None
) -> LineEvent:
    """A timeline row, not saved yet. ``facts`` hold nothing secret: dates become text."""
    plain = {name: value.isoformat() if isinstance(value, date) else value for name, value in (facts or {}).items()}
    return LineEvent(
        esim=esim, kind=kind.value, by=by[:254], why=why[:300], facts=plain, awaits_notice=_awaits_notice(kind, plain)
    )


#: States whose beginning a customer is told of, if a higher floor finds reason to.
_TOLD_STATES = frozenset(
    {LineState.DEPLETED, LineState.EXPIRED, LineState.CANCELLED, LineState.TERMINATED},
)


def _awaits_notice(kind: EventKind, facts: Mapping[str, Any]) -> bool:
    """Whether a higher floor has to look at the row: kept with it, so that nothing is to be asked later."""
    match kind:
        case EventKind.USAGE_REACHED:
            return True
        case EventKind.STATE:
            return facts.get("new") in _TOLD_STATES
        case EventKind.CODES_REPORTED:
            return "lpa" in facts.get("fields", ())
    return False


def describe_event(event: LineEvent, *, with_message: bool = True) -> str:
    """The row as a sentence in the reader's language; a kind that this page does not know shows its name.

    ``with_message`` False: without what came back from the provider, which is English and retold by pages.
    """
    facts = event.facts if with_message else {**event.facts, "message": ""}
    describe = _DESCRIPTIONS.get(event.kind)
    if describe is not None:
        return describe(facts)
    if event.kind in _ACTION_TEXTS:
        return _describe_action(event.kind, facts)
    return event.kind


def event_tone(event: LineEvent) -> str:
    """The colour of the row: "", "ok", "warn" or "danger"."""
    return _TONES.get(event.kind, "")


_TONES: dict[str, str] = {
    EventKind.ACTION_CONFIRMED: "ok",
    EventKind.ACTION_REJECTED: "danger",
    EventKind.ACTION_UNKNOWN: "danger",
    EventKind.READ_FAILED: "warn",
    EventKind.CODES_CHANGED: "warn",
    EventKind.NOTICE_FAILED: "danger",
    EventKind.MONEY_BACK_OWED: "warn",
    EventKind.MONEY_BACK_NOT_OWED: "warn",
}
_DESCRIPTIONS: dict[str, Callable[[Mapping[str, Any]], str]] = {
    EventKind.REGISTERED: lambda facts: (
        _("Entered into our books as “%(state)s”.") % {"state": _state_words(facts.get("state"))}
    ),
    EventKind.STATE: lambda facts: (
        _("State: “%(old)s” became “%(new)s”.")
        % {"old": _state_words(facts.get("old")), "new": _state_words(facts.get("new"))}
    ),
    EventKind.PROVIDER_STATES: lambda facts: _("The provider's words: %(words)s.") % {"words": _changed_words(facts)},
    EventKind.FIELD: lambda facts: _describe_field(facts),  # noqa: PLW0108 - it is written further down
    EventKind.CODES_REPORTED: lambda facts: (
        _("The provider reports: %(fields)s.")
        % {"fields": ", ".join(_field_label(name) for name in facts.get("fields", []))}
    ),
    EventKind.CODES_CHANGED: lambda facts: (
        _("The provider reports other codes or devices: %(fields)s.")
        % {"fields": ", ".join(_field_label(name) for name in facts.get("fields", []))}
    ),
    EventKind.PACKAGE_ADDED: lambda facts: _("Data package added: %(name)s.") % {"name": facts.get("name", "")},
    EventKind.PACKAGE_STATE: lambda facts: (
        _("Data package %(name)s: “%(old)s” became “%(new)s”.")
        % {
            "name": facts.get("name", ""),
            "old": _package_words(facts.get("old")),
            "new": _package_words(facts.get("new")),
        }
    ),
    EventKind.READ_FAILED: lambda facts: (
        _("The line could not be read: %(message)s") % {"message": message}
        if (message := facts.get("message"))
        else _("The line could not be read.")
    ),
    EventKind.NOTICE_FAILED: lambda facts: (
        _("The customer was not told: our program failed over the message (%(crash)s).")
        % {"crash": facts.get("crash", "")}
    ),
    EventKind.CODES_REVEALED: lambda _facts: _("Activation codes and device numbers were shown."),
    EventKind.QR_SHOWN: lambda _facts: _("The QR code was shown."),
    EventKind.CODES_HANDED_OUT: lambda facts: (
        _("The codes of all eSIMs of order %(order)s were handed out (%(form)s).")
        % {"order": facts.get("order", ""), "form": _HANDED_OUT.get(facts.get("form", ""), "")}
    ),
    EventKind.REPLACED: lambda facts: (
        _("Replaced by a reissue: another eSIM has the line now (order %(order)s).") % {"order": facts.get("order", "")}
    ),
    EventKind.REPLACEMENT_ORDERED: lambda facts: (
        _("Another eSIM was ordered in its place (order %(order)s).") % {"order": facts.get("order", "")}
    ),
    EventKind.REPLACEMENT_CAME: lambda facts: (
        _("Replaced by %(line)s (order %(order)s).") % {"line": facts.get("line", ""), "order": facts.get("order", "")}
    ),
    EventKind.REPLACES: lambda facts: (
        _("It replaces %(line)s (order %(order)s).") % {"line": facts.get("line", ""), "order": facts.get("order", "")}
    ),
    EventKind.MONEY_BACK_OWED: lambda facts: (
        _("%(amount)s are owed back to the customer (order %(order)s).")
        % {"amount": facts.get("amount", ""), "order": facts.get("order", "")}
    ),
    EventKind.MONEY_BACK_DROPPED: lambda facts: (
        _("%(amount)s are no longer owed back to the customer (order %(order)s).")
        % {"amount": facts.get("amount", ""), "order": facts.get("order", "")}
    ),
    EventKind.MONEY_BACK_NOT_OWED: lambda facts: (
        _("%(amount)s were promised to the customer for the line's end; nothing is owed by that (order %(order)s).")
        % {"amount": facts.get("amount", ""), "order": facts.get("order", "")}
    ),
    EventKind.USAGE_REACHED: lambda facts: (
        _("%(percent)s %% of the data is used.") % {"percent": facts.get("percent", "")}
    ),
    EventKind.LINK_MADE: lambda _facts: _("A link to the customer's own page was made and shown."),
    EventKind.LINKS_REVOKED: lambda facts: (
        ngettext("%(count)d link to the line was revoked.", "%(count)d links to the line were revoked.", count)
        % {"count": count}
        if isinstance(count := facts.get("count"), int)
        else ""
    ),
    EventKind.RENAMED: lambda _facts: _("The customer gave the line another name."),
    EventKind.USAGE_SIMULATED: lambda facts: (
        ngettext("Simulated usage was set for %(count)d day.", "Simulated usage was set for %(count)d days.", days)
        % {"count": days}
        if isinstance(days := facts.get("days"), int)
        else _("Simulated usage was set.")
    ),
}
_HANDED_OUT: Mapping[str, Any] = {
    "pdf": gettext_lazy("sheet to print"),
    "zip": gettext_lazy("ZIP of pictures"),
    "csv": gettext_lazy("CSV table"),
    "text": gettext_lazy("text to copy"),
}
_ACTION_TEXTS: dict[str, Any] = {
    EventKind.ACTION_ASKED: gettext_lazy("%(action)s: asked for."),
    EventKind.ACTION_SENT: gettext_lazy("%(action)s: sent to the provider; not confirmed yet. %(message)s"),
    EventKind.ACTION_CONFIRMED: gettext_lazy("%(action)s: confirmed by the line's state."),
    EventKind.ACTION_REJECTED: gettext_lazy("%(action)s: refused. %(message)s"),
    EventKind.ACTION_UNKNOWN: gettext_lazy("%(action)s: outcome not known. %(message)s"),
    EventKind.ACTION_SETTLED: gettext_lazy("%(action)s: somebody has looked what came of it."),
}


def _describe_action(kind: str, facts: Mapping[str, Any]) -> str:
    try:
        action = action_label(Capability(facts.get("action", "")))
    except ValueError:
        action = str(facts.get("action", ""))
    if facts.get("package"):
        action = _("%(action)s (%(package)s)") % {"action": action, "package": facts["package"]}
    text = _TAKEN if kind == EventKind.ACTION_CONFIRMED and facts.get("action") in _UNSEEN else _ACTION_TEXTS[kind]
    words = (str(text) % {"action": action, "message": facts.get("message", "")}).strip()
    if kind in {EventKind.ACTION_CONFIRMED, EventKind.ACTION_UNKNOWN} and "refunded" in facts:
        words += f" {_MONEY_BACK[bool(facts['refunded'])]}"
    return words


#: Actions that leave no trace on the line.
_UNSEEN = frozenset(capability.value for capability, rule in RULES.items() if not rule.shows)
_TAKEN = gettext_lazy("%(action)s: the provider took it.")


_MONEY_BACK = {
    True: gettext_lazy("The provider gives our money back."),
    False: gettext_lazy("The provider gives no money back."),
}


def _describe_field(facts: Mapping[str, Any]) -> str:
    label = _field_label(facts.get("field", ""))
    if facts.get("old") in (None, "", []):
        return _("%(field)s: %(new)s") % {"field": label, "new": _value_words(facts.get("new"))}
    return _("%(field)s: %(old)s became %(new)s") % {
        "field": label,
        "old": _value_words(facts.get("old")),
        "new": _value_words(facts.get("new")),
    }


def _field_label(name: str) -> str:
    label = str(_LABELS.get(name, name))
    return label[:1].upper() + label[1:]


_LABELS = {field.name: field.verbose_name for field in Esim._meta.concrete_fields}  # noqa: SLF001 - Django's public API


def _state_words(value: Any) -> str:
    try:
        return str(STATE_LABELS[LineState(value)])
    except ValueError:
        return str(value)


def _package_words(value: Any) -> str:
    try:
        return str(PACKAGE_LABELS[PackageStatus(value)])
    except ValueError:
        return str(value)


def _changed_words(facts: Mapping[str, Any]) -> str:
    old, new = facts.get("old") or {}, facts.get("new") or {}
    return ", ".join(
        f"{name}: {old.get(name, '–')} → {new.get(name, '–')}"
        for name in sorted({*old, *new})
        if old.get(name) != new.get(name)
    )


def _value_words(value: Any) -> str:
    if value is None or value == "":
        return _("not reported")
    if isinstance(value, bool):
        return _("yes") if value else _("no")
    if isinstance(value, list):
        return ", ".join(map(str, value)) or _("none")
    return _time_words(value) if isinstance(value, str) else str(value)


def _time_words(value: str) -> str:
    try:
        moment: datetime | None = parse_datetime(value) if "T" in value else None
        day = parse_date(value)
    except ValueError:
        return value
    if moment is not None:
        return instant_words(moment)
    return value if day is None else date_words(day)
