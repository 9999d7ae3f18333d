"""What needs a person now, and how the last month went. The number of queries does not depend on the data."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

from django.db.models import Count, F, OuterRef, Q, Subquery, Sum
from django.db.models.functions import Coalesce, TruncDate
from django.utils import timezone

from catalog.models import SyncRun
from esims.models import STATE_LABELS, Esim
from esims.search import DEADLINE_NEAR_DAYS, must_be_installed_within
from esims.states import ENDED
from orders.card.deciding import hanging_refunds
from orders.card.disputes import disputes_for_a_person
from orders.models import Order, OrderLine, PaymentDelivery, Purchase, PurchasedEsim, Refund
from orders.selectors.order_list import OrderRow, list_rows, start_of_day
from orders.selectors.overdue import sum_overdue
from orders.selectors.payments import count_unfit
from orders.selectors.queue import waits_long
from orders.selectors.queue_entries import count_others
from providers.models import BalanceReading, ProviderAccount, WebhookDelivery
from providers.types import LineState

UNPAID_LONG = timedelta(days=1)
DAYS = 30
LATEST_ORDERS = 8

_CHART_WIDTH, _CHART_HEIGHT = 600.0, 96.0


@dataclass(frozen=True, slots=True, kw_only=True)
class LowBalance:
    """Our money at a provider by its newest reading, which is below the account's mark."""

    account: ProviderAccount
    amount: Decimal
    currency: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Attention:
    """How many things wait for a person, by kind."""

    unknown: int
    held: int
    to_look_at: int
    waiting_long: int
    #: Due, or on their way and perhaps not arriving.
    refunds_due: int
    refund_amounts: Mapping[str, Decimal]
    refunds_hanging: int
    unpaid_long: int
    payments_unfit: int
    lines_in_error: int
    deadline_near: int
    runs_asking: Sequence[SyncRun]
    runs_failed: Sequence[SyncRun]
    accounts_failing: Sequence[ProviderAccount]
    balances_low: Sequence[LowBalance]
    deliveries_waiting: int
    credit_overdue: int
    overdue_amounts: Mapping[str, Decimal]
    disputes: int
    payment_calls_parked: int
    actions_unknown: int
    differences_open: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Day:
    """One day of the chart, with its bar in the units of the viewBox."""

    day: date
    orders: int
    esims: int
    sales: Mapping[str, Decimal]
    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Month:
    """The last 30 days, today included, as days in the reader's time zone."""

    days: Sequence[Day]
    orders: int
    esims: int
    sales: Mapping[str, Decimal]
    #: What was earned on the lines whose cost is known in the currency of their price.
    margins: Mapping[str, Decimal]
    peak: int
    width: float = _CHART_WIDTH
    height: float = _CHART_HEIGHT


@dataclass(frozen=True, slots=True, kw_only=True)
class StateCount:
    state: str
    label: str
    number: int
    percent: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Dashboard:
    attention: Attention
    accounts: Sequence[ProviderAccount]
    month: Month
    lines_by_state: Sequence[StateCount]
    lines_in_service: int
    latest: Sequence[OrderRow] = field(default_factory=list)


def read_dashboard(now: datetime | None = None) -> Dashboard:
    """Everything of the dashboard but the jobs' health, at ``now`` (UTC)."""
    now = now or timezone.now()
    states = _count_lines(now)
    total = sum(row["number"] for row in states.values()) or 1
    accounts = _read_accounts()
    latest = list(Order.objects.select_related("customer").order_by("-created_at", "-pk")[:LATEST_ORDERS])
    return Dashboard(
        attention=_read_attention(states, accounts, now),
        accounts=accounts,
        month=_read_month(now),
        lines_by_state=[
            StateCount(
                state=state.value,
                label=str(label),
                number=states[state.value]["number"],
                percent=round(100 * states[state.value]["number"] / total),
            )
            for state, label in STATE_LABELS.items()
            if state.value in states
        ],
        lines_in_service=sum(
            row["number"] for state, row in states.items() if state not in {ended.value for ended in ENDED}
        ),
        latest=list_rows(latest),
    )


def _count_lines(now: datetime) -> dict[str, dict[str, int]]:
    near = must_be_installed_within(DEADLINE_NEAR_DAYS, now=now)
    rows = Esim.objects.values("state").annotate(number=Count("pk"), near=Count("pk", filter=near)).order_by("state")
    return {row["state"]: {"number": row["number"], "near": row["near"]} for row in rows}


def _read_attention(states: Mapping[str, Mapping[str, int]], accounts: Sequence[Any], now: datetime) -> Attention:
    purchases = Purchase.objects.filter(~Q(state__in=Purchase.ENDED) | ~Q(attention="")).aggregate(
        unknown=Count("pk", filter=Q(state=Purchase.State.UNKNOWN)),
        held=Count("pk", filter=Q(state=Purchase.State.HELD)),
        to_look_at=Count("pk", filter=~Q(attention="")),
        waiting_long=Count("pk", filter=waits_long(now)),
    )
    due = list(
        Refund.objects.filter(state__in=Refund.OWED)
        .values_list("currency")
        .annotate(number=Count("pk"), amount=Sum("amount"), hanging=Count("pk", filter=hanging_refunds()))
        .order_by("currency")
    )
    credit_overdue, overdue_amounts = sum_overdue()
    newest = SyncRun.objects.filter(account=OuterRef("account")).order_by("-created_at", "-pk").values("pk")[:1]
    asks = SyncRun.State.NEEDS_APPROVAL
    runs = list(SyncRun.objects.filter(Q(pk=Subquery(newest)) | Q(state=asks)).select_related("account").order_by("pk"))
    return Attention(
        **purchases,
        refunds_due=sum(number for _currency, number, _amount, _hanging in due),
        refund_amounts={currency: amount for currency, _number, amount, _hanging in due},
        refunds_hanging=sum(hanging for *_others, hanging in due),
        unpaid_long=Order.objects.filter(state=Order.State.UNPAID, created_at__lt=now - UNPAID_LONG).count(),
        payments_unfit=count_unfit(),
        lines_in_error=states.get(LineState.ERROR.value, {}).get("number", 0),
        deadline_near=sum(row["near"] for row in states.values()),
        runs_asking=[run for run in runs if run.state == asks],
        runs_failed=[run for run in runs if run.state in {SyncRun.State.FAILED, SyncRun.State.INCOMPLETE}],
        accounts_failing=[account for account in accounts if is_failing(account)],
        balances_low=[
            LowBalance(account=account, amount=account.newest_amount, currency=account.newest_currency)
            for account in accounts
            if account.low_balance is not None
            and account.newest_amount is not None
            and account.newest_amount < account.low_balance
        ],
        credit_overdue=credit_overdue,
        overdue_amounts=overdue_amounts,
        disputes=disputes_for_a_person().count(),
        payment_calls_parked=PaymentDelivery.objects.filter(state=PaymentDelivery.State.PARKED).count(),
        deliveries_waiting=sum(account.deliveries_waiting for account in accounts),
        **count_others(),
    )


def _read_accounts() -> list[Any]:
    """All accounts with their newest balance and how many of their deliveries wait for a person; one query."""
    newest = BalanceReading.objects.filter(account=OuterRef("pk")).order_by("-at", "-pk")
    waiting = (
        WebhookDelivery.objects.filter(account=OuterRef("pk"), state__in=WebhookDelivery.FOR_A_PERSON)
        .order_by()
        .values("account")
    )
    accounts = ProviderAccount.objects.annotate(
        newest_amount=Subquery(newest.values("amount")[:1]),
        newest_currency=Subquery(newest.values("currency")[:1]),
        deliveries_waiting=Coalesce(Subquery(waiting.annotate(number=Count("pk")).values("number")), 0),
    )
    return list(accounts.order_by("is_sandbox", "name"))


def is_failing(account: ProviderAccount) -> bool:
    """Whether the account's newest call failed."""
    if account.last_failure_at is None:
        return False
    return account.last_success_at is None or account.last_failure_at > account.last_success_at


def _read_month(now: datetime) -> Month:
    today = timezone.localtime(now).date()
    first = today - timedelta(days=DAYS - 1)
    since = start_of_day(first)
    earned = Sum(
        (F("unit_price") - F("unit_cost")) * F("quantity"),
        filter=Q(unit_cost__isnull=False, cost_currency=F("order__currency")),
    )
    paid = (
        OrderLine.objects.filter(order__paid_at__gte=since)
        .annotate(day=TruncDate("order__paid_at"))
        .values_list("day", "order__currency")
        .annotate(number=Count("order", distinct=True), amount=Sum(F("unit_price") * F("quantity")), earned=earned)
        .order_by("day")
    )
    sales: dict[date, dict[str, Decimal]] = {}
    orders: dict[date, int] = {}
    margins: dict[str, Decimal] = {}
    for day, currency, number, amount, margin in paid:
        sales.setdefault(day, {})[currency] = amount
        orders[day] = orders.get(day, 0) + number
        if margin is not None:
            margins[currency] = margins.get(currency, Decimal(0)) + margin
    came = (
        PurchasedEsim.objects.filter(esim__created_at__gte=since)
        .annotate(day=TruncDate("esim__created_at"))
        .values_list("day")
        .annotate(number=Count("pk"))
    )
    esims = dict(came)
    peak = max(esims.values(), default=0)
    slot = _CHART_WIDTH / DAYS
    days = []
    for number in range(DAYS):
        day = first + timedelta(days=number)
        height = round((_CHART_HEIGHT - 2) * esims.get(day, 0) / (peak or 1), 1)
        days.append(
            Day(
                day=day,
                orders=orders.get(day, 0),
                esims=esims.get(day, 0),
                sales=sales.get(day, {}),
                x=round(number * slot + slot * 0.12, 1),
                y=round(_CHART_HEIGHT - height, 1),
                width=round(slot * 0.76, 1),
                height=height,
            )
        )
    totals: dict[str, Decimal] = {}
    for amounts in sales.values():
        for currency, amount in amounts.items():
            totals[currency] = totals.get(currency, Decimal(0)) + amount
    return Month(
        days=days,
        orders=sum(orders.values()),
        esims=sum(esims.values()),
        sales=dict(sorted(totals.items())),
        margins=dict(sorted(margins.items())),
        peak=peak,
    )
