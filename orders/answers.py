"""What an inquiry found, applied: lines or a package, more to come, fewer for good, or nothing that settles it."""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from itertools import takewhile

from django.conf import settings
from django.db.models import QuerySet
from django.utils import timezone

from esims.models import Esim
from orders.attention import ask_for_look
from orders.delivering import Delivery, deliver_refs, deliver_snapshots, deliver_top_up
from orders.models import OrderEvent, Purchase, PurchaseAttempt
from orders.settling import ask_about_oddities, keep_handles, move_or_stay, park_unknown
from orders.states import lock_purchase, save_purchase, settle_purchase
from orders.topping import find_arrival, find_ours
from orders.waiting import is_long_allocating, wait_after_failure, wait_for_allocation
from providers.base import Provider
from providers.errors import ProviderError, RateLimited, Rejected, StillAllocating
from providers.types import LineSnapshot, TransactionRecord

PS = Purchase.State

#: A record, a freshly read line, "not found", the provider's error, or what of ours crashed.
Answer = TransactionRecord | Esim | ProviderError | str | None

#: What it says when a provider refuses a look, by the look's kind.
_REFUSED: Mapping[str, str] = {
    PurchaseAttempt.Kind.INQUIRY: "the provider does not know the transaction",
    PurchaseAttempt.Kind.LOOKUP: "the provider does not look for our key",
    PurchaseAttempt.Kind.COMPARE: "the provider does not tell of the line",
}
#: An allocation beyond the provider's patience is still looked at, but seldom.
_SELDOM = timedelta(minutes=30)


def apply_answer(
    *, purchase_id: int, attempt_id: int, number: int, lease: datetime, answer: Answer, provider: Provider, by: str
) -> str:
    """Apply one answer in the caller's transaction; returns what came of the attempt.

    ``number`` and ``lease`` (UTC) are what the look wrote on the purchase when it began.
    """
    purchase = lock_purchase(purchase_id)
    attempt = PurchaseAttempt.objects.get(pk=attempt_id)
    attempt.received_at = timezone.now()
    newest = purchase.state == PS.ALLOCATING and purchase.inquiries_made == number
    case = _Case(purchase, attempt, provider, by, newest=newest, lease=lease)
    match answer:
        case TransactionRecord():
            attempt.outcome = case.apply_record(answer)
        case Esim():
            attempt.outcome = case.apply_line(answer)
        case None:
            attempt.outcome = case.doubt("not_found", why="the provider lists no order under our key")
        case StillAllocating():
            attempt.outcome = case.wait_on()
        case _:
            attempt.error = answer if isinstance(answer, str) else answer.message
            attempt.error_code = "" if isinstance(answer, str) else answer.code[:60]
            attempt.outcome = case.apply_failure(answer)
    attempt.save(update_fields=["received_at", "outcome", "error", "error_code"])
    return attempt.outcome


class _Case:
    """One answer about one locked purchase. Only the newest inquiry may conclude something from what is missing."""

    def __init__(
        self,
        purchase: Purchase,
        attempt: PurchaseAttempt,
        provider: Provider,
        by: str,
        *,
        newest: bool,
        lease: datetime,
    ) -> None:
        self.purchase = purchase
        self.attempt = attempt
        self.provider = provider
        self.by = by
        self.newest = newest
        self.lease = lease

    # -- an order's lines -------------------------------------------------------------------------------------------

    def apply_record(self, record: TransactionRecord) -> str:
        purchase = self.purchase
        if why := self._find_foreign(record):
            if self.newest:
                park_unknown(purchase, by=self.by, why=why)
            return "foreign"
        keep_handles(purchase, transaction_id=record.transaction_id, order_ref=record.order_ref, by=self.by)
        refs = tuple(dict.fromkeys(record.line_refs))
        if record.lines:
            delivery = deliver_snapshots(purchase, record.lines, by=self.by)
        else:
            delivery = deliver_refs(purchase, record.line_refs, by=self.by)
        facts = {"delivered": delivery.delivered, "ordered": purchase.quantity, "named": len(refs)}
        ask_about_oddities(purchase, delivery, by=self.by)
        if delivery.new and (plans := _name_other_plans(purchase, record)):
            ask_for_look(purchase, f"The provider's lines hold another plan than was ordered: {plans}", by=self.by)
        if delivery.delivered >= purchase.quantity:
            move_or_stay(purchase, to=PS.FULFILLED, by=self.by, facts=facts, error="", error_code="", failures_in_row=0)
        elif not self.newest:
            settle_purchase(purchase, by=self.by)
        elif delivery.taken:
            self._park_taken(delivery, facts)
        elif record.is_pending:
            self.wait_on()
        else:
            self._confirm_fewer(named=len(refs), delivered=delivery.delivered, facts=facts)
        return "allocating" if record.is_pending and delivery.delivered < purchase.quantity else f"{len(refs)} lines"

    def _find_foreign(self, record: TransactionRecord) -> str:
        """Why the lines of a record are not of this purchase, "" where nothing speaks against them.

        A number that a person typed may be another order's, and so may one be that a call named. Lines under another
        key are never ours; of another plan they may be, where the provider itself gave the number for our request.
        """
        keys = {line.order_key for line in record.lines if not _is_under(line, self.purchase.idempotency_key)}
        if others := ", ".join(sorted(keys)):
            return f"the transaction {record.transaction_id} came by another key than ours: {others}"
        plans = _name_other_plans(self.purchase, record)
        if plans and _was_entered(self.purchase):
            return f"the transaction {record.transaction_id} holds another plan than was ordered: {plans}"
        return ""

    def _park_taken(self, delivery: Delivery, facts: Mapping[str, object]) -> None:
        why = f"{len(delivery.taken)} of the lines named are lines of somebody else here already"
        park_unknown(self.purchase, by=self.by, why=why, facts={**facts, "taken": list(delivery.taken)})

    def _confirm_fewer(self, *, named: int, delivered: int, facts: Mapping[str, object]) -> None:
        """Fewer lines than ordered are believed when inquiries, some time apart, agree."""
        purchase = self.purchase
        told = self._earlier().filter(outcome__endswith=" lines").order_by("-number")
        same = takewhile(lambda row: row[0] == f"{named} lines", told.values_list("outcome", "received_at"))
        agreeing = self._count_apart(at for _outcome, at in same)
        counts = {"last_line_count": named, "inquiries_agreeing": agreeing, "failures_in_row": 0}
        if agreeing < settings.PURCHASE_INQUIRY_CONFIRMATIONS:
            save_purchase(purchase, next_attempt_at=self._due_in(_spacing()), **counts)
            settle_purchase(purchase, by=self.by)
        elif delivered:
            why = f"{agreeing} inquiries agree: {delivered} of {purchase.quantity} were delivered"
            move_or_stay(purchase, to=PS.SHORT, by=self.by, why=why, facts=facts, **counts)
        else:
            # A transaction without lines is no proof that nothing was bought.
            why = f"{agreeing} inquiries agree that the transaction holds no lines"
            park_unknown(purchase, by=self.by, why=why)

    def wait_on(self) -> str:
        """The provider is still allocating: look again at its pace; beyond its patience a person is told as well."""
        if not self.newest:
            return "late"
        purchase = self.purchase
        wait = wait_for_allocation(self.provider, purchase.inquiries_made)
        if is_long_allocating(purchase, self.provider):
            wait = max(wait, _SELDOM)
            ask_for_look(purchase, self._tell_long_wait(), by=self.by)
        save_purchase(purchase, next_attempt_at=self._due_in(wait), failures_in_row=0)
        return "allocating"

    def _tell_long_wait(self) -> str:
        if self.attempt.kind == PurchaseAttempt.Kind.LOOKUP and not self.purchase.transaction_id:
            # It allocates: whether that is this order, it does not say.
            return "The provider has been allocating for long and does not say whether it took this order."
        return "The provider took the order and has been allocating for long."

    # -- a top-up's line --------------------------------------------------------------------------------------------

    def apply_line(self, esim: Esim) -> str:
        """The line of a top-up whose answer was lost, freshly read and stored.

        Others may have topped it up since a look that is not the newest: of that only our own key is a proof.
        """
        purchase = self.purchase
        package = find_arrival(purchase, esim) if self.newest else find_ours(purchase, esim)
        if package is not None:
            deliver_top_up(purchase, package, order_ref="", by=self.by)
            why = "the line shows it"
            move_or_stay(purchase, to=PS.FULFILLED, by=self.by, why=why, error="", error_code="", failures_in_row=0)
            return "fulfilled"
        return self.doubt("unchanged", why="the line shows no more than before the top-up")

    # -- nothing that settles it ------------------------------------------------------------------------------------

    def doubt(self, outcome: str, *, why: str) -> str:
        """It was not found: not there, or not there yet. Looked for again a few times before a person has to."""
        if not self.newest:
            return "late"
        if self._count_like(outcome) < settings.PURCHASE_INQUIRY_REFUSALS:
            save_purchase(self.purchase, next_attempt_at=self._due_in(_spacing()), error=why)
        else:
            park_unknown(self.purchase, by=self.by, why=why)
        return outcome

    def apply_failure(self, error: ProviderError | str) -> str:
        purchase = self.purchase
        if not self.newest:
            return "late"
        if isinstance(error, RateLimited):
            save_purchase(purchase, next_attempt_at=timezone.now() + error.retry_after)
            return "rate_limited"
        if isinstance(error, Rejected) and error.mend is None:
            self._doubt_transaction(error)
            return "rejected"
        # A refusal of our keys says nothing about the transaction: it is asked for again until the window closes.
        failures = purchase.failures_in_row + 1
        words = {} if isinstance(error, str) else {"error": error.message, "error_code": error.code[:60]}
        if is_long_allocating(purchase, self.provider):
            ask_for_look(purchase, "It has been looked for for long, and every look fails.", by=self.by)
        save_purchase(purchase, next_attempt_at=wait_after_failure(failures, error), failures_in_row=failures, **words)
        return "failed"

    def _doubt_transaction(self, error: Rejected) -> None:
        """ "Unknown id" is said of malformed, old and perhaps of very new ones too: it proves nothing."""
        purchase = self.purchase
        why = f"{_REFUSED.get(self.attempt.kind, 'the provider refuses to tell')}: {error.message}"
        if self._count_like("rejected") < settings.PURCHASE_INQUIRY_REFUSALS:
            save_purchase(purchase, next_attempt_at=self._due_in(_spacing()), error=why, error_code=error.code[:60])
        else:
            park_unknown(purchase, by=self.by, why=why, error_code=error.code)

    # -- counting and waiting ---------------------------------------------------------------------------------------

    def _due_in(self, wait: timedelta) -> datetime:
        """When the next look is due: at once where somebody has called for one since this one began."""
        later, due = timezone.now() + wait, self.purchase.next_attempt_at
        return later if due is None or due == self.lease else min(due, later)

    def _earlier(self) -> QuerySet[PurchaseAttempt]:
        """The looks before this one since the purchase began to be looked for."""
        looks = self.purchase.attempts.exclude(kind=PurchaseAttempt.Kind.ORDER).filter(number__lt=self.attempt.number)
        since = self.purchase.allocating_since
        return looks if since is None else looks.filter(started_at__gte=since)

    def _count_like(self, outcome: str) -> int:
        """How many looks of this kind, this one included, came to the same, each some time after the one before."""
        like = self._earlier().filter(kind=self.attempt.kind, outcome=outcome)
        if self.attempt.kind == PurchaseAttempt.Kind.INQUIRY:
            like = like.filter(request__transaction=self.purchase.transaction_id)
        return self._count_apart(like.values_list("received_at", flat=True))

    def _count_apart(self, earlier: Iterable[datetime | None]) -> int:
        """Looks in a hurry, because somebody called for them, are one: what is new may show a little later."""
        count, last = 0, None
        for at in sorted(filter(None, [*earlier, self.attempt.received_at])):
            if last is None or at - last >= _spacing():
                count, last = count + 1, at
        return count


def _is_under(line: LineSnapshot, key: str) -> bool:
    """Whether a line, or a package on it, came by our key, as far as the provider tells keys."""
    return line.order_key in ("", key) or any(package.order_key == key for package in line.packages)


def _name_other_plans(purchase: Purchase, record: TransactionRecord) -> str:
    """The plans' codes of lines that hold none of the ordered plan, as far as the provider tells them; "" for none."""
    wanted = {purchase.plan_ref, purchase.plan_alias}
    told = [{package.plan_ref for package in line.packages if package.plan_ref} for line in record.lines]
    others = {code for codes in told if not codes & wanted for code in codes}
    return ", ".join(sorted(others)[:10])


def _was_entered(purchase: Purchase) -> bool:
    """Whether the purchase's transaction was typed by a person or named by a call, not answered to our request."""
    typed = OrderEvent.objects.filter(purchase=purchase, kind="purchase.state", facts__has_key="transaction")
    return purchase.transaction_id in typed.values_list("facts__transaction", flat=True)


def _spacing() -> timedelta:
    return timedelta(seconds=settings.PURCHASE_INQUIRY_SPACING_SECONDS)
