"""What administrators do about the accounts of staff. Each step is a row that nobody edits (``StaffEvent``).

One lock for all of them: the row of the administrators' group. So two administrators who take each other's rights at
once come one after the other, and the second is none any more.
"""

from typing import Any

from allauth.mfa.models import Authenticator
from django.contrib.auth.models import Group
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils.translation import gettext as _

from customers.devices import end_session, end_sessions
from customers.models import StaffEvent, StaffInvitation, User
from customers.roles import ADMINISTRATOR, ROLES, find_role

PERMISSION = "customers.manage_staff"
K = StaffEvent.Kind


class StaffRefused(Exception):
    """Nothing was done; ``message`` says why, in the reader's language."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


def find_administrators() -> QuerySet[User]:
    """Who can sign in and invite staff: administrators and superusers."""
    is_one = Q(is_superuser=True) | Q(groups__name=ROLES[ADMINISTRATOR].group)
    return User.objects.filter(is_one, is_active=True, is_staff=True).distinct()


def change_role(*, user: User, role: str, by: User) -> User:
    """Give the role in the place of all that the person was allowed before, rights of their own included.

    Raises ``StaffRefused``, and ``PermissionDenied`` for who may not.
    """
    with transaction.atomic():
        person = _lock_other(user, by)
        before = find_role(person)
        if before is not None and before.slug == role and not person.is_superuser:
            return person
        if role != ADMINISTRATOR:
            _keep_one(person)
        was = "superuser" if person.is_superuser else before.slug if before is not None else ""
        person.groups.set([Group.objects.get(name=ROLES[role].group)])
        person.user_permissions.clear()
        person.is_superuser = False
        person.save(update_fields=["is_superuser"])
        note_staff_event(person, K.ROLE, by=by.email, facts={"from": was, "role": role})
    return person


def deactivate_staff(*, user: User, why: str, by: User) -> User:
    """Close the account: every sign-in ends, and none is possible. Raises as :func:`change_role` does."""
    with transaction.atomic():
        person = _lock_other(user, by)
        if not person.is_active:
            raise StaffRefused(_("This account is not active."))
        _keep_one(person)
        person.is_active = False
        person.save(update_fields=["is_active"])
        end_sessions(user=person)
        note_staff_event(person, K.DEACTIVATED, by=by.email, why=why)
    return person


def reactivate_staff(*, user: User, by: User) -> User:
    """Open a closed account again, as it was. Raises as :func:`change_role` does."""
    with transaction.atomic():
        person = _lock_other(user, by)
        if person.is_active:
            raise StaffRefused(_("This account is active."))
        if StaffInvitation.objects.filter(user=person, accepted_at=None).exists():
            raise StaffRefused(_("This person has not accepted the invitation yet."))
        person.is_active = True
        person.save(update_fields=["is_active"])
        note_staff_event(person, K.REACTIVATED, by=by.email)
    return person


def sign_out_staff(*, user: User, by: User) -> int:
    """End all sign-ins of a person, in the console and in the app; returns how many. Raises as :func:`change_role`."""
    with transaction.atomic():
        person = _lock_other(user, by)
        ended = end_sessions(user=person)
        note_staff_event(person, K.SIGNED_OUT, by=by.email, facts={"count": ended})
    return ended


def end_staff_session(*, user: User, pk: int, by: User) -> bool:
    """End one sign-in of a person; whether there was one. Raises as :func:`change_role` does."""
    with transaction.atomic():
        person = _lock_other(user, by)
        ended = end_session(user=person, pk=pk)
        if ended:
            note_staff_event(person, K.SIGNED_OUT, by=by.email, facts={"count": 1})
    return ended


def remove_second_factor(*, user: User, why: str, by: User) -> User:
    """For who has lost the phone: it must be set up anew, all sign-ins end. Raises as :func:`change_role` does."""
    with transaction.atomic():
        person = _lock_other(user, by)
        if not Authenticator.objects.filter(user=person).delete()[0]:
            raise StaffRefused(_("This person has no second factor."))
        end_sessions(user=person)
        note_staff_event(person, K.FACTOR_REMOVED, by=by.email, why=why)
    return person


def lock_staff() -> None:
    """One change of staff at a time, within the caller's transaction."""
    Group.objects.select_for_update().get(name=ROLES[ADMINISTRATOR].group)


def check_administrator(by: User) -> None:
    """Whether ``by`` may still do this, as it stands under the lock. Raises ``PermissionDenied``."""
    fresh = User.objects.filter(pk=by.pk, is_active=True, is_staff=True).first()
    if fresh is None or not fresh.has_perm(PERMISSION):
        raise PermissionDenied


def why_not_touched(user: User, by: User) -> str:
    """Why ``by`` may change nothing about ``user``, in the reader's language; "" where they may."""
    if user.pk == by.pk:
        return _("Nobody changes their own account here: ask another administrator.")
    if user.is_superuser and not by.is_superuser:
        return _("This account has all rights by itself: only another such account changes it.")
    return ""


def note_staff_event(user: User, kind: str, *, by: str, why: str = "", facts: dict[str, Any] | None = None) -> None:
    StaffEvent.objects.create(user=user, email=user.email, kind=kind, by=by, why=why, facts=facts or {})


def keeps_an_administrator(*, without: User) -> bool:
    """Whether somebody could still give roles if ``without`` could not."""
    return find_administrators().exclude(pk=without.pk).exists()


def _lock_other(user: User, by: User) -> User:
    lock_staff()
    check_administrator(by)
    person = User.objects.select_for_update().filter(pk=user.pk, is_staff=True).first()
    if person is None:
        raise StaffRefused(_("There is no such member of staff."))
    refusal = why_not_touched(person, by)
    if refusal:
        raise StaffRefused(refusal)
    return person


def _keep_one(person: User) -> None:
    if not keeps_an_administrator(without=person):
        raise StaffRefused(_("This is the last administrator. Make somebody else one first."))
