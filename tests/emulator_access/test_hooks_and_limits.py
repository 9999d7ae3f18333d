"""What the houses tell our webhook, in the document's shapes and in newer ones, and what they bear in a second."""

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from time import monotonic, sleep

import pytest
from django.test import Client
from django.utils import timezone

from esims.models import Esim
from orders.inbox import drain_inbox
from orders.models import Purchase
from providers.errors import RateLimited, Rejected
from providers.models import RatePause, WebhookDelivery
from providers.registry import get_provider
from providers.types import Capability, Priority, WebhookKind
from tests.emulator.house import Limit
from tests.emulator.wire import Fault
from tests.emulator_access.conftest import HOOK_SECRET, OpenOffice
from tests.emulator_access.hooks import Receiver, write_hook
from tests.emulator_access.making import buy
from tests.emulator_access.office import Office
from tests.emulator_access.quirks import VARIANTS, Quirks
from tests.emulator_access.server import CHECK_HEALTH

PATH = f"/hooks/esim-access/{HOOK_SECRET}/"
KINDS = {
    "ORDER_STATUS": WebhookKind.ORDER_READY,
    "SMDP_EVENT": WebhookKind.LINE_CHANGED,
    "ESIM_STATUS": WebhookKind.LINE_CHANGED,
    "DATA_USAGE": WebhookKind.USAGE,
    "VALIDITY_USAGE": WebhookKind.VALIDITY,
}


def post(body: bytes, path: str = PATH) -> int:
    return Client().post(path, body, content_type="application/json").status_code


def test_each_delivery_names_what_it_is_about(office: Office) -> None:
    provider = get_provider(office.account.slug)
    (number,) = buy(provider, "CKH002")
    line = office.emulator.books.lines[number]
    keys = set()
    for word, kind in KINDS.items():
        body = write_hook(office.emulator, word, line)
        (hint,) = provider.read_webhook(body)
        assert (hint.kind, hint.word, hint.order_ref) == (kind, word, line.order_no)
        if word in ("SMDP_EVENT", "ESIM_STATUS", "DATA_USAGE"):
            assert (hint.provider_ref, hint.iccid, hint.order_key) == (number, line.iccid, line.transaction_id)
        again = json.dumps(json.loads(body)).encode()
        key = provider.read_webhook_key(body)
        assert provider.read_webhook_key(body) == key
        assert "notifyId" not in json.loads(body) or provider.read_webhook_key(again) == key
        keys.add(key)
    assert len(keys) == len(KINDS)


def test_health_check_is_answered_and_wakes_nothing(pair: Office) -> None:
    pair.buy(1)
    assert post(CHECK_HEALTH) == 200
    drain_inbox()
    (delivery,) = WebhookDelivery.objects.all()
    assert (delivery.kind, delivery.state) == (WebhookKind.HEALTH_CHECK.value, WebhookDelivery.State.IGNORED)


STRANGE = (
    *(b"", b"null", b"[]", b"{}", b"\xff\xfe", b'{"notifyType":null,"content":null}'),
    b'{"notifyType":"LUNAR_ECLIPSE","content":{"orderNo":5}}',
    b'{"notifyType":"ESIM_STATUS","content":"x"}',
    b'{"notifyType":"ORDER_STATUS","content":{"orderNo":{"a":1}}}',
)


def test_strange_deliveries_are_stored_and_harmless(open_office: OpenOffice) -> None:
    office = open_office()
    office.buy(1)
    before = len(office.emulator.arrivals)
    assert [post(body) for body in STRANGE] == [200] * len(STRANGE)
    drain_inbox()
    assert WebhookDelivery.objects.exclude(state=WebhookDelivery.State.NEW).count() == len(STRANGE)
    assert len(office.emulator.arrivals) == before


def test_strangers_are_not_heard(open_office: OpenOffice) -> None:
    office = open_office()
    (number,) = buy(get_provider(office.account.slug), "CKH002")
    body = write_hook(office.emulator, "ORDER_STATUS", office.emulator.books.lines[number])
    for path in ("/hooks/esim-access/", "/hooks/esim-access/hook-guess/", "/hooks/nobody/x/"):
        assert post(body, path) == 404
    open_office(WEBHOOK_IPS="3.1.131.226,54.254.74.88")
    assert post(body) == 404
    open_office(WEBHOOK_IPS="3.1.131.226,127.0.0.0/8")
    assert post(body) == 200
    assert WebhookDelivery.objects.count() == 1


def test_order_status_wakes_the_allocation(pair: Office) -> None:
    (purchase,) = pair.buy(2)
    assert purchase.state == "allocating"
    soon = timezone.now() + timedelta(hours=5)
    Purchase.objects.update(next_attempt_at=soon)
    line = next(iter(pair.emulator.books.lines.values()))
    body = write_hook(pair.emulator, "ORDER_STATUS", line)
    assert [post(body), post(body)] == [200, 200]
    drain_inbox()
    purchase.refresh_from_db()
    assert purchase.next_attempt_at is not None
    assert purchase.next_attempt_at <= timezone.now()
    assert WebhookDelivery.objects.get().repeats == 1
    assert pair.settle(purchase).state == "fulfilled"
    pair.check_books()


def test_content_is_not_believed(pair: Office) -> None:
    """A forged "CANCEL" makes the line be read again, and nothing else."""
    (purchase,) = pair.buy(1)
    pair.settle(purchase)
    (esim,) = pair.lines()
    Esim.objects.update(next_refresh_at=None)
    line = pair.emulator.books.lines[esim.provider_ref]
    assert post(write_hook(pair.emulator, "ESIM_STATUS", line, esimStatus="CANCEL", smdpStatus="DELETED")) == 200
    drain_inbox()
    esim.refresh_from_db()
    assert (esim.state, esim.next_refresh_at is not None) == ("ready", True)
    assert pair.refresh(esim).state == "ready"
    pair.check_books()


# -- the webhook's address --------------------------------------------------------------------------------------------


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver().running() as running:
        yield running


def test_address_is_saved_once_it_answers(variant: Quirks, open_office: OpenOffice, receiver: Receiver) -> None:
    office = open_office(variant)
    provider = get_provider(office.account.slug)
    assert provider.read_webhook_address() == ""
    address = f"{receiver.url}/hooks/esim-access/{HOOK_SECRET}/"
    provider.save_webhook_address(address)
    assert (office.emulator.books.webhook, provider.read_webhook_address()) == (address, address)
    assert [arrival.raw for arrival in receiver.arrivals] == [CHECK_HEALTH]
    receiver.status = 500
    with pytest.raises(Rejected):
        provider.save_webhook_address(f"{receiver.url}/other")
    assert provider.read_webhook_address() == address
    assert office.emulator.complaints == []
    office.check_secrets()


# -- eight in a second ------------------------------------------------------------------------------------------------


def test_budget_is_kept_on_arrival(open_office: OpenOffice) -> None:
    """Background readers leave two of eight; people wait for their turn; no second sees more than eight."""
    office = open_office(LIMITS="{}")
    provider, house = get_provider(office.account.slug), office.emulator
    started = monotonic()
    while monotonic() - started < 2.2:
        try:
            provider.read_line("25080999999999", priority=Priority.BACKGROUND)
        except RateLimited as limit:
            assert limit.code == "budget"
            sleep(min(limit.retry_after.total_seconds(), 0.05))
        except Rejected:
            pass
    assert house.most_in(1.0) <= 8
    assert 6 <= house.count("query") <= 24
    # People still get their turn, though it may take a moment.
    assert provider.read_balance().money.currency == "USD"


@pytest.mark.parametrize("busy", ["429", "900001", "101013"])
def test_one_call_too_many_did_nothing(busy: str, open_office: OpenOffice) -> None:
    office = open_office(replace(VARIANTS["live"], busy=busy))
    office.plan("CKH002")
    house = office.emulator
    house.limit = Limit(calls=0, seconds=1.0)
    (purchase,) = office.buy(2)
    assert (purchase.state, house.books.sales, house.count("order")) == ("planned", [], 1)
    assert purchase.next_attempt_at is not None
    assert purchase.next_attempt_at > timezone.now()
    house.limit = None
    RatePause.objects.all().delete()
    assert office.settle(purchase).state == "fulfilled"
    assert len(house.books.sales) == 1
    office.check_books()


def test_refused_action_for_the_limit_is_sent_again(open_office: OpenOffice) -> None:
    office = open_office(VARIANTS["document"])
    (purchase,) = office.buy(1)
    office.settle(purchase)
    (esim,) = office.lines()
    office.emulator.meet("suspend", Fault(kind="answer", body=office.emulator.wording.failure("101013")))
    action = office.act(esim, Capability.SUSPEND, steps=12)
    assert (action.state, office.emulator.count("suspend")) == ("confirmed", 2)
    assert office.emulator.books.lines[esim.provider_ref].status == "SUSPENDED"
