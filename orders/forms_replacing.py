"""The form of a replacement: which plan, why, and what becomes of the old line."""

import uuid
from collections.abc import Sequence
from typing import Any

from django import forms
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from catalog.models import Plan
from orders.replacing import Choice
from providers.types import Capability

LEAVE = "leave"


class ReplaceForm(forms.Form):
    """``choices``: what may be given; ``endings``: how the old line may be ended, each with its words."""

    checkout_key = forms.UUIDField(widget=forms.HiddenInput, initial=uuid.uuid4)
    plan = forms.ChoiceField(
        label=gettext_lazy("What the customer gets"),
        widget=forms.RadioSelect,
        error_messages={"required": gettext_lazy("Choose a plan.")},
    )
    old_line = forms.ChoiceField(
        label=gettext_lazy("What becomes of the old line"),
        widget=forms.RadioSelect,
        error_messages={"required": gettext_lazy("Say what becomes of the old line.")},
    )
    why = forms.CharField(
        label=gettext_lazy("Reason"),
        max_length=300,
        widget=forms.Textarea(attrs={"rows": 2}),
        help_text=gettext_lazy("It stands on the timelines of both orders and of the line, with your name."),
        error_messages={"required": gettext_lazy("Say what is wrong with the line.")},
    )

    def __init__(
        self, *args: Any, choices: Sequence[Choice], endings: Sequence[tuple[Capability, str]], **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        self._plans = {str(choice.plan.pk): choice.plan for choice in choices}
        _choose(self, "plan", [(str(choice.plan.pk), _say_choice(choice)) for choice in choices])
        _choose(
            self,
            "old_line",
            [
                (LEAVE, _("Leave it as it is; it may still work, and the customer may still use it.")),
                *((capability.value, words) for capability, words in endings),
            ],
        )
        if len(choices) == 1:
            self.fields["plan"].initial = str(choices[0].plan.pk)

    def clean_plan(self) -> Plan:
        return self._plans[self.cleaned_data["plan"]]

    def clean_old_line(self) -> Capability | None:
        chosen = self.cleaned_data["old_line"]
        return None if chosen == LEAVE else Capability(chosen)


def _say_choice(choice: Choice) -> str:
    words = [choice.plan.name, choice.plan.account.name]
    if choice.period_days is not None:
        words.append(_("%(days)s days") % {"days": choice.period_days})
    return " · ".join(words)


def _choose(form: forms.Form, name: str, choices: list[tuple[str, str]]) -> None:
    field = form.fields[name]
    if isinstance(field, forms.ChoiceField):
        field.choices = choices
