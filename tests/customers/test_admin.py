"""People in the admin."""

import pytest
from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.usersessions.models import UserSession
from django.test import Client

from customers.models import Customer, User
from tests.customers.making import make_staff, signed_in

pytestmark = pytest.mark.django_db
PASSWORD = "correct horse battery 9"
NEW = {"email": "New@Example.com", "is_staff": "on", "usable_password": "true", "password1": PASSWORD}


@pytest.fixture
def boss() -> User:
    return User.objects.create_superuser("boss@example.com", PASSWORD)


def test_a_user_made_by_an_administrator_can_sign_in(boss: User, client: Client) -> None:
    response = signed_in(boss).post("/admin/customers/user/add/", {**NEW, "password2": PASSWORD})
    assert response.status_code == 302
    made = User.objects.get(email="new@example.com")
    assert (made.is_staff, made.is_superuser) == (True, False)
    assert EmailAddress.objects.filter(user=made, email="new@example.com", verified=True, primary=True).count() == 1
    signed = client.post("/accounts/login/", {"login": "new@example.com", "password": PASSWORD})
    assert (signed.status_code, signed.headers["Location"]) == (302, "/")


def test_an_address_is_taken_once(boss: User) -> None:
    make_staff(email="new@example.com")
    response = signed_in(boss).post("/admin/customers/user/add/", {**NEW, "password2": PASSWORD})
    assert "Another account has this e-mail address." in response.content.decode()
    assert User.objects.count() == 2


def test_a_changed_address_is_the_only_one(boss: User) -> None:
    user = make_staff(email="old@example.com")
    EmailAddress.objects.create(user=user, email="old@example.com", verified=True, primary=True)
    form = {"email": "fresh@example.com", "is_active": "on", "is_staff": "on"}
    assert signed_in(boss).post(f"/admin/customers/user/{user.pk}/change/", form).status_code == 302
    addresses = EmailAddress.objects.filter(user=user).values_list("email", "verified")
    assert list(addresses) == [("fresh@example.com", True)]


def test_only_superusers_give_rights(boss: User) -> None:
    clerk = make_staff("customers.view_user", "customers.change_user")
    other = make_staff(email="other@example.com")
    form = {"email": "other@example.com", "is_active": "on", "is_staff": "on", "is_superuser": "on"}
    assert signed_in(clerk).post(f"/admin/customers/user/{other.pk}/change/", form).status_code == 302
    other.refresh_from_db()
    assert other.is_superuser is False


@pytest.mark.parametrize("page", ["change", "password"])
def test_only_superusers_touch_superusers(boss: User, page: str) -> None:
    clerk = make_staff("customers.view_user", "customers.change_user")
    before = boss.password
    form = {"email": "mine@example.com", "password1": PASSWORD + "x", "password2": PASSWORD + "x"}
    assert signed_in(clerk).post(f"/admin/customers/user/{boss.pk}/{page}/", form).status_code == 403
    boss.refresh_from_db()
    assert (boss.email, boss.password) == ("boss@example.com", before)


def test_customer_in_the_admin(boss: User) -> None:
    client = signed_in(boss)
    form = {"name": "Hana", "email": "Hana@Example.com", "phone": "+81 90", "country": "jp"}
    assert client.post("/admin/customers/customer/add/", form).status_code == 302
    made = Customer.objects.get()
    assert (made.email, made.phone, made.country, made.created_by) == ("hana@example.com", "+8190", "JP", boss)
    again = client.post("/admin/customers/customer/add/", form)
    assert "A customer with this e-mail address is there already." in again.content.decode()
    assert Customer.objects.count() == 1


@pytest.mark.parametrize("page", ["", "customers/user/", "customers/user/add/", "customers/customer/"])
def test_admin_pages_open(boss: User, page: str) -> None:
    response = signed_in(boss).get(f"/admin/{page}")
    assert response.status_code == 200
    text = response.content.decode()
    assert "css/admin.css" in text
    assert "<style" not in text


def test_the_admin_signs_in_by_the_consoles_page(client: Client) -> None:
    response = client.get("/admin/customers/user/", follow=True)
    assert response.redirect_chain[-1] == ("/accounts/login/?next=/admin/customers/user/", 302)


def test_the_admin_is_for_staff() -> None:
    response = signed_in(make_staff(is_staff=False)).get("/admin/", follow=True)
    assert response.status_code == 403
    assert "Nothing here for you" in response.content.decode()


def test_the_admin_never_leads_to_another_host(boss: User) -> None:
    response = signed_in(boss).get("/admin/login/", {"next": "https://evil.example/"})
    assert response.headers["Location"] == "/admin/"


def make_authenticator(user: User) -> Authenticator:
    return Authenticator.objects.create(user=user, type=Authenticator.Type.TOTP, data={"secret": "kept-to-itself"})


def test_a_lost_second_factor_is_deleted_and_never_shown(boss: User) -> None:
    mine, theirs = make_authenticator(boss), make_authenticator(make_staff())
    clerk = make_staff("mfa.view_authenticator", "mfa.delete_authenticator", email="desk@example.com")
    client = signed_in(clerk)
    page = client.get(f"/admin/mfa/authenticator/{theirs.pk}/change/")
    assert page.status_code == 200
    assert "kept-to-itself" not in page.content.decode()
    assert client.get("/admin/mfa/authenticator/?q=example").status_code == 200
    assert client.post(f"/admin/mfa/authenticator/{mine.pk}/delete/", {"post": "yes"}).status_code == 403
    assert client.post(f"/admin/mfa/authenticator/{theirs.pk}/delete/", {"post": "yes"}).status_code == 302
    assert [row.pk for row in Authenticator.objects.all()] == [mine.pk]


def test_sign_ins_are_found_by_address_and_show_no_key(boss: User) -> None:
    session = UserSession.objects.create(user=boss, ip="127.0.0.1", user_agent="x", session_key="k" * 32)
    client = signed_in(boss)
    for address in ("?q=boss", f"{session.pk}/change/"):
        page = client.get(f"/admin/usersessions/usersession/{address}")
        assert page.status_code == 200
        assert "k" * 32 not in page.content.decode()
