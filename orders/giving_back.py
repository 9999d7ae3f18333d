"""Money given back for what was delivered: goodwill, or a line that ended unused.

It is decided for one line (or top-up) of one order, by a person, up to what the customer paid for it; never by itself.
"""

from dataclasses import dataclass
from decimal import Decimal
from uuid import UUID

from django.core.exceptions import PermissionDenied
from django.db import IntegrityError, transaction
from django.db.models import Q
from django.utils.translation import gettext as _

from catalog.currencies import is_payable
from customers.models import User
from esims.events import EventKind, make_event
from esims.models import Esim, Package
from orders.amounts import say_amount
from orders.models import OrderLine, Purchase, PurchasedEsim, PurchasedPackage, Refund
from orders.refunding import count_delivered
from orders.refunds import RefundRefused, lock_refunded
from orders.replaced import find_replacement
from orders.states import lock_purchase, note_event

ZERO = Decimal(0)
PERMISSION = "orders.give_back"


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """What a customer paid for one line (or top-up), and what of it was owed back before; ``left`` may still be."""

    paid: Decimal
    returned: Decimal
    left: Decimal
    currency: str


def find_sold(esim: Esim, package: Package | None = None) -> Purchase | None:
    """The purchase by which a customer got this line, or this package on it; None: not by an order of ours."""
    if package is not None and package.kind == Package.Kind.TOP_UP:
        bought = Q(topped_up__package=package, topped_up__esim=esim)
    else:
        bought = Q(delivered__esim=esim)
    return Purchase.objects.select_related("order_line__order").filter(bought).first()


def list_sold(esim: Esim) -> list[Purchase]:
    """Everything that a customer paid for on this line: the line itself, then its top-ups."""
    brought = Q(delivered__esim=esim) | Q(topped_up__esim=esim)
    rows = Purchase.objects.filter(brought).select_related("order_line__order", "account")
    return sorted(rows.distinct(), key=lambda one: (one.order_line.kind == OrderLine.Kind.TOP_UP, one.pk))


def count_given(purchase: Purchase, esim: Esim) -> Given:
    """What may still be given back for one line of a purchase (fetched with its order)."""
    line = purchase.order_line
    paid = line.unit_price
    rows = Refund.objects.filter(purchase=purchase, state__in=Refund.STANDING)
    back = rows.filter(kind=Refund.Kind.RETURNED).values_list("esim_id", "amount")
    returned = sum((amount for esim_id, amount in back if esim_id == esim.pk), ZERO)
    # Where a price went back as "not delivered" and the line came after all, it is nobody's any more.
    kept = min(count_delivered(purchase), purchase.quantity)
    gone = rows.filter(kind=Refund.Kind.MISSING, state__in=Refund.GONE).values_list("quantity", flat=True)
    given_away = max(0, sum(gone) - (purchase.quantity - kept))
    left_of_all = paid * (kept - given_away) - sum((amount for _esim, amount in back), ZERO)
    left = max(ZERO, min(paid - returned, left_of_all))
    return Given(paid=paid, returned=returned, left=left, currency=line.order.currency)


def find_instead(purchase: Purchase, esim: Esim) -> OrderLine | None:
    """By what the customer gets another line for the price that they paid for this one; never for a top-up's."""
    return None if purchase.order_line.kind == OrderLine.Kind.TOP_UP else find_replacement(esim)


def owe_return(
    *,
    purchase: Purchase,
    esim: Esim,
    amount: Decimal,
    reason: str,
    form_key: UUID,
    by: User,
    replaced_by: int | None = None,
    shown_left: Decimal | None = None,
) -> Refund:
    """Owe the customer ``amount`` (of the order's currency) back for one line, or one top-up, of a purchase.

    ``replaced_by``: the order that replaces the line, as far as the person was told of one. ``shown_left``: what they
    were told may still go back; None where nobody was told of an amount.
    The same ``form_key`` gives the same refund, also under a race. Raises ``RefundRefused``, and ``PermissionDenied``
    without ``orders.give_back``; nothing is written then.
    """
    if not by.has_perm(PERMISSION):
        raise PermissionDenied
    wanted = (purchase.pk, esim.pk, amount)
    if (known := _find_owed(form_key, wanted)) is not None:
        return known
    try:
        with transaction.atomic():
            locked = lock_purchase(purchase.pk)
            if (known := _find_owed(form_key, wanted)) is not None:
                return known
            require_returnable(locked, esim, amount, replaced_by=replaced_by, shown_left=shown_left)
            return write_return(locked, esim, amount, reason=reason, by=by.email, form_key=form_key)
    except IntegrityError:
        # The same form was sent twice at once, for two purchases at that.
        if (known := _find_owed(form_key, wanted)) is None:
            raise
        return known


def write_return(
    purchase: Purchase, esim: Esim, amount: Decimal, *, reason: str, by: str, form_key: UUID | None = None
) -> Refund:
    """The refund of a locked purchase, with a row on both timelines; the caller has looked what is left."""
    order = purchase.order_line.order
    refund = Refund.objects.create(
        kind=Refund.Kind.RETURNED,
        order=order,
        purchase=purchase,
        esim=esim,
        form_key=form_key,
        quantity=1,
        amount=amount,
        currency=order.currency,
        reason=reason.strip()[:300],
    )
    facts = {"new": str(amount), "currency": order.currency, "line": esim.label}
    note_event(order, kind="refund.returned", purchase=purchase, by=by, why=refund.reason, facts=facts)
    told = {"amount": say_amount(amount, order.currency), "order": order.number}
    make_event(esim, EventKind.MONEY_BACK_OWED, by=by, why=refund.reason, facts=told).save()
    return refund


def drop_return(*, refund: Refund, why: str, by: User) -> Refund:
    """Take back that money is owed for what was delivered, while it is due; a second time changes nothing.

    Raises ``RefundRefused``, and ``PermissionDenied`` without ``orders.give_back``.
    """
    if not by.has_perm(PERMISSION):
        raise PermissionDenied
    with transaction.atomic():
        order, purchase = lock_refunded(refund)
        locked = Refund.objects.select_for_update().get(pk=refund.pk)
        if locked.kind != Refund.Kind.RETURNED:
            raise RefundRefused(_("Only what was promised by staff can be dropped: this follows from what was paid."))
        if locked.state == Refund.State.DROPPED:
            return locked
        if locked.state != Refund.State.DUE:
            raise RefundRefused(_("The money went back, or is on its way: it can no longer be dropped."))
        locked.state = Refund.State.DROPPED
        locked.save(update_fields=["state"])
        facts = {"old": str(locked.amount), "new": "0", "currency": locked.currency}
        note_event(order, kind="refund.dropped", purchase=purchase, by=by.email, why=why, facts=facts)
        if locked.esim is not None:
            told = {"amount": say_amount(locked.amount, locked.currency), "order": order.number}
            make_event(locked.esim, EventKind.MONEY_BACK_DROPPED, by=by.email, why=why, facts=told).save()
    return locked


def has_due_return(purchase: Purchase, esim: Esim) -> bool:
    """Whether money is owed back for this line already and has not gone yet."""
    due = Refund.objects.filter(purchase=purchase, esim=esim, kind=Refund.Kind.RETURNED, state=Refund.State.DUE)
    return due.exists()


def was_delivered(purchase: Purchase, esim: Esim) -> bool:
    """Whether the purchase brought this line, or its top-up came onto it."""
    if purchase.order_line.kind == OrderLine.Kind.TOP_UP:
        return PurchasedPackage.objects.filter(purchase=purchase, esim=esim).exists()
    return PurchasedEsim.objects.filter(purchase=purchase, esim=esim).exists()


def say_changed() -> str:
    """That a person decided by a page which no longer is true."""
    return _("What can go back to the customer has changed meanwhile. Look at it again.")


def why_nothing_left(given: Given) -> str:
    """Why nothing can be given back for a line, in the reader's language; "" where something can."""
    if not given.paid:
        return _("The customer paid nothing for it: there is nothing to give back.")
    if not given.left:
        return _("All that the customer paid for it is owed back or went back already.")
    return ""


def require_returnable(
    purchase: Purchase, esim: Esim, amount: Decimal, *, replaced_by: int | None, shown_left: Decimal | None = None
) -> None:
    """Raise ``RefundRefused`` where the amount cannot be given back now for one line of a locked purchase.

    Also where the line was replaced since the person looked: both are given only by somebody who knows of both. And
    where more, or less, is left than they were shown: somebody else decided about it meanwhile.
    """
    if not was_delivered(purchase, esim):
        raise RefundRefused(_("This order did not bring this line: there is nothing to give back for it."))
    if has_due_return(purchase, esim):
        raise RefundRefused(_("Money is owed back for it already: record that it was made, or drop it first."))
    if (instead := find_instead(purchase, esim)) is not None and instead.order_id != replaced_by:
        message = _("The line was replaced by order %(number)s meanwhile. Open the page again.")
        raise RefundRefused(message % {"number": instead.order.number})
    given = count_given(purchase, esim)
    if refusal := why_nothing_left(given):
        raise RefundRefused(refusal)
    if shown_left is not None and shown_left != given.left:
        raise RefundRefused(say_changed())
    if not ZERO < amount <= given.left:
        most = say_amount(given.left, given.currency)
        raise RefundRefused(_("Between nothing and %(most)s can be given back for it.") % {"most": most}, "amount")
    # A price may have more decimals than can be paid; all of it may be given back all the same.
    if amount != given.left and not is_payable(amount, given.currency):
        raise RefundRefused(_("%(currency)s has fewer decimals.") % {"currency": given.currency}, "amount")


def _find_owed(form_key: UUID, wanted: tuple[int, int, Decimal]) -> Refund | None:
    refund = Refund.objects.filter(form_key=form_key).first()
    if refund is not None and (refund.purchase_id, refund.esim_id, refund.amount) != wanted:
        raise RefundRefused(_("This form was sent before, with other contents. Open the page again."))
    if refund is not None and refund.state == Refund.State.DROPPED:
        raise RefundRefused(_("This form was sent before, and what it owed was dropped since. Open the page again."))
    return refund
