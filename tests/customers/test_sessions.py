"""Where one is signed in, and ending it."""

import pytest
from allauth.usersessions.models import UserSession
from django.test import Client

from customers.accounts import vouch_for_address
from customers.agents import describe_agent
from customers.models import Device, User
from tests.customers.making import make_staff
from tests.pages import assert_clean_page

pytestmark = pytest.mark.django_db
PASSWORD = "a long enough password"
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"


@pytest.fixture
def clerk() -> User:
    user = make_staff()
    vouch_for_address(user=user)
    return user


def sign_in(user: User) -> Client:
    client = Client(headers={"user-agent": FIREFOX})
    assert client.post("/accounts/login/", {"login": user.email, "password": PASSWORD}).status_code == 302
    return client


def is_in(client: Client) -> bool:
    return client.get("/me/").status_code == 200


def test_one_is_ended(clerk: User) -> None:
    here, there = sign_in(clerk), sign_in(clerk)
    page = here.get("/me/sign-ins/")
    assert_clean_page(page)
    text = page.content.decode()
    assert text.count("Firefox, Linux") == 3
    other = UserSession.objects.get(session_key=there.session.session_key)
    token = Device.objects.create(
        user=clerk, token="t", platform="ios", session_key=other.session_key, seen_at=other.created_at
    )
    here.post("/me/sign-ins/", {"end": str(other.pk)})
    assert [is_in(here), is_in(there)] == [True, False]
    assert not Device.objects.filter(pk=token.pk).exists()
    assert here.get("/me/sign-ins/").content.decode().count("Firefox, Linux") == 1


def test_all_others_then_all(clerk: User) -> None:
    clients = [sign_in(clerk) for _number in range(3)]
    clients[0].post("/me/sign-ins/", {"end": "others"})
    assert [is_in(client) for client in clients] == [True, False, False]
    again = sign_in(clerk)
    out = clients[0].post("/me/sign-ins/", {"end": "all"})
    assert out.headers["Location"] == "/accounts/login/"
    assert [is_in(clients[0]), is_in(again)] == [False, False]
    assert UserSession.objects.count() == 0


def test_others_sign_ins_are_out_of_reach(clerk: User) -> None:
    other = make_staff(email="other@example.com")
    vouch_for_address(user=other)
    theirs = sign_in(other)
    mine = sign_in(clerk)
    key = UserSession.objects.get(user=other).pk
    for word in (str(key), "nonsense", "9" * 40, ""):
        assert mine.post("/me/sign-ins/", {"end": word}).status_code == 302
    assert is_in(theirs)
    assert UserSession.objects.count() == 2


@pytest.mark.parametrize(
    ("agent", "words"),
    [
        ("Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) Version/18.0 Safari/604.1", "Safari, iPhone"),
        ("Mozilla/5.0 (Windows NT 10.0) Chrome/140.0 Safari/537.36 Edg/140.0", "Edge, Windows"),
        ("Roamdesk/2.1 (Android 15)", "Roamdesk, Android"),
        ("", ""),
    ],
)
def test_what_a_browser_says_in_a_few_words(agent: str, words: str) -> None:
    assert describe_agent(agent) == words
