"""Customer credit: orders that are paid later, within a limit that no number of orders at once can exceed.

``owed`` moves by one conditional update, together with the entry that says why: both or neither. So ``owed`` is the sum
of the entries always, and whoever comes second sees what the first one took. The account is locked last.
"""

from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.core.exceptions import ImproperlyConfigured
from django.db import IntegrityError, transaction
from django.db.models import DecimalField, F, Value
from django.db.models.functions import Round
from django.utils import timezone
from django.utils.translation import gettext as _

from customers.models import User
from orders.amounts import say_amount
from orders.capturing import begin_buying, count_outstanding, note_capture
from orders.checkpoints import Checkpoint, pass_checkpoint
from orders.models import CreditAccount, CreditEntry, Order, Payment, Refund
from orders.payments import PaymentRefused
from orders.states import lock_order

#: As the columns of money are.
_PLACES = 4
_MONEY: "DecimalField[Any, Any]" = DecimalField(max_digits=14, decimal_places=_PLACES)


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """What an entry says beside its amount."""

    kind: str
    by: str
    why: str = ""
    reference: str = ""
    method: str = ""
    form_key: UUID | None = None


def charge_order(
    *, order: Order, amount: Decimal, currency: str, form_key: UUID, by: User, reference: str = ""
) -> Payment:
    """Let the customer pay what is outstanding later: payment, entry and the beginning of the buying, or nothing.

    The same ``form_key`` gives the same payment. Raises ``PaymentRefused``: the limit does not allow it, the account
    is closed, there is none, or the order takes no payment.
    """
    known = _find_charged(form_key, order)
    if known is not None:
        return known
    try:
        with transaction.atomic():
            payment = _write_charge(
                order=lock_order(order.pk),
                amount=amount,
                currency=currency,
                form_key=form_key,
                reference=reference,
                by=by,
            )
            pass_checkpoint(Checkpoint.CAPTURING, row_id=payment.pk)
    except (IntegrityError, PaymentRefused):
        # The same form was faster, by its key or by the order's lock: then this is about its own payment.
        known = _find_charged(form_key, order)
        if known is None:
            raise
        return known
    pass_checkpoint(Checkpoint.CAPTURED, row_id=payment.pk)
    return payment


def _write_charge(*, order: Order, amount: Decimal, currency: str, form_key: UUID, reference: str, by: User) -> Payment:
    if order.state != Order.State.UNPAID:
        raise PaymentRefused(_("This order does not wait for a payment."))
    outstanding = count_outstanding(order)
    if (amount, currency) != (outstanding, order.currency):
        message = _("The amount to be paid is exactly %(amount)s, not %(given)s.")
        words = {"amount": say_amount(outstanding, order.currency), "given": say_amount(amount, currency)}
        raise PaymentRefused(message % words, "amount")
    account = CreditAccount.objects.filter(customer=order.customer_id, currency=order.currency).first()
    if account is None:
        message = _("This customer has no credit account in %(currency)s.")
        raise PaymentRefused(message % {"currency": order.currency}, "method")
    payment = Payment.objects.create(
        order=order,
        form_key=form_key,
        method=Payment.Method.CREDIT,
        amount=amount,
        currency=currency,
        captured_amount=amount,
        captured_currency=currency,
        reference=reference,
        recorded_by=by,
        captured_at=timezone.now(),
    )
    note_capture(payment, by=by.email)
    try:
        begin_buying(order, by=by.email)
    except ImproperlyConfigured as error:
        message = _("The provider's account is not configured, so nothing could be bought. No payment was recorded.")
        raise PaymentRefused(message) from error
    note = Note(kind=CreditEntry.Kind.CHARGE, by=by.email, reference=reference or order.number)
    if _move(account, amount, note, within_limit=True, payment=payment) is None:
        raise PaymentRefused(_say_why_not(account, amount), "method")
    return payment


def enter_refund(*, refund: Refund, by: str) -> CreditEntry:
    """Count a refund against what the customer owes, in the caller's transaction, which locked order and refund.

    Raises ``PaymentRefused`` where there is no account in its currency.
    """
    account = CreditAccount.objects.filter(customer=refund.order.customer_id, currency=refund.currency).first()
    if account is None:
        message = _("This customer has no credit account in %(currency)s.")
        raise PaymentRefused(message % {"currency": refund.currency}, "method")
    note = Note(
        kind=CreditEntry.Kind.REFUND,
        by=by,
        reference=refund.reference or refund.order.number,
        method=Payment.Method.CREDIT,
    )
    return _require(_move(account, -refund.amount, note, refund=refund))


def may_refund_to_credit(order: Order) -> bool:
    """Whether a refund of the order may be counted against what its customer owes: it was paid by credit."""
    return order.payments.filter(method=Payment.Method.CREDIT, state=Payment.State.CAPTURED).exists()


def move_account(*, account: CreditAccount, amount: Decimal, note: Note) -> tuple[CreditEntry, bool]:
    """Enter an amount that no limit holds (a payment received, an adjustment); the entry, and whether it is new.

    The same ``form_key`` gives the same entry, also under a race.
    """
    try:
        with transaction.atomic():
            known = CreditEntry.objects.filter(form_key=note.form_key).first() if note.form_key else None
            if known is not None:
                return known, False
            return _require(_move(account, amount, note)), True
    except IntegrityError:
        return CreditEntry.objects.get(form_key=note.form_key), False


def _move(
    account: CreditAccount,
    amount: Decimal,
    note: Note,
    *,
    within_limit: bool = False,
    payment: Payment | None = None,
    refund: Refund | None = None,
) -> CreditEntry | None:
    """Change what is owed and write why; None where the limit, or a closed account, does not allow it.

    One statement compares and changes. Its sums are rounded, because SQLite counts in floats.
    """
    accounts = CreditAccount.objects.filter(pk=account.pk)
    step = Value(amount, output_field=_MONEY)
    if within_limit:
        free = Round(F("credit_limit") - step, _PLACES, output_field=_MONEY)
        accounts = accounts.filter(is_open=True, owed__lte=free)
    if accounts.update(owed=Round(F("owed") + step, _PLACES, output_field=_MONEY)) != 1:
        return None
    # Ours until the transaction ends: nobody moves it meanwhile.
    owed = CreditAccount.objects.values_list("owed", flat=True).get(pk=account.pk)
    return CreditEntry.objects.create(
        account=account,
        kind=note.kind,
        amount=amount,
        owed_after=owed,
        payment=payment,
        refund=refund,
        form_key=note.form_key,
        method=note.method,
        reference=note.reference[:120],
        why=note.why[:300],
        by=note.by,
    )


def _require(entry: CreditEntry | None) -> CreditEntry:
    if entry is None:
        raise CreditAccount.DoesNotExist
    return entry


def _say_why_not(account: CreditAccount, amount: Decimal) -> str:
    account.refresh_from_db()
    if not account.is_open:
        return _("The customer's credit account is closed for new orders.")
    message = _("The credit limit does not allow it: %(free)s are free, %(amount)s are needed. Nothing was written.")
    free = max(Decimal(0), account.credit_limit - account.owed)
    words = {"free": say_amount(free, account.currency), "amount": say_amount(amount, account.currency)}
    return message % words


def _find_charged(form_key: UUID, order: Order) -> Payment | None:
    payment = Payment.objects.filter(form_key=form_key).first()
    if payment is None:
        return None
    if (payment.order_id, payment.method) != (order.pk, Payment.Method.CREDIT):
        raise PaymentRefused(_("This form was sent before, with other contents. Open the order again."))
    return payment
