"""Top-ups that show on their line after they were taken for lost: whoever read the line, the purchase hears of it.

A reading that brings our key of an order marks the package (``Package.awaits_order``). Our own key is a proof, whenever
it was read; anything less is for the looks (``topping.py``) and for people.
"""

import structlog
from django.db import transaction
from django.db.models import Exists, OuterRef, QuerySet

from esims.models import Package
from orders.attention import ask_for_look
from orders.delivering import deliver_top_up
from orders.models import OrderLine, Purchase, PurchasedPackage
from orders.settling import move_or_stay
from orders.states import lock_purchase
from orders.verdicts import describe_crash

log = structlog.get_logger(__name__)
PS = Purchase.State
BY = "arrivals"

#: Their own answer or look is under way, and finds it; what comes to nothing is looked at here afterwards.
_UNDER_WAY = (PS.SENDING, PS.ALLOCATING)
#: So many are looked at in one job.
_BATCH = 500


def due_arrivals() -> QuerySet[Package]:
    """Packages under a key of which nobody has looked yet what it settles, the oldest first."""
    under_way = Purchase.objects.filter(idempotency_key=OuterRef("order_key"), state__in=_UNDER_WAY)
    return Package.objects.filter(~Exists(under_way), awaits_order=True).order_by("pk")


def settle_arrivals() -> int:
    """Settle the purchases whose top-ups showed on their lines; returns how many were. Database work only."""
    settled = 0
    for package_id in list(due_arrivals().values_list("pk", flat=True)[:_BATCH]):
        try:
            settled += _settle(package_id)
        except Exception as error:  # noqa: BLE001  (one row must not keep the others waiting; it stays for the next job)
            log.critical("arrival_crashed", package=package_id, crash=describe_crash(error))
    return settled


def _settle(package_id: int) -> bool:
    """Of one package; whether its purchase moved."""
    with transaction.atomic(durable=True):
        package = Package.objects.select_related("esim").get(pk=package_id)
        purchase = _find_purchase(package)
        if purchase is not None and purchase.state in _UNDER_WAY:
            return False
        moved = purchase is not None and _apply(purchase, package)
        # Another key than the one that was looked at is for the next job.
        Package.objects.filter(pk=package_id, order_key=package.order_key).update(awaits_order=False)
    return moved


def _find_purchase(package: Package) -> Purchase | None:
    """The purchase of the key, locked; None where it is no top-up of ours."""
    ours = Purchase.objects.filter(
        idempotency_key=package.order_key,
        account_id=package.esim.account_id,
        order_line__kind=OrderLine.Kind.TOP_UP,
    )
    purchase_id = ours.values_list("pk", flat=True).first() if package.order_key else None
    return None if purchase_id is None else lock_purchase(purchase_id)


def _apply(purchase: Purchase, package: Package) -> bool:
    if PurchasedPackage.objects.filter(purchase=purchase).exists():
        return False
    if purchase.order_line.esim_id != package.esim_id:
        word = f"The provider shows this top-up on another line: {package.esim.label}"
        ask_for_look(purchase, word, by=BY)
        return False
    had_ended = purchase.state in Purchase.ENDED
    deliver_top_up(purchase, None, order_ref="", by=BY)
    why = "the line shows it under our own key"
    move_or_stay(purchase, to=PS.FULFILLED, by=BY, why=why, error="", error_code="", failures_in_row=0)
    if had_ended:
        word = "The line shows this top-up after all: the customer may have been told that the money comes back."
        ask_for_look(purchase, word, by=BY)
    return True
