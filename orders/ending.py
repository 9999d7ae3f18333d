"""Ending a line, and what its customer gets back for it: owed once the line confirms its end, and not before.

What the *provider* gives us back is another matter (``esims/action_words.py``). A promise is a row beside the action;
a job reads actions that have ended and settles it.
"""

from dataclasses import dataclass
from decimal import Decimal

from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from customers.models import User
from esims.actions import request_action
from esims.events import EventKind, make_event
from esims.models import Esim, LineAction, Package
from orders.amounts import say_amount
from orders.giving_back import (
    PERMISSION,
    count_given,
    find_sold,
    has_due_return,
    require_returnable,
    write_return,
)
from orders.models import Purchase, ReturnWish
from orders.refunds import RefundRefused
from orders.states import lock_purchase, note_event
from providers.types import Capability

_ENDED = (LineAction.State.CONFIRMED, LineAction.State.REJECTED, LineAction.State.UNKNOWN)
#: Why a promise came to nothing, by the action's state; ``config/retelling.py`` has them too.
_VOID = {
    LineAction.State.REJECTED: "the line was not ended: the request was refused",
    LineAction.State.UNKNOWN: "nobody knows whether the line ended: look at it, then give the money back by hand",
}
_NOTHING_LEFT = "nothing was left to give back when the line's end was confirmed"
_OWED_ALREADY = "money is owed back for it already"
_LESS_LEFT = "less was left to give back than had been promised"
#: An end that takes more than this many promises at once leaves the rest to the next run.
_AT_ONCE = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Promise:
    """What the customer is to get back, of which purchase."""

    purchase: Purchase
    amount: Decimal


def request_end(
    *,
    esim: Esim,
    capability: Capability,
    reason: str,
    by: User,
    package: Package | None = None,
    message: str = "",
    gives_back: Decimal | None = None,
    replaced_by: int | None = None,
    shown_left: Decimal | None = None,
) -> LineAction:
    """``request_action``, and with it what the customer gets back for it once the line shows it (None: nothing).

    ``replaced_by``: the order that replaces the line, as far as the person was told of one. ``shown_left``: what they
    were told may still go back for it.
    Raises ``ActionRefused`` and ``RefundRefused``, and ``PermissionDenied`` for a promise without ``orders.give_back``;
    nothing is written then.
    """
    if gives_back is not None and not by.has_perm(PERMISSION):
        raise PermissionDenied
    with transaction.atomic():
        promise = None if gives_back is None else _lock_promise(esim, package, gives_back, replaced_by, shown_left)
        action = request_action(
            esim=esim, capability=capability, package=package, message=message, reason=reason, by=by
        )
        if promise is not None:
            ReturnWish.objects.create(
                action=action,
                purchase=promise.purchase,
                amount=promise.amount,
                currency=promise.purchase.order_line.order.currency,
                reason=reason.strip()[:300],
                asked_by=by,
            )
    return action


def due_wishes() -> QuerySet[ReturnWish]:
    """Promises whose action has ended, one way or the other."""
    return ReturnWish.objects.filter(state=ReturnWish.State.WAITING, action__state__in=_ENDED).order_by("pk")


def settle_return_wishes() -> int:
    """Owe what was promised for lines that confirmed their end; say of the others that nothing is owed by that.

    Safe to run at any time, by any number of workers. Returns how many were settled.
    """
    ids = list(due_wishes().values_list("pk", flat=True)[:_AT_ONCE])
    return sum(_settle_wish(wish_id) for wish_id in ids)


def _settle_wish(wish_id: int) -> bool:
    purchase_id = ReturnWish.objects.values_list("purchase_id", flat=True).get(pk=wish_id)
    with transaction.atomic():
        purchase = lock_purchase(purchase_id)
        wish = (
            ReturnWish.objects.select_for_update(of=("self",))
            .select_related("action__esim", "asked_by")
            .get(pk=wish_id)
        )
        action = wish.action
        if wish.state != ReturnWish.State.WAITING or action.state not in _ENDED:
            return False
        wish.settled_at = timezone.now()
        if action.state == LineAction.State.CONFIRMED:
            _owe(wish, purchase, action.esim)
        else:
            _void(wish, purchase, action.esim, _VOID[LineAction.State(action.state)])
        wish.save(update_fields=["state", "note", "refund", "settled_at"])
    return True


def _owe(wish: ReturnWish, purchase: Purchase, esim: Esim) -> None:
    amount = min(wish.amount, count_given(purchase, esim).left)
    is_due = has_due_return(purchase, esim)
    if amount <= 0 or is_due:
        _void(wish, purchase, esim, _OWED_ALREADY if is_due else _NOTHING_LEFT)
        return
    by = wish.asked_by.email if wish.asked_by else "actions"
    wish.state, wish.note = ReturnWish.State.OWED, "" if amount == wish.amount else _LESS_LEFT
    wish.refund = write_return(purchase, esim, amount, reason=wish.reason, by=by)


def _void(wish: ReturnWish, purchase: Purchase, esim: Esim, why: str) -> None:
    wish.state, wish.note = ReturnWish.State.VOID, why
    order = purchase.order_line.order
    facts = {"amount": str(wish.amount), "currency": wish.currency, "line": esim.label}
    note_event(order, kind="refund.not_owed", purchase=purchase, by="actions", why=why, facts=facts)
    told = {"amount": say_amount(wish.amount, wish.currency), "order": order.number}
    make_event(esim, EventKind.MONEY_BACK_NOT_OWED, by="actions", why=why, facts=told).save()


def _lock_promise(
    esim: Esim, package: Package | None, amount: Decimal, replaced_by: int | None, shown_left: Decimal | None
) -> Promise:
    purchase = find_sold(esim, package)
    if purchase is None:
        raise RefundRefused(_("No order of ours brought it: there is nothing to give back for it."))
    locked = lock_purchase(purchase.pk)
    require_returnable(locked, esim, amount, replaced_by=replaced_by, shown_left=shown_left)
    return Promise(purchase=locked, amount=amount)
