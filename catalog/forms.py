"""What people type on the catalogue's pages."""

from decimal import Decimal
from typing import Any, cast

from django import forms
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from catalog.compare import Need
from catalog.models import Plan
from catalog.places import Place, country_choices, region_choices
from catalog.search import (
    CoverageChoice,
    PlanFilter,
    Sort,
    known_carriers,
    known_currencies,
    tells_home_from_roaming,
)
from catalog.terms import GIGABYTE
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


#: What a comparison can be sorted by, and how people call it.
COMPARE_SORTS = (Sort.PRICE, Sort.PER_DAY, Sort.PER_GB, Sort.DATA, Sort.DAYS_DOWN)


class DestinationField(forms.ChoiceField):
    """A country that plans cover, or an area by a provider's own code where there are any. Cleans to a ``Place``."""

    def load(self, nothing: str | Promise) -> None:
        """Read what can be chosen; ``nothing`` stands for no choice."""
        countries = country_choices()
        self._countries = {code for code, _ in countries}
        regions = region_choices(without=self._countries)
        # A heading over a single list would say nothing.
        groups = [(_("Countries"), countries), (_("Providers' regions"), regions)] if regions else countries
        self.choices = [("", nothing), *groups]

    def clean(self, value: Any) -> Place:
        word = str(super().clean(value))
        return Place(country=word) if word in self._countries else Place(region=word)


class PlanFilterForm(forms.Form):
    """The filter bar of the plan list; all fields are optional and travel in the address."""

    q = forms.CharField(label=_("Name or code"), required=False, max_length=100)
    country = DestinationField(label=_("Destination"), required=False)
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
    kind = forms.ChoiceField(label=_("Kind"), required=False, choices=[ANY, *Plan.Kind.choices])
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
        cast("DestinationField", self.fields["country"]).load(ANY[1])
        accounts = [(account.slug, account.name) for account in ProviderAccount.objects.all()]
        found = {
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
        place = given.get("country") or Place()
        return PlanFilter(
            text=given.get("q") or "",
            kind=given.get("kind") or "",
            country=place.country,
            region=place.region,
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
    """What a traveller needs; it travels in the address, ``like`` (a plan's number) beside it."""

    country = DestinationField(label=_("Destination"), required=False)
    days = forms.IntegerField(
        label=_("Days"),
        required=False,
        min_value=1,
        max_value=3650,
        help_text=_("Plans that are sold by the day are priced for them."),
    )
    gb = forms.DecimalField(
        label=_("GB in all, at least"),
        required=False,
        min_value=Decimal(0),
        max_value=Decimal(1_000_000),
        localize=True,
        help_text=_("A daily allowance counts for all its days."),
    )
    sort = forms.ChoiceField(
        label=_("Sorted by"), required=False, choices=[(sort.value, SORTS[sort]) for sort in COMPARE_SORTS]
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        cast("DestinationField", self.fields["country"]).load(_("choose"))

    def read_need(self, like: Plan | None) -> Need:
        """What is asked for; what cannot be read narrows nothing and is said at its field."""
        given = self.cleaned_data if self.is_bound and self.is_valid() else getattr(self, "cleaned_data", {})
        size = given.get("gb")
        return Need(
            place=given.get("country") or Place(),
            days=given.get("days"),
            min_bytes=int(size * GIGABYTE) if size else None,
            like=like,
            sort=Sort(given.get("sort") or Sort.PRICE),
        )


class SyncStartForm(forms.Form):
    """Which account's catalogue to read."""

    account = forms.SlugField()


def _yes_or_no(word: object) -> bool | None:
    return {"yes": True, "no": False}.get(str(word or ""))
