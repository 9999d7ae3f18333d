"""What people type on the catalogue's pages."""

from decimal import Decimal
from typing import Any, cast

from django import forms
from django.utils.translation import gettext_lazy as _

from catalog.countries import country_name
from catalog.search import (
    GIGABYTE,
    CoverageChoice,
    PlanFilter,
    Sort,
    covered_countries,
    known_carriers,
    known_currencies,
    tells_home_from_roaming,
)
from providers.models import ProviderAccount
from providers.types import DataPeriod

ANY = ("", _("any"))
YES_NO = [ANY, ("yes", _("yes")), ("no", _("no"))]
SORTS = {
    Sort.NAME: _("Name"),
    Sort.PRICE: _("Price, lowest first"),
    Sort.PRICE_DOWN: _("Price, highest first"),
    Sort.PER_DAY: _("Price per day"),
    Sort.PER_GB: _("Price per GB"),
    Sort.DATA: _("Most data"),
    Sort.DAYS: _("Fewest days"),
    Sort.DAYS_DOWN: _("Most days"),
    Sort.NEWEST: _("Newest"),
}


class PlanFilterForm(forms.Form):
    """The filter bar of the plan list; all fields are optional and travel in the address."""

    q = forms.CharField(label=_("Name or code"), required=False, max_length=100)
    country = forms.ChoiceField(label=_("Destination"), required=False)
    coverage = forms.ChoiceField(
        label=_("Coverage there"),
        required=False,
        choices=[
            (CoverageChoice.ANY.value, _("home or roaming")),
            (CoverageChoice.HOME.value, _("home")),
            (CoverageChoice.ROAMING.value, _("roaming")),
        ],
    )
    min_gb = forms.DecimalField(
        label=_("GB at least"), required=False, min_value=Decimal(0), max_value=Decimal(1_000_000), localize=True
    )
    period = forms.ChoiceField(
        label=_("GB counted"),
        required=False,
        choices=[ANY, (DataPeriod.TOTAL.value, _("in total")), (DataPeriod.DAY.value, _("per day"))],
    )
    min_days = forms.IntegerField(label=_("Days at least"), required=False, min_value=0, max_value=100_000)
    max_days = forms.IntegerField(label=_("Days at most"), required=False, min_value=0, max_value=100_000)
    max_price = forms.DecimalField(
        label=_("Price at most"), required=False, min_value=Decimal(0), max_value=Decimal("1e9"), localize=True
    )
    currency = forms.ChoiceField(label=_("Currency"), required=False)
    account = forms.ChoiceField(label=_("Provider"), required=False)
    carrier = forms.ChoiceField(label=_("Carrier"), required=False)
    unlimited = forms.ChoiceField(label=_("Without a cap"), required=False, choices=YES_NO)
    tethering = forms.ChoiceField(label=_("Tethering"), required=False, choices=YES_NO)
    top_up = forms.ChoiceField(label=_("Top-up"), required=False, choices=YES_NO)
    kyc = forms.ChoiceField(label=_("Identity check (eKYC)"), required=False, choices=YES_NO)
    published = forms.ChoiceField(label=_("For sale"), required=False, choices=YES_NO)
    retired = forms.ChoiceField(
        label=_("Offered by the provider"),
        required=False,
        choices=[("", _("offered")), ("yes", _("retired")), ("all", _("offered or retired"))],
    )
    sort = forms.ChoiceField(
        label=_("Sorted by"), required=False, choices=[(sort.value, label) for sort, label in SORTS.items()]
    )

    #: Shown at once; the others are folded away.
    FIRST = ("country", "min_gb", "min_days", "max_price", "currency", "sort")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        countries = sorted(((code, country_name(code)) for code in covered_countries()), key=lambda pair: pair[1])
        accounts = [(account.slug, account.name) for account in ProviderAccount.objects.all()]
        found = {
            "country": countries,
            "currency": [(code, code) for code in known_currencies()],
            "account": accounts,
            "carrier": [(code, code) for code in known_carriers()],
        }
        for name, choices in found.items():
            cast("forms.ChoiceField", self.fields[name]).choices = [ANY, *choices]
        if not tells_home_from_roaming():
            del self.fields["coverage"]

    def first(self) -> list[forms.BoundField]:
        return [self[name] for name in self.FIRST]

    def more(self) -> list[forms.BoundField]:
        return [self[name] for name in self.fields if name not in self.FIRST and name != "q"]

    def more_is_used(self) -> bool:
        """Whether one of the folded fields says something: then they are shown."""
        return any(self.data.get(bound.name) for bound in self.more())

    def to_filter(self) -> PlanFilter:
        """What was asked for; a form with errors asks for what could be read."""
        given = self.cleaned_data if self.is_bound and self.is_valid() else getattr(self, "cleaned_data", {})
        size = given.get("min_gb")
        return PlanFilter(
            text=given.get("q") or "",
            country=given.get("country") or "",
            coverage=CoverageChoice(given.get("coverage") or CoverageChoice.ANY),
            min_bytes=None if size is None else int(size * GIGABYTE),
            data_period=DataPeriod(given["period"]) if given.get("period") else None,
            unlimited=_yes_or_no(given.get("unlimited")),
            min_days=given.get("min_days"),
            max_days=given.get("max_days"),
            max_price=given.get("max_price"),
            currency=given.get("currency") or "",
            account=given.get("account") or "",
            carrier=given.get("carrier") or "",
            tethering=_yes_or_no(given.get("tethering")),
            top_up=_yes_or_no(given.get("top_up")),
            kyc=_yes_or_no(given.get("kyc")),
            published=_yes_or_no(given.get("published")),
            retired={"yes": True, "all": None}.get(given.get("retired") or "", False),
            sort=Sort(given.get("sort") or Sort.NAME),
        )


class OwnPriceForm(forms.Form):
    """A plan's own price in the plan's currency; empty takes it away."""

    amount = forms.DecimalField(
        label=_("Own price"),
        required=False,
        min_value=Decimal(0),
        max_digits=14,
        decimal_places=4,
        localize=True,
        help_text=_("Empty: the price comes from the rules, or from the provider's suggestion."),
    )


class CompareForm(forms.Form):
    """The destination to compare."""

    country = forms.ChoiceField(label=_("Destination"), required=False)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        countries = sorted(((code, country_name(code)) for code in covered_countries()), key=lambda pair: pair[1])
        cast("forms.ChoiceField", self.fields["country"]).choices = [("", _("choose")), *countries]


class SyncStartForm(forms.Form):
    """Which account's catalogue to read."""

    account = forms.SlugField()


def _yes_or_no(word: object) -> bool | None:
    return {"yes": True, "no": False}.get(str(word or ""))
