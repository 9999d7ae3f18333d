"""What staff type on the order pages."""

import re
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
from orders.models import CreditAccount, Order, Payment
from orders.selectors.order_list import OrderFilter
from orders.selling import PaymentTaken
from providers.models import ProviderAccount

#: More days than anybody travels.
MOST_DAYS = 3650


class OrderFilterForm(forms.Form):
    """The filters of the order list; the address holds them."""

    q = forms.CharField(
        label=gettext_lazy("Search"),
        required=False,
        max_length=120,
        widget=forms.TextInput(
            attrs={
                "type": "search",
                "placeholder": gettext_lazy("Number, customer, e-mail, ICCID or its end, transaction"),
            }
        ),
    )
    state = forms.ChoiceField(label=gettext_lazy("State"), required=False)
    account = forms.ChoiceField(label=gettext_lazy("Provider account"), required=False)
    since = forms.DateField(
        label=gettext_lazy("From"), required=False, widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d")
    )
    until = forms.DateField(
        label=gettext_lazy("To"), required=False, widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d")
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        _choose(self, "state", [("", _("All states")), *Order.State.choices])
        _choose(self, "account", [("", _("All accounts")), *account_choices()])

    def clean(self) -> dict[str, Any]:
        data = super().clean() or self.cleaned_data
        since, until = data.get("since"), data.get("until")
        if since and until and until < since:
            self.add_error("until", _("This day is before the first one."))
        return data

    def read_filter(self, customer_id: int | None = None) -> OrderFilter:
        """The filter as far as it could be read: what is wrong narrows nothing and is said at its field."""
        self.is_valid()
        given = self.cleaned_data
        return OrderFilter(
            state=given.get("state", ""),
            text=given.get("q", ""),
            account=given.get("account", ""),
            since=given.get("since"),
            until=given.get("until"),
            customer_id=customer_id,
        )


# -- the wizard -------------------------------------------------------------------------------------------------------


class CustomerSearchForm(forms.Form):
    """Who buys: somebody we know."""

    find = forms.CharField(
        label=gettext_lazy("Find a customer"),
        required=False,
        max_length=120,
        widget=forms.TextInput(
            attrs={"type": "search", "placeholder": gettext_lazy("Name, e-mail, phone or company"), "autofocus": True}
        ),
    )


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
        _choose(self, "account", [("", _("All accounts")), *account_choices()])
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
    _choose(form, "method", [row for row in offered if credit or row[0] != PaymentChoice.CREDIT])


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


# -- decisions --------------------------------------------------------------------------------------------------------


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


class RemarkForm(forms.Form):
    """A decision that explains itself; a word more is welcome."""

    why = forms.CharField(
        label=gettext_lazy("Remark"),
        required=False,
        max_length=300,
        widget=forms.Textarea(attrs={"rows": 2}),
        help_text=gettext_lazy("It stands on the order's timeline with your name."),
    )


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
        _choose(self, "method", [*((method.value, method.label) for method in Payment.BY_HAND), *credit])


def account_choices() -> list[tuple[str, str]]:
    """Every provider account by its slug."""
    return list(ProviderAccount.objects.order_by("name").values_list("slug", "name"))


def _choose(form: forms.Form, name: str, choices: list[tuple[str, Any]]) -> None:
    chosen = form.fields[name]
    if isinstance(chosen, forms.ChoiceField):
        chosen.choices = choices


def require_reference(form: forms.Form, data: dict[str, Any]) -> None:
    if data.get("method") in NEEDS_REFERENCE and not data.get("reference", "").strip():
        form.add_error("reference", _("A transfer or an invoice needs its number."))
