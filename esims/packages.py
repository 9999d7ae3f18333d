"""The data packages on a line: from the plan at first, then as the provider reports them."""

from collections.abc import Iterator, Sequence

from catalog.models import Plan
from esims.events import EventKind, make_event
from esims.models import Esim, LineEvent, Package
from providers.types import PackageSnapshot


def make_packages(esim: Esim, plan: Plan, reported: Sequence[PackageSnapshot]) -> Iterator[Package]:
    """The packages of a new line, not saved yet: the reported ones, or one by the plan where none are reported."""
    for number, snapshot in enumerate(reported or (PackageSnapshot(package_ref=""),)):
        package = Package(
            esim=esim,
            kind=Package.Kind.TOP_UP if number else Package.Kind.BASE,
            package_ref=snapshot.package_ref,
            name=plan.name,
            data_period=plan.data_period,
        )
        if number == 0:
            package.plan = plan
            package.data_bytes = plan.data_bytes
            package.data_unlimited = plan.data_unlimited
        _take_package(package, snapshot, state=True, usage=True)
        yield package


def apply_packages(
    esim: Esim, reported: Sequence[PackageSnapshot], *, state: bool, usage: bool, by: str
) -> list[LineEvent]:
    """Bring the line's packages up to date, within the caller's transaction; returns timeline rows, not saved yet.

    ``state`` and ``usage`` say which of the two the snapshot is new enough for.
    """
    events: list[LineEvent] = []
    if not reported or not (state or usage):
        return events
    stored = list(Package.objects.filter(esim=esim))
    for snapshot in reported:
        package = next((row for row in stored if row.package_ref == snapshot.package_ref), None)
        if package is None:
            # The base package was made from the plan, before the provider's reference was known.
            package = next((row for row in stored if row.kind == Package.Kind.BASE and not row.package_ref), None)
        if package is None:
            if not state:
                continue
            package = Package(
                esim=esim, kind=Package.Kind.TOP_UP, name=snapshot.package_ref, data_period=esim.plan.data_period
            )
            facts = {"name": snapshot.name or snapshot.package_ref}
            events.append(make_event(esim, EventKind.PACKAGE_ADDED, by=by, facts=facts))
            stored.append(package)
        package.package_ref = snapshot.package_ref
        _take_package(package, snapshot, state=state, usage=usage)
        package.save()
    return events


def _take_package(package: Package, snapshot: PackageSnapshot, *, state: bool, usage: bool) -> None:
    """Set what the snapshot reports; what it does not report stays."""
    if usage and snapshot.used_bytes is not None:
        package.used_bytes = snapshot.used_bytes
    if not state:
        return
    package.name = snapshot.name or package.name
    package.raw_status = snapshot.raw_status or package.raw_status
    package.starts_at = snapshot.starts_at or package.starts_at
    package.ends_at = snapshot.ends_at or package.ends_at
    if snapshot.allowance is not None:
        package.data_bytes = snapshot.allowance.data_bytes
        package.data_period = snapshot.allowance.period.value
        package.data_unlimited = snapshot.allowance.unlimited
