"""Comparing our books with the simulated eSIM Access's over real HTTP: it lists its lines, prices and the balance."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.utils import timezone
from pytest_django.fixtures import Settings

from catalog.models import Plan
from esims.models import Esim, LineAction
from orders.differing import attach_line, close_difference, take_over_line
from orders.models import Difference, LedgerMark, Purchase
from orders.purchasing import run_purchase
from providers.models import ProviderAccount, RateSlot
from tests.catalog.making import make_account
from tests.orders.comparing import compare, history, make_access_plan, net_of, open_access, parts, row, rows, tally
from tests.orders.making import make_customer, make_due, make_user, order_plan, pay
from tests.simulator_access import Access
from tests.simulator_client import Simulator

pytestmark = pytest.mark.django_db


@pytest.fixture
def access(settings: Settings, simulator: Simulator) -> Access:
    return open_access(settings, simulator)


@pytest.fixture
def account(access: Access) -> ProviderAccount:
    return make_account("esim-access", adapter="esim_access", name="eSIM Access")


@pytest.fixture
def plan(access: Access, account: ProviderAccount) -> Plan:
    return make_access_plan(access, account)


def set_price(access: Access, plan: Plan, *, more: int) -> None:
    """What the provider lists it for: so many ten-thousandths of a dollar more than our catalogue says."""
    access.change_package(plan.plan_ref, price=int(net_of(plan) * 10_000) + more)


def buy(plan: Plan, quantity: int = 2) -> Purchase:
    order = order_plan(plan, quantity)
    pay(order)
    purchase = Purchase.objects.get(order_line__order=order)
    for _step in range(3):
        run_purchase(purchase_id=make_due(purchase).pk)
    purchase.refresh_from_db()
    assert purchase.state == "fulfilled"
    return purchase


def test_what_both_hold_alike_is_no_difference(access: Access, account: ProviderAccount, plan: Plan) -> None:
    first = compare(account)
    assert (first.state, rows(), LedgerMark.objects.count()) == ("succeeded", [], 1)
    buy(plan)
    run = compare(account)
    assert parts(run) == {"lines": "compared", "prices": "compared", "balance": "compared"}
    assert (rows(), tally(run)) == ([], (0, 0, 0, 0, 0))
    assert run.parts["lines"]["looked"] == 2
    assert LedgerMark.objects.order_by("at")[1].amount == Decimal(access.balance()) / 10_000


def test_each_of_the_five_is_found_once_and_stays_one_row(access: Access, account: ProviderAccount, plan: Plan) -> None:
    compare(account)
    buy(plan)
    (stranger,) = access.buy(plan.plan_ref)
    lost = Esim.objects.order_by("pk")[0]
    Esim.objects.filter(pk=lost.pk).update(provider_ref="25999999999999")
    order = order_plan(plan)
    pay(order)
    waiting = Purchase.objects.get(order_line__order=order)
    set_price(access, plan, more=2_500)
    access.set_account(balance=access.balance() + 1_000_000)

    run = compare(account)
    found = [
        ("balance", str(LedgerMark.objects.get().pk)),
        ("frozen_cost", str(waiting.pk)),
        ("list_price", plan.plan_ref),
        ("missing_line", "25999999999999"),
        # The line that we hold under another reference is one that we do not know, too.
        *sorted([("unknown_line", lost.provider_ref), ("unknown_line", stranger["esimTranNo"])]),
    ]
    assert rows() == found
    assert tally(run) == (6, 0, 0, 0, 0)
    assert run.state == "succeeded"

    price, frozen, balance = row("list_price"), row("frozen_cost"), row("balance")
    net, new = net_of(plan), net_of(plan) + Decimal("0.25")
    assert (price.facts["ours"]["price"], price.facts["theirs"]["price"]) == (text(net), text(new))
    assert (frozen.amount, frozen.currency, frozen.purchase) == (Decimal("0.25"), "USD", waiting)
    # A hundred dollars came, and the line that we do not know was charged.
    assert (balance.amount, balance.currency) == (Decimal(100) - net, "USD")
    unknown = Difference.objects.get(kind="unknown_line", key=stranger["esimTranNo"])
    assert unknown.facts["theirs"]["plan"] == plan.plan_ref
    assert unknown.facts["theirs"]["iccid"] == stranger["iccid"]
    assert (unknown.amount, unknown.currency) == (net, "USD")
    missing = row("missing_line")
    assert (missing.esim, missing.details["state"]) == (lost, lost.state)

    again = compare(account)
    assert tally(again) == (0, 0, 0, 6, 0)
    assert rows() == found
    assert [kind for kind, _by in history(price)] == ["found"]


def text(amount: Decimal) -> str:
    return f"{amount.normalize():f}"


def test_what_no_longer_differs_is_gone_by_itself_and_may_come_back(
    access: Access, account: ProviderAccount, plan: Plan
) -> None:
    set_price(access, plan, more=100)
    compare(account)
    assert rows() == [("list_price", plan.plan_ref)]
    set_price(access, plan, more=0)
    assert tally(compare(account)) == (0, 0, 0, 0, 1)
    assert rows("gone") == [("list_price", plan.plan_ref)]
    set_price(access, plan, more=100)
    assert tally(compare(account)) == (0, 1, 0, 0, 0)
    by = "comparison"
    assert history(row("list_price")) == [("found", by), ("gone", by), ("returned", by)]


def test_a_closed_one_stays_closed_until_its_facts_change(access: Access, account: ProviderAccount, plan: Plan) -> None:
    boss = make_user("orders.reconcile")
    set_price(access, plan, more=100)
    compare(account)
    close_difference(difference=row("list_price"), verdict="known", why="A sale until Friday", by=boss)
    assert tally(compare(account)) == (0, 0, 0, 1, 0)
    closed = row("list_price")
    assert (closed.state, closed.closed_by, closed.why) == ("closed", boss.email, "A sale until Friday")
    set_price(access, plan, more=200)
    assert tally(compare(account)) == (0, 1, 0, 0, 0)
    assert [kind for kind, _by in history(row("list_price"))] == ["found", "closed", "reopened"]


def test_a_deposit_is_closed_and_the_reckoning_goes_on_from_there(
    access: Access, account: ProviderAccount, plan: Plan
) -> None:
    compare(account)
    access.set_account(balance=access.balance() + 5_000_000)
    compare(account)
    deposit = row("balance")
    assert deposit.amount == Decimal(500)
    close_difference(difference=deposit, verdict="deposit", why="Transfer 4711", by=make_user("orders.reconcile"))
    buy(plan)
    run = compare(account)
    assert (rows(), parts(run)["balance"]) == ([], "compared")
    access.set_account(balance=access.balance() + 5_000_000)
    assert tally(compare(account)) == (1, 0, 0, 0, 0)
    assert Difference.objects.filter(kind="balance").count() == 2


def test_an_order_without_an_answer_leaves_its_cost_open(access: Access, account: ProviderAccount, plan: Plan) -> None:
    compare(account)
    order = order_plan(plan, 2)
    pay(order)
    purchase = Purchase.objects.get()
    access.simulator.order_fault("reset_after", "order", system="access")
    run_purchase(purchase_id=make_due(purchase).pk)
    run = compare(account)
    # Its lines are under way as well: nobody has to look.
    assert (rows(), parts(run)["balance"], LedgerMark.objects.count()) == ([], "partly", 1)
    for _step in range(3):
        run_purchase(purchase_id=make_due(purchase).pk)
    assert parts(compare(account))["balance"] == "compared"
    assert (rows(), LedgerMark.objects.count()) == ([], 2)


def test_money_that_came_back_for_a_cancelled_line_is_explained(
    access: Access, account: ProviderAccount, plan: Plan
) -> None:
    compare(account)
    buy(plan)
    line = Esim.objects.order_by("pk")[0]
    access.ask("/esim/cancel", {"esimTranNo": line.provider_ref})
    compare(account)
    assert row("balance").amount == net_of(plan)
    now = timezone.now()
    LineAction.objects.create(esim=line, kind="cancel", state="confirmed", sent_at=now, finished_at=now, refunded=True)
    assert tally(compare(account)) == (0, 0, 0, 0, 1)


def test_an_unknown_line_is_attached_to_the_purchase_that_missed_it(
    access: Access, account: ProviderAccount, plan: Plan
) -> None:
    boss = make_user("orders.reconcile")
    compare(account)
    order = order_plan(plan)
    pay(order)
    purchase = Purchase.objects.get()
    (stranger,) = access.buy(plan.plan_ref, transaction_id=purchase.idempotency_key)
    Purchase.objects.update(state="unknown", next_attempt_at=None)
    compare(account)
    difference = row("unknown_line")
    attach_line(difference=difference, purchase=purchase, why="The portal names our order", by=boss)
    difference.refresh_from_db()
    purchase.refresh_from_db()
    esim = Esim.objects.get()
    assert (esim.provider_ref, esim.customer, purchase.state) == (stranger["esimTranNo"], order.customer, "fulfilled")
    assert (difference.state, difference.verdict, difference.esim) == ("closed", "attached", esim)
    # What the line had cost is explained now.
    assert tally(compare(account)) == (0, 0, 0, 0, 1)
    assert rows("gone") == [("balance", row("balance").key)]


def test_an_unknown_line_is_taken_over_for_a_customer(access: Access, account: ProviderAccount, plan: Plan) -> None:
    (stranger,) = access.buy(plan.plan_ref)
    compare(account)
    customer = make_customer(name="Mia Sato")
    take_over_line(
        difference=row("unknown_line"),
        customer=customer,
        plan=plan,
        why="Bought in the portal",
        by=make_user("orders.reconcile"),
    )
    esim = Esim.objects.get()
    assert (esim.provider_ref, esim.customer, esim.plan) == (stranger["esimTranNo"], customer, plan)
    assert compare(account).parts["lines"]["looked"] == 1
    assert rows() == []


def test_a_list_that_lacks_many_of_ours_is_doubted(access: Access, account: ProviderAccount, plan: Plan) -> None:
    customer = make_customer()
    Esim.objects.bulk_create(
        Esim(account=account, plan=plan, customer=customer, provider_ref=f"x{number}") for number in range(25)
    )
    run = compare(account)
    assert (run.state, parts(run)["lines"], rows()) == ("incomplete", "failed", [])
    assert "lacks 25 of ours" in run.parts["lines"]["note"]


def test_lines_of_long_ago_and_of_just_now_are_not_compared(
    access: Access, account: ProviderAccount, plan: Plan, settings: Settings
) -> None:
    customer = make_customer()
    old = Esim.objects.create(account=account, plan=plan, customer=customer, provider_ref="old")
    Esim.objects.filter(pk=old.pk).update(created_at=timezone.now() - timedelta(days=58))
    settings.COMPARE_SETTLING_MINUTES = 10.0
    Esim.objects.create(account=account, plan=plan, customer=customer, provider_ref="new")
    assert (compare(account).state, rows()) == ("succeeded", [])


def test_the_reserve_of_the_budget_stays_for_people(
    access: Access, account: ProviderAccount, plan: Plan, settings: Settings
) -> None:
    limits = {"calls": 4, "seconds": 1, "reserve": 2}
    settings.PROVIDERS = {"esim-access": {**settings.PROVIDERS["esim-access"], "limits": limits}}
    run = compare(account)
    assert run.state == "succeeded", run.parts
    assert RateSlot.objects.filter(used_at__isnull=False).count() <= 4


def test_a_provider_that_does_not_answer_ends_a_part_and_changes_nothing(
    access: Access, account: ProviderAccount, plan: Plan, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("orders.findings._PAUSE", 0.0)
    set_price(access, plan, more=100)
    access.buy(plan.plan_ref)
    compare(account)
    before = rows()
    assert len(before) == 2
    access.simulator.order_fault("status_before", "query", system="access", status=500, times=3)
    run = compare(account)
    assert (run.state, parts(run)["lines"]) == ("incomplete", "failed")
    assert rows() == before
