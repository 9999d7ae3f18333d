"""The data packages on a line: from the plan at first, then as the provider reports them, and by top-ups of ours.

A top-up that we bought stands here from the moment that the provider took it, whether or not it names the package yet.
What it reports later is matched with what stands (``_match``), so that no package stands twice.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from catalog.models import Plan
from esims.abilities import abilities_of
from esims.events import EventKind, make_event
from esims.models import Esim, LineEvent, Package
from providers.types import Capability, PackageSnapshot, PackageStatus

#: The longest texts that the columns hold.
_LONGEST_WORD, _LONGEST_NAME = 40, 300


@dataclass(slots=True)
class PackageChanges:
    """What a report does to the packages of lines, not saved yet."""

    new: list[Package] = field(default_factory=list)
    changed: list[Package] = field(default_factory=list)
    events: list[LineEvent] = field(default_factory=list)

    def save(self) -> None:
        """Write the packages (the events are the caller's); the number of statements does not grow with them."""
        Package.objects.bulk_create(self.new)
        if len(self.changed) == 1:
            self.changed[0].save()
        elif self.changed:
            Package.objects.bulk_update(self.changed, _STORED)


#: What a report may change on a package.
_STORED = (
    *("kind", "package_ref", "plan", "name", "data_bytes", "data_period", "data_unlimited", "used_bytes", "status"),
    *("raw_status", "order_ref", "order_key", "starts_at", "ends_at", "activate_by", "is_projected", "awaits_order"),
    "ordered_at",
)
#: The same without asking the database for the plan.
_COMPARED = tuple("plan_id" if name == "plan" else name for name in _STORED)


def find_plans(account_id: int, refs: Iterable[str]) -> Mapping[str, Plan]:
    """The account's plans by the code that a provider names them with: its reference, or its other code."""
    wanted = {ref for ref in refs if ref}
    if not wanted:
        return {}
    found = Plan.objects.filter(Q(plan_ref__in=wanted) | Q(alias__in=wanted), account_id=account_id)
    plans = list(found.order_by("pk"))
    by_alias = {plan.alias: plan for plan in plans if plan.alias in wanted}
    return {**by_alias, **{plan.plan_ref: plan for plan in plans if plan.plan_ref in wanted}}


def make_packages(
    esim: Esim, plan: Plan, reported: Sequence[PackageSnapshot], plans: Mapping[str, Plan] | None = None
) -> Iterator[Package]:
    """The packages of a new line, not saved yet: the reported ones, or one by the plan where none are reported."""
    snapshots = list(reported or (PackageSnapshot(package_ref=""),))
    base = max(range(len(snapshots)), key=lambda number: _likeness_to_base(esim, plan, snapshots[number], -number))
    for number, snapshot in enumerate(snapshots):
        known = plan if number == base else (plans or {}).get(snapshot.plan_ref)
        package = _start_package(esim, known, kind=Package.Kind.BASE if number == base else Package.Kind.TOP_UP)
        if known is None:
            package.name, package.data_period = plan.name, plan.data_period
        package.package_ref = snapshot.package_ref
        _take_package(package, snapshot, state=True, usage=True)
        yield package


def register_top_up(
    *, esim_id: int, plan: Plan, package: PackageSnapshot | None, order_key: str, order_ref: str, by: str
) -> Package:
    """Enter the package that a top-up of ours brought, within the caller's transaction; the same top-up twice is one.

    ``package`` is what the provider says of it, None where it says nothing yet. Where the provider has reported the
    package before, by whatever reading, that row is the one. ``order_key`` is our own key of the order.
    """
    with transaction.atomic():
        esim = Esim.objects.select_for_update(of=("self",)).select_related("account").get(pk=esim_id)
        snapshot = package or PackageSnapshot(package_ref="")
        row = _find_topped_up(list(Package.objects.filter(esim=esim)), snapshot, plan, order_key, order_ref)
        if row is None:
            row = _start_package(esim, plan, kind=Package.Kind.TOP_UP)
            make_event(esim, EventKind.PACKAGE_ADDED, by=by, facts={"name": snapshot.name or plan.name}).save()
        if row.plan_id is None:
            row.plan = plan
        row.package_ref = snapshot.package_ref or row.package_ref
        if package is not None:
            _take_package(row, package, state=True, usage=True)
        # Our own key stays, whatever the provider calls the order.
        row.order_key = order_key or row.order_key
        row.order_ref = order_ref or row.order_ref
        row.awaits_order = False
        row.save()
        if Capability.READ_LINE in abilities_of(esim.account):
            # Also a line that had ended: it may live again.
            Esim.objects.filter(pk=esim.pk).update(next_refresh_at=timezone.now())
    return row


def apply_packages(
    esim: Esim,
    reported: Sequence[PackageSnapshot],
    *,
    stored: list[Package],
    plans: Mapping[str, Plan],
    state: bool,
    usage: bool,
    by: str,
    changes: PackageChanges,
) -> None:
    """Bring the line's packages (``stored``, which is added to) up to date; what there is to save goes to ``changes``.

    ``state`` and ``usage`` say which of the two the report is new enough for.
    """
    if not reported or not (state or usage):
        return
    matched = _match(esim, reported, stored, plans)
    for snapshot, package in zip(reported, matched, strict=True):
        if package is None:
            if not state:
                continue
            known = plans.get(snapshot.plan_ref)
            package = _start_package(esim, known, kind=Package.Kind.TOP_UP)  # noqa: PLW2901 - the one just made
            if known is None:
                package.name, package.data_period = snapshot.package_ref, esim.plan.data_period
            facts = {"name": snapshot.name or package.name}
            changes.events.append(make_event(esim, EventKind.PACKAGE_ADDED, by=by, facts=facts))
            stored.append(package)
            changes.new.append(package)
        before = [getattr(package, name) for name in _COMPARED]
        status, key = package.status, package.order_key
        package.package_ref = snapshot.package_ref or package.package_ref
        if package.plan_id is None:
            package.plan = plans.get(snapshot.plan_ref)
        _take_package(package, snapshot, state=state, usage=usage)
        # Perhaps of an order of ours that is taken for lost: whoever knows the orders looks.
        package.awaits_order |= package.order_key != key and package.kind == Package.Kind.TOP_UP
        if package.pk is None:
            continue
        if package.status != status and status:
            facts = {"name": package.name, "old": status, "new": package.status}
            changes.events.append(make_event(esim, EventKind.PACKAGE_STATE, by=by, facts=facts))
        if before != [getattr(package, name) for name in _COMPARED]:
            changes.changed.append(package)


# -- which package is which -------------------------------------------------------------------------------------------


def _match(
    esim: Esim, reported: Sequence[PackageSnapshot], stored: Sequence[Package], plans: Mapping[str, Plan]
) -> list[Package | None]:
    """For each reported package the row that stands for it, None for a new one.

    By the surest sign first, over all of them: the provider's reference, our key, its order, then, among rows that it
    has not named yet, the plan. The base package was made from the line's plan, before anything was reported.
    """
    found: dict[int, Package] = {}
    free = {id(row): row for row in stored}

    def pair(fits: Callable[[PackageSnapshot, Package], bool], snapshots: Iterable[int]) -> None:
        for number in snapshots:
            if number in found:
                continue
            row = next((row for row in free.values() if fits(reported[number], row)), None)
            if row is not None:
                found[number] = free.pop(id(row))

    everything = range(len(reported))
    pair(lambda snapshot, row: bool(row.package_ref) and row.package_ref == snapshot.package_ref, everything)
    # A row with another reference is another package, however alike.
    for key in [key for key, row in free.items() if row.package_ref]:
        del free[key]
    pair(lambda snapshot, row: bool(row.order_key) and row.order_key == snapshot.order_key, everything)
    pair(
        lambda snapshot, row: bool(row.order_ref) and row.order_ref in {snapshot.order_ref, snapshot.package_ref},
        everything,
    )
    likest_first = sorted(
        everything, key=lambda number: _likeness_to_base(esim, esim.plan, reported[number], -number), reverse=True
    )
    if not any(row.kind == Package.Kind.BASE for row in found.values()):
        pair(lambda _snapshot, row: row.kind == Package.Kind.BASE, likest_first)
    ids = {ref: plan.pk for ref, plan in plans.items()}
    pair(lambda snapshot, row: row.plan_id is not None and row.plan_id == ids.get(snapshot.plan_ref), everything)
    pair(lambda snapshot, _row: not (snapshot.plan_ref or snapshot.order_key or snapshot.order_ref), everything)
    return [found.get(number) for number in everything]


def _likeness_to_base(esim: Esim, plan: Plan, snapshot: PackageSnapshot, place: int) -> tuple[bool, bool, int]:
    """How likely a reported package is the one that the line was sold with: by order, by plan, the earliest."""
    of_order = (bool(esim.order_ref) and snapshot.order_ref == esim.order_ref) or (
        bool(esim.order_key) and snapshot.order_key == esim.order_key
    )
    return of_order, bool(snapshot.plan_ref) and snapshot.plan_ref in {plan.plan_ref, plan.alias}, place


def _find_topped_up(
    stored: Sequence[Package], snapshot: PackageSnapshot, plan: Plan, order_key: str, order_ref: str
) -> Package | None:
    """The row of this top-up, if it stands already: entered before, or reported before."""
    top_ups = [row for row in stored if row.kind == Package.Kind.TOP_UP]
    refs = {ref for ref in (order_ref, snapshot.order_ref) if ref}
    signs: tuple[Callable[[Package], bool], ...] = (
        lambda row: bool(order_key) and row.order_key == order_key,
        lambda row: bool(snapshot.package_ref) and row.package_ref == snapshot.package_ref,
        lambda row: bool({row.order_ref, row.package_ref} & refs),
        # Reported without a word about its order: nobody else's, and of the same plan.
        lambda row: (
            bool(row.package_ref)
            and not snapshot.package_ref
            and not row.order_key
            and (not row.order_ref or not refs)
            and row.plan_id == plan.pk
        ),
    )
    for fits in signs:
        row = next((row for row in reversed(top_ups) if fits(row)), None)
        if row is not None:
            return row
    return None


# -- what a report says -----------------------------------------------------------------------------------------------


def _start_package(esim: Esim, plan: Plan | None, *, kind: str) -> Package:
    """A package as the plan describes it, not saved yet."""
    package = Package(esim=esim, kind=kind, plan=plan)
    if plan is not None:
        package.name = plan.name
        package.data_bytes = plan.data_bytes
        package.data_period = plan.data_period
        package.data_unlimited = plan.data_unlimited
    return package


def _take_package(package: Package, snapshot: PackageSnapshot, *, state: bool, usage: bool) -> None:
    """Set what the snapshot reports; what it does not report stays."""
    if usage and snapshot.used_bytes is not None:
        package.used_bytes = snapshot.used_bytes
    if not state:
        return
    package.name = snapshot.name[:_LONGEST_NAME] or package.name
    package.raw_status = snapshot.raw_status[:_LONGEST_WORD] or package.raw_status
    package.order_ref = snapshot.order_ref or package.order_ref
    package.order_key = package.order_key or snapshot.order_key
    if snapshot.status is not None:
        package.status = snapshot.status.value
    if package.is_projected and not snapshot.is_projected:
        # What would have been says nothing about what has come.
        package.starts_at = package.ends_at = None
    package.starts_at = snapshot.starts_at or package.starts_at
    package.ends_at = snapshot.ends_at or package.ends_at
    package.activate_by = snapshot.activate_by or package.activate_by
    package.ordered_at = snapshot.ordered_at or package.ordered_at
    package.is_projected = snapshot.is_projected
    if snapshot.allowance is not None:
        package.data_bytes = snapshot.allowance.data_bytes
        package.data_period = snapshot.allowance.period.value
        package.data_unlimited = snapshot.allowance.unlimited


def is_over(package: Package) -> bool:
    """Whether nothing more comes of the package."""
    return package.status in {PackageStatus.ENDED.value, PackageStatus.TERMINATED.value}
