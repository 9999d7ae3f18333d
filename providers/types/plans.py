"""What a provider offers."""

from dataclasses import dataclass, field
from decimal import Decimal

from providers.types.values import Allowance, Fault, Money, Raw
from providers.types.words import AfterCap, CoverageKind, StartsWith


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    name: str
    types: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Coverage:
    """One country (ISO 3166-1 alpha-2) and the networks used there."""

    country: str
    kind: CoverageKind
    networks: tuple[Network, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Telephony:
    dialing_code: str = ""
    voice_inbound: bool | None = None
    voice_outbound: bool | None = None
    sms_inbound: bool | None = None
    sms_outbound: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanOffer:
    """A plan as a provider offers it now. Speeds are the provider's numbers in ``speed_unit`` ("" = not given).

    ``alias`` is another id under which the provider knows the same plan (eSIM Access: slug; eSIMfx: meta_product_id).
    ``days_choice_max``: the number of days is chosen with the order, from 1 to this; ``validity_days``, the allowance
    and the prices are then those of one day. ``top_up_profile`` names the group within which top-ups fit (eSIMfx:
    imsi_profile). ``region`` is the provider's own code of a multi-country area.
    """

    plan_ref: str
    name: str
    plan_type: str
    carrier: str
    allowance: Allowance
    coverage: tuple[Coverage, ...]
    net_price: Money | None
    suggested_price: Money | None
    validity_days: int | None
    max_speed: Decimal | None
    reduced_speed: Decimal | None
    speed_unit: str
    tethering: bool | None
    ip_countries: tuple[str, ...]
    validity_info: str
    activation_info: str
    unused_termination_days: int | None
    telephony: Telephony
    top_up_supported: bool | None
    kyc_required: bool | None
    restrictions: str
    alias: str = ""
    region: str = ""
    days_choice_max: int | None = None
    after_cap: AfterCap = AfterCap.UNKNOWN
    starts_with: StartsWith = StartsWith.UNKNOWN
    top_up_profile: str = ""
    #: Whether messages can be sent to the line by the provider's API.
    api_sms: bool | None = None
    raw: Raw = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanPage:
    """One page of a listing. ``total`` is the provider's own count of the whole listing, None where it gives none.

    ``cursor`` is where the next page begins, for providers that page by an opaque key ("" otherwise). ``is_last`` is
    True only when the provider itself says that the listing ends here.
    """

    offers: tuple[PlanOffer, ...]
    faults: tuple[Fault, ...]
    page: int
    total: int | None
    total_pages: int | None
    cursor: str = ""
    is_last: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Region:
    """An area that plans are sold for: a country, or several."""

    code: str
    name: str
    is_multi: bool
    members: tuple[str, ...] = ()
