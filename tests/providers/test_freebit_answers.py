"""What each of freebit's answers means, whatever it looks like on the way."""

from datetime import timedelta
from typing import Any

import pytest

from providers.errors import Mend, OutcomeUnknown, ProviderError, RateLimited, Rejected
from providers.freebit.rules import RESULT_CODES
from providers.types import OrderOutcome
from tests.providers.freebit_calls import ACCEPTED, CODE, EID, envelope, make_client, make_request, reply_of


def read(body: bytes, **reply: Any) -> OrderOutcome:
    return make_client().read_activation_reply(reply_of(body, **reply), make_request())


def fail(body: bytes, **reply: Any) -> Any:
    with pytest.raises(ProviderError) as caught:
        read(body, **reply)
    assert (caught.value.account, caught.value.operation) == ("freebit", "activate")
    return caught.value


FINAL = {"208", "310", "371"}
MENDS = {"205": Mend.CREDENTIALS, "228": Mend.CREDENTIALS, "275": Mend.STOCK, "374": Mend.TIME}


@pytest.mark.parametrize("code", sorted(RESULT_CODES))
@pytest.mark.parametrize("kind", [int, str])
def test_every_code_of_the_document(code: str, kind: type) -> None:
    error = fail(envelope(kind(code), kind(RESULT_CODES[code].status)))
    assert error.code == code
    assert f"({RESULT_CODES[code].status}-{code})" in error.message
    if code == "900":
        assert type(error) is OutcomeUnknown
    elif code in ("230", "284"):
        assert type(error) is RateLimited
        assert error.retry_after == timedelta(seconds=60)
    else:
        assert type(error) is Rejected
        assert error.mend is (None if code in FINAL else MENDS.get(code, Mend.DATA))
        assert error.field == RESULT_CODES[code].field


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (envelope(100, 200), 200),
        (envelope("100", "200"), 200),
        (envelope(" 100 ", "200"), 200),
        (b'{"resultCode": 100.0, "status": {"statusCode": 2e2}}', 200),
        (b'\xef\xbb\xbf{"resultCode":"100","status":{"message":null,"statusCode":"200","more":[]},"x":{}}', 200),
        # The HTTP status is not given: the body counts.
        (envelope(100, 200), 500),
        (envelope(100, 200), 201),
        (envelope(100, 200), 429),
    ],
)
def test_accepted(body: bytes, status: int) -> None:
    assert read(body, status=status) == OrderOutcome(transaction_id="", order_ref=CODE, lines=(), final=False)


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (envelope(100, 400), "100"),
        (envelope(100, 500), "100"),
        (envelope(100), "100"),
        (envelope(100, None), "100"),
        (envelope(200, 200), "200"),
        (envelope(200, 100), "200"),
        (envelope(0, 200), "0"),
        (envelope(215, 200), "215"),
        (envelope(205, 200), "205"),
        (envelope(999, 200), "999"),
        (envelope(999, 500), "999"),
        (envelope(999), "999"),
        (envelope(400), "400"),
        (envelope(True, 200), "200"),
        (envelope("", 200), "200"),
        (envelope("1O0", 200), "200"),
        (envelope([100], 200), "200"),
        (b'{"status": {"statusCode": 200}}', "200"),
        (b"[100, 200]", "200"),
        (b"null", "200"),
        (b"", "200"),
        (b"<html>OK</html>", "200"),
    ],
)
def test_what_leaves_the_outcome_unknown(body: bytes, code: str) -> None:
    error = fail(body)
    assert type(error) is OutcomeUnknown
    assert (error.code, error.transaction_id) == (code, "")


def test_a_reply_that_was_cut_off_proves_nothing() -> None:
    for body in (ACCEPTED, envelope("215", "400")):
        assert type(fail(body, complete=False)) is OutcomeUnknown
    assert type(fail(b"", status=403, complete=False)) is OutcomeUnknown


@pytest.mark.parametrize(
    ("code", "status", "mend"),
    [("398", 400, Mend.DATA), ("299", 403, Mend.CREDENTIALS), ("298", 404, Mend.DATA), ("233", "400", Mend.DATA)],
)
def test_a_new_code_of_a_class_that_did_nothing(code: str, status: object, mend: Mend) -> None:
    error = fail(envelope(code, status, "New rule"))
    assert (type(error), error.code, error.mend, error.field) == (Rejected, code, mend, None)
    assert error.message == f"The provider refused ({status}-{code}): New rule"


def test_a_known_code_is_enough_and_may_stand_in_the_other_place() -> None:
    assert (fail(envelope("277")).code, fail(envelope("277")).field) == ("277", "simKind")
    # The parameters' table calls statusCode the detail code.
    error = fail(envelope(400, 277))
    assert (type(error), error.code, error.field, error.mend) == (Rejected, "277", "simKind", Mend.DATA)


@pytest.mark.parametrize("status", [401, 403, 404, 405, 415])
def test_a_server_in_front_that_did_not_let_it_through(status: int) -> None:
    error = fail(b"<html>", status=status)
    assert (type(error), error.code, error.mend) == (Rejected, str(status), Mend.CREDENTIALS)
    assert error.message == f"The provider refused (HTTP {status})"


@pytest.mark.parametrize("status", [200, 204, 301, 307, 400, 408, 409, 410, 422, 499, 500, 502, 503, 504])
def test_any_other_status_without_an_answer(status: int) -> None:
    error = fail(b"<html>", status=status)
    assert (type(error), error.code) == (OutcomeUnknown, str(status))


def test_a_rate_limit_and_how_long() -> None:
    assert fail(b"", status=429).retry_after == timedelta(seconds=60)
    assert fail(envelope(900, 429), status=429, retry_after="30").retry_after == timedelta(seconds=30)
    assert fail(envelope(230, 500), retry_after="7").retry_after == timedelta(seconds=7)
    busy = make_client(busy_seconds=5)
    with pytest.raises(RateLimited) as caught:
        busy.read_activation_reply(reply_of(envelope(284, 500)), make_request())
    assert (caught.value.retry_after, caught.value.code) == (timedelta(seconds=5), "284")


def test_a_text_of_theirs_is_shown_without_numbers_and_names() -> None:
    error = fail(envelope("398", 400, f"Number 080-1111-2222 of 山田太郎 ({EID}) is wrong\r\n"))
    assert error.message == "The provider refused (400-398): Number … of ([redacted]) is wrong"


def test_a_stored_reply_is_read_without_the_form() -> None:
    bare = type(make_request())(eid=EID, delivery_code=CODE, payload={})
    assert make_client().read_activation_reply(reply_of(ACCEPTED), bare).order_ref == CODE
