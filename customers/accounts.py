"""Sign-in rules for django-allauth."""

from allauth.account.adapter import DefaultAccountAdapter
from allauth.account.models import EmailAddress
from django.db import transaction
from django.http import HttpRequest

from customers.models import User


class AccountAdapter(DefaultAccountAdapter):  # type: ignore[misc]
    """Nobody signs up by themselves: staff are made by an administrator."""

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        return False


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
