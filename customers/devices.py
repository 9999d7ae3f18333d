"""Phones with the app, and the sign-ins by which they hold their place."""

from allauth.usersessions.models import UserSession
from django.contrib.sessions.models import Session
from django.db import transaction
from django.db.models import Exists, OuterRef
from django.utils import timezone

from customers.models import Device, User

#: Of one person. Ours: who has more has changed phones and never signed out.
MOST_DEVICES = 20


def remember_device(*, user: User, token: str, platform: str, name: str, session_key: str) -> tuple[Device, bool]:
    """Store a device; whether it is new to this person. A token of somebody who had the phone before is theirs now."""
    with transaction.atomic():
        was_theirs = Device.objects.filter(user=user, token=token).exists()
        device, _made = Device.objects.update_or_create(
            token=token,
            defaults={
                "user": user,
                "platform": platform,
                "name": name,
                "session_key": session_key,
                "seen_at": timezone.now(),
            },
        )
        kept = Device.objects.filter(user=user).order_by("-seen_at", "-pk").values_list("pk", flat=True)[:MOST_DEVICES]
        Device.objects.filter(user=user).exclude(pk__in=list(kept)).delete()
    return device, not was_theirs


def forget_device(*, user: User, pk: int) -> bool:
    """Delete one of the person's own devices; whether there was one."""
    return bool(Device.objects.filter(user=user, pk=pk).delete()[0])


def end_sessions(*, user: User, session_key: str = "") -> int:
    """Sign the person out everywhere, app and console, and forget their devices; returns how many sign-ins ended.

    ``session_key`` is the one by which they ask; "" where somebody else does.
    """
    with transaction.atomic():
        keys = list(UserSession.objects.filter(user=user).values_list("session_key", flat=True))
        keys += list(Device.objects.filter(user=user).values_list("session_key", flat=True))
        ended: int = Session.objects.filter(pk__in=[*keys, session_key]).delete()[0]
        UserSession.objects.filter(user=user).delete()
        Device.objects.filter(user=user).delete()
    return ended


def end_session(*, user: User, pk: int) -> bool:
    """End one sign-in of the person, with the device that came by it; whether there was one."""
    with transaction.atomic():
        found = UserSession.objects.filter(user=user, pk=pk).first()
        if found is None:
            return False
        Session.objects.filter(pk=found.session_key).delete()
        Device.objects.filter(user=user, session_key=found.session_key).delete()
        found.delete()
    return True


def end_other_sessions(*, user: User, session_key: str) -> int:
    """Sign the person out everywhere but here (``session_key``); returns how many sign-ins ended."""
    others = UserSession.objects.filter(user=user).exclude(session_key=session_key).values_list("pk", flat=True)
    return sum(end_session(user=user, pk=pk) for pk in list(others))


def find_sessions(user: User) -> list[UserSession]:
    """Where the person is signed in now, the newest first: what has ended by itself is left out."""
    alive = Session.objects.filter(session_key=OuterRef("session_key"), expire_date__gt=timezone.now())
    return list(UserSession.objects.filter(Exists(alive), user=user).order_by("-created_at", "-pk"))
