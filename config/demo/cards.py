"""Card payments in the demo office: one waits for its customer, one was paid, one is taken back by its bank.

What customers and banks do is ordered from the simulated payment service; its calls bring it into the office.
"""

from django.db.models import QuerySet

from config.demo.desk import DemoDesk, make_key
from config.demo.provider import DemoProvider
from config.demo.story import Sale
from config.demo.waiting import wait_for
from customers.models import User
from orders.card.payments import start_card_payment
from orders.models import Dispute, Order, Payment

_WAITS = Sale(name="beach week", customer="priya.shah@example.in", country="TH", days=7, paid=False)
_PAID = Sale(name="museum days", customer="lukas.weber@example.de", country="FR", days=5, paid=False)
_DISPUTED = Sale(name="third look", customer="diego.fernandez@example.es", country="GB", days=5, paid=False)


def pay_by_card(desk: DemoDesk, provider: DemoProvider, *, staff: User) -> list[Order]:
    """The orders that were paid; workers buy them. May be done again. Raises FillingStuck."""
    payments = {sale.name: _ask(desk, sale, staff) for sale in (_WAITS, _PAID, _DISPUTED)}
    paid = [payments[sale.name] for sale in (_PAID, _DISPUTED)]
    for payment in paid:
        if payment.state == Payment.State.PENDING:
            provider.pay_card(payment.intent_id)
    wait_for("the card payments", lambda: not _pending(paid).exists())
    disputed = payments[_DISPUTED.name]
    if not Dispute.objects.filter(payment=disputed).exists():
        provider.dispute_card(disputed.intent_id, reason="product_not_received")
        wait_for("the dispute", lambda: Dispute.objects.filter(payment=disputed, is_withdrawn=True).exists())
    return [payment.order for payment in paid]


def _ask(desk: DemoDesk, sale: Sale, staff: User) -> Payment:
    order = desk.place(sale)
    known = Payment.objects.filter(form_key=make_key(f"payment of {sale.name}")).first()
    payment = known or start_card_payment(order=order, form_key=make_key(f"payment of {sale.name}"), by=staff)
    wait_for("the payment service", lambda: Payment.objects.exclude(intent_id="").filter(pk=payment.pk).exists())
    return Payment.objects.select_related("order").get(pk=payment.pk)


def _pending(payments: list[Payment]) -> QuerySet[Payment]:
    return Payment.objects.filter(pk__in=[row.pk for row in payments], state=Payment.State.PENDING)
