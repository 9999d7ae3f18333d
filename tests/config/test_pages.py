"""Pages that belong to no app: errors, health, language, colours, navigation, sign-in."""

from typing import Any
from urllib.robotparser import RobotFileParser

import pytest
from allauth.account.forms import RequestLoginCodeForm
from allauth.account.models import EmailAddress
from django.contrib.auth.models import AnonymousUser
from django.core.exceptions import PermissionDenied, SuspiciousOperation
from django.db import DatabaseError, connection
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.test import Client, RequestFactory, override_settings
from django.urls import path

from config import health, navigation, urls, views
from customers.models import User
from tests.api.app import last_code
from tests.customers.making import make_staff, signed_in
from tests.pages import assert_clean_page

pytestmark = pytest.mark.django_db
PASSWORD = "a long enough password"


def broken(request: HttpRequest) -> HttpResponse:
    raise RuntimeError("the secret detail")


def nonsense(request: HttpRequest) -> HttpResponse:
    raise SuspiciousOperation("odd")


def forbidden(request: HttpRequest) -> HttpResponse:
    raise PermissionDenied


urlpatterns = [
    path("broken/", broken),
    path("nonsense/", nonsense),
    path("forbidden/", forbidden),
    path("busy/", views.too_many_requests),
    *urls.urlpatterns,
]
handler400, handler403, handler404 = urls.handler400, urls.handler403, urls.handler404
handler429, handler500 = urls.handler429, urls.handler500


@pytest.fixture
def faulty(client: Client) -> Client:
    client.raise_request_exception = False
    return client


@override_settings(ROOT_URLCONF=__name__)
@pytest.mark.parametrize("staff", [True, False])
@pytest.mark.parametrize(
    ("address", "status", "words"),
    [
        ("/nonsense/", 400, "This request could not be read"),
        ("/forbidden/", 403, "You may not open this page"),
        ("/no/such/page/", 404, "There is no such page"),
        ("/busy/", 429, "Too many tries"),
    ],
)
def test_error_pages(faulty: Client, address: str, status: int, words: str, staff: bool) -> None:
    if staff:
        faulty.force_login(make_staff())
    response = faulty.get(address)
    assert_clean_page(response, status=status)
    text = response.content.decode()
    assert words in text
    assert response.headers.get("Retry-After") == ("60" if status == 429 else None)
    assert response.headers["X-Request-ID"] in text
    assert ('class="topbar"' in text) == staff


@override_settings(ROOT_URLCONF=__name__)
def test_a_crash_tells_nothing_and_leans_on_nothing(faulty: Client, django_assert_num_queries: Any) -> None:
    with django_assert_num_queries(0):
        response = faulty.get("/broken/")
    assert_clean_page(response, status=500)
    text = response.content.decode()
    assert "the secret detail" not in text
    assert "Traceback" not in text
    assert response.headers["X-Request-ID"] in text


@override_settings(ROOT_URLCONF=__name__)
def test_a_crash_without_a_manifest_of_static_files(faulty: Client, settings: Any) -> None:
    backend = "django.contrib.staticfiles.storage.ManifestStaticFilesStorage"
    settings.STORAGES = {**settings.STORAGES, "staticfiles": {"BACKEND": backend}}
    response = faulty.get("/broken/")
    assert response.status_code == 500
    assert "Something went wrong" in response.content.decode()


@override_settings(ROOT_URLCONF=__name__)
@pytest.mark.parametrize(("address", "status"), [("/forbidden/", 403), ("/no/", 404), ("/nonsense/", 400)])
def test_partial_requests_get_fragments(faulty: Client, address: str, status: int) -> None:
    response = faulty.get(address, headers={"HX-Request": "true"})
    assert response.status_code == status
    assert response.content.decode().startswith('<div class="notice notice-danger" role="alert">')


def test_an_unknown_host_gets_the_page_without_a_person(client: Client) -> None:
    response = client.get("/customers/", headers={"Host": "evil.example"})
    assert response.status_code == 400
    assert "This request could not be read" in response.content.decode()


def test_a_form_from_elsewhere_is_refused() -> None:
    client = Client(enforce_csrf_checks=True)
    user = make_staff("customers.add_customer")
    client.force_login(user)
    response = client.post("/customers/new/", {"name": "x"})
    assert_clean_page(response, status=403)
    assert "This form is no longer valid" in response.content.decode()


# -- Health -----------------------------------------------------------------------------------------------------------


def test_alive_without_the_database(client: Client, django_assert_num_queries: Any) -> None:
    with django_assert_num_queries(0):
        response = client.get("/healthz")
    assert (response.status_code, response.content) == (200, b"ok\n")
    assert client.post("/healthz").status_code == 405


def test_ready(client: Client) -> None:
    response = client.get("/readyz")
    assert (response.status_code, response.json()) == (200, {"database": "ok", "migrations": "ok"})


def test_not_ready_without_its_migrations(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    health._schema_was_current.cache_clear()
    monkeypatch.setattr("django.db.migrations.executor.MigrationExecutor.migration_plan", lambda *_: ["one"])
    response = client.get("/readyz")
    assert (response.status_code, response.json()) == (503, {"database": "ok", "migrations": "missing"})


def test_not_ready_without_its_database(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def gone() -> None:
        raise DatabaseError("host=secret")

    monkeypatch.setattr(connection, "cursor", gone)
    response = client.get("/readyz")
    assert (response.status_code, response.json()) == (503, {"database": "failed"})


def test_robots(client: Client) -> None:
    text = client.get("/robots.txt").content.decode()
    assert text == "User-agent: *\nAllow: /l/\nDisallow: /\n"
    rules = RobotFileParser()
    rules.parse(text.splitlines())
    answers = [rules.can_fetch("*", path) for path in ("/l/a-token/", "/l/a-token/qr.png", "/", "/lines/", "/esims/1/")]
    assert answers == [True, True, False, False, False]


# -- Language and colours ---------------------------------------------------------------------------------------------


def test_strangers_switch_the_language(client: Client) -> None:
    response = client.post("/language/", {"language": "ja", "next": "/accounts/login/"})
    assert (response.status_code, response.headers["Location"]) == (302, "/accounts/login/")
    assert_clean_page(client.get("/accounts/login/"), language="ja")


def test_the_switch_is_remembered_for_the_person() -> None:
    user = make_staff()
    client = signed_in(user)
    client.post("/language/", {"language": "ja", "next": "/me/"})
    user.refresh_from_db()
    assert user.language == "ja"
    assert_clean_page(signed_in(user).get("/me/"), language="ja")


@pytest.mark.parametrize("language", ["xx", "", "../etc"])
def test_unknown_languages_change_nothing(language: str) -> None:
    user = make_staff()
    signed_in(user).post("/language/", {"language": language, "next": "/me/"})
    user.refresh_from_db()
    assert user.language == ""


def test_the_switch_wants_a_form(client: Client) -> None:
    assert client.get("/language/").status_code == 405
    assert client.get("/theme/").status_code == 405


def test_the_switch_never_leads_to_another_host(client: Client) -> None:
    for address in ("/language/", "/theme/"):
        assert client.post(address, {"next": "https://evil.example/"}).headers["Location"] == "/"


def test_colours(client: Client) -> None:
    assert "data-theme" not in client.get("/accounts/login/").content.decode().split("<head>")[0]
    client.post("/theme/", {"theme": "dark"})
    assert '<html lang="en" data-theme="dark">' in client.get("/accounts/login/").content.decode()
    client.post("/theme/", {"theme": '"><script>'})
    assert '<html lang="en">' in client.get("/accounts/login/").content.decode()


# -- Navigation -------------------------------------------------------------------------------------------------------


def names_of(user: Any, address: str = "/customers/") -> list[str]:
    request = RequestFactory().get(address)
    request.user = user
    return [str(item.label) + ("*" if item.is_current else "") for item in navigation.items_for(request)]


def test_navigation_shows_what_one_may_open(monkeypatch: pytest.MonkeyPatch) -> None:
    missing = navigation.Entry("no-such-page", navigation.ENTRIES[0].label, "home")
    monkeypatch.setattr(navigation, "ENTRIES", (*navigation.ENTRIES, missing))
    clerk = make_staff("customers.view_customer")
    assert names_of(clerk) == ["Dashboard", "Customers*", "Admin"]
    assert names_of(clerk, "/") == ["Dashboard*", "Customers", "Admin"]
    assert names_of(clerk, "/customers/7/edit/") == ["Dashboard", "Customers*", "Admin"]
    assert names_of(make_staff(email="app@example.com", is_staff=False)) == []
    assert names_of(AnonymousUser()) == []


# -- Sign-in ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def clerk() -> User:
    user = make_staff("customers.view_customer")
    EmailAddress.objects.create(user=user, email=user.email, verified=True, primary=True)
    return user


def test_sign_in_and_out(client: Client, clerk: User) -> None:
    page = client.get("/accounts/login/")
    assert_clean_page(page)
    assert "/accounts/signup/" not in page.content.decode()
    form = {"login": "Clerk@Example.com", "password": PASSWORD, "next": "/customers/"}
    assert client.post("/accounts/login/", form).headers["Location"] == "/customers/"
    assert_clean_page(client.get("/accounts/logout/"))
    assert client.post("/accounts/logout/").headers["Location"] == "/accounts/login/"
    assert client.get("/customers/").status_code == 302


@pytest.mark.parametrize(("email", "password"), [("clerk@example.com", "wrong"), ("nobody@example.com", PASSWORD)])
def test_wrong_sign_in_says_so_without_saying_what(client: Client, clerk: User, email: str, password: str) -> None:
    response = client.post("/accounts/login/", {"login": email, "password": password})
    assert_clean_page(response)
    assert "The email address and/or password you specified are not correct." in response.content.decode()
    assert "_auth_user_id" not in client.session


def test_guessing_is_slowed_down(client: Client, clerk: User) -> None:
    for _ in range(12):
        response = client.post("/accounts/login/", {"login": clerk.email, "password": "wrong"})
    assert_clean_page(response, status=429)
    assert int(response["Retry-After"]) > 0
    assert "Too many failed attempts: nobody can sign in here for now" in response.content.decode()
    # The right password does not help now either.
    client.post("/accounts/login/", {"login": clerk.email, "password": PASSWORD})
    assert "_auth_user_id" not in client.session


def test_sign_up_is_closed(client: Client) -> None:
    form = {"email": "new@example.com", "password1": PASSWORD, "password2": PASSWORD}
    assert_clean_page(client.get("/accounts/signup/"))
    assert_clean_page(client.post("/accounts/signup/", form))
    assert not User.objects.exists()


def test_forgotten_password(client: Client, clerk: User) -> None:
    assert_clean_page(client.get("/accounts/password/reset/"))
    sent = client.post("/accounts/password/reset/", {"email": clerk.email}, follow=True)
    assert_clean_page(sent)
    page = client.post("/accounts/password/reset/confirm/", {"code": last_code(clerk.email)}, follow=True)
    assert_clean_page(page)
    form = {"password1": "another good password", "password2": "another good password"}
    assert_clean_page(client.post(page.redirect_chain[-1][0], form, follow=True))
    clerk.refresh_from_db()
    assert clerk.check_password("another good password")
    assert client.get("/accounts/password/reset/confirm/").headers["Location"] == "/accounts/login/"


def test_a_wrong_code_sets_no_password(client: Client, clerk: User) -> None:
    client.post("/accounts/password/reset/", {"email": clerk.email})
    page = client.post("/accounts/password/reset/confirm/", {"code": "AAAA-AAAA"})
    assert_clean_page(page)
    assert "Incorrect code." in page.content.decode()
    assert client.get("/accounts/password/reset/complete/").status_code == 302
    clerk.refresh_from_db()
    assert clerk.check_password(PASSWORD)


def test_sign_in_by_a_code(client: Client, clerk: User) -> None:
    assert_clean_page(client.get("/accounts/login/code/"))
    assert_clean_page(client.post("/accounts/login/code/", {"email": clerk.email}, follow=True))
    assert client.get("/customers/").status_code == 302
    client.post("/accounts/login/code/confirm/", {"code": last_code(clerk.email)})
    assert client.get("/customers/").status_code == 200


def test_forgotten_password_of_nobody_looks_the_same(client: Client) -> None:
    sent = client.post("/accounts/password/reset/", {"email": "nobody@example.com"}, follow=True)
    assert_clean_page(sent)
    assert "If the address belongs to an account" in sent.content.decode()


@pytest.mark.parametrize(
    "address", ["/accounts/password/change/", "/accounts/email/", "/accounts/logout/", "/accounts/reauthenticate/"]
)
def test_pages_of_the_signed_in(client: Client, clerk: User, address: str) -> None:
    client.post("/accounts/login/", {"login": clerk.email, "password": PASSWORD})
    assert_clean_page(client.get(address))


@pytest.mark.parametrize(
    "address", ["/accounts/inactive/", "/accounts/password/reset/done/", "/accounts/password/reset/"]
)
def test_other_pages_of_strangers(client: Client, address: str) -> None:
    assert_clean_page(client.get(address))


def test_an_unconfirmed_address_is_asked_for_first(client: Client) -> None:
    user = make_staff()
    response = client.post("/accounts/login/", {"login": user.email, "password": PASSWORD}, follow=True)
    assert_clean_page(response)
    assert client.post("/accounts/confirm-email/", {"code": "AAAA-AAAA"}).status_code == 200
    assert not EmailAddress.objects.get(user=user).verified
    client.post("/accounts/confirm-email/", {"code": last_code(user.email)})
    assert EmailAddress.objects.get(user=user).verified
    assert client.get("/me/").status_code == 200


def test_people_who_are_no_staff_can_sign_in_and_out_but_nothing_else(client: Client) -> None:
    user = make_staff(is_staff=False)
    EmailAddress.objects.create(user=user, email=user.email, verified=True, primary=True)
    response = client.post("/accounts/login/", {"login": user.email, "password": PASSWORD}, follow=True)
    assert_clean_page(response, status=403)
    text = response.content.decode()
    assert "Nothing here for you" in text
    assert 'action="/accounts/logout/"' in text


def test_pages_of_allauth_without_a_template_of_ours_have_the_frame(client: Client) -> None:
    request = RequestFactory().get("/x/")
    request.user = AnonymousUser()
    context = {"verify_form": RequestLoginCodeForm(), "cancel_url": "/accounts/login/"}
    text = render(request, "account/base_confirm_code.html", context).content.decode()
    assert 'class="entrance-card stack"' in text
    assert '<button type="submit" class="button button-primary"' in text
    assert '<a href="/accounts/login/" class="button button-quiet"' in text
    assert 'class="field"' in text
