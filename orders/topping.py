"""Before a top-up is sent that may never be sent twice: what the line holds now, and that nobody else tops it up.

A provider that does not repeat a top-up by its key leaves us one proof after a lost answer: what the line holds then
against what it held before. So the line is read first, and one such top-up of a line is under way at a time.
"""

from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from esims.models import Esim, Package
from esims.refresh import refresh_line
from orders.attention import raise_alarm
from orders.models import OrderLine, Purchase
from orders.requests import is_repeatable
from orders.states import change_purchase, lock_purchase, save_purchase
from orders.waiting import wait_for_retry
from providers.base import Provider
from providers.errors import ProviderError, RateLimited
from providers.types import Capability, PackageSnapshot, Priority

PS = Purchase.State
BY = "purchasing"

#: Another top-up of the same line is under way: how long this one waits before it looks again.
_TURN = timedelta(seconds=20)


def look_before_top_up(*, purchase_id: int, provider: Provider) -> bool:
    """Read the line of a top-up that is due and keep its totals; whether the purchase may be sent now.

    True at once for every purchase that needs no such look. One call to the provider, outside transactions.
    """
    purchase = Purchase.objects.select_related("order_line").get(pk=purchase_id)
    esim_id = purchase.order_line.esim_id
    if esim_id is None or not _needs_look(purchase, provider):
        return True
    if purchase.next_attempt_at is None or purchase.next_attempt_at > timezone.now():
        return False
    try:
        esim = refresh_line(esim_id=esim_id, priority=Priority.PEOPLE, by=BY)
    except ProviderError as error:
        _postpone(purchase_id, error)
        return False
    with transaction.atomic(durable=True):
        locked = lock_purchase(purchase_id)
        if locked.state == PS.PLANNED:
            save_purchase(locked, totals_before=read_totals(esim))
    return True


def claim_line(purchase: Purchase, provider: Provider) -> bool:
    """Whether a locked top-up may go out now: no other of its line is under way. If one is, it waits its turn.

    Behind one whose outcome nobody knows it is held: whether that one arrived could not be told any more.
    """
    line = purchase.order_line
    if line.esim_id is None or not _needs_look(purchase, provider):
        return True
    Esim.objects.select_for_update(of=("self",)).get(pk=line.esim_id)
    others = Purchase.objects.filter(order_line__kind=OrderLine.Kind.TOP_UP, order_line__esim_id=line.esim_id)
    states = set(others.exclude(pk=purchase.pk).values_list("state", flat=True))
    if PS.UNKNOWN in states:
        why = "another top-up of this line is not settled yet"
        change_purchase(purchase, to=PS.HELD, by=BY, why=why, error=why)
        raise_alarm("purchase_held", purchase, code="line_busy")
        return False
    if states & {PS.SENDING, PS.ALLOCATING}:
        save_purchase(purchase, next_attempt_at=timezone.now() + _TURN)
        return False
    return True


def read_totals(esim: Esim) -> dict[str, Any]:
    """What the line holds as it is stored, for comparing."""
    refs = Package.objects.filter(esim=esim).exclude(package_ref="").values_list("package_ref", flat=True)
    return {
        "total_data_bytes": esim.total_data_bytes,
        "expires_at": esim.expires_at.isoformat() if esim.expires_at else None,
        "packages": sorted(refs),
        "as_of": esim.state_as_of.isoformat() if esim.state_as_of else None,
    }


def find_arrival(purchase: Purchase, esim: Esim) -> PackageSnapshot | None:
    """The package of a top-up on its line, freshly read: by our key, else what the line did not hold before.

    A line that only holds more data than before gives a package without a reference. None: nothing shows it.
    """
    packages = Package.objects.filter(esim=esim)
    ours = packages.filter(order_key=purchase.idempotency_key).first()
    if ours is not None:
        return PackageSnapshot(package_ref=ours.package_ref)
    before = purchase.totals_before
    known = set(before.get("packages", ()))
    new = packages.exclude(package_ref="").exclude(package_ref__in=known).filter(order_key="").first()
    if known and new is not None:
        return PackageSnapshot(package_ref=new.package_ref)
    total = before.get("total_data_bytes")
    grown = total is not None and esim.total_data_bytes is not None and esim.total_data_bytes > total
    return PackageSnapshot(package_ref="") if grown else None


def _needs_look(purchase: Purchase, provider: Provider) -> bool:
    is_top_up = purchase.order_line.kind == OrderLine.Kind.TOP_UP
    return is_top_up and not is_repeatable(purchase, provider) and Capability.READ_LINE in provider.offered


def _postpone(purchase_id: int, error: ProviderError) -> None:
    """The line could not be read: nothing was sent. After many failures in a row a person is asked."""
    with transaction.atomic(durable=True):
        purchase = lock_purchase(purchase_id)
        if purchase.state != PS.PLANNED:
            return
        words = {"error": error.message, "error_code": error.code[:60]}
        if isinstance(error, RateLimited):
            save_purchase(purchase, next_attempt_at=timezone.now() + error.retry_after, **words)
            return
        failures = purchase.failures_in_row + 1
        if failures < settings.PURCHASE_NOT_SENT_LIMIT:
            save_purchase(purchase, next_attempt_at=wait_for_retry(failures), failures_in_row=failures, **words)
            return
        why = f"the line could not be read {failures} times in a row: {error.message}"
        change_purchase(purchase, to=PS.HELD, by=BY, why=why, failures_in_row=failures, error=why)
        raise_alarm("purchase_held", purchase, code=error.code)
