"""Jobs of this floor, by dotted name. Each looks at its row and does nothing twice."""

from providers import account_tasks
from providers.account_tasks import Kind, TaskRefused, request_task
from providers.registry import ensure_accounts


def run_account_task(task_id: int) -> str:
    """Do what a person asked about an account; returns its state for the queue's own log."""
    return str(account_tasks.run_account_task(task_id=task_id).state)


def read_all_balances() -> int:
    """Ask for the balance of every account that tells it; returns how many."""
    asked = 0
    for account in ensure_accounts():
        try:
            request_task(account=account, kind=Kind.BALANCE, asked_by="schedule")
        except TaskRefused:
            continue
        asked += 1
    return asked
