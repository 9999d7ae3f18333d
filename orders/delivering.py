"""Lines that a purchase brought: each becomes one eSIM here, once, whoever reports it and how often."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from django.db import transaction
from django.utils import timezone

from esims.events import EventKind, make_event
from esims.lifecycle import LineAlreadyHeld, register_bare_lines, register_lines
from esims.models import Esim
from esims.packages import register_top_up
from orders.attention import ask_for_look
from orders.models import Purchase, PurchasedEsim, PurchasedPackage
from orders.refunding import count_delivered
from orders.replaced import find_replacement
from orders.states import note_event
from providers.types import LineSnapshot, PackageSnapshot

Result = TypeVar("Result")
#: How often the lines of one delivery are registered anew because another transaction was faster.
_TRIES = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """What became of the lines of one report.

    ``delivered`` counts all lines of the purchase until now; ``taken`` are references that are lines of somebody else
    here, ``repeated`` those that the report named twice.
    """

    new: int
    delivered: int
    taken: tuple[str, ...] = ()
    repeated: tuple[str, ...] = ()

    @property
    def is_clean(self) -> bool:
        return not self.taken and not self.repeated


def deliver_snapshots(purchase: Purchase, snapshots: Sequence[LineSnapshot], *, by: str) -> Delivery:
    """Register the lines of a locked purchase that are not here yet, in the caller's transaction.

    Raises ``LineAlreadyHeld`` when another transaction registered one of them since we looked: roll back, try again.
    """
    by_ref = {snapshot.provider_ref: snapshot for snapshot in reversed(snapshots)}

    def register(refs: Sequence[str]) -> list[Esim]:
        order = purchase.order_line.order
        return register_lines(
            account=purchase.account,
            customer=order.customer,
            plan=purchase.order_line.plan,
            snapshots=[by_ref[ref] for ref in refs],
            by=by,
        )

    return _deliver(purchase, [snapshot.provider_ref for snapshot in snapshots], register, by=by)


def deliver_refs(purchase: Purchase, refs: Sequence[str], *, by: str) -> Delivery:
    """The same for lines of which only the reference is known: they are read from the provider soon."""

    def register(new: Sequence[str]) -> list[Esim]:
        order = purchase.order_line.order
        return register_bare_lines(
            account=purchase.account, customer=order.customer, plan=purchase.order_line.plan, refs=new, by=by
        )

    return _deliver(purchase, refs, register, by=by)


def deliver_top_up(purchase: Purchase, package: PackageSnapshot | None, *, order_ref: str, by: str) -> bool:
    """Put the package that a locked top-up brought on its line, once; the line is read again soon.

    ``package`` is what the provider says of it, None where it only says that the top-up was made. Returns whether it
    was new.
    """
    esim = purchase.order_line.esim
    if esim is None or PurchasedPackage.objects.filter(purchase=purchase).exists():
        return False
    row = register_top_up(
        esim_id=esim.pk,
        plan=purchase.order_line.plan,
        package=package,
        order_key=purchase.idempotency_key,
        order_ref=order_ref,
        by=by,
    )
    PurchasedPackage.objects.create(purchase=purchase, esim=esim, package=row, at=timezone.now())
    note_event(purchase.order_line.order, kind="purchase.topped_up", purchase=purchase, by=by)
    return True


def apply_in_transaction(work: Callable[[], Result], *, durable: bool = True) -> Result:
    """Do ``work`` in a transaction of its own; once more where a line was registered between its look and its insert.

    Raises ``LineAlreadyHeld`` when that happens again and again.
    """
    for remaining in reversed(range(_TRIES)):
        try:
            with transaction.atomic(durable=durable):
                return work()
        except LineAlreadyHeld:
            if not remaining:
                raise
    raise AssertionError("the last try returns or raises")


def find_holders(purchase: Purchase, refs: Sequence[str]) -> dict[str, int | None]:
    """Which of the references are lines here already: reference → id of the purchase that brought it, if any did."""
    rows = Esim.objects.filter(account_id=purchase.account_id, provider_ref__in=refs)
    return dict(rows.values_list("provider_ref", "purchased__purchase_id"))


def _deliver(
    purchase: Purchase, refs: Sequence[str], register: Callable[[Sequence[str]], list[Esim]], *, by: str
) -> Delivery:
    distinct = list(dict.fromkeys(refs))
    holders = find_holders(purchase, distinct)
    new = [ref for ref in distinct if ref not in holders]
    taken = tuple(ref for ref in distinct if ref in holders and holders[ref] != purchase.pk)
    if new:
        esims = register(new)
        PurchasedEsim.objects.bulk_create([PurchasedEsim(purchase=purchase, esim=esim) for esim in esims])
        _tell_replaced(purchase, esims, by=by)
    delivery = Delivery(
        new=len(new),
        delivered=count_delivered(purchase),
        taken=taken,
        repeated=tuple(sorted({ref for ref in refs if refs.count(ref) > 1})) if len(distinct) < len(refs) else (),
    )
    if new or not delivery.is_clean:
        facts: dict[str, Any] = {"new": delivery.new, "delivered": delivery.delivered, "ordered": purchase.quantity}
        if taken:
            facts["taken"] = list(taken)
        if delivery.repeated:
            facts["repeated"] = list(delivery.repeated)
        note_event(purchase.order_line.order, kind="purchase.lines", purchase=purchase, by=by, facts=facts)
    return delivery


def _tell_replaced(purchase: Purchase, esims: Sequence[Esim], *, by: str) -> None:
    """Of a replacement: the new line's timeline names the faulty one, and the other way round."""
    if purchase.order_line.replaces_id is None:
        return
    # Locked, as whoever replaces it locks it: of two replacements the later one sees the other.
    faulty = Esim.objects.select_for_update(of=("self",), no_key=True).get(pk=purchase.order_line.replaces_id)
    order = purchase.order_line.order
    for esim in esims:
        make_event(esim, EventKind.REPLACES, by=by, facts={"line": faulty.label, "order": order.number}).save()
        told = {"line": esim.label, "order": order.number}
        make_event(faulty, EventKind.REPLACEMENT_CAME, by=by, facts=told).save()
    # This one had been refused, and another was ordered since: the customer has two for nothing.
    if (other := find_replacement(faulty, but=order)) is not None:
        word = f"The line is replaced by order {other.order.number} as well; what came here is kept."
        ask_for_look(purchase, word, by=by)
