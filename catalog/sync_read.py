"""Reading a whole catalogue, page by page, before anything is written."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from time import monotonic, sleep

from django.utils.translation import gettext

from catalog.sync_rows import LONGEST_REF
from providers.base import Provider
from providers.errors import NotSent, ProviderError, RateLimited, Unavailable
from providers.types import Fault, PlanOffer, PlanPage

#: How often one page is asked for again before the reading is given up; being told to wait does not count.
PAGE_ATTEMPTS = 5
#: Between two attempts where the provider does not say how long, in seconds.
PAUSE = 5.0
#: The longest sleep before the run shows that it is alive.
LONGEST_SLEEP = 20.0


class ReadingTooSlow(Exception):
    """The catalogue could not be read in the time that a job has; the message says so to staff."""


@dataclass(slots=True)
class Reading:
    """What has been read so far. An offer that comes twice counts once; the later one stands."""

    offers: dict[str, PlanOffer] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)
    pages: int = 0
    next_page: int = 1
    #: Where the next page begins, at providers that page by a key of their own.
    cursor: str = ""
    #: The provider itself said that its listing ended.
    is_ended: bool = False
    pages_total: int | None = None
    #: Every total that a page named: more than one means that the listing moved while it was read.
    totals: set[int] = field(default_factory=set)

    @property
    def total(self) -> int | None:
        return max(self.totals, default=None)

    @property
    def faulty_refs(self) -> set[str]:
        """Plans that are offered but could not be read."""
        return {fault.ref for fault in self.faults if fault.ref and fault.ref not in self.offers}

    def add(self, page: PlanPage) -> None:
        for offer in page.offers:
            if 0 < len(offer.plan_ref) <= LONGEST_REF:
                self.offers[offer.plan_ref] = offer
            else:
                self.faults.append(Fault(where=f"page {page.page}", message="a plan code that cannot be kept"))
        self.faults.extend(page.faults)
        self.pages += 1
        self.next_page = page.page + 1
        self.cursor = page.cursor
        self.is_ended = page.is_last
        self.pages_total = page.total_pages
        if page.total is not None:
            self.totals.add(page.total)

    def describe_gap(self) -> str:
        """Why the reading cannot tell which plans vanished; "" when it can."""
        if not self.totals and not self.is_ended:
            return gettext("The provider did not say how many plans there are.")
        if len(self.totals) > 1:
            return gettext("The provider's count changed while the catalogue was read.")
        seen = len(self.offers) + len(self.faulty_refs)
        nameless = sum(1 for fault in self.faults if not fault.ref and fault.where not in self.offers)
        if nameless:
            return gettext("%(count)s plans could not be read, not even their codes.") % {"count": nameless}
        if self.totals and seen != self.total:
            return gettext("The provider counts %(total)s plans, %(seen)s were read.") % {
                "total": self.total,
                "seen": seen,
            }
        return ""


def read_catalogue(provider: Provider, *, seconds: float, on_progress: Callable[[Reading], None]) -> Reading:
    """Read all pages within ``seconds``. ``on_progress`` is called after each page and while waiting.

    A page that fails for now (``RateLimited``, ``Unavailable``, ``NotSent``) is asked for again after the time that
    the provider names. Raises what the last attempt raised, other ``ProviderError`` at once, and ``ReadingTooSlow``.
    """
    deadline = monotonic() + seconds
    reading = Reading()
    failures = 0
    while True:
        try:
            for page in provider.list_plans(include_roaming=True, first_page=reading.next_page, cursor=reading.cursor):
                reading.add(page)
                failures = 0
                on_progress(reading)
                if monotonic() > deadline:
                    raise _too_slow(seconds)
        except (RateLimited, Unavailable, NotSent) as error:
            failures += not isinstance(error, RateLimited)
            if failures >= PAGE_ATTEMPTS:
                raise
            pause = _pause_after(error, failures)
            if monotonic() + pause > deadline:
                raise _too_slow(seconds) from error
            _wait(pause, reading, on_progress)
        else:
            return reading


def _pause_after(error: ProviderError, failures: int) -> float:
    asked = getattr(error, "retry_after", None)
    if isinstance(asked, timedelta):
        return max(asked.total_seconds(), 0.0)
    return float(PAUSE * 2 ** (failures - 1))


def _wait(seconds: float, reading: Reading, on_progress: Callable[[Reading], None]) -> None:
    left = seconds
    while left > 0:
        on_progress(reading)
        sleep(min(left, LONGEST_SLEEP))
        left -= LONGEST_SLEEP


def _too_slow(seconds: float) -> ReadingTooSlow:
    return ReadingTooSlow(
        gettext("Reading took longer than the %(seconds)s s that it has.") % {"seconds": int(seconds)}
    )
