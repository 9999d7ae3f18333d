"""What a customer gets back for what was delivered: asked on its own page, and where a line is ended."""

import uuid
from decimal import Decimal
from typing import Any

from django import forms
from django.db.models import TextChoices
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, pgettext_lazy

from catalog.currencies import is_payable
from esims.forms import ActionForm
from orders.amounts import say_amount
from orders.forms_decisions import ReasonForm
from orders.giving_back import Given, say_changed


class Share(TextChoices):
    """How much of what the customer paid for a line goes back."""

    NOTHING = "nothing", pgettext_lazy("money back", "Nothing")
    ALL = "all", pgettext_lazy("money back", "All of it")
    PART = "part", pgettext_lazy("money back", "A part of it")


def _make_amount_field() -> forms.DecimalField:
    return forms.DecimalField(
        label=gettext_lazy("Amount"),
        required=False,
        max_digits=14,
        decimal_places=4,
        min_value=0,
        widget=forms.TextInput(attrs={"inputmode": "decimal", "autocomplete": "off", "class": "input-short"}),
        error_messages={"invalid": gettext_lazy("Type an amount, such as 12.50.")},
    )


def _make_replaced_field() -> forms.IntegerField:
    """The order that replaces the line, as the page told of it."""
    return forms.IntegerField(required=False, widget=forms.HiddenInput)


def _make_left_field() -> forms.DecimalField:
    """What the page said may still go back: "all of it" means that, whatever is left by now."""
    return forms.DecimalField(required=False, max_digits=14, decimal_places=4, widget=forms.HiddenInput)


def read_share(form: forms.Form, data: dict[str, Any], given: Given) -> Decimal | None:
    """The amount that was chosen, None for nothing or where it cannot be read: then the form says so."""
    share, amount = data.get("share"), data.get("amount")
    if share == Share.ALL:
        return data.get("left")
    if share != Share.PART:
        return None
    if "amount" in form.errors:
        return None
    if not amount:
        form.add_error("amount", _("Say how much goes back."))
    elif amount > given.left:
        most = say_amount(given.left, given.currency)
        form.add_error("amount", _("At most %(most)s can go back.") % {"most": most})
    elif amount != given.left and not is_payable(amount, given.currency):
        form.add_error("amount", _("%(currency)s has fewer decimals.") % {"currency": given.currency})
    else:
        return Decimal(amount)
    return None


def refuse_changed(form: forms.Form, given: Given | None) -> None:
    """Say that the page no longer is true. It is shown anew, with what is left by now: sent again, that is meant."""
    form.add_error(None, say_changed())
    show_left(form, given)


def show_left(form: forms.Form, given: Given | None) -> None:
    """Let a form that was sent stand for what is left by now."""
    form.data = {**dict(form.data.items()), "left": "" if given is None else str(given.left)}


class GiveBackForm(ReasonForm):
    """All or a part of what the customer paid for one line, with the reason."""

    form_key = forms.UUIDField(widget=forms.HiddenInput, initial=uuid.uuid4)
    replaced_by = _make_replaced_field()
    left = _make_left_field()
    share = forms.ChoiceField(
        label=gettext_lazy("What the customer gets back"),
        choices=[choice for choice in Share.choices if choice[0] != Share.NOTHING],
        widget=forms.RadioSelect,
        error_messages={"required": gettext_lazy("Say how much goes back.")},
    )
    amount = _make_amount_field()
    field_order = ("form_key", "share", "amount", "why")

    def __init__(self, *args: Any, given: Given, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._given = given
        self.fields["amount"].help_text = _say_most(given)

    def clean(self) -> dict[str, Any]:
        data = super().clean() or self.cleaned_data
        data["amount"] = read_share(self, data, self._given)
        if data.get("share") and data.get("left") is None:
            # Whether it still is so much is looked at under the lock: the same form sent twice owes once.
            refuse_changed(self, self._given)
        return data


class EndForm(ActionForm):
    """``ActionForm``, and what the customer gets back once the line confirms its end.

    ``given``: what they paid for it; None where the question does not arise, or is not this person's. Where it was
    asked, and what is left no longer is what the page told of, the line is not ended either: they look again first.
    """

    share = forms.ChoiceField(
        label=gettext_lazy("What the customer gets back, once the line confirms its end"),
        choices=Share.choices,
        widget=forms.RadioSelect,
        error_messages={"required": gettext_lazy("Say what the customer gets back, be it nothing.")},
    )
    amount = _make_amount_field()
    replaced_by = _make_replaced_field()
    left = _make_left_field()
    field_order = ("message", "share", "amount", "reason", "number_end")

    def __init__(self, *args: Any, given: Given | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._given = given
        if given is None:
            for name in ("share", "amount", "replaced_by", "left"):
                del self.fields[name]
        else:
            self.fields["amount"].help_text = _say_most(given)

    def clean(self) -> dict[str, Any]:
        data = super().clean() or self.cleaned_data
        given = self._given
        data["gives_back"] = None if given is None else read_share(self, data, given)
        wants_money = self.data.get("share", "") not in ("", Share.NOTHING)
        if wants_money and (given is None or data.get("left") != given.left):
            refuse_changed(self, given)
        return data


def _say_most(given: Given) -> str:
    return _("Only where a part goes back; at most %(most)s.") % {"most": say_amount(given.left, given.currency)}
