"""From the catalogue to the end of a line, at four houses that differ wherever the documents are silent."""

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from catalog.models import Plan
from esims.lifecycle import apply_snapshot
from esims.models import Esim, UsageDay
from esims.refresh import refresh_line
from esims.usage import set_simulated_usage
from orders.models import Refund
from providers.errors import ProviderError
from providers.registry import get_provider
from providers.types import Capability, LineState, Priority
from tests.emulator.conftest import OpenOffice
from tests.emulator.office import Office
from tests.emulator.quirks import Quirks
from tests.emulator.wire import Fault

KB = 1024


def refresh(esim: Esim) -> Esim:
    refresh_line(esim_id=esim.pk, priority=Priority.PEOPLE, by="test")
    return Esim.objects.get(pk=esim.pk)


def test_check_and_wrong_keys(variant: Quirks, open_office: OpenOffice) -> None:
    office = open_office(variant)
    get_provider(office.account.slug).check()
    office = open_office(variant, KEY_SECRET="not-the-key")
    with pytest.raises(ProviderError) as refusal:
        get_provider(office.account.slug).check()
    assert getattr(refusal.value, "mend", None) == "credentials"
    assert "not-the-key" not in refusal.value.message
    office.check_secrets()


def test_buys_and_registers(house: Office) -> None:
    purchase = house.buy(3)
    (sale,) = house.emulator.books.sales
    assert (purchase.state, purchase.transaction_id, sale.plan_code) == ("fulfilled", sale.transaction_id, "KD0001")
    assert [esim.provider_ref for esim in house.lines()] == house.emulator.books.sold
    for esim in house.lines():
        truth = house.emulator.books.lines[esim.provider_ref]
        assert (esim.lpa, esim.matching_id, esim.smdp_address) == (truth.lpa, truth.matching_id, truth.host)
        assert (esim.state, esim.home_country, esim.roaming_countries) == (LineState.READY, "JP", ["KR", "TW"])
        assert esim.activation_deadline == datetime(2031, 6, 5, tzinfo=UTC)
        assert (esim.activated_on, esim.total_used_bytes) == (None, 0)
        whole_ms = truth.updated_at.replace(microsecond=truth.updated_at.microsecond // 1000 * 1000)
        seconds_only = house.emulator.quirks.instants == "seconds"
        assert esim.state_as_of == (truth.updated_at.replace(microsecond=0) if seconds_only else whole_ms)
    (arrival,) = [arrival for arrival in house.emulator.arrivals if arrival.operation == "order"]
    assert arrival.body == {"planCode": "KD0001", "quantity": 3}
    house.check_books()


def test_line_in_use_is_read_exactly(house: Office) -> None:
    house.buy(1)
    (esim,) = house.lines()
    house.emulator.books.install(esim.provider_ref)
    house.emulator.books.use(esim.provider_ref, d20260228=102_400, d20260301=1)
    truth = house.emulator.books.lines[esim.provider_ref]
    esim = refresh(esim)
    assert (esim.state, esim.activated_on, esim.expires_on) == ("active", date(2026, 2, 28), date(2026, 3, 6))
    assert esim.total_used_bytes == 102_401 * KB
    assert dict(UsageDay.objects.filter(esim=esim).values_list("day", "used_bytes")) == {
        date(2026, 2, 28): 102_400 * KB,
        date(2026, 3, 1): KB,
    }
    assert (esim.install_device_imei, esim.connection_device_imei) == (truth.insertion_device, truth.connection_device)
    house.check_books()


def test_suspend_and_release_are_believed_when_seen(house: Office) -> None:
    house.buy(1)
    (esim,) = house.lines()
    house.emulator.books.install(esim.provider_ref)
    refresh(esim)
    action = house.act(Esim.objects.get(), Capability.SUSPEND)
    assert (action.state, Esim.objects.get().state) == ("confirmed", "suspended"), action.error
    assert house.emulator.books.lines[esim.provider_ref].restricted
    action = house.act(Esim.objects.get(), Capability.RELEASE)
    assert (action.state, Esim.objects.get().state) == ("confirmed", "active"), action.error
    assert house.emulator.count("control") == 2
    house.check_books()


def test_effect_that_shows_under_an_old_stamp_is_believed(house: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """A house that changes the line and not its stamp: what shows now did not show at the look before."""
    house.buy(1)
    (esim,) = house.lines()
    stamp = house.emulator.books.tick().replace(microsecond=0)
    monkeypatch.setattr(house.emulator.books, "tick", lambda: stamp)
    action = house.act(esim, Capability.SUSPEND)
    assert (action.state, Esim.objects.get().state, action.looked_as_of) == ("confirmed", "suspended", stamp)
    assert house.emulator.count("control") == 1


def test_refused_order_leaves_a_refund_due(house: Office) -> None:
    house.plan()
    house.emulator.books.plans.clear()
    purchase = house.settle(house.buy(2))
    assert (purchase.state, house.emulator.books.sales, house.emulator.count("order")) == ("rejected", [], 1)
    refund = Refund.objects.get()
    assert (refund.state, refund.quantity, refund.amount) == ("due", 2, Decimal("11.00"))
    house.check_books()


def test_unknown_transaction_never_means_not_bought(house: Office) -> None:
    """The reply is cut, and the house no longer knows the transaction (or not yet)."""
    house.plan()
    house.emulator.meet("order", Fault(kind="answer", effect=True, status=500, body=b'{"transactionId":"gone-1"}'))
    purchase = house.settle(house.buy(2))
    assert purchase.state in ("unknown", "allocating")
    assert (len(house.emulator.books.sold), house.lines(), Refund.objects.count()) == (2, [], 0)
    assert house.emulator.count("order") == 1
    house.check_books()


def test_cached_copy_does_not_overwrite(house: Office) -> None:
    house.buy(1)
    (esim,) = house.lines()
    provider = get_provider(house.account.slug)
    early = provider.read_line(esim.provider_ref)
    house.emulator.books.install(esim.provider_ref)
    assert refresh(esim).state == "active"
    apply_snapshot(esim_id=esim.pk, snapshot=early, by="test")
    assert Esim.objects.get().state == "active"


def test_sandbox_usage(variant: Quirks, open_office: OpenOffice) -> None:
    office = open_office(variant, sandbox=True)
    office.buy(1)
    (esim,) = office.lines()
    set_simulated_usage(esim=esim, days={date(2026, 3, 2): 5 * KB, date(2026, 3, 1): 0}, by="test")
    esim = refresh(esim)
    assert esim.total_used_bytes == 5 * KB
    assert list(UsageDay.objects.order_by("day").values_list("used_bytes", flat=True)) == [0, 5 * KB]
    (arrival,) = [arrival for arrival in office.emulator.arrivals if arrival.operation == "usage"]
    assert arrival.body == [{"day": "2026-03-01", "usage": "0"}, {"day": "2026-03-02", "usage": "5"}]


def test_nothing_was_asked_for_in_vain(house: Office) -> None:
    """Every request of a whole life was one that the house knows, and none crashed it."""
    house.buy(1)
    refresh(house.lines()[0])
    house.act(house.lines()[0], Capability.SUSPEND)
    seen = {arrival.operation for arrival in house.emulator.arrivals}
    assert seen == {"plans", "order", "status", "control"}
    assert Plan.objects.count() == 1
