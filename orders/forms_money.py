"""What staff type about payments that do not fit, and about customer credit."""

import uuid
from typing import Any

from django import forms
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from orders.credit_accounts import MOST_PAYMENT_DAYS
from orders.expiring import MOST_DAYS
from orders.forms_decisions import ReasonForm
from orders.forms_sale import require_reference
from orders.models import Payment

_BY_HAND = [(method.value, method.label) for method in Payment.BY_HAND]


class MoneyField(forms.DecimalField):
    """An amount as people type it."""

    def __init__(self, **kwargs: Any) -> None:
        kwargs.setdefault("widget", forms.TextInput(attrs={"inputmode": "decimal", "autocomplete": "off"}))
        messages = {"invalid": gettext_lazy("Type an amount, such as 12.50.")}
        super().__init__(max_digits=14, decimal_places=4, error_messages=messages, **kwargs)


class CurrencyField(forms.CharField):
    """A currency by its three letters."""

    def __init__(self, **kwargs: Any) -> None:
        attrs = {"autocomplete": "off", "spellcheck": "false", "class": "input-short"}
        super().__init__(max_length=3, min_length=3, widget=forms.TextInput(attrs=attrs), **kwargs)

    def clean(self, value: Any) -> str:
        return str(super().clean(value)).upper()


class ArrivalForm(forms.Form):
    """Money that came, as it came."""

    form_key = forms.UUIDField(widget=forms.HiddenInput, initial=uuid.uuid4)
    amount = MoneyField(label=gettext_lazy("What came"), min_value=0)
    currency = CurrencyField(label=gettext_lazy("Currency"))
    method = forms.ChoiceField(
        label=gettext_lazy("Method"),
        choices=_BY_HAND,
        widget=forms.RadioSelect,
        error_messages={"required": gettext_lazy("Say how the customer paid.")},
    )
    reference = forms.CharField(
        label=gettext_lazy("Reference"),
        required=False,
        max_length=120,
        help_text=gettext_lazy("Number of the transfer, the receipt or the invoice."),
    )

    def clean(self) -> dict[str, Any]:
        data = super().clean() or self.cleaned_data
        require_reference(self, data)
        return data


class ExtensionForm(ReasonForm):
    """How long an order waits for its payment from now on."""

    days = forms.IntegerField(
        label=gettext_lazy("Days from now"),
        min_value=1,
        max_value=MOST_DAYS,
        initial=7,
        widget=forms.TextInput(attrs={"inputmode": "numeric", "autocomplete": "off", "class": "input-short"}),
        error_messages={"invalid": gettext_lazy("Type a whole number, such as 7.")},
    )
    field_order = ("days", "why")


# -- customer credit --------------------------------------------------------------------------------------------------


class _TermsFields(forms.Form):
    credit_limit = MoneyField(
        label=gettext_lazy("Limit"),
        min_value=0,
        help_text=gettext_lazy("The most that the customer may owe."),
    )
    payment_days = forms.IntegerField(
        label=gettext_lazy("Days to pay a statement"),
        min_value=0,
        max_value=MOST_PAYMENT_DAYS,
        initial=30,
        widget=forms.TextInput(attrs={"inputmode": "numeric", "autocomplete": "off", "class": "input-short"}),
        error_messages={"invalid": gettext_lazy("Type a whole number, such as 7.")},
    )


class OpenCreditForm(_TermsFields):
    """A new credit account."""

    currency = CurrencyField(label=gettext_lazy("Currency"), help_text=gettext_lazy("That of the orders it pays for."))
    field_order = ("currency", "credit_limit", "payment_days")


class AccountReasonForm(ReasonForm):
    """Why a credit account changes."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["why"].help_text = _("It stands among the account's entries with your name.")


class TermsForm(AccountReasonForm, _TermsFields):
    """Other terms of an account."""

    field_order = ("credit_limit", "payment_days", "why")


class CreditPaymentForm(forms.Form):
    """What the customer paid of what is owed."""

    form_key = forms.UUIDField(widget=forms.HiddenInput, initial=uuid.uuid4)
    amount = MoneyField(label=gettext_lazy("Amount"), min_value=0)
    method = forms.ChoiceField(
        label=gettext_lazy("Method"),
        choices=_BY_HAND,
        widget=forms.RadioSelect,
        error_messages={"required": gettext_lazy("Say how the customer paid.")},
    )
    reference = forms.CharField(
        label=gettext_lazy("Reference"),
        required=False,
        max_length=120,
        help_text=gettext_lazy("Number of the transfer, the receipt or the statement."),
    )

    def clean(self) -> dict[str, Any]:
        data = super().clean() or self.cleaned_data
        require_reference(self, data)
        return data


class AdjustmentForm(AccountReasonForm):
    """A correction of what is owed."""

    form_key = forms.UUIDField(widget=forms.HiddenInput, initial=uuid.uuid4)
    amount = MoneyField(
        label=gettext_lazy("Amount"),
        help_text=gettext_lazy("Positive: the customer owes more. With a minus: less."),
    )
    field_order = ("amount", "why")


class NothingForm(forms.Form):
    """A step that asks for nothing but to be confirmed."""
