"""Paying back to the card: a refund that is due goes out once, whatever happens on the way.

``due`` becomes ``sending`` in a commit of its own, then the service is called with a key made of the refund and its
try. An answer that was lost is asked for again with the same key for as long as the service keeps it; later the
service's own list is read first. A refusal, or a refund that fails days later, makes it due again.
"""

from collections.abc import Iterable
from decimal import Decimal
from time import monotonic
from typing import Any

import structlog
from django.core.exceptions import ImproperlyConfigured, PermissionDenied
from django.db import transaction
from django.db.models import F, QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from customers.models import User
from orders.amounts import say_amount
from orders.capturing import ask_about_payment
from orders.card import gateway
from orders.card.amounts import AmountRefused, from_minor, to_minor
from orders.card.gateway import CardServiceError, NotDone, Refused, ServiceRefund
from orders.card.waits import GiveWay, lease, never, wait_after
from orders.checkpoints import Checkpoint, pass_checkpoint
from orders.models import Dispute, Order, Payment, Purchase, Refund
from orders.refunds import RefundRefused, lock_refunded
from orders.states import lock_order, note_event, settle_purchase
from orders.verdicts import describe_crash

log = structlog.get_logger(__name__)
RS = Refund.State
SYSTEM = "system"

#: From this call of a try on, the service's own list is read before it is asked again.
_LIST_FROM = 3
_ENDED_BADLY = ("failed", "canceled")
#: So often a refund is read again that somebody else changed here while it was being read.
_READINGS = 3

#: What a reading of the service is compared with: an order's refunds as they were before the service was asked.
Seen = frozenset[tuple[int, str, int, str]]


def find_card_to_refund(refund: Refund) -> Payment | None:
    """The card payment that has enough left; that of the surplus itself, where one is paid back."""
    order_id = refund.order_id
    return choose_card(
        refund,
        Payment.objects.filter(order_id=order_id, method=Payment.Method.CARD).order_by("pk"),
        Refund.objects.filter(order_id=order_id, method=Payment.Method.CARD, state__in=Refund.GONE),
        Dispute.objects.filter(payment__order_id=order_id, is_withdrawn=True),
    )


def choose_card(
    refund: Refund, payments: Iterable[Payment], refunds: Iterable[Refund], disputes: Iterable[Dispute]
) -> Payment | None:
    """``find_card_to_refund`` among rows of the order that were read already."""
    gone, away = list(refunds), {row.payment_id for row in disputes if row.is_withdrawn}
    for payment in payments:
        is_its_own = refund.kind != Refund.Kind.SURPLUS or payment.pk == refund.payment_id
        is_card = payment.method == Payment.Method.CARD and payment.intent_id != ""
        came = payment.state == Payment.State.CAPTURED and payment.captured_currency == refund.currency
        # Of one that its bank took back nothing can be paid back.
        if is_its_own and is_card and came and payment.pk not in away and _left(payment, gone) >= refund.amount:
            return payment
    return None


def _left(payment: Payment, refunds: Iterable[Refund]) -> Decimal:
    """What can still be paid back to the card of a captured payment."""
    gone = (
        row.amount
        for row in refunds
        if row.payment_id == payment.pk and row.method == Payment.Method.CARD and row.state in Refund.GONE
    )
    return (payment.captured_amount or Decimal(0)) - sum(gone, Decimal(0))


def pay_back_by_card(*, refund: Refund, by: User) -> Refund:
    """Pay the whole refund back to the card that paid; a second click finds it under way.

    The refund may come back as ``sending``: the service has not said how it ended. Raises ``RefundRefused``, or
    ``PermissionDenied`` without ``orders.refund``.
    """
    if not by.has_perm("orders.refund"):
        raise PermissionDenied
    if _begin(refund, by):
        take_refund_turn(refund_id=refund.pk, by=by.email)
    return Refund.objects.get(pk=refund.pk)


def take_refund_turn(*, refund_id: int, by: str = SYSTEM) -> None:
    """The next step of a refund that is under way: send it, or ask what became of it."""
    row = Refund.objects.select_related("order", "payment").get(pk=refund_id)
    if row.state != RS.SENDING or row.payment is None:
        return
    seen = _look(row.payment)
    try:
        try:
            found = gateway.read_refund(row.service_ref) if row.service_ref else _send(row, row.payment)
        except Refused as error:
            _give_back(row, error, by=by)
        else:
            _follow(found, row.payment, seen, by=by)
    except (CardServiceError, ImproperlyConfigured) as error:
        _wait(row, str(error))


def refresh_service_refund(*, payment: Payment, refund_id: str, by: str) -> None:
    """Read a refund of a payment at the service, and do what it says. Raises ``CardServiceError``."""
    seen = _look(payment)
    _follow(gateway.read_refund(refund_id), payment, seen, by=by)


def look_for_refund(*, refund: Refund, by: str) -> str:
    """What the service says of one that is under way, after it was done; "" when it has no such refund.

    Nothing is sent, as ``take_refund_turn`` does. Raises ``CardServiceError``, or ``ImproperlyConfigured``.
    """
    if refund.payment is None:
        return ""
    seen = _look(refund.payment)
    ref = refund.service_ref
    found = gateway.read_refund(ref) if ref else _find_sent(refund, refund.payment)
    if found is None:
        return ""
    _follow(found, refund.payment, seen, by=by)
    return found.status


# -- by itself --------------------------------------------------------------------------------------------------------


def due_card_refunds() -> QuerySet[Refund]:
    """Refunds of which the service is asked now, the longest due first."""
    waiting = Refund.objects.filter(state=RS.SENDING, next_attempt_at__lte=timezone.now())
    return waiting.order_by("next_attempt_at", "pk")


def run_card_refunds(*, seconds: float = 30.0, give_way: GiveWay = never) -> int:
    """Take the next step of what is due, for at most ``seconds``; returns how many steps were taken.

    After each it ends as soon as ``give_way`` says so.
    """
    end, done = monotonic() + seconds, 0
    while monotonic() < end and (pk := due_card_refunds().values_list("pk", flat=True).first()) is not None:
        if done and give_way():
            break
        now = timezone.now()
        due = Refund.objects.filter(pk=pk, state=RS.SENDING, next_attempt_at__lte=now)
        if due.update(next_attempt_at=now + lease(), calls=F("calls") + 1) != 1:
            continue
        done += 1
        try:
            take_refund_turn(refund_id=pk)
        except Exception as error:  # noqa: BLE001  (one refund must not keep the others waiting; its claim runs out)
            crash = describe_crash(error)
            log.error("card_refund_crashed", refund=pk, crash=crash)  # noqa: TRY400  (no traceback: it holds secrets)
    return done


# -- what the service says --------------------------------------------------------------------------------------------


def _look(payment: Payment) -> Seen:
    rows = Refund.objects.filter(order_id=payment.order_id).order_by()
    return frozenset(rows.values_list("pk", "state", "tries", "service_ref"))


def _follow(found: ServiceRefund, payment: Payment, seen: Seen, *, by: str) -> None:
    """Do what the service says of a refund. What others changed since ``seen`` may be newer: then it is read again.

    Raises ``CardServiceError``.
    """
    for _number in range(_READINGS):
        if _apply(found, payment, seen, by=by):
            return
        seen = _look(payment)
        found = gateway.read_refund(found.id)
    raise NotDone("It was changed each time it was read")


def _apply(found: ServiceRefund, payment: Payment, seen: Seen, *, by: str) -> bool:
    """Do what a reading says, where nothing has changed here since it was asked for; whether that is so."""
    with transaction.atomic():
        lock_order(payment.order_id)
        if _look(payment) != seen:
            return False
        refund = _find_named(found, payment)
        if refund is None:
            _note_foreign(found, payment, by=by)
            return True
        order, purchase = lock_refunded(refund)
        locked = Refund.objects.select_for_update().get(pk=refund.pk)
        locked.order = order
        if found.status == "succeeded":
            _note_made(locked, found, payment, purchase, by=by)
        elif found.status in _ENDED_BADLY:
            _note_failed(locked, found, payment, purchase, by=by)
        elif locked.state == RS.SENDING:
            locked.service_ref, locked.error = found.id, ""
            locked.next_attempt_at = timezone.now() + wait_after(locked.calls)
            locked.save(update_fields=["service_ref", "error", "next_attempt_at"])
        pass_checkpoint(Checkpoint.REFUNDING, row_id=refund.pk)
    pass_checkpoint(Checkpoint.REFUNDED, row_id=refund.pk)
    return True


# -- their parts ------------------------------------------------------------------------------------------------------


def _begin(refund: Refund, by: User) -> bool:
    """Commit that it is under way; False when it was already."""
    if not gateway.is_configured():
        raise RefundRefused(_("No payment service is set up."))
    with transaction.atomic():
        order, purchase = lock_refunded(refund)
        locked = Refund.objects.select_for_update().get(pk=refund.pk)
        if locked.state in Refund.GONE:
            return False
        if locked.state != RS.DUE:
            raise RefundRefused(_("This refund is no longer due: the provider delivered after all."))
        if locked.amount != refund.amount:
            raise RefundRefused(_("The amount has changed meanwhile. Look at it again."))
        payment = _choose_payment(locked)
        now = timezone.now()
        locked.state, locked.method, locked.payment = RS.SENDING, Payment.Method.CARD, payment
        locked.tries, locked.calls, locked.sent_at = locked.tries + 1, 1, now
        locked.sending_since = now
        locked.service_ref, locked.error, locked.made_by = "", "", by
        # Until then this process has it to itself.
        locked.next_attempt_at = now + lease()
        locked.save()
        facts = {"amount": str(locked.amount), "currency": locked.currency, "method": Payment.Method.CARD.value}
        note_event(order, kind="refund.sending", purchase=purchase, by=by.email, facts=facts)
        pass_checkpoint(Checkpoint.REFUNDING, row_id=refund.pk)
    pass_checkpoint(Checkpoint.REFUNDED, row_id=refund.pk)
    return True


def _choose_payment(refund: Refund) -> Payment:
    """Which card gets it, in the order's lock."""
    payment = find_card_to_refund(refund)
    if payment is None:
        amount = say_amount(refund.amount, refund.currency)
        raise RefundRefused(_("No card payment has %(amount)s left to be paid back.") % {"amount": amount})
    try:
        to_minor(refund.amount, refund.currency)
    except AmountRefused as error:
        raise RefundRefused(error.message, "amount") from error
    return payment


def _write_key(refund: Refund, payment: Payment) -> str:
    """Names the refund and its try; the payment's key makes it unlike any other office's at the same service."""
    return f"{payment.form_key}-{refund.pk}-{refund.tries}"


def _send(row: Refund, payment: Payment) -> ServiceRefund:
    """Send it, or find it sent: with the same key while the service keeps it, by its list afterwards."""
    now = timezone.now()
    is_old = row.sent_at is None or row.sent_at < now - gateway.KEY_LIFE
    if (is_old or row.calls >= _LIST_FROM) and (found := _find_sent(row, payment)):
        return found
    if is_old:
        anew = Refund.objects.filter(pk=row.pk, state=RS.SENDING, tries=row.tries)
        if anew.update(tries=F("tries") + 1, calls=1, sent_at=now) != 1:
            raise CardServiceError("Another worker has it")
        row = Refund.objects.select_related("order").get(pk=row.pk)
    return gateway.create_refund(
        key=_write_key(row, payment),
        intent_id=payment.intent_id,
        amount=to_minor(row.amount, row.currency),
        order=row.order.number,
    )


def _find_sent(row: Refund, payment: Payment) -> ServiceRefund | None:
    key = _write_key(row, payment)
    return next((found for found in gateway.list_refunds(payment.intent_id) if found.key == key), None)


def _give_back(row: Refund, error: Refused, *, by: str) -> None:
    """The service said no. Where an earlier answer to the same try was lost, its list has the last word."""
    if row.payment is None or row.service_ref:
        _wait(row, error.message)
        return
    if row.calls > 1:
        seen = _look(row.payment)
        if (found := _find_sent(row, row.payment)) is not None:
            _follow(found, row.payment, seen, by=by)
            return
    with transaction.atomic():
        order, purchase = lock_refunded(row)
        locked = Refund.objects.select_for_update().get(pk=row.pk)
        if locked.state == RS.SENDING and locked.tries == row.tries:
            locked.order = order
            make_due(locked, error.message, purchase, by=by)


def _wait(row: Refund, error: str) -> None:
    due = timezone.now() + wait_after(row.calls)
    waiting = Refund.objects.filter(pk=row.pk, state=RS.SENDING)
    waiting.update(error=error[:300], next_attempt_at=due)


def _find_named(found: ServiceRefund, payment: Payment) -> Refund | None:
    """Our refund, by the service's name for it or by our key; None for one that was not asked for here."""
    ours = Refund.objects.filter(order_id=payment.order_id)
    known = ours.filter(service_ref=found.id).first()
    if known is not None or not found.key.startswith(f"{payment.form_key}-"):
        return known
    pk, _dash, tried = found.key.removeprefix(f"{payment.form_key}-").partition("-")
    if not (pk.isdecimal() and tried.isdecimal()):
        return None
    return ours.filter(pk=int(pk), tries=int(tried)).first()


def _note_made(refund: Refund, found: ServiceRefund, payment: Payment, purchase: Purchase | None, *, by: str) -> None:
    if refund.state == RS.MADE:
        # A person said so before the service did.
        if refund.method == Payment.Method.CARD and not refund.service_ref:
            refund.service_ref = found.id
            refund.save(update_fields=["service_ref"])
        elif refund.service_ref != found.id:
            _note_foreign(found, payment, by=by)
        return
    was, refund.state, refund.method, refund.payment = refund.state, RS.MADE, Payment.Method.CARD, payment
    refund.service_ref, refund.reference, refund.error = found.id, found.id, ""
    refund.made_at, refund.next_attempt_at = timezone.now(), None
    refund.save()
    facts = {"amount": str(refund.amount), "currency": refund.currency, "method": refund.method}
    more = {} if was == RS.SENDING else {"was": was}
    note_event(refund.order, kind="refund.made", purchase=purchase, by=by, facts={**facts, **more})


def _note_failed(refund: Refund, found: ServiceRefund, payment: Payment, purchase: Purchase | None, *, by: str) -> None:
    """Also days after it had arrived: the money came back to us and is due again."""
    is_this = refund.service_ref in ("", found.id) and refund.method == Payment.Method.CARD
    if refund.state not in Refund.GONE or not is_this:
        return
    was_made = refund.state == RS.MADE
    reason = found.failure or found.status
    make_due(refund, f"The payment service could not pay it back: {reason}", purchase, by=by)
    if was_made:
        told = say_amount(refund.amount, refund.currency)
        _ask(payment, f"A refund of {told} that had been made came back ({reason}): it is due again.", by=by)


def make_due(refund: Refund, error: str, purchase: Purchase | None, *, by: str) -> None:
    """A locked refund is owed again, as much as is owed now."""
    fields: dict[str, Any] = {
        "state": RS.DUE,
        "method": "",
        "reference": "",
        "service_ref": "",
        "made_at": None,
        "made_by": None,
        "sending_since": None,
        "sent_at": None,
        "next_attempt_at": None,
        "error": error[:300],
    }
    if refund.kind != Refund.Kind.SURPLUS:
        fields["payment"] = None
    for name, value in fields.items():
        setattr(refund, name, value)
    refund.save(update_fields=list(fields))
    note_event(refund.order, kind="refund.failed", purchase=purchase, by=by, why=error[:300])
    order_number, pk = refund.order.number, refund.pk
    transaction.on_commit(lambda: log.error("refund_failed", refund=pk, order=order_number))
    if purchase is not None and refund.kind == Refund.Kind.MISSING:
        settle_purchase(purchase, by=by)


def _note_foreign(found: ServiceRefund, payment: Payment, *, by: str) -> None:
    """Somebody paid back at the service itself: a person must say which of our refunds that was."""
    if found.status in _ENDED_BADLY:
        return
    told = say_amount(from_minor(found.amount, found.currency), found.currency)
    _ask(payment, f"The payment service paid {told} back that was not asked for here ({found.id}).", by=by)


def _ask(payment: Payment, what: str, *, by: str) -> None:
    with transaction.atomic():
        order = lock_order(payment.order_id)
        locked = Payment.objects.select_for_update(no_key=True).get(pk=payment.pk)
        locked.order = order
        ask_about_payment(locked, what, by=by)


def find_charge_backs(order: Order) -> Iterable[Dispute]:
    """Disputes by which money of this order is away: paying back too would pay twice."""
    return Dispute.objects.filter(payment__order=order, is_withdrawn=True).order_by("pk")
