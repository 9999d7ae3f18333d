"""The app, as the tests play it: it signs in at ``/_allauth/app/v1`` and calls ``/api/v1`` with its token."""

import re
import time
from typing import Any

from django.core import mail
from django.test import Client

from customers.models import User

PASSWORD = "a long enough password"


class App:
    """One phone. ``signed_in`` takes the short way, past the sign-in itself."""

    def __init__(self) -> None:
        self.client = Client()
        self.token = ""

    @classmethod
    def signed_in(cls, user: User, *, lately: bool = False) -> "App":
        """``lately``: by a password that was entered this moment."""
        app, client = cls(), Client()
        client.force_login(user)
        if lately:
            session = client.session
            session["account_authentication_methods"] = [{"method": "password", "at": time.time()}]
            session.save()
        app.token = client.session.session_key or ""
        return app

    def call(self, method: str, address: str, body: Any = None, **headers: str) -> Any:
        """Anything below ``/api/v1``, or a whole address."""
        whole = address if address.startswith(("/_allauth", "/api")) else f"/api/v1{address}"
        if self.token:
            headers.setdefault("X-Session-Token", self.token)
        data = {} if body is None else {"data": body, "content_type": "application/json"}
        return getattr(self.client, method)(whole, headers=headers, **data)

    def auth(self, method: str, address: str, body: Any = None) -> Any:
        """Below ``/_allauth/app/v1``; keeps the token that comes."""
        response = self.call(method, f"/_allauth/app/v1/{address}", body)
        if response.content and (token := response.json().get("meta", {}).get("session_token")):
            self.token = token
        return response

    def sign_up(self, email: str, password: str = PASSWORD, **more: str) -> Any:
        return self.auth("post", "auth/signup", {"email": email, "password": password, **more})

    def sign_in(self, email: str, password: str = PASSWORD) -> Any:
        return self.auth("post", "auth/login", {"email": email, "password": password})

    def verify(self, code: str) -> Any:
        return self.auth("post", "auth/email/verify", {"key": code})


def last_code(to: str) -> str:
    """The code in the newest mail to ``to``."""
    letter = [letter for letter in mail.outbox if letter.to == [to]][-1]
    found = re.search(r"^\s*([0-9A-Z]{3,4}-?[0-9A-Z]{3,4})\s*$", str(letter.body), re.MULTILINE)
    assert found, letter.body
    return found.group(1)


def pending(response: Any) -> list[str]:
    """What an unfinished sign-in still asks for."""
    return [flow["id"] for flow in response.json()["data"]["flows"] if flow.get("is_pending")]
