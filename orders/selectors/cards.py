"""Card payments, disputes and the payment service's calls as staff see them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import Count, QuerySet
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from orders.amounts import say_amount
from orders.card import gateway
from orders.card.deciding import may_decide_payment, may_decide_refund
from orders.card.disputes import disputes_for_a_person
from orders.card.refunds import choose_card, find_charge_backs
from orders.models import Dispute, Order, Payment, PaymentDelivery, Refund
from orders.selectors.deliveries import BODY_SHOWN
from orders.selectors.order_page import OrderPage
from providers.redaction import redact_text

_SERVICE_WORDS: Mapping[str, Any] = {
    "": gettext_lazy("The payment service has not answered yet; it is asked again by itself."),
    "requires_payment_method": gettext_lazy("It waits for the customer's card."),
    "requires_confirmation": gettext_lazy("It waits for the customer to confirm."),
    "requires_action": gettext_lazy("The customer's bank asks the customer something."),
    "processing": gettext_lazy("The bank is carrying it out."),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class CardPanel:
    """What the order's page shows of cards."""

    #: A payment by card can be asked for, or is open.
    is_offered: bool
    payment: Payment | None
    #: What the service says of the open one.
    sentence: str
    #: Why the newest one failed, where none is open.
    failure: str
    disputes: Sequence[Dispute]
    #: Refunds that can go back to a card.
    refundable: frozenset[int]
    #: The open one has waited so long that a person may say what became of it; so have refunds that are under way.
    hangs: bool = False
    hanging: frozenset[int] = frozenset()

    @property
    def digest(self) -> str:
        """Changes when something that the panel shows does."""
        row = self.payment
        return "none" if row is None else f"{row.pk}-{row.service_state}-{row.checks}-{len(row.error)}-{self.hangs}"


def read_card_panel(page: OrderPage) -> CardPanel:
    """The panel of an order whose page was read; one more query."""
    order, cards = page.order, [row for row in page.payments if row.method == Payment.Method.CARD]
    disputes = list(Dispute.objects.filter(payment__order=order).order_by("pk")) if cards else []
    pending = next((row for row in cards if row.state == Payment.State.PENDING), None)
    failed = cards[-1] if cards and cards[-1].state == Payment.State.FAILED else None
    due = [row for row in page.refunds if row.state == Refund.State.DUE] if gateway.is_configured() else []
    chosen = {row.pk for row in due if choose_card(row, cards, page.refunds, disputes)}
    to_be_paid = order.state == Order.State.UNPAID and page.outstanding > 0
    return CardPanel(
        is_offered=pending is not None or (gateway.is_configured() and to_be_paid),
        payment=pending,
        sentence=describe_service_state(pending) if pending is not None else "",
        failure="" if pending is not None or failed is None else failed.error,
        disputes=disputes,
        refundable=frozenset(chosen),
        hangs=pending is not None and may_decide_payment(pending),
        hanging=frozenset(row.pk for row in page.refunds if may_decide_refund(row)),
    )


def describe_service_state(payment: Payment) -> str:
    """What the service says of an open payment; a word that this page does not know is shown as it is."""
    return str(_SERVICE_WORDS.get(payment.service_state, payment.service_state))


def warn_of_charge_backs(order: Order) -> list[str]:
    """What to know before money of an order goes back: what a bank has taken already."""
    return [
        _("Careful: the customer's bank has taken %(amount)s of this order back already. Paying back too pays twice.")
        % {"amount": say_amount(dispute.amount, dispute.currency)}
        for dispute in find_charge_backs(order)
    ]


# -- disputes ---------------------------------------------------------------------------------------------------------


def find_disputes(*, for_a_person: bool) -> QuerySet[Dispute]:
    """Disputes with their orders, the newest first."""
    rows = disputes_for_a_person() if for_a_person else Dispute.objects.all()
    return rows.select_related("payment__order__customer").order_by("-opened_at", "-pk")


# -- the service's calls ----------------------------------------------------------------------------------------------


def find_payment_deliveries(state: str) -> QuerySet[PaymentDelivery]:
    """Calls in a state, or all, the newest first, without their bodies."""
    rows = PaymentDelivery.objects.defer("body").order_by("-received_at", "-pk")
    return rows.filter(state=state) if state else rows


def count_payment_deliveries() -> Mapping[str, int]:
    """How many wait for a person, or for their turn, by state: only states that are few are counted."""
    few = (PaymentDelivery.State.NEW, PaymentDelivery.State.PARKED)
    rows = PaymentDelivery.objects.filter(state__in=few).order_by().values_list("state").annotate(number=Count("pk"))
    return dict(rows)


def read_payment_body(delivery: PaymentDelivery) -> str:
    """The body as it may be shown: redacted first, then cut."""
    text = redact_text(bytes(delivery.body or b"").decode("utf-8", "replace"))
    return text if len(text) <= BODY_SHOWN else text[: BODY_SHOWN - 1] + "…"
