"""Reading one line from its provider: at once where a person looks or a change is awaited.

A read is claimed by a conditional update, so that two workers never read the same line at once; the call itself runs
outside any transaction. A failed read keeps what is stored and leaves its error beside it. Lines that are due by
themselves are read by ``esims/due_lines.py``.
"""

from datetime import timedelta

import structlog
from django.conf import settings
from django.db import DataError, transaction
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext as _
from django_q.tasks import async_task

from esims.abilities import abilities_of
from esims.claims import LineBusy, claim_line
from esims.models import Esim
from esims.recording import postpone_line, record_failures, record_snapshots
from esims.states import ENDED
from providers.errors import ProviderError, RateLimited, Unavailable
from providers.registry import get_provider, offers
from providers.types import Capability, Priority

log = structlog.get_logger(__name__)

#: How long opening a line's page keeps it watched.
WATCHED_FOR = timedelta(minutes=3)
#: What was read this short a time ago is not read again only because somebody opens the page.
FRESH_FOR = timedelta(seconds=30)
_ENDED_VALUES = [state.value for state in ENDED]


class RefreshRefused(Exception):
    """The line cannot be read; ``message`` says why, in the reader's language."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class AskedJustNow(RefreshRefused):
    """Somebody has asked for the line a moment ago; after ``wait`` it may be asked for again."""

    def __init__(self, wait: timedelta) -> None:
        super().__init__(_("The line was asked for a moment ago."))
        self.wait = wait


def refresh_line(*, esim_id: int, priority: Priority, by: str, only_if_due: bool = False) -> Esim:
    """Read the line and bring it up to date; one call to the provider, not to be made inside a transaction.

    Raises a ``ProviderError`` after recording it, and ``ImproperlyConfigured`` when the account has no settings.
    ``LineBusy``: another worker is reading the line or, with ``only_if_due``, has read it already.
    """
    esim = Esim.objects.select_related("account").get(pk=esim_id)
    provider = get_provider(esim.account.slug)
    claim = claim_line(esim, only_if_due=only_if_due)
    try:
        snapshot = provider.read_line(esim.provider_ref, priority=priority, order_ref=esim.order_ref)
        if snapshot.provider_ref != esim.provider_ref:
            raise Unavailable("the provider answered for another line", operation="read_line")
    except RateLimited as error:
        postpone_line(esim, claim, wait=error.retry_after)
        raise
    except ProviderError as error:
        record_failures({esim.pk: claim}, error, by=by)
        raise
    try:
        return record_snapshots({esim.pk: snapshot}, {esim.pk: claim}, abilities=provider.offered, by=by)[esim.pk]
    except (DataError, OverflowError) as error:
        # A value that no column holds must not stop the reading of other lines.
        unusable = Unavailable("what the provider said cannot be stored", operation="read_line")
        record_failures({esim.pk: claim}, unusable, by=by)
        raise unusable from error


def watch_line(*, esim: Esim) -> None:
    """A person opened the line's page: mark it, so that a worker reads it at once. Calls nobody; cheap to repeat."""
    if esim.state in _ENDED_VALUES or Capability.READ_LINE not in abilities_of(esim.account):
        return
    now = timezone.now()
    line = Esim.objects.filter(pk=esim.pk)
    not_long = Q(watched_until__isnull=True) | Q(watched_until__lt=now + WATCHED_FOR / 2)
    line.filter(not_long).update(watched_until=now + WATCHED_FOR)
    stale = Q(refreshed_at__isnull=True) | Q(refreshed_at__lt=now - FRESH_FOR)
    not_soon = Q(next_refresh_at__isnull=True) | Q(next_refresh_at__gt=now + FRESH_FOR)
    line.filter(stale & not_soon).update(next_refresh_at=now)


def request_refresh(*, esim: Esim, by: str, at_most_every: timedelta | None = None) -> None:
    """A person wants the line read now: a worker does it, with the priority of people.

    Raises ``RefreshRefused`` when the account cannot be asked, and ``AskedJustNow`` when somebody has asked within
    ``at_most_every``.
    """
    if why := why_not_read(esim):
        raise RefreshRefused(why)
    now = timezone.now()
    line = Esim.objects.filter(pk=esim.pk)
    # Whoever asks, or opens the page, has the line watched from then on.
    last = now + WATCHED_FOR - (at_most_every or timedelta(0))
    free = Q(watched_until__isnull=True) | Q(watched_until__lte=last) if at_most_every else Q()
    with transaction.atomic():
        if not line.filter(free).update(watched_until=now + WATCHED_FOR, next_refresh_at=now):
            watched = line.values_list("watched_until", flat=True).first()
            raise AskedJustNow((watched or now) - last)
        async_task("esims.tasks.read_line", esim.pk, cluster=settings.QUEUES["refresh"])
    log.info("refresh asked for", esim=esim.pk, by=by)


def why_not_read(esim: Esim) -> str:
    """Why ``request_refresh`` would refuse, in the reader's language; "" where it would not."""
    if not offers(esim.account.slug, Capability.READ_LINE):
        return _("This provider account is not set up, or it does not tell of single lines.")
    if esim.account.is_paused:
        return _("Calls to this provider are paused by staff.")
    return ""


def read_asked_line(*, esim_id: int) -> bool:
    """The job behind ``request_refresh``: read the line if that is still due. Returns whether it was read."""
    try:
        refresh_line(esim_id=esim_id, priority=Priority.PEOPLE, by="refresh", only_if_due=True)
    except LineBusy:
        return False
    except ProviderError as error:
        # Recorded on the line, which stays due by its schedule.
        log.info("line not read", esim=esim_id, error=type(error).__name__)
        return False
    return True
