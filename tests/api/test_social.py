"""Sign-in by an account elsewhere, against a service that speaks OpenID Connect."""

import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import jwt
import pytest
from allauth.socialaccount.models import SocialAccount
from cryptography.hazmat.primitives.asymmetric import rsa
from django.contrib import admin
from jwt.algorithms import RSAAlgorithm
from pytest_django import Settings

from customers.accounts import vouch_for_address
from customers.models import Customer, User
from tests.api.app import App, last_code, pending
from tests.customers.making import make_staff

pytestmark = pytest.mark.django_db
HANA = "hana@example.com"
KEY, OTHER_KEY = (rsa.generate_private_key(public_exponent=65537, key_size=2048) for _key in range(2))


@pytest.fixture(scope="module")
def issuer() -> Iterator[str]:
    """The address of the other side."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            key = {**json.loads(RSAAlgorithm.to_jwk(KEY.public_key())), "kid": "one", "alg": "RS256", "use": "sig"}
            found = {"issuer": address, "jwks_uri": f"{address}/keys"} if "well-known" in self.path else {"keys": [key]}
            content = json.dumps(found).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_args: Any) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    address = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield address
    server.shutdown()
    thread.join()
    server.server_close()


def configure(settings: Settings, issuer: str, *, trust_email: bool) -> None:
    app = {
        "provider_id": "elsewhere",
        "name": "Elsewhere",
        "client_id": "our-app",
        "settings": {"server_url": issuer, "trust_email": trust_email},
    }
    settings.SOCIALACCOUNT_PROVIDERS = {"openid_connect": {"APPS": [app]}}


@pytest.fixture(autouse=True)
def _elsewhere(settings: Settings, issuer: str) -> None:
    configure(settings, issuer, trust_email=True)


def come(app: App, issuer: str, *, key: Any = KEY, audience: str = "our-app", **claims: Any) -> Any:
    now = int(time.time())
    told = {"iss": issuer, "aud": audience, "sub": "4711", "iat": now, "exp": now + 300}
    told |= {"email": HANA, "email_verified": True, "name": "Hana Sato", "given_name": "Hana", "family_name": "Sato"}
    id_token = jwt.encode({**told, **claims}, key, algorithm="RS256", headers={"kid": "one"})
    token = {"client_id": "our-app", "id_token": id_token}
    return app.auth("post", "auth/provider/token", {"provider": "elsewhere", "process": "login", "token": token})


def test_who_is_known_elsewhere_becomes_a_customer(issuer: str) -> None:
    app = App()
    assert come(app, issuer).status_code == 200
    assert app.call("get", "/me").json()["email"] == HANA
    user = User.objects.get()
    assert (user.is_staff, user.is_superuser, user.has_usable_password()) == (False, False, False)
    customer = Customer.objects.get()
    assert (customer.user, customer.name, customer.email) == (user, "Hana Sato", HANA)
    again = App()
    assert come(again, issuer).status_code == 200
    assert (User.objects.count(), SocialAccount.objects.count()) == (1, 1)


def test_the_customer_of_staff_is_linked_only_by_an_address_that_is_trusted(issuer: str, settings: Settings) -> None:
    configure(settings, issuer, trust_email=False)
    made = Customer.objects.create(name="Sato-sama", email=HANA)
    app = App()
    response = come(app, issuer)
    assert (response.status_code, pending(response)) == (401, ["verify_email"])
    assert app.call("get", "/me").status_code == 401
    made.refresh_from_db()
    assert made.user is None
    assert app.verify(last_code(HANA)).status_code == 200
    made.refresh_from_db()
    assert made.user == User.objects.get()


def test_an_address_that_they_have_not_confirmed_is_confirmed_here(issuer: str) -> None:
    response = come(App(), issuer, email_verified=False)
    assert (response.status_code, pending(response)) == (401, ["verify_email"])
    assert Customer.objects.count() == 0


@pytest.mark.parametrize(
    ("fault", "claims"),
    [
        ("another key", {"key": OTHER_KEY}),
        ("for another app", {"audience": "their-app"}),
        ("over", {"exp": 1}),
        ("of another issuer", {"iss": "https://elsewhere.example"}),
    ],
)
def test_what_they_did_not_say_opens_nothing(issuer: str, fault: str, claims: dict[str, Any]) -> None:
    app = App()
    assert come(app, issuer, **claims).status_code == 400, fault
    assert (User.objects.count(), SocialAccount.objects.count()) == (0, 0)
    assert app.call("get", "/me").status_code == 401


def test_an_account_with_the_same_address_is_not_taken_over(issuer: str) -> None:
    clerk = make_staff(email=HANA)
    vouch_for_address(user=clerk)
    app = App()
    assert come(app, issuer).status_code == 401
    assert app.call("get", "/me").status_code == 401
    assert SocialAccount.objects.count() == 0
    assert User.objects.get() == clerk


def test_sign_up_can_be_closed_here_too(issuer: str, settings: Settings) -> None:
    settings.API_SIGN_UP = False
    assert come(App(), issuer).status_code == 403
    assert User.objects.count() == 0


def test_without_a_setting_there_is_no_such_way(issuer: str, settings: Settings) -> None:
    settings.SOCIALACCOUNT_PROVIDERS = {"openid_connect": {"APPS": []}}
    assert come(App(), issuer).status_code == 400
    assert User.objects.count() == 0
    config = App().call("get", "/_allauth/app/v1/config").json()["data"]
    assert config["socialaccount"]["providers"] == []


def test_no_secrets_of_others_are_kept_in_the_database() -> None:
    assert {"SocialApp", "SocialToken"}.isdisjoint(model.__name__ for model in admin.site._registry)
