"""``manage.py reconcile``: settle by inquiry what can be, and say what is left for people."""

from typing import Any

from django.core.management.base import BaseCommand
from django.db.models import Q

from orders.books import find_uneven_orders, read_balances
from orders.models import Payment, Purchase
from orders.purchasing import due_purchases, run_purchase
from orders.sweeping import sweep_purchases

NEEDS_PEOPLE, BOOKS_DIFFER = 1, 2


class Command(BaseCommand):
    help = (
        "Takes over from dead workers, asks providers about orders whose lines are missing, lists the purchases that "
        "wait for a person and the payments that do not fit, and checks the books. Exit status: 0 nothing is left, "
        "1 people are needed, 2 captured money and its whereabouts differ."
    )

    def handle(self, *_args: Any, **_options: Any) -> None:
        sweep_purchases()
        for purchase_id in list(due_purchases().filter(state=Purchase.State.ALLOCATING).values_list("pk", flat=True)):
            outcome = run_purchase(purchase_id=purchase_id)
            self.stdout.write(f"purchase {purchase_id}: {outcome or 'nothing to ask'}")
        waiting = Purchase.objects.filter(
            Q(state__in=(Purchase.State.UNKNOWN, Purchase.State.HELD)) | ~Q(attention="")
        ).select_related("order_line__order", "account")
        for purchase in waiting.order_by("pk"):
            what = purchase.attention.replace("\n", "; ") or purchase.error
            number = purchase.order_line.order.number
            self.stdout.write(
                f"{number}: purchase {purchase.pk} at {purchase.account.slug} is {purchase.state}: {what}"
            )
        unfit = Payment.objects.exclude(attention="").select_related("order")
        for payment in unfit.order_by("pk"):
            what = payment.attention.replace("\n", "; ")
            self.stdout.write(f"{payment.order.number}: payment {payment.pk} needs a look: {what}")
        differ = False
        for number in find_uneven_orders():
            differ = True
            self.stdout.write(f"{number}: its payments and refunds do not come to its total")
        for balance in read_balances():
            differ |= bool(balance.difference)
            self.stdout.write(
                f"{balance.currency}: captured {balance.captured} = delivered {balance.delivered} + open {balance.open}"
                f" + refunds due {balance.refunds_due} + made {balance.refunds_made}"
                f" + unallocated {balance.unallocated} - given away {balance.given_away}"
                f"; charge-backs {balance.charge_backs}"
                + (f"; DIFFERENCE {balance.difference}" if balance.difference else "")
            )
        if differ:
            raise SystemExit(BOOKS_DIFFER)
        if waiting.exists() or unfit.exists():
            raise SystemExit(NEEDS_PEOPLE)
