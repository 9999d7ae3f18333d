"""Links by which customers see a line without signing in.

The token is 32 random bytes. Only its SHA-256 is stored and looked up: a copy of the database opens no line, and how
long a look takes tells nothing about tokens that exist.
"""

import hashlib
import secrets
from collections.abc import Iterable
from datetime import timedelta

from django.conf import settings
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import Q
from django.urls import reverse
from django.utils import timezone

from customers.models import User
from esims.events import EventKind, make_event
from esims.models import Esim, LineLink

_TOKEN_BYTES = 32
#: What a link was made for that no message carries.
BY_HAND = "by hand"
#: More is no token of ours.
_LONGEST_TOKEN = 64


def make_links(*, esim_ids: Iterable[int], made_for: str) -> dict[int, str]:
    """A fresh link for each line, within the caller's transaction: line's id → its address. Two statements at most."""
    expires_at = timezone.now() + timedelta(days=settings.LINE_LINK_DAYS)
    tokens = {esim_id: secrets.token_urlsafe(_TOKEN_BYTES) for esim_id in esim_ids}
    LineLink.objects.bulk_create(
        LineLink(esim_id=esim_id, token_hash=_digest(token), made_for=made_for[:60], expires_at=expires_at)
        for esim_id, token in tokens.items()
    )
    return {esim_id: link_address(token) for esim_id, token in tokens.items()}


def make_link_by_hand(*, esim: Esim, by: User) -> str:
    """A fresh link that a member of staff hands over; its address, which is told this once and kept by nobody.

    Whoever has it sees the codes: ``PermissionDenied`` without ``esims.reveal_codes``.
    """
    if not by.has_perm("esims.reveal_codes"):
        raise PermissionDenied
    with transaction.atomic():
        address = make_links(esim_ids=[esim.pk], made_for=BY_HAND)[esim.pk]
        make_event(esim, EventKind.LINK_MADE, by=by.email).save()
    return address


def renew_links(*, esim: Esim, by: User) -> str:
    """One fresh link in place of all that work now; its address. ``PermissionDenied`` without the right to make links
    and to revoke them.
    """
    with transaction.atomic():
        revoke_links(esim=esim, by=by)
        return make_link_by_hand(esim=esim, by=by)


def read_usable_links(esim: Esim) -> list[LineLink]:
    """The links to the line that work now, the newest first."""
    now = timezone.now()
    return list(LineLink.objects.filter(esim=esim, revoked_at__isnull=True, expires_at__gt=now).order_by("-pk"))


def link_address(token: str) -> str:
    """The whole address, as a message carries it."""
    return f"{settings.SITE_URL.rstrip('/')}{reverse('line-link', args=[token])}"


def forget_links(*, made_for: str) -> None:
    """Delete links that nobody was given: what they were made for was not sent."""
    LineLink.objects.filter(made_for=made_for).delete()


def find_link(token: str) -> LineLink | None:
    """The link with its line, if it may still be used; None for every other word."""
    if len(token) > _LONGEST_TOKEN:
        return None
    usable = LineLink.objects.filter(token_hash=_digest(token), revoked_at__isnull=True, expires_at__gt=timezone.now())
    return usable.select_related("esim__account", "esim__plan", "esim__customer").first()


def count_usable_links(esim: Esim) -> int:
    """How many links to the line work now."""
    return LineLink.objects.filter(esim=esim, revoked_at__isnull=True, expires_at__gt=timezone.now()).count()


def revoke_links(*, esim: Esim, by: User) -> int:
    """Make every link to the line useless; returns how many worked until now. ``PermissionDenied`` without
    ``esims.revoke_links``.
    """
    if not by.has_perm("esims.revoke_links"):
        raise PermissionDenied
    now = timezone.now()
    with transaction.atomic():
        usable = LineLink.objects.filter(esim=esim, revoked_at__isnull=True, expires_at__gt=now)
        count = usable.update(revoked_at=now, revoked_by=by.email)
        if count:
            make_event(esim, EventKind.LINKS_REVOKED, by=by.email, facts={"count": count}).save()
    return count


def delete_old_links() -> int:
    """Take away links that have not worked for a month; returns how many."""
    old = timezone.now() - timedelta(days=30)
    deleted: int = LineLink.objects.filter(Q(expires_at__lt=old) | Q(revoked_at__lt=old)).delete()[0]
    return deleted


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
