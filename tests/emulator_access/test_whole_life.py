"""The house's own verbs at the four houses: buying, top-ups, actions and webhooks, and the comparison of the books."""

import uuid
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest
from django.utils import timezone

from esims.models import Esim, Package
from orders.models import OrderLine, Payment, Purchase, Refund
from orders.reconciliation import resume_purchase
from orders.selling import PaymentTaken
from orders.sweeping import sweep_purchases
from orders.topups import TopUpsUnknown, find_top_ups, sell_top_up
from providers.types import Capability
from tests.emulator.wire import Fault
from tests.emulator_access.books import GIB
from tests.emulator_access.conftest import OpenOffice
from tests.emulator_access.office import Office
from tests.emulator_access.quirks import VARIANTS, Quirks
from tests.emulator_access.server import ACCESS_CODE, SECRET_KEY


def buy_one(office: Office, code: str = "CKH002", **more: int) -> Esim:
    for purchase in office.buy(1, code=code, **more):
        assert office.settle(purchase).state == "fulfilled"
    return office.lines()[-1]


def sell(office: Office, esim: Esim, *, price: Decimal | None = None) -> Purchase:
    """Ask what fits, sell it, pay it."""
    (choice,) = find_top_ups(esim=esim)
    plan = office.priced(choice.plan)
    assert plan.retail_price is not None
    order = sell_top_up(
        esim=esim,
        plan=plan,
        checkout_key=uuid.uuid4(),
        expected_price=plan.retail_price,
        by=office.user,
        payment=PaymentTaken(method=Payment.Method.CASH, reference="", form_key=uuid.uuid4()),
    )
    return Purchase.objects.get(order_line__order=order)


def test_thirty_five_are_two_orders(office: Office) -> None:
    purchases = [office.settle(purchase) for purchase in office.buy(35)]
    assert [(purchase.state, purchase.quantity) for purchase in purchases] == [("fulfilled", 30), ("fulfilled", 5)]
    assert sorted(len(sale.tran_nos) for sale in office.emulator.books.sales) == [5, 30]
    assert [esim.provider_ref for esim in office.lines()] == office.emulator.books.sold
    for esim in office.lines()[:3]:
        truth = office.emulator.books.lines[esim.provider_ref]
        assert (esim.lpa, esim.iccid, esim.state) == (truth.lpa, truth.iccid, "ready")
    office.check_books()


def test_plan_by_the_day(pair: Office) -> None:
    esim = buy_one(pair, "P1X57VWMR", period_days=6)
    assert pair.emulator.books.lines[esim.provider_ref].days == 6
    purchase = Purchase.objects.get()
    assert (purchase.period_days, purchase.order_line.kind) == (6, OrderLine.Kind.ESIM)
    assert 10_000_000 - pair.emulator.books.balance == 6 * (9_000 - pair.emulator.quirks.discount)
    pair.check_books()


@pytest.mark.parametrize("kind", ["reset_after", "cut", "500"])
def test_lost_order_is_bought_exactly_once(kind: str, office: Office) -> None:
    """Asked again with its key; where the house says "taken" and tells our key nowhere, a person looks."""
    fault = {
        "cut": Fault(kind="cut", cut=lambda body: len(body) // 2),
        "500": Fault(kind="answer", status=500, effect=True, body=b"<html>bad gateway</html>"),
    }.get(kind) or Fault(kind=kind)
    office.plan("CKH002")
    office.emulator.meet("order", fault, fault)
    (purchase,) = office.buy(3)
    purchase = office.settle(purchase, steps=8)
    assert len(office.emulator.books.sales) == 1
    assert (purchase.state, Refund.objects.count()) == ("fulfilled", 0)
    assert [esim.provider_ref for esim in office.lines()] == office.emulator.books.sold
    office.check_books()


def test_worker_that_died_after_sending(pair: Office) -> None:
    pair.plan("CKH002")
    order = pair.order(2, code="CKH002")
    purchase = Purchase.objects.get(order_line__order=order)
    pair.emulator.meet("order", Fault(kind="reset_after"))
    purchase = pair.step(purchase)
    Purchase.objects.filter(pk=purchase.pk).update(claim_until=timezone.now() - timedelta(seconds=1))
    sweep_purchases()
    purchase = pair.settle(purchase, steps=8)
    assert (purchase.state, len(pair.emulator.books.sales)) == ("fulfilled", 1)
    pair.check_books()


def test_refused_order_owes_a_refund(pair: Office) -> None:
    pair.plan("CKH002")
    del pair.emulator.books.packages["CKH002"]
    (purchase,) = pair.buy(2)
    assert (purchase.state, pair.emulator.books.sales) == ("rejected", [])
    assert Refund.objects.get().quantity == 2
    pair.check_books()


@pytest.mark.parametrize("trouble", ["balance", "price", "stock"])
def test_held_order_waits_for_staff(trouble: str, pair: Office) -> None:
    plan = pair.plan("CKH002")
    books = pair.emulator.books
    if trouble == "balance":
        changes, books.changes = books.changes, []
    elif trouble == "price":
        books.packages["CKH002"] = replace(books.packages["CKH002"], price=18_500)
    else:
        books.stock["CKH002"] = 0
    (purchase,) = pair.buy(2)
    assert (purchase.state, books.sales, Refund.objects.count()) == ("held", [], 0), plan
    pair.check_books()
    if trouble == "balance":
        books.changes = changes
    books.stock.clear()
    if trouble != "price":
        resume_purchase(purchase=purchase, by=pair.user)
        assert pair.settle(purchase).state == "fulfilled"
        pair.check_books()


def test_line_in_use_and_topped_up(office: Office) -> None:
    esim = buy_one(office)
    line = office.emulator.books.lines[esim.provider_ref]
    office.emulator.books.install(line, in_use=True)
    office.emulator.books.use(line, 2 * GIB)
    esim = office.refresh(esim)
    assert (esim.state, esim.total_used_bytes, esim.eid) == ("active", 2 * GIB, line.eid)
    purchase = office.settle(sell(office, esim))
    assert (purchase.state, office.emulator.count("topup")) == ("fulfilled", 1)
    assert len(office.emulator.books.top_ups) == 1
    esim = office.refresh(esim)
    assert Package.objects.filter(esim=esim).count() == 2
    assert (esim.total_used_bytes, esim.total_data_bytes) == (2 * GIB, 6 * GIB)
    office.check_books()


@pytest.mark.parametrize("kind", ["reset_before", "reset_after", "answer"])
def test_lost_top_up_is_sent_once_and_found_on_its_line(kind: str, office: Office) -> None:
    esim = buy_one(office)
    line = office.emulator.books.lines[esim.provider_ref]
    office.emulator.books.install(line, in_use=True)
    esim = office.refresh(esim)
    office.emulator.meet("topup", Fault(kind=kind, status=502, effect=True, body=b""))
    purchase = office.settle(sell(office, esim), steps=8)
    happened = len(office.emulator.books.top_ups) == 1
    assert (happened, office.emulator.count("topup")) == (kind != "reset_before", 1)
    if happened:
        assert purchase.state == "fulfilled"
        assert Package.objects.filter(esim=esim).count() == 2
    else:
        assert purchase.state in ("unknown", "allocating")
    assert Refund.objects.count() == 0
    office.check_books()


def test_lost_top_up_by_the_day(office: Office) -> None:
    """The volume stays one day's: only the packages and the days tell that it came."""
    esim = buy_one(office, "P1X57VWMR", period_days=2)
    (choice,) = find_top_ups(esim=esim)
    plan = office.priced(choice.plan)
    assert plan.retail_price is not None
    order = sell_top_up(
        esim=esim,
        plan=plan,
        checkout_key=uuid.uuid4(),
        expected_price=plan.retail_price * 3,
        period_days=3,
        by=office.user,
        payment=PaymentTaken(method=Payment.Method.CASH, reference="", form_key=uuid.uuid4()),
    )
    office.emulator.meet("topup", Fault(kind="reset_after"))
    purchase = office.settle(Purchase.objects.get(order_line__order=order), steps=6)
    assert (office.emulator.count("topup"), len(office.emulator.books.top_ups)) == (1, 1)
    assert (purchase.state, Refund.objects.count()) == ("fulfilled", 0)
    assert office.emulator.books.lines[esim.provider_ref].days == 5
    office.check_books()


def test_no_top_ups_for_an_ended_line(pair: Office) -> None:
    esim = buy_one(pair)
    pair.emulator.books.expire(pair.emulator.books.lines[esim.provider_ref])
    esim = pair.refresh(esim)
    assert esim.state == "expired"
    with pytest.raises(TopUpsUnknown):
        find_top_ups(esim=esim)


def test_suspend_and_release_are_seen(pair: Office) -> None:
    esim = buy_one(pair)
    pair.emulator.books.install(pair.emulator.books.lines[esim.provider_ref], in_use=True)
    pair.refresh(esim)
    for capability, state in ((Capability.SUSPEND, "suspended"), (Capability.RELEASE, "active")):
        action = pair.act(Esim.objects.get(), capability)
        assert (action.state, Esim.objects.get().state) == ("confirmed", state), action.error
    assert (pair.emulator.count("suspend"), pair.emulator.count("unsuspend")) == (1, 1)
    pair.check_books()


@pytest.mark.parametrize("lost", [False, True])
def test_cancel_ends_the_line(lost: bool, pair: Office) -> None:
    esim = buy_one(pair)
    if lost:
        pair.emulator.meet("cancel", Fault(kind="reset_after"))
    action = pair.act(esim, Capability.CANCEL)
    assert (action.state, Esim.objects.get().state) == ("confirmed", "cancelled"), action.error
    assert (pair.emulator.books.balance, pair.emulator.count("cancel")) == (10_000_000, 1)
    again = buy_one(pair)
    assert again.pk != esim.pk
    pair.check_books()
    assert len({esim.iccid for esim in pair.lines()}) == 1


def test_cancel_of_a_line_that_was_installed_meanwhile(pair: Office) -> None:
    """What is stored says "ready"; the house knows better, whether we look first or it refuses."""
    esim = buy_one(pair)
    line = pair.emulator.books.lines[esim.provider_ref]
    pair.emulator.books.install(line)
    action = pair.act(esim, Capability.CANCEL)
    assert action.state in ("rejected", "refused", "failed"), action.state
    assert (line.status, Esim.objects.get().state) == ("GOT_RESOURCE", "installed")


def test_revoke(pair: Office) -> None:
    esim = buy_one(pair)
    pair.emulator.books.install(pair.emulator.books.lines[esim.provider_ref], in_use=True)
    pair.refresh(esim)
    balance = pair.emulator.books.balance
    action = pair.act(Esim.objects.get(), Capability.REVOKE)
    assert (action.state, Esim.objects.get().state) == ("confirmed", "terminated"), action.error
    assert pair.emulator.books.balance == balance


def test_house_that_never_allocates(variant: Quirks, open_office: OpenOffice) -> None:
    office = open_office(replace(variant, looks=1000))
    (purchase,) = office.buy(4)
    purchase = office.settle(purchase, steps=6)
    assert (purchase.state, Refund.objects.count()) == ("allocating", 0)
    # A house that shows its first eSIM early has it registered early.
    assert len(office.lines()) == (variant.pending == "bare")
    assert len(office.emulator.books.sales) == 1
    office.check_books()


def test_secrets_of_a_house_that_echoes_them(open_office: OpenOffice) -> None:
    office = open_office(VARIANTS["live"])
    office.plan("CKH002")
    text = f"signature over {ACCESS_CODE} with {SECRET_KEY} is wrong"
    office.emulator.meet("order", Fault(kind="answer", body=office.emulator.wording.failure("101003", text)))
    (purchase,) = office.buy(1)
    assert purchase.state == "held"
    office.check_books()
