"""What staff type when they decide about what was sold: why, and what the provider's portal says."""

import re
from typing import Any

from django import forms
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from orders.forms import offer_choices
from orders.models import Payment


class ReasonForm(forms.Form):
    """Why a person decides so; it stands on the timeline."""

    why = forms.CharField(
        label=gettext_lazy("Reason"),
        max_length=300,
        widget=forms.Textarea(attrs={"rows": 2}),
        help_text=gettext_lazy("It stands on the order's timeline with your name."),
        error_messages={"required": gettext_lazy("Say why: the next person will ask.")},
    )


class EmptyForm(forms.Form):
    """Nothing is asked: a button decides."""


class PauseForm(ReasonForm):
    """Why an account is paused or goes on."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["why"].help_text = gettext_lazy("It stands on the account's page with your name.")


class WentThroughForm(ReasonForm):
    """That money moved at the payment service: by which number of its own."""

    reference = forms.CharField(
        label=gettext_lazy("Reference"),
        max_length=120,
        help_text=gettext_lazy("The payment service's own number: pi_… or re_…"),
        error_messages={"required": gettext_lazy("Type the reference: it is the proof.")},
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false", "class": "code"}),
    )
    field_order = ("reference", "why")


class RemarkForm(forms.Form):
    """A decision that explains itself; a word more is welcome."""

    why = forms.CharField(
        label=gettext_lazy("Remark"),
        required=False,
        max_length=300,
        widget=forms.Textarea(attrs={"rows": 2}),
        help_text=gettext_lazy("It stands on the order's timeline with your name."),
    )


class NotBoughtForm(ReasonForm):
    """That nothing was bought; where the line speaks against it, that somebody has looked at that as well."""

    not_ours = forms.BooleanField(
        label=gettext_lazy("I have looked: it is not this top-up"),
        required=False,
    )

    def ask_about(self, evidence: str) -> None:
        """``evidence``: what speaks against it, in the reader's language; "" where nothing does."""
        if evidence:
            self.fields["not_ours"].help_text = evidence
        else:
            del self.fields["not_ours"]


class TransactionForm(RemarkForm):
    """The provider's own handle of what it sold, from its portal."""

    transaction_id = forms.CharField(
        label=gettext_lazy("Transaction id"),
        max_length=80,
        help_text=gettext_lazy("As the provider's portal shows it."),
        error_messages={"required": gettext_lazy("Type the provider's transaction id.")},
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false", "class": "code"}),
    )
    field_order = ("transaction_id", "why")


class LinesForm(RemarkForm):
    """The lines that the provider's portal shows for this purchase, by the provider's own reference."""

    iccids = forms.CharField(
        label=gettext_lazy("ICCIDs"),
        max_length=60_000,
        widget=forms.Textarea(attrs={"rows": 5, "spellcheck": "false", "class": "code"}),
        help_text=gettext_lazy("One on each line, 18 to 22 digits; spaces inside do not matter."),
        error_messages={"required": gettext_lazy("Type at least one ICCID.")},
    )
    field_order = ("iccids", "why")

    def name_reference(self, name: str) -> None:
        """What the references are called where they are no ICCIDs."""
        field = self.fields["iccids"]
        field.label = name
        field.help_text = _("One on each line, as the provider's portal writes them.")
        field.error_messages["required"] = _("Type at least one %(name)s.") % {"name": name}

    def clean_iccids(self) -> list[str]:
        """As typed, one for each row, without the spaces inside; the verb says which is none."""
        rows = re.split(r"[\n,;]+", self.cleaned_data["iccids"])
        return [iccid for row in rows if (iccid := re.sub(r"[\s-]", "", row))]


class RefundForm(forms.Form):
    """That the money went back: the amount that the page showed, whatever is owed by now."""

    shown = forms.DecimalField(
        widget=forms.HiddenInput,
        max_digits=14,
        decimal_places=4,
        error_messages={"required": gettext_lazy("The amount has changed meanwhile. Look at it again.")},
    )
    method = forms.ChoiceField(
        label=gettext_lazy("How it went back"),
        choices=[(method.value, method.label) for method in Payment.BY_HAND],
        widget=forms.RadioSelect,
        error_messages={"required": gettext_lazy("Say how the money went back.")},
    )
    reference = forms.CharField(
        label=gettext_lazy("Reference"),
        max_length=120,
        help_text=gettext_lazy("Number of the transfer, the receipt or the credit note."),
        error_messages={"required": gettext_lazy("Type the reference: it is the proof.")},
    )

    def __init__(self, *args: Any, to_credit: bool = False, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        credit = [(Payment.Method.CREDIT.value, _("counted against what the customer owes"))] if to_credit else []
        offer_choices(self, "method", [*((method.value, method.label) for method in Payment.BY_HAND), *credit])
