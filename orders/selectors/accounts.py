"""Provider accounts as staff see them: what they can do, how they are, their rate budgets, syncs and calls."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.db.models import Count, OuterRef, Q, Subquery
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from catalog.models import Plan, SyncRun
from esims.models import Esim
from orders.models import Purchase
from orders.selectors.dashboard import is_failing
from providers.models import AccountEvent, ProviderAccount, ProviderCall, RatePause, RateSlot
from providers.registry import configured_accounts, get_provider
from providers.types import Capability, RateBudget

RUNS_SHOWN = 8
CALLS_SHOWN = 25
EVENTS_SHOWN = 10

CAPABILITY_WORDS: Mapping[Capability, Any] = {
    Capability.LIST_PLANS: _("Read the catalogue"),
    Capability.ORDER: _("Order eSIMs"),
    Capability.BATCH_QUERY: _("Read many lines at once"),
    Capability.READ_LINE: _("Read a line"),
    Capability.SUSPEND: _("Suspend a line"),
    Capability.RELEASE: _("Release a suspended line"),
    Capability.CANCEL: _("Cancel an unused line"),
    Capability.REVOKE: _("Revoke a line"),
    Capability.TERMINATE: _("End a line"),
    Capability.ACTIVATE: _("Activate a line"),
    Capability.BLOCK: _("Block a line"),
    Capability.TOP_UP: _("Top up a line"),
    Capability.BALANCE: _("Tell our balance"),
    Capability.USAGE_BY_DAY: _("Report usage by day"),
    Capability.SMS: _("Send an SMS to a line"),
    Capability.REGIONS: _("List regions"),
    Capability.WEBHOOK_SETUP: _("Set up webhooks"),
    Capability.TRANSACTION_INQUIRY: _("Look up a transaction"),
    Capability.LINE_ACTIVATION: _("Activate a line with the holder's data"),
    Capability.SIMULATE_USAGE: _("Simulate usage (sandbox)"),
}

OPERATION_WORDS: Mapping[str, Any] = {
    "plans": _("Catalogue pages"),
    "order": _("Orders"),
    "status": _("Line reads"),
    "transaction": _("Transaction inquiries"),
    "control": _("Suspend and release"),
    "usage": _("Usage setter"),
}


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
    calls: Sequence[ProviderCall]
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


def _read_budgets(slug: str, budgets: Mapping[str, RateBudget]) -> list[BudgetUse]:
    now = timezone.now()
    stamps: dict[str, list[datetime]] = {}
    for operation, used_at in RateSlot.objects.filter(account=slug, used_at__isnull=False).values_list(
        "operation", "used_at"
    ):
        if used_at is not None:
            stamps.setdefault(operation, []).append(used_at)
    pauses = dict(RatePause.objects.filter(account=slug, until__gt=now).values_list("operation", "until"))
    return [
        BudgetUse(
            label=str(OPERATION_WORDS.get(operation, operation)),
            used=sum(stamp > now - timedelta(seconds=budget.seconds) for stamp in stamps.get(operation, [])),
            calls=budget.calls,
            seconds=round(budget.seconds),
            reserve=budget.reserve,
            paused_until=pauses.get(operation),
        )
        for operation, budget in sorted(budgets.items())
    ]


def _counts(rows: Any) -> dict[int, int]:
    return dict(rows)
