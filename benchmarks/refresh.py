"""Reading lines with as few calls as the provider allows, as fast as its limit allows, counted where they arrive.

Each scenario makes lines due and lets several worker processes (``manage.py refresh_esims``) read them all:

- ``…_calls``: calls that arrived ÷ the fewest that could do it: ⌈n/10⌉ where only the use is due at eSIM Access, one
  for each order where the lines are due as a whole there, one for each line at eSIM Commerce.
- ``…_rate``: how much of (limit - the reserve for people and orders) was used, over as many whole windows as the calls
  fill. The floor is the time that the limit itself asks for. Not where a call brings thirty whole lines: at twenty
  times the limit that would be 3,600 lines a second, and the database would be measured.

A call beyond the provider's limit, or a line that was not read, ends the benchmark with an error.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from django.conf import settings
from django.utils import timezone

from benchmarks.results import Result
from catalog.models import Plan
from customers.models import Customer
from esims.lifecycle import register_lines
from esims.models import Esim
from providers.models import ProviderAccount, RatePause, RateSlot
from providers.registry import ensure_accounts, get_provider
from providers.types import LineSnapshot
from tests.simulator_access import ACCESS_CODE, SECRET_KEY, Access
from tests.simulator_client import KEYS, PRODUCTION, Simulator

ACCESS, COMMERCE = "esim-access", "esim-commerce"
#: Calls ÷ fewest, and what the time may be of the time that the limit asks for (95 % of the allowed rate).
CALLS_LIMIT, RATE_LIMIT = 1.05, 1 / 0.95
#: The documented limits are multiplied by this, by the settings and at the simulator.
FASTER = 20
WORKERS = 3
ORDER_SIZE = 30
LONGEST = timedelta(minutes=10)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """Some lines of one account that are due, and the fewest calls that read them."""

    name: str
    slug: str
    endpoint: str
    lines: int
    fewest: int
    #: Whether the use alone is due.
    only_use: bool
    is_rated: bool = True
    faster: int
    #: Calls of one window that background work may make, and the window as we keep it, in seconds.
    allowed: int
    window: float


def run(n: int, directory: Path) -> Iterator[Result]:
    """With ``n`` of 20,000 there are 5,000 lines at eSIM Access and 2,000 at eSIM Commerce, 120 at the real limits."""
    many, fewer, real = max(n // 4, ORDER_SIZE), max(n // 10, 50), max(min(120, n // 150), 12)
    with Simulator(state=directory / "refresh.sqlite3") as simulator:
        simulator.set_limits(multiplier=0)
        access = Access(simulator)
        access.set_switches(allocation_delay_s=0)
        access.set_account(balance=10**13)
        _configure(simulator, access)
        _stock_access(access, many)
        _stock_commerce(simulator, fewer)
        for scenario in _scenarios(many=many, fewer=fewer, real=real):
            yield from _measure(scenario, simulator)


def _scenarios(*, many: int, fewer: int, real: int) -> Sequence[Scenario]:
    access = get_provider(ACCESS).budgets["usage"]
    commerce = get_provider(COMMERCE).budgets["status"]
    shared: dict[str, Any] = {"slug": ACCESS, "window": access.seconds + access.margin}
    lines: dict[str, Any] = {"slug": COMMERCE, "window": commerce.seconds + commerce.margin, "endpoint": "status"}
    free_access, free_commerce = access.calls - access.reserve, commerce.calls - commerce.reserve
    return (
        Scenario(
            name="refresh_access_use",
            endpoint="usage",
            lines=many,
            fewest=-(-many // 10),
            only_use=True,
            faster=FASTER,
            allowed=free_access * FASTER,
            **shared,
        ),
        Scenario(
            name="refresh_access_orders",
            endpoint="query",
            lines=many,
            fewest=-(-many // ORDER_SIZE),
            only_use=False,
            is_rated=False,
            faster=FASTER,
            allowed=free_access * FASTER,
            **shared,
        ),
        Scenario(
            name="refresh_commerce",
            lines=fewer,
            fewest=fewer,
            only_use=False,
            faster=FASTER,
            allowed=free_commerce * FASTER,
            **lines,
        ),
        Scenario(
            name="refresh_access_real_limit",
            endpoint="usage",
            lines=min(real * 10, many),
            fewest=-(-min(real * 10, many) // 10),
            only_use=True,
            faster=1,
            allowed=free_access,
            **shared,
        ),
        Scenario(
            name="refresh_commerce_real_limit",
            lines=min(real, fewer),
            fewest=min(real, fewer),
            only_use=False,
            faster=1,
            allowed=free_commerce,
            **lines,
        ),
    )


def _measure(scenario: Scenario, simulator: Simulator) -> Iterator[Result]:
    _forget_budgets()
    simulator.set_limits(multiplier=scenario.faster)
    seen = len(_arrivals(simulator, scenario))
    _make_due(scenario)
    _let_workers_read(scenario, simulator)
    left = _due(scenario).count()
    if left:
        raise AssertionError(f"{scenario.name}: {left} lines were not read")
    if simulator.violations():
        raise AssertionError(f"{scenario.name}: {simulator.violations()} calls were beyond the provider's limit")
    arrivals = _arrivals(simulator, scenario)[seen:]
    # A ratio of calls: it stands where others have seconds.
    yield Result(
        name=f"{scenario.name}_calls",
        ours_s=float(len(arrivals)),
        floor_s=float(scenario.fewest),
        n=scenario.lines,
        limit=CALLS_LIMIT,
    )
    windows = (len(arrivals) - 1) // scenario.allowed
    if windows and scenario.is_rated:
        took = arrivals[windows * scenario.allowed] - arrivals[0]
        yield Result(
            name=f"{scenario.name}_rate",
            ours_s=took,
            floor_s=windows * (scenario.window - get_provider(scenario.slug).budgets[scenario.endpoint].margin),
            n=scenario.lines,
            limit=RATE_LIMIT,
        )


# -- lines that are due -----------------------------------------------------------------------------------------------


def _make_due(scenario: Scenario) -> None:
    now = timezone.now()
    far = now + timedelta(days=30)
    rows = Esim.objects.filter(account__slug=scenario.slug)
    rows.update(
        next_refresh_at=far,
        next_usage_at=far,
        refresh_claimed_until=None,
        refreshed_at=now - timedelta(days=1),
        usage_as_of=now - timedelta(days=1),
    )
    ids = list(rows.order_by("pk").values_list("pk", flat=True)[: scenario.lines])
    name = "next_usage_at" if scenario.only_use else "next_refresh_at"
    Esim.objects.filter(pk__in=ids).update(**{name: now})


def _due(scenario: Scenario) -> Any:
    name = "next_usage_at" if scenario.only_use else "next_refresh_at"
    return Esim.objects.filter(**{f"{name}__lte": timezone.now()}, account__slug=scenario.slug)


def _let_workers_read(scenario: Scenario, simulator: Simulator) -> None:
    environment = {**os.environ, **_environment(scenario, simulator)}
    command = [sys.executable, "manage.py", "refresh_esims", "--seconds", str(LONGEST.total_seconds())]
    with ExitStack() as stack:
        workers = [
            stack.enter_context(
                subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
            )
            for _ in range(WORKERS)
        ]
        for worker in workers:
            _out, errors = worker.communicate(timeout=LONGEST.total_seconds() + 60)
            if worker.returncode:
                raise AssertionError(
                    f"{scenario.name}: a worker ended with {worker.returncode}: {errors.decode()[-800:]}"
                )


def _environment(scenario: Scenario, simulator: Simulator) -> Mapping[str, str]:
    """The workers' settings: the documented limits, times what the scenario says."""
    access = get_provider(ACCESS).budgets["usage"]
    commerce = get_provider(COMMERCE).budgets
    limits = {"calls": access.calls * scenario.faster, "reserve": access.reserve * scenario.faster}
    keys = KEYS[PRODUCTION]
    return {
        "DJANGO_SETTINGS_MODULE": "config.settings",
        "ROAMDESK_ENV_FILE": os.devnull,
        "ROAMDESK_DEMO": "1",
        "ESIM_ACCESS_URL": f"{simulator.url}/access",
        "ESIM_ACCESS_CODE": ACCESS_CODE,
        "ESIM_ACCESS_SECRET_KEY": SECRET_KEY,
        "ESIM_ACCESS_LIMITS": json.dumps(limits),
        "ESIM_COMMERCE_URL": simulator.production_url,
        "ESIM_COMMERCE_KEY_ID": keys.key_id,
        "ESIM_COMMERCE_KEY_SECRET": keys.key_secret,
        "ESIM_COMMERCE_CURRENCY": "USD",
        "ESIM_COMMERCE_LIMITS": json.dumps({"status": commerce["status"].calls * scenario.faster}),
        "LOG_LEVEL": "ERROR",
    }


def _forget_budgets() -> None:
    """Every scenario begins with a fresh window on both sides."""
    RateSlot.objects.all().delete()
    RatePause.objects.all().delete()


def _arrivals(simulator: Simulator, scenario: Scenario) -> list[float]:
    """When calls of the scenario's endpoint arrived, in seconds."""
    system = "access" if scenario.slug == ACCESS else PRODUCTION
    return [float(row["real_at"]) for row in simulator.requests(scenario.endpoint, system)]


# -- stock ------------------------------------------------------------------------------------------------------------


def _configure(simulator: Simulator, access: Access) -> None:
    keys = KEYS[PRODUCTION]
    settings.PROVIDERS[ACCESS].update(url=access.url, code=ACCESS_CODE, secret_key=SECRET_KEY)
    settings.PROVIDERS[COMMERCE].update(
        url=simulator.production_url, key_id=keys.key_id, key_secret=keys.key_secret, currency="USD"
    )
    ensure_accounts()


def _stock_access(access: Access, lines: int) -> None:
    """Orders of thirty, all in the books, and in use."""
    code = access.base_codes()[0]
    provider = get_provider(ACCESS)
    for at in range(0, lines, ORDER_SIZE):
        order = access.order(code, min(ORDER_SIZE, lines - at))
        _forget_budgets()
        _register(ACCESS, provider.read_order_lines(order))
    Esim.objects.filter(account__slug=ACCESS).update(state="active")


def _stock_commerce(simulator: Simulator, lines: int) -> None:
    plan = simulator.plan_codes()[0]
    provider = get_provider(COMMERCE)
    for at in range(0, lines, 1000):
        body = {"planCode": plan, "quantity": min(1000, lines - at)}
        reply = simulator.call("POST", "/esim/orders", json=body, timeout=120)
        iccids = [line["iccid"] for line in reply.json()["esims"]]
        first: LineSnapshot = provider.read_line(iccids[0])
        _register(COMMERCE, [replace(first, provider_ref=iccid, iccid=iccid) for iccid in iccids])


def _register(slug: str, snapshots: Sequence[LineSnapshot]) -> None:
    account = ProviderAccount.objects.get(slug=slug)
    plan, _made = Plan.objects.get_or_create(
        account=account,
        plan_ref="bench",
        defaults={
            "name": "Bench",
            "data_period": "total",
            "digest": "",
            "first_seen_at": timezone.now(),
            "changed_at": timezone.now(),
        },
    )
    customer, _made = Customer.objects.get_or_create(name="Bench")
    register_lines(account=account, customer=customer, plan=plan, snapshots=snapshots, by="bench")
