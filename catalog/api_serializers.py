"""What the catalogue's part of the API takes and gives, as the schema describes it. ``api_answers`` writes it."""

from typing import Any

from rest_framework import serializers

from catalog.offers import OfferSort
from providers.api import (
    AmountField,
    DataAmountSerializer,
    FlagField,
    MoneySerializer,
    PageParameters,
    PatternField,
    QueryParameters,
    TextField,
    WholeField,
    page_of,
)
from providers.types import AfterCap, CoverageKind, DataPeriod, StartsWith

COUNTRY, CURRENCY = r"[A-Z]{2}", r"[A-Z]{3}"
_DAYS = "Plans that last at least so long. What is sold by the day is priced for these days."
_PERIODS = (DataPeriod.TOTAL.value, DataPeriod.DAY.value)


class PlanDays(QueryParameters):
    days = WholeField(
        required=False,
        min_value=1,
        max_value=10_000,
        help_text="Days of the journey: what is sold by the day is priced for them.",
    )


class PlanFilters(PageParameters):
    country = PatternField(COUNTRY, required=False, help_text="ISO 3166-1 alpha-2: plans that work there.")
    region = TextField(
        required=False,
        max_length=60,
        trim_whitespace=False,
        help_text="The `code` of a region: plans that work in all of it.",
    )
    min_bytes = WholeField(
        required=False,
        min_value=1,
        max_value=2**63 - 1,
        help_text="At least so much data, as the plan counts it; plans without a cap always have enough.",
    )
    data_period = serializers.ChoiceField(
        choices=_PERIODS, required=False, help_text="Data counted in total, or by the day; no cap fits both."
    )
    unlimited = FlagField(required=False, help_text="Without a cap, or with one.")
    days = WholeField(required=False, min_value=1, max_value=10_000, help_text=_DAYS)
    max_days = WholeField(required=False, min_value=1, max_value=10_000, help_text="Plans that last at most so long.")
    top_up = FlagField(required=False, help_text="Whether more data can be bought later.")
    max_price = AmountField(required=False, help_text="In `currency`; in the house currency where none is given.")
    currency = PatternField(CURRENCY, required=False, help_text="ISO 4217: plans priced in it.")
    sort = serializers.ChoiceField(
        choices=[sort.value for sort in OfferSort],
        required=False,
        default=OfferSort.PRICE.value,
        help_text="Prices are ordered within their currency; what is not known comes last.",
    )


class DestinationSerializer(serializers.Serializer[Any]):
    country = serializers.CharField(help_text="ISO 3166-1 alpha-2.")
    name = serializers.CharField(help_text="In the language asked for.")
    flag = serializers.CharField(help_text="An emoji.")
    plans = serializers.IntegerField()
    from_prices = MoneySerializer(many=True, help_text="The lowest price in each currency.")


class DestinationsSerializer(serializers.Serializer[Any]):
    results = DestinationSerializer(many=True)


class RegionSerializer(serializers.Serializer[Any]):
    code = serializers.CharField(help_text="For the filter `region` of the plans.")
    name = serializers.CharField()
    countries = serializers.ListField(
        child=serializers.CharField(), help_text="ISO codes; empty where they are not known: see the plans."
    )
    plans = serializers.IntegerField()
    from_prices = MoneySerializer(many=True, help_text="The lowest price in each currency.")


class RegionsSerializer(serializers.Serializer[Any]):
    results = RegionSerializer(many=True)


class PlanDataSerializer(DataAmountSerializer):
    period = serializers.ChoiceField(
        choices=_PERIODS, allow_null=True, help_text="In total or of each day; null: not said."
    )


class PlanTermsSerializer(serializers.Serializer[Any]):
    """What the plan comes to for the days asked for; for its own days where it is not sold by the day."""

    days = serializers.IntegerField(allow_null=True)
    price = MoneySerializer()
    data = DataAmountSerializer(help_text="Of all these days together.")  # type: ignore[assignment]
    price_per_day = MoneySerializer(allow_null=True)
    price_per_gb = MoneySerializer(allow_null=True, help_text="Per 2^30 bytes; null where there is no cap.")


class SpeedSerializer(serializers.Serializer[Any]):
    top = serializers.CharField(allow_null=True)
    reduced = serializers.CharField(allow_null=True, help_text="When the data is used up.")
    unit = serializers.CharField(help_text="As the provider writes it; may be empty.")


class PlanSerializer(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    name = serializers.CharField()
    countries = serializers.ListField(child=serializers.CharField(), help_text="ISO codes of where it works.")
    data = PlanDataSerializer(help_text="Of one day if sold by the day.")  # type: ignore[assignment]
    validity_days = serializers.IntegerField(allow_null=True, help_text="null: see `days_to_choose`, or not reported.")
    days_to_choose = serializers.IntegerField(
        allow_null=True, help_text="Sold by the day: up to so many can be ordered; price and data are those of one."
    )
    price = MoneySerializer()
    terms = PlanTermsSerializer()
    after_cap = serializers.ChoiceField(choices=[word.value for word in AfterCap])
    starts_with = serializers.ChoiceField(choices=[word.value for word in StartsWith])
    top_up = serializers.BooleanField(allow_null=True, help_text="null: not reported. So for the others.")
    tethering = serializers.BooleanField(allow_null=True)
    kyc_required = serializers.BooleanField(allow_null=True, help_text="The traveller must show who they are.")
    speed = SpeedSerializer()


class NetworkSerializer(serializers.Serializer[Any]):
    name = serializers.CharField()
    types = serializers.ListField(child=serializers.CharField(), help_text="For example 4G, 5G.")


class CoverageSerializer(serializers.Serializer[Any]):
    country = serializers.CharField()
    name = serializers.CharField(help_text="In the language asked for.")
    flag = serializers.CharField()
    kind = serializers.ChoiceField(choices=[word.value for word in CoverageKind])
    networks = NetworkSerializer(many=True)


class TelephonySerializer(serializers.Serializer[Any]):
    """null: not reported."""

    dialing_code = serializers.CharField(help_text="May be empty.")
    voice_inbound = serializers.BooleanField(allow_null=True)
    voice_outbound = serializers.BooleanField(allow_null=True)
    sms_inbound = serializers.BooleanField(allow_null=True)
    sms_outbound = serializers.BooleanField(allow_null=True)


class PlanDetailSerializer(PlanSerializer):
    coverage = CoverageSerializer(many=True)
    validity_info = serializers.CharField(help_text="The provider's text; may be empty.")
    activation_info = serializers.CharField(help_text="The provider's text; may be empty.")
    restrictions = serializers.CharField(help_text="The provider's text; may be empty.")
    ends_unused_after_days = serializers.IntegerField(allow_null=True)
    ip_countries = serializers.ListField(child=serializers.CharField(), help_text="Where its traffic leaves from.")
    telephony = TelephonySerializer()


PlanPageSerializer = page_of(PlanSerializer)
