"""Jobs of the catalogue queue. Each takes an id, looks at the row, and may run twice."""

from catalog.pricing import hold_floor
from catalog.sync import fail_stale_runs, has_catalogue, request_sync, run_sync
from providers.registry import ensure_accounts


def sync_catalog(run_id: int) -> str:
    """Read one account's catalogue; returns the run's state for the queue's own log."""
    return str(run_sync(run_id=run_id).state)


def sync_all_catalogs() -> int:
    """Ask for a sync of every account that can be read and is not paused; returns how many.

    The prices of an account that is never read are held to the floor here.
    """
    fail_stale_runs()
    asked = 0
    for account in ensure_accounts():
        if not has_catalogue(account.slug):
            hold_floor(account=account)
        elif not account.is_paused:
            request_sync(account=account, asked_by="schedule")
            asked += 1
    return asked
