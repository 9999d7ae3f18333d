"""What the tests of a sync ask again and again."""

from typing import Any

from catalog.models import Plan, PlanChange, SyncRun
from catalog.sync import request_sync, run_sync
from providers.models import ProviderAccount


def read(account: ProviderAccount) -> SyncRun:
    """Ask for a sync and do it, as the worker does."""
    return run_sync(run_id=request_sync(account=account, asked_by="mia@example.com").pk)


def counts(run: SyncRun) -> dict[str, int]:
    names = ("added", "changed", "unchanged", "returned", "retired")
    return {name: getattr(run, name) for name in names if getattr(run, name)}


def history(ref: str) -> list[tuple[str, dict[str, Any]]]:
    rows = PlanChange.objects.filter(plan__plan_ref=ref).order_by("pk")
    return [(row.kind, row.changes) for row in rows]


def live() -> str:
    return "".join(Plan.objects.filter(retired_at=None).order_by("plan_ref").values_list("plan_ref", flat=True))
