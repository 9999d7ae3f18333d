"""Entering lines into the books, and bringing what a provider says of them up to date."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import structlog
from django.db import IntegrityError, models, transaction
from django.utils import timezone

from catalog.models import Plan
from customers.models import Customer
from esims.events import EventKind, make_event
from esims.models import Esim, LineEvent, Package, UsageDay
from esims.packages import PackageChanges, apply_packages, find_plans, make_packages
from esims.schedule import plan_next_refresh
from esims.states import ENDED
from providers.models import ProviderAccount
from providers.types import DailyUsage, LineSnapshot, LineState

log = structlog.get_logger(__name__)

#: What a snapshot says of the line, and our field for it. Not reported (None or "") never erases what is known.
_FACTS = {
    "iccid": "iccid",
    "restricted": "is_restricted",
    "home_country": "home_country",
    "roaming_countries": "roaming_countries",
    "activation_deadline": "activation_deadline",
    "downloaded_at": "downloaded_at",
    "installed_at": "installed_at",
    "activated_on": "activated_on",
    "expires_on": "expires_on",
    "terminated_on": "terminated_on",
}
#: The same for secrets and personal numbers: the timeline names the field, never the value.
_CODES = {
    "lpa": "lpa",
    "smdp_address": "smdp_address",
    "matching_id": "matching_id",
    "eid": "eid",
    "install_device_imei": "install_device_imei",
    "connection_device_imei": "connection_device_imei",
}
#: Everything that a snapshot may change on the line.
_STORED = (
    *_FACTS.values(),
    *_CODES.values(),
    *("iccid_reversed", "state", "raw_states", "raw", "state_as_of", "total_used_bytes", "usage_as_of"),
)
_MAX_LENGTH = {
    field.name: field.max_length
    for field in Esim._meta.concrete_fields  # noqa: SLF001 - Django's public API
    if isinstance(field, models.CharField) and field.max_length
}


class LineAlreadyHeld(Exception):
    """These lines are in our books already (or twice in one delivery): nothing was written."""

    def __init__(self, refs: Sequence[str]) -> None:
        super().__init__(f"{len(refs)} lines are in the books already")
        self.refs = tuple(refs)


def register_lines(
    *, account: ProviderAccount, customer: Customer, plan: Plan, snapshots: Sequence[LineSnapshot], by: str
) -> list[Esim]:
    """Enter delivered lines, in the order of ``snapshots``, within the caller's transaction.

    The number of statements does not grow with the number of lines (SQLite cuts long ones in parts).
    Raises ``LineAlreadyHeld``, then nothing was written.
    """
    now = timezone.now()
    esims = []
    for snapshot in snapshots:
        esim = Esim(account=account, customer=customer, plan=plan, provider_ref=snapshot.provider_ref, created_at=now)
        _take_state(esim, snapshot)
        _take_usage(esim, snapshot)
        esim.refreshed_at = now
        esim.next_refresh_at = plan_next_refresh(esim, now=now)
        esims.append(esim)
    with transaction.atomic():
        _insert_lines(esims, by=by)
        UsageDay.objects.bulk_create(
            day
            for esim, snapshot in zip(esims, snapshots, strict=True)
            for day in _usage_days(esim, snapshot.daily_usage or ())
        )
        Package.objects.bulk_create(
            package
            for esim, snapshot in zip(esims, snapshots, strict=True)
            for package in make_packages(esim, plan, snapshot.packages)
        )
    return esims


def register_bare_lines(
    *, account: ProviderAccount, customer: Customer, plan: Plan, refs: Sequence[str], by: str
) -> list[Esim]:
    """Enter lines of which only the provider's reference is known; each is read as soon as possible.

    Within the caller's transaction. Raises ``LineAlreadyHeld``, then nothing was written.
    """
    now = timezone.now()
    esims = [
        Esim(
            account=account,
            customer=customer,
            plan=plan,
            provider_ref=ref,
            state=LineState.PROVISIONING.value,
            next_refresh_at=now,
        )
        for ref in refs
    ]
    with transaction.atomic():
        _insert_lines(esims, by=by)
        Package.objects.bulk_create(package for esim in esims for package in make_packages(esim, plan, ()))
    return esims


def apply_snapshot(*, esim_id: int, snapshot: LineSnapshot, by: str) -> Esim:
    """Bring a line up to date with what its provider said; returns it as it then is.

    State and usage are taken each by its own stamp: older than what is stored is left out, equal is applied. One
    timeline row per visible change. Raises ``ValueError`` for the snapshot of another line.
    """
    with transaction.atomic():
        # The lock holds writers of this line off until the commit; SQLite's transactions exclude each other anyway.
        esim = Esim.objects.select_for_update(of=("self",)).select_related("account", "plan").get(pk=esim_id)
        if snapshot.provider_ref != esim.provider_ref:
            raise ValueError("the snapshot is of another line")
        before = {name: getattr(esim, name) for name in _STORED}
        events: list[LineEvent] = []
        newer_state = _is_current(snapshot.state_as_of, esim.state_as_of)
        newer_usage = _is_current(snapshot.usage_as_of, esim.usage_as_of)
        if newer_state:
            _take_state(esim, snapshot)
            if snapshot.faults:
                log.warning("line partly unreadable", esim=esim_id, where=[fault.where for fault in snapshot.faults])
            events = _describe_changes(esim, before, by=by)
        if newer_usage:
            _take_usage(esim, snapshot)
            _store_usage_days(esim, snapshot.daily_usage or ())
        changes = PackageChanges()
        if snapshot.packages:
            apply_packages(
                esim,
                snapshot.packages,
                stored=list(Package.objects.filter(esim=esim)),
                plans=find_plans(esim.account_id, (package.plan_ref for package in snapshot.packages)),
                state=newer_state,
                usage=newer_usage,
                by=by,
                changes=changes,
            )
            changes.save()
            events += changes.events
        changed = [name for name, value in before.items() if getattr(esim, name) != value]
        if changed:
            esim.save(update_fields=changed)
        if events:
            LineEvent.objects.bulk_create(events)
    return esim


def _is_current(stamp: datetime, stored: datetime | None) -> bool:
    return stored is None or stamp >= stored


def _insert_lines(esims: Sequence[Esim], *, by: str) -> None:
    """Insert the lines with their first timeline row, or raise ``LineAlreadyHeld``."""
    refs = [esim.provider_ref for esim in esims]
    if not refs:
        return
    twice = sorted({ref for ref in refs if refs.count(ref) > 1}) if len(set(refs)) < len(refs) else []
    held = twice or _held_refs(esims[0].account, refs)
    if held:
        raise LineAlreadyHeld(held)
    try:
        with transaction.atomic():
            Esim.objects.bulk_create(esims)
    except IntegrityError as error:
        # Somebody else entered one of them between the look and the insert.
        raise LineAlreadyHeld(_held_refs(esims[0].account, refs)) from error
    LineEvent.objects.bulk_create(
        make_event(esim, EventKind.REGISTERED, by=by, facts={"state": esim.state}) for esim in esims
    )


def _held_refs(account: ProviderAccount, refs: Sequence[str]) -> list[str]:
    return list(
        Esim.objects.filter(account=account, provider_ref__in=refs)
        .order_by("provider_ref")
        .values_list("provider_ref", flat=True)
    )


def _take_state(esim: Esim, snapshot: LineSnapshot) -> None:
    """Set on the line what the snapshot says of everything but usage."""
    for source, field in {**_FACTS, **_CODES}.items():
        value = getattr(snapshot, source)
        if value is None or value == "":
            continue
        if isinstance(value, str) and len(value) > _MAX_LENGTH.get(field, len(value)):
            log.warning("value too long, not taken", field=field, length=len(value), account=esim.account_id)
            continue
        setattr(esim, field, list(value) if isinstance(value, tuple) else value)
    if snapshot.state not in ENDED and snapshot.terminated_on is None:
        # The one date that may be taken back: a line that lives again has no end.
        esim.terminated_on = None
    esim.iccid_reversed = esim.iccid[::-1]
    esim.state = snapshot.state.value
    esim.raw_states = dict(snapshot.raw_states)
    esim.raw = dict(snapshot.raw)
    esim.state_as_of = snapshot.state_as_of


def _take_usage(esim: Esim, snapshot: LineSnapshot) -> None:
    """Set the total; not reported leaves the last one known, with its time."""
    if snapshot.total_used_bytes is not None:
        esim.total_used_bytes = snapshot.total_used_bytes
    if snapshot.total_used_bytes is not None or snapshot.daily_usage is not None:
        esim.usage_as_of = snapshot.usage_as_of


def _usage_days(esim: Esim, reported: Sequence[DailyUsage]) -> list[UsageDay]:
    """One row per reported day; of a day told twice the last word counts."""
    by_day = {entry.day: entry.used_bytes for entry in reported}
    return [UsageDay(esim=esim, day=day, used_bytes=used) for day, used in by_day.items()]


def _store_usage_days(esim: Esim, reported: Sequence[DailyUsage]) -> None:
    """Replace reported days whose number differs; days that are no longer in the list stay."""
    rows = _usage_days(esim, reported)
    if not rows:
        return
    stored = {
        day: (used, derived)
        for day, used, derived in UsageDay.objects.filter(esim=esim, day__in=[row.day for row in rows]).values_list(
            "day", "used_bytes", "is_derived"
        )
    }
    UsageDay.objects.bulk_create(
        [row for row in rows if stored.get(row.day) != (row.used_bytes, False)],
        update_conflicts=True,
        unique_fields=["esim", "day"],
        update_fields=["used_bytes", "is_derived"],
    )


def _describe_changes(esim: Esim, before: Mapping[str, Any], *, by: str) -> list[LineEvent]:
    """One timeline row per visible change of what is not usage."""
    events = []
    words = {"old": before["raw_states"], "new": esim.raw_states}
    if esim.state != before["state"]:
        facts = {"old": before["state"], "new": esim.state, "words": esim.raw_states}
        events.append(make_event(esim, EventKind.STATE, by=by, facts=facts))
    elif words["old"] != words["new"]:
        events.append(make_event(esim, EventKind.PROVIDER_STATES, by=by, facts=words))
    for field in _FACTS.values():
        old, new = before[field], getattr(esim, field)
        if old != new:
            facts = {"field": field, "old": old, "new": new}
            events.append(make_event(esim, EventKind.FIELD, by=by, facts=facts))
    codes = [field for field in _CODES.values() if getattr(esim, field) != before[field]]
    first = [field for field in codes if not before[field]]
    changed = [field for field in codes if before[field]]
    if first:
        events.append(make_event(esim, EventKind.CODES_REPORTED, by=by, facts={"fields": first}))
    if changed:
        events.append(make_event(esim, EventKind.CODES_CHANGED, by=by, facts={"fields": changed}))
    return events
