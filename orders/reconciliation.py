"""What a person decides about a purchase whose outcome is not known, or that waits for something to be mended.

Every verb wants ``orders.reconcile`` (``PermissionDenied`` otherwise), locks, looks at the state again, and writes
who and why.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from customers.models import User
from esims.lifecycle import LineAlreadyHeld
from orders.applying import apply_verdict
from orders.checkpoints import Checkpoint, pass_checkpoint
from orders.delivering import deliver_refs, deliver_top_up, find_holders
from orders.line_evidence import find_doubt
from orders.models import OrderLine, Purchase, PurchaseAttempt
from orders.planning import enqueue_purchase
from orders.refunding import count_delivered
from orders.requests import build_request
from orders.settling import find_provider, move_or_stay
from orders.states import change_purchase, lock_purchase, note_event, save_purchase
from orders.topping import find_late_arrival, find_ours
from orders.verdicts import Unreadable, build_reply, read_verdict
from orders.waiting import find_look, has_unanswered_request, is_inquirable, is_long_allocating
from providers.base import Provider

PS = Purchase.State

_TRANSACTION_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{3,79}")


#: In which states each decision can be taken; pages offer no other.
POSSIBLE: Mapping[str, frozenset[str]] = {
    "enter_transaction_id": frozenset({PS.UNKNOWN, PS.REJECTED}),
    "attach_lines": frozenset({PS.UNKNOWN, PS.ALLOCATING, PS.SHORT, PS.REJECTED}),
    "mark_not_bought": frozenset({PS.UNKNOWN}),
    "resume_purchase": frozenset({PS.HELD}),
    "give_up_purchase": frozenset({PS.HELD, PS.PLANNED}),
    "look_again": frozenset({PS.UNKNOWN}),
    "confirm_top_up": frozenset({PS.UNKNOWN, PS.ALLOCATING, PS.REJECTED}),
    "await_completion": frozenset({PS.UNKNOWN, PS.REJECTED}),
}
#: Of which kinds of order lines; every other decision is for all kinds.
_KINDS: Mapping[str, frozenset[str]] = {
    "enter_transaction_id": frozenset({OrderLine.Kind.ESIM}),
    "attach_lines": frozenset({OrderLine.Kind.ESIM}),
    "confirm_top_up": frozenset({OrderLine.Kind.TOP_UP}),
    "await_completion": frozenset(OrderLine.BY_FORM),
}


def is_possible(purchase: Purchase, decision: str) -> bool:
    """Whether a decision can be taken now, by kind and state; the verb looks again. Comes with its order line."""
    kinds = _KINDS.get(decision)
    if kinds is not None and purchase.order_line.kind not in kinds:
        return False
    if decision == "look_again" and find_look(purchase, find_provider(purchase.account.slug)) is None:
        return False
    return purchase.state in POSSIBLE[decision] or _is_way_out(purchase, decision)


def _is_way_out(purchase: Purchase, decision: str) -> bool:
    """Decisions that are possible besides, so that no state is without a way out.

    Held with an unanswered request: it cannot be given up, and sending it again may never be possible. Allocating for
    longer than the provider takes, or until a completion file tells: that may never come.
    """
    if decision not in ("mark_not_bought", "attach_lines"):
        return False
    if purchase.state == PS.HELD:
        return has_unanswered_request(purchase)
    if purchase.state != PS.ALLOCATING or decision != "mark_not_bought":
        return False
    by_form = purchase.order_line.kind in OrderLine.BY_FORM
    return by_form or is_long_allocating(purchase, find_provider(purchase.account.slug))


class ReconciliationRefused(Exception):
    """The decision cannot be taken; nothing was written. ``field`` names what to mend."""

    def __init__(self, message: str, field: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.field = field


def enter_transaction_id(*, purchase: Purchase, transaction_id: str, by: User, why: str = "") -> Purchase:
    """Enter the provider's transaction as its portal shows it; the provider is then asked which lines it holds.

    For an ``unknown`` or ``rejected`` purchase. Raises ``ReconciliationRefused``.
    """
    wanted = transaction_id.strip()
    if not _TRANSACTION_ID.fullmatch(wanted):
        raise ReconciliationRefused(
            _("A transaction id holds 4 to 80 letters, digits, hyphens and dots."), "transaction_id"
        )
    with _deciding(purchase, by, "enter_transaction_id") as locked:
        other = (
            Purchase.objects.filter(account=locked.account, transaction_id=wanted)
            .exclude(pk=locked.pk)
            .select_related("order_line__order")
            .first()
        )
        if other is not None:
            message = _("This transaction belongs to order %(number)s already.")
            raise ReconciliationRefused(message % {"number": other.order_line.order.number}, "transaction_id")
        old = locked.transaction_id
        locked.transaction_id = wanted
        if not is_inquirable(locked, find_provider(locked.account.slug)):
            raise ReconciliationRefused(
                _("The provider can no longer be asked about this order. Enter the lines that its portal shows."),
                "transaction_id",
            )
        save_purchase(locked, transaction_id=wanted, last_line_count=None, inquiries_agreeing=0)
        change_purchase(
            locked,
            to=PS.ALLOCATING,
            by=by.email,
            why=why.strip() or "transaction id entered",
            facts={"transaction": wanted, "was": old},
            next_attempt_at=timezone.now(),
            failures_in_row=0,
        )
        enqueue_purchase(locked)
    return locked


def attach_lines(*, purchase: Purchase, iccids: Sequence[str], by: User, why: str = "") -> Purchase:
    """Enter the lines that the provider's portal shows for this order, once the provider has told of each of them.

    With all lines that were ordered the purchase is fulfilled; with fewer it stays, for more or for
    ``mark_not_bought``. Raises ``ReconciliationRefused`` and then enters none. Never inside a transaction.
    """
    wanted = check_entered_lines(purchase=purchase, iccids=iccids, by=by)
    return enter_lines(purchase=purchase, refs=wanted, by=by, why=why)


def check_entered_lines(*, purchase: Purchase, iccids: Sequence[str], by: User) -> list[str]:
    """The references that were typed, each told of by the provider just now, where it tells of lines.

    Raises ``ReconciliationRefused`` for what it does not know, what is over, and what is another order's.
    """
    _require_permission(by)
    wanted = [iccid.strip() for iccid in iccids if iccid.strip()]
    provider = find_provider(purchase.account.slug)
    _check_references(wanted, provider)
    now = Purchase.objects.select_related("account", "order_line").get(pk=purchase.pk)
    _require_possible(now, "attach_lines")
    _check_places(now, wanted)
    if doubt := find_doubt(provider, wanted, now):
        raise ReconciliationRefused(doubt, "iccids")
    return wanted


def enter_lines(*, purchase: Purchase, refs: Sequence[str], by: User, why: str = "") -> Purchase:
    """Enter lines that ``check_entered_lines`` has let pass; each is read again soon."""
    with _deciding(purchase, by, "attach_lines") as locked:
        _check_places(locked, refs)
        try:
            delivery = deliver_refs(locked, refs, by=by.email)
        except LineAlreadyHeld as error:
            raise ReconciliationRefused(_("One of these lines was entered just now. Look again."), "iccids") from error
        done = delivery.delivered >= locked.quantity
        state = PS.FULFILLED if done else PS.UNKNOWN if locked.state == PS.REJECTED else locked.state
        facts = {"entered": len(refs), "delivered": delivery.delivered, "ordered": locked.quantity}
        fields = {"error": "", "error_code": ""} if done else {"next_attempt_at": locked.next_attempt_at}
        move_or_stay(locked, to=state, by=by.email, why=why.strip() or "lines entered by hand", facts=facts, **fields)
    return locked


def look_again(*, purchase: Purchase, by: User, why: str = "") -> Purchase:
    """Have the provider asked once more what it holds for an unknown purchase; nothing is bought by that."""
    with _deciding(purchase, by, "look_again") as locked:
        change_purchase(
            locked,
            to=PS.ALLOCATING,
            by=by.email,
            why=why.strip() or "to be looked for again",
            next_attempt_at=timezone.now(),
            failures_in_row=0,
        )
        enqueue_purchase(locked)
    return locked


def confirm_top_up(*, purchase: Purchase, why: str, by: User) -> Purchase:
    """Decide that a top-up arrived, because the provider's portal shows it. Raises ``ReconciliationRefused``."""
    if not why.strip():
        raise ReconciliationRefused(_("Say how you know that it arrived."), "why")
    with _deciding(purchase, by, "confirm_top_up") as locked:
        deliver_top_up(locked, None, order_ref="", by=by.email)
        change_purchase(locked, to=PS.FULFILLED, by=by.email, why=why.strip(), error="", error_code="")
    return locked


def await_completion(*, purchase: Purchase, why: str, by: User) -> Purchase:
    """Decide that the provider took an activation: its completion file will say what came of it."""
    if not why.strip():
        raise ReconciliationRefused(_("Say how you know that the provider took it."), "why")
    with _deciding(purchase, by, "await_completion") as locked:
        change_purchase(locked, to=PS.ALLOCATING, by=by.email, why=why.strip(), error="", error_code="")
    return locked


def mark_not_bought(*, purchase: Purchase, why: str, by: User, not_ours: bool = False) -> Purchase:
    """Decide that nothing (more) was bought: what is missing is owed back. Raises ``ReconciliationRefused``.

    What the line holds speaks first: a top-up under our own key was bought, and one that may be it is no longer in the
    way once ``not_ours`` says that somebody has looked whose it is.
    """
    if not why.strip():
        raise ReconciliationRefused(_("Say how you know that nothing was bought."), "why")
    with _deciding(purchase, by, "mark_not_bought") as locked:
        _refuse_arrived(locked)
        if not not_ours and (evidence := tell_evidence(locked)):
            raise ReconciliationRefused(evidence, "not_ours")
        state = PS.SHORT if count_delivered(locked) else PS.REJECTED
        change_purchase(locked, to=state, by=by.email, why=why.strip(), error=why.strip(), error_code="")
    return locked


def resume_purchase(*, purchase: Purchase, by: User, why: str = "") -> Purchase:
    """Send a held purchase again, with its key, because what stopped it is mended."""
    with _deciding(purchase, by, "resume_purchase") as locked:
        _refuse_arrived(locked)
        change_purchase(
            locked,
            to=PS.PLANNED,
            by=by.email,
            why=why.strip() or "resumed",
            next_attempt_at=timezone.now(),
            failures_in_row=0,
        )
        enqueue_purchase(locked)
    return locked


def give_up_purchase(*, purchase: Purchase, why: str, by: User) -> Purchase:
    """Give up what was not bought: a held purchase is rejected, a planned one cancelled; a refund is due.

    One of which an earlier request went unanswered cannot be given up: it may have been bought.
    Raises ``ReconciliationRefused``.
    """
    if not why.strip():
        raise ReconciliationRefused(_("Say why it is given up."), "why")
    with _deciding(purchase, by, "give_up_purchase") as locked:
        _refuse_arrived(locked)
        if has_unanswered_request(locked):
            raise ReconciliationRefused(
                _("An earlier request may have gone through. Wait until the provider has answered the repeated one.")
            )
        state = PS.REJECTED if locked.state == PS.HELD else PS.CANCELLED
        change_purchase(locked, to=state, by=by.email, why=why.strip(), error=why.strip(), error_code="")
    return locked


def read_reply_again(*, purchase: Purchase, by: User, why: str = "") -> Purchase:
    """Parse and apply the newest stored reply once more, after our program was mended. Nothing is sent.

    Raises ``ReconciliationRefused`` when there is none, or when it still cannot be read.
    """
    _require_permission(by)
    attempts = PurchaseAttempt.objects.select_related("purchase__account", "purchase__order_line")
    stored = attempts.filter(purchase=purchase, kind=PurchaseAttempt.Kind.ORDER, received_at__isnull=False)
    attempt = stored.order_by("-number").first()
    reply = build_reply(attempt) if attempt is not None else None
    provider = find_provider(purchase.account.slug)
    if attempt is None or reply is None:
        raise ReconciliationRefused(_("No reply is stored for this purchase."))
    if provider is None:
        raise ReconciliationRefused(_("The provider's account is not configured."))
    verdict = read_verdict(provider, reply, build_request(attempt))
    if isinstance(verdict, Unreadable):
        raise ReconciliationRefused(_("The reply still cannot be read: %(error)s") % {"error": verdict.message})
    return apply_verdict(attempt_id=attempt.pk, verdict=verdict, by=by.email, why=why.strip(), again=True)


def settle_attention(*, purchase: Purchase, by: User, why: str = "") -> Purchase:
    """A person has looked at what the purchase asked for: take the mark away, with a note. Twice does nothing."""
    _require_permission(by)
    with transaction.atomic():
        locked = lock_purchase(purchase.pk)
        if locked.attention:
            seen = locked.attention
            save_purchase(locked, attention="")
            order = locked.order_line.order
            note_event(
                order,
                kind="purchase.looked_at",
                purchase=locked,
                by=by.email,
                why=why.strip(),
                facts={"what": seen},
            )
    return locked


def tell_evidence(purchase: Purchase) -> str:
    """What the line as it is stored says against a top-up's being taken for not bought, in the reader's language."""
    if said := _tell_arrived(purchase):
        return said
    found = find_late_arrival(purchase)
    if found is None:
        return ""
    if not found.package_ref:
        return _("The line holds as much more data than before as this top-up brings: it may have arrived.")
    told = {"package": found.package_ref}
    return _("The line holds a package of this plan that it did not hold before: %(package)s. It may be ours.") % told


def _tell_arrived(purchase: Purchase) -> str:
    esim = purchase.order_line.esim
    if esim is None or find_ours(purchase, esim) is None:
        return ""
    return _("The line shows this top-up under our own key: it was bought, and is entered as delivered in a moment.")


def _refuse_arrived(purchase: Purchase) -> None:
    if said := _tell_arrived(purchase):
        raise ReconciliationRefused(said)


def _check_references(wanted: Sequence[str], provider: Provider | None) -> None:
    name = provider.line_reference_name if provider else Provider.line_reference_name
    pattern = provider.line_reference_pattern if provider else Provider.line_reference_pattern
    if not wanted:
        raise ReconciliationRefused(_("Enter at least one line (%(name)s).") % {"name": name}, "iccids")
    orders = provider.order_reference_pattern if provider else Provider.order_reference_pattern
    if of_orders := [text for text in wanted if orders and re.fullmatch(orders, text)]:
        message = _(
            "This is an order's number, not a line's: %(wrong)s. Enter the %(name)s of each line, or this number as the"
            " transaction id."
        )
        raise ReconciliationRefused(message % {"name": name, "wrong": ", ".join(of_orders[:5])}, "iccids")
    if wrong := [text for text in wanted if not re.fullmatch(pattern, text)]:
        message = _("This is no %(name)s of this provider: %(wrong)s")
        if name == Provider.line_reference_name:
            message = _("An ICCID is 18 to 22 digits. This is none: %(wrong)s")
        words = {"name": name, "wrong": ", ".join(text[:30] for text in wrong[:5])}
        raise ReconciliationRefused(message % words, "iccids")
    if repeated := sorted({iccid for iccid in wanted if wanted.count(iccid) > 1}):
        message = _("Entered twice: %(repeated)s")
        raise ReconciliationRefused(message % {"repeated": ", ".join(repeated[:5])}, "iccids")


def _check_places(purchase: Purchase, refs: Sequence[str]) -> None:
    if taken := sorted(find_holders(purchase, refs)):
        message = _("These lines are in the books already: %(refs)s")
        raise ReconciliationRefused(message % {"refs": ", ".join(taken)}, "iccids")
    missing = purchase.quantity - count_delivered(purchase)
    if len(refs) > missing:
        message = _("Only %(missing)d of the ordered eSIMs are missing; you entered %(given)d.")
        raise ReconciliationRefused(message % {"missing": missing, "given": len(refs)}, "iccids")


def _require_permission(by: User) -> None:
    if not by.has_perm("orders.reconcile"):
        raise PermissionDenied


def _require_possible(purchase: Purchase, decision: str) -> None:
    if not is_possible(purchase, decision):
        message = _("This purchase is %(state)s now: this can no longer be decided.")
        raise ReconciliationRefused(message % {"state": purchase.get_state_display()})


@contextmanager
def _deciding(purchase: Purchase, by: User, decision: str) -> Iterator[Purchase]:
    _require_permission(by)
    with transaction.atomic():
        locked = lock_purchase(purchase.pk)
        _require_possible(locked, decision)
        yield locked
        pass_checkpoint(Checkpoint.DECIDING, row_id=locked.pk)
    pass_checkpoint(Checkpoint.DECIDED, row_id=locked.pk)
