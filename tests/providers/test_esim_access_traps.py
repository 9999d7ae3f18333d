"""The numbered traps of eSIM Access's document (docs/providers/esim-access.md), one test each."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from providers.errors import OutcomeUnknown, Rejected, WebhookRefused
from providers.esim_access.client import EsimAccessProvider
from providers.esim_access.envelope import read_envelope
from providers.esim_access.lines import is_allocated, map_line
from providers.esim_access.plans import map_plan
from providers.esim_access.signing import make_headers, sign
from providers.reading import to_instant
from providers.types import (
    Capability,
    ControlRequest,
    DataPeriod,
    IncomingWebhook,
    LineSnapshot,
    LineState,
    PlanOffer,
    WebhookKind,
)
from tests.providers.access_calls import (
    AT,
    KEY,
    ORDER,
    SECRET,
    TOP_UP,
    WEBHOOK_SECRET,
    envelope,
    lines,
    make_client,
    make_reply,
    read_headers,
    read_sent,
    refusal,
    replies,
)
from tests.providers.access_samples import DOCUMENT_LINE, DOCUMENT_PACKAGE, LINE, PACKAGE, WEBHOOKS
from tests.providers.scripted import scripted
from tests.simulator_access import ACCESS_CODE, SECRET_KEY, Access
from tests.simulator_client import Simulator

REF = "26033119290005"


def line(sample: dict[str, Any] = LINE, **changes: Any) -> LineSnapshot:
    return map_line({**sample, **changes}, account="esim-access", sent_at=AT)


def plan(**changes: Any) -> PlanOffer:
    return map_plan({**PACKAGE, **changes}, faults=[], account="esim-access")


def deliver(body: bytes, **changes: Any) -> IncomingWebhook:
    values = {"path_secret": WEBHOOK_SECRET, "address": "3.1.131.226", "headers": {}, "body": body, **changes}
    return IncomingWebhook(**values)


@pytest.mark.django_db
def test_trap_01_an_iccid_is_used_again_and_names_nobody(simulator: Simulator) -> None:
    access = Access(simulator)
    access.set_switches(allocation_delay_s=0, reuse_iccids=True)
    simulator.set_limits(multiplier=0)
    client = make_client(url=access.url, code=ACCESS_CODE, secret_key=SECRET_KEY)
    code = access.find_package(dataType=1)
    (old,) = access.buy(code)
    cancel = ControlRequest(provider_ref=old["esimTranNo"], iccid=old["iccid"], capability=Capability.CANCEL)
    client.read_control_reply(client.send_control(cancel), Capability.CANCEL)
    (new,) = access.buy(code)
    assert new["iccid"] == old["iccid"]
    # Each is read and acted on by its own number, although the ICCID was given too.
    assert client.read_line(old["esimTranNo"]).state is LineState.CANCELLED
    assert client.read_line(new["esimTranNo"]).state is LineState.READY
    suspend = ControlRequest(provider_ref=new["esimTranNo"], iccid=new["iccid"], capability=Capability.SUSPEND)
    client.read_control_reply(client.send_control(suspend), Capability.SUSPEND)
    assert access.effects("suspend")[0]["ref"] == new["esimTranNo"]
    assert client.read_line(old["esimTranNo"]).state is LineState.CANCELLED


def test_trap_02_an_order_number_is_not_made_from_a_lines_number() -> None:
    (hint,) = make_client().read_webhook(WEBHOOKS["ESIM_STATUS"])
    assert (hint.order_ref, hint.provider_ref) == ("B25080823490018", "25080323490020")
    found = line(esimTranNo="221027063819", orderNo="opaque-1")
    assert (found.provider_ref, found.order_ref) == ("221027063819", "opaque-1")


@pytest.mark.django_db
def test_trap_03_the_signature_covers_the_exact_bytes() -> None:
    with scripted(*replies(envelope({"orderNo": "B1"}))) as server:
        make_client(url=server.url, secret_key=SECRET).send_order(ORDER)
    head, _mark, body = server.requests[0].partition(b"\r\n\r\n")
    assert body == json.dumps(json.loads(body), separators=(",", ":")).encode()
    headers = read_headers(head)
    assert headers["Content-Type"] == "application/json"
    assert headers["RT-Signature"] == sign(
        timestamp=headers["RT-Timestamp"],
        request_id=headers["RT-RequestID"],
        access_code=headers["RT-AccessCode"],
        secret_key=SECRET,
        body=body,
    )
    assert "Content-Type" not in make_headers(access_code="c", secret_key=SECRET, body=b"")


def test_trap_04_milliseconds_and_a_uuid_with_its_dashes() -> None:
    headers = make_headers(access_code="11111", secret_key="1111", body=b"{}")
    assert len(headers["RT-Timestamp"]) == 13
    assert headers["RT-RequestID"].count("-") == 4
    # The expired timestamp is a matter for staff: the clock is wrong.
    with pytest.raises(Rejected) as caught:
        make_client().read_order_reply(make_reply(refusal("101001")), ORDER)
    assert caught.value.mend == "credentials"


@pytest.mark.parametrize("code", [None, "", "0", 0, "000000"])
def test_trap_05_codes_are_text_and_no_error_has_many_spellings(code: object) -> None:
    assert read_envelope(envelope({}, errorCode=code)).is_success
    assert read_envelope(refusal("000101")).code == "000101"
    with pytest.raises(Rejected) as caught:
        make_client().read_order_reply(make_reply(refusal("000101")), ORDER)
    assert (caught.value.code, caught.value.mend) == ("000101", "credentials")


@pytest.mark.django_db
def test_trap_06_prices_are_exact_and_never_sent_for_plans_by_the_day() -> None:
    assert plan(price=8617, retailPrice=36001).net_price == plan(price="8617").net_price
    offer = plan(price=8617)
    assert offer.net_price is not None
    assert offer.net_price.amount == Decimal("0.8617")
    with scripted(*replies(envelope({"orderNo": "B1"}))) as server:
        client = make_client(url=server.url)
        client.send_order(replace(ORDER, expected_unit_price=offer.net_price, quantity=3))
        client.send_order(replace(ORDER, expected_unit_price=offer.net_price, period_days=3))
    checked, unchecked = (body for _path, body in read_sent(server))
    assert (checked["amount"], checked["packageInfoList"][0]["price"]) == (25851, 8617)
    assert "amount" not in unchecked
    assert set(unchecked["packageInfoList"][0]) == {"packageCode", "count", "periodNum"}


@pytest.mark.django_db
def test_trap_07_a_batch_holds_thirty() -> None:
    assert EsimAccessProvider.max_order_quantity == 30
    with scripted(*replies(envelope({"orderNo": "B1"}))) as server:
        with pytest.raises(ValueError, match="1 to 30"):
            make_client(url=server.url).send_order(replace(ORDER, quantity=31))
        assert server.requests == []
        # A key with a suffix of its part still fits into 50 characters.
        make_client(url=server.url).send_order(replace(ORDER, idempotency_key=f"{KEY}-99"))
    assert read_sent(server)[0][1]["transactionId"] == f"{KEY}-99"


@pytest.mark.parametrize("data_type", [2, 3, 4])
def test_trap_08_the_volume_of_a_plan_by_the_day_is_one_days(data_type: int) -> None:
    offer = plan(dataType=data_type)
    assert (offer.allowance.period, offer.days_choice_max) == (DataPeriod.DAY, 365)
    held = line(dataType=data_type)
    assert held.total_data_bytes is None
    assert held.packages[0].allowance is not None
    assert held.packages[0].allowance.period is DataPeriod.DAY
    outcome = make_client().read_top_up_reply(
        make_reply(envelope({"totalVolume": 1073741824}), operation="topup"), replace(TOP_UP, period_days=2)
    )
    assert outcome.total_data_bytes is None


def test_trap_09_a_threshold_decides_nothing() -> None:
    content = json.loads(WEBHOOKS["DATA_USAGE"])["content"]
    assert content["orderUsage"] + content["remain"] == content["totalVolume"] == 50 * 1024**3
    client = make_client()
    (said,) = client.read_webhook(WEBHOOKS["DATA_USAGE"])
    thresholds: tuple[object, ...] = (0.9, "0.25", None, {})
    for threshold in thresholds:
        body = json.dumps({**json.loads(WEBHOOKS["DATA_USAGE"]), "content": {**content, "remainThreshold": threshold}})
        assert client.read_webhook(body.encode()) == (said,)
    assert said.kind is WebhookKind.USAGE


@pytest.mark.parametrize("word", ["REVOKE", "REVOKED", "revoked"])
def test_trap_10_revoke_and_cancel_in_all_spellings(word: str) -> None:
    assert line(esimStatus=word).state is LineState.TERMINATED
    for spelling in ("CANCEL", "CANCELED", "CANCELLED"):
        assert line(esimStatus=spelling).state is LineState.CANCELLED


@pytest.mark.parametrize("used", [0, 1073741824])
def test_trap_11_expired_says_nothing_about_use(used: int) -> None:
    for word in ("UNUSED_EXPIRED", "USED_EXPIRED"):
        held = line(esimStatus=word, orderUsage=used)
        assert (held.state, held.total_used_bytes) == (LineState.EXPIRED, used)


def test_trap_12_no_use_counted_does_not_mean_unused() -> None:
    assert line(esimStatus="IN_USE", smdpStatus="ENABLED", orderUsage=0).state is LineState.ACTIVE
    assert line(esimStatus="GOT_RESOURCE", smdpStatus="ENABLED", orderUsage=0).state is LineState.INSTALLED
    assert line(esimStatus="GOT_RESOURCE", smdpStatus="RELEASED", orderUsage=0).state is LineState.READY
    # Whatever we think, the provider decides: its no is final and changed nothing.
    with pytest.raises(Rejected) as caught:
        make_client().read_control_reply(make_reply(refusal("200002"), operation="cancel"), Capability.CANCEL)
    assert caught.value.mend is None


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("2023-03-03T06:20:00+0000", datetime(2023, 3, 3, 6, 20, tzinfo=UTC)),
        ("2025-07-21T10:57:28Z", datetime(2025, 7, 21, 10, 57, 28, tzinfo=UTC)),
        ("2010-06-30T01:20+00:00", datetime(2010, 6, 30, 1, 20, tzinfo=UTC)),
        ("2025-07-21T10:57:28.250Z", datetime(2025, 7, 21, 10, 57, 28, 250_000, tzinfo=UTC)),
    ],
)
def test_trap_13_times_in_every_spelling(text: str, instant: datetime) -> None:
    assert to_instant(text) == instant
    assert line(expiredTime=text).activation_deadline == instant


@pytest.mark.django_db
def test_trap_14_pages_are_of_a_size_that_is_taken_and_their_lines_count_once() -> None:
    first, second = {**LINE, "esimTranNo": "1"}, {**LINE, "esimTranNo": "2"}
    third = {**LINE, "esimTranNo": "3"}
    pages = [lines(first, total=3), lines(first, second, total=3), lines(third, total=3)]
    with scripted(*replies(*pages)) as server:
        now = datetime.now(UTC)
        found = list(make_client(url=server.url).list_lines(since=now - timedelta(hours=1), until=now))
    assert [held.provider_ref for held in found] == ["1", "2", "3"]
    assert all(5 <= body["pager"]["pageSize"] <= 500 for _path, body in read_sent(server))
    assert [body["pager"]["pageNum"] for _path, body in read_sent(server)] == [1, 2, 3]


def test_trap_15_types_are_not_what_the_table_says() -> None:
    assert read_envelope(envelope({}, success="true")).is_success
    assert not read_envelope(envelope({}, success="false", errorCode="200002")).is_success
    assert plan(activeType="2", dataType="1", supportTopUpType="2", price="18000") == replace(
        plan(), raw={**PACKAGE, "activeType": "2", "dataType": "1", "supportTopUpType": "2", "price": "18000"}
    )
    held = line(esimTranNo=26033119290005, orderUsage="7", totalVolume="1024", dataType="1")
    assert (held.provider_ref, held.total_used_bytes, held.total_data_bytes) == (REF, 7, 1024)


@pytest.mark.parametrize(("told", "supported"), [(1, False), (2, True), (3, True)])
def test_trap_16_one_means_no(told: int, supported: bool) -> None:
    assert plan(supportTopUpType=told).top_up_supported is supported


@pytest.mark.django_db
def test_trap_17_a_top_up_is_sent_once_under_a_key_of_its_own_and_tells_totals() -> None:
    assert EsimAccessProvider.repeatable == {Capability.ORDER}
    reply = envelope({"transactionId": "theirs", "totalVolume": 4294967296, "orderUsage": 207239584})
    with scripted(*replies(reply, envelope({"packageList": []}))) as server:
        client = make_client(url=server.url)
        outcome = client.read_top_up_reply(client.send_top_up(TOP_UP), TOP_UP)
        client.list_top_ups(provider_ref=REF, plan_ref="CKH002")
    assert (outcome.transaction_id, outcome.total_data_bytes) == ("theirs", 4294967296)
    sent = read_sent(server)
    assert (sent[0][1]["packageCode"], sent[0][1]["transactionId"]) == ("TOPUP_CKH002", KEY)
    assert sent[1][1]["type"] == "TOPUP"
    with pytest.raises(OutcomeUnknown):
        client.read_top_up_reply(make_reply(refusal("000001"), operation="topup"), TOP_UP)


def test_trap_18_deliveries_without_an_id_are_told_apart_by_their_bytes() -> None:
    client = make_client()
    assert client.read_webhook_key(WEBHOOKS["DATA_USAGE"]) == "f776267e8d6745db8cc316e4c146ea0c"
    keys = [client.read_webhook_key(WEBHOOKS[name]) for name in ("ORDER_STATUS", "VALIDITY_USAGE", "CHECK_HEALTH")]
    assert [len(key) for key in keys] == [64, 64, 64]
    assert len(set(keys)) == 3
    assert client.read_webhook_key(WEBHOOKS["ORDER_STATUS"]) == keys[0]
    (hint,) = client.read_webhook(WEBHOOKS["ESIM_STATUS"])
    assert hint.event_at == datetime(2025, 8, 9, 0, 23, 45, tzinfo=UTC)


def test_trap_19_a_delivery_proves_itself_by_its_path_and_its_sender() -> None:
    open_to_all, listed = make_client(), make_client(webhook_ips="3.1.131.226, 54.254.74.0/24")
    for address in ("3.1.131.226", "54.254.74.88", "::ffff:3.1.131.226"):
        listed.authenticate_webhook(deliver(b"{}", address=address))
    open_to_all.authenticate_webhook(deliver(b"{}", address="10.0.0.1"))
    for client, changes in (
        (listed, {"address": "10.0.0.1"}),
        (listed, {"address": ""}),
        (open_to_all, {"path_secret": ""}),
        (open_to_all, {"path_secret": WEBHOOK_SECRET[:-1]}),
    ):
        with pytest.raises(WebhookRefused):
            client.authenticate_webhook(deliver(b"{}", **changes))
    (hint,) = open_to_all.read_webhook(WEBHOOKS["CHECK_HEALTH"])
    assert (hint.kind, hint.order_ref) == (WebhookKind.HEALTH_CHECK, "")
    # Nor under another name.
    (hint,) = open_to_all.read_webhook(b'{"notifyType": "ORDER_STATUS", "content": {"orderNo": "1234567890"}}')
    assert hint.order_ref == ""


def test_trap_20_countries_have_spaces_between_them_and_a_name_is_no_volume() -> None:
    offer = map_plan(DOCUMENT_PACKAGE, faults=[], account="esim-access")
    assert [place.country for place in offer.coverage][:3] == ["CN", "HK", "ID"]
    assert (offer.name, offer.allowance.data_bytes) == ("Asia 11 countries 1GB 30 Days", 10_485_760)


@pytest.mark.parametrize(
    "code",
    [
        "1$rsp-eu.example.com$451F9802",
        "rsp-eu.example.com$451F9802",
        "LPA:1$rsp-eu.example.com",
        "LPA:1$$451F9802",
        "LPA:1$host$",
        "https://p.example.com/a1b2.png",
    ],
)
def test_trap_21_a_wrong_code_is_refused_and_the_picture_never_used(code: str) -> None:
    held = line(ac=code)
    assert (held.lpa, held.matching_id, held.smdp_address) == ("", "", "")
    assert [fault.where for fault in held.faults] == ["ac"]
    assert "a1b2" not in repr(held)
    assert is_allocated(held)
    assert line(ac="lpa:1$host$id$$1").lpa == "lpa:1$host$id$$1"


@pytest.mark.parametrize("iccid", ["894310817000000003", "8997250230000292199", "89852245280000942210"])
def test_trap_22_numbers_of_many_lengths(iccid: str) -> None:
    held = line(iccid=iccid, eid="89049032007108882600137544319616")
    assert (held.iccid, held.eid, held.faults) == (iccid, "89049032007108882600137544319616", ())
    assert line(iccid="1" * 23).iccid == ""


@pytest.mark.django_db
def test_trap_23_the_same_key_is_the_same_order(simulator: Simulator) -> None:
    access = Access(simulator)
    simulator.set_limits(multiplier=0)
    client = make_client(url=access.url, code=ACCESS_CODE, secret_key=SECRET_KEY, check_prices=False)
    request = replace(ORDER, plan_ref=access.find_package(dataType=1), plan_alias="")
    numbers = {client.read_order_reply(client.send_order(request), request).transaction_id for _time in range(3)}
    assert len(numbers) == 1
    assert len(access.orders()) == 1
    assert Capability.ORDER in client.repeatable


def test_trap_24_suspended_is_told_by_webhooks_too() -> None:
    body = WEBHOOKS["ESIM_STATUS"].replace(b"CANCEL", b"SUSPENDED")
    (hint,) = make_client().read_webhook(body)
    assert (hint.kind, hint.provider_ref) == (WebhookKind.LINE_CHANGED, "25080323490020")
    assert line(DOCUMENT_LINE, esimStatus="SUSPENDED").state is LineState.SUSPENDED


@pytest.mark.django_db
def test_trap_25_releasing_is_unsuspend_and_revoking_gives_nothing_back() -> None:
    with scripted(*replies(envelope({}))) as server:
        client = make_client(url=server.url)
        refunds = {}
        for capability in (Capability.SUSPEND, Capability.RELEASE, Capability.CANCEL, Capability.REVOKE):
            request = ControlRequest(provider_ref=REF, iccid="8985224528000942210", capability=capability)
            refunds[capability] = client.read_control_reply(client.send_control(request), capability).refund
    assert read_sent(server) == [
        (f"esim/{name}", {"esimTranNo": REF}) for name in ("suspend", "unsuspend", "cancel", "revoke")
    ]
    assert refunds == {
        Capability.SUSPEND: None,
        Capability.RELEASE: None,
        Capability.CANCEL: True,
        Capability.REVOKE: False,
    }
