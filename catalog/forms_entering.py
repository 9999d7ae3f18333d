"""What people type when they enter a plan themselves; the console's page and the admin share the form."""

import re
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

from catalog.entering import EnteredTerms, accounts_for_entering, require_terms
from catalog.models import Plan
from catalog.terms import GIGABYTE
from providers.types import DataPeriod

if TYPE_CHECKING:
    _PlanModelForm = forms.ModelForm[Plan]
else:
    # Not subscriptable at run time.
    _PlanModelForm = forms.ModelForm

#: They say which plan it is: fixed once it is entered.
IDENTITY = ("account", "kind", "plan_ref")
_UNLIMITED = "unlimited"
_BETWEEN = re.compile(r"[\s,;、，]+")
#: Where the verb's complaints about a column belong.
_FIELDS = {"data_bytes": "gb", "data_period": "counted", "restrictions": "notes", "retail_price": "net_price"}


class EnteredPlanForm(_PlanModelForm):
    """A plan of a contract on paper. It is never saved: the view hands ``read_terms`` to a verb."""

    net_price = forms.DecimalField(
        label=_("Net price"), min_value=Decimal(0), max_digits=14, decimal_places=4, localize=True
    )
    own_price = forms.DecimalField(
        label=_("Own price"),
        required=False,
        min_value=Decimal(0),
        max_digits=14,
        decimal_places=4,
        localize=True,
        help_text=_("What the customer pays. Empty: the price rules say."),
    )
    currency = forms.CharField(
        label=_("Currency"), max_length=3, help_text=_("Of both prices, as its three letters, such as JPY.")
    )
    validity_days = forms.IntegerField(label=_("Days"), required=False, min_value=1, max_value=36_500)
    counted = forms.ChoiceField(
        label=_("Data"),
        required=False,
        choices=[
            ("", _("not said")),
            (DataPeriod.TOTAL.value, _("GB in total")),
            (DataPeriod.DAY.value, _("GB per day")),
            (_UNLIMITED, _("no cap")),
        ],
    )
    gb = forms.DecimalField(
        label=_("GB"), required=False, min_value=Decimal(0), max_digits=12, decimal_places=4, localize=True
    )
    countries = forms.CharField(
        label=_("Works in"),
        required=False,
        max_length=2000,
        help_text=_("Country codes of two letters with spaces between them, such as JP KR."),
        widget=forms.TextInput(attrs={"autocapitalize": "characters", "spellcheck": "false"}),
    )
    notes = forms.CharField(
        label=_("Notes"),
        required=False,
        max_length=2000,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text=_("Shown to those who sell the plan."),
    )

    class Meta:
        model = Plan
        fields = (*IDENTITY, "name", "net_price", "currency", "own_price", "validity_days")
        help_texts = {"plan_ref": _("The provider's plan code; for activations without a plan and reissues, our own.")}
        labels = {"name": _("Name"), "plan_ref": _("Plan code"), "kind": _("Kind"), "account": _("Account")}

    field_order = (*Meta.fields, "counted", "gb", "countries", "notes")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.pk:
            for name in IDENTITY:
                self.fields.pop(name, None)
            # What the caller gives goes before what is stored.
            self.initial = {**self.initial, **_read_initial(self.instance), **(kwargs.get("initial") or {})}
            return
        if isinstance(account := self.fields.get("account"), forms.ModelChoiceField):
            account.queryset = accounts_for_entering()
            account.empty_label = None
        if isinstance(kind := self.fields.get("kind"), forms.ChoiceField):
            kind.choices = [(one.value, one.label) for one in Plan.ENTERED_KINDS]
            kind.initial = Plan.Kind.ACTIVATION.value

    def clean_currency(self) -> str:
        return str(self.cleaned_data["currency"]).upper()

    def clean_countries(self) -> list[str]:
        words = _BETWEEN.split(self.cleaned_data["countries"].strip().upper())
        return list(dict.fromkeys(word for word in words if word))

    def clean(self) -> dict[str, Any]:
        given = super().clean() or self.cleaned_data
        size, counted = given.get("gb"), given.get("counted")
        if counted in (DataPeriod.TOTAL, DataPeriod.DAY) and not size and "gb" not in self.errors:
            self.add_error("gb", _("Say how many GB."))
        if size and not counted:
            self.add_error("counted", _("Say whether this is the data in total or of each day."))
        if not self.errors:
            try:
                require_terms(self.read_terms())
            except ValidationError as error:
                self.add_refusal(error)
        return given

    def read_terms(self) -> EnteredTerms:
        """What was typed; for a valid form."""
        given = self.cleaned_data
        counted, size = given["counted"], given["gb"]
        is_counted = counted in (DataPeriod.TOTAL, DataPeriod.DAY)
        data_bytes = round(size * GIGABYTE) if is_counted and size else None
        if self.instance.pk and "gb" not in self.changed_data and is_counted:
            # Shown in rounded GB: what nobody touched stays to the byte.
            data_bytes = self.instance.data_bytes
        return EnteredTerms(
            name=given["name"],
            net_price=given["net_price"],
            currency=given["currency"],
            own_price=given["own_price"],
            validity_days=given["validity_days"],
            data_bytes=data_bytes,
            data_period=DataPeriod(counted) if is_counted else DataPeriod.UNKNOWN,
            data_unlimited=counted == _UNLIMITED,
            countries=given["countries"],
            notes=given["notes"],
        )

    def add_refusal(self, error: ValidationError) -> None:
        """Show what the verb refused at the fields that it is about."""
        if not hasattr(error, "error_dict"):
            self.add_error(None, error)
            return
        for name, messages in error.message_dict.items():
            field = _FIELDS.get(name, name)
            self.add_error(field if field in self.fields else None, messages)


def _read_initial(plan: Plan) -> dict[str, Any]:
    size = None if plan.data_bytes is None else (Decimal(plan.data_bytes) / GIGABYTE).quantize(Decimal("0.0001"))
    period = plan.data_period if plan.data_bytes is not None else ""
    return {
        "net_price": _trim(plan.net_price),
        "own_price": _trim(plan.own_price),
        "counted": _UNLIMITED if plan.data_unlimited else period,
        "gb": _trim(size),
        "countries": " ".join(plan.coverage.order_by("country").values_list("country", flat=True)),
        "notes": plan.restrictions,
    }


def _trim(number: Decimal | None) -> Decimal | None:
    """Without superfluous zeros, and never as 1E+1."""
    return None if number is None else Decimal(f"{number.normalize():f}")
