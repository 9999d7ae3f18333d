"""Customers, snapshots and lines as the tests of lines need them; what is not named has a plain value."""

import itertools
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

from django.contrib.auth.models import Permission
from django.utils import timezone

from catalog.models import Plan
from customers.models import Customer, User
from esims.lifecycle import register_lines
from esims.models import Esim, Package
from esims.usage import measure_shares
from providers.models import ProviderAccount
from providers.types import DailyUsage, LineSnapshot, LineState
from tests.catalog.making import make_account, make_plan

MB = 1024**2
GB = 1024**3
#: An instant that provider stamps in tests count from.
T0 = datetime(2026, 5, 1, 12, 0, tzinfo=UTC)
_numbers = itertools.count(1)


def make_customer(name: str = "Aiko Tanaka", **fields: Any) -> Customer:
    return Customer.objects.create(name=name, **fields)


def make_staff(*permissions: str, email: str = "mika@desk.example") -> User:
    """A member of staff who holds these permissions ("suspend_esim", …) of the lines."""
    user = User.objects.create_user(email, "a long enough password", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=permissions, content_type__app_label="esims"))
    return user


def make_iccid(number: int | None = None) -> str:
    """A number of 19 digits; every call another."""
    return f"89811{number if number is not None else next(_numbers):014d}"


def make_snapshot(ref: str = "", **fields: Any) -> LineSnapshot:
    """A line that is ready to install, as of ``T0``; nothing is reported of its usage."""
    iccid = ref or make_iccid()
    snapshot = LineSnapshot(
        provider_ref=iccid,
        iccid=iccid,
        state=LineState.READY,
        raw_states={"contractStatus": "ACTIVE", "profileProvisionStatus": "AVAILABLE", "profileInstallStatus": "READY"},
        state_as_of=T0,
        usage_as_of=T0,
        restricted=False,
        lpa=f"LPA:1$smdp.example.com$CODE-{iccid[-6:]}",
        smdp_address="smdp.example.com",
        matching_id=f"CODE-{iccid[-6:]}",
        home_country="JP",
        roaming_countries=("KR", "TW"),
        activation_deadline=datetime(2031, 10, 28, tzinfo=UTC),
    )
    return replace(snapshot, **fields)


def make_days(*used: tuple[date, int]) -> tuple[DailyUsage, ...]:
    return tuple(DailyUsage(day=day, used_bytes=size) for day, size in used)


def make_line(
    snapshot: LineSnapshot | None = None,
    *,
    account: ProviderAccount | None = None,
    customer: Customer | None = None,
    plan: Plan | None = None,
) -> Esim:
    """One line in the books, entered as a delivery is."""
    account = account or (plan.account if plan else make_account())
    (esim,) = register_lines(
        account=account,
        customer=customer or make_customer(),
        plan=plan or make_plan(account),
        snapshots=[snapshot or make_snapshot()],
        by="purchase",
    )
    return esim


def share_used(esim: Esim, *, now: datetime | None = None) -> float | None:
    """The used part of one line's allowance, measured as it is for many."""
    packages = list(Package.objects.filter(esim=esim))
    return measure_shares([esim], {esim.pk: packages}, now=now or timezone.now())[esim.pk]
