"""Inviting staff: the account and its message are one transaction, so nobody is invited without being told."""

from django.db import transaction

from customers.inviting import make_invitation, renew_invitation
from customers.models import StaffInvitation, User
from orders.notice_invitations import write_invitation


def invite_staff(*, name: str, email: str, role: str, language: str, by: User) -> StaffInvitation:
    """Make the account and have its invitation sent. Raises as ``customers.inviting.make_invitation`` does."""
    with transaction.atomic():
        invitation = make_invitation(name=name, email=email, role=role, language=language, by=by)
        write_invitation(invitation)
    return invitation


def invite_again(*, user: User, by: User) -> StaffInvitation:
    """Send a fresh link; that of before opens no more. Raises as ``customers.inviting.renew_invitation`` does."""
    with transaction.atomic():
        invitation = renew_invitation(user=user, by=by)
        write_invitation(invitation)
    return invitation
