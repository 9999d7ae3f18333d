"""What customers do themselves in the app: order, top a line up, pay, cancel. Staff's ways to pay are not among theirs.

Each verb is given the claim of its request's idempotency key and says there, in its own transaction, what it has
reached: a request whose process died goes on from there when it is sent again.
"""

import uuid
from dataclasses import dataclass
from decimal import Decimal

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from catalog.currencies import is_payable
from catalog.models import Plan
from catalog.search import offered_plans
from customers.idempotency import Claim
from customers.models import Customer, User
from esims.models import Esim
from orders.capturing import count_outstanding
from orders.card.payments import start_card_payment
from orders.checkout import CheckoutRefused, cancel_order, place_order
from orders.credit import charge_order
from orders.models import Order, Payment
from orders.payments import PaymentRefused
from orders.topups import sell_top_up

#: How customers can pay without anybody of the staff.
APP_METHODS = (Payment.Method.CARD, Payment.Method.CREDIT)
CANCELLED_IN_APP = "the customer cancelled it in the app"


class ServiceSilent(Exception):
    """The payment service has not answered: nothing can be paid yet. It is asked again by itself, or with the key."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AppWish:
    """What is wanted, by the plan's id; ``unit_price`` is what the app showed, for all days together."""

    plan_id: int
    quantity: int = 1
    unit_price: Decimal
    currency: str
    period_days: int | None = None


def order_in_app(*, customer: Customer, wish: AppWish, by: User, claim: Claim) -> Order:
    """Take an order for new eSIMs; nothing is bought before it is paid.

    Raises ``CheckoutRefused`` (nothing is written then) and ``KeyInFlight``.
    """
    if (known := _find_reached(claim)) is not None:
        return known
    plan = _find_plan(wish)
    if not offered_plans().filter(pk=plan.pk).exists():
        raise CheckoutRefused(_("This plan cannot be bought now. Choose another one."), "plan")
    with transaction.atomic():
        order = place_order(
            customer=customer,
            plan=plan,
            quantity=wish.quantity,
            checkout_key=uuid.uuid4(),
            expected_unit_price=wish.unit_price,
            by=by,
            period_days=wish.period_days,
        )
        claim.keep_reached(order=order.pk)
    return order


def top_up_in_app(*, esim: Esim, wish: AppWish, by: User, claim: Claim) -> Order:
    """Take an order for one of the packages that ``find_top_ups`` named for the line; as ``order_in_app``."""
    if (known := _find_reached(claim)) is not None:
        return known
    plan = _find_plan(wish)
    with transaction.atomic():
        order = sell_top_up(
            esim=esim,
            plan=plan,
            checkout_key=uuid.uuid4(),
            expected_price=wish.unit_price,
            by=by,
            period_days=wish.period_days,
        )
        claim.keep_reached(order=order.pk)
    return order


def pay_in_app(*, order: Order, method: str, amount: Decimal, currency: str, by: User, claim: Claim) -> Payment:
    """Ask for what is outstanding by card, or let the customer pay it later on their credit account.

    A card payment comes back pending: the app confirms it with ``payment_sheet``. Raises ``PaymentRefused``, and
    ``ServiceSilent`` where the same request may be sent again.
    """
    if method not in APP_METHODS:
        raise PaymentRefused(_("In the app orders are paid by card or on credit."), "method")
    form_key = _draw_form_key(claim)
    if not Payment.objects.filter(form_key=form_key).exists():
        _require_payable(order, amount, currency)
    if method == Payment.Method.CREDIT:
        return _charge(order, amount, currency, form_key, by)
    payment = start_card_payment(order=order, form_key=form_key, by=by)
    if payment.state in (Payment.State.FAILED, Payment.State.CANCELLED):
        raise PaymentRefused(_("The payment service does not take this payment. Try again, or pay in another way."))
    if payment.state == Payment.State.PENDING and not payment.client_secret:
        raise ServiceSilent
    return payment


def cancel_in_app(*, order: Order, by: User) -> Order:
    """Cancel an order that is not paid; what came for it all the same is owed back. Raises ``CheckoutRefused``."""
    return cancel_order(order=order, by=by, why=CANCELLED_IN_APP)


def has_passed(order: Order) -> bool:
    """Whether the time has passed until when the order could be paid, whatever its state says yet."""
    return order.expires_at is not None and order.expires_at <= timezone.now()


def _find_reached(claim: Claim) -> Order | None:
    """The order that an earlier request with the key made before its process died."""
    reached = claim.reached.get("order")
    return None if reached is None else Order.objects.get(pk=reached)


def _find_plan(wish: AppWish) -> Plan:
    plan = Plan.objects.select_related("account").filter(pk=wish.plan_id).first()
    if plan is None:
        raise CheckoutRefused(_("This plan cannot be bought now. Choose another one."), "plan")
    if plan.currency != wish.currency or not is_payable(wish.unit_price, wish.currency):
        raise CheckoutRefused(_("The price has changed. Read the plan again."), "price")
    return plan


def _draw_form_key(claim: Claim) -> uuid.UUID:
    """One for all requests with the key: the payment that was made or asked for is found again by it."""
    if known := claim.reached.get("form_key"):
        return uuid.UUID(known)
    form_key = uuid.uuid4()
    claim.keep_reached(form_key=str(form_key))
    return form_key


def _charge(order: Order, amount: Decimal, currency: str, form_key: uuid.UUID, by: User) -> Payment:
    try:
        return charge_order(order=order, amount=amount, currency=currency, form_key=form_key, by=by)
    except PaymentRefused as error:
        if error.field != "method":
            raise
        # The words of the desk speak of the customer, to somebody else.
        raise PaymentRefused(_("Your credit does not cover this order. Pay in another way."), "method") from error


def _require_payable(order: Order, amount: Decimal, currency: str) -> None:
    """In the customer's words, and for what the app has shown them; the verbs behind look again, under the lock."""
    if order.state in (Order.State.CANCELLED, Order.State.EXPIRED) or has_passed(order):
        raise PaymentRefused(_("This order can no longer be paid. Order again."))
    if order.state != Order.State.UNPAID:
        raise PaymentRefused(_("This order is paid already."))
    if (amount, currency) != (count_outstanding(order), order.currency):
        raise PaymentRefused(_("The amount to be paid is another by now. Read the order again."), "amount")
