"""The one queue for people: purchases, line actions without an answer, and differences with providers, in one order."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.core.paginator import Page, Paginator
from django.db.models import Case, Count, Exists, F, IntegerField, OuterRef, Q, QuerySet, Value, When
from django.utils.translation import gettext as _

from customers.models import User
from esims.action_rules import action_label
from esims.models import LineAction
from orders.models import Difference, Purchase
from orders.selectors.differences import DifferenceRow, look_at
from orders.selectors.order_page import PurchaseLook, look_at_purchase, with_delivered
from orders.selectors.queue import KINDS, count_queue, purchases_for_people
from providers.types import Capability

PURCHASE, ACTION, DIFFERENCE = "purchase", "action", "difference"
#: Kinds of the queue: those of purchases, and two of their own, with the permission that shows them.
OTHER_KINDS: Mapping[str, str] = {"actions": "esims.view_esim", "differences": "orders.view_difference"}


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueEntry:
    """One row: what it is, since when it waits, the money at stake (None: none, or not known), and what to do."""

    what: str
    since: datetime
    amount: Decimal | None
    currency: str
    to_do: str
    look: PurchaseLook | None = None
    action: LineAction | None = None
    action_name: str = ""
    difference: DifferenceRow | None = None


def unknown_actions() -> QuerySet[LineAction]:
    """What was asked of a provider for a line and never answered, until somebody has looked, or it worked later."""
    worked = LineAction.objects.filter(
        esim=OuterRef("esim"), kind=OuterRef("kind"), state=LineAction.State.CONFIRMED, pk__gt=OuterRef("pk")
    )
    rows = LineAction.objects.filter(state=LineAction.State.UNKNOWN, settled_at__isnull=True)
    return rows.exclude(Exists(worked))


def open_differences() -> QuerySet[Difference]:
    return Difference.objects.filter(state=Difference.State.OPEN)


def count_kinds(user: User) -> dict[str, int]:
    """How much each kind of the queue holds, of those that the person may see."""
    counts = count_queue()
    readers: Mapping[str, Callable[[], QuerySet[Any]]] = {"actions": unknown_actions, "differences": open_differences}
    for kind, permission in OTHER_KINDS.items():
        if user.has_perm(permission):
            counts[kind] = readers[kind]().count()
    return counts


def read_queue(user: User, *, kind: str, page: str | None, size: int) -> tuple[Page[Any], list[QueueEntry]]:
    """A page of the queue, the most urgent first and of these the oldest. The number of queries does not depend on the
    data.
    """
    parts = [rows for name, rows in _parts(user).items() if not kind or name == kind]
    if kind in KINDS:
        parts = [_rank_purchases(kind)]
    refs = parts[0].union(*parts[1:], all=True) if len(parts) > 1 else parts[0]
    found = Paginator(refs.order_by("rank", "at", "ref"), size).get_page(page)
    return found, _fetch(list(found.object_list))


def _parts(user: User) -> dict[str, QuerySet[Any, dict[str, Any]]]:
    parts = {PURCHASE: _rank_purchases("")}
    if user.has_perm(OTHER_KINDS["actions"]):
        parts["actions"] = _rank(unknown_actions(), ACTION, rank=1, at="requested_at")
    if user.has_perm(OTHER_KINDS["differences"]):
        parts["differences"] = _rank(open_differences(), DIFFERENCE, rank=4, at="first_seen_at")
    return parts


def _rank_purchases(kind: str) -> QuerySet[Any, dict[str, Any]]:
    rank = Case(
        When(state=Purchase.State.UNKNOWN, then=Value(0)),
        When(state=Purchase.State.HELD, then=Value(2)),
        When(~Q(attention=""), then=Value(3)),
        default=Value(5),
        output_field=IntegerField(),
    )
    return _rank(purchases_for_people(kind), PURCHASE, rank=rank, at="created_at")


def _rank(rows: QuerySet[Any], what: str, *, rank: Any, at: str) -> QuerySet[Any, dict[str, Any]]:
    placed = rank if isinstance(rank, Case) else Value(rank, output_field=IntegerField())
    ranked = rows.order_by().annotate(what=Value(what), rank=placed, at=F(at), ref=F("pk"))
    refs: QuerySet[Any, dict[str, Any]] = ranked.values("what", "rank", "at", "ref")
    return refs


def _fetch(refs: Sequence[Mapping[str, Any]]) -> list[QueueEntry]:
    """The rows behind a page of references, in its order; one query for each sort of row."""
    wanted: dict[str, list[int]] = {PURCHASE: [], ACTION: [], DIFFERENCE: []}
    for row in refs:
        wanted[row["what"]].append(row["ref"])
    purchases = with_delivered(Purchase.objects.filter(pk__in=wanted[PURCHASE])) if wanted[PURCHASE] else ()
    actions = LineAction.objects.filter(pk__in=wanted[ACTION]).select_related("esim__account", "esim__customer")
    differences = Difference.objects.filter(pk__in=wanted[DIFFERENCE]).select_related("account")
    entries = {(PURCHASE, row.pk): _of_purchase(row) for row in purchases}
    entries |= {(ACTION, row.pk): _of_action(row) for row in (actions if wanted[ACTION] else ())}
    entries |= {(DIFFERENCE, row.pk): _of_difference(row) for row in (differences if wanted[DIFFERENCE] else ())}
    return [entries[row["what"], row["ref"]] for row in refs if (row["what"], row["ref"]) in entries]


def _of_purchase(purchase: Any) -> QueueEntry:
    look = look_at_purchase(purchase, delivered=purchase.delivered_count)
    missing = max(0, purchase.quantity - purchase.delivered_count)
    return QueueEntry(
        what=PURCHASE,
        since=purchase.first_sent_at or purchase.created_at,
        amount=purchase.order_line.unit_price * missing if missing else None,
        currency=purchase.order_line.order.currency,
        to_do=_tell_purchase(purchase, look),
        look=look,
    )


def _tell_purchase(purchase: Purchase, look: PurchaseLook) -> str:
    if purchase.state == Purchase.State.UNKNOWN:
        return _("Look at the evidence and into the provider's portal, then decide whether it was bought.")
    if purchase.state == Purchase.State.HELD:
        return look.mend or _("Put right what stopped it, then resume it or give it up.")
    if purchase.attention:
        return _("Read what it says, look at it, and take the mark away.")
    return _("Nothing yet: it goes on by itself, and takes longer than it should.")


def _of_action(action: LineAction) -> QueueEntry:
    return QueueEntry(
        what=ACTION,
        since=action.requested_at,
        amount=None,
        currency="",
        to_do=_("Look at the line and into the provider's portal; ask for it again, or say that you have looked."),
        action=action,
        action_name=action_label(Capability(action.kind)) if action.kind in set(Capability) else action.kind,
    )


def _of_difference(difference: Difference) -> QueueEntry:
    row = look_at(difference)
    return QueueEntry(
        what=DIFFERENCE,
        since=difference.first_seen_at,
        amount=difference.amount,
        currency=difference.currency,
        to_do=row.advice,
        difference=row,
    )


def count_others() -> dict[str, int]:
    """For the dashboard: unknown line actions and open differences."""
    return {
        "actions_unknown": unknown_actions().count(),
        "differences_open": open_differences().aggregate(number=Count("pk"))["number"],
    }
