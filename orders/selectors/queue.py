"""Purchases that a person must look at, with the evidence for deciding."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import reduce
from operator import or_

from django.db.models import Case, Count, IntegerField, Q, QuerySet, Value, When
from django.utils import timezone

from orders.call_log import find_calls
from orders.models import OrderEvent, Purchase, PurchaseAttempt, PurchasedEsim, Refund
from orders.prospects import Prospect, tell_prospects
from orders.selectors.order_page import EventLook, PurchaseLook, look_at_purchase, read_events
from orders.wording import describe_outcome
from providers.models import ProviderCall
from providers.redaction import redact_text

#: What takes longer (allocating; sending, for a pause or a rate limit) is shown to staff, though nothing is wrong yet.
LONG = timedelta(minutes=15)
#: As often as this without success: it is shown, though it is tried again by itself.
MANY_FAILURES = 3
ATTEMPTS_SHOWN = 30
ESIMS_SHOWN = 20
REPLY_SHOWN = 6_000

KINDS = ("unknown", "held", "look", "waiting")


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptLook:
    """One call as evidence. ``reply`` is redacted and cut; "" where none came or it was erased."""

    attempt: PurchaseAttempt
    outcome: str
    reply: str
    is_cut: bool
    #: The rows of the call log that belong to it.
    calls: Sequence[ProviderCall] = ()
    #: From sending to the answer.
    milliseconds: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PurchasePage:
    look: PurchaseLook
    attempts: Sequence[AttemptLook]
    esims: Sequence[PurchasedEsim]
    refund: Refund | None
    events: Sequence[EventLook]
    #: What happens by itself, and until when.
    prospects: Sequence[Prospect]


def waits_long(now: datetime) -> Q:
    """Purchases that nobody needs to decide about, and that take longer than they should; ``now`` is UTC."""
    late = now - LONG
    return Q(state=Purchase.State.ALLOCATING, first_sent_at__lt=late) | Q(
        Q(failures_in_row__gte=MANY_FAILURES) | Q(created_at__lt=late), state=Purchase.State.PLANNED
    )


def _kinds() -> dict[str, Q]:
    return {
        "unknown": Q(state=Purchase.State.UNKNOWN),
        "held": Q(state=Purchase.State.HELD),
        "look": ~Q(attention=""),
        "waiting": waits_long(timezone.now()),
    }


def purchases_for_people(kind: str = "") -> QuerySet[Purchase]:
    """The queue: unknown and held first, the oldest first; ``kind`` (one of KINDS) narrows it."""
    kinds = _kinds()
    wanted = kinds.get(kind, reduce(or_, kinds.values()))
    rank = Case(
        When(state=Purchase.State.UNKNOWN, then=Value(0)),
        When(state=Purchase.State.HELD, then=Value(1)),
        When(~Q(attention=""), then=Value(2)),
        default=Value(3),
        output_field=IntegerField(),
    )
    return Purchase.objects.filter(wanted).alias(rank=rank).order_by("rank", "created_at", "pk")


def read_purchase_page(purchase: Purchase) -> PurchasePage:
    """A purchase (fetched with account, order line, order and customer) and everything that is known of it."""
    delivered = PurchasedEsim.objects.filter(purchase=purchase)
    attempts = list(purchase.attempts.order_by("-number")[:ATTEMPTS_SHOWN])
    calls = find_calls(purchase.account.slug, attempts)
    return PurchasePage(
        look=look_at_purchase(purchase, delivered=delivered.count()),
        attempts=[_look_at_attempt(attempt, calls.get(attempt.pk, ())) for attempt in attempts],
        esims=list(delivered.select_related("esim")[:ESIMS_SHOWN]),
        refund=Refund.objects.filter(purchase=purchase, kind=Refund.Kind.MISSING).first(),
        events=read_events(OrderEvent.objects.filter(purchase=purchase)),
        prospects=tell_prospects(purchase),
    )


def _look_at_attempt(attempt: PurchaseAttempt, calls: Sequence[ProviderCall]) -> AttemptLook:
    # Redacted before it is cut: half a secret is a secret.
    text = redact_text(bytes(attempt.body or b"").decode("utf-8", "replace"))
    begun = attempt.sent_at or attempt.started_at
    return AttemptLook(
        attempt=attempt,
        outcome=describe_outcome(attempt),
        reply=text[:REPLY_SHOWN],
        is_cut=len(text) > REPLY_SHOWN,
        calls=calls,
        milliseconds=round((attempt.received_at - begun).total_seconds() * 1000) if attempt.received_at else None,
    )


def count_queue() -> dict[str, int]:
    """How many purchases each kind of the queue holds; one query."""
    return Purchase.objects.filter(~Q(state__in=Purchase.ENDED) | ~Q(attention="")).aggregate(
        **{kind: Count("pk", filter=condition) for kind, condition in _kinds().items()}
    )
