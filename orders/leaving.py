"""A customer who wants to be forgotten: what stands in the way, what is erased, and what the books must keep."""

from collections.abc import Sequence
from dataclasses import dataclass

import structlog
from django.db import transaction
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext as _

from customers.devices import end_sessions
from customers.models import Customer, User
from customers.terms import keep_terms
from esims.models import Esim, LineEvent, LineLink
from esims.states import ENDED
from orders.models import (
    Activation,
    BulkOrderRow,
    CreditAccount,
    Dispute,
    Notification,
    Order,
    OrderEvent,
    Payment,
    Receipt,
    Refund,
)

log = structlog.get_logger(__name__)
#: What stands in timelines in the place of the person's address.
BY = "customer"


@dataclass(frozen=True, slots=True, kw_only=True)
class Hindrance:
    """Why an account cannot be deleted yet; ``text`` is in the reader's language."""

    code: str
    text: str


class CannotLeave(Exception):
    """Nothing was erased."""

    def __init__(self, hindrances: Sequence[Hindrance]) -> None:
        super().__init__(" ".join(found.text for found in hindrances))
        self.hindrances = hindrances


def find_hindrances(*, user: User, customer: Customer | None) -> list[Hindrance]:
    """What has to end before the account can be deleted."""
    found: list[Hindrance] = []
    if user.is_staff:
        found.append(Hindrance(code="staff", text=_("Accounts of staff are ended by an administrator.")))
    if customer is None:
        return found
    orders = Order.objects.filter(customer=customer)
    if orders.filter(state=Order.State.UNPAID).exists():
        text = _("An order waits for its payment. Pay or cancel it first.")
        found.append(Hindrance(code="unpaid_order", text=text))
    if orders.filter(state=Order.State.BUYING).exists():
        found.append(Hindrance(code="open_order", text=_("An order is being bought. Wait until it is complete.")))
    if _money_is_open(customer):
        text = _("Money is still owed, on its way or in dispute. Write to us, so that we settle it.")
        found.append(Hindrance(code="open_money", text=text))
    return found


def count_working_lines(customer: Customer | None) -> int:
    """Lines that may still be used: whoever deletes the account no longer sees them in the app."""
    if customer is None:
        return 0
    return Esim.objects.filter(customer=customer).exclude(state__in=[state.value for state in ENDED]).count()


def what_is_erased() -> list[str]:
    """For people, in their language."""
    return [
        _("Your name, e-mail address, phone number, company and country, and our notes about you."),
        _("Your sign-in, your second factor, your devices, and the answers kept for your app."),
        _("All messages that we sent you, and the links to your lines."),
        _("The names that you gave your eSIMs."),
        _("The forms by which lines were activated."),
    ]


def what_is_kept() -> list[str]:
    """For people, in their language: what, and why."""
    return [
        _("Orders, payments, refunds and credit entries, without your name: the law wants them for our books."),
        _("The lines that we sold, without your name: the network operators account for them with us."),
        _("What the payment service knows of your payments: it keeps its own books."),
    ]


def delete_account(*, user: User) -> None:
    """Erase who the person is, everywhere, and end their sign-ins. The books keep sums that belong to nobody.

    Raises :class:`CannotLeave`; then nothing has happened.
    """
    with transaction.atomic():
        customer = Customer.objects.filter(user=user).first()
        orders: list[int] = []
        if customer is not None:
            # First the orders, as everywhere; then nothing can become of them between the look and the erasing.
            mine = Order.objects.select_for_update().filter(customer=customer).order_by("pk")
            orders = list(mine.values_list("pk", flat=True))
            customer = Customer.objects.select_for_update().get(pk=customer.pk)
        hindrances = find_hindrances(user=user, customer=customer)
        if hindrances:
            raise CannotLeave(hindrances)
        if customer is not None:
            _erase_traces(customer, email=user.email)
            _erase_customer(customer)
        end_sessions(user=user, session_key="")
        user.delete()
    log.info("customer.erased", customer=customer.pk if customer else None, orders=len(orders))


def _money_is_open(customer: Customer) -> bool:
    moving = (Refund.State.DUE, Refund.State.SENDING)
    payments = Payment.objects.filter(order__customer=customer)
    return (
        payments.filter(Q(state=Payment.State.PENDING) | ~Q(attention="")).exists()
        or Refund.objects.filter(order__customer=customer, state__in=moving).exists()
        or Dispute.objects.filter(payment__order__customer=customer, settled_at=None)
        .exclude(state=Dispute.State.WON)
        .exists()
        or CreditAccount.objects.filter(customer=customer).exclude(owed=0).exists()
    )


def _erase_traces(customer: Customer, *, email: str) -> None:
    """What names them, or could bring somebody to a line of theirs, outside their own row."""
    now = timezone.now()
    Notification.objects.filter(customer=customer).delete()
    LineLink.objects.filter(esim__customer=customer).delete()
    Esim.objects.filter(customer=customer).exclude(nickname="").update(nickname="")
    forms = Activation.objects.filter(order_line__order__customer=customer, payload__isnull=False)
    forms.update(payload=None, payload_erased_at=now)
    Order.objects.filter(customer=customer).exclude(note="").update(note="")
    # Rows of lists that were not ordered still say who was meant.
    BulkOrderRow.objects.filter(customer=customer).update(name="", email="", phone="", note="", remarks=[])
    Receipt.objects.filter(order__customer=customer).update(recipient="", issued_by=BY)
    OrderEvent.objects.filter(order__customer=customer, by=email).update(by=BY)
    LineEvent.objects.filter(esim__customer=customer, by=email).update(by=BY)


def _erase_customer(customer: Customer) -> None:
    customer.user = None
    # In one language, because it stands in the books.
    customer.name = f"Erased customer {customer.pk}"
    emptied = ("email", "phone", "company", "country", "language", "note")
    for field in emptied:
        setattr(customer, field, "")
    customer.email_off, customer.push_off = [], []
    customer.erased_at = timezone.now()
    customer.save(update_fields=["user", "name", *emptied, "email_off", "push_off", "erased_at"])
    keep_terms([customer])
