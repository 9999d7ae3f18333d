"""Comparisons as tests make and read them."""

from typing import Any

from orders.comparing import open_comparison, run_comparison
from orders.models import Comparison, Difference, DifferenceEvent
from providers.models import ProviderAccount


def compare(account: ProviderAccount) -> Comparison:
    """One whole run in this process."""
    run, made = open_comparison(account=account, asked_by="test", enqueue=False)
    assert made
    return run_comparison(run_id=run.pk)


def tally(run: Comparison) -> tuple[int, int, int, int, int]:
    """(new, reopened, changed, as before, gone)."""
    return run.found, run.reopened, run.changed, run.still, run.gone


def parts(run: Comparison) -> dict[str, str]:
    return {name: told["state"] for name, told in run.parts.items()}


def rows(state: str = "open") -> list[tuple[str, str]]:
    """(kind, key) of the differences in a state."""
    return sorted(Difference.objects.filter(state=state).values_list("kind", "key"))


def row(kind: str) -> Difference:
    return Difference.objects.get(kind=kind)


def history(difference: Difference) -> list[tuple[str, str]]:
    """(kind, by), the oldest first."""
    events = DifferenceEvent.objects.filter(difference=difference).order_by("pk")
    return list(events.values_list("kind", "by"))


def told(run: Comparison, part: str) -> Any:
    return run.parts[part]["note"]
