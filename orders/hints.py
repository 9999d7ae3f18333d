"""What the hints of deliveries mean here: which orders and lines they name, and that those are made due."""

from collections import defaultdict
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field
from itertools import chain

from django.db.models import Q, QuerySet
from django.utils import timezone

from esims.models import Esim, Package
from esims.states import ENDED
from orders.models import OrderLine, Purchase
from orders.recalling import LOST, Recalled, lock_orders, recall_purchases
from providers.models import WebhookDelivery
from providers.registry import offers
from providers.types import Capability, WebhookHint, WebhookKind

DS = WebhookDelivery.State
_ENDED_VALUES = frozenset(state.value for state in ENDED)
_OPEN = frozenset(Purchase.State) - frozenset(Purchase.ENDED)
#: More lines than these are not read again because one event named their order.
_MOST_LINES = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class _Meant:
    """The rows that a hint names: purchases, whatever has become of them, and lines."""

    hint: WebhookHint
    purchases: frozenset[int] = frozenset()
    lines: frozenset[int] = frozenset()


def follow_hints(
    *, account_id: int, slug: str, deliveries: Sequence[Sequence[WebhookHint]]
) -> Sequence[tuple[str, str]]:
    """Make due what some deliveries of one account name, once each; the new state and a note of every delivery.

    Called inside a transaction that has locked nothing but deliveries.
    """
    finder = _Finder(account_id, slug, [hint for hints in deliveries for hint in hints])
    meant = [[finder.find(hint) for hint in hints] for hints in deliveries]
    named: dict[int, list[WebhookHint]] = defaultdict(list)
    for one in (one for ones in meant for one in ones):
        # What is told of a line that is here is no news of an order that has ended.
        is_known = one.lines and one.hint.kind is not WebhookKind.ORDER_READY
        for pk in one.purchases:
            if not (is_known and finder.states[pk] in Purchase.ENDED):
                named[pk].append(one.hint)
    lost = {pk for pk in named if finder.states[pk] in LOST}
    # Locked as every purchase locks: orders, purchases, then lines, each in the order of their keys. Whatever the
    # deliveries name, and in whatever order, two transactions never wait for each other in a circle.
    if lost:
        lock_orders(lost)
    sought = {pk for pk in named if finder.states[pk] == Purchase.State.ALLOCATING}
    purchases = _lock(Purchase.objects.all(), sought | lost)
    recalled = recall_purchases({pk: named[pk] for pk in lost}) if lost else Recalled()
    lines = _lock(Esim.objects.all(), {pk for ones in meant for one in ones for pk in one.lines})
    waiting = {pk for pk in sought if purchases.get(pk) == Purchase.State.ALLOCATING}
    live = {pk for pk, state in lines.items() if state not in _ENDED_VALUES}
    reads_use = offers(slug, Capability.USAGE_BATCH)
    by_field: dict[str, set[int]] = defaultdict(set)
    for one in (one for ones in meant for one in ones):
        # Of a line only the use, where that can be read alone and only that moved.
        is_use = reads_use and one.hint.kind is WebhookKind.USAGE
        by_field["next_usage_at" if is_use else "next_refresh_at"] |= one.lines & live
    now = timezone.now()
    if waiting:
        Purchase.objects.filter(pk__in=waiting).update(next_attempt_at=now)
    for name, keys in by_field.items():
        if keys:
            Esim.objects.filter(pk__in=keys).update(**{name: now})
    words = _Words(woken=waiting | recalled.sought, live=live, asked=recalled.asked)
    return [words.judge(ones) for ones in meant]


def _lock(rows: "QuerySet[Purchase] | QuerySet[Esim]", keys: set[int]) -> Mapping[int, str]:
    """Lock rows in the order of their keys; the state of each as it is then.

    No key of theirs changes: whoever writes a row that names one of them, such as an event, need not wait.
    """
    if not keys:
        return {}
    locked = rows.select_for_update(of=("self",), no_key=True).filter(pk__in=keys).order_by("pk")
    return dict(locked.values_list("pk", "state"))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Words:
    """What became of deliveries, by what was done: purchases and lines that are read again, purchases to look at."""

    woken: Set[int]
    live: Set[int]
    asked: Set[int]

    def judge(self, meant: Sequence[_Meant]) -> tuple[str, str]:
        """A delivery's new state, and a note for staff."""
        notes = [self._describe(one) for one in meant]
        if all(one.hint.kind is WebhookKind.HEALTH_CHECK for one in meant):
            return (DS.IGNORED, notes[0]) if notes else (DS.NOT_UNDERSTOOD, "it names nothing")
        note = "; ".join(dict.fromkeys(notes))
        if any(one.hint.kind is WebhookKind.UNKNOWN for one in meant):
            return DS.NOT_UNDERSTOOD, f"an unknown event; {note}"
        is_followed = any(one.purchases & (self.woken | self.asked) or one.lines & self.live for one in meant)
        return (DS.APPLIED if is_followed else DS.IGNORED), note

    def _describe(self, meant: _Meant) -> str:
        if meant.hint.kind is WebhookKind.HEALTH_CHECK:
            return "the provider tried whether we answer"
        woken = len(meant.purchases & self.woken) + len(meant.lines & self.live)
        if woken:
            return f"{woken} to be read again"
        if meant.purchases & self.asked:
            return "names an order that was given up: a person is asked"
        return "names an order that is settled or under way" if meant.purchases else "names nothing of ours"


class _Finder:
    """Finds what hints name, looked up for all of them at once: a long list costs no more questions than one event."""

    def __init__(self, account_id: int, slug: str, hints: Sequence[WebhookHint]) -> None:
        self._ours = Esim.objects.filter(account_id=account_id)
        self._tells_lines = offers(slug, Capability.READ_LINE)
        named = [hint for hint in hints if hint.kind is not WebhookKind.HEALTH_CHECK]
        self._named = _find_purchases(account_id, named)
        self.states: Mapping[int, str] = self._named.states
        self._by_ref = self._find_by_ref({hint.provider_ref for hint in named} - {""})
        rest = [hint for hint in named if hint.provider_ref not in self._by_ref] if self._tells_lines else []
        orders, iccids = {hint.order_ref for hint in rest} - {""}, {hint.iccid for hint in rest} - {""}
        self._of_order = self._find_of_orders(orders)
        self._with_package = self._find_with_packages(orders)
        self._newest = self._find_newest(iccids)

    def find(self, hint: WebhookHint) -> _Meant:
        if hint.kind is WebhookKind.HEALTH_CHECK:
            return _Meant(hint=hint)
        purchases = self._named.by_order[hint.order_ref] | self._named.by_key[hint.order_key]
        return _Meant(hint=hint, purchases=frozenset(purchases), lines=self._find_lines(hint))

    def _find_by_ref(self, refs: set[str]) -> Mapping[str, int]:
        if not (refs and self._tells_lines):
            return {}
        return dict(self._ours.filter(provider_ref__in=refs).values_list("provider_ref", "pk"))

    def _find_lines(self, hint: WebhookHint) -> frozenset[int]:
        """The lines that a hint names, by the surest of what it names; none where it names no line of ours."""
        if not self._tells_lines:
            return frozenset()
        if hint.provider_ref in self._by_ref:
            return frozenset((self._by_ref[hint.provider_ref],))
        of_order = self._of_order[hint.order_ref]
        ways = (
            [pk for pk, iccid in of_order if iccid == hint.iccid] if hint.iccid else [],
            self._with_package[hint.order_ref],
            # An ICCID alone may have been given to several lines one after the other: the newest is meant then.
            [self._newest[hint.iccid]] if hint.iccid in self._newest else [],
            [] if hint.iccid else [pk for pk, _iccid in of_order],
        )
        return frozenset(next((found for found in ways if found), [])[:_MOST_LINES])

    def _find_of_orders(self, orders: set[str]) -> Mapping[str, list[tuple[int, str]]]:
        """Lines with their ICCIDs, by the order that brought them."""
        found: dict[str, list[tuple[int, str]]] = defaultdict(list)
        if orders:
            rows = self._ours.filter(order_ref__in=orders).order_by("-pk")
            for order_ref, pk, iccid in rows.values_list("order_ref", "pk", "iccid"):
                found[order_ref].append((pk, iccid))
        return found

    def _find_with_packages(self, orders: set[str]) -> Mapping[str, list[int]]:
        """Lines by the order that brought a package onto them."""
        found: dict[str, list[int]] = defaultdict(list)
        if orders:
            rows = Package.objects.filter(order_ref__in=orders).order_by().values_list("esim_id", "order_ref")
            packages = sorted(set(rows), reverse=True)
            ours = set(self._ours.filter(pk__in={pk for pk, _order in packages}).values_list("pk", flat=True))
            for pk, order_ref in packages:
                if pk in ours:
                    found[order_ref].append(pk)
        return found

    def _find_newest(self, iccids: set[str]) -> Mapping[str, int]:
        if not iccids:
            return {}
        rows = self._ours.filter(iccid__in=iccids).order_by().values_list("created_at", "pk", "iccid")
        return {iccid: pk for _created, pk, iccid in sorted(rows)}


@dataclass(slots=True)
class _Named:
    """Purchases by the provider's number and by our key, and the state of each."""

    by_order: dict[str, set[int]] = field(default_factory=lambda: defaultdict(set))
    by_key: dict[str, set[int]] = field(default_factory=lambda: defaultdict(set))
    states: dict[int, str] = field(default_factory=dict)


def _find_purchases(account_id: int, hints: Sequence[WebhookHint]) -> _Named:
    """The orders that hints name, whatever has become of them.

    One by form waits for its file, whatever is said. What has ended is looked for by indexed handles alone.
    """
    found = _Named()
    orders = {hint.order_ref for hint in hints} - {""}
    keys = {hint.order_key for hint in hints} - {""}
    if orders or keys:
        ended = Q(transaction_id__in=orders) | Q(idempotency_key__in=keys)
        ours = Purchase.objects.filter(account_id=account_id).exclude(order_line__kind__in=OrderLine.BY_FORM)
        ways = (
            ours.filter(ended | Q(provider_order_ref__in=orders), state__in=_OPEN),
            ours.filter(ended, state__in=Purchase.ENDED),
        )
        names = ("pk", "state", "provider_order_ref", "transaction_id", "idempotency_key")
        for pk, state, order_ref, transaction_id, key in chain(*(way.values_list(*names) for way in ways)):
            found.states[pk] = state
            found.by_order[order_ref].add(pk)
            found.by_order[transaction_id].add(pk)
            found.by_key[key].add(pk)
    # A hint without a number names no order.
    found.by_order[""] = found.by_key[""] = set()
    return found
