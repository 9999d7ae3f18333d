"""What a line shows of a top-up whose answer was lost: what counts as a proof, and what is somebody else's."""

from dataclasses import replace
from typing import Any

import pytest

from esims.models import Esim, Package
from orders.models import Order, PurchasedPackage, Refund
from tests.emulator.wire import Fault
from tests.emulator_access.books import GIB, Line
from tests.emulator_access.conftest import OpenOffice
from tests.emulator_access.office import Office
from tests.emulator_access.quirks import VARIANTS
from tests.emulator_access.test_whole_life import buy_one, sell
from tests.emulator_access.wording import Json, Wording


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
