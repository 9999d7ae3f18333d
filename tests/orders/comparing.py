"""Comparisons as tests make and read them."""

from decimal import Decimal
from typing import Any

from django.utils import timezone
from pytest_django.fixtures import Settings

from catalog.models import Plan
from orders.comparing import open_comparison, run_comparison
from orders.models import Comparison, Difference, DifferenceEvent
from providers.models import ProviderAccount
from tests.catalog.making import make_account, make_plan
from tests.orders.making import make_fake_account
from tests.simulator_access import Access, open_account
from tests.simulator_client import Simulator
from tests.simulator_esimfx import CLIENT_ID, CLIENT_KEY, Esimfx


def open_access(settings: Settings, simulator: Simulator) -> Access:
    """eSIM Access at the simulator as the only account: it allocates at once, and what was just sold is compared."""
    simulator.reset(plans=20)
    access = open_account(settings, simulator)
    settings.COMPARE_SETTLING_MINUTES = 0.0
    settings.COMPARE_DAYS = 60
    return access


def make_access_plan(access: Access, account: ProviderAccount) -> Plan:
    code = access.find_package(dataType=1)
    package = access.package(code)
    net = Decimal(package["price"]) / 10_000
    return make_plan(account, plan_ref=code, alias=package["slug"], net_price=net, currency="USD")


def open_esimfx(settings: Settings, simulator: Simulator) -> Esimfx:
    """eSIMfx at the simulator as the only account, without its fee for each eSIM."""
    esimfx = Esimfx(simulator)
    simulator.reset(plans=20)
    entry = settings.PROVIDERS["esimfx"]
    own = {"url": esimfx.url, "client_id": CLIENT_ID, "client_key": CLIENT_KEY, "limits": {"calls": None}}
    settings.PROVIDERS = {"esimfx": {**entry, **own}}
    settings.COMPARE_SETTLING_MINUTES = 0.0
    esimfx.set_esim_fee("0.00")
    return esimfx


def make_esimfx_plan(esimfx: Esimfx) -> Plan:
    """Its cheapest product."""
    products = [esimfx.product(product_id)["product"] for product_id in esimfx.product_ids()]
    product = min(products, key=lambda product: Decimal(str(product["price"])))
    account = make_account("esimfx", adapter="esimfx", name="Nomad eSIMfx")
    return make_plan(
        account, plan_ref=product["id"], net_price=Decimal(str(product["price"])), currency=product["price_unit"]
    )


def net_of(plan: Plan) -> Decimal:
    assert plan.net_price is not None
    return plan.net_price


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


FACTS: dict[str, Any] = {
    "unknown_line": {"ours": {"line": None}, "theirs": {"line": "25112000000001", "iccid": "8985200000000000001"}},
    "missing_line": {"ours": {"line": "8981100000000000001", "plan": "P1"}, "theirs": {"line": None}},
    "list_price": {
        "ours": {"plan": "P1", "price": "4", "currency": "USD"},
        "theirs": {"plan": "P1", "price": "4.5", "currency": "USD"},
    },
    "frozen_cost": {
        "ours": {"number": "R-1", "price": "4", "currency": "USD"},
        "theirs": {"price": "5", "currency": "USD"},
    },
    "balance": {
        "ours": {"unexplained": "0", "currency": "USD"},
        "theirs": {"unexplained": "500", "currency": "USD"},
    },
}
RECKONED = {"from": "100", "bought": "20", "returned": "0", "expected": "80", "amount": "580", "open": "0"}
RECKONED |= {"perhaps": "0", "since": "2026-11-20T00:00:00+00:00", "until": "2026-11-21T00:00:00+00:00"}


def make_difference(kind: str = "unknown_line", *, key: str = "", slug: str = "fake", **fields: Any) -> Difference:
    """A difference as a run leaves it, with that run."""
    account, now = make_fake_account(slug), timezone.now()
    run = Comparison.objects.create(
        account=account,
        state="succeeded",
        asked_by="schedule",
        started_at=now,
        finished_at=now,
        found=1,
        parts={"lines": {"state": "compared", "looked": 12, "note": ""}},
    )
    given = {
        "key": key or {"unknown_line": "25112000000001"}.get(kind, "P1"),
        "facts": FACTS[kind],
        "details": RECKONED if kind == "balance" else {"state": "ready"},
        "amount": "4.00",
        "currency": "USD",
        "first_seen_at": now,
        "last_seen_at": now,
        **fields,
    }
    row = Difference.objects.create(account=account, kind=kind, run=run, **given)
    DifferenceEvent.objects.create(difference=row, kind="found", at=now, by="comparison", facts=row.facts)
    return row
