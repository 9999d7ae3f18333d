"""The documents' own samples, verbatim: incoherent, with ICCIDs that fail the Luhn check, and always the same."""

import json
from copy import deepcopy
from datetime import UTC, date, datetime
from typing import Any

import pytest

from esims.models import Esim, UsageDay
from esims.refresh import refresh_line
from orders.models import Refund
from providers.errors import Unavailable
from providers.registry import get_provider
from providers.types import Priority
from tests.emulator.conftest import OpenOffice
from tests.emulator.office import Office
from tests.emulator.quirks import Quirks
from tests.emulator.wire import Fault
from tests.emulator.wording import SAMPLE_LINE

SAMPLE_ID = "a1b2c3d4-e5f6-7890-abcd-ef1234567890"
SAMPLE_ORDER: dict[str, Any] = {"transactionId": SAMPLE_ID, "esims": [SAMPLE_LINE]}


def can(office: Office, operation: str, document: object) -> None:
    office.emulator.canned[operation] = lambda _arrival: deepcopy(document)


def test_sample_order(open_office: OpenOffice) -> None:
    office = open_office(Quirks())
    office.plan()
    can(office, "order", SAMPLE_ORDER)
    purchase = office.buy(1)
    assert (purchase.state, purchase.transaction_id) == ("fulfilled", SAMPLE_ID)
    esim = Esim.objects.get()
    assert (esim.iccid, esim.lpa, esim.matching_id) == ("8981100000000000001", SAMPLE_LINE["qrCode"], "CODE123")
    # In use, whatever the other fields say: the contract is ACTIVE and a first connection is dated.
    assert (esim.state, esim.activated_on, esim.expires_on) == ("active", date(2025, 12, 1), date(2025, 12, 7))
    assert (esim.terminated_on, esim.is_restricted) == (date(2025, 12, 31), False)
    assert esim.activation_deadline == datetime(2026, 6, 5, tzinfo=UTC)
    assert esim.downloaded_at == datetime(2025, 7, 15, 0, 46, 9, 816000, tzinfo=UTC)
    assert esim.state_as_of == datetime(2026, 1, 22, 10, 30, tzinfo=UTC)
    # Daily and total usage do not agree; both are kept, neither is added to the other.
    assert esim.total_used_bytes == 307_200 * 1024
    assert list(UsageDay.objects.values_list("day", "used_bytes")) == [(date(2025, 12, 10), 102_400 * 1024)]
    assert (esim.install_device_imei, esim.connection_device_imei) == ("123456789012345", "123456789012345")
    assert "CODE123" not in json.dumps(esim.raw)
    assert "123456789012345" not in json.dumps(esim.raw)


def test_sample_is_given_for_every_order(open_office: OpenOffice) -> None:
    """A sandbox of mock data: the second order brings the same eSIM, which is the first customer's."""
    office = open_office(Quirks(), sandbox=True)
    office.plan()
    can(office, "order", SAMPLE_ORDER)
    can(office, "transaction", {"transactionId": SAMPLE_ID, "iccids": ["8981100000000000001", "8981100000000000002"]})
    first, second = office.buy(1), office.settle(office.buy(1))
    assert (first.state, second.state, Esim.objects.count()) == ("fulfilled", "unknown", 1)
    assert "8981100000000000001" in second.attention
    assert Refund.objects.count() == 0
    assert Esim.objects.get().purchased.purchase == first


def test_sample_is_given_for_two_esims(open_office: OpenOffice) -> None:
    """Two ordered, the one sample given twice: asked for, and the inquiry names two."""
    office = open_office(Quirks())
    office.plan()
    can(office, "order", {**SAMPLE_ORDER, "esims": [SAMPLE_LINE, SAMPLE_LINE]})
    can(office, "transaction", {"transactionId": SAMPLE_ID, "iccids": ["8981100000000000001", "8981100000000000002"]})
    purchase = office.settle(office.buy(2))
    assert purchase.state == "fulfilled"
    assert sorted(Esim.objects.values_list("provider_ref", flat=True)) == ["8981100000000000001", "8981100000000000002"]


def test_sample_status_of_another_line(open_office: OpenOffice) -> None:
    """Asked about one eSIM and told of another: nothing of it is taken."""
    office = open_office(Quirks())
    office.buy(2)
    can(office, "status", SAMPLE_LINE)
    other = Esim.objects.exclude(provider_ref=SAMPLE_LINE["iccid"]).get()
    before = (other.state, other.lpa, other.state_as_of)
    with pytest.raises(Unavailable):
        refresh_line(esim_id=other.pk, priority=Priority.PEOPLE, by="test")
    other.refresh_from_db()
    assert (other.state, other.lpa, other.state_as_of) == before


def test_stamp_from_the_future_does_not_freeze_the_line(open_office: OpenOffice) -> None:
    """Older never overwrites newer: one nonsensical stamp must not be newer than all that follow."""
    office = open_office(Quirks())
    office.buy(1)
    esim = Esim.objects.get()
    line = office.emulator.wording.line(office.emulator.books.lines[esim.provider_ref])
    body = json.dumps({**line, "lastUpdatedAt": "2099-01-01T00:00:00.000Z"}).encode()
    office.emulator.books.catch_up()
    office.emulator.meet("status", Fault(kind="answer", body=body))
    assert refresh_line(esim_id=esim.pk, priority=Priority.PEOPLE, by="test").state == "ready"
    office.emulator.books.catch_up()
    office.emulator.books.install(esim.provider_ref)
    assert refresh_line(esim_id=esim.pk, priority=Priority.PEOPLE, by="test").state == "active"


def test_inquiry_about_another_transaction(open_office: OpenOffice) -> None:
    """The reply was cut and the inquiry answers the document's sample: those are somebody else's eSIMs."""
    office = open_office(Quirks())
    office.plan()
    office.emulator.meet("order", Fault(kind="cut", cut=lambda body: len(body) // 2))
    can(office, "transaction", {"transactionId": SAMPLE_ID, "iccids": ["8981100000000000001"]})
    purchase = office.settle(office.buy(1))
    assert (purchase.state, Esim.objects.count(), Refund.objects.count()) == ("allocating", 0, 0)


_ODD: list[tuple[dict[str, object], dict[str, object]]] = [
    ({"contractStatus": "PAUSED"}, {"state": "unknown"}),
    ({"contractStatus": "active", "activatedOn": None}, {"state": "ready"}),
    ({"contractStatus": None}, {"state": "unknown"}),
    ({"profileInstallStatus": "TELEPORTED"}, {"state": "unknown"}),
    ({"profileInstallStatus": "CONFIRMATION_FAILED"}, {"state": "error"}),
    ({"profileProvisionStatus": "ERROR"}, {"state": "error"}),
    ({"profileProvisionStatus": "CANCELED"}, {"state": "cancelled"}),
    ({"contractStatus": "TERMINATED"}, {"state": "expired"}),
    ({"contractStatus": "TERMINATED", "expiresOn": None}, {"state": "terminated"}),
    ({"isServiceRestricted": True}, {"state": "suspended", "is_restricted": True}),
    ({"isServiceRestricted": "true"}, {"state": "suspended", "is_restricted": True}),
    ({"iccid": 8981100000000000001}, {"iccid": "8981100000000000001"}),
    ({"roamingCountries": None}, {"roaming_countries": None}),
    ({"roamingCountries": []}, {"roaming_countries": []}),
    ({"dataUsageDailyList": None, "totalDataUsage": None}, {"total_used_bytes": None}),
    ({"totalDataUsage": "307200"}, {"total_used_bytes": 307_200 * 1024}),
    ({"totalDataUsage": 0}, {"total_used_bytes": 0}),
    ({"totalDataUsage": "lots"}, {"total_used_bytes": None}),
    ({"totalDataUsage": 10**30}, {"total_used_bytes": None}),
    ({"initialInsertionDevice": 123456789012345}, {"install_device_imei": "123456789012345"}),
    ({"initialInsertionDevice": None}, {"install_device_imei": ""}),
    ({"activationDeadline": "2026-06-05T00:00:00Z"}, {"activation_deadline": datetime(2026, 6, 5, tzinfo=UTC)}),
    ({"activationDeadline": "2026-06-05T00:00:00+00:00"}, {"activation_deadline": datetime(2026, 6, 5, tzinfo=UTC)}),
    ({"activationDeadline": "2026-06-05T09:00:00+0900"}, {"activation_deadline": datetime(2026, 6, 5, tzinfo=UTC)}),
    (
        {"activationDeadline": "2026-06-05T00:00:00.123456789Z"},
        {"activation_deadline": datetime(2026, 6, 5, 0, 0, 0, 123456, tzinfo=UTC)},
    ),
    ({"activationDeadline": "whenever"}, {"activation_deadline": None}),
    ({"expiresOn": "2025-12-07T00:00:00.000Z"}, {"expires_on": None}),
    (
        {"qrCode": "lpa:1$SMDP.example.com$CODE123$1.3.6.1.4.1$1"},
        {"lpa": "lpa:1$SMDP.example.com$CODE123$1.3.6.1.4.1$1"},
    ),
    ({"qrCode": "LPA:1$smdp.example.com$CODE123$$1"}, {"lpa": "LPA:1$smdp.example.com$CODE123$$1"}),
    ({"activationCode": "LPA:1$smdp.example.com$CODE123"}, {"matching_id": "CODE123"}),
    ({"qrCode": None}, {"lpa": "", "matching_id": "CODE123"}),
    ({"lastUpdatedAt": "2026-01-22T10:30:00Z"}, {"state_as_of": datetime(2026, 1, 22, 10, 30, tzinfo=UTC)}),
]


@pytest.mark.parametrize(("change", "expected"), _ODD, ids=[next(iter(change)) for change, _ in _ODD])
def test_one_odd_field_of_an_esim(
    change: dict[str, object], expected: dict[str, object], open_office: OpenOffice
) -> None:
    """One strange field costs itself at most: the line is there, sold, and nothing raises."""
    office = open_office(Quirks())
    office.plan()
    can(office, "order", {**SAMPLE_ORDER, "esims": [{**SAMPLE_LINE, **change}]})
    purchase = office.buy(1)
    assert purchase.state == "fulfilled", purchase.error
    esim = Esim.objects.get()
    assert {name: getattr(esim, name) for name in expected} == expected
    can(office, "status", {**SAMPLE_LINE, **change})
    assert get_provider(office.account.slug).read_line(esim.provider_ref).provider_ref == esim.provider_ref


@pytest.mark.parametrize("name", [name for name in SAMPLE_LINE if name != "iccid"])
def test_one_field_is_missing(name: str, open_office: OpenOffice) -> None:
    office = open_office(Quirks())
    office.plan()
    can(office, "order", {**SAMPLE_ORDER, "esims": [{key: value for key, value in SAMPLE_LINE.items() if key != name}]})
    assert office.buy(1).state == "fulfilled"
    assert Esim.objects.get().iccid == "8981100000000000001"
