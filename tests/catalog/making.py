"""Accounts, plans and offers as tests need them; every field that is not named has a plain value."""

import itertools
from collections.abc import Iterable
from dataclasses import replace
from decimal import Decimal
from typing import Any

from django.utils import timezone

from catalog.models import Plan, PlanCoverage, PriceRule
from providers.models import ProviderAccount
from providers.types import Allowance, Coverage, CoverageKind, DataPeriod, Money, Network, PlanOffer, Telephony

GB = 1024**3
_numbers = itertools.count(1)


def make_account(slug: str = "esim-commerce", **fields: Any) -> ProviderAccount:
    account, _ = ProviderAccount.objects.get_or_create(
        slug=slug, defaults={"adapter": "esim_commerce", "name": slug.title(), **fields}
    )
    return account


def make_plan(account: ProviderAccount | None = None, *, covers: Iterable[str] = ("JP",), **fields: Any) -> Plan:
    """A plan as a sync would leave it, without a price of its own; ``covers`` may say "JP:home"."""
    number = next(_numbers)
    now = timezone.now()
    plan = Plan.objects.create(
        **{
            "account": account or make_account(),
            "plan_ref": f"P{number:04d}",
            "name": f"Plan {number}",
            "data_bytes": GB,
            "data_period": DataPeriod.TOTAL,
            "validity_days": 7,
            "net_price": Decimal("4.00"),
            "suggested_price": Decimal("6.00"),
            "retail_price": Decimal("6.00"),
            "price_source": "suggested",
            "currency": "USD",
            "digest": f"{number}",
            "first_seen_at": now,
            "changed_at": now,
            **fields,
        }
    )
    for place in covers:
        country, _, kind = place.partition(":")
        PlanCoverage.objects.create(
            plan=plan,
            country=country,
            kind=kind or CoverageKind.UNSPECIFIED,
            networks=[{"name": f"Net {country}", "types": ["4G", "5G"]}],
        )
    return plan


def make_rule(**fields: Any) -> PriceRule:
    """An unsaved rule: 50 % on the net price of dollar plans."""
    return PriceRule(**{"name": "Half as much again", "currency": "USD", "margin_percent": Decimal(50), **fields})


def make_offer(plan_ref: str, **fields: Any) -> PlanOffer:
    """An offer of 1 GB in Japan for a week at 4.00, suggested 6.00."""
    offer = PlanOffer(
        plan_ref=plan_ref,
        name=f"Offer {plan_ref}",
        plan_type="LIMITED",
        carrier="KDDI",
        allowance=Allowance(
            data_bytes=GB, period=DataPeriod.TOTAL, unlimited=False, raw_amount="1", raw_unit="GB", raw_period="TOTAL"
        ),
        coverage=(
            Coverage(country="JP", kind=CoverageKind.UNSPECIFIED, networks=(Network(name="au", types=("4G", "5G")),)),
        ),
        net_price=Money(amount=Decimal("4.00"), currency="USD"),
        suggested_price=Money(amount=Decimal("6.00"), currency="USD"),
        validity_days=7,
        max_speed=Decimal(10000),
        reduced_speed=Decimal(128),
        speed_unit="",
        tethering=True,
        ip_countries=("JP",),
        validity_info="Valid for 30 days",
        activation_info="Starts at first use",
        unused_termination_days=180,
        telephony=Telephony(dialing_code="81", voice_inbound=False, sms_inbound=True),
        top_up_supported=False,
        kyc_required=False,
        restrictions="",
        raw={"planCode": plan_ref, "netPrice": "4.00"},
    )
    return replace(offer, **fields)
