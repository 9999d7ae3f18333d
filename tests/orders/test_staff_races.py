"""Administrators who take each other's rights at the same moment: one is always left."""

import threading

import pytest
from django.contrib.auth.models import Group
from django.core.exceptions import PermissionDenied

from customers.inviting import accept_invitation, find_invitation, invitation_address
from customers.models import User
from customers.staffing import StaffRefused, deactivate_staff, find_administrators, keeps_an_administrator
from orders.inviting import invite_staff
from tests.orders.making import make_user
from tests.orders.test_races import race

pytestmark = pytest.mark.django_db(transaction=True)
WHERE = pytest.mark.parametrize("where", ["here", pytest.param("postgresql", marks=pytest.mark.postgres)])


@pytest.fixture
def bosses() -> list[User]:
    users = [make_user(), make_user()]
    Group.objects.get(name="Administrator").user_set.add(*users)
    return users


@WHERE
def test_a_naive_look_loses_the_last_one(where: str, bosses: list[User]) -> None:
    """Without the lock: look who is left, then write."""
    both_looked = threading.Barrier(2)

    def deactivate_naively(user: User) -> bool:
        keeps = keeps_an_administrator(without=user)
        both_looked.wait(timeout=10)
        if keeps:
            User.objects.filter(pk=user.pk).update(is_active=False)
        return keeps

    first, second = bosses
    assert race(lambda: deactivate_naively(first), lambda: deactivate_naively(second)) == [True, True]
    assert find_administrators().count() == 0


@WHERE
def test_one_of_two_who_deactivate_each_other_stays(where: str, bosses: list[User]) -> None:
    first, second = bosses

    def deactivate(user: User, by: User) -> str:
        try:
            deactivate_staff(user=user, why="x", by=by)
        except (PermissionDenied, StaffRefused):
            return "refused"
        return "done"

    results = race(lambda: deactivate(first, second), lambda: deactivate(second, first))
    assert sorted(map(str, results)) == ["done", "refused"]
    assert find_administrators().count() == 1


@WHERE
def test_an_invitation_is_accepted_once(where: str, bosses: list[User]) -> None:
    invitation = invite_staff(name="Rika", email="rika@desk.example", role="sales", language="", by=bosses[0])
    address = invitation_address(invitation_id=invitation.pk, number=1)
    token = address.rpartition("/join/")[2].rstrip("/")

    def accept(password: str) -> str:
        try:
            accept_invitation(token=token, password=password)
        except StaffRefused:
            return ""
        return password

    passwords = [f"correct horse battery {number}" for number in range(4)]
    results = race(*[lambda password=password: accept(password) for password in passwords])
    (winner,) = filter(None, results)
    assert User.objects.get(email="rika@desk.example").check_password(str(winner))
    assert find_invitation(token) is None
