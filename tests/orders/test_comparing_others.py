"""Comparing with the providers that tell less, over real HTTP: what they cannot be asked for is said, not guessed."""

from datetime import timedelta
from decimal import Decimal

import pytest
import time_machine
from pytest_django.fixtures import Settings

from catalog.models import Plan
from esims.models import Esim
from orders.models import Purchase
from orders.prospects import tell_prospects
from orders.purchasing import run_purchase
from tests.catalog.making import make_account, make_plan
from tests.orders.comparing import compare, make_esimfx_plan, net_of, open_esimfx, parts, row, rows, tally, told
from tests.orders.making import make_customer, make_due, order_plan, pay
from tests.simulator_client import Simulator
from tests.simulator_esimfx import Esimfx
from tests.simulator_freebit import Freebit

pytestmark = pytest.mark.django_db


def buy(plan: Plan, quantity: int = 1) -> Purchase:
    order = order_plan(plan, quantity)
    pay(order)
    purchase = Purchase.objects.filter(order_line__order=order).earliest("pk")
    run_purchase(purchase_id=make_due(purchase).pk)
    purchase.refresh_from_db()
    return purchase


# -- eSIM Commerce: neither a list of lines nor a balance -------------------------------------------------------------


@pytest.fixture
def commerce(wire: Simulator, settings: Settings) -> Simulator:
    settings.COMPARE_SETTLING_MINUTES = 0.0
    wire.reset(plans=20)
    wire.set_limits(multiplier=0)
    limits = dict.fromkeys(("plans", "order", "status", "transaction"), 3000)
    entry = settings.PROVIDERS["esim-commerce"]
    settings.PROVIDERS = {"esim-commerce": {**entry, "limits": limits}}
    return wire


def commerce_plan(commerce: Simulator) -> Plan:
    code = commerce.plan_codes()[0]
    net = Decimal(commerce.plan(code)["netPrice"])
    return make_plan(make_account(), plan_ref=code, net_price=net, currency="USD")


def test_commerce_is_compared_by_transactions_lines_and_prices(commerce: Simulator) -> None:
    plan = commerce_plan(commerce)
    purchase = buy(plan, 3)
    run = compare(plan.account)
    assert parts(run) == {"lines": "partly", "prices": "compared", "balance": "impossible"}
    assert (run.state, rows(), run.parts["lines"]["looked"]) == ("succeeded", [], 6)
    # One line of the transaction never came into our books; another of ours the provider does not know.
    lost, other, _third = Esim.objects.order_by("provider_ref")
    Esim.objects.filter(pk=lost.pk).update(provider_ref="8981100000099999999")
    net = net_of(plan) + Decimal("0.10")
    commerce.change_plan(plan.plan_ref, netPrice=str(net))
    run = compare(plan.account)
    found = [
        ("list_price", plan.plan_ref),
        ("missing_line", "8981100000099999999"),
        ("unknown_line", lost.provider_ref),
    ]
    assert rows() == found
    assert (row("unknown_line").purchase, row("unknown_line").amount) == (purchase, plan.net_price)
    assert row("missing_line").esim_id == lost.pk
    assert row("list_price").amount == Decimal("0.10")
    assert tally(compare(plan.account)) == (0, 0, 0, 3, 0)
    Esim.objects.filter(pk=lost.pk).update(provider_ref=lost.provider_ref)
    commerce.change_plan(plan.plan_ref, netPrice=str(plan.net_price))
    # The line under its wrong reference is not there to be read any more: it stays until somebody closes it.
    assert tally(compare(plan.account)) == (0, 0, 0, 0, 2)
    assert other.provider_ref not in {key for _kind, key in rows()}


def test_lines_are_read_within_the_runs_budget_the_longest_unread_first(
    commerce: Simulator, settings: Settings
) -> None:
    settings.COMPARE_READS = 2
    plan = commerce_plan(commerce)
    buy(plan, 5)
    read = commerce.count_requests("status")
    for _run in range(2):
        assert parts(compare(plan.account))["lines"] == "partly"
    lines = [request["path"] for request in commerce.requests("status")[read:]]
    assert len(lines) == len(set(lines)) == 4


def test_an_account_whose_every_line_is_refused_is_doubted(commerce: Simulator) -> None:
    plan, customer = commerce_plan(commerce), make_customer()
    Esim.objects.bulk_create(
        Esim(account=plan.account, plan=plan, customer=customer, provider_ref=f"89811000000001{number:05d}")
        for number in range(25)
    )
    run = compare(plan.account)
    assert (run.state, parts(run)["lines"], rows()) == ("incomplete", "failed", [])
    assert "refuses every one of 25 lines" in told(run, "lines")


def test_a_transaction_is_asked_for_until_the_window_of_48_hours_closes(commerce: Simulator) -> None:
    plan = commerce_plan(commerce)
    commerce.order_fault("cut_body", "order", fraction=0.5)
    purchase = buy(plan, 3)
    assert purchase.state == "allocating"
    asked = commerce.count_requests("transaction")
    sent = purchase.attempts.get(number=1).started_at
    with time_machine.travel(sent + timedelta(hours=46, minutes=59), tick=False):
        assert tell_prospects(purchase)[1].until == sent + timedelta(hours=47)
        run_purchase(purchase_id=make_due(purchase).pk)
    purchase.refresh_from_db()
    assert (purchase.state, commerce.count_requests("transaction")) == ("fulfilled", asked + 1)
    Purchase.objects.update(state="allocating", next_attempt_at=sent)
    with time_machine.travel(sent + timedelta(hours=47, minutes=1), tick=False):
        run_purchase(purchase_id=purchase.pk)
    purchase.refresh_from_db()
    assert (purchase.state, commerce.count_requests("transaction")) == ("unknown", asked + 1)


# -- Nomad eSIMfx -----------------------------------------------------------------------------------------------------


@pytest.fixture
def esimfx(settings: Settings, simulator: Simulator) -> Esimfx:
    return open_esimfx(settings, simulator)


def test_esimfx_is_compared_line_by_line_with_its_balance(esimfx: Esimfx) -> None:
    plan = make_esimfx_plan(esimfx)
    compare(plan.account)
    purchase = buy(plan)
    assert purchase.state == "fulfilled"
    run = compare(plan.account)
    assert parts(run) == {"lines": "partly", "prices": "compared", "balance": "compared"}
    assert (rows(), run.parts["lines"]["looked"]) == ([], 2)
    assert "lists no lines" in told(run, "lines")
    line = Esim.objects.get()
    Esim.objects.filter(pk=line.pk).update(provider_ref="8932000000000000019")
    esimfx.change_product(plan.plan_ref, price=float(net_of(plan)) + 1)
    esimfx.set_balance(str(esimfx.read_balance() + 250))
    run = compare(plan.account)
    kinds = [kind for kind, _key in rows()]
    assert kinds == ["balance", "list_price", "missing_line", "unknown_line"]
    assert row("balance").amount == Decimal(250)
    assert tally(compare(plan.account)) == (0, 0, 0, 4, 0)


def test_a_fee_for_each_esim_shows_in_the_balance(esimfx: Esimfx) -> None:
    """Our books know the package's price; what the provider takes besides is a difference that somebody looks at."""
    plan = make_esimfx_plan(esimfx)
    esimfx.set_esim_fee("0.50")
    compare(plan.account)
    buy(plan)
    compare(plan.account)
    assert row("balance").amount == Decimal("-0.5")


def test_an_order_without_an_answer_is_repeated_with_its_key_and_bought_once(esimfx: Esimfx) -> None:
    plan = make_esimfx_plan(esimfx)
    compare(plan.account)
    esimfx.simulator.order_fault("reset_after", "order", system="esimfx")
    purchase = buy(plan)
    assert purchase.state == "planned"
    # It may have been charged: neither its line nor its cost is a difference while nobody knows.
    assert (parts(compare(plan.account))["balance"], rows()) == ("partly", [])
    run_purchase(purchase_id=make_due(purchase).pk)
    purchase.refresh_from_db()
    keys = {request["body"] for request in esimfx.requests("order")}
    assert (purchase.state, len(esimfx.orders()), len(keys)) == ("fulfilled", 1, 1)
    assert (parts(compare(plan.account))["balance"], rows()) == ("compared", [])


# -- freebit ----------------------------------------------------------------------------------------------------------


def test_freebit_cannot_be_compared_and_says_so(freebit: Freebit) -> None:
    account = make_account("freebit", adapter="freebit", name="freebit")
    run = compare(account)
    assert run.state == "succeeded"
    assert parts(run) == dict.fromkeys(("lines", "prices", "balance"), "impossible")
    assert "completion files only" in told(run, "lines")
    assert rows() == []
