"""Running a list that was checked: confirm it once, order row by row, stop where it cannot go on, go on later.

A row is one transaction: its lock, the customer, the order with its payment, and the row's own word. A worker that
dies leaves whole rows or nothing; two workers at one list, or a job that comes twice, find the row ordered. The keys of
order and payment are drawn from the row as well, so that nothing else could be ordered for it either.
"""

import uuid
from collections.abc import Callable
from datetime import timedelta
from time import monotonic

import structlog
from django.conf import settings
from django.core.exceptions import PermissionDenied, ValidationError
from django.db import IntegrityError, OperationalError, transaction
from django.db.models import Q, QuerySet
from django.utils import timezone, translation
from django.utils.translation import gettext as _
from django_q.tasks import async_task

from catalog.models import Plan
from customers.customers import CustomerExists, create_customer
from customers.models import Customer, User
from orders.bulk_order_checking import find_earlier
from orders.checkout import CheckoutRefused, price_for
from orders.models import BulkOrder, BulkOrderRow, Purchase
from orders.payments import PaymentRefused
from orders.selling import PaymentTaken, sell_plan
from orders.states import note_event

log = structlog.get_logger(__name__)
State = BulkOrder.State
RowState = BulkOrderRow.State

#: A worker that says nothing for so long is dead: longer than any one row takes.
LEASE = timedelta(minutes=2)
#: Lists that nobody ran, and what rows that were refused say of people, are kept so long. Ours.
KEPT = timedelta(days=30)


class BulkRefused(Exception):
    """The list was not moved; ``message`` says why, in the reader's language. ``field`` names what to mend."""

    def __init__(self, message: str, field: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.field = field


# -- what staff decide ------------------------------------------------------------------------------------------------


def confirm_bulk(*, bulk: BulkOrder, by: User, repeat_reason: str = "") -> BulkOrder:
    """Start a list that was checked. A second click changes nothing; a second upload of a list that ran is refused.

    A list is repeated on purpose with a reason and ``orders.repeat_bulk``. Raises ``BulkRefused``.
    """
    if not by.has_perm("orders.bulk_sell"):
        raise PermissionDenied
    bulk = BulkOrder.objects.get(pk=bulk.pk)
    if bulk.state != State.CHECKED:
        if bulk.run_key is None:
            raise BulkRefused(_("This list was dropped. Upload it again."))
        return bulk
    _require_as_checked(bulk)
    run_key = _draw_run_key(bulk, by=by, reason=repeat_reason)
    try:
        with transaction.atomic():
            started = BulkOrder.objects.filter(pk=bulk.pk, state=State.CHECKED).update(
                state=State.RUNNING,
                run_key=run_key,
                repeat_reason=repeat_reason[:300],
                confirmed_by=by,
                confirmed_at=timezone.now(),
            )
            if started:
                _enqueue()
    except IntegrityError as error:
        raise BulkRefused(_("The same list was started a moment ago: it buys nothing a second time.")) from error
    bulk.refresh_from_db()
    return bulk


def pause_bulk(*, bulk: BulkOrder, by: User) -> BulkOrder:
    """Stop after the row that is under way."""
    return _move(bulk, by, (State.RUNNING,), State.PAUSED, why=f"Paused by {by.email}.")


def resume_bulk(*, bulk: BulkOrder, by: User) -> BulkOrder:
    """Go on with a list that pauses."""
    return _move(bulk, by, (State.PAUSED,), State.RUNNING)


def retry_refused(*, bulk: BulkOrder, by: User) -> BulkOrder:
    """Try the rows again that were refused, at the price that was confirmed."""
    with transaction.atomic():
        moved = _move(bulk, by, (State.DONE, State.PAUSED), State.RUNNING)
        if moved.state == State.RUNNING:
            moved.rows.filter(state=RowState.REFUSED).update(state=RowState.WAITING, faults=[])
    return moved


def drop_bulk(*, bulk: BulkOrder, by: User) -> BulkOrder:
    """Give up what is not ordered; what is ordered stays, and the list counts as run then."""
    return _move(bulk, by, (State.CHECKED, State.PAUSED), State.DROPPED, why=f"Dropped by {by.email}.")


def _move(bulk: BulkOrder, by: User, froms: tuple[str, ...], to: str, *, why: str = "") -> BulkOrder:
    """By one conditional update; a second click finds it done, anything else is refused."""
    if not by.has_perm("orders.bulk_sell"):
        raise PermissionDenied
    ended = timezone.now() if to == State.DROPPED else None
    with transaction.atomic():
        moved = BulkOrder.objects.filter(pk=bulk.pk, state__in=froms).update(state=to, why=why, finished_at=ended)
        if moved and to == State.RUNNING:
            _enqueue()
    bulk = BulkOrder.objects.get(pk=bulk.pk)
    if not moved and bulk.state != to:
        raise BulkRefused(_("The list is “%(state)s” by now.") % {"state": bulk.get_state_display()})
    return bulk


def _require_as_checked(bulk: BulkOrder) -> None:
    """Nothing wrong in it, and every price as it was shown."""
    if bulk.rows.filter(state=RowState.FAULTY).exists():
        raise BulkRefused(_("Rows of the list are faulty: correct them and upload it again."))
    plans = {plan.pk: plan for plan in Plan.objects.filter(pk__in=bulk.rows.order_by().values("plan"))}
    sold = bulk.rows.order_by().values_list("plan", "period_days", "unit_price", "currency").distinct()
    for plan_id, days, price, currency in sold:
        plan = plans[plan_id or 0]
        if (price_for(plan, days), plan.currency) != (price, currency):
            message = _("The price of %(plan)s has changed since the list was checked. Upload it again.")
            raise BulkRefused(message % {"plan": plan.name})


def _draw_run_key(bulk: BulkOrder, *, by: User, reason: str) -> str:
    earlier = find_earlier(bulk)
    if earlier is None:
        return bulk.digest
    if not by.has_perm("orders.repeat_bulk"):
        message = _("This list has run already (list %(number)s). It buys nothing a second time.")
        raise BulkRefused(message % {"number": earlier.pk})
    if not reason.strip():
        raise BulkRefused(_("Say why the list is to be bought once more."), "reason")
    times = BulkOrder.objects.filter(digest=bulk.digest, run_key__isnull=False).count()
    return f"{bulk.digest}:{times + 1}"


def _enqueue() -> None:
    async_task("orders.tasks.wake", "bulk_orders", cluster=settings.QUEUES["orders"], save=False)


# -- the job ----------------------------------------------------------------------------------------------------------


def due_bulks() -> QuerySet[BulkOrder]:
    """Lists that run and that no living worker is at."""
    free = Q(claimed_until__isnull=True) | Q(claimed_until__lte=timezone.now())
    return BulkOrder.objects.filter(free, state=State.RUNNING)


def run_due_bulks(*, seconds: float, give_way: Callable[[], bool] = lambda: False) -> int:
    """Order a piece of each list that runs; returns how many rows were worked off. May run at the same time."""
    done = 0
    for bulk_id in list(due_bulks().order_by("pk").values_list("pk", flat=True)):
        done += run_bulk(bulk_id=bulk_id, seconds=seconds, give_way=give_way)
    return done


def run_bulk(*, bulk_id: int, seconds: float, give_way: Callable[[], bool] = lambda: False) -> int:
    """Order rows of a list until the time is over, at least one; returns how many were worked off."""
    until = timezone.now() + LEASE
    if due_bulks().filter(pk=bulk_id).update(claimed_until=until) != 1:
        return 0
    end, worked = monotonic() + seconds, 0
    with translation.override("en"):
        while _go_on(bulk_id):
            number = _order_next(bulk_id)
            if number is None:
                _finish(bulk_id)
                break
            worked += 1
            if monotonic() >= end or give_way():
                break
    BulkOrder.objects.filter(pk=bulk_id, claimed_until=until).update(claimed_until=None)
    return worked


def _go_on(bulk_id: int) -> bool:
    """Whether the list still runs; it pauses where a provider holds what was bought for it."""
    held = Purchase.objects.filter(order_line__order__bulk_row__bulk=bulk_id, state=Purchase.State.HELD)
    if held.exists():
        _pause(bulk_id, "A provider holds purchases of this list, most likely for want of balance: see to them first.")
    return BulkOrder.objects.filter(pk=bulk_id, state=State.RUNNING).exists()


def _order_next(bulk_id: int) -> int | None:
    """Order the first row that waits; its number, or None where none does."""
    row = BulkOrderRow.objects.filter(bulk=bulk_id, state=RowState.WAITING).order_by("number").first()
    if row is None:
        return None
    try:
        with transaction.atomic():
            # The list's own row first: while it is being dropped or paused no row is begun.
            bulk = BulkOrder.objects.select_for_update(no_key=True).get(pk=bulk_id)
            row = (
                BulkOrderRow.objects.select_for_update(of=("self",), no_key=True)
                .select_related("plan__account")
                .get(pk=row.pk)
            )
            if row.state == RowState.WAITING and bulk.state == State.RUNNING:
                _order(bulk, row)
    except PaymentRefused as error:
        if error.field == "method":
            _pause(bulk_id, f"Row {row.number}: {error.message}")
        else:
            _refuse(row, error.message)
    except CheckoutRefused as error:
        _refuse(row, error.message)
    except ValidationError as error:
        _refuse(row, " ".join(error.messages))
    except OperationalError:
        # The database is away or busy: the next worker tries again.
        raise
    except Exception:
        # Nothing was ordered for the row. Tried again by itself it would fail for ever, and nobody would see why.
        log.exception("bulk_order_row_failed", bulk=bulk_id, row=row.number)
        _pause(bulk_id, f"Row {row.number}: our own program failed; the log says why.")
    return row.number


def _order(bulk: BulkOrder, row: BulkOrderRow) -> None:
    """The row's customer and order, in the caller's transaction."""
    by = bulk.confirmed_by
    if row.plan is None or row.unit_price is None or by is None:
        raise CheckoutRefused("This row was not checked.")
    customer = row.customer or _find_or_make(row, by)
    order = sell_plan(
        customer=customer,
        plan=row.plan,
        quantity=row.quantity,
        checkout_key=uuid.uuid5(bulk.key, f"order:{row.number}"),
        expected_unit_price=row.unit_price,
        payment=PaymentTaken(
            method=bulk.method, reference=bulk.reference, form_key=uuid.uuid5(bulk.key, f"payment:{row.number}")
        ),
        by=by,
        period_days=row.period_days,
        note=row.note,
    )
    note_event(order, kind="order.from_list", by=by.email, facts={"list": bulk.pk, "row": row.number})
    row.state, row.customer, row.order = RowState.ORDERED, customer, order
    row.name = row.email = row.phone = row.note = ""
    row.save(update_fields=["state", "customer", "order", "name", "email", "phone", "note"])


def _find_or_make(row: BulkOrderRow, by: User) -> Customer:
    """The customer of a row that nobody was known for: another row, or a colleague, may have been faster."""
    if not row.email:
        # Only phone and name tell: an earlier row of the list may have made them.
        sibling = Customer.objects.filter(phone=row.phone, name=row.name, created_by=by, erased_at=None)
        made = sibling.filter(pk__in=row.bulk.rows.filter(customer__isnull=False).values("customer")).first()
        if made is not None:
            return made
    try:
        return create_customer(name=row.name, email=row.email, phone=row.phone, language=row.language, by=by)
    except CustomerExists as known:
        return known.existing


def _refuse(row: BulkOrderRow, message: str) -> None:
    waiting = BulkOrderRow.objects.filter(pk=row.pk, state=RowState.WAITING)
    waiting.update(state=RowState.REFUSED, faults=[message])


def _pause(bulk_id: int, why: str) -> None:
    if BulkOrder.objects.filter(pk=bulk_id, state=State.RUNNING).update(state=State.PAUSED, why=why):
        log.warning("bulk_order_paused", bulk=bulk_id)


def _finish(bulk_id: int) -> None:
    BulkOrder.objects.filter(pk=bulk_id, state=State.RUNNING).update(
        state=State.DONE, why="", finished_at=timezone.now()
    )


# -- house-keeping ----------------------------------------------------------------------------------------------------


def forget_old_lists(*, older_than: timedelta = KEPT) -> int:
    """Delete lists that were never run, and forget who stands in rows that were refused; returns how many."""
    before = timezone.now() - older_than
    never = BulkOrder.objects.filter(state__in=(State.CHECKED, State.DROPPED), run_key=None, created_at__lt=before)
    deleted: int = never.delete()[0]
    over = BulkOrderRow.objects.filter(order__isnull=True, bulk__finished_at__lt=before).exclude(name="")
    return deleted + over.update(name="", email="", phone="", note="")
