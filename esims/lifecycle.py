"""Entering lines into the books, and bringing what a provider says of them up to date."""

from collections.abc import Sequence
from datetime import datetime

from django.db import IntegrityError, transaction
from django.utils import timezone

from catalog.models import Plan
from customers.models import Customer
from esims.abilities import abilities_of
from esims.days import DayChanges
from esims.events import EventKind, make_event
from esims.facts import take_state, take_usage
from esims.line_batch import LineBatch
from esims.models import Esim, LineEvent, Package
from esims.notices import plan_next_notice
from esims.packages import find_plans, make_packages
from esims.schedule import plan_next_refresh, plan_next_usage
from providers.models import ProviderAccount
from providers.types import Capability, LineSnapshot, LineState


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
    now, abilities = timezone.now(), abilities_of(account)
    esims = []
    for snapshot in snapshots:
        esim = Esim(account=account, customer=customer, plan=plan, provider_ref=snapshot.provider_ref, created_at=now)
        take_state(esim, snapshot)
        take_usage(esim, snapshot)
        esim.refreshed_at = now
        _plan_first_reads(esim, abilities, now)
        esim.notice_due_at = plan_next_notice(esim, now=now)
        esims.append(esim)
    days = DayChanges()
    plans = find_plans(account.pk, {package.plan_ref for snapshot in snapshots for package in snapshot.packages})
    with transaction.atomic():
        _insert_lines(esims, by=by)
        for esim, snapshot in zip(esims, snapshots, strict=True):
            if snapshot.daily_usage is not None:
                days.report(esim, snapshot.daily_usage)
            elif Capability.USAGE_BY_DAY not in abilities:
                days.sample(esim, None)
        days.save(are_new=True)
        Package.objects.bulk_create(
            package
            for esim, snapshot in zip(esims, snapshots, strict=True)
            for package in make_packages(esim, plan, snapshot.packages, plans)
        )
    return esims


def register_bare_lines(
    *, account: ProviderAccount, customer: Customer, plan: Plan, refs: Sequence[str], by: str
) -> list[Esim]:
    """Enter lines of which only the provider's reference is known; each is read as soon as possible.

    Within the caller's transaction. Raises ``LineAlreadyHeld``, then nothing was written.
    """
    now = timezone.now()
    first_read = now if Capability.READ_LINE in abilities_of(account) else None
    esims = [
        Esim(
            account=account,
            customer=customer,
            plan=plan,
            provider_ref=ref,
            state=LineState.PROVISIONING.value,
            next_refresh_at=first_read,
            created_at=now,
        )
        for ref in refs
    ]
    for esim in esims:
        esim.notice_due_at = plan_next_notice(esim, now=now)
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
        batch = LineBatch.lock([esim_id])
        if esim_id not in batch.lines:
            raise Esim.DoesNotExist(esim_id)
        batch.apply({esim_id: snapshot}, by=by)
        batch.save()
    return batch.lines[esim_id]


def _plan_first_reads(esim: Esim, abilities: frozenset[Capability], now: datetime) -> None:
    """A line whose provider tells of none is never read."""
    if Capability.READ_LINE not in abilities:
        return
    usage_apart = Capability.USAGE_BATCH in abilities
    esim.next_refresh_at = plan_next_refresh(esim, now=now, usage_apart=usage_apart)
    esim.next_usage_at = plan_next_usage(esim, now=now) if usage_apart else None


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
