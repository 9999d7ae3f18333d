"""Forms about people."""

from collections.abc import Iterator
from zoneinfo import available_timezones

from django import forms
from django.conf import settings
from django.utils.translation import gettext_lazy as _

from catalog.countries import country_name
from customers.countries import COUNTRIES
from customers.models import Customer, User


def language_choices() -> Iterator[tuple[str, object]]:
    yield "", _("Not said")
    yield from settings.LANGUAGES


class CustomerForm(forms.Form):
    """What staff write about a customer; the verbs check and store it."""

    name = forms.CharField(label=_("Name"), max_length=150, widget=forms.TextInput(attrs={"autocomplete": "off"}))
    email = forms.EmailField(
        label=_("E-mail address"),
        required=False,
        help_text=_("Each customer has their own."),
        widget=forms.EmailInput(attrs={"autocomplete": "off"}),
    )
    phone = forms.CharField(
        label=_("Phone"),
        max_length=32,
        required=False,
        help_text=_("With the country code, such as +81 90 1234 5678."),
        widget=forms.TextInput(attrs={"autocomplete": "off", "inputmode": "tel"}),
    )
    company = forms.CharField(label=_("Company"), max_length=150, required=False)
    country = forms.ChoiceField(label=_("Country"), required=False)
    language = forms.ChoiceField(label=_("Language"), required=False, choices=language_choices)
    note = forms.CharField(label=_("Note"), required=False, widget=forms.Textarea(attrs={"rows": 4}))

    def __init__(self, *args: object, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]
        self.fields["country"].choices = country_choices()  # type: ignore[attr-defined]

    @staticmethod
    def values_of(customer: Customer) -> dict[str, str]:
        """The form's first values for a customer who is there already."""
        return {name: getattr(customer, name) for name in CustomerForm.base_fields}


def country_choices() -> list[tuple[str, object]]:
    """All countries by their name in the reader's language."""
    named = sorted(((code, country_name(code)) for code in COUNTRIES), key=lambda pair: pair[1])
    return [("", _("Not said")), *named]


class PersonalSettingsForm(forms.Form):
    """The language and the time zone of a person's own pages."""

    language = forms.ChoiceField(label=_("Language"), required=False)
    time_zone = forms.ChoiceField(
        label=_("Time zone"),
        required=False,
        help_text=_("All times on your pages are shown in this zone. Japanese business dates stay as they are."),
    )

    def __init__(self, *args: object, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]
        self.fields["language"].choices = [("", _("As the browser asks")), *settings.LANGUAGES]  # type: ignore[attr-defined]
        self.fields["time_zone"].choices = zone_choices()  # type: ignore[attr-defined]

    @staticmethod
    def values_of(user: User) -> dict[str, str]:
        return {"language": user.language, "time_zone": user.time_zone}


def zone_choices() -> list[tuple[str, object]]:
    """The zones of the tz database in groups by continent; the house's own first."""
    groups: dict[str, list[tuple[str, str]]] = {}
    for zone in sorted(available_timezones()):
        region, slash, place = zone.partition("/")
        if slash and region in _REGIONS:
            groups.setdefault(region, []).append((zone, place.replace("_", " ")))
    house = _("The house's: %(zone)s") % {"zone": settings.TIME_ZONE}
    return [("", house), ("UTC", "UTC"), *((region, zones) for region, zones in groups.items())]


_REGIONS = {
    "Africa",
    "America",
    "Antarctica",
    "Arctic",
    "Asia",
    "Atlantic",
    "Australia",
    "Europe",
    "Indian",
    "Pacific",
}
