"""Taking an order: names and prices are frozen here, and one form gives one order however often it is sent."""

from decimal import Decimal
from uuid import UUID

from django.conf import settings
from django.db import IntegrityError, transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from catalog.models import Plan
from customers.models import Customer, User
from orders.amounts import say_amount
from orders.models import Order, OrderLine
from orders.numbers import draw_number
from orders.states import change_order, lock_order, note_event
from providers.registry import offers
from providers.types import Capability

#: Drawing a number that exists already is rare; twice in a row does not happen.
_TRIES = 5


class CheckoutRefused(Exception):
    """The order cannot be taken; nothing was written. ``field`` names what to mend: plan, quantity, price, customer."""

    def __init__(self, message: str, field: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.field = field


def place_order(
    *,
    customer: Customer,
    plan: Plan,
    quantity: int,
    checkout_key: UUID,
    expected_unit_price: Decimal,
    by: User,
    note: str = "",
) -> Order:
    """Take an order for ``quantity`` eSIMs at the price that the page showed (in the plan's currency).

    The same ``checkout_key`` gives the same order, also under a race; with another content it is refused.
    Raises ``CheckoutRefused``.
    """
    known = _find_placed(checkout_key, customer, plan, quantity, expected_unit_price)
    if known is not None:
        return known
    for remaining in reversed(range(_TRIES)):
        try:
            with transaction.atomic():
                return _write_order(
                    customer=customer,
                    plan=plan,
                    quantity=quantity,
                    checkout_key=checkout_key,
                    expected=expected_unit_price,
                    by=by,
                    note=note,
                )
        except IntegrityError:
            # The same form was faster, or the number is taken.
            known = _find_placed(checkout_key, customer, plan, quantity, expected_unit_price)
            if known is not None:
                return known
            if not remaining:
                raise
    raise AssertionError("the loop returns or raises")


def cancel_order(*, order: Order, by: User, why: str) -> Order:
    """Cancel an order that nobody has paid. Raises ``CheckoutRefused`` once it is paid; a cancelled one stays as is."""
    with transaction.atomic():
        locked = lock_order(order.pk)
        if locked.state == Order.State.CANCELLED:
            return locked
        if locked.state != Order.State.UNPAID:
            raise CheckoutRefused(_("This order is paid and being bought. It can no longer be cancelled."))
        change_order(locked, to=Order.State.CANCELLED, by=by.email, why=why)
    return locked


def why_not_sellable(plan: Plan) -> str:
    """Why the plan cannot be ordered now, as a sentence for people; "" when it can."""
    account = {"account": plan.account}
    reasons = (
        (plan.retired_at is not None, _("The provider no longer offers this plan.")),
        (not plan.is_published, _("This plan is not for sale.")),
        (plan.retail_price is None, _("This plan has no price yet.")),
        (not plan.currency, _("The currency of this plan is not known yet.")),
        (plan.account.is_paused, _("%(account)s is paused: nothing can be bought there now.") % account),
        (
            not offers(plan.account.slug, Capability.ORDER),
            _("%(account)s is not configured: nothing can be bought there now.") % account,
        ),
    )
    return next((reason for applies, reason in reasons if applies), "")


def _write_order(
    *, customer: Customer, plan: Plan, quantity: int, checkout_key: UUID, expected: Decimal, by: User, note: str
) -> Order:
    fresh = Plan.objects.select_related("account").filter(pk=plan.pk).first()
    if fresh is None:
        raise CheckoutRefused(_("This plan is no longer in the catalogue. Choose another one."), "plan")
    if refusal := why_not_sellable(fresh):
        raise CheckoutRefused(refusal, "plan")
    if not 1 <= quantity <= settings.ORDER_MAX_QUANTITY:
        limit = settings.ORDER_MAX_QUANTITY
        raise CheckoutRefused(_("Order between 1 and %(limit)s eSIMs.") % {"limit": limit}, "quantity")
    price = fresh.retail_price
    if price is None or price != expected:
        message = _("The price has changed from %(old)s to %(new)s. Look at it and confirm again.")
        old, new = (say_amount(amount or Decimal(0), fresh.currency) for amount in (expected, price))
        raise CheckoutRefused(message % {"old": old, "new": new}, "price")
    if customer.pk is None or not Customer.objects.filter(pk=customer.pk).exists():
        raise CheckoutRefused(_("This customer no longer exists. Choose another one."), "customer")
    order = Order.objects.create(
        number=draw_number(timezone.now()),
        checkout_key=checkout_key,
        customer=customer,
        currency=fresh.currency,
        total=price * quantity,
        note=note,
        created_by=by,
    )
    OrderLine.objects.create(
        order=order,
        plan=fresh,
        plan_name=fresh.name,
        quantity=quantity,
        unit_price=price,
        price_source=fresh.price_source,
        unit_cost=fresh.net_price,
        cost_currency=fresh.currency if fresh.net_price is not None else "",
    )
    facts = {"plan": fresh.plan_ref, "quantity": quantity, "unit_price": str(price), "currency": fresh.currency}
    note_event(order, kind="order.placed", by=by.email, facts=facts)
    return order


def _find_placed(key: UUID, customer: Customer, plan: Plan, quantity: int, price: Decimal) -> Order | None:
    order = Order.objects.filter(checkout_key=key).first()
    if order is None:
        return None
    placed = list(order.lines.values_list("plan_id", "quantity", "unit_price"))
    if order.customer_id != customer.pk or placed != [(plan.pk, quantity, price)]:
        message = _("This form was sent before, with other contents, and gave order %(number)s. Begin a new order.")
        raise CheckoutRefused(message % {"number": order.number})
    return order
