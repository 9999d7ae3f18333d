"""What people type about differences between a provider and us."""

from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from catalog.models import Plan
from customers.models import Customer
from orders.forms_decisions import ReasonForm
from orders.models import Difference, Purchase
from providers.models import ProviderAccount


class DifferenceFilterForm(forms.Form):
    """Which differences are shown; what is not known is left out."""

    state = forms.CharField(required=False, widget=forms.HiddenInput)
    kind = forms.ChoiceField(label=_("Kind"), required=False)
    account = forms.ChoiceField(label=_("Account"), required=False)

    def __init__(self, *args: Any, accounts: Sequence[tuple[str, str]], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name, choices in (("kind", Difference.Kind.choices), ("account", accounts)):
            field = self.fields[name]
            if isinstance(field, forms.ChoiceField):
                field.choices = [("", _("all")), *choices]


class _DifferenceForm(ReasonForm):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["why"].help_text = _("It stands on the difference's timeline with your name.")


class CloseForm(_DifferenceForm):
    """How a difference is closed, and why."""

    verdict = forms.ChoiceField(
        label=_("Decision"), widget=forms.RadioSelect, error_messages={"required": _("Say what it is.")}
    )
    #: Of a balance: what the page showed, whatever it is by now.
    shown = forms.DecimalField(
        widget=forms.HiddenInput,
        max_digits=16,
        decimal_places=4,
        error_messages={"required": _("The amount has changed meanwhile. Look at it again.")},
    )
    field_order = ("verdict", "why")

    def __init__(
        self, *args: Any, verdicts: Iterable[Difference.Verdict], shown: Decimal | None = None, **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        if shown is None:
            del self.fields["shown"]
        else:
            self.initial["shown"] = shown
        field = self.fields["verdict"]
        if isinstance(field, forms.ChoiceField):
            field.choices = [(verdict.value, verdict.label) for verdict in verdicts]


class AttachForm(_DifferenceForm):
    """The purchase that a line belongs to."""

    purchase = forms.TypedChoiceField(
        label=_("Purchase"),
        coerce=int,
        widget=forms.RadioSelect,
        error_messages={"required": _("Choose the purchase that missed it.")},
    )
    field_order = ("purchase", "why")

    def __init__(self, *args: Any, purchases: Sequence[Purchase], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = self.fields["purchase"]
        if isinstance(field, forms.TypedChoiceField):
            field.choices = [(purchase.pk, _name(purchase)) for purchase in purchases]


class TakeOverForm(_DifferenceForm):
    """Whose line it is from now on, and of which plan."""

    customer = forms.EmailField(
        label=_("Customer's e-mail"),
        help_text=_("Of a customer who is in our books."),
        widget=forms.EmailInput(attrs={"autocomplete": "off"}),
    )
    plan = forms.CharField(
        label=_("Plan code"),
        max_length=120,
        help_text=_("As our catalogue has it; a retired one will do."),
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false", "class": "code"}),
    )
    field_order = ("customer", "plan", "why")

    def __init__(self, *args: Any, account: ProviderAccount, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.account = account

    def clean_customer(self) -> Customer:
        found = list(Customer.objects.filter(email__iexact=self.cleaned_data["customer"])[:2])
        if len(found) != 1:
            raise forms.ValidationError(_("No customer, or more than one, has this address."))
        return found[0]

    def clean_plan(self) -> Plan:
        plan = Plan.objects.filter(account=self.account, plan_ref=self.cleaned_data["plan"].strip()).first()
        if plan is None:
            raise forms.ValidationError(_("This provider has no such plan in our catalogue."))
        return plan


def _name(purchase: Purchase) -> str:
    order = purchase.order_line.order
    words = f"{order.number}, {order.customer.name}: {purchase.quantity} × {purchase.order_line.plan_name}"
    return f"{words} ({purchase.get_state_display()})"
