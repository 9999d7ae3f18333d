"""Whether a line that its provider calls over has only used up its data: some have one word for both ends of a package.

An adapter says so where the report tells how long the package runs. Where it does not, our own plan knows.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from catalog.models import Plan
from esims.models import Package
from providers.types import LineSnapshot, LineState, PackageSnapshot, PackageStatus


def tell_used_up(
    snapshots: Mapping[int, LineSnapshot], packages: Mapping[int, Sequence[Package]]
) -> Mapping[int, LineSnapshot]:
    """Reports (by line) in which "expired" is "depleted" where the data of the package that ended last is used up and
    its days are not over. ``packages``: what is stored of the lines. A query more only where something has expired.
    """
    ended = {
        pk: last
        for pk, snapshot in snapshots.items()
        if snapshot.state is LineState.EXPIRED and (last := _find_used_up(snapshot.packages)) is not None
    }
    if not ended:
        return snapshots
    plan_ids = {pk: _find_plan_id(packages[pk], last) for pk, last in ended.items()}
    days = _find_days(plan_id for plan_id in plan_ids.values() if plan_id is not None)
    told = dict(snapshots)
    for pk, last in ended.items():
        length, begun = days.get(plan_ids[pk] or 0), last.starts_at
        if length and begun is not None and _still_runs(begun, length, snapshots[pk].state_as_of):
            told[pk] = replace(told[pk], state=LineState.DEPLETED)
    return told


def _find_used_up(packages: Iterable[PackageSnapshot]) -> PackageSnapshot | None:
    """The package whose end ended the line, if all of its data is used; one that ended before it says nothing."""
    ended = [package for package in packages if package.status is PackageStatus.ENDED]
    if not ended or any(package.starts_at is None for package in ended):
        return None
    last = max(ended, key=lambda package: package.starts_at.timestamp() if package.starts_at else 0.0)
    limit = last.allowance.data_bytes if last.allowance else None
    return last if limit and last.used_bytes is not None and last.used_bytes >= limit else None


def _find_plan_id(stored: Iterable[Package], package: PackageSnapshot) -> int | None:
    """The plan of the row that stands for the package by its reference or its order; nothing less sure will do."""
    names = {package.package_ref, package.order_ref} - {""}
    return next((row.plan_id for row in stored if {row.package_ref, row.order_ref} & names), None)


def _find_days(plan_ids: Iterable[int]) -> Mapping[int, int | None]:
    """How long plans run; not those whose days the customer chooses."""
    plans = Plan.objects.filter(pk__in=set(plan_ids), days_choice_max__isnull=True)
    return dict(plans.values_list("pk", "validity_days"))


def _still_runs(begun: datetime, days: int, at: datetime) -> bool:
    return begun + timedelta(days=days) > at
