"""What staff give for a list of orders: the list, and how all of it is paid."""

from typing import Any

from django import forms
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from orders.bulk_order_files import MOST_BYTES
from orders.forms_sale import PaymentChoice, require_reference


class BulkForm(forms.Form):
    """A file, or what was copied from a spreadsheet."""

    file = forms.FileField(
        label=gettext_lazy("File (CSV or XLSX)"),
        required=False,
        widget=forms.FileInput(attrs={"accept": ".csv,.tsv,.txt,.xlsx"}),
    )
    text = forms.CharField(
        label=gettext_lazy("Or paste the rows here"),
        required=False,
        strip=False,
        help_text=gettext_lazy("Copied from a spreadsheet, with the row of headers."),
        widget=forms.Textarea(attrs={"rows": 8, "class": "code", "spellcheck": "false", "wrap": "off"}),
    )
    method = forms.ChoiceField(
        label=gettext_lazy("Payment of all rows"),
        choices=[choice for choice in PaymentChoice.choices if choice[0] != PaymentChoice.LATER],
        widget=forms.RadioSelect,
        help_text=gettext_lazy("Customer credit: each order is charged to its own customer's account."),
        error_messages={"required": gettext_lazy("Say how the orders are paid.")},
    )
    reference = forms.CharField(
        label=gettext_lazy("Reference"),
        required=False,
        max_length=120,
        help_text=gettext_lazy("Number of the transfer, the receipt or the invoice."),
    )

    def clean(self) -> dict[str, Any]:
        given = super().clean() or self.cleaned_data
        require_reference(self, given)
        file, text = given.get("file"), (given.get("text") or "").strip()
        if file is not None and text:
            self.add_error("text", _("Give a file or paste the rows, not both."))
        elif file is None and not text and "file" not in self.errors:
            self.add_error("file", _("Choose a file, or paste the rows."))
        elif file is not None and file.size > MOST_BYTES:
            self.add_error("file", _("The list is larger than %(size)s MB.") % {"size": MOST_BYTES // 1_000_000})
        return given

    def read_data(self) -> tuple[bytes, str]:
        """The list, and its name."""
        file = self.cleaned_data.get("file")
        if file is not None:
            return bytes(file.read()), str(file.name)
        return str(self.cleaned_data["text"]).encode(), _("pasted")


class RepeatForm(forms.Form):
    """Why a list that has run is bought once more."""

    reason = forms.CharField(
        label=gettext_lazy("Why is the list bought once more?"),
        max_length=300,
        widget=forms.Textarea(attrs={"rows": 2}),
    )

    def read_reason(self) -> str:
        """What was typed, "" for nothing: the verb knows whether it is needed."""
        return str(self.data.get("reason", "")).strip()[:300]
