"""Staff: invited by e-mail, given roles, deactivated; and what nobody does to themself or the last administrator."""

import re
from datetime import timedelta

import pytest
import time_machine
from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.usersessions.models import UserSession
from django.contrib.auth.models import Group
from django.contrib.sessions.models import Session
from django.core import mail
from django.core.exceptions import PermissionDenied
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from customers.inviting import find_invitation
from customers.models import StaffEvent, StaffInvitation, User
from customers.roles import ROLES, find_role
from customers.staffing import StaffRefused, change_role, deactivate_staff, sign_out_staff
from orders.inviting import invite_again, invite_staff
from orders.models import Notification
from orders.notice_sending import send_due_notifications
from orders.notifications import why_not_resent
from tests.customers.making import signed_in
from tests.orders.making import make_user
from tests.pages import assert_clean_page

pytestmark = pytest.mark.django_db(transaction=True)
PASSWORD = "correct horse battery 9"
NEW = {"name": " Rika  Abe ", "email": "Rika@Desk.example", "role": "support", "language": "ja"}


def make_member(role: str, **fields: object) -> User:
    user = make_user(**fields)
    user.groups.add(Group.objects.get(name=ROLES[role].group))
    return user


@pytest.fixture
def boss() -> User:
    return make_member("administrator", first_name="Bo")


def add_session(user: User, client: Client | None = None) -> UserSession:
    """A sign-in as allauth notes it, of a client that has signed in or of one more."""
    key = (client or signed_in(user)).session.session_key
    agent = "Mozilla/5.0 (Windows NT 10.0) Gecko/20100101 Firefox/140.0"
    told = {"user": user, "ip": "10.0.0.1", "user_agent": agent}
    return UserSession.objects.update_or_create(session_key=key, defaults=told)[0]


def events_of(user: User) -> list[tuple[str, str]]:
    return list(StaffEvent.objects.filter(email=user.email).order_by("pk").values_list("kind", "by"))


def last_link() -> str:
    """The way of the link in the newest message, as its person opens it."""
    send_due_notifications()
    link = re.search(r"http://127\.0\.0\.1:8000(/join/\S+)", str(mail.outbox[-1].body))
    assert link
    return link[1]


def choose_password(address: str, client: Client | None = None, password: str = PASSWORD) -> object:
    return (client or Client()).post(address, {"new_password1": password, "new_password2": password})


# -- inviting ---------------------------------------------------------------------------------------------------------


def test_an_invitation_from_the_page_to_the_second_factor(boss: User, settings: Settings) -> None:
    desk = signed_in(boss)
    assert_clean_page(desk.get("/staff/invite/"))
    response = desk.post("/staff/invite/", NEW)
    rika = User.objects.get(email="rika@desk.example")
    assert response.headers["Location"] == f"/staff/{rika.pk}/"
    assert (rika.first_name, rika.language, rika.is_staff, rika.is_active) == ("Rika Abe", "ja", True, False)
    assert not rika.has_usable_password()
    assert find_role(rika) == ROLES["support"]
    assert_clean_page(desk.get(f"/staff/{rika.pk}/"))
    assert "invited" in desk.get("/staff/").content.decode()

    address = last_link()
    message = mail.outbox[-1]
    assert (message.to, message.extra_headers["Content-Language"]) == (["rika@desk.example"], "ja")
    row = Notification.objects.get(kind="invitation")
    assert (row.state, row.address) == ("sent", "rika@desk.example")
    assert address.split("/")[2] not in (row.content or b"").decode()
    assert why_not_resent(row)

    settings.STAFF_MFA_REQUIRED = True
    person = Client()
    page = person.get(address)
    assert_clean_page(page, language="ja")
    assert "no-store" in page.headers["Cache-Control"]
    person.get(address)
    weak = person.post(address, {"new_password1": "rika", "new_password2": "rika"})
    assert_clean_page(weak, status=422, language="ja")
    assert User.objects.get(pk=rika.pk).is_active is False
    joined = person.post(address, {"new_password1": PASSWORD, "new_password2": PASSWORD}, follow=True)
    assert [step[0] for step in joined.redirect_chain[:2]] == ["/", "/accounts/second-factor/totp/activate/"]
    rika.refresh_from_db()
    assert rika.is_active
    assert rika.check_password(PASSWORD)
    assert EmailAddress.objects.get(user=rika).verified
    assert events_of(rika) == [("invited", boss.email), ("joined", "rika@desk.example")]

    # Once only.
    assert_clean_page(Client().get(address), status=410)
    choose_password(address, password="another horse battery 9")
    rika.refresh_from_db()
    assert rika.check_password(PASSWORD)


def test_a_sleeping_account_lets_nobody_in(boss: User) -> None:
    rika = invite_staff(**NEW, by=boss).user
    rika.set_password(PASSWORD)
    rika.save(update_fields=["password"])
    EmailAddress.objects.create(user=rika, email=rika.email, verified=True, primary=True)
    client = Client()
    client.post("/accounts/login/", {"login": rika.email, "password": PASSWORD})
    assert client.get("/me/").status_code == 302
    mail.outbox.clear()
    Client().post("/accounts/password/reset/", {"email": rika.email})
    assert all("/join/" not in str(message.body) for message in mail.outbox)
    assert [message.to for message in mail.outbox if "code" in str(message.body)] == []


def test_a_link_is_signed_and_runs_out(boss: User) -> None:
    invite_staff(**NEW, by=boss)
    address = last_link()
    token = address.split("/")[2]
    assert find_invitation(token) is not None
    for wrong in (token[:-1], token.replace(token[0], "x", 1), "", "x" * 500, token + "é"):
        assert find_invitation(wrong) is None
    with time_machine.travel(timezone.now() + timedelta(hours=73)):
        assert Client().get(address).status_code == 410
        choose_password(address)
    assert User.objects.get(email="rika@desk.example").is_active is False


def test_inviting_again_and_withdrawing(boss: User) -> None:
    rika = invite_staff(**NEW, by=boss).user
    first = last_link()
    desk = signed_in(boss)
    assert_clean_page(desk.get(f"/staff/{rika.pk}/invite-again/"))
    desk.post(f"/staff/{rika.pk}/invite-again/")
    second = last_link()
    assert [Client().get(address).status_code for address in (first, second)] == [410, 200]
    # What waits to be sent is replaced, not sent too.
    invite_again(user=rika, by=boss)
    invite_again(user=rika, by=boss)
    sent = len(mail.outbox)
    third = last_link()
    assert len(mail.outbox) == sent + 1
    assert_clean_page(desk.get(f"/staff/{rika.pk}/withdraw/"))
    assert desk.post(f"/staff/{rika.pk}/withdraw/").headers["Location"] == "/staff/"
    assert Client().get(third).status_code == 410
    assert not User.objects.filter(email=rika.email).exists()
    assert StaffInvitation.objects.count() == Notification.objects.count() == 0
    assert [kind for kind, _by in events_of(rika)] == ["invited", *["invited_again"] * 3, "withdrawn"]
    # The address is free again.
    invite_staff(**NEW, by=boss)


def test_an_address_that_somebody_has_is_not_invited(boss: User) -> None:
    User.objects.create_user("rika@desk.example", "x")
    other = User.objects.create_user("old@desk.example", "x")
    EmailAddress.objects.create(user=other, email="new@desk.example", verified=True)
    for email in ("rika@desk.example", "NEW@desk.example"):
        response = signed_in(boss).post("/staff/invite/", {**NEW, "email": email})
        assert_clean_page(response, status=422)
        assert "already" in response.content.decode()
    assert User.objects.filter(is_staff=True).count() == 1
    assert Notification.objects.count() == StaffEvent.objects.count() == 0


def test_only_administrators_invite(boss: User) -> None:
    clerk = make_member("support")
    with pytest.raises(PermissionDenied):
        invite_staff(**NEW, by=clerk)
    assert signed_in(make_member("auditor")).post("/staff/invite/", NEW).status_code == 403
    assert User.objects.filter(email="rika@desk.example").count() == Notification.objects.count() == 0


# -- roles and accounts -----------------------------------------------------------------------------------------------


def test_a_role_takes_the_place_of_everything_before(boss: User) -> None:
    clerk = make_user("esims.reveal_codes")
    clerk.groups.add(Group.objects.create(name="night shift"))
    desk = signed_in(boss)
    assert_clean_page(desk.get(f"/staff/{clerk.pk}/role/"))
    desk.post(f"/staff/{clerk.pk}/role/", {"role": "auditor"})
    clerk = User.objects.get(pk=clerk.pk)
    assert [group.name for group in clerk.groups.all()] == ["Auditor"]
    assert not clerk.has_perm("esims.reveal_codes")
    change_role(user=clerk, role="auditor", by=boss)
    assert events_of(clerk) == [("role", boss.email)]
    assert "Role changed: Auditor" in desk.get(f"/staff/{clerk.pk}/").content.decode()


def test_deactivated_and_back(boss: User) -> None:
    clerk = make_member("sales")
    client, desk = signed_in(clerk), signed_in(boss)
    add_session(clerk, client)
    assert_clean_page(desk.get(f"/staff/{clerk.pk}/deactivate/"))
    assert desk.post(f"/staff/{clerk.pk}/deactivate/", {"why": ""}).status_code == 422
    desk.post(f"/staff/{clerk.pk}/deactivate/", {"why": "Has left"})
    clerk.refresh_from_db()
    assert clerk.is_active is False
    assert client.get("/orders/").status_code == 302
    assert not Session.objects.filter(pk=client.session.session_key).exists()
    assert_clean_page(desk.get(f"/staff/{clerk.pk}/"))
    desk.post(f"/staff/{clerk.pk}/reactivate/")
    clerk.refresh_from_db()
    assert clerk.is_active is True
    # The old sign-in does not come back to life.
    assert client.get("/orders/").status_code == 302
    assert events_of(clerk) == [("deactivated", boss.email), ("reactivated", boss.email)]
    assert StaffEvent.objects.get(kind="deactivated").why == "Has left"


def test_nobody_changes_themself(boss: User) -> None:
    make_member("administrator")
    desk = signed_in(boss)
    for step in ("deactivate", "sign-out", "remove-factor", "role"):
        response = desk.post(f"/staff/{boss.pk}/{step}/", {"why": "x", "role": "sales"}, follow=True)
        assert "Nobody changes their own account here" in response.content.decode()
    boss.refresh_from_db()
    assert (boss.is_active, find_role(boss)) == (True, ROLES["administrator"])
    assert StaffEvent.objects.count() == 0


def test_the_last_administrator_stays(boss: User) -> None:
    """A superuser may give and take everything, and is an administrator too: another right to manage is not enough."""
    clerk = make_user("customers.manage_staff")
    with pytest.raises(StaffRefused, match="last administrator"):
        change_role(user=boss, role="sales", by=clerk)
    make_user(is_superuser=True, is_active=False)
    with pytest.raises(StaffRefused, match="last administrator"):
        deactivate_staff(user=boss, why="x", by=clerk)
    make_member("administrator")
    deactivate_staff(user=boss, why="x", by=clerk)
    assert [kind for kind, _by in events_of(boss)] == ["deactivated"]


def test_only_superusers_touch_superusers(boss: User) -> None:
    root, other = make_user(is_superuser=True), make_user(is_superuser=True)
    with pytest.raises(StaffRefused, match="all rights by itself"):
        change_role(user=root, role="sales", by=boss)
    change_role(user=root, role="sales", by=other)
    root = User.objects.get(pk=root.pk)
    assert (root.is_superuser, find_role(root)) == (False, ROLES["sales"])


def test_who_was_administrator_a_moment_ago_is_none(boss: User) -> None:
    """The right is looked at again under the lock, not as it was when the page was opened."""
    other = make_member("administrator")
    assert boss.has_perm("customers.manage_staff")
    change_role(user=boss, role="sales", by=other)
    with pytest.raises(PermissionDenied):
        deactivate_staff(user=other, why="x", by=boss)
    assert User.objects.get(pk=other.pk).is_active


def test_an_administrator_ends_sign_ins_and_removes_a_lost_factor(boss: User) -> None:
    clerk = make_member("support")
    sessions = [add_session(clerk) for _number in range(3)]
    desk = signed_in(boss)
    page = desk.get(f"/staff/{clerk.pk}/")
    assert_clean_page(page)
    assert page.content.decode().count("Firefox, Windows") == 6
    desk.post(f"/staff/{clerk.pk}/sign-ins/{sessions[0].pk}/end/")
    assert UserSession.objects.filter(user=clerk).count() == 2
    # Somebody else's is not ended by this address.
    mine = UserSession.objects.create(user=boss, ip="10.0.0.9", session_key="mine", user_agent="x")
    desk.post(f"/staff/{clerk.pk}/sign-ins/{mine.pk}/end/")
    assert UserSession.objects.filter(pk=mine.pk).exists()
    Authenticator.objects.create(user=clerk, type=Authenticator.Type.TOTP, data={"secret": "x"})
    desk.post(f"/staff/{clerk.pk}/remove-factor/", {"why": "Phone lost"})
    assert Authenticator.objects.count() == UserSession.objects.filter(user=clerk).count() == 0
    assert sign_out_staff(user=clerk, by=boss) == 0
    assert [kind for kind, _by in events_of(clerk)] == ["signed_out", "factor_removed", "signed_out"]


def test_an_auditor_sees_staff_and_no_buttons(boss: User) -> None:
    clerk = make_member("support")
    reader = signed_in(make_member("auditor"))
    for address in ("/staff/", f"/staff/{clerk.pk}/"):
        page = reader.get(address)
        assert_clean_page(page)
        for step in ("invite", "role", "deactivate", "sign-out"):
            assert f"/{step}/" not in page.content.decode()
    assert reader.post(f"/staff/{clerk.pk}/deactivate/", {"why": "x"}).status_code == 403


def test_the_list_costs_the_same_for_many(boss: User, django_assert_max_num_queries: object) -> None:
    desk = signed_in(boss)
    counts = []
    for _round in range(2):
        with django_assert_max_num_queries(20) as queries:  # type: ignore[operator]
            assert_clean_page(desk.get("/staff/"))
        counts.append(len(queries))
        for _number in range(5):
            invite_staff(**{**NEW, "email": make_user().email.replace("staff", "asked")}, by=boss)
    assert counts[0] == counts[1]


def test_events_are_edited_by_nobody() -> None:
    root = signed_in(make_user(is_superuser=True))
    event = StaffEvent.objects.create(email="a@desk.example", kind="role", by="b@desk.example")
    assert root.get(f"/admin/customers/staffevent/{event.pk}/change/").status_code == 200
    for page in ("add/", f"{event.pk}/delete/"):
        assert root.post(f"/admin/customers/staffevent/{page}", {"post": "yes"}).status_code == 403
    root.post(f"/admin/customers/staffevent/{event.pk}/change/", {"by": "me"})
    event.refresh_from_db()
    assert event.by == "b@desk.example"
