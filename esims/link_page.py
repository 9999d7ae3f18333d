"""What a customer sees behind a link: state, time and data in plain words, made only of facts that we hold.

Staff's words (what the provider calls something, what failed) never come here.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from esims.install import (
    GuideStage,
    InstallLinks,
    install_guide,
    install_links,
    needs_confirmation_code,
)
from esims.models import Esim, Package
from esims.notices import UseOfTotal, measure_total_use
from esims.states import (
    ENDED,
    instant_words,
    japan_date_words,
    last_promised_instant,
    shown_state,
    state_label,
    surely_over_instant,
    use_deadline,
)
from esims.usage import Caps, find_caps
from providers.types import LineState

_SENTENCES: Mapping[LineState, Any] = {
    LineState.PROVISIONING: gettext_lazy("Your eSIM is being prepared. Look again in a few minutes."),
    LineState.READY: gettext_lazy("Your eSIM is ready to be installed."),
    LineState.DOWNLOADED: gettext_lazy("Your eSIM was downloaded to a phone."),
    LineState.INSTALLED: gettext_lazy("Your eSIM is installed. Switch it on when you arrive."),
    LineState.ACTIVE: gettext_lazy("Your eSIM is in use."),
    LineState.SUSPENDED: gettext_lazy("Your eSIM is paused. Write to us if you do not know why."),
    LineState.DEPLETED: gettext_lazy("The data of your eSIM is used up."),
    LineState.EXPIRED: gettext_lazy("Your eSIM is over."),
    LineState.CANCELLED: gettext_lazy("Your eSIM was cancelled."),
    LineState.TERMINATED: gettext_lazy("Your eSIM was ended."),
    LineState.ERROR: gettext_lazy("Something is wrong with your eSIM. Write to us, and we look into it."),
    LineState.UNKNOWN: gettext_lazy("We cannot tell how your eSIM is doing just now."),
}
#: While it may still have to be installed.
SHOWS_CODE = frozenset({LineState.READY, LineState.DOWNLOADED, LineState.ERROR, LineState.UNKNOWN})


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkPage:
    esim: Esim
    state: LineState
    state_label: str
    sentences: tuple[str, ...]
    #: The codes; None once it is installed or over.
    links: InstallLinks | None
    needs_confirmation: bool
    guide: tuple[GuideStage, ...]
    #: Of an allowance in total; the others are told beside it.
    use: UseOfTotal | None
    used_bytes: int | None
    caps: Caps
    as_of: datetime | None

    @property
    def as_of_words(self) -> str:
        return instant_words(self.as_of) if self.as_of is not None else ""

    @property
    def percent(self) -> int | None:
        return min(100, int(self.use.share * 100)) if self.use else None


def read_link_page(esim: Esim, *, now: datetime | None = None) -> LinkPage:
    """The page of a line (fetched with account, plan and customer); one query more."""
    now = now or timezone.now()
    state = shown_state(esim, now)
    packages = list(Package.objects.filter(esim=esim).order_by("pk"))
    is_over = state in ENDED
    return LinkPage(
        esim=esim,
        state=state,
        state_label=state_label(state),
        sentences=tuple(filter(None, [describe_line(esim, state), describe_time(esim, now)])),
        links=install_links(esim.lpa) if esim.lpa and state in SHOWS_CODE else None,
        needs_confirmation=needs_confirmation_code(esim),
        guide=() if is_over else install_guide(esim),
        use=measure_total_use(esim, packages),
        used_bytes=esim.total_used_bytes,
        caps=find_caps(esim, packages),
        as_of=esim.usage_as_of,
    )


def describe_line(esim: Esim, state: LineState) -> str:
    """The state in one sentence for the customer."""
    if not esim.lpa and esim.eid and state in {LineState.READY, LineState.PROVISIONING}:
        return _("Your eSIM was made for one device, which fetches it by itself.")
    return str(_SENTENCES[state])


def describe_time(esim: Esim, now: datetime) -> str:
    """What the customer should know of its time: the end, else the deadline; "" where neither is ahead or known."""
    state = shown_state(esim, now)
    if state in ENDED:
        return ""
    if esim.expires_on is not None and now < surely_over_instant(esim.expires_on):
        ahead = now < last_promised_instant(esim.expires_on)
        text = _("Its last day is %(when)s.") if ahead else _("Its last day was %(when)s; it may end at any time.")
        return text % {"when": japan_date_words(esim.expires_on)}
    if esim.expires_at is not None and now < esim.expires_at:
        return _("It ends on %(when)s.") % {"when": instant_words(esim.expires_at)}
    deadline = use_deadline(esim)
    if deadline is None or now >= deadline:
        return ""
    text = _("Use it before %(when)s.") if state is LineState.INSTALLED else _("Install it before %(when)s.")
    return text % {"when": instant_words(deadline)}
