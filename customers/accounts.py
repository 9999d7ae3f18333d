"""Sign-in rules for django-allauth: who may make an account, and what happens when somebody signs in."""

import re
from datetime import timedelta
from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from allauth.account.internal.stagekit import unstash_login
from allauth.account.models import EmailAddress
from allauth.core.internal.httpkit import is_headless_request
from allauth.headless.internal.sessionkit import lookup_session
from allauth.headless.tokens.strategies.sessions import SessionTokenStrategy
from django.conf import settings
from django.contrib.sessions.backends.base import SessionBase
from django.core.exceptions import ValidationError
from django.db import transaction
from django.http import HttpRequest, HttpResponseBase

from customers.linking import link_customer
from customers.locking import code_key, note_refusal, password_key, seconds_left
from customers.models import User

_TOKEN = re.compile(r"[a-z0-9]{32}")
_TOO_MANY = "too_many_login_attempts"


class AccountAdapter(DefaultAccountAdapter):  # type: ignore[misc]
    """Travellers sign up in the app, where the settings allow it; staff are made by an administrator."""

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        return bool(settings.API_SIGN_UP and is_headless_request(request))

    def _get_login_attempts_cache_key(self, request: HttpRequest, **credentials: Any) -> str:
        return password_key(str(credentials.get("email", "")))

    def pre_authenticate(self, request: HttpRequest, **credentials: Any) -> None:
        """Refused where too many passwords were wrong, whether this one is or not."""
        try:
            super().pre_authenticate(request, **credentials)
        except ValidationError as error:
            email = str(credentials.get("email", ""))
            seconds = seconds_left(request, password_key(email))
            user = User.objects.filter(email__iexact=email).first()
            raise ValidationError(note_refusal(request, seconds=seconds, user=user), code=error.code) from None

    def validation_error(self, code: str, *args: Any) -> ValidationError:
        """Too many wrong codes of a second factor are told, and noted, as wrong passwords are."""
        error: ValidationError = super().validation_error(code, *args)
        user = _who_enters_a_code(self.request) if code == _TOO_MANY else None
        if user is None or not (seconds := seconds_left(self.request, code_key(user))):
            return error
        return ValidationError(note_refusal(self.request, seconds=seconds, user=user), code=code)

    def pre_login(self, request: HttpRequest, user: User, **kwargs: Any) -> HttpResponseBase | None:
        refused: HttpResponseBase | None = super().pre_login(request, user, **kwargs)
        if refused is None:
            _forget_unproven_password(request, user)
        return refused

    def login(self, request: HttpRequest, user: User) -> None:
        super().login(request, user)
        if is_headless_request(request) and not user.is_staff:
            request.session.set_expiry(timedelta(days=settings.API_SESSION_DAYS))

    def post_login(self, request: HttpRequest, user: User, **kwargs: Any) -> HttpResponseBase:
        # Nobody comes this far without having confirmed their address.
        link_customer(user=user)
        response: HttpResponseBase = super().post_login(request, user, **kwargs)
        return response

    def confirm_email(self, request: HttpRequest, email_address: EmailAddress) -> bool:
        delete_unconfirmed(email=email_address.email, keep=email_address.user_id)
        return bool(super().confirm_email(request, email_address))

    def send_mail(self, template_prefix: str, email: str, context: dict[str, Any]) -> None:
        super().send_mail(template_prefix, email, {"brand": settings.BRAND_NAME, **context})


class TokenStrategy(SessionTokenStrategy):  # type: ignore[misc]
    """The app's token is the key of its session; what cannot be one is not looked up."""

    def lookup_session(self, session_token: str) -> SessionBase | None:
        found: SessionBase | None = lookup_session(session_token) if _TOKEN.fullmatch(session_token) else None
        return found


def _who_enters_a_code(request: HttpRequest) -> User | None:
    """Who is signed in, or has given the password and not the code yet."""
    if isinstance(request.user, User):
        return request.user
    login = unstash_login(request, peek=True)
    return login.user if login is not None and isinstance(login.user, User) else None


def _forget_unproven_password(request: HttpRequest, user: User) -> None:
    """Who signed up with somebody else's address gave a password, and could not confirm the address. When its owner
    comes, by a code sent there, that password must not open their account.
    """
    methods = [record["method"] for record in request.session.get("account_authentication_methods", [])]
    if user.last_login is None and not user.is_staff and methods[-1:] == ["code"] and user.has_usable_password():
        user.set_unusable_password()
        user.save(update_fields=["password"])


def delete_unconfirmed(*, email: str, keep: int) -> None:
    """Delete sign-ups with this address that never came further: ``keep`` has confirmed that it is theirs."""
    confirmed = EmailAddress.objects.filter(verified=True).values("user_id")
    idle = User.objects.filter(email__iexact=email, is_staff=False, last_login=None, customer=None)
    idle.exclude(pk=keep).exclude(pk__in=confirmed).delete()


def vouch_for_address(*, user: User) -> None:
    """An administrator typed the address of ``user``: it counts as confirmed, and it is the only one.

    Raises ``IntegrityError`` when somebody else has confirmed the same address.
    """
    with transaction.atomic():
        EmailAddress.objects.filter(user=user).exclude(email__iexact=user.email).delete()
        EmailAddress.objects.update_or_create(
            user=user, email=user.email.lower(), defaults={"verified": True, "primary": True}
        )


def has_been_confirmed_by_another(*, email: str, user: User | None) -> bool:
    """Whether an account other than ``user`` signs in, or may sign in, with this address."""
    accounts = User.objects.filter(email__iexact=email)
    confirmed = EmailAddress.objects.filter(email__iexact=email, verified=True)
    if user is not None and user.pk is not None:
        accounts, confirmed = accounts.exclude(pk=user.pk), confirmed.exclude(user_id=user.pk)
    return bool(accounts.exists() or confirmed.exists())
