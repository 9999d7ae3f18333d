"""Before a top-up is sent that may never be sent twice: what the line holds now, and that nobody else tops it up.

A provider that does not repeat a top-up by its key leaves us one proof after a lost answer: what the line holds then
against what it held before. So the line is read first, and one such top-up of a line is under way at a time.
"""

from datetime import datetime, timedelta
from typing import Any

import structlog
from django.conf import settings
from django.db import InterfaceError, OperationalError, transaction
from django.utils import timezone

from esims.claims import LineBusy
from esims.models import Esim, Package
from esims.refresh import refresh_line
from orders.attention import raise_alarm
from orders.checkpoints import Checkpoint, pass_checkpoint
from orders.models import OrderLine, Purchase
from orders.requests import is_repeatable
from orders.states import change_purchase, lock_purchase, save_purchase
from orders.verdicts import describe_crash
from orders.waiting import wait_after_failure
from providers.base import Provider
from providers.errors import ProviderError, RateLimited
from providers.types import Capability, PackageSnapshot, Priority

log = structlog.get_logger(__name__)
PS = Purchase.State
BY = "purchasing"

#: Another top-up of the same line is under way, or arrived so short a time ago that the provider may not show it yet:
#: how long this one waits before it looks again.
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
    begun_at = timezone.now()
    try:
        esim = refresh_line(esim_id=esim_id, priority=Priority.PEOPLE, by=BY)
    except LineBusy:
        # Perhaps for this very purchase: it stays due, so that whoever reads the line now may go on with it.
        return False
    except ProviderError as error:
        _postpone(purchase_id, error)
        return False
    except (OperationalError, InterfaceError):
        raise
    except Exception as error:  # noqa: BLE001  (read again later, like any other read that fails)
        crash = describe_crash(error)
        log.critical("look_crashed", purchase=purchase_id, crash=crash)
        _postpone(purchase_id, f"Our program failed over the line ({crash}).")
        return False
    pass_checkpoint(Checkpoint.LOOKED, row_id=purchase_id)
    with transaction.atomic(durable=True):
        locked = lock_purchase(purchase_id)
        if locked.state == PS.PLANNED:
            save_purchase(locked, totals_before=read_totals(esim, begun_at))
            pass_checkpoint(Checkpoint.KEEPING, row_id=purchase_id)
    return True


def claim_line(purchase: Purchase, provider: Provider) -> bool:
    """Whether a locked, planned top-up may go out now: no other of its line is under way, nor came since the look.

    Otherwise it waits its turn and looks again. Behind one whose outcome nobody knows it is held: whether that one
    arrived could not be told any more.
    """
    line = purchase.order_line
    if line.esim_id is None or not _needs_look(purchase, provider):
        return True
    esim = Esim.objects.select_for_update(of=("self",)).get(pk=line.esim_id)
    if find_ours(purchase, esim) is not None:
        # An earlier request of it went through after all: ``arrivals.py`` settles it in a moment.
        save_purchase(purchase, next_attempt_at=timezone.now() + _TURN)
        return False
    others = Purchase.objects.filter(order_line__kind=OrderLine.Kind.TOP_UP, order_line__esim_id=line.esim_id)
    states = set(others.exclude(pk=purchase.pk).values_list("state", flat=True))
    if PS.UNKNOWN in states:
        why = "another top-up of this line is not settled yet"
        change_purchase(purchase, to=PS.HELD, by=BY, why=why, error=why, error_code="line_busy")
        raise_alarm("purchase_held", purchase, code="line_busy")
        return False
    looked_at = _find_look_time(purchase)
    came_since = looked_at is None or others.filter(state=PS.FULFILLED, finished_at__gt=looked_at - _TURN).exists()
    if states & {PS.SENDING, PS.ALLOCATING} or came_since:
        save_purchase(purchase, next_attempt_at=timezone.now() + (_TURN if looked_at else timedelta(0)))
        return False
    return True


def read_totals(esim: Esim, looked_at: datetime) -> dict[str, Any]:
    """What the line holds as it is stored, for comparing; ``looked_at`` (UTC) is when the look at it began."""
    refs = Package.objects.filter(esim=esim).exclude(package_ref="").values_list("package_ref", flat=True)
    return {
        "looked_at": looked_at.isoformat(),
        "total_data_bytes": esim.total_data_bytes,
        "expires_at": esim.expires_at.isoformat() if esim.expires_at else None,
        "packages": sorted(refs),
        "as_of": esim.state_as_of.isoformat() if esim.state_as_of else None,
    }


def find_arrival(purchase: Purchase, esim: Esim) -> PackageSnapshot | None:
    """The package of a top-up on its line, freshly read: by our key, else of the plan and not there before.

    A line that tells no packages and holds as much more data as the plan has gives a package without a reference. None:
    nothing shows it, or what is new is of somebody else: under another key, of another plan, or of another size.
    """
    if (ours := find_ours(purchase, esim)) is not None:
        return ours
    if new := _find_new(purchase, esim):
        fitting = next((package for package in new if _may_be_ours(package, purchase)), None)
        return None if fitting is None else PackageSnapshot(package_ref=fitting.package_ref)
    return PackageSnapshot(package_ref="") if _has_grown_by_it(purchase, esim) else None


def find_late_arrival(purchase: Purchase) -> PackageSnapshot | None:
    """As ``find_arrival``, by what is stored of the line now, whoever read it and whenever: for a person's decision."""
    esim = purchase.order_line.esim
    if esim is None:
        return None
    return find_arrival(purchase, esim) if purchase.totals_before else find_ours(purchase, esim)


def find_ours(purchase: Purchase, esim: Esim) -> PackageSnapshot | None:
    """The package that the line shows under our own key of the top-up: a proof whenever it was read."""
    ours = Package.objects.filter(esim=esim, order_key=purchase.idempotency_key).first()
    return None if ours is None else PackageSnapshot(package_ref=ours.package_ref)


def _find_new(purchase: Purchase, esim: Esim) -> list[Package]:
    """Packages that the line did not hold at the look before the top-up was sent."""
    known = set(purchase.totals_before.get("packages", ()))
    named = Package.objects.filter(esim=esim).exclude(package_ref="").exclude(package_ref__in=known).order_by("pk")
    # Where none was named then, the line's first one may only have got its name since.
    return [package for package in named if known or package.kind == Package.Kind.TOP_UP]


def _may_be_ours(package: Package, purchase: Purchase) -> bool:
    """Whether a new package is under nobody's key and of the plan that was ordered. Of another it is somebody else's,
    however well the time fits: the provider's portal tops lines up as well.
    """
    return not package.order_key and package.plan_id == purchase.order_line.plan_id


def _has_grown_by_it(purchase: Purchase, esim: Esim) -> bool:
    """Whether the line holds as much more data than before as the plan has, to a hundredth; else it is another's."""
    before, wanted = purchase.totals_before.get("total_data_bytes"), purchase.order_line.plan.data_bytes
    if before is None or esim.total_data_bytes is None or not wanted:
        return False
    return abs(esim.total_data_bytes - int(before) - wanted) * 100 <= wanted


def _find_look_time(purchase: Purchase) -> datetime | None:
    at = purchase.totals_before.get("looked_at")
    return datetime.fromisoformat(at) if at else None


def _needs_look(purchase: Purchase, provider: Provider) -> bool:
    is_top_up = purchase.order_line.kind == OrderLine.Kind.TOP_UP
    return is_top_up and not is_repeatable(purchase, provider) and Capability.READ_LINE in provider.offered


def _postpone(purchase_id: int, error: ProviderError | str) -> None:
    """The line could not be read: nothing was sent. After many failures in a row a person is asked."""
    message, code = (error, "") if isinstance(error, str) else (error.message, error.code)
    with transaction.atomic(durable=True):
        purchase = lock_purchase(purchase_id)
        if purchase.state != PS.PLANNED:
            return
        words = {"error": message, "error_code": code[:60]}
        if isinstance(error, RateLimited):
            save_purchase(purchase, next_attempt_at=timezone.now() + error.retry_after, **words)
            return
        failures = purchase.failures_in_row + 1
        if failures < settings.PURCHASE_NOT_SENT_LIMIT:
            due = wait_after_failure(failures, error)
            save_purchase(purchase, next_attempt_at=due, failures_in_row=failures, **words)
            pass_checkpoint(Checkpoint.POSTPONING, row_id=purchase_id)
            return
        why = f"the line could not be read {failures} times in a row: {message}"
        change_purchase(purchase, to=PS.HELD, by=BY, why=why, failures_in_row=failures, error=why, error_code=code[:60])
        raise_alarm("purchase_held", purchase, code=code)
