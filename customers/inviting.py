"""Asking somebody to join the staff: an account that sleeps, and a link that wakes it once.

The link is signed and made when its message is sent; neither it nor a digest of it is stored. It holds the number of
the invitation and of the sending, so sending anew, withdrawing and accepting make older ones useless.
"""

from datetime import datetime, timedelta

from allauth.account.models import EmailAddress
from django.conf import settings
from django.contrib.auth.models import Group
from django.core import signing
from django.db import IntegrityError, transaction
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from customers.accounts import vouch_for_address
from customers.customers import normalise_email
from customers.models import StaffEvent, StaffInvitation, User
from customers.roles import ROLES
from customers.staffing import StaffRefused, check_administrator, lock_staff, note_staff_event

K = StaffEvent.Kind
_SALT = "customers.inviting"
#: More is no link of ours.
_LONGEST_TOKEN = 200


def make_invitation(*, name: str, email: str, role: str, language: str, by: User) -> StaffInvitation:
    """Make the sleeping account of a new member of staff; the caller has the message written, in the same transaction.

    Raises ``StaffRefused`` where somebody has the address, ``PermissionDenied`` for who may not invite.
    """
    email = normalise_email(email)
    taken = StaffRefused(_("Somebody has an account with this e-mail address already. Use another one."))
    try:
        with transaction.atomic():
            lock_staff()
            check_administrator(by)
            if EmailAddress.objects.filter(email__iexact=email, verified=True).exists():
                raise taken
            user = User.objects.create_user(
                email, None, first_name=" ".join(name.split()), language=language, is_staff=True, is_active=False
            )
            user.groups.set([Group.objects.get(name=ROLES[role].group)])
            invitation = StaffInvitation.objects.create(user=user, invited_by=by.email, expires_at=_find_end())
            note_staff_event(user, K.INVITED, by=by.email, facts={"role": role})
    except IntegrityError:
        raise taken from None
    return invitation


def renew_invitation(*, user: User, by: User) -> StaffInvitation:
    """Make the link that was sent useless and the invitation last anew. The caller has the message written.

    Raises ``StaffRefused`` where nothing waits to be accepted, ``PermissionDenied`` for who may not invite.
    """
    with transaction.atomic():
        lock_staff()
        check_administrator(by)
        invitation = _find_open(user)
        invitation.round += 1
        invitation.expires_at = _find_end()
        invitation.save(update_fields=["round", "expires_at"])
        note_staff_event(invitation.user, K.INVITED_AGAIN, by=by.email)
    return invitation


def withdraw_invitation(*, user: User, by: User) -> None:
    """Delete the account that nobody has used yet; the events keep its address.

    Raises ``StaffRefused`` where nothing waits to be accepted, ``PermissionDenied`` for who may not invite.
    """
    with transaction.atomic():
        lock_staff()
        check_administrator(by)
        invitation = _find_open(user)
        note_staff_event(invitation.user, K.WITHDRAWN, by=by.email)
        invitation.user.delete()


def accept_invitation(*, token: str, password: str) -> User:
    """Wake the account with the password that its person has chosen; the address is theirs, as the link went there.

    Raises ``StaffRefused`` for a link that does not open, or no longer.
    """
    with transaction.atomic():
        lock_staff()
        invitation = find_invitation(token)
        if invitation is None:
            raise StaffRefused(_("This invitation has been used, withdrawn or is too old."))
        user = invitation.user
        user.set_password(password)
        user.is_active = True
        user.save(update_fields=["password", "is_active"])
        invitation.accepted_at = timezone.now()
        invitation.save(update_fields=["accepted_at"])
        vouch_for_address(user=user)
        note_staff_event(user, K.JOINED, by=user.email)
    return user


def find_invitation(token: str) -> StaffInvitation | None:
    """The invitation that this link opens now; None for every other word."""
    if len(token) > _LONGEST_TOKEN:
        return None
    try:
        pk, number = signing.loads(token, salt=_SALT)
    except (signing.BadSignature, ValueError, TypeError):
        return None
    waiting = StaffInvitation.objects.filter(pk=pk, round=number, accepted_at=None, expires_at__gt=timezone.now())
    return waiting.select_related("user").first()


def invitation_address(*, invitation_id: int, number: int) -> str:
    """The whole link, as its message carries it."""
    token = signing.dumps((invitation_id, number), salt=_SALT)
    return f"{settings.SITE_URL.rstrip('/')}{reverse('staff-join', args=[token])}"


def _find_open(user: User) -> StaffInvitation:
    invitation = StaffInvitation.objects.select_related("user").filter(user=user, accepted_at=None).first()
    if invitation is None:
        raise StaffRefused(_("No invitation of this person waits to be accepted."))
    return invitation


def _find_end() -> datetime:
    return timezone.now() + timedelta(hours=settings.STAFF_INVITATION_HOURS)
