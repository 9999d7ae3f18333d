"""Forms of the provider accounts' pages."""

from django import forms
from django.utils.translation import gettext_lazy


class LowMarkForm(forms.Form):
    """Below which balance staff are told; empty: never."""

    amount = forms.DecimalField(
        label=gettext_lazy("Tell staff below"),
        required=False,
        min_value=0,
        max_digits=16,
        decimal_places=4,
        widget=forms.TextInput(attrs={"inputmode": "decimal", "class": "input-short"}),
        help_text=gettext_lazy("In the currency of the balance. Empty: never."),
        error_messages={"invalid": gettext_lazy("Type an amount, such as 12.50.")},
    )
