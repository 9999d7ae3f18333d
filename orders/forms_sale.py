"""What staff type to sell: the plan, how many, and how the customer pays."""

import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from django import forms
from django.conf import settings
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db.models import TextChoices
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, pgettext_lazy

from catalog.forms import DestinationField
from catalog.models import Plan
from catalog.places import Place
from catalog.search import CoverageChoice, PlanFilter, Sort
from catalog.terms import GIGABYTE
from orders.amounts import say_amount
from orders.forms import account_choices, offer_choices
from orders.models import CreditAccount, Payment
from orders.selling import PaymentTaken

#: More days than anybody travels.
MOST_DAYS = 3650


class PlanSearchForm(forms.Form):
    """Which plan: where to, how much, how long."""

    country = DestinationField(label=gettext_lazy("Destination"), required=False)
    coverage = forms.ChoiceField(
        label=gettext_lazy("Coverage"),
        required=False,
        choices=[
            ("", gettext_lazy("Any")),
            (CoverageChoice.HOME.value, gettext_lazy("Home only")),
            (CoverageChoice.ROAMING.value, gettext_lazy("Roaming only")),
        ],
    )
    gb = forms.DecimalField(
        label=gettext_lazy("Data at least, GB"), required=False, min_value=0, max_value=100_000, decimal_places=2
    )
    days = forms.IntegerField(label=gettext_lazy("Days at least"), required=False, min_value=1, max_value=MOST_DAYS)
    account = forms.ChoiceField(label=gettext_lazy("Provider account"), required=False)
    q = forms.CharField(label=gettext_lazy("Name or code"), required=False, max_length=120)
    sort = forms.ChoiceField(
        label=gettext_lazy("Sorted by"),
        required=False,
        choices=[
            (Sort.PRICE.value, gettext_lazy("Price")),
            (Sort.PER_DAY.value, gettext_lazy("Price per day")),
            (Sort.PER_GB.value, gettext_lazy("Price per GB")),
            (Sort.DATA.value, gettext_lazy("Most data")),
            (Sort.DAYS_DOWN.value, gettext_lazy("Most days")),
        ],
    )

    def __init__(self, *args: Any, with_coverage: bool = True, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if isinstance(country := self.fields["country"], DestinationField):
            country.load(_("Anywhere"))
        offer_choices(self, "account", [("", _("All accounts")), *account_choices()])
        if not with_coverage:
            del self.fields["coverage"]

    def read_filter(self) -> PlanFilter:
        """The filter as far as it could be read: what is wrong narrows nothing and is said at its field."""
        self.is_valid()
        given = self.cleaned_data
        size = given.get("gb")
        place = given.get("country") or Place()
        return PlanFilter(
            country=place.country,
            region=place.region,
            coverage=CoverageChoice(given.get("coverage") or CoverageChoice.ANY),
            min_bytes=int(size * GIGABYTE) if size else None,
            min_days=given.get("days"),
            account=given.get("account", ""),
            text=given.get("q", ""),
            published=True,
            sort=Sort(given.get("sort") or Sort.PRICE),
        )


class QuantityForm(forms.Form):
    """How many eSIMs, and for how many days where the plan is sold by the day."""

    quantity = forms.IntegerField(
        label=gettext_lazy("How many eSIMs"),
        error_messages={
            "required": gettext_lazy("Say how many eSIMs."),
            "invalid": gettext_lazy("Type a whole number, such as 2."),
        },
    )

    period_days = forms.IntegerField(
        label=gettext_lazy("For how many days"),
        error_messages={
            "required": gettext_lazy("Say for how many days."),
            "invalid": gettext_lazy("Type a whole number, such as 7."),
        },
    )

    def __init__(self, *args: Any, plan: Plan | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        most = settings.ORDER_MAX_QUANTITY
        self.fields["quantity"].validators += [
            MinValueValidator(1, message=_("At least one eSIM.")),
            MaxValueValidator(most, message=_("At most %(most)s eSIMs in one order.") % {"most": most}),
        ]
        # Text, not a number field: browsers empty those when letters are typed, and nobody sees what was wrong.
        typed = {"inputmode": "numeric", "autocomplete": "off", "class": "input-short"}
        self.fields["quantity"].widget = forms.TextInput(attrs={**typed, "autofocus": True})
        most_days = plan.days_choice_max if plan is not None else None
        if most_days is None:
            del self.fields["period_days"]
            return
        self.fields["period_days"].validators += [
            MinValueValidator(1, message=_("At least one day.")),
            MaxValueValidator(most_days, message=_("At most %(most)s days of this plan.") % {"most": most_days}),
        ]
        self.fields["period_days"].widget = forms.TextInput(attrs=typed)


class PaymentChoice(TextChoices):
    """How the customer pays at the counter, or that the payment comes later."""

    CASH = Payment.Method.CASH.value, pgettext_lazy("payment", "Cash")
    TRANSFER = Payment.Method.TRANSFER.value, pgettext_lazy("payment", "Bank transfer, received")
    TERMINAL = Payment.Method.TERMINAL.value, pgettext_lazy("payment", "Card terminal")
    INVOICE = Payment.Method.INVOICE.value, pgettext_lazy("payment", "Invoice")
    CREDIT = Payment.Method.CREDIT.value, pgettext_lazy("payment", "Customer credit")
    LATER = "later", pgettext_lazy("payment", "Leave unpaid: nothing is bought yet")


#: These say nothing without a reference.
NEEDS_REFERENCE = (Payment.Method.TRANSFER.value, Payment.Method.INVOICE.value)


class SaleForm(forms.Form):
    """What every sale asks at its end. The hidden fields make the same form sent twice one order and one payment."""

    checkout_key = forms.UUIDField(widget=forms.HiddenInput, initial=uuid.uuid4)
    form_key = forms.UUIDField(widget=forms.HiddenInput, initial=uuid.uuid4)
    method = forms.ChoiceField(
        label=gettext_lazy("Payment"),
        choices=PaymentChoice.choices,
        widget=forms.RadioSelect,
        error_messages={
            "required": gettext_lazy("Say how the customer pays, or leave the order unpaid."),
            "invalid_choice": gettext_lazy("This way to pay is not possible here. Choose another one."),
        },
    )
    reference = forms.CharField(
        label=gettext_lazy("Reference"),
        required=False,
        max_length=120,
        help_text=gettext_lazy("Number of the transfer, the receipt or the invoice."),
    )
    note = forms.CharField(
        label=gettext_lazy("Note for colleagues"),
        required=False,
        max_length=2000,
        widget=forms.Textarea(attrs={"rows": 2}),
    )

    def __init__(self, *args: Any, credit: Sequence[CreditAccount] = (), **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        offer_methods(self, PaymentChoice.choices, credit)

    def clean(self) -> dict[str, Any]:
        data = super().clean() or self.cleaned_data
        require_reference(self, data)
        return data


def offer_methods(form: forms.Form, choices: Sequence[tuple[str, Any]], credit: Sequence[CreditAccount]) -> None:
    """The ways to pay of a form: credit only where the customer has an open account, with what is free on it."""
    free = ", ".join(say_amount(account.free, account.currency) for account in credit)
    words = _("Customer credit: %(free)s free") % {"free": free}
    labels = {PaymentChoice.CREDIT.value: words} if credit else {}
    offered = [(value, labels.get(value, label)) for value, label in choices]
    offer_choices(form, "method", [row for row in offered if credit or row[0] != PaymentChoice.CREDIT])


def read_payment(given: Mapping[str, Any]) -> PaymentTaken | None:
    """What a valid ``SaleForm`` says was paid; None where the order stays unpaid."""
    if given["method"] == PaymentChoice.LATER:
        return None
    return PaymentTaken(method=given["method"], reference=given["reference"], form_key=given["form_key"])


class BuyForm(SaleForm):
    """The last step, with the price that the page showed."""

    unit_price = forms.DecimalField(widget=forms.HiddenInput, min_value=0, max_digits=14, decimal_places=4)


class PaymentForm(forms.Form):
    """A payment for an order that was left unpaid; the amount is what is outstanding."""

    form_key = forms.UUIDField(widget=forms.HiddenInput, initial=uuid.uuid4)
    amount = forms.DecimalField(
        label=gettext_lazy("Amount"),
        max_digits=14,
        decimal_places=4,
        min_value=0,
        widget=forms.TextInput(attrs={"inputmode": "decimal"}),
        error_messages={"invalid": gettext_lazy("Type an amount, such as 12.50.")},
    )
    method = forms.ChoiceField(
        label=gettext_lazy("Method"),
        choices=PaymentChoice.choices,
        widget=forms.RadioSelect,
        error_messages={
            "required": gettext_lazy("Say how the customer paid."),
            "invalid_choice": gettext_lazy("This way to pay is not possible here. Choose another one."),
        },
    )
    reference = forms.CharField(
        label=gettext_lazy("Reference"),
        required=False,
        max_length=120,
        help_text=gettext_lazy("Number of the transfer, the receipt or the invoice."),
    )

    def __init__(self, *args: Any, credit: Sequence[CreditAccount] = (), **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        chosen = [choice for choice in PaymentChoice.choices if choice[0] != PaymentChoice.LATER]
        offer_methods(self, chosen, credit)

    def clean(self) -> dict[str, Any]:
        data = super().clean() or self.cleaned_data
        require_reference(self, data)
        return data


def require_reference(form: forms.Form, data: dict[str, Any]) -> None:
    if data.get("method") in NEEDS_REFERENCE and not data.get("reference", "").strip():
        form.add_error("reference", _("A transfer or an invoice needs its number."))
