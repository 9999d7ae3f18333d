"""Showing secrets: every time somebody sees a line's codes, the line's timeline says who."""

from collections.abc import Iterable
from datetime import timedelta

from django.utils import timezone

from esims.events import EventKind, make_event
from esims.models import Esim, LineEvent

#: The same person who sees the same QR code again within this time leaves no second row.
SEEN_AGAIN_WITHIN = timedelta(hours=1)


def record_reveal(*, esim: Esim, by: str) -> None:
    """Somebody was shown the codes and device numbers in clear."""
    make_event(esim, EventKind.CODES_REVEALED, by=by).save()


def record_codes_taken(*, lines: Iterable[Esim], by: str) -> None:
    """Somebody took the codes or device numbers of these out in a file."""
    LineEvent.objects.bulk_create(make_event(esim, EventKind.CODES_REVEALED, by=by, why="in a file") for esim in lines)


def record_qr_shown(*, esim: Esim, by: str) -> None:
    """Somebody was shown the QR code; pages draw it often, so the row is written once an hour per person."""
    since = timezone.now() - SEEN_AGAIN_WITHIN
    seen = LineEvent.objects.filter(esim=esim, kind=EventKind.QR_SHOWN.value, by=by, at__gte=since)
    if not seen.exists():
        make_event(esim, EventKind.QR_SHOWN, by=by).save()


def record_handed_out(*, esims: Iterable[Esim], form: str, order: str, by: str) -> None:
    """Somebody took the codes of all eSIMs of an order, in one of the forms of ``events``; one statement."""
    facts = {"form": form, "order": order}
    LineEvent.objects.bulk_create([make_event(esim, EventKind.CODES_HANDED_OUT, by=by, facts=facts) for esim in esims])
