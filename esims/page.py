"""What a line's page shows, read in one place; nothing here writes or calls a provider."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import F
from django.utils import timezone

from customers.models import User
from esims.action_rules import action_label
from esims.actions import why_refused
from esims.events import describe_event, event_tone
from esims.evidence import InstallEvidence, install_evidence
from esims.install import (
    GuideStage,
    InvalidActivationCode,
    install_guide,
    needs_confirmation_code,
    parse_activation_code,
)
from esims.models import Esim, LineAction, LineEvent, Package
from esims.states import explain_state, shown_state, state_label
from esims.usage import read_usage_series
from providers.registry import offers
from providers.types import Capability

#: Newest rows of the timeline on the page.
EVENTS_SHOWN = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class ActionButton:
    """A button of the page; ``why_not`` explains one that cannot be pressed now."""

    label: str
    url_name: str
    icon: str
    why_not: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LineView:
    """The part of the page that changes while one looks."""

    esim: Esim
    state: str
    state_label: str
    sentences: Sequence[str]
    buttons: Sequence[ActionButton]
    action: LineAction | None
    action_label: str
    is_action_open: bool
    is_being_read: bool
    can_refresh: bool

    @property
    def seen(self) -> str:
        """Which reading of the line this is: a poll that names another gets the rest of the page as well."""
        return self.esim.refreshed_at.isoformat() if self.esim.refreshed_at else ""

    @property
    def is_live(self) -> bool:
        """Whether something is under way that the page should wait for."""
        return self.is_action_open or self.is_being_read


_BUTTONS = (
    (Capability.SUSPEND, "esim-suspend", "pause"),
    (Capability.RELEASE, "esim-release", "play"),
)


def find_line(pk: int) -> Esim | None:
    """The line with everything that its page needs, or None."""
    return Esim.objects.select_related("account", "customer", "plan").filter(pk=pk).first()


def read_line_view(esim: Esim, user: User, *, now: datetime | None = None) -> LineView:
    """The live part, as this person may see it."""
    now = now or timezone.now()
    state = shown_state(esim, now)
    action = (
        LineAction.objects.filter(esim=esim)
        .select_related("requested_by")
        .order_by(F("finished_at").desc(nulls_first=True), "-pk")
        .first()
    )
    is_open = action is not None and action.state in LineAction.OPEN
    can_read = user.has_perm("esims.refresh_esim") and offers(esim.account.slug, Capability.READ_LINE)
    return LineView(
        esim=esim,
        state=state.value,
        state_label=state_label(state),
        sentences=explain_state(esim, now),
        buttons=() if is_open else _buttons(esim, user),
        action=action,
        action_label=action_label(action.capability) if action else "",
        is_action_open=is_open,
        is_being_read=_is_being_read(esim, now),
        can_refresh=can_read,
    )


def read_usage(esim: Esim) -> dict[str, Any]:
    """The usage card: the series, and the days as the chart wants them."""
    series = read_usage_series(esim)
    return {
        "usage": series,
        "usage_days": [
            {"label": point.day, "value": point.used_bytes, "derived": point.is_derived} for point in series.points
        ],
        "usage_percent": None if series.share_of_total is None else round(100 * series.share_of_total),
        # A running total says something only from the first day on, and next to an allowance in total.
        "usage_cumulative": (cumulative := series.daily_cap_bytes is None and not series.is_cut),
        "usage_allowance": series.total_cap_bytes if cumulative else series.daily_cap_bytes,
    }


def read_timeline(esim: Esim) -> list[dict[str, Any]]:
    """The newest rows, in words."""
    rows = LineEvent.objects.filter(esim=esim).order_by("-at", "-pk")[:EVENTS_SHOWN]
    return [
        {"title": describe_event(row), "why": row.why, "at": row.at, "by": row.by, "tone": event_tone(row)}
        for row in rows
    ]


def read_page(esim: Esim, user: User) -> dict[str, Any]:
    """Everything that the page shows at first."""
    may_see_codes = user.has_perm("esims.reveal_codes")
    return {
        "esim": esim,
        "view": read_line_view(esim, user),
        "events": read_timeline(esim),
        "packages": list(Package.objects.filter(esim=esim)),
        "evidence": read_evidence(esim),
        "guide": read_guide(esim),
        "needs_confirmation": needs_confirmation_code(esim),
        "code_trouble": _code_trouble(esim),
        "may_see_codes": may_see_codes,
        "may_simulate": may_simulate(esim, user),
        **read_usage(esim),
    }


def may_simulate(esim: Esim, user: User) -> bool:
    """Whether this person may set the line's usage: only in a sandbox that can do it."""
    return (
        esim.account.is_sandbox
        and user.has_perm("esims.simulate_usage")
        and offers(esim.account.slug, Capability.SIMULATE_USAGE)
    )


def read_evidence(esim: Esim) -> InstallEvidence:
    """What speaks for "installed" and against it."""
    return install_evidence(esim)


def read_guide(esim: Esim) -> tuple[GuideStage, ...]:
    """The install guide."""
    return install_guide(esim)


def _buttons(esim: Esim, user: User) -> list[ActionButton]:
    """Buttons by capability, permission and state; of suspend and release the one that makes sense."""
    if not user.has_perm("esims.suspend_esim"):
        return []
    buttons = [
        ActionButton(
            label=action_label(capability),
            url_name=url_name,
            icon=icon,
            why_not=why_refused(esim, capability),
        )
        for capability, url_name, icon in _BUTTONS
        if offers(esim.account.slug, capability)
    ]
    possible = [button for button in buttons if not button.why_not]
    return possible or buttons[:1]


def _is_being_read(esim: Esim, now: datetime) -> bool:
    """Whether a read is on its way that somebody waits for; none is to an account that is paused."""
    if esim.account.is_paused:
        return False
    claimed = esim.refresh_claimed_until is not None and esim.refresh_claimed_until > now
    watched = esim.watched_until is not None and esim.watched_until > now
    due = esim.next_refresh_at is not None and esim.next_refresh_at <= now
    return watched and (claimed or due)


def _code_trouble(esim: Esim) -> str:
    """What is wrong with the activation code; "" where nothing is, or where there is none."""
    if not esim.lpa:
        return ""
    try:
        parse_activation_code(esim.lpa)
    except InvalidActivationCode as error:
        return error.message
    return ""
