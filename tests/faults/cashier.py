"""Money in a schedule: what staff take and pay back by hand, and what they decide; ``card_desk`` has the cards."""

import uuid
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from orders.capturing import count_outstanding
from orders.card.refunds import find_card_to_refund
from orders.checkout import cancel_order
from orders.expiring import expire_orders
from orders.models import Order, Payment, Refund
from orders.payment_decisions import buy_after_all, give_back, settle_payment, void_payment
from orders.payments import record_payment
from orders.refunds import record_refund_made

_DECISIONS = ("buy_after_all", "give_back", "void", "settle_payment")
#: The steps that are the cashier's.
MONEY = frozenset({"pay", "card", "cancel", "refund", "expire", *_DECISIONS})

if TYPE_CHECKING:
    from tests.faults.office import Office


class Cashier:
    """Takes and gives back the office's money."""

    def __init__(self, office: "Office") -> None:
        self._office = office

    def take(self, name: str, argument: Any) -> None:
        if name == "refund":
            self.refund(argument)
        elif name == "expire":
            expire_orders()
        elif name in _DECISIONS:
            self.decide(name, argument)
        elif self._office.orders:
            order = Order.objects.get(pk=self._office.orders[argument % len(self._office.orders)].pk)
            {"pay": self.pay, "card": self._office.cards.ask, "cancel": self.cancel}[name](order)

    def pay(self, order: Order) -> None:
        """What is still to be paid, in cash."""
        record_payment(
            order=order,
            method=Payment.Method.CASH,
            amount=count_outstanding(order),
            currency=order.currency,
            reference="",
            form_key=uuid.uuid4(),
            by=self._office.staff,
        )

    def refund(self, number: int) -> None:
        """One of the refunds that are due goes back: to the card that paid, or by hand."""
        due = list(Refund.objects.filter(state=Refund.State.DUE).order_by("pk"))
        if not due:
            return
        refund = due[number % len(due)]
        if number % 3 and find_card_to_refund(refund) is not None:
            self._office.cards.pay_back(refund)
        else:
            record_refund_made(refund=refund, method="cash", by=self._office.staff)

    def decide(self, name: str, number: int) -> None:
        """What is to become of money that does not fit, or was entered by mistake."""
        payments = list(Payment.objects.order_by("pk"))
        if not payments:
            return
        words: dict[str, Any] = {"why": "asked the customer", "by": self._office.staff}
        verbs: dict[str, Callable[..., object]] = {
            "buy_after_all": buy_after_all,
            "give_back": partial(give_back, cancels=bool(number % 2)),
            "void": void_payment,
            "settle_payment": settle_payment,
        }
        verbs[name](payment=payments[number % len(payments)], **words)

    def cancel(self, order: Order) -> None:
        cancel_order(order=order, by=self._office.staff, why="customer left")
