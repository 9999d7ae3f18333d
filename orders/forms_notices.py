"""Forms about notifications."""

from collections.abc import Sequence
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from orders.models import Notification


class ResendForm(forms.Form):
    """Sent twice, it has one notification sent again."""

    form_key = forms.UUIDField(widget=forms.HiddenInput)


class NoticeChoiceForm(forms.Form):
    """The kinds of trouble of which a person is told."""

    def __init__(self, *args: Any, kinds: Sequence[str], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        labels = dict(Notification.Kind.choices)
        self.fields["wanted"] = forms.MultipleChoiceField(
            label=_("Write to me about"),
            required=False,
            widget=forms.CheckboxSelectMultiple,
            choices=[(kind, labels[kind]) for kind in kinds],
        )
