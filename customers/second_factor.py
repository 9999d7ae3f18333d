"""The second factor of staff: codes of an authenticator app."""

from collections.abc import Mapping
from typing import Any

import qrcode
from allauth.account.internal.flows.login import record_authentication
from allauth.mfa.adapter import DefaultMFAAdapter
from allauth.mfa.models import Authenticator
from django.conf import settings
from django.http import HttpRequest
from qrcode.image.svg import SvgPathFillImage

from customers.models import User
from providers.encryption import decrypt, encrypt

#: Where allauth notes, in a session, how its person has signed in.
METHODS = "account_authentication_methods"


class SecondFactorAdapter(DefaultMFAAdapter):  # type: ignore[misc]
    """Secrets are encrypted in the database; the authenticator app shows our name."""

    def encrypt(self, text: str) -> str:
        return encrypt(text.encode())

    def decrypt(self, encrypted_text: str) -> str:
        return decrypt(encrypted_text).decode()

    def build_totp_svg(self, url: str) -> str:
        # With its own white ground: on a dark page nobody could scan it.
        picture = qrcode.make(url, image_factory=SvgPathFillImage)
        return str(picture.to_string(encoding="unicode"))

    def get_totp_issuer(self) -> str:
        return str(settings.BRAND_NAME)


def has_second_factor(user: User) -> bool:
    """Whether an authenticator app is set up."""
    return bool(Authenticator.objects.filter(user=user, type=Authenticator.Type.TOTP).exists())


def lacks_second_factor(user: User, session: Mapping[str, Any]) -> bool:
    """Whether this person must show a second factor, and has not done so in this session."""
    if not settings.STAFF_MFA_REQUIRED or not user.is_staff:
        return False
    shown = any(record.get("method") == "mfa" for record in session.get(METHODS) or [])
    return not shown or not has_second_factor(user)


def note_set_up(request: HttpRequest, user: User, authenticator: Authenticator, **_told: Any) -> None:
    """Who has just set up an authenticator app has entered its code: this session has shown it."""
    if authenticator.type == Authenticator.Type.TOTP:
        record_authentication(request, user, "mfa", id=authenticator.pk, type=authenticator.type)
