"""What a line's page shows, read in one place; nothing here writes or calls a provider."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Case, F, When
from django.utils import timezone

from customers.models import User
from esims.abilities import abilities_of
from esims.action_rules import action_label
from esims.buttons import ActionButton, line_buttons, package_buttons
from esims.events import describe_event, event_tone
from esims.evidence import InstallEvidence, install_evidence
from esims.install import (
    GuideStage,
    InvalidActivationCode,
    install_guide,
    needs_confirmation_code,
    parse_activation_code,
)
from esims.links import read_usable_links
from esims.models import Esim, LineAction, LineEvent, Package
from esims.states import explain_state, shown_state, state_label
from esims.usage import is_counted_in_total, read_usage_series
from providers.registry import offers
from providers.types import Capability

_MESSAGES_LAST = Case(When(kind=Capability.SMS.value, then=1), default=0)
#: Newest rows of the timeline on the page.
EVENTS_SHOWN = 50
#: A package's states share some words with others of the house; their colours are their own.
PACKAGE_TONES = {"waiting": "info", "active": "ok", "ended": "neutral", "terminated": "neutral", "unknown": "warn"}


@dataclass(frozen=True, slots=True, kw_only=True)
class PackageRow:
    """A package as the page shows it. ``percent`` is None where a share of it would say nothing."""

    package: Package
    percent: int | None
    buttons: Sequence[ActionButton]


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
    #: Nothing else may be asked for the line meanwhile.
    is_busy: bool
    is_being_read: bool
    can_refresh: bool
    #: The provider tells of single lines at all.
    is_read: bool

    @property
    def seen(self) -> str:
        """Which reading of the line this is: a poll that names another gets the rest of the page as well."""
        return self.esim.refreshed_at.isoformat() if self.esim.refreshed_at else ""

    @property
    def is_live(self) -> bool:
        """Whether something is under way that the page should wait for."""
        return self.is_action_open or self.is_being_read


def find_line(pk: int) -> Esim | None:
    """The line with everything that its page needs, or None."""
    return Esim.objects.select_related("account", "customer", "plan").filter(pk=pk).first()


def read_packages(esim: Esim) -> list[Package]:
    """The line's packages, the base first."""
    return list(Package.objects.filter(esim=esim).order_by("pk"))


def read_line_view(
    esim: Esim, user: User, packages: Sequence[Package] | None = None, *, now: datetime | None = None
) -> LineView:
    """The live part, as this person may see it."""
    now = now or timezone.now()
    state = shown_state(esim, now)
    action = find_last_action(esim)
    is_open = action is not None and action.state in LineAction.OPEN
    is_busy = action is not None and is_open and action.capability is not Capability.SMS
    abilities = abilities_of(esim.account)
    can_read = user.has_perm("esims.refresh_esim") and offers(esim.account.slug, Capability.READ_LINE)
    return LineView(
        esim=esim,
        state=state.value,
        state_label=state_label(state),
        sentences=explain_state(esim, now, packages=read_packages(esim) if packages is None else packages),
        buttons=() if is_busy else line_buttons(esim, user),
        action=action,
        action_label=action_label(action.capability) if action else "",
        is_action_open=is_open,
        is_busy=is_busy,
        is_being_read=is_being_read(esim, now),
        can_refresh=can_read,
        is_read=Capability.READ_LINE in abilities,
    )


def find_last_action(esim: Esim) -> LineAction | None:
    """What was asked for the line last, the open before the ended; of two that are open the one that changes it."""
    actions = LineAction.objects.filter(esim=esim).select_related("requested_by", "package")
    return actions.order_by(F("finished_at").desc(nulls_first=True), _MESSAGES_LAST, "-pk").first()


def read_package_rows(esim: Esim, user: User, packages: Sequence[Package], *, is_busy: bool) -> list[PackageRow]:
    """The packages with what may be asked for each of them."""
    return [
        PackageRow(
            package=package,
            percent=(
                round(100 * package.used_bytes / package.data_bytes)
                if is_counted_in_total(package) and package.used_bytes is not None and package.data_bytes
                else None
            ),
            buttons=() if is_busy else package_buttons(esim, package, user),
        )
        for package in packages
    ]


def read_usage(esim: Esim, packages: Sequence[Package] | None = None) -> dict[str, Any]:
    """The usage card: the series, and the days as the chart wants them."""
    series = read_usage_series(esim, packages=packages)
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
        {
            "title": describe_event(row, with_message=False),
            "why": "\n".join(filter(None, (row.why, str(row.facts.get("message") or "")))),
            "at": row.at,
            "by": row.by,
            "tone": event_tone(row),
        }
        for row in rows
    ]


def read_page(esim: Esim, user: User) -> dict[str, Any]:
    """Everything that the page shows at first."""
    packages = read_packages(esim)
    view = read_line_view(esim, user, packages)
    return {
        "view": view,
        "guide": read_guide(esim),
        "needs_confirmation": needs_confirmation_code(esim),
        "code_trouble": _code_trouble(esim),
        "may_see_codes": user.has_perm("esims.reveal_codes"),
        "links_now": read_usable_links(esim),
        **read_parts(esim, user, view, packages),
    }


def read_parts(esim: Esim, user: User, view: LineView, packages: Sequence[Package]) -> dict[str, Any]:
    """The parts that may have changed once the line has been read anew."""
    return {
        "esim": esim,
        "events": read_timeline(esim),
        "packages": read_package_rows(esim, user, packages, is_busy=view.is_busy),
        "package_tones": PACKAGE_TONES,
        "evidence": read_evidence(esim),
        "may_simulate": may_simulate(esim, user),
        "is_by_eid": is_by_eid(esim),
        **read_usage(esim, packages),
    }


def is_by_eid(esim: Esim) -> bool:
    """Whether the line was made for one device, named beforehand: then there is no code to install it with."""
    return Capability.LINE_ACTIVATION in abilities_of(esim.account)


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


def is_being_read(esim: Esim, now: datetime) -> bool:
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
