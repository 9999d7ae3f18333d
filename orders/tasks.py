"""Jobs of buying and of keeping house, by dotted name. Each looks at its rows and does nothing twice."""

from orders import bulk, comparing, credit_statements, health, notice_staff, pruning, purchasing, waking


def run_purchase(purchase_id: int) -> str:
    """Take the next step of one purchase, if one is due."""
    return purchasing.run_purchase(purchase_id=purchase_id)


def run_bulk(run_id: int) -> int:
    """Go on with an action on many rows; returns how many were looked at."""
    return bulk.run_bulk(run_id=run_id)


def wake(name: str) -> None:
    """Run one of ``waking.WAKE_UPS``."""
    waking.run_wake_up(name)


def compare_account(run_id: int) -> str:
    """Compare one account with our books; returns the run's state for the queue's own log."""
    return str(comparing.run_comparison(run_id=run_id).state)


def compare_all_accounts() -> int:
    """Ask for a comparison of every account; returns how many."""
    return comparing.request_all_comparisons(asked_by="schedule")


def beat(queue: str) -> None:
    """A sign of life of a queue's worker."""
    health.record_beat(queue)


def issue_statements() -> None:
    """The statements of the months that are over."""
    credit_statements.issue_monthly_statements()


def tell_staff() -> None:
    """Write to staff about trouble that is new."""
    notice_staff.plan_staff_notifications()


def prune() -> None:
    """Take away what is kept for a time only."""
    pruning.prune_old_rows()
