"""Taking an order: names and prices are frozen here, and one form gives one order however often it is sent."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from uuid import UUID

from django.conf import settings
from django.db import IntegrityError, transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from catalog.models import Plan
from customers.models import Customer, User
from esims.models import Esim
from orders.amounts import say_amount
from orders.capturing import owe_everything
from orders.checkpoints import Checkpoint, pass_checkpoint
from orders.erasing import close_activations
from orders.models import Order, OrderLine
from orders.numbers import draw_number
from orders.requests import find_capability
from orders.states import change_order, lock_order, note_event
from providers.registry import offers

#: Drawing a number that exists already is rare; twice in a row does not happen.
_TRIES = 5


class CheckoutRefused(Exception):
    """The order cannot be taken; nothing was written. ``field`` names what to mend: plan, quantity, price, customer."""

    def __init__(self, message: str, field: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.field = field


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What a customer wants: one plan, how often, for how many days where days are chosen, for which line.

    ``unit_price`` is the price that the page showed (in the plan's currency), for all days together.
    """

    plan: Plan
    quantity: int
    unit_price: Decimal
    period_days: int | None = None
    esim: Esim | None = None


def place_order(
    *,
    customer: Customer,
    plan: Plan,
    quantity: int,
    checkout_key: UUID,
    expected_unit_price: Decimal,
    by: User,
    period_days: int | None = None,
    note: str = "",
) -> Order:
    """Take an order for ``quantity`` eSIMs at the price that the page showed (in the plan's currency).

    ``period_days`` is asked for plans that are sold by the day, and only there. The same ``checkout_key`` gives the
    same order, also under a race; with another content it is refused. Raises ``CheckoutRefused``.
    """
    if plan.kind != Plan.Kind.ESIM:
        raise CheckoutRefused(_("This plan is not sold as a new eSIM."), "plan")
    wish = Wish(plan=plan, quantity=quantity, unit_price=expected_unit_price, period_days=period_days)
    return take_order(customer=customer, wish=wish, checkout_key=checkout_key, by=by, note=note)


def take_order(*, customer: Customer, wish: Wish, checkout_key: UUID, by: User, note: str = "") -> Order:
    """Take an order for one wish, of whatever kind its plan is; otherwise as ``place_order``."""
    known = _find_placed(checkout_key, customer, wish)
    if known is not None:
        return known
    if customer.erased_at is not None:
        raise CheckoutRefused(_("This customer had their account deleted: nothing more can be ordered."), "customer")
    for remaining in reversed(range(_TRIES)):
        try:
            with transaction.atomic():
                order = _write_order(customer=customer, wish=wish, checkout_key=checkout_key, by=by, note=note)
                pass_checkpoint(Checkpoint.PLACING, row_id=order.pk)
        except IntegrityError:
            # The same form was faster, or the number is taken.
            known = _find_placed(checkout_key, customer, wish)
            if known is not None:
                return known
            if not remaining:
                raise
        else:
            pass_checkpoint(Checkpoint.PLACED, row_id=order.pk)
            return order
    raise AssertionError("the loop returns or raises")


def price_for(plan: Plan, period_days: int | None = None) -> Decimal | None:
    """What one eSIM (or top-up) of the plan costs the customer, for all its days; None while it has no price."""
    return None if plan.retail_price is None else plan.retail_price * (period_days or 1)


def draw_expiry() -> datetime | None:
    """Until when an order taken now waits for its payment (UTC); None where orders do not expire."""
    hours = settings.ORDER_EXPIRES_HOURS
    return timezone.now() + timedelta(hours=hours) if hours > 0 else None


def cancel_order(*, order: Order, by: User, why: str) -> Order:
    """Cancel an order that is not paid in full; a part that came is owed back. A cancelled one stays as it is.

    Raises ``CheckoutRefused`` once it is paid or has expired.
    """
    with transaction.atomic():
        locked = lock_order(order.pk)
        if locked.state == Order.State.CANCELLED:
            return locked
        if locked.state == Order.State.EXPIRED:
            raise CheckoutRefused(_("This order has expired already: nothing can be bought for it by itself."))
        if locked.state != Order.State.UNPAID:
            raise CheckoutRefused(_("This order is paid and being bought. It can no longer be cancelled."))
        cancel_unpaid(locked, why=why, by=by.email)
    return locked


def cancel_unpaid(order: Order, *, why: str, by: str) -> None:
    """Cancel a locked order that waits for payment; what came for it all the same is owed back."""
    change_order(order, to=Order.State.CANCELLED, by=by, why=why)
    owe_everything(order, why="the order is cancelled", by=by)
    close_activations(order)


def why_not_sellable(plan: Plan, *, kind: str = "") -> str:
    """Why the plan cannot be ordered now, as a sentence for people; "" when it can.

    ``kind`` (of an order line) where it is another than the plan's own: a plan of the catalogue may be a top-up too.
    """
    account = {"account": plan.account}
    reasons = (
        (plan.retired_at is not None, _("The provider no longer offers this plan.")),
        (not plan.is_published, _("This plan is not for sale.")),
        (plan.retail_price is None, _("This plan has no price yet.")),
        (not plan.currency, _("The currency of this plan is not known yet.")),
        (plan.account.is_paused, _("%(account)s is paused: nothing can be bought there now.") % account),
        (
            not offers(plan.account.slug, find_capability(kind or plan.kind)),
            _("%(account)s is not configured: nothing can be bought there now.") % account,
        ),
    )
    return next((reason for applies, reason in reasons if applies), "")


def _write_order(*, customer: Customer, wish: Wish, checkout_key: UUID, by: User, note: str) -> Order:
    fresh = Plan.objects.select_related("account").filter(pk=wish.plan.pk).first()
    if fresh is None:
        raise CheckoutRefused(_("This plan is no longer in the catalogue. Choose another one."), "plan")
    kind = fresh.kind if wish.esim is None else _kind_for(fresh)
    if refusal := why_not_sellable(fresh, kind=kind):
        raise CheckoutRefused(refusal, "plan")
    if kind == OrderLine.Kind.TOP_UP and wish.esim is None:
        raise CheckoutRefused(_("This package only fits to an existing line."), "plan")
    _require_amounts(fresh, wish)
    price = price_for(fresh, wish.period_days)
    if price is None or price != wish.unit_price:
        message = _("The price has changed from %(old)s to %(new)s. Look at it and confirm again.")
        old, new = (say_amount(amount or Decimal(0), fresh.currency) for amount in (wish.unit_price, price))
        raise CheckoutRefused(message % {"old": old, "new": new}, "price")
    if customer.pk is None or not Customer.objects.filter(pk=customer.pk).exists():
        raise CheckoutRefused(_("This customer no longer exists. Choose another one."), "customer")
    order = Order.objects.create(
        number=draw_number(timezone.now()),
        checkout_key=checkout_key,
        customer=customer,
        currency=fresh.currency,
        total=price * wish.quantity,
        note=note,
        created_by=by,
        expires_at=draw_expiry(),
    )
    OrderLine.objects.create(
        order=order,
        kind=kind,
        plan=fresh,
        plan_name=fresh.name,
        quantity=wish.quantity,
        period_days=wish.period_days,
        esim=wish.esim,
        unit_price=price,
        price_source=fresh.price_source,
        unit_cost=None if fresh.net_price is None else fresh.net_price * (wish.period_days or 1),
        cost_currency=fresh.currency if fresh.net_price is not None else "",
    )
    facts = {"plan": fresh.plan_ref, "quantity": wish.quantity, "unit_price": str(price), "currency": fresh.currency}
    if wish.period_days is not None:
        facts["days"] = wish.period_days
    note_event(order, kind="order.placed", by=by.email, facts=facts)
    return order


def _kind_for(plan: Plan) -> str:
    """What an order about an existing line is: a reissue by its plan's kind, a top-up otherwise."""
    return OrderLine.Kind.REISSUE if plan.kind == Plan.Kind.REISSUE else OrderLine.Kind.TOP_UP


def _require_amounts(plan: Plan, wish: Wish) -> None:
    """Quantity and days as this plan is sold. Raises ``CheckoutRefused``."""
    limit = settings.ORDER_MAX_QUANTITY if plan.kind == Plan.Kind.ESIM and wish.esim is None else 1
    if not 1 <= wish.quantity <= limit:
        raise CheckoutRefused(_("Order between 1 and %(limit)s eSIMs.") % {"limit": limit}, "quantity")
    most = plan.days_choice_max
    if most is None and wish.period_days is not None:
        raise CheckoutRefused(_("The days of this plan are fixed."), "period_days")
    if most is not None and not 1 <= (wish.period_days or 0) <= most:
        raise CheckoutRefused(_("Choose between 1 and %(limit)s days.") % {"limit": most}, "period_days")


def _find_placed(key: UUID, customer: Customer, wish: Wish) -> Order | None:
    order = Order.objects.filter(checkout_key=key).first()
    if order is None:
        return None
    wanted = (
        wish.plan.pk,
        wish.quantity,
        wish.unit_price,
        wish.period_days,
        wish.esim.pk if wish.esim else None,
    )
    placed = list(order.lines.values_list("plan_id", "quantity", "unit_price", "period_days", "esim_id"))
    if order.customer_id != customer.pk or placed != [wanted]:
        message = _("This form was sent before, with other contents, and gave order %(number)s. Begin a new order.")
        raise CheckoutRefused(message % {"number": order.number})
    return order
