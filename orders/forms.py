"""What staff type to find an order or a customer, and what all forms of this app share."""

from typing import Any

from django import forms
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from orders.models import Order, Purchase
from orders.selectors.order_list import OrderFilter
from orders.selectors.purchase_list import PurchaseFilter
from providers.models import ProviderAccount


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
        offer_choices(self, "state", [("", _("All states")), *Order.State.choices])
        offer_choices(self, "account", [("", _("All accounts")), *account_choices()])

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


class PurchaseFilterForm(forms.Form):
    """The filters of the list of purchases; the address holds them."""

    q = forms.CharField(
        label=gettext_lazy("Transaction, provider's order, our key or order number"),
        required=False,
        max_length=120,
        widget=forms.TextInput(attrs={"type": "search", "autocomplete": "off"}),
    )
    state = forms.ChoiceField(label=gettext_lazy("State"), required=False)
    account = forms.ChoiceField(label=gettext_lazy("Provider account"), required=False)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        offer_choices(self, "state", [("", _("All states")), *Purchase.State.choices])
        offer_choices(self, "account", [("", _("All accounts")), *account_choices()])

    def read_filter(self) -> PurchaseFilter:
        """The filter as far as it could be read: what is wrong narrows nothing."""
        self.is_valid()
        given = self.cleaned_data
        return PurchaseFilter(state=given.get("state", ""), account=given.get("account", ""), text=given.get("q", ""))


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


def account_choices() -> list[tuple[str, str]]:
    """Every provider account by its slug."""
    return list(ProviderAccount.objects.order_by("name").values_list("slug", "name"))


def offer_choices(form: forms.Form, name: str, choices: list[tuple[str, Any]]) -> None:
    chosen = form.fields[name]
    if isinstance(chosen, forms.ChoiceField):
        chosen.choices = choices
