"""Writes what the API answers about orders; ``serializers`` describes it."""

from typing import Any

from django.conf import settings
from django.utils.translation import gettext as _

from catalog.currencies import as_money
from orders.models import Order, OrderLine, Payment, Refund
from orders.sale_terms import describe_sale_terms
from orders.selectors.app_orders import STATES, AppOrder, takes_longer
from orders.selectors.order_list import OrderRow
from orders.wording import describe_order


def tell_row(row: OrderRow) -> dict[str, Any]:
    """One order of a list."""
    return _tell(
        row.order,
        kind=row.kind,
        delivered=row.delivered,
        quantity=row.quantity,
        takes_longer=takes_longer(row),
        plan_name=row.plan_name,
        more_lines=row.more_lines,
    )


def tell_order(found: AppOrder, *, is_own: bool) -> dict[str, Any]:
    """One order; what its payment is confirmed with is told its own customer only."""
    order, lines = found.order, found.lines
    shown = _tell(
        order,
        kind=found.kind,
        delivered=found.delivered,
        quantity=found.quantity,
        takes_longer=found.takes_longer,
        plan_name=lines[0].plan_name if lines else "",
        more_lines=max(0, len(lines) - 1),
    )
    return {
        **shown,
        "items": [_item(line, order.currency) for line in lines],
        "outstanding": as_money(found.outstanding, order.currency),
        "pay_by": list(found.pay_by),
        "payments": [_payment(payment, is_own=is_own) for payment in found.payments],
        "refunds": [_refund(refund) for refund in found.refunds],
        "esims": [{"id": esim.pk, "iccid": esim.iccid} for esim in found.esims],
    }


def _tell(
    order: Order, *, kind: str, delivered: int, quantity: int, takes_longer: bool, plan_name: str, more_lines: int
) -> dict[str, Any]:
    words = [describe_order(order, kind=kind, delivered=delivered, quantity=quantity)]
    if takes_longer:
        words.append(_("It takes longer than usual: we are looking into it."))
    return {
        "number": order.number,
        "state": STATES[order.state],
        "state_text": " ".join(words),
        "takes_longer": takes_longer,
        "plan_name": plan_name,
        "more_lines": more_lines,
        "quantity": quantity,
        "delivered": delivered,
        "total": as_money(order.total, order.currency),
        "created_at": order.created_at,
        "expires_at": order.expires_at if order.state == Order.State.UNPAID else None,
        "paid_at": order.paid_at,
        "finished_at": order.finished_at,
    }


def _item(line: OrderLine, currency: str) -> dict[str, Any]:
    return {
        "kind": line.kind,
        "plan_id": line.plan_id,
        "plan_name": line.plan_name,
        "quantity": line.quantity,
        "period_days": line.period_days,
        "unit_price": as_money(line.unit_price, currency),
        "price": as_money(line.whole_price, currency),
        "esim_id": line.esim_id,
        "must_show": describe_sale_terms(line),
    }


def _payment(payment: Payment, *, is_own: bool) -> dict[str, Any]:
    amount, currency = payment.amount, payment.currency
    if payment.captured_amount is not None:
        amount, currency = payment.captured_amount, payment.captured_currency
    return {
        "id": payment.pk,
        "method": payment.method,
        "state": payment.state,
        "amount": as_money(amount, currency),
        "created_at": payment.created_at,
        "captured_at": payment.captured_at,
        "sheet": _sheet(payment) if is_own else None,
    }


def _sheet(payment: Payment) -> dict[str, str] | None:
    if payment.state != Payment.State.PENDING or not payment.client_secret:
        return None
    return {
        "intent_id": payment.intent_id,
        "client_secret": bytes(payment.client_secret).decode(),
        "publishable_key": settings.STRIPE_PUBLISHABLE_KEY,
    }


def _refund(refund: Refund) -> dict[str, Any]:
    return {
        "id": refund.pk,
        "kind": refund.kind,
        "state": refund.state,
        "amount": as_money(refund.amount, refund.currency),
        "created_at": refund.created_at,
        "made_at": refund.made_at,
    }
