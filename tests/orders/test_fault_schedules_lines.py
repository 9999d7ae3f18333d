"""Random schedules over orders of every kind: allocated lines, top-ups, activations by form and completion files.

Faults, deaths at every checkpoint, slow workers, webhooks, files and decisions, against wholesalers that keep their own
books. ``FAULTS=2000 pytest tests/orders/test_fault_schedules_lines.py`` tries so many (12 otherwise).
"""

import os
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
import time_machine
from hypothesis import HealthCheck, event, given, note
from hypothesis import settings as examples
from hypothesis import strategies as st
from pytest_django import Settings

from customers.models import User
from esims.models import Esim, Package
from orders.books import read_balances
from orders.checkpoints import Checkpoint
from orders.models import Activation, Order, OrderEvent, OrderLine, Purchase, PurchasedEsim, PurchasedPackage
from orders.states import ORDER_TRANSITIONS, PURCHASE_TRANSITIONS, derive_order_state
from providers import registry as adapters
from tests.orders import fakes_forms, fakes_webhooks
from tests.orders.fakes_faults import HARMLESS, READS, WRITES
from tests.orders.fakes_forms import Registry
from tests.orders.fakes_lines import ORDERS, Allocator
from tests.orders.line_office import DECISIONS, SLUGS, LineOffice
from tests.orders.making import make_user

NUMBER = int(os.environ.get("FAULTS", "12"))
PS = Purchase.State
Kind = OrderLine.Kind
SENDABLE = {PS.PLANNED, PS.SENDING, PS.HELD}
SECOND = timedelta(seconds=1)

WAITS = [SECOND, 25 * SECOND, 70 * SECOND, 400 * SECOND, 300_000 * SECOND]

WISHES: Mapping[str, st.SearchStrategy[Any]] = {
    "esim": st.tuples(st.sampled_from(("fake-calls", *SLUGS)), st.integers(1, 3)),
    "top_up": st.sampled_from(("fake-calls", "fake-calls", "fake-keyed", "fake-mute")),
    "form": st.tuples(st.integers(0, 1), st.sampled_from([True, True, False])),
}
MEANWHILE = st.sampled_from(["sweep", "resend", "poke", "others"])
STEPS: Mapping[str, st.SearchStrategy[Any]] = {
    "run": st.sampled_from([None, None, *Checkpoint]),
    "slow_call": MEANWHILE,
    "slow_look": MEANWHILE,
    "wait": st.sampled_from(WAITS),
    "sweep": st.none(),
    "poke": st.integers(0, 20),
    "file": st.integers(0, 20),
    "portal": st.integers(0, 20),
    "sell": st.sampled_from(sorted(WISHES)).flatmap(lambda kind: st.tuples(st.just(kind), WISHES[kind])),
    "decide": st.tuples(st.sampled_from(DECISIONS), st.integers(0, 20)),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """What is sold, what the wholesalers do call by call and what they are like, and what happens here."""

    wishes: Sequence[tuple[str, Any]]
    faults: Mapping[str, Sequence[str]]
    nature: Mapping[str, Any]
    steps: Sequence[tuple[str, Any]]


@st.composite
def schedules(draw: st.DrawFn) -> Schedule:
    """Of few kinds of things each: what goes wrong only together is found sooner than among everything at once."""

    def choose(names: Collection[str], most: int) -> list[str]:
        return draw(st.lists(st.sampled_from(sorted(names)), min_size=1, max_size=most, unique=True))

    def many(kinds: Collection[str], table: Mapping[str, st.SearchStrategy[Any]], least: int, most: int) -> Any:
        one = st.one_of([st.tuples(st.just(kind), table[kind]) for kind in sorted(kinds)])
        return draw(st.lists(one, min_size=least, max_size=most))

    faults = {
        name: draw(st.lists(st.sampled_from(["ok", *choose(behaviours, 3)]), min_size=2, max_size=8))
        for name, behaviours in (
            ("orders", ORDERS),
            ("top_ups", WRITES),
            ("forms", WRITES),
            ("reads", READS),
            ("looks", READS),
        )
    }
    nature = {
        "pending": draw(st.integers(0, 2)),
        "trickle": draw(st.sampled_from([0, 20])) * SECOND,
        "lag": draw(st.sampled_from([0, 0, 15])) * SECOND,
        "shows_keys": draw(st.booleans()),
        "shows_packages": draw(st.booleans()),
        "says_taken": draw(st.booleans()),
    }
    return Schedule(
        wishes=many(choose(WISHES, 2), WISHES, 2, 5),
        faults=faults,
        nature=nature,
        steps=many({"run", *choose(STEPS, 4)}, STEPS, 5, 16),
    )


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch, settings: Settings, allocator: Allocator) -> Iterator[Registry]:
    """The wholesaler of ``fakes_forms``, and one that calls us; their books are empty."""
    del allocator
    more = {**fakes_webhooks.ADAPTERS, **fakes_forms.ADAPTERS}
    monkeypatch.setattr(adapters, "ADAPTERS", {**adapters.ADAPTERS, **more})
    settings.PROVIDERS = {**settings.PROVIDERS, **fakes_webhooks.ACCOUNTS, **fakes_forms.ACCOUNTS}
    fakes_forms.REGISTRY.reset()
    yield fakes_forms.REGISTRY
    fakes_forms.REGISTRY.reset()


@pytest.fixture
def staff(db: None) -> User:
    return make_user("orders.reconcile", "orders.refund", "orders.sell")


@examples(
    max_examples=NUMBER,
    deadline=None,
    derandomize=NUMBER == 40,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(schedule=schedules())
def test_nothing_is_lost_bought_twice_or_kept_too_long(
    *,
    allocator: Allocator,
    registry: Registry,
    staff: User,
    schedule: Schedule,
) -> None:
    allocator.reset()
    registry.reset()
    # Every example has lines of its own: the rows of the others stay.
    allocator.numbers = iter(range(26_000_000_000_000 + 1000 * Esim.objects.count(), 10**14))  # type: ignore[assignment]
    with time_machine.travel(datetime(2027, 3, 1, tzinfo=UTC), tick=True) as clock:
        office = LineOffice(allocator=allocator, registry=registry, staff=staff, clock=clock)
        for name, behaviours in schedule.faults.items():
            office.todo[name].extend(behaviours)
        for name, value in schedule.nature.items():
            setattr(allocator, name, value)
        for wish in schedule.wishes:
            office.sell(*wish)
        for step in schedule.steps:
            office.take(*step)
            check_forms(office)
        office.come_to_rest()
        note(str([(row.pk, row.order_line.kind, row.account.slug, row.state, row.error) for row in office.purchases]))
        for kind, state in sorted({(row.order_line.kind, row.state) for row in office.purchases}):
            event(f"{kind} {state}")
        check_forms(office)
        check_lines(office)
        check_packages(office)
        check_sending(office)
        check_rest(office)


def check_forms(office: LineOffice) -> None:
    """A form is kept while it may have to be sent and not a moment longer; one EID has one open request."""
    activations = list(
        Activation.objects.filter(order_line__order__in=office.orders).select_related("order_line__order")
    )
    assert {one.eid for one in activations} <= set(office.eids)
    opened = Counter(one.eid for one in activations if one.is_open)
    assert set(opened.values()) <= {1}
    for one in activations:
        purchase = Purchase.objects.filter(order_line=one.order_line).first()
        if purchase is None:
            is_waiting = one.order_line.order.state == Order.State.UNPAID
            assert (one.payload is not None, one.is_open) == (is_waiting, is_waiting)
            continue
        told = purchase.events.filter(kind="purchase.state").values_list("facts__new", flat=True)
        if purchase.state not in SENDABLE:
            assert (one.payload, one.payload_erased_at is not None) == (None, True), purchase.state
        elif set(told) <= SENDABLE:
            assert one.payload is not None, "erased although it may have to be sent"
        is_over = purchase.state in Purchase.ENDED
        assert one.is_open != is_over or (not one.is_open and opened[one.eid]), purchase.state


def check_lines(office: LineOffice) -> None:
    """Every line that was sold is on one purchase here, or its purchase is marked unknown."""
    purchases = office.purchases
    ours = PurchasedEsim.objects.filter(purchase__in=purchases)
    lines = Counter(ours.values_list("esim__provider_ref", flat=True))
    owners = dict(ours.values_list("esim__provider_ref", "purchase__idempotency_key"))
    assert set(lines.values()) <= {1}
    states = {purchase.idempotency_key: purchase.state for purchase in purchases}
    sold = {ref: sale.key for sale in office.allocator.sales for ref in sale.refs}
    assert set(Counter(sale.key for sale in office.allocator.sales).values()) <= {1}, "bought twice"
    done = {one.ref for one in office.registry.accepted if one.is_done}
    assert set(lines) <= {*sold, *done}, "a line that nobody sold"
    for ref, key in sold.items():
        assert owners.get(ref) == key or (ref not in owners and states[key] == PS.UNKNOWN), (ref, states[key])
    # Of activations everything is in the file: a success is always kept.
    assert done <= set(lines)
    assert set(Counter(one.code for one in office.registry.accepted).values()) <= {1}, "activated twice"


def check_packages(office: LineOffice) -> None:
    """Every package that was sold is on one purchase here, on its line once, or its purchase is marked unknown."""
    allocator = office.allocator
    states = {purchase.idempotency_key: purchase.state for purchase in office.purchases}
    sold = {key: ref for key, ref in allocator.top_ups if not key.startswith("portal-")}
    assert set(Counter(key for key, _ref in allocator.top_ups).values()) <= {1}, "topped up twice"
    came = PurchasedPackage.objects.filter(purchase__in=office.purchases).select_related("purchase", "package")
    arrived = {row.purchase.idempotency_key: row for row in came}
    assert set(arrived) <= set(sold), "a top-up that nobody made"
    for key, ref in sold.items():
        assert key in arrived or states[key] == PS.UNKNOWN, states[key]
        if key in arrived:
            assert arrived[key].esim.provider_ref == ref
    for slug, esim in office.lines.items():
        held = allocator.lines[esim.provider_ref].packages
        here = list(Package.objects.filter(esim=esim))
        if slug == "fake-mute" or not allocator.shows_packages:
            assert len(here) == 1 + sum(row.esim_id == esim.pk for row in came)
            continue
        assert sorted(package.package_ref for package in here) == sorted(package.name for package in held)
        if allocator.shows_keys:
            names = {package.key: package.name for package in held}
            mine = [row for row in came if row.esim_id == esim.pk and row.package is not None]
            assert all(row.package.package_ref == names[row.purchase.idempotency_key] for row in mine if row.package)


def check_sending(office: LineOffice) -> None:
    """Nothing that has no key is sent a second time, unless the provider said that it did nothing."""
    arrivals = [*office.allocator.arrivals, *office.registry.arrivals]
    harmful = Counter(key for key, behaviour in arrivals if behaviour not in HARMLESS)
    repeatable = {
        purchase.idempotency_key
        for purchase in office.purchases
        if purchase.order_line.kind == Kind.ESIM or purchase.account.slug == "fake-keyed"
    }
    assert {key for key, number in harmful.items() if number > 1} <= repeatable, "sent twice without a key"
    assert office.wrongs == []


def check_rest(office: LineOffice) -> None:
    for purchase in office.purchases:
        is_top_up = purchase.order_line.kind == Kind.TOP_UP
        rows = PurchasedPackage.objects if is_top_up else PurchasedEsim.objects
        came = rows.filter(purchase=purchase).count()
        if purchase.state == PS.FULFILLED:
            assert came >= purchase.quantity
        if purchase.state == PS.SHORT:
            assert 0 < came < purchase.quantity
        if purchase.state in (PS.REJECTED, PS.CANCELLED):
            assert came == 0
        if purchase.state in (PS.UNKNOWN, PS.HELD):
            assert purchase.error, "a person is asked without a word why"
    for order in office.orders:
        order.refresh_from_db()
        assert order.state == derive_order_state(order)
        assert order.state in ORDER_TRANSITIONS
    for row in OrderEvent.objects.filter(order__in=office.orders, kind="purchase.state"):
        assert row.facts["new"] in PURCHASE_TRANSITIONS[row.facts["old"]]
        assert row.by
    assert [balance.difference for balance in read_balances()] == [Decimal(0)]
