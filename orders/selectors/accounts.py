"""Provider accounts as staff see them: what they can do, how they are, their rate budgets, syncs and calls."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.db.models import Count, OuterRef, Q, Subquery
from django.utils import timezone

from catalog.models import Plan, SyncRun
from esims.models import Esim
from orders.models import Comparison, Difference, Purchase
from orders.selectors.account_words import CAPABILITY_WORDS, OPERATION_WORDS
from orders.selectors.dashboard import is_failing
from providers import account_tasks, balances
from providers.models import (
    AccountEvent,
    AccountTask,
    BalanceReading,
    ProviderAccount,
    ProviderCall,
    ProviderRegion,
    RatePause,
    RateSlot,
    WebhookDelivery,
)
from providers.registry import configured_accounts, get_provider
from providers.types import Capability, RateBudget

RUNS_SHOWN = 8
CALLS_SHOWN = 25
EVENTS_SHOWN = 10
TASKS_SHOWN = 8
BALANCES_SHOWN = 60
REGIONS_SHOWN = 400
#: Over how long the calls' outcomes are counted.
HEALTH_SPAN = timedelta(hours=24)

#: What can be asked about an account, in this order.
TASK_KINDS = (
    AccountTask.Kind.CHECK,
    AccountTask.Kind.BALANCE,
    AccountTask.Kind.REGIONS,
    AccountTask.Kind.WEBHOOK_READ,
    AccountTask.Kind.WEBHOOK_SAVE,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountRow:
    account: ProviderAccount
    is_configured: bool
    is_failing: bool
    plans: int
    lines: int
    last_run: SyncRun | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Ability:
    label: str
    offered: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetUse:
    """A rate budget and its use in the window that ends now; ``paused_until`` is the provider's wish."""

    label: str
    used: int
    calls: int
    seconds: int
    reserve: int
    paused_until: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CallHealth:
    """The calls of the last day: how many, and how they ended. ``error_percent`` None: none was made."""

    total: int
    failed: int
    refused: int
    limited: int

    @property
    def error_percent(self) -> float | None:
        """The share of calls that failed (not those that were refused or told to wait)."""
        return round(100 * self.failed / self.total, 1) if self.total else None


@dataclass(frozen=True, slots=True, kw_only=True)
class BalanceLook:
    """Our money there: the newest reading, the readings before (oldest first), and the mark."""

    newest: BalanceReading | None
    history: Sequence[BalanceReading]
    is_low: bool

    @property
    def amounts(self) -> list[float]:
        return [float(reading.amount) for reading in self.history]


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskChoice:
    """Something that can be asked; ``is_open`` while it is under way."""

    kind: str
    label: str
    is_open: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountPage:
    account: ProviderAccount
    is_configured: bool
    #: Why the settings cannot be used; names of settings only, never values.
    trouble: str
    is_failing: bool
    abilities: Sequence[Ability]
    budgets: Sequence[BudgetUse]
    max_order_quantity: int | None
    order_is_repeatable: bool
    plans: int
    lines: int
    open_purchases: int
    runs: Sequence[SyncRun]
    has_open_run: bool
    #: Its provider lists plans, or may: one that is not set up is not known.
    lists_plans: bool
    calls: Sequence[ProviderCall]
    health: CallHealth
    balance: BalanceLook | None
    choices: Sequence[TaskChoice]
    tasks: Sequence[AccountTask]
    regions: Sequence[ProviderRegion]
    #: Whether it calls us, and how many of its deliveries wait for a person; None: it does not.
    deliveries_waiting: int | None
    #: The newest comparison with our books, and how many differences are open.
    comparison: Comparison | None
    differences: int
    #: Who paused it and let it go on, the newest first, as the timeline shows it.
    events: Sequence[Mapping[str, Any]]


def list_accounts() -> list[AccountRow]:
    """All accounts, with a constant number of queries."""
    configured = set(configured_accounts())
    newest = SyncRun.objects.filter(account=OuterRef("account")).order_by("-created_at", "-pk").values("pk")[:1]
    runs = {run.account_id: run for run in SyncRun.objects.filter(pk=Subquery(newest))}
    plans = _counts(Plan.objects.filter(retired_at=None).order_by().values_list("account").annotate(number=Count("pk")))
    lines = _counts(Esim.objects.order_by().values_list("account").annotate(number=Count("pk")))
    return [
        AccountRow(
            account=account,
            is_configured=account.slug in configured,
            is_failing=is_failing(account),
            plans=plans.get(account.pk, 0),
            lines=lines.get(account.pk, 0),
            last_run=runs.get(account.pk),
        )
        for account in ProviderAccount.objects.order_by("is_sandbox", "name")
    ]


def read_account_page(account: ProviderAccount) -> AccountPage:
    """One account with its newest runs and calls."""
    trouble = ""
    provider = None
    try:
        provider = get_provider(account.slug)
    except ImproperlyConfigured as error:
        trouble = str(error)
    offered = provider.offered if provider else frozenset()
    tasks = list(AccountTask.objects.filter(account=account)[:TASKS_SHOWN])
    runs = list(SyncRun.objects.filter(account=account).order_by("-created_at", "-pk")[:RUNS_SHOWN])
    declared = sorted(provider.capabilities, key=lambda one: str(CAPABILITY_WORDS.get(one, one))) if provider else []
    return AccountPage(
        account=account,
        is_configured=provider is not None,
        trouble=trouble,
        is_failing=is_failing(account),
        abilities=[
            Ability(
                label=str(CAPABILITY_WORDS.get(one, one.value)),
                offered=provider is not None and one in provider.offered,
            )
            for one in declared
        ],
        budgets=_read_budgets(account.slug, provider.budgets if provider else {}),
        max_order_quantity=provider.max_order_quantity if provider else None,
        order_is_repeatable=provider is not None and Capability.ORDER in provider.repeatable,
        plans=Plan.objects.filter(account=account, retired_at=None).count(),
        lines=Esim.objects.filter(account=account).count(),
        open_purchases=Purchase.objects.filter(~Q(state__in=Purchase.ENDED), account=account).count(),
        runs=runs,
        has_open_run=any(run.state in {SyncRun.State.WAITING, SyncRun.State.RUNNING} for run in runs),
        lists_plans=provider is None or Capability.LIST_PLANS in offered,
        health=_read_health(account.slug),
        balance=_read_balance(account) if Capability.BALANCE in offered else None,
        choices=_list_choices(account, tasks) if provider else [],
        tasks=tasks,
        regions=list(ProviderRegion.objects.filter(account=account).order_by("-is_multi", "name")[:REGIONS_SHOWN]),
        deliveries_waiting=_count_deliveries(account) if Capability.WEBHOOKS in offered else None,
        comparison=Comparison.objects.filter(account=account).order_by("-created_at", "-pk").first(),
        differences=Difference.objects.filter(account=account, state=Difference.State.OPEN).count(),
        calls=list(ProviderCall.objects.filter(account=account.slug).order_by("-sent_at")[:CALLS_SHOWN]),
        events=[
            {
                "title": event.get_kind_display(),
                "at": event.at,
                "by": event.by,
                "why": event.why,
                "tone": "warn" if event.kind == AccountEvent.Kind.PAUSED else "ok",
            }
            for event in AccountEvent.objects.filter(account=account)[:EVENTS_SHOWN]
        ],
    )


def _read_health(slug: str) -> CallHealth:
    outcome = ProviderCall.Outcome
    calls = ProviderCall.objects.filter(account=slug, sent_at__gte=timezone.now() - HEALTH_SPAN)
    counts = dict(calls.order_by().values_list("outcome").annotate(number=Count("pk")))
    failed = (outcome.FAILED, outcome.UNKNOWN, outcome.NOT_SENT)
    return CallHealth(
        total=sum(counts.values()),
        failed=sum(counts.get(word, 0) for word in failed),
        refused=counts.get(outcome.REJECTED, 0),
        limited=counts.get(outcome.RATE_LIMITED, 0),
    )


def _read_balance(account: ProviderAccount) -> BalanceLook:
    readings = list(BalanceReading.objects.filter(account=account)[:BALANCES_SHOWN])
    newest = readings[0] if readings else None
    return BalanceLook(newest=newest, history=readings[::-1], is_low=balances.is_low(account, newest))


def _list_choices(account: ProviderAccount, tasks: Sequence[AccountTask]) -> list[TaskChoice]:
    is_open = {task.kind for task in tasks if task.state in {AccountTask.State.WAITING, AccountTask.State.RUNNING}}
    return [
        TaskChoice(kind=kind.value, label=str(kind.label), is_open=kind in is_open)
        for kind in TASK_KINDS
        if not account_tasks.why_refused(account, kind)
    ]


def _count_deliveries(account: ProviderAccount) -> int:
    return WebhookDelivery.objects.filter(account=account, state__in=WebhookDelivery.FOR_A_PERSON).count()


def _read_budgets(slug: str, budgets: Mapping[str, RateBudget]) -> list[BudgetUse]:
    now = timezone.now()
    stamps: dict[str, list[datetime]] = {}
    for operation, used_at in RateSlot.objects.filter(account=slug, used_at__isnull=False).values_list(
        "operation", "used_at"
    ):
        if used_at is not None:
            stamps.setdefault(operation, []).append(used_at)
    pauses = dict(RatePause.objects.filter(account=slug, until__gt=now).values_list("operation", "until"))
    # Operations that share a budget are one row.
    shared = {budget.scope or operation: budget for operation, budget in sorted(budgets.items())}
    return [
        BudgetUse(
            label=str(OPERATION_WORDS.get(scope, scope)),
            used=sum(stamp > now - timedelta(seconds=budget.seconds) for stamp in stamps.get(scope, [])),
            calls=budget.calls,
            seconds=round(budget.seconds),
            reserve=budget.reserve,
            paused_until=pauses.get(scope),
        )
        for scope, budget in shared.items()
    ]


def _counts(rows: Any) -> dict[int, int]:
    return dict(rows)
