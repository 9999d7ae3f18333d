"""The balance over real HTTP while things move: orders under way, lines that come, money that may come back."""

import uuid
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal

import pytest
import time_machine
from django.utils import timezone
from pytest_django.fixtures import Settings

from catalog.models import Plan
from esims.actions import request_action, run_action
from esims.models import Esim, LineAction, Package
from orders.differing import close_difference
from orders.models import Difference, LedgerMark, Payment, Purchase
from orders.purchasing import run_purchase
from orders.selling import PaymentTaken
from orders.topups import find_top_ups, sell_top_up
from providers.esim_access.client import EsimAccessProvider
from providers.models import ProviderAccount
from providers.types import AccountBalance, Capability, Priority
from tests.catalog.making import make_account
from tests.orders.comparing import (
    compare,
    history,
    make_access_plan,
    make_esimfx_plan,
    net_of,
    open_access,
    open_esimfx,
    parts,
    row,
    rows,
    tally,
    told,
)
from tests.orders.making import make_due, make_user, order_plan, pay
from tests.simulator_access import Access
from tests.simulator_client import Simulator
from tests.simulator_esimfx import Esimfx

pytestmark = pytest.mark.django_db

UNDECIDED = "Some orders are undecided: what they cost is left open."
NO_POINT_YET = "Orders or line actions are undecided: the point to reckon from is kept once none is."
MOVED = "Something of the account moved while the balance was read: the next comparison reckons."
PERHAPS_BACK = "For some ended lines money may have come back: how much is left open."
Work = Callable[[], object]


@pytest.fixture
def access(settings: Settings, simulator: Simulator) -> Access:
    return open_access(settings, simulator)


@pytest.fixture
def account(access: Access) -> ProviderAccount:
    return make_account("esim-access", adapter="esim_access", name="eSIM Access")


@pytest.fixture
def plan(access: Access, account: ProviderAccount) -> Plan:
    return make_access_plan(access, account)


@pytest.fixture
def esimfx(settings: Settings, simulator: Simulator) -> Esimfx:
    return open_esimfx(settings, simulator)


def send(plan: Plan, quantity: int = 1) -> Purchase:
    """A paid order that was sent once."""
    order = order_plan(plan, quantity)
    pay(order)
    purchase = Purchase.objects.get(order_line__order=order)
    step(purchase)
    return purchase


def step(*purchases: Purchase, times: int = 1) -> None:
    for purchase in purchases * times:
        run_purchase(purchase_id=make_due(purchase).pk)
        purchase.refresh_from_db()


def buy(plan: Plan, quantity: int = 1) -> Purchase:
    purchase = send(plan, quantity)
    if purchase.state != "fulfilled":
        step(purchase, times=2)
    assert purchase.state == "fulfilled"
    return purchase


def ask_to_end(esim: Esim, capability: Capability, package: Package | None = None) -> LineAction:
    line = Esim.objects.select_related("account").get(pk=esim.pk)
    may = make_user("esims.cancel_esim")
    return request_action(esim=line, capability=capability, reason="test", by=may, package=package)


def end(esim: Esim, capability: Capability, package: Package | None = None) -> LineAction:
    """Ask for it as staff do, and step until it has ended."""
    return follow(ask_to_end(esim, capability, package))


def follow(action: LineAction) -> LineAction:
    for _count in range(40):
        action.refresh_from_db()
        if action.next_attempt_at is None:
            return action
        with time_machine.travel(max(action.next_attempt_at, timezone.now()) + timedelta(milliseconds=1)):
            run_action(action_id=action.pk)
    pytest.fail(f"still {action.state}")


def close(why: str = "Transfer 4711") -> Difference:
    """Close the open difference of the balance as a deposit."""
    found = Difference.objects.get(kind="balance", state="open")
    return close_difference(difference=found, verdict="deposit", why=why, by=make_user("orders.reconcile"))


def deposit(access: Access, amount: str) -> None:
    access.set_account(balance=access.balance() + int(Decimal(amount) * 10_000))


def balance(access: Access) -> Decimal:
    return Decimal(access.balance()) / 10_000


def newest() -> LedgerMark:
    return LedgerMark.objects.order_by("at")[LedgerMark.objects.count() - 1]


def on_reading(monkeypatch: pytest.MonkeyPatch, *, before: list[Work] | None = None, after: list[Work] | None = None):  # type: ignore[no-untyped-def]
    """At each reading of the balance the next of these happens, as another worker's doing: before or after it."""
    real = EsimAccessProvider.read_balance

    def read(self: EsimAccessProvider, *, priority: Priority) -> AccountBalance:
        if before:
            before.pop(0)()
        told = real(self, priority=priority)
        if after:
            after.pop(0)()
        return told

    monkeypatch.setattr(EsimAccessProvider, "read_balance", read)


# -- orders under way -------------------------------------------------------------------------------------------------


def test_no_first_point_is_kept_while_an_order_is_undecided(
    access: Access, account: ProviderAccount, plan: Plan
) -> None:
    access.simulator.order_fault("reset_after", "order", system="access")
    purchase = send(plan, 2)
    run = compare(account)
    # It was charged, and its lines are not in our books: a point kept now would have them bought twice.
    assert (parts(run)["balance"], told(run, "balance")) == ("partly", NO_POINT_YET)
    assert (rows(), LedgerMark.objects.count()) == ([], 0)
    step(purchase, times=3)
    assert (purchase.state, parts(compare(account))["balance"]) == ("fulfilled", "partly")
    assert newest().amount == balance(access)
    buy(plan)
    run = compare(account)
    assert (parts(run)["balance"], rows(), LedgerMark.objects.count()) == ("compared", [], 2)
    assert newest().amount == balance(access)


@pytest.mark.parametrize(
    ("fault", "charged"), [("reset_after", True), ("reset_before", False)], ids=["charged-before", "charged-since"]
)
def test_closing_goes_on_from_its_reading_although_an_order_was_under_way(
    access: Access, account: ProviderAccount, plan: Plan, fault: str, *, charged: bool
) -> None:
    """Whether the reading that was closed held the order's cost, nobody knew; the next reading tells."""
    compare(account)
    access.simulator.order_fault(fault, "order", system="access")
    purchase, cost = send(plan, 2), 2 * net_of(plan)
    deposit(access, "500")
    run = compare(account)
    assert (parts(run)["balance"], told(run, "balance")) == ("partly", UNDECIDED)
    found = row("balance")
    assert (found.amount, found.details["open"]) == (500 - cost * charged, f"{cost.normalize():f}")
    close()
    mark = newest()
    assert (mark.amount, mark.by) == (balance(access), row("balance").closed_by)
    step(purchase, times=3)
    assert purchase.state == "fulfilled"
    run = compare(account)
    assert (rows(), told(run, "balance"), LedgerMark.objects.count()) == ([], UNDECIDED, 3)
    assert newest().amount == balance(access)
    # From here on it is exact again: what is charged without us is found.
    assert parts(compare(account))["balance"] == "compared"
    deposit(access, "-0.01")
    compare(account)
    assert Difference.objects.get(kind="balance", state="open").amount == Decimal("-0.01")


# -- what moves while the balance is read -----------------------------------------------------------------------------


def test_what_comes_between_balance_and_books_has_the_balance_read_again(
    access: Access, account: ProviderAccount, plan: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    compare(account)
    purchase = send(plan)
    assert purchase.state == "allocating"
    on_reading(monkeypatch, after=[lambda: step(purchase, times=3)])
    asked = len(access.requests("balance"))
    run = compare(account)
    assert (purchase.state, len(access.requests("balance")) - asked) == ("fulfilled", 2)
    assert (parts(run)["balance"], rows(), LedgerMark.objects.count()) == ("compared", [], 2)
    assert newest().amount == balance(access)
    assert (parts(compare(account))["balance"], rows()) == ("compared", [])


@pytest.mark.parametrize("is_before", [True, False], ids=["before-the-balance", "after-the-balance"])
def test_while_it_moves_at_every_reading_nothing_is_said_and_nothing_kept(
    access: Access, account: ProviderAccount, plan: Plan, monkeypatch: pytest.MonkeyPatch, *, is_before: bool
) -> None:
    """Both ways: charged before and entered meanwhile, or sent, charged and entered after the balance was told."""
    compare(account)
    deposit(access, "500")
    compare(account)
    assert row("balance").amount == Decimal(500)
    if is_before:
        waiting = [send(plan) for _number in range(3)]
        works: list[Work] = [lambda bought=bought: step(bought, times=3) for bought in waiting]  # type: ignore[misc]
        on_reading(monkeypatch, before=works)
    else:
        on_reading(monkeypatch, after=[lambda: buy(plan)] * 3)
    asked = len(access.requests("balance"))
    run = compare(account)
    assert (Esim.objects.count(), len(access.requests("balance")) - asked) == (3, 3)
    assert (parts(run)["balance"], told(run, "balance"), LedgerMark.objects.count()) == ("partly", MOVED, 1)
    # The difference is neither judged anew nor gone.
    found = row("balance")
    assert (found.state, found.amount, found.run_id == run.pk) == ("open", Decimal(500), False)
    assert tally(run) == (0, 0, 0, 0, 0)
    run = compare(account)
    assert (parts(run)["balance"], tally(run)) == ("compared", (0, 0, 0, 1, 0))
    assert row("balance").amount == Decimal(500)


# -- money that may come back -----------------------------------------------------------------------------------------


def test_an_action_without_an_answer_does_not_stop_the_reckoning(
    access: Access, account: ProviderAccount, plan: Plan
) -> None:
    compare(account)
    buy(plan, 2)
    access.simulator.order_fault("reset_before", "cancel", system="access", times=None)
    assert end(Esim.objects.order_by("pk")[0], Capability.CANCEL).state == "unknown"
    run = compare(account)
    assert (rows(), told(run, "balance")) == ([], PERHAPS_BACK)
    assert (LedgerMark.objects.count(), newest().amount) == (2, balance(access))
    for day in range(1, 4):
        deposit(access, "500")
        assert tally(compare(account)) == (1, 0, 0, 0, 0)
        assert close(f"Transfer {day}").amount == Decimal(500)
        assert (LedgerMark.objects.count(), newest().amount) == (2 + day, balance(access))
    closed = Difference.objects.filter(kind="balance")
    assert [(found.state, found.amount) for found in closed] == [("closed", Decimal(500))] * 3
    assert [[kind for kind, _by in history(found)] for found in closed] == [["found", "closed"]] * 3


def test_an_action_under_way_holds_the_reckoning_until_it_has_ended(
    access: Access, account: ProviderAccount, plan: Plan
) -> None:
    compare(account)
    buy(plan, 2)
    access.simulator.order_fault("reset_after", "cancel", system="access")
    action = ask_to_end(Esim.objects.order_by("pk")[0], Capability.CANCEL)
    assert run_action(action_id=action.pk).state == "not_confirmed"
    run = compare(account)
    # It came back already; nobody has seen that the line is cancelled.
    assert (rows(), told(run, "balance"), LedgerMark.objects.count()) == ([], PERHAPS_BACK, 1)
    assert follow(action).state == "confirmed"
    run = compare(account)
    assert (rows(), parts(run)["balance"], LedgerMark.objects.count()) == ([], "compared", 2)
    assert newest().amount == balance(access)


def test_what_may_have_come_back_is_not_given_back_once_more_when_it_is_confirmed(
    access: Access, account: ProviderAccount, plan: Plan
) -> None:
    """The first request did it, and nobody heard; the second is told that it is done."""
    compare(account)
    buy(plan, 2)
    line = Esim.objects.order_by("pk")[0]
    compare(account)
    access.ask("/esim/cancel", {"esimTranNo": line.provider_ref})
    now = timezone.now()
    words = {"esim": line, "kind": "cancel", "sent_at": now, "finished_at": now}
    LineAction.objects.create(state="unknown", **words)
    assert (parts(compare(account))["balance"], rows(), newest().amount) == ("partly", [], balance(access))
    now = timezone.now()
    LineAction.objects.create(state="confirmed", refunded=True, **{**words, "sent_at": now, "finished_at": now})
    run = compare(account)
    assert (rows(), newest().amount, told(run, "balance")) == ([], balance(access), PERHAPS_BACK)
    assert (parts(compare(account))["balance"], rows()) == ("compared", [])


def test_a_difference_does_not_vanish_in_what_may_have_come_back_since(
    access: Access, account: ProviderAccount, plan: Plan
) -> None:
    compare(account)
    buy(plan)
    deposit(access, "0.01")
    compare(account)
    access.simulator.order_fault("reset_before", "cancel", system="access", times=None)
    assert end(Esim.objects.get(), Capability.CANCEL).state == "unknown"
    for _night in range(2):
        assert tally(compare(account)) == (0, 0, 0, 1, 0)
    assert (row("balance").state, row("balance").amount, LedgerMark.objects.count()) == ("open", Decimal("0.01"), 1)
    assert row("balance").details["perhaps"] == f"{net_of(plan).normalize():f}"


def test_a_terminated_package_lets_the_reckoning_go_on(esimfx: Esimfx) -> None:
    plan = make_esimfx_plan(esimfx)
    compare(plan.account)
    buy(plan)
    buy(plan)
    kept = Esim.objects.order_by("pk")[0]
    action = end(kept, Capability.TERMINATE, Package.objects.get(esim=kept))
    assert (action.state, action.refunded) == ("confirmed", True)
    run = compare(plan.account)
    assert (rows(), told(run, "balance")) == ([], PERHAPS_BACK)
    assert (LedgerMark.objects.count(), newest().amount) == (2, esimfx.read_balance())
    with time_machine.travel(timezone.now() + timedelta(hours=25)):
        # The last that reckons from a time at which its money might still have come; then to the cent again.
        assert [parts(compare(plan.account))["balance"] for _night in range(2)] == ["partly", "compared"]
        esimfx.set_balance(str(esimfx.read_balance() + Decimal("0.01")))
        compare(plan.account)
    assert row("balance").amount == Decimal("0.01")


def test_of_a_terminated_top_up_its_own_cost_may_come_back(esimfx: Esimfx) -> None:
    plan = make_esimfx_plan(esimfx)
    buy(plan)
    line = Esim.objects.select_related("account", "plan").get()
    compare(plan.account)
    cost = net_of(plan) + 5
    esimfx.change_product(plan.plan_ref, price=float(cost))
    Plan.objects.filter(pk=plan.pk).update(net_price=cost)
    bought = sell_top_up_of(line)
    assert (bought.state, bought.order_line.unit_cost) == ("fulfilled", cost)
    assert esimfx.read_balance() == newest().amount - cost
    package = Package.objects.get(purchased__purchase=bought)
    assert end(line, Capability.TERMINATE, package).refunded is True
    assert esimfx.read_balance() == newest().amount
    run = compare(plan.account)
    # As much as the line itself had cost would not explain it.
    assert (rows(), told(run, "balance")) == ([], PERHAPS_BACK)
    assert (LedgerMark.objects.count(), newest().amount) == (2, esimfx.read_balance())


def sell_top_up_of(line: Esim) -> Purchase:
    (choice,) = find_top_ups(esim=line)
    assert choice.plan.retail_price is not None
    order = sell_top_up(
        esim=line,
        plan=choice.plan,
        checkout_key=uuid.uuid4(),
        expected_price=choice.plan.retail_price,
        by=make_user(),
        payment=PaymentTaken(method=Payment.Method.CASH, reference="", form_key=uuid.uuid4()),
    )
    purchase = Purchase.objects.get(order_line__order=order)
    step(purchase, times=2)
    return purchase
