"""What the lines' part of the API takes and gives, as the schema describes it. ``api_answers`` writes it."""

from typing import Any

from rest_framework import serializers

from esims.install import Platform
from esims.models import LineAction, Package
from providers.api import (
    DataAmountSerializer,
    PageParameters,
    PatternField,
    QueryParameters,
    StrictSerializer,
    TextField,
    WholeField,
)
from providers.types import Capability, DataPeriod, LineState, PackageStatus

LINE_STATES = [state.value for state in LineState]
PACKAGE_KINDS = Package.Kind.values
PACKAGE_STATES = [status.value for status in PackageStatus]
ACTION_STATES = LineAction.State.values
PLATFORMS = [platform.value for platform in Platform]
PERIODS = [DataPeriod.TOTAL.value, DataPeriod.DAY.value]
VERDICTS = ["yes", "used", "downloaded", "no", "not_known"]
STAGES = ["install", "start"]
PARTS = ["before", "installing", "after_landing", "start_of_time", "no_data"]
ASKED = [Capability.SUSPEND.value, Capability.RELEASE.value]
SCOPES = ["own", "all"]
_JAPAN = "A date in `date_zone`; it is no instant."


# -- what is sent -----------------------------------------------------------------------------------------------------


class EsimParameters(PageParameters):
    state = serializers.ListField(
        child=serializers.ChoiceField(choices=LINE_STATES), required=False, help_text="Any of these."
    )
    q = TextField(
        required=False,
        max_length=120,
        help_text="An ICCID or its last four or more digits, the plan; staff also by customer, or a provider's order.",
    )
    install_within_days = WholeField(
        required=False, min_value=1, max_value=365, help_text="Not installed yet, and to be installed within so long."
    )
    scope = serializers.ChoiceField(
        choices=SCOPES,
        required=False,
        default="own",
        help_text="`all`: every customer's, for staff who may see eSIMs.",
    )


class GuideParameters(QueryParameters):
    platform = serializers.ChoiceField(
        choices=PLATFORMS, required=False, help_text="What it goes onto; without it both kinds of phones are told of."
    )


class EsimChangeSerializer(StrictSerializer):
    """What is not named stays."""

    label: Any = PatternField(
        r"[^\x00-\x1f\x7f]{0,60}",
        required=False,
        allow_blank=True,
        max_length=60,
        help_text='What the customer calls it; "": nothing.',
    )


class ActionReasonSerializer(StrictSerializer):
    reason = TextField(max_length=300, help_text="Written on the line's timeline, with the caller's name.")


# -- what is answered -------------------------------------------------------------------------------------------------


class DestinationOfEsimSerializer(serializers.Serializer[Any]):
    """Where it works."""

    countries = serializers.ListField(child=serializers.CharField(), help_text="ISO codes; empty: not known.")
    name = serializers.CharField(
        allow_null=True, help_text="Of the only country, in the language asked for; null where there are several."
    )
    flag = serializers.CharField(allow_null=True, help_text="An emoji, of the only country.")


class PackageCountsSerializer(serializers.Serializer[Any]):
    """How many data packages there are; of some the state is not reported."""

    count = serializers.IntegerField()
    waiting = serializers.IntegerField()
    active = serializers.IntegerField()
    ended = serializers.IntegerField()


class DataInHandSerializer(serializers.Serializer[Any]):
    """What is used of the packages that are not over."""

    used_bytes = serializers.IntegerField()
    total_bytes = serializers.IntegerField()


class EsimUsageSerializer(serializers.Serializer[Any]):
    used_bytes = serializers.IntegerField(
        allow_null=True, help_text="Since the beginning, all packages; null: not reported, which is not 0."
    )
    is_reported = serializers.BooleanField(help_text="Whether `used_bytes` is known.")
    allowance = DataAmountSerializer()
    period = serializers.ChoiceField(
        choices=PERIODS,
        allow_null=True,
        help_text="Whether the allowance is that of each day or of all time; null where there is no such number.",
    )
    in_hand = DataInHandSerializer(
        allow_null=True, help_text="For a bar; null where a share of the data would say nothing, or is not known."
    )
    as_of = serializers.DateTimeField(allow_null=True, help_text="Networks report it some hours late.")


class EsimDatesSerializer(serializers.Serializer[Any]):
    """Instants are UTC. Some providers tell instants, some business dates of Japan; null: not reported."""

    added_at = serializers.DateTimeField()
    downloaded_at = serializers.DateTimeField(allow_null=True)
    installed_at = serializers.DateTimeField(allow_null=True)
    activated_at = serializers.DateTimeField(allow_null=True)
    activated_on = serializers.DateField(allow_null=True, help_text=_JAPAN)
    expires_at = serializers.DateTimeField(allow_null=True)
    expires_on = serializers.DateField(allow_null=True, help_text=f"The last day. {_JAPAN}")
    terminated_on = serializers.DateField(allow_null=True, help_text=_JAPAN)
    install_before = serializers.DateTimeField(allow_null=True, help_text="The provider's deadline.")
    use_before = serializers.DateTimeField(
        allow_null=True, help_text="The deadline while something is still to be done: to install it, or to use it."
    )
    date_zone = serializers.ChoiceField(choices=["Asia/Tokyo"])


class CustomerOfEsimSerializer(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    name = serializers.CharField()


class EsimSerializer(serializers.Serializer[Any]):
    """One line of a list."""

    id = serializers.IntegerField()
    label: Any = serializers.CharField(help_text='What the customer calls it; "" where they have not named it.')
    plan_name = serializers.CharField()
    iccid = serializers.CharField(help_text='"" where it is not known.')
    state = serializers.ChoiceField(choices=LINE_STATES)
    state_text = serializers.CharField(help_text="In the language asked for.")
    destination = DestinationOfEsimSerializer()
    package_counts = PackageCountsSerializer()
    usage = EsimUsageSerializer()
    dates = EsimDatesSerializer()
    customer = CustomerOfEsimSerializer(allow_null=True, help_text="Whose it is, for staff; null for one's own.")


class EndOfEsimSerializer(serializers.Serializer[Any]):
    """What the end means in UTC; null where none is known."""

    promised_until = serializers.DateTimeField(allow_null=True)
    surely_over_from = serializers.DateTimeField(
        allow_null=True, help_text="After a last day in Japan the service ends at some time on the day after."
    )


class InstalledSerializer(serializers.Serializer[Any]):
    """Whether it is on a device, by what its provider reports."""

    verdict = serializers.ChoiceField(
        choices=VERDICTS, help_text="`used`: no installation is reported, but a use that needs one."
    )
    text = serializers.CharField()


class PackageDataSerializer(DataAmountSerializer):
    period = serializers.ChoiceField(choices=PERIODS, allow_null=True, help_text="null: not reported.")


class EsimPackageSerializer(serializers.Serializer[Any]):
    """Base or top-up, each with its own allowance and end. null: not reported."""

    id = serializers.IntegerField()
    kind = serializers.ChoiceField(choices=PACKAGE_KINDS)
    name = serializers.CharField()
    state = serializers.ChoiceField(choices=PACKAGE_STATES, allow_null=True)
    state_text = serializers.CharField(help_text='"" where no state is reported.')
    data: Any = PackageDataSerializer()
    used_bytes = serializers.IntegerField(allow_null=True)
    starts_at = serializers.DateTimeField(allow_null=True)
    ends_at = serializers.DateTimeField(allow_null=True)
    start_before = serializers.DateTimeField(allow_null=True)
    is_projected = serializers.BooleanField(help_text="Beginning and end are what would be: nothing has begun.")
    sentences = serializers.ListField(child=serializers.CharField(), help_text="What is to come of one that waits.")


class UsageDaySerializer(serializers.Serializer[Any]):
    day = serializers.DateField(help_text="In `zone`.")
    used_bytes = serializers.IntegerField(allow_null=True, help_text="null: nothing was reported for this day.")
    is_derived = serializers.BooleanField(help_text="Worked out from totals: booked on the day of the later one.")
    zone = serializers.ChoiceField(choices=["Asia/Tokyo", "UTC"], allow_null=True)


class UsageByDaySerializer(serializers.Serializer[Any]):
    """Day by day without holes in the calendar. The days need not add up to the total: either may lag behind."""

    days = UsageDaySerializer(many=True)
    is_cut = serializers.BooleanField(help_text="There may be days before the first one.")
    is_reported = serializers.BooleanField(help_text="False: the provider has said nothing of any day yet.")


class RefreshStateSerializer(serializers.Serializer[Any]):
    is_possible = serializers.BooleanField(help_text="Whether the provider can be asked about this line.")
    is_under_way = serializers.BooleanField(help_text="It was asked for, and the answer has not come yet.")
    has_failed = serializers.BooleanField(help_text="The last reading failed: what is shown is that of before.")
    last_read_at = serializers.DateTimeField(allow_null=True)
    ask_again_at = serializers.DateTimeField(allow_null=True, help_text="Asked before this it is 429; null: now.")


class EsimTopUpsSerializer(serializers.Serializer[Any]):
    address = serializers.CharField(
        allow_null=True, help_text="Of the options; null where nothing can be added, or not by the caller."
    )
    rules = serializers.ListField(child=serializers.CharField(), help_text="What is added is subject to.")
    why_not = serializers.CharField(help_text='Why nothing can be added now; "" where it can.')


class EsimActionSerializer(serializers.Serializer[Any]):
    """What was asked of the provider for a line. It counts as done only when the provider reports it so."""

    id = serializers.IntegerField()
    action = serializers.CharField(help_text="`suspend`, `release`, or another one asked for in the console.")
    action_text = serializers.CharField()
    state = serializers.ChoiceField(choices=ACTION_STATES)
    state_text = serializers.CharField()
    is_open = serializers.BooleanField()
    reason = serializers.CharField()
    requested_by = serializers.CharField(help_text='An e-mail address; "": a job of ours, or a person who is gone.')
    requested_at = serializers.DateTimeField()
    finished_at = serializers.DateTimeField(allow_null=True)
    error = serializers.CharField()


class PossibleActionSerializer(serializers.Serializer[Any]):
    action = serializers.ChoiceField(choices=ASKED)
    why_not = serializers.CharField(help_text='Why it would be refused now; "" where it would not.')
    consequences = serializers.ListField(child=serializers.CharField(), help_text="To be shown before it is asked for.")


class EvidenceSerializer(serializers.Serializer[Any]):
    label: Any = serializers.CharField()
    value = serializers.CharField()
    source: Any = serializers.CharField()
    as_of = serializers.DateTimeField(allow_null=True)


class StaffViewSerializer(serializers.Serializer[Any]):
    """What staff see of a line beyond what its customer does."""

    provider = serializers.CharField()
    sentences = serializers.ListField(child=serializers.CharField(), help_text="The state, in the words for staff.")
    read_error = serializers.CharField(help_text='Why the last reading failed; "" where it did not.')
    evidence = EvidenceSerializer(many=True, help_text="For and against “installed”.")
    last_action = EsimActionSerializer(allow_null=True)
    may = PossibleActionSerializer(many=True, help_text="Which of suspend and release the caller may ask for.")


class EsimDetailSerializer(EsimSerializer):
    sentences = serializers.ListField(
        child=serializers.CharField(), help_text="The state and what is known of its time, for the customer."
    )
    installed = InstalledSerializer()
    shows_code = serializers.BooleanField(help_text="There is a code, and it may still have to be installed.")
    ends = EndOfEsimSerializer()
    packages = EsimPackageSerializer(many=True)
    usage_by_day = UsageByDaySerializer()
    refresh = RefreshStateSerializer()
    top_ups = EsimTopUpsSerializer()
    staff = StaffViewSerializer(allow_null=True, help_text="For staff who may see eSIMs; null for others.")


class InstallLinksSerializer(serializers.Serializer[Any]):
    """To be opened on the phone itself."""

    apple = serializers.CharField(help_text="From iOS 17.4 on.")
    android = serializers.CharField(help_text="From Android 10 on, not on every maker's phones.")


class ActivationSerializer(serializers.Serializer[Any]):
    """Whoever has this can install the eSIM."""

    lpa = serializers.CharField(help_text="The whole activation string, as the QR code holds it.")
    smdp_address = serializers.CharField()
    matching_id = serializers.CharField(help_text="What phones call the activation code.")
    confirmation_code = serializers.CharField(help_text='"" where there is none, or none is known.')
    needs_confirmation_code = serializers.BooleanField(help_text="The phone will ask for it.")
    links = InstallLinksSerializer()


class GuidePartSerializer(serializers.Serializer[Any]):
    code = serializers.ChoiceField(choices=PARTS)
    title = serializers.CharField()
    steps = serializers.ListField(child=serializers.CharField())


class GuideStageSerializer(serializers.Serializer[Any]):
    code = serializers.ChoiceField(choices=STAGES)
    title = serializers.CharField()
    note = serializers.CharField()
    parts = GuidePartSerializer(many=True)


class GuideSerializer(serializers.Serializer[Any]):
    """Before, installing, after; empty once the eSIM is over."""

    language = serializers.CharField()
    stages = GuideStageSerializer(many=True)
    add_on_rules = serializers.ListField(
        child=serializers.CharField(), help_text="For packages that are added; empty where they are not known."
    )


class RefreshAskedSerializer(serializers.Serializer[Any]):
    """It is read in a moment. Look at `refresh` of the eSIM until it is no longer `is_under_way`."""

    last_read_at = serializers.DateTimeField(allow_null=True, help_text="Once that of the eSIM is later, this is old.")
    ask_again_at = serializers.DateTimeField()
