"""How eSIM Access is called and understood: signatures, envelopes, error codes, settings, the one budget."""

import re
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.db import connection

from providers.errors import KeyTaken, Mend, OutcomeUnknown, ProviderError, RateLimited, Rejected, Unavailable
from providers.esim_access.config import EsimAccessConfig
from providers.esim_access.envelope import read_envelope
from providers.esim_access.gateway import PATHS
from providers.esim_access.refusals import MEANINGS, Meaning
from providers.esim_access.signing import make_headers, sign
from providers.models import ProviderAccount, ProviderCall
from providers.reading import UnreadableError
from providers.registry import ensure_accounts, offers
from providers.types import Capability, ControlRequest, Money, Priority, RateBudget
from tests.providers.access_calls import (
    CODE,
    ORDER,
    SECRET,
    TOP_UP,
    envelope,
    make_client,
    make_reply,
    read_headers,
    read_sent,
    refusal,
    replies,
)
from tests.providers.scripted import scripted
from tests.simulator_access import ACCESS_CODE, SECRET_KEY, Access
from tests.simulator_client import Simulator

# -- signatures -------------------------------------------------------------------------------------------------------


def test_the_documents_own_signature() -> None:
    assert (
        sign(
            timestamp="1628670421",
            request_id="4ce9d9cdac9e4e17b3a2c66c358c1ce2",
            access_code="11111",
            secret_key="1111",
            body=b'{"imsi":"326543826"}',
        ).upper()
        == "7EB765E27DF5373DEA2DBC8C41A7D9557743E46C8054750F3D851B3FD01D0835"
    )


def test_headers_are_named_as_printed_and_made_anew_for_every_call() -> None:
    before = time.time_ns() // 1_000_000
    first, second = (make_headers(access_code=CODE, secret_key=SECRET, body=b'{"a":1}') for _time in range(2))
    assert list(first) == ["RT-AccessCode", "Accept", "Content-Type", "RT-RequestID", "RT-Timestamp", "RT-Signature"]
    assert uuid.UUID(first["RT-RequestID"]).version == 4
    assert before <= int(first["RT-Timestamp"]) <= time.time_ns() // 1_000_000
    assert re.fullmatch("[0-9a-f]{64}", first["RT-Signature"])
    assert first["RT-RequestID"] != second["RT-RequestID"]
    assert first["RT-Signature"] != second["RT-Signature"]


def test_without_a_secret_key_the_access_code_travels_alone() -> None:
    assert make_headers(access_code=CODE, secret_key="", body=b"") == {
        "RT-AccessCode": CODE,
        "Accept": "application/json",
    }


@pytest.mark.django_db
def test_what_is_signed_are_the_very_bytes_that_are_sent() -> None:
    with scripted(*replies(envelope({}))) as server:
        client = make_client(url=server.url, secret_key=SECRET)
        request = ControlRequest(
            provider_ref="26033119290005", capability=Capability.SMS, message='Grüße, "日本" \U0001f600'
        )
        client.read_control_reply(client.send_control(request), Capability.SMS)
    row = ProviderCall.objects.get()
    assert ("日本" in row.request, "26033119290005" in row.request) == (False, True)
    headers, body = read_headers(server.requests[0]), server.requests[0].partition(b"\r\n\r\n")[2]
    assert headers["RT-Signature"] == sign(
        timestamp=headers["RT-Timestamp"],
        request_id=headers["RT-RequestID"],
        access_code=CODE,
        secret_key=SECRET,
        body=body,
    )
    assert body.isascii()
    assert b'": ' not in body
    assert b'", ' not in body.replace(b'e, \\"', b"")
    assert read_sent(server) == [
        ("esim/sendSms", {"esimTranNo": "26033119290005", "message": 'Grüße, "日本" \U0001f600'})
    ]


@pytest.mark.django_db
def test_the_balance_is_asked_for_with_no_body_at_all_and_regions_with_an_empty_object() -> None:
    with scripted(*replies(envelope({"balance": 100000}), envelope({"locationList": []}))) as server:
        client = make_client(url=server.url, secret_key=SECRET)
        assert client.read_balance().money == Money(amount=Decimal("10"), currency="USD")
        assert client.read_regions() == ()
    assert read_sent(server) == [("balance/query", None), ("location/list", {})]
    for request, body in zip(server.requests, (b"", b"{}"), strict=True):
        headers = read_headers(request)
        assert headers["Content-Length"] == str(len(body))
        assert headers["RT-Signature"] == sign(
            timestamp=headers["RT-Timestamp"],
            request_id=headers["RT-RequestID"],
            access_code=CODE,
            secret_key=SECRET,
            body=body,
        )


@pytest.mark.django_db
def test_a_repeated_order_is_signed_anew_and_keeps_its_transaction_id() -> None:
    with scripted(*replies(envelope({"orderNo": "B1"}))) as server:
        client = make_client(url=server.url, secret_key=SECRET)
        for _time in range(2):
            assert client.read_order_reply(client.send_order(ORDER), ORDER).transaction_id == "B1"
    first, second = (read_headers(request) for request in server.requests)
    assert first["RT-RequestID"] != second["RT-RequestID"]
    assert first["RT-Signature"] != second["RT-Signature"]
    assert server.requests[0].partition(b"\r\n\r\n")[2] == server.requests[1].partition(b"\r\n\r\n")[2]


# -- envelopes --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("success", [True, "true", "TRUE", " true "])
@pytest.mark.parametrize("code", [None, "", "0", 0, "000000"])
def test_a_success_in_every_spelling(success: object, code: object) -> None:
    found = read_envelope(envelope({"a": 1}, success=success, errorCode=code))
    assert (found.is_success, found.code, found.obj) == (True, "", {"a": 1})


@pytest.mark.parametrize(
    ("body", "code", "message"),
    [
        (refusal("200007", "Insufficient account balance"), "200007", "Insufficient account balance"),
        (b'{"success":"false","errorCode":"000105","errorMessage":"None."}', "000105", "None."),
        (b'{"success":false,"errorCode":200007}', "200007", ""),
        # A number has lost its zeros.
        (b'{"success":false,"errorCode":101}', "000101", ""),
        (b'{"success":false,"errorCode":1}', "000001", ""),
        # What names an error did not succeed.
        (b'{"success":true,"errorCode":"200010"}', "200010", ""),
        (b'{"errorCode":"101013","errorMsg":"busy"}', "101013", "busy"),
    ],
)
def test_a_refusal_in_every_spelling(body: bytes, code: str, message: str) -> None:
    found = read_envelope(body)
    assert (found.is_success, found.code, found.message) == (False, code, message)


@pytest.mark.parametrize("body", [b"", b"null", b"[]", b"{}", b'{"obj":{}}', b'{"success":null}', b"<html>"])
def test_what_is_no_envelope(body: bytes) -> None:
    with pytest.raises(UnreadableError):
        read_envelope(body)


# -- error codes ------------------------------------------------------------------------------------------------------

MENDS = {
    "000101": Mend.CREDENTIALS,
    "000102": Mend.CREDENTIALS,
    "101001": Mend.CREDENTIALS,
    "101002": Mend.CREDENTIALS,
    "101003": Mend.CREDENTIALS,
    "401001": Mend.CREDENTIALS,
    "200005": Mend.PRICE,
    "200006": Mend.PRICE,
    "200007": Mend.BALANCE,
    "200011": Mend.STOCK,
}
FINAL = (
    *("000103", "000104", "000105", "000106", "000107", "200002", "200008", "310201", "310211", "310221"),
    *("310231", "310241", "310243", "310251", "310272", "310403"),
)


def judge_order(body: bytes, *, status: int = 200) -> ProviderError:
    with pytest.raises(ProviderError) as caught:
        make_client().read_order_reply(make_reply(body, status=status), ORDER)
    return caught.value


@pytest.mark.parametrize("status", [200, 400, 500])
def test_what_an_orders_refusal_means_whatever_its_http_status(status: int) -> None:
    for code in (*MENDS, *FINAL):
        error = judge_order(refusal(code, "Because."), status=status)
        assert isinstance(error, Rejected), code
        assert (error.code, error.mend) == (code, MENDS.get(code))
        assert error.message == f"The provider refused: {code} Because."
    for code in ("101013", "900001"):
        error = judge_order(refusal(code), status=status)
        assert isinstance(error, RateLimited)
        assert (error.code, error.retry_after) == (code, timedelta(seconds=2))
    for code in ("000001", "200009", "200010", "310402"):
        error = judge_order(refusal(code), status=status)
        # Who is told that the key is taken looks the order up by it; who repeats it is told the same for ever.
        assert type(error) is (KeyTaken if code == "310402" else OutcomeUnknown)
        assert error.code == code


def test_the_whole_printed_table_is_known() -> None:
    assert set(MEANINGS) == {*MENDS, *FINAL, "000001", "101013", "200009", "200010", "310402", "900001"}


@pytest.mark.parametrize("code", ["400001", "999999", "NEW"])
def test_a_code_that_nobody_explains_proves_nothing(code: str) -> None:
    error = judge_order(refusal(code))
    assert isinstance(error, OutcomeUnknown)
    assert error.code == code
    # Under a status that says no it is a no.
    error = judge_order(refusal(code), status=400)
    assert isinstance(error, Rejected)
    assert (error.code, error.mend) == (code, None)
    error = judge_order(refusal(code), status=401)
    assert isinstance(error, Rejected)
    assert error.mend is Mend.CREDENTIALS


def test_a_setting_explains_a_code() -> None:
    client = make_client(refusals={"400001": "price", "200011": "final"})
    for code, mend in (("400001", Mend.PRICE), ("200011", None)):
        with pytest.raises(Rejected) as caught:
            client.read_order_reply(make_reply(refusal(code)), ORDER)
        assert caught.value.mend is mend


@pytest.mark.parametrize("path", ["", "reseller/v9"])
def test_a_wrong_address_is_a_matter_of_settings(path: str) -> None:
    error = judge_order(f"<html>{path} not found</html>".encode(), status=404)
    assert isinstance(error, Rejected)
    assert (error.code, error.mend) == ("404", Mend.CREDENTIALS)


def test_a_refusal_without_a_code_proves_nothing() -> None:
    error = judge_order(refusal(None, "No."))
    assert isinstance(error, OutcomeUnknown)
    assert error.message == "The provider answered No.; the request may have been carried out"


def test_a_top_up_is_not_believed_to_be_refused_by_a_busy_server() -> None:
    client = make_client()
    for code, kind in (("900001", OutcomeUnknown), ("101013", RateLimited), ("310402", KeyTaken)):
        with pytest.raises(kind) as caught:
            client.read_top_up_reply(make_reply(refusal(code), operation="topup"), TOP_UP)
        assert caught.value.code == code
    with pytest.raises(Rejected) as still:
        client.read_top_up_reply(make_reply(refusal("200010"), operation="topup"), TOP_UP)
    assert still.value.mend is Mend.TIME


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("cancel", RateLimited),
        ("suspend", RateLimited),
        ("unsuspend", RateLimited),
        ("revoke", RateLimited),
        ("sms", OutcomeUnknown),
    ],
)
def test_a_text_is_not_sent_again_after_a_busy_server(name: str, kind: type[ProviderError]) -> None:
    """What was done to a line is seen on it before it is tried again; a text that arrived is seen nowhere."""
    client = make_client()
    capability = Capability.SMS if name == "sms" else Capability.CANCEL
    with pytest.raises(kind) as caught:
        client.read_control_reply(make_reply(refusal("900001"), operation=name), capability)
    assert caught.value.code == "900001"
    with pytest.raises(RateLimited):
        client.read_control_reply(make_reply(refusal("101013"), operation=name), capability)


@pytest.mark.parametrize("name", ["cancel", "suspend", "unsuspend", "revoke", "sms"])
def test_for_one_line_there_is_nothing_to_mend_but_time(name: str) -> None:
    client = make_client()
    for code, mend in (("200002", None), ("200007", None), ("200009", None), ("310403", None), ("200010", Mend.TIME)):
        with pytest.raises(Rejected) as caught:
            client.read_control_reply(make_reply(refusal(code), operation=name), Capability.CANCEL)
        assert (caught.value.code, caught.value.mend) == (code, mend)


@pytest.mark.django_db
def test_a_read_tells_the_code_and_the_text() -> None:
    with scripted(*replies(refusal("000001", "Server error"), refusal("200009", "Abnormal"))) as server:
        client = make_client(url=server.url)
        for code in ("000001", "200009"):
            with pytest.raises(Unavailable) as caught:
                client.read_balance()
            assert caught.value.code == code
            assert code in caught.value.message


@pytest.mark.django_db
def test_no_key_shows_where_the_provider_repeats_it(configure: Callable[..., None]) -> None:
    configure("esim-access", code=CODE, secret_key=SECRET)
    error = judge_order(refusal("101003", f"Signature mismatch for {CODE} and {SECRET}"))
    assert error.message == "The provider refused: 101003 Signature mismatch for [redacted] and [redacted]"


# -- log and health ---------------------------------------------------------------------------------------------------


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("body", "outcome", "fails"),
    [
        (envelope({"orderNo": "B1"}), "ok", False),
        (refusal("200007", "Insufficient account balance"), "rejected", False),
        (refusal("101003", "Request signature mismatch."), "rejected", True),
        (refusal("101013", "busy"), "rate_limited", False),
        (refusal("000001", "Server error"), "unknown", True),
    ],
)
def test_log_and_health_know_what_an_http_200_means(
    body: bytes, outcome: str, fails: bool, configure: Callable[..., None]
) -> None:
    configure("esim-access", url="https://access.example", code=CODE)
    ensure_accounts()
    with scripted(*replies(body)) as server:
        assert make_client(url=server.url).send_order(ORDER).body == body
    row = ProviderCall.objects.get()
    assert (row.operation, row.outcome, row.status) == ("order", outcome, 200)
    account = ProviderAccount.objects.get(slug="esim-access")
    assert (account.last_failure_at is not None) is fails
    assert (account.last_success_at is not None) is (outcome == "ok")


@pytest.mark.django_db
def test_order_numbers_stay_readable_in_the_log_and_secrets_do_not() -> None:
    body = envelope({"orderNo": "B221027063819924", "transactionId": "t", "eid": "8" * 32, "puk": "12345678"})
    with scripted(*replies(body)) as server:
        make_client(url=server.url).send_order(ORDER)
    row = ProviderCall.objects.get()
    assert '"orderNo": "B221027063819924"' in row.reply
    assert row.reply.count("[redacted]") == 2


# -- settings ---------------------------------------------------------------------------------------------------------

GOOD: dict[str, Any] = {"url": "https://api.esimaccess.com/", "code": "code"}


def read(**changes: Any) -> EsimAccessConfig:
    return EsimAccessConfig.from_settings("esim-access", {**GOOD, **changes})


def test_defaults() -> None:
    config = read()
    assert (config.url, config.access_code, config.secret_key) == ("https://api.esimaccess.com", "code", "")
    assert (config.checks_prices, config.packages_timeout, config.webhook_senders) == (True, 180.0, ())
    assert config.budget == RateBudget(calls=8, seconds=1.0, reserve=2, margin=0.03, scope="account")
    assert config.refusals == {}
    assert "code" not in repr(config).replace("access_code", "")


def test_limits_and_refusals_are_settings() -> None:
    config = read(limits={"calls": 4, "seconds": 2}, refusals={"401001": "credentials"})
    assert config.budget == RateBudget(calls=4, seconds=2.0, reserve=1, margin=0.03, scope="account")
    assert config.refusals == {"401001": Meaning.CREDENTIALS}


@pytest.mark.parametrize(
    ("changes", "variable"),
    [
        ({"url": ""}, "ESIM_ACCESS_URL"),
        ({"url": "api.esimaccess.com"}, "ESIM_ACCESS_URL"),
        ({"url": "https://user:pw@host"}, "ESIM_ACCESS_URL"),
        ({"url": "https://host:port"}, "ESIM_ACCESS_URL"),
        ({"code": ""}, "ESIM_ACCESS_CODE"),
        ({"code": "line\nbreak"}, "ESIM_ACCESS_CODE"),
        ({"webhook_secret": "short"}, "ESIM_ACCESS_WEBHOOK_SECRET"),
        ({"webhook_secret": "a/path/with/slashes/in/it"}, "ESIM_ACCESS_WEBHOOK_SECRET"),
        ({"webhook_ips": ["example.com"]}, "ESIM_ACCESS_WEBHOOK_IPS"),
        ({"webhook_ips": {"a": 1}}, "ESIM_ACCESS_WEBHOOK_IPS"),
        ({"packages_timeout": 0}, "ESIM_ACCESS_PACKAGES_TIMEOUT"),
        ({"packages_timeout": True}, "ESIM_ACCESS_PACKAGES_TIMEOUT"),
        ({"limits": [8]}, "ESIM_ACCESS_LIMITS"),
        ({"limits": {"order": 8}}, "ESIM_ACCESS_LIMITS"),
        ({"limits": {"calls": 0}}, "ESIM_ACCESS_LIMITS"),
        ({"limits": {"calls": 2, "reserve": 2}}, "ESIM_ACCESS_LIMITS"),
        ({"limits": {"seconds": -1}}, "ESIM_ACCESS_LIMITS"),
        ({"limits": {"margin": 2}}, "ESIM_ACCESS_LIMITS"),
        ({"refusals": ["200011"]}, "ESIM_ACCESS_REFUSALS"),
        ({"refusals": {"200011": "never"}}, "ESIM_ACCESS_REFUSALS"),
        ({"refusals": {"two words": "final"}}, "ESIM_ACCESS_REFUSALS"),
    ],
)
def test_a_wrong_setting_is_named(changes: dict[str, Any], variable: str) -> None:
    with pytest.raises(ImproperlyConfigured, match=variable):
        read(**changes)


def test_webhooks_are_offered_with_a_secret_only(configure: Callable[..., None]) -> None:
    configure("esim-access", url="https://access.example", code="code")
    assert not offers("esim-access", Capability.WEBHOOKS)
    assert not offers("esim-access", Capability.WEBHOOK_SETUP)
    configure("esim-access", webhook_secret="unguessable-part-of-the-path")
    assert offers("esim-access", Capability.WEBHOOKS)
    assert offers("esim-access", Capability.WEBHOOK_SETUP)


# -- the one budget ---------------------------------------------------------------------------------------------------


def test_all_operations_share_one_budget() -> None:
    budgets = make_client().budgets
    assert set(budgets) == set(PATHS)
    assert {budget.scope for budget in budgets.values()} == {"account"}
    budget = budgets["query"]
    # What is left of the limit after the margin: at least 95 of 100.
    assert budget.seconds / (budget.seconds + budget.margin) >= 0.95


@pytest.mark.django_db(transaction=True)
def test_background_work_uses_nearly_all_of_its_share_and_never_more(
    simulator: Simulator, configure: Callable[..., None]
) -> None:
    """Three workers at once for three seconds: six calls a second are theirs."""
    access = Access(simulator)
    access.set_switches(allocation_delay_s=0)
    configure("esim-access", url=access.url, code=ACCESS_CODE, secret_key=SECRET_KEY)
    tran_no = access.buy(access.base_codes()[0])[0]["esimTranNo"]
    time.sleep(1.1)
    before = len(access.requests())
    client = make_client(url=access.url, code=ACCESS_CODE, secret_key=SECRET_KEY)
    ends = time.monotonic() + 3.0
    done: Counter[str] = Counter()

    def work() -> None:
        while time.monotonic() < ends:
            client.read_usage([tran_no])
            done["calls"] += 1

    threads = [threading.Thread(target=_with_own_connection(work)) for _number in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    sent = len(access.requests()) - before
    assert sent == done["calls"]
    # Six at once, and six more for every window that began within the time; who waits at its end still goes.
    assert 0.95 * 6 * 3 <= sent <= 6 * 4 + 3
    assert simulator.books("violations", system="access")["violations"] == 0
    # The reserve is for people: it is free although the background's share is spent.
    started = time.monotonic()
    client.read_line(tran_no, priority=Priority.PEOPLE)
    assert time.monotonic() - started < 0.9


def _with_own_connection(work: Callable[[], None]) -> Callable[[], None]:
    def run() -> None:
        try:
            work()
        finally:
            connection.close()

    return run
