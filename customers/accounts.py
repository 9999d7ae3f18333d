"""Sign-in rules for django-allauth."""

from allauth.account.adapter import DefaultAccountAdapter
from django.http import HttpRequest


class AccountAdapter(DefaultAccountAdapter):  # type: ignore[misc]
    """Nobody signs up by themselves: staff are made by an administrator."""

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        return False
