"""What the hints of deliveries mean here: which orders and lines they name, and that those are made due."""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from django.db.models import Q, QuerySet
from django.utils import timezone

from esims.models import Esim, Package
from esims.states import ENDED
from orders.models import OrderLine, Purchase
from providers.models import WebhookDelivery
from providers.registry import offers
from providers.types import Capability, WebhookHint, WebhookKind

DS = WebhookDelivery.State
_ENDED_VALUES = frozenset(state.value for state in ENDED)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Meant:
    """The rows that a hint names: purchases that wait for their outcome, and lines."""

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
    # Locked as every purchase locks: purchases before lines, each in the order of their keys. Whatever the deliveries
    # name, and in whatever order, two transactions never wait for each other in a circle.
    purchases = _lock(Purchase.objects.all(), {pk for ones in meant for one in ones for pk in one.purchases})
    lines = _lock(Esim.objects.all(), {pk for ones in meant for one in ones for pk in one.lines})
    waiting = {pk for pk, state in purchases.items() if state == Purchase.State.ALLOCATING}
    live = {pk for pk, state in lines.items() if state not in _ENDED_VALUES}
    reads_use = offers(slug, Capability.USAGE_BATCH)
    by_field: dict[str, set[int]] = defaultdict(set)
    for one in (one for ones in meant for one in ones):
        # Of a line only the use, where that can be read alone and only that moved.
        is_use = reads_use and one.hint.kind is WebhookKind.USAGE
        by_field["next_usage_at" if is_use else "next_refresh_at"] |= one.lines & live
    now = timezone.now()
    asked = {pk for ones in meant for one in ones for pk in one.purchases} & waiting
    if asked:
        Purchase.objects.filter(pk__in=asked).update(next_attempt_at=now)
    for field, keys in by_field.items():
        if keys:
            Esim.objects.filter(pk__in=keys).update(**{field: now})
    return [_judge(ones, waiting, live) for ones in meant]


def _lock(rows: "QuerySet[Purchase] | QuerySet[Esim]", keys: set[int]) -> Mapping[int, str]:
    """Lock rows in the order of their keys; the state of each as it is then.

    No key of theirs changes: whoever writes a row that names one of them, such as an event, need not wait.
    """
    if not keys:
        return {}
    locked = rows.select_for_update(of=("self",), no_key=True).filter(pk__in=keys).order_by("pk")
    return dict(locked.values_list("pk", "state"))


def _judge(meant: Sequence[_Meant], waiting: set[int], live: set[int]) -> tuple[str, str]:
    """A delivery's new state, and a note for staff."""
    notes = [_describe(one, waiting, live) for one in meant]
    if all(one.hint.kind is WebhookKind.HEALTH_CHECK for one in meant):
        return (DS.IGNORED, notes[0]) if notes else (DS.NOT_UNDERSTOOD, "it names nothing")
    note = "; ".join(dict.fromkeys(notes))
    if any(one.hint.kind is WebhookKind.UNKNOWN for one in meant):
        return DS.NOT_UNDERSTOOD, f"an unknown event; {note}"
    return (DS.APPLIED if "read again" in note else DS.IGNORED), note


def _describe(meant: _Meant, waiting: set[int], live: set[int]) -> str:
    if meant.hint.kind is WebhookKind.HEALTH_CHECK:
        return "the provider tried whether we answer"
    woken = len(meant.purchases & waiting) + len(meant.lines & live)
    return f"{woken} to be read again" if woken else "names nothing of ours"


class _Finder:
    """Finds what hints name. What most name, a line's reference and an order, is looked up for all of them at once."""

    def __init__(self, account_id: int, slug: str, hints: Sequence[WebhookHint]) -> None:
        self._ours = Esim.objects.filter(account_id=account_id)
        self._tells_lines = offers(slug, Capability.READ_LINE)
        named = [hint for hint in hints if hint.kind is not WebhookKind.HEALTH_CHECK]
        self._by_order, self._by_key = _find_purchases(account_id, named)
        self._by_ref = self._find_by_ref({hint.provider_ref for hint in named} - {""})
        self._seen: dict[tuple[str, str], frozenset[int]] = {}

    def find(self, hint: WebhookHint) -> _Meant:
        if hint.kind is WebhookKind.HEALTH_CHECK:
            return _Meant(hint=hint)
        purchases = self._by_order[hint.order_ref] | self._by_key[hint.order_key]
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
        names = (hint.order_ref, hint.iccid)
        if names not in self._seen:
            self._seen[names] = self._find_by_names(*names)
        return self._seen[names]

    def _find_by_names(self, order_ref: str, iccid: str) -> frozenset[int]:
        """An ICCID alone may have been given to several lines one after the other: the newest is meant then."""
        ours = self._ours
        ways: tuple[tuple[bool, Callable[[], QuerySet[Esim]]], ...] = (
            (bool(order_ref and iccid), lambda: ours.filter(order_ref=order_ref, iccid=iccid)),
            (bool(order_ref), lambda: ours.filter(pk__in=_lines_with_package(order_ref))),
            (bool(iccid), lambda: ours.filter(iccid=iccid).order_by("-created_at", "-pk")[:1]),
            (bool(order_ref and not iccid), lambda: ours.filter(order_ref=order_ref)),
        )
        for applies, find in ways:
            if applies and (found := list(find().values_list("pk", flat=True)[:50])):
                return frozenset(found)
        return frozenset()


_Found = Mapping[str, set[int]]


def _find_purchases(account_id: int, hints: Sequence[WebhookHint]) -> tuple[_Found, _Found]:
    """The orders that allocate and that hints name, by the provider's number and by our key.

    One by form waits for its file, whatever is said.
    """
    by_order: dict[str, set[int]] = defaultdict(set)
    by_key: dict[str, set[int]] = defaultdict(set)
    orders = {hint.order_ref for hint in hints} - {""}
    keys = {hint.order_key for hint in hints} - {""}
    if orders or keys:
        named = Q(provider_order_ref__in=orders) | Q(transaction_id__in=orders) | Q(idempotency_key__in=keys)
        waiting = Purchase.objects.filter(named, account_id=account_id, state=Purchase.State.ALLOCATING)
        waiting = waiting.exclude(order_line__kind__in=OrderLine.BY_FORM)
        found = waiting.values_list("pk", "provider_order_ref", "transaction_id", "idempotency_key")
        for pk, order_ref, transaction_id, key in found:
            by_order[order_ref].add(pk)
            by_order[transaction_id].add(pk)
            by_key[key].add(pk)
    # A hint without a number names no order.
    by_order[""] = by_key[""] = set()
    return by_order, by_key


def _lines_with_package(order_ref: str) -> QuerySet[Package, int]:
    return Package.objects.filter(order_ref=order_ref).values_list("esim_id", flat=True)
