"""What the reply to an order may say. Replies are stored ones: reading them needs no network."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from providers.base import Provider
from providers.errors import Mend, OutcomeUnknown, RateLimited, Rejected
from providers.registry import get_provider
from providers.types import LineState, OrderOutcome, OrderRequest, ProviderReply
from tests.providers.samples import NEW_LINE
from tests.simulator_client import Simulator

TRANSACTION = "a1b2c3d4-e5f6-7890-abcd-ef1234567890"
SENT = datetime(2026, 1, 22, 11, tzinfo=UTC)


@pytest.fixture
def provider(configure: Callable[..., None]) -> Provider:
    configure("esim-commerce", url="https://wholesaler.invalid", key_id="id", key_secret="secret")
    return get_provider("esim-commerce")


def make_line(number: int, **changes: Any) -> dict[str, Any]:
    return {**NEW_LINE, "iccid": f"89811000000000{number:05d}", **changes}


def make_reply(body: Any, *, status: int = 201, complete: bool = True, **headers: str) -> ProviderReply:
    return ProviderReply(
        operation="order",
        status=status,
        headers={name.replace("_", "-"): value for name, value in headers.items()},
        body=body if isinstance(body, bytes) else json.dumps(body).encode(),
        complete=complete,
        sent_at=SENT,
        received_at=SENT + timedelta(seconds=3),
    )


def read(provider: Provider, reply: ProviderReply, quantity: int = 2) -> OrderOutcome:
    return provider.read_order_reply(reply, OrderRequest(plan_ref="P", quantity=quantity, idempotency_key="k"))


def order_body(*lines: Any, **changes: Any) -> dict[str, Any]:
    return {"transactionId": TRANSACTION, "esims": list(lines), **changes}


@pytest.mark.parametrize("status", [200, 201, 202])
def test_a_full_reply(provider: Provider, status: int) -> None:
    outcome = read(provider, make_reply(order_body(make_line(1), make_line(2)), status=status))
    assert (outcome.transaction_id, outcome.final, outcome.faults) == (TRANSACTION, True, ())
    assert [line.iccid for line in outcome.lines] == ["8981100000000000001", "8981100000000000002"]
    assert {line.state for line in outcome.lines} == {LineState.READY}


def test_the_same_reply_always_says_the_same(provider: Provider) -> None:
    reply = make_reply(order_body(make_line(1)))
    assert read(provider, reply) == read(provider, reply)


def test_more_esims_than_ordered_are_all_ours(provider: Provider) -> None:
    outcome = read(provider, make_reply(order_body(make_line(1), make_line(2), make_line(3))))
    assert (len(outcome.lines), outcome.final) == (3, True)
    assert [fault.where for fault in outcome.faults] == ["esims"]


def test_an_esim_that_comes_twice_counts_once(provider: Provider) -> None:
    outcome = read(provider, make_reply(order_body(make_line(1), make_line(1))))
    assert (len(outcome.lines), outcome.final) == (1, False)
    assert [fault.where for fault in outcome.faults] == ["esims[1]", "esims"]


@pytest.mark.parametrize("member", [None, 5, "x", [], {}, {"iccid": None}, {"iccid": "12"}])
def test_an_esim_that_cannot_be_read_costs_only_itself(provider: Provider, member: Any) -> None:
    outcome = read(provider, make_reply(order_body(make_line(1), member)))
    assert ([line.iccid for line in outcome.lines], outcome.final) == (["8981100000000000001"], False)
    assert [fault.where for fault in outcome.faults] == ["esims[1]", "esims"]


def test_no_esim_at_all_is_asked_for_by_the_transaction(provider: Provider) -> None:
    outcome = read(provider, make_reply(order_body()))
    assert (outcome.transaction_id, outcome.lines, outcome.final) == (TRANSACTION, (), False)


@pytest.mark.parametrize("transaction_id", [None, "", 5, {}, "x" * 65])
def test_esims_without_a_transaction_are_delivered_nevertheless(provider: Provider, transaction_id: Any) -> None:
    outcome = read(provider, make_reply(order_body(make_line(1), make_line(2), transactionId=transaction_id)))
    assert (outcome.transaction_id, len(outcome.lines), outcome.final) == ("", 2, True)
    assert [fault.where for fault in outcome.faults] == ["transactionId"]


def test_a_reply_that_names_nothing_is_an_unknown_outcome(provider: Provider) -> None:
    with pytest.raises(OutcomeUnknown) as caught:
        read(provider, make_reply({"esims": []}))
    assert caught.value.transaction_id == ""


@pytest.mark.parametrize(
    "body",
    [
        {"transactionId": TRANSACTION},
        {"transactionId": TRANSACTION, "esims": None},
        {"transactionId": TRANSACTION, "esims": {}},
        {"code": "OOPS", "data": {"transactionId": TRANSACTION}},
        f'{{"transactionId" : "{TRANSACTION}", "esims": [{{"iccid": NaN}}]}}'.encode(),
        f'{{"transactionId":"{TRANSACTION}","esims":[{{"icc'.encode(),
        f'{{"transactionId":"{TRANSACTION}","esims":'.encode() + b"[" * 100_000,
        f'{{"transactionId":"{TRANSACTION}","x":{"[" * 60}{"]" * 60},"esims":[]}}'.encode(),
        f'{{"transactionId":"{TRANSACTION}","esims":["'.encode() + b'\xff\xfe"]}',
    ],
)
def test_nonsense_after_an_order_is_unknown_and_keeps_the_transaction(provider: Provider, body: Any) -> None:
    with pytest.raises(OutcomeUnknown) as caught:
        read(provider, make_reply(body))
    assert caught.value.transaction_id == TRANSACTION


@pytest.mark.parametrize("status", [200, 201])
def test_a_reply_that_was_cut_off_is_unknown_even_if_it_parses(provider: Provider, status: int) -> None:
    with pytest.raises(OutcomeUnknown) as caught:
        read(provider, make_reply(order_body(make_line(1), make_line(2)), status=status, complete=False))
    assert caught.value.transaction_id == TRANSACTION


def test_a_byte_order_mark_is_tolerated(provider: Provider) -> None:
    body = b"\xef\xbb\xbf" + json.dumps(order_body(make_line(1), make_line(2))).encode()
    assert read(provider, make_reply(body)).final is True


@pytest.mark.parametrize(
    ("status", "mend"),
    [
        (400, None),
        (404, None),
        (410, None),
        (422, None),
        (401, Mend.CREDENTIALS),
        (403, Mend.CREDENTIALS),
        (405, Mend.CREDENTIALS),
        (415, Mend.CREDENTIALS),
        (402, Mend.BALANCE),
        (409, Mend.STOCK),
    ],
)
def test_refusals(provider: Provider, status: int, mend: Mend | None) -> None:
    # The status line alone tells: a cut body does not matter.
    for complete in (True, False):
        with pytest.raises(Rejected) as caught:
            read(provider, make_reply(b"<html>", status=status, complete=complete))
        assert (caught.value.code, caught.value.mend) == (str(status), mend)


@pytest.mark.parametrize(
    "status", [101, 300, 302, 304, 308, 408, 418, 421, 425, 451, 499, 500, 502, 503, 504, 520, 599]
)
def test_a_status_that_does_not_say_no_leaves_the_outcome_unknown(provider: Provider, status: int) -> None:
    with pytest.raises(OutcomeUnknown) as caught:
        read(provider, make_reply({"transactionId": TRANSACTION}, status=status))
    assert (caught.value.code, caught.value.transaction_id) == (str(status), TRANSACTION)


def test_a_rate_limit_was_not_processed(provider: Provider) -> None:
    with pytest.raises(RateLimited) as caught:
        read(provider, make_reply({}, status=429, retry_after="12"))
    assert caught.value.retry_after == timedelta(seconds=12)


@pytest.mark.parametrize(
    ("body", "code", "says"),
    [
        ({"code": "NO_PLAN", "message": "No such plan"}, "NO_PLAN", "No such plan"),
        ({"error": {"code": "NO_PLAN", "message": "No such plan"}}, "NO_PLAN", "No such plan"),
        ({"error": "No such plan"}, "404", "No such plan"),
        ({"errors": [{"message": "No such plan", "field": "planCode"}]}, "404", "No such plan"),
        ({"statusCode": 404, "message": ["No plan", "second"], "error": "Not Found"}, "404", "No plan; second"),
        ({"title": "No such plan", "detail": "gone"}, "404", "gone"),
        (["No such plan"], "404", "No such plan"),
        ({"message": "line\n\tbreak\u0000s"}, "404", "line break\ufffds"),
        ({"message": "bad code LPA:1$smdp.example.com$CODE123 here"}, "404", "bad code [redacted] here"),
        (b"<html>nothing</html>", "404", "(HTTP 404)"),
        (b"", "404", "(HTTP 404)"),
    ],
)
def test_the_words_of_an_error_body_are_shown(provider: Provider, body: Any, code: str, says: str) -> None:
    with pytest.raises(Rejected) as caught:
        read(provider, make_reply(body, status=404))
    assert caught.value.code == code
    assert says in caught.value.message


def test_the_field_at_fault_is_told(provider: Provider) -> None:
    with pytest.raises(Rejected) as caught:
        read(provider, make_reply({"errors": [{"field": "planCode"}]}, status=422))
    assert caught.value.field == "planCode"


def test_the_meaning_of_refusals_is_a_setting(configure: Callable[..., None], provider: Provider) -> None:
    configure("esim-commerce", refusals={"409": "final", "503": "stock", "SOLD_OUT": "stock", "400": "unknown"})
    provider = get_provider("esim-commerce")
    with pytest.raises(Rejected) as caught:
        read(provider, make_reply({}, status=409))
    assert caught.value.mend is None
    with pytest.raises(Rejected) as caught:
        read(provider, make_reply({"code": "SOLD_OUT"}, status=422))
    assert caught.value.mend is Mend.STOCK
    # A number in the body is not a status, a 5xx never a refusal.
    with pytest.raises(Rejected) as caught:
        read(provider, make_reply({"code": 402}, status=422))
    assert caught.value.mend is None
    for status in (400, 503):
        with pytest.raises(OutcomeUnknown):
            read(provider, make_reply({}, status=status))


@pytest.mark.django_db
@pytest.mark.parametrize("quantity", [0, -1, 1001])
def test_a_quantity_out_of_range_is_not_sent(accounts: Simulator, quantity: int) -> None:
    with pytest.raises(ValueError, match="one order holds 1 to 1000 eSIMs"):
        get_provider("esim-commerce").send_order(
            OrderRequest(plan_ref="KD0001", quantity=quantity, idempotency_key="k")
        )
    assert accounts.books("requests")["requests"] == []


@pytest.mark.django_db
def test_the_order_is_sent_as_documented(accounts: Simulator) -> None:
    provider = get_provider("esim-commerce")
    plan_ref = accounts.plan_codes()[0]
    reply = provider.send_order(OrderRequest(plan_ref=plan_ref, quantity=3, idempotency_key="k"))
    assert (reply.operation, reply.complete) == ("order", True)
    assert reply.sent_at < reply.received_at
    (request,) = accounts.requests("order")
    assert (request["method"], request["path"]) == ("POST", "/esim/orders")
    assert request["body"] == f'{{"planCode":"{plan_ref}","quantity":3}}'


@pytest.mark.django_db
@pytest.mark.parametrize(("reason", "mend"), [("insufficient_balance", Mend.BALANCE), ("out_of_stock", Mend.STOCK)])
def test_what_staff_can_mend_is_told(accounts: Simulator, reason: str, mend: Mend) -> None:
    accounts.order_fault("refuse", "order", reason=reason)
    provider = get_provider("esim-commerce")
    request = OrderRequest(plan_ref=accounts.plan_codes()[0], quantity=1, idempotency_key="k")
    with pytest.raises(Rejected) as caught:
        provider.read_order_reply(provider.send_order(request), request)
    assert caught.value.mend is mend
    assert accounts.orders() == []
