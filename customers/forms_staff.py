"""Forms about staff."""

from collections.abc import Iterator
from typing import Any

from django import forms
from django.conf import settings
from django.contrib.auth.forms import SetPasswordForm
from django.utils.translation import gettext_lazy as _

from customers.forms import language_choices
from customers.models import User
from customers.roles import ROLES


def role_choices() -> Iterator[tuple[str, str]]:
    for role in ROLES.values():
        yield role.slug, f"{role.label} – {role.does}"


class InviteForm(forms.Form):
    """Whom to ask to join the staff."""

    name = forms.CharField(label=_("Name"), max_length=150, widget=forms.TextInput(attrs={"autocomplete": "off"}))
    email = forms.EmailField(
        label=_("E-mail address"),
        help_text=_("The invitation goes there, and the person signs in with it."),
        widget=forms.EmailInput(attrs={"autocomplete": "off"}),
    )
    role = forms.ChoiceField(label=_("Role"), choices=role_choices, widget=forms.RadioSelect)
    language = forms.ChoiceField(label=_("Language"), required=False, choices=language_choices)


class RoleForm(forms.Form):
    role = forms.ChoiceField(label=_("Role"), choices=role_choices, widget=forms.RadioSelect)


class StaffReasonForm(forms.Form):
    why = forms.CharField(label=_("Reason"), max_length=300, help_text=_("It is kept with your name."))


class NoReasonForm(forms.Form):
    """A confirmation that asks nothing."""


class JoinForm(SetPasswordForm):  # type: ignore[type-arg]
    """The first password of somebody who was invited, checked as every other is."""

    def __init__(self, user: User, *args: object, **kwargs: object) -> None:
        super().__init__(user, *args, **kwargs)
        self.fields["new_password1"].label = _("Password")
        self.fields["new_password2"].label = _("Password, once more")
        self.fields["new_password1"].help_text = _("At least %(number)d characters, and none of the common ones.") % {
            "number": _shortest()
        }
        self.fields["new_password2"].help_text = ""


def _shortest() -> int:
    validators: Any = settings.AUTH_PASSWORD_VALIDATORS
    return max(int(one.get("OPTIONS", {}).get("min_length", 0)) for one in validators)
