"""Lists of orders as tests need them: written, checked and run through the verbs."""

from typing import Any

from catalog.models import Plan
from customers.models import User
from orders.bulk_order_checking import check_list
from orders.bulk_order_running import confirm_bulk, run_bulk
from orders.models import BulkOrder
from tests.orders.making import make_user

SELLER = ("orders.bulk_sell", "orders.view_bulkorder")


def make_seller(*more: str) -> User:
    return make_user(*SELLER, *more)


def write_list(plan: Plan, people: int = 2, *, quantity: int = 1) -> bytes:
    """A row for each of so many new customers."""
    rows = [f"Guest {number},guest{number}@example.com,{plan.plan_ref},{quantity}" for number in range(1, people + 1)]
    return "\n".join(["name,email,plan,quantity", *rows]).encode()


def check(data: bytes, *, by: User | None = None, method: str = "cash", **changes: Any) -> BulkOrder:
    return check_list(data=data, name="guests.csv", method=method, reference="", by=by or make_seller(), **changes).bulk


def run(bulk: BulkOrder, *, by: User | None = None) -> BulkOrder:
    """Confirmed, and worked off in one piece."""
    confirm_bulk(bulk=bulk, by=by or bulk.created_by or make_seller())
    run_bulk(bulk_id=bulk.pk, seconds=60)
    return BulkOrder.objects.get(pk=bulk.pk)


def list_faults(bulk: BulkOrder) -> dict[int, list[str]]:
    return {row.number: row.faults for row in bulk.rows.order_by("number") if row.faults}
