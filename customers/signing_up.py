"""What the app may tell at sign-up beyond address and password. (allauth adds these fields to its own.)"""

from django import forms
from django.conf import settings
from django.http import HttpRequest

from customers.models import User


class SignUpForm(forms.Form):
    """Both may be left out, and can be changed later under ``/api/v1/me``."""

    name = forms.CharField(max_length=150, required=False)
    language = forms.ChoiceField(choices=[("", ""), *settings.LANGUAGES], required=False)

    def signup(self, request: HttpRequest, user: User) -> None:
        user.first_name = " ".join(self.cleaned_data["name"].split())
        user.language = self.cleaned_data["language"]
        user.save(update_fields=["first_name", "language"])
