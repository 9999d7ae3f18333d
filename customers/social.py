"""Sign-in by an account elsewhere (OpenID Connect): Google, Apple, LINE, or whatever the settings name."""

from typing import Any

from allauth.core.internal.httpkit import is_headless_request
from allauth.socialaccount.adapter import DefaultSocialAccountAdapter
from django.conf import settings
from django.http import HttpRequest


class SocialAccountAdapter(DefaultSocialAccountAdapter):  # type: ignore[misc]
    """Who comes from elsewhere is a traveller like all others: never staff, and known by a confirmed address."""

    def is_open_for_signup(self, request: HttpRequest, sociallogin: Any) -> bool:
        return bool(settings.API_SIGN_UP and is_headless_request(request))

    def pre_social_login(self, request: HttpRequest, sociallogin: Any) -> None:
        """An address counts as confirmed only where we trust the other side with it; else we send a code."""
        app = sociallogin.provider.app if sociallogin.provider else None
        if not (app and app.settings.get("trust_email")):
            for address in sociallogin.email_addresses:
                address.verified = False
