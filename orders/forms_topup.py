"""The form of a top-up: which package, for how many days where days are chosen, and how it is paid."""

from collections.abc import Sequence
from decimal import Decimal, InvalidOperation
from typing import Any

from django import forms
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from catalog.models import Plan
from orders.forms_sale import SaleForm
from orders.topups import TopUpChoice


class TopUpForm(SaleForm):
    """The value of a package holds the price that the page showed: another price is asked about again."""

    field_order = ("checkout_key", "form_key", "package", "period_days")

    package = forms.CharField(max_length=60, error_messages={"required": gettext_lazy("Choose a package.")})
    period_days = forms.IntegerField(
        label=gettext_lazy("Days"),
        required=False,
        min_value=1,
        widget=forms.TextInput(attrs={"inputmode": "numeric", "autocomplete": "off", "class": "input-short"}),
        help_text=gettext_lazy("Only for packages that are sold by the day."),
        error_messages={"invalid": gettext_lazy("Type a whole number, such as 2.")},
    )

    def __init__(self, *args: Any, choices: Sequence[TopUpChoice], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._plans = {choice.plan.pk: choice for choice in choices}
        if not any(choice.plan.days_choice_max for choice in choices):
            del self.fields["period_days"]

    def clean_package(self) -> tuple[Plan, Decimal]:
        """The chosen package and its price as the page showed it (of one day, where days are chosen)."""
        number, _colon, price = str(self.cleaned_data["package"]).partition(":")
        choice = self._plans.get(int(number)) if number.isdecimal() else None
        if choice is None:
            raise forms.ValidationError(_("This package no longer fits to the line. Choose another one."))
        if choice.refusal:
            raise forms.ValidationError(choice.refusal)
        try:
            return choice.plan, Decimal(price)
        except InvalidOperation as error:
            raise forms.ValidationError(_("Choose a package.")) from error

    def clean(self) -> dict[str, Any]:
        data = super().clean()
        if (chosen := data.get("package")) is None:
            return data
        most = chosen[0].days_choice_max
        if most is None:
            data["period_days"] = None
        elif not 1 <= (data.get("period_days") or 0) <= most:
            self.add_error("period_days", _("Choose between 1 and %(limit)s days.") % {"limit": most})
        return data


def write_choice(plan: Plan) -> str:
    """The value of a package in the form."""
    return f"{plan.pk}:{plan.retail_price}"
