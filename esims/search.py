"""Finding lines: filters that keep to the indexes, and pages whose cost does not grow with the list."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Case, DurationField, ExpressionWrapper, F, Q, QuerySet, Value, When
from django.db.models.functions import TruncDate
from django.utils import timezone

from catalog.models import Plan
from customers.search import find_customers
from esims.models import Esim
from esims.states import ENDED, JAPAN, NOT_INSTALLED, japan_today
from providers.models import ProviderAccount
from providers.types import LineState

#: Fewer digits than these name too many lines.
LEAST_DIGITS = 4
_LONGEST_ICCID = 22
#: From the last day in Japan to the beginning of the day on which the service is surely over.
_SURELY_OVER = timedelta(days=2)
#: A line that must be installed within so many days is worth a word to its customer.
DEADLINE_NEAR_DAYS = 14


@dataclass(frozen=True, slots=True, kw_only=True)
class LineFilter:
    """What a list of lines is narrowed by; an empty value narrows nothing. ``text`` as people type it."""

    state: str = ""
    account_id: int | None = None
    customer_id: int | None = None
    text: str = ""
    #: Not installed yet, and to be installed within so many days from now.
    install_within_days: int | None = None


def search_lines(wanted: LineFilter) -> QuerySet[Esim]:
    """Lines by the filter, newest first, with what a row shows (customer, plan, account) in the same query."""
    lines = find_lines(wanted.text) if wanted.text.strip() else Esim.objects.all()
    if wanted.state:
        lines = lines.filter(state=wanted.state)
    if wanted.account_id is not None:
        lines = lines.filter(account_id=wanted.account_id)
    if wanted.customer_id is not None:
        lines = lines.filter(customer_id=wanted.customer_id)
    if wanted.install_within_days is not None:
        lines = lines.filter(must_be_installed_within(wanted.install_within_days))
    return for_list(lines)


def must_be_installed_within(days: int, *, now: datetime | None = None) -> Q:
    """Lines that are on no device yet and whose deadline lies within ``days`` from ``now``; past ones are not meant."""
    now = now or timezone.now()
    return Q(
        state__in=[state.value for state in NOT_INSTALLED],
        activation_deadline__gt=now,
        activation_deadline__lte=now + timedelta(days=days),
    )


def showing_states(lines: QuerySet[Esim], states: Collection[str], *, now: datetime | None = None) -> QuerySet[Esim]:
    """Those that people see in one of these states: by the provider's word, or expired by the clock
    (``states.shown_state``).
    """
    now = now or timezone.now()
    days_silent = TruncDate("state_as_of", tzinfo=JAPAN) - F("expires_on")
    by_day = Q(expires_on__lte=japan_today(now) - _SURELY_OVER)
    by_instant = Q(expires_on__isnull=True, expires_at__lte=now)
    silent_since = (
        Q(state_as_of__isnull=True)
        | Q(expires_on__isnull=True, state_as_of__lt=F("expires_at"))
        | Q(expires_on__isnull=False, days_silent__lt=_SURELY_OVER)
    )
    is_over = (by_day | by_instant) & silent_since & ~Q(state__in=[state.value for state in ENDED])
    lines = lines.alias(days_silent=ExpressionWrapper(days_silent, DurationField()))
    shown = Case(When(is_over, then=Value(LineState.EXPIRED.value)), default=F("state"))
    # The first condition is one that an index answers.
    likely = Q(state__in=states) | (by_day | by_instant if LineState.EXPIRED in states else Q(pk__in=()))
    return lines.filter(likely).alias(shown_state=shown).filter(shown_state__in=states)


def find_lines(text: str) -> QuerySet[Esim]:
    """Lines that a text names: a whole ICCID or its last four or more digits, an EID, the line's phone number, the
    provider's order, the customer, the plan.

    Newest first. A text of digits is a number and nothing else; a text with an @ is an e-mail address.
    """
    words = text.strip()
    digits = "".join(words.split()).replace("-", "").removeprefix("+")
    if digits.isascii() and digits.isdecimal():
        return _find_by_number(digits)
    lines = Esim.objects.order_by("-created_at", "-pk")
    of_order = _find_by_order(words)
    if of_order is not None:
        return of_order
    named = Q(customer__in=find_customers(words).order_by().values("pk"))
    if "@" not in words:
        plans = Plan.objects.filter(Q(name__icontains=words) | Q(plan_ref__iexact=words)).order_by()
        named |= Q(plan__in=plans.values("pk")) | Q(provider_ref=words)
    return lines.filter(named)


def for_list(lines: QuerySet[Esim]) -> QuerySet[Esim]:
    """Load what a row of a list shows, and none of the secrets. See ``load_labels`` for lines without an ICCID."""
    return lines.select_related("customer", "plan", "account").only(
        *("pk", "iccid", "provider_ref", "state", "state_as_of", "expires_on", "activation_deadline", "created_at"),
        "expires_at",
        *("total_used_bytes", "refresh_failures", "customer__name", "customer__email", "plan__name", "account__name"),
        "account__is_sandbox",
    )


def load_labels(lines: Iterable[Esim]) -> None:
    """Give the lines of a list that have no ICCID what their labels are made of, in one query for all of them.

    The label hides the device's number in the provider's reference and must know it for that; other rows never load it.
    """
    bare = {line.pk: line for line in lines if not line.iccid}
    if bare:
        for pk, eid in Esim.objects.filter(pk__in=bare).values_list("pk", "eid"):
            bare[pk].eid = eid


def count_up_to(rows: QuerySet[Any], most: int) -> tuple[int, bool]:
    """How many rows there are, counted no further than ``most``; and whether there are more than that."""
    found = rows.select_related(None).only("pk").order_by()[: most + 1].count()
    return min(found, most), found > most


def _find_by_order(words: str) -> QuerySet[Esim] | None:
    """The lines of one of the providers' orders; None where the text names none."""
    if not any(letter.isdigit() for letter in words) or len(words.split()) != 1:
        return None
    # By account, as the index has it; there are a handful.
    accounts = list(ProviderAccount.objects.values_list("pk", flat=True))
    lines = Esim.objects.filter(account_id__in=accounts, order_ref=words).exclude(order_ref="")
    return lines.order_by("-created_at", "-pk") if lines.exists() else None


def _find_by_number(digits: str) -> QuerySet[Esim]:
    """By ICCID, its end, the line's phone number or EID; too few digits find nothing."""
    lines = Esim.objects.order_by("-created_at", "-pk")
    if len(digits) < LEAST_DIGITS:
        return lines.none()
    end = digits[::-1]
    # A range instead of LIKE: every database answers it from the index. No digit sorts after 9.
    by_end = Q(iccid_reversed__gte=end, iccid_reversed__lte=end.ljust(_LONGEST_ICCID, "9"))
    if len(digits) <= _LONGEST_ICCID:
        return lines.filter(Q(iccid=digits) | by_end | Q(provider_ref=digits) | _has_phone_number(digits))
    return lines.filter(eid=digits)


def _has_phone_number(digits: str) -> Q:
    """As stored, with or without the plus that people leave out."""
    return Q(phone_number__in=[digits, f"+{digits}"]) & ~Q(phone_number="")
