"""Some lines, locked and loaded with everything that a report may change, brought up to date and written together.

The number of statements does not grow with the number of lines: a provider that tells of thirty at once costs no more
than one that tells of one.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Self

import structlog
from django.utils import timezone

from catalog.models import Plan
from esims.abilities import abilities_of
from esims.days import DayChanges, sample_of
from esims.facts import STORED, describe_changes, take_state, take_usage
from esims.models import Esim, LineEvent, Package
from esims.notices import MOMENT_FIELDS, has_deadline, measure_total_use, note_use, plan_next_notice
from esims.packages import PackageChanges, apply_packages, find_plans
from esims.row_changes import write_changes
from esims.used_up import tell_used_up
from providers.types import Capability, LineSnapshot

log = structlog.get_logger(__name__)

#: What the reading itself notes on a line.
BOOKKEEPING = (
    *("refreshed_at", "next_refresh_at", "next_usage_at", "refresh_failures", "refresh_error", "refresh_claimed_until"),
    "notice_due_at",
)


class LineBatch:
    """Lines by id, within the caller's transaction. The locks hold other writers of these lines off until its end."""

    def __init__(self, lines: Sequence[Esim], packages: Mapping[int, list[Package]]) -> None:
        self.lines = {line.pk: line for line in lines}
        self.packages = packages
        self._before = {line.pk: {name: getattr(line, name) for name in STORED} for line in lines}
        self._kept = {line.pk: {name: getattr(line, name) for name in BOOKKEEPING} for line in lines}
        self._deadlines = {line.pk: _deadlines(packages[line.pk]) for line in lines}
        self._used = {line.pk: measure_total_use(line, packages[line.pk]) for line in lines}
        self._package_changes = PackageChanges()
        self._days = DayChanges()
        self._events: list[LineEvent] = []
        self._by = ""
        self._abilities: dict[int, frozenset[Capability]] = {}

    @classmethod
    def lock(cls, ids: Iterable[int]) -> Self:
        """Load and lock. On SQLite transactions exclude each other anyway."""
        lines = Esim.objects.select_for_update(of=("self",)).select_related("account", "plan")
        # Always in the same order: two batches that share lines never wait for each other in a circle.
        found = list(lines.filter(pk__in=list(ids)).order_by("pk"))
        packages: dict[int, list[Package]] = {line.pk: [] for line in found}
        for package in Package.objects.filter(esim_id__in=packages).order_by("pk"):
            packages[package.esim_id].append(package)
        return cls(found, packages)

    def apply(self, snapshots: Mapping[int, LineSnapshot], *, by: str) -> None:
        """Take what a provider said of lines (by id). State and usage each by its own stamp: older than what is stored
        is left out, equal is applied. One timeline row per visible change.

        Raises ``ValueError`` for the snapshot of another line.
        """
        self._by = by
        plans = self._find_plans(snapshots)
        for pk, snapshot in tell_used_up(snapshots, self.packages).items():
            self._apply_one(self.lines[pk], snapshot, plans, by=by)

    def save(self) -> None:
        """Write what has changed."""
        now = timezone.now()
        changes: dict[int, dict[str, Any]] = {}
        for pk, line in self.lines.items():
            before = {**self._before[pk], **self._kept[pk]}
            packages = self.packages[pk]
            if any(before[name] != getattr(line, name) for name in MOMENT_FIELDS) or (
                self._deadlines[pk] != _deadlines(packages)
            ):
                line.notice_due_at = plan_next_notice(line, now=now, packages=packages)
            changes[pk] = {name: value for name, old in before.items() if (value := getattr(line, name)) != old}
        write_changes(changes)
        self._package_changes.save()
        self._days.save()
        # Only now the packages have their ids.
        used = {pk: measure_total_use(line, self.packages[pk]) for pk, line in self.lines.items()}
        told = [note_use(line, self._used[pk], used[pk], by=self._by) for pk, line in self.lines.items()]
        events = [*self._events, *self._package_changes.events, *(event for event in told if event is not None)]
        if events:
            LineEvent.objects.bulk_create(events)

    def _find_plans(self, snapshots: Mapping[int, LineSnapshot]) -> Mapping[str, Plan]:
        """Plans that packages name, where a package here has none yet. All lines of a batch are of one account."""
        refs = set()
        for pk, snapshot in snapshots.items():
            known = {package.package_ref for package in self.packages[pk] if package.plan_id is not None}
            refs |= {package.plan_ref for package in snapshot.packages if package.package_ref not in known}
        accounts = {line.account_id for line in self.lines.values()}
        return find_plans(accounts.pop(), refs) if len(accounts) == 1 else {}

    def _apply_one(self, line: Esim, snapshot: LineSnapshot, plans: Mapping[str, Plan], *, by: str) -> None:
        if snapshot.provider_ref != line.provider_ref:
            raise ValueError("the snapshot is of another line")
        newer_state = line.state_as_of is None or snapshot.state_as_of >= line.state_as_of
        newer_usage = line.usage_as_of is None or snapshot.usage_as_of >= line.usage_as_of
        if newer_state:
            take_state(line, snapshot)
            if snapshot.faults:
                log.warning("line partly unreadable", esim=line.pk, where=[fault.where for fault in snapshot.faults])
            self._events += describe_changes(line, self._before[line.pk], by=by)
        if newer_usage:
            earlier = sample_of(line)
            take_usage(line, snapshot)
            if snapshot.daily_usage is not None:
                self._days.report(line, snapshot.daily_usage)
            elif self._derives_days(line):
                self._days.sample(line, earlier)
        apply_packages(
            line,
            snapshot.packages,
            stored=self.packages[line.pk],
            plans=plans,
            state=newer_state,
            usage=newer_usage,
            by=by,
            changes=self._package_changes,
        )

    def _derives_days(self, line: Esim) -> bool:
        """Whether the line's days are derived from totals: never where the provider reports days itself."""
        if line.account_id not in self._abilities:
            self._abilities[line.account_id] = abilities_of(line.account)
        return Capability.USAGE_BY_DAY not in self._abilities[line.account_id]


def _deadlines(packages: Iterable[Package]) -> list[datetime | None]:
    """By when those that wait are to be started."""
    return [package.activate_by for package in packages if has_deadline(package)]
