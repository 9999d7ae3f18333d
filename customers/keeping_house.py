"""Taking away what is kept about people for a time only."""

from datetime import timedelta

from allauth.account.models import EmailAddress
from allauth.usersessions.models import UserSession
from django.contrib.sessions.models import Session
from django.utils import timezone

from customers.models import Device, User

#: Ours: whoever wanted an account has confirmed their address by then.
UNCONFIRMED_DAYS = 30


def delete_idle_sign_ups() -> int:
    """Delete sign-ups whose address nobody has confirmed in all the time; returns how many."""
    before = timezone.now() - timedelta(days=UNCONFIRMED_DAYS)
    told = EmailAddress.objects.filter(verified=False).values("user_id")
    confirmed = EmailAddress.objects.filter(verified=True).values("user_id")
    idle = User.objects.filter(pk__in=told, is_staff=False, last_login=None, customer=None, date_joined__lt=before)
    found = list(idle.exclude(pk__in=confirmed).values_list("pk", flat=True))
    User.objects.filter(pk__in=found, last_login=None).delete()
    return len(found)


def forget_ended_sign_ins() -> int:
    """Forget from where people were signed in, and the phones of those sign-ins, once they have ended; how many."""
    standing = Session.objects.values("session_key")
    Device.objects.exclude(session_key__in=standing).delete()
    deleted: int = UserSession.objects.exclude(session_key__in=standing).delete()[0]
    return deleted
