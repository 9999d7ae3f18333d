"""What a line shows of a top-up whose answer was lost: what counts as a proof, and what is somebody else's."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from decimal import Decimal
from importlib import import_module
from typing import Any

import pytest
from django.apps import apps
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from pytest_django import Settings

from esims.models import Esim, Package
from orders.arrivals import due_arrivals, settle_arrivals
from orders.comparing import open_comparison, run_comparison
from orders.models import Order, Purchase, PurchasedPackage, Refund
from orders.reconciliation import (
    ReconciliationRefused,
    give_up_purchase,
    look_again,
    mark_not_bought,
    resume_purchase,
    settle_attention,
    tell_evidence,
)
from orders.waking import WAKE_UPS
from tests.emulator.wire import Fault
from tests.emulator_access.books import GIB, Json, Line
from tests.emulator_access.conftest import OpenOffice
from tests.emulator_access.office import Office
from tests.emulator_access.quirks import VARIANTS
from tests.emulator_access.test_whole_life import buy_one, sell
from tests.emulator_access.wording import Wording
from tests.orders.desk import DECIDER, sign_in
from tests.pages import assert_clean_page


def use_one(office: Office) -> tuple[Esim, Line]:
    """A line in use, and what the house holds of it."""
    esim = buy_one(office)
    line = office.emulator.books.lines[esim.provider_ref]
    office.emulator.books.install(line, in_use=True)
    return office.refresh(esim), line


def top_up_by_hand(office: Office, line: Line, *, code: str = "TOPUP_OTHER", volume: int = GIB) -> None:
    """Somebody adds data in the house's own console."""
    books = office.emulator.books
    books.packages[code] = replace(books.packages["TOPUP_CKH002"], code=code, volume=volume, price=5_000)
    books.top_up(line, books.packages[code], "console-9", 0)


def word_lines(monkeypatch: pytest.MonkeyPatch, change: Any) -> None:
    """Have the house word its lines in another way that its document allows: ``change(shown, line)``."""
    word = Wording.line

    def line(self: Wording, line: Line, **more: Any) -> Json:
        shown = word(self, line, **more)
        change(shown, line)
        return shown

    monkeypatch.setattr(Wording, "line", line)


def test_package_of_another_plan_is_somebody_elses(office: Office) -> None:
    """Ours never reached the house, and somebody topped the line up: a person decides, nothing counts as bought."""
    esim, line = use_one(office)
    office.emulator.meet("topup", Fault(kind="reset_before"))
    purchase = office.step(sell(office, esim))
    top_up_by_hand(office, line)
    purchase = office.settle(purchase, steps=6)
    assert (purchase.state, purchase.error) == ("unknown", "the line shows no more than before the top-up")
    assert office.emulator.books.top_ups == [(line.tran_no, "console-9")]
    assert (PurchasedPackage.objects.count(), Refund.objects.count()) == (0, 0)
    assert Order.objects.get(pk=purchase.order_line.order_id).state == "buying"
    # The other package stands on the line all the same, under nobody's name here.
    other = Package.objects.get(esim=esim, kind="top_up")
    assert (other.plan_id, other.order_key in ("", "console-9")) == (None, True)


@pytest.mark.parametrize(("volume", "state"), [(GIB // 2, "unknown"), (3 * GIB, "fulfilled"), (5 * GIB, "unknown")])
def test_growth_counts_where_it_is_what_was_ordered(
    open_office: OpenOffice, monkeypatch: pytest.MonkeyPatch, volume: int, state: str
) -> None:
    """A house that lists the first package only: how much the total grew is all that it tells."""
    office = open_office(VARIANTS["document"])
    word_lines(monkeypatch, lambda shown, _line: shown.update(packageList=shown["packageList"][:1]))
    esim, line = use_one(office)
    office.emulator.meet("topup", Fault(kind="reset_before"))
    purchase = office.step(sell(office, esim))
    top_up_by_hand(office, line, volume=volume)
    assert office.settle(purchase, steps=6).state == state
    assert office.refresh(esim).total_data_bytes == 3 * GIB + volume
    assert PurchasedPackage.objects.count() == (state == "fulfilled")


@pytest.mark.parametrize("tells_key", [False, True])
def test_list_of_packages_that_begins_with_the_newest(
    tells_key: bool, open_office: OpenOffice, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The document gives their order nowhere: a top-up is not taken for what the line was sold with."""

    def turn(shown: Json, line: Line) -> None:
        shown["packageList"].reverse()
        if tells_key:
            shown["transactionId"] = line.transaction_id

    office = open_office(VARIANTS["document"])
    word_lines(monkeypatch, turn)
    esim, _line = use_one(office)
    office.emulator.meet("topup", Fault(kind="reset_after"))
    purchase = office.settle(sell(office, esim), steps=6)
    assert (purchase.state, len(office.emulator.books.top_ups)) == ("fulfilled", 1)
    esim = office.refresh(esim)
    rows = Package.objects.filter(esim=esim).order_by("pk").values_list("kind", "plan__plan_ref", "order_key")
    key = esim.order_key if tells_key else ""
    assert list(rows) == [("base", "CKH002", key), ("top_up", "TOPUP_CKH002", purchase.idempotency_key)]
    assert Refund.objects.count() == 0


# -- what shows after it was taken for lost ---------------------------------------------------------------------------


@dataclass
class Late:
    """A top-up that arrived and did not show while it was looked for."""

    office: Office
    esim: Esim
    purchase: Purchase
    show: Callable[[], None]

    def again(self) -> Purchase:
        return Purchase.objects.select_related("order_line__order").get(pk=self.purchase.pk)


@pytest.fixture
def late(open_office: OpenOffice, monkeypatch: pytest.MonkeyPatch) -> Late:
    office = open_office(VARIANTS["live"])
    hidden = [True]

    def hide(shown: Json, _line: Line) -> None:
        if hidden:
            shown.update(packageList=shown["packageList"][:1], totalVolume=3 * GIB)

    word_lines(monkeypatch, hide)
    esim, _line = use_one(office)
    office.emulator.meet("topup", Fault(kind="reset_after"))
    purchase = office.settle(sell(office, esim), steps=6)
    assert (purchase.state, len(office.emulator.books.top_ups)) == ("unknown", 1)
    assert (due_arrivals().count(), WAKE_UPS["arrivals"].is_due()) == (0, False)
    return Late(office=office, esim=esim, purchase=purchase, show=hidden.clear)


def test_late_top_up_counts_as_delivered_whoever_reads_the_line(late: Late) -> None:
    late.show()
    late.office.refresh(late.esim)
    assert (late.again().state, due_arrivals().count(), WAKE_UPS["arrivals"].is_due()) == ("unknown", 1, True)
    WAKE_UPS["arrivals"].run()
    purchase = late.again()
    assert (purchase.state, purchase.error, purchase.attention) == ("fulfilled", "", "")
    assert purchase.order_line.order.state == "completed"
    topped = PurchasedPackage.objects.get(purchase=purchase)
    assert topped.package is not None
    assert (topped.package.order_key, topped.package.plan_id) == (purchase.idempotency_key, purchase.order_line.plan_id)
    assert (Package.objects.filter(esim=late.esim).count(), Refund.objects.count()) == (2, 0)
    event = purchase.order_line.order.events.filter(kind="purchase.state").latest("pk")
    assert (event.by, event.why) == ("arrivals", "the line shows it under our own key")
    # Once, however often it is read and looked at again.
    late.office.refresh(late.esim)
    assert (settle_arrivals(), due_arrivals().count()) == (0, 0)
    late.office.check_books()


def test_comparison_by_listing_has_such_a_line_read(late: Late, settings: Settings) -> None:
    settings.COMPARE_SETTLING_MINUTES = 0.0
    later = timezone.now() + timedelta(days=1)
    Esim.objects.update(next_refresh_at=later)
    compare(late.office)
    # Nothing shows yet: the line keeps its turn.
    assert Esim.objects.get(pk=late.esim.pk).next_refresh_at == later
    late.show()
    compare(late.office)
    due = Esim.objects.get(pk=late.esim.pk).next_refresh_at
    assert due is not None
    assert due <= timezone.now()
    late.office.refresh(late.esim)
    assert (settle_arrivals(), late.again().state) == (1, "fulfilled")
    # Settled, it is read by its own turn again.
    Esim.objects.update(next_refresh_at=later)
    compare(late.office)
    assert Esim.objects.get(pk=late.esim.pk).next_refresh_at == later


@pytest.mark.parametrize("paid_back", [False, True])
def test_late_top_up_that_was_taken_for_not_bought(paid_back: bool, late: Late) -> None:
    """The package is the customer's, and a person is asked: money was promised."""
    mark_not_bought(purchase=late.purchase, why="the portal shows none", by=late.office.user)
    refund = Refund.objects.get()
    assert (late.again().state, refund.state, refund.amount) == ("rejected", "due", Decimal("3.6000"))
    if paid_back:
        Refund.objects.update(state="made", made_at=timezone.now())
    late.show()
    late.office.refresh(late.esim)
    assert settle_arrivals() == 1
    purchase = late.again()
    assert (purchase.state, PurchasedPackage.objects.filter(purchase=purchase).count()) == ("fulfilled", 1)
    assert Refund.objects.get().state == ("made" if paid_back else "dropped")
    told = purchase.attention.split("\n")
    assert (
        told[-1] == "The line shows this top-up after all: the customer may have been told that the money comes back."
    )
    assert len(told) == 1 + paid_back
    settle_attention(purchase=purchase, by=late.office.user)
    late.office.refresh(late.esim)
    assert (settle_arrivals(), late.again().attention) == (0, "")


def test_nobody_says_not_bought_of_what_the_line_shows(late: Late) -> None:
    """Between the reading and the job that settles it: every decision that would owe or send it twice is refused."""
    late.show()
    late.office.refresh(late.esim)
    said = "The line shows this top-up under our own key: it was bought, and is entered as delivered in a moment."
    assert tell_evidence(late.again()) == said
    with pytest.raises(ReconciliationRefused, match="under our own key"):
        mark_not_bought(purchase=late.purchase, why="portal", by=late.office.user, not_ours=True)
    Purchase.objects.update(state="held")
    for verb in (resume_purchase, give_up_purchase):
        with pytest.raises(ReconciliationRefused, match="under our own key"):
            verb(purchase=late.purchase, why="portal", by=late.office.user)
    assert (late.again().state, Refund.objects.count(), late.office.emulator.count("topup")) == ("held", 0, 1)
    assert (settle_arrivals(), late.again().state) == (1, "fulfilled")


def test_top_up_whose_key_the_line_shows_is_not_sent(late: Late) -> None:
    """An earlier request of it went through after all: the look before sending finds it, and nothing goes out."""
    Purchase.objects.update(state="planned", next_attempt_at=timezone.now())
    late.show()
    assert late.office.step(late.again()).state == "planned"
    assert (late.office.emulator.count("topup"), PurchasedPackage.objects.count()) == (1, 0)
    assert (settle_arrivals(), late.again().state) == (1, "fulfilled")
    late.office.check_books()


def test_packages_of_before_are_looked_at_once(late: Late) -> None:
    """What the migration does: every top-up under a key, from before readings marked them."""
    late.show()
    late.office.refresh(late.esim)
    Package.objects.update(awaits_order=False)
    migration = import_module("esims.migrations.0010_packages_of_before")
    migration.look_once(apps, connection.schema_editor())
    assert list(due_arrivals().values_list("kind", "order_key")) == [("top_up", late.purchase.idempotency_key)]
    assert (settle_arrivals(), late.again().state, due_arrivals().exists()) == (1, "fulfilled", False)


def test_own_look_comes_first(late: Late) -> None:
    """While the purchase is looked for, its look settles it; what shows then does not wait twice."""
    look_again(purchase=late.purchase, by=late.office.user)
    late.show()
    late.office.refresh(late.esim)
    assert (due_arrivals().count(), settle_arrivals(), late.again().state) == (0, 0, "allocating")
    assert late.office.step(late.again()).state == "fulfilled"
    assert (due_arrivals().count(), settle_arrivals(), PurchasedPackage.objects.count()) == (0, 0, 1)


def test_key_on_another_line_asks_a_person(late: Late) -> None:
    other, line = use_one(late.office)
    key = late.purchase.idempotency_key
    late.show()
    late.office.emulator.books.top_up(line, late.office.emulator.books.packages["TOPUP_CKH002"], key, 0)
    late.office.refresh(other)
    assert settle_arrivals() == 0
    purchase = late.again()
    assert (purchase.state, PurchasedPackage.objects.count(), due_arrivals().count()) == ("unknown", 0, 0)
    assert purchase.attention == f"The provider shows this top-up on another line: {other.label}"


def test_reading_that_brings_nothing_costs_nothing(late: Late) -> None:
    """Keys of others are looked at once, and a line that is as before asks no question of the orders."""
    top_up_by_hand(late.office, late.office.emulator.books.lines[late.esim.provider_ref])
    late.show()
    late.office.refresh(late.esim)
    assert (due_arrivals().count(), settle_arrivals(), due_arrivals().count()) == (2, 1, 0)
    with CaptureQueriesContext(connection) as queries:
        late.office.refresh(late.esim)
    assert not [query for query in queries if "orders_purchase" in query["sql"]]
    assert not due_arrivals().exists()


def test_package_without_a_key_is_shown_to_whoever_says_not_bought(
    open_office: OpenOffice, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may be ours, and may be somebody else's: it settles nothing, and a person must have looked at it."""
    office = open_office(VARIANTS["document"])
    hidden = [True]

    def hide(shown: Json, _line: Line) -> None:
        if hidden:
            shown.update(packageList=shown["packageList"][:1], totalVolume=3 * GIB)

    word_lines(monkeypatch, hide)
    esim, _line = use_one(office)
    office.emulator.meet("topup", Fault(kind="reset_after"))
    purchase = office.settle(sell(office, esim), steps=6)
    assert (purchase.state, tell_evidence(purchase)) == ("unknown", "")
    hidden.clear()
    office.refresh(esim)
    assert (settle_arrivals(), Purchase.objects.get(pk=purchase.pk).state) == (0, "unknown")
    with pytest.raises(ReconciliationRefused, match="did not hold before: TOPUP_CKH002#1") as refused:
        mark_not_bought(purchase=purchase, why="portal", by=office.user)
    assert (refused.value.field, Refund.objects.count()) == ("not_ours", 0)
    client, url = sign_in(*DECIDER), f"/purchases/{purchase.pk}/not-bought/"
    page = client.get(url)
    assert_clean_page(page)
    assert "did not hold before: TOPUP_CKH002#1. It may be ours." in page.content.decode()
    assert_clean_page(client.post(url, {"why": "says the portal"}), status=422)
    assert (Purchase.objects.get(pk=purchase.pk).state, Refund.objects.count()) == ("unknown", 0)
    client.post(url, {"why": "added by hand, says the portal", "not_ours": "on"})
    assert (Purchase.objects.get(pk=purchase.pk).state, Refund.objects.get().state) == ("rejected", "due")


def compare(office: Office) -> None:
    run, _made = open_comparison(account=office.account, asked_by="test", enqueue=False)
    assert run_comparison(run_id=run.pk).state == "succeeded"
