"""Secrets and personal data leave no trace; handles stay."""

import json
import time
from typing import Any

import pytest

from providers.redaction import MASK, redact, redact_body, redact_path, redact_text
from tests.providers.samples import LINE

EID = "89049032123451234512345678901235"
IMEI = "356938035643809"
ICCID = "8981100000000000002"
LPA = "LPA:1$smdp.example.com$CODE123"
JWT = "eyJhbGciOiJIUzI1NiJ9.eyJpYXQiOjE3MDAwMDAwMDB9.c2ln"


@pytest.mark.parametrize(
    "name",
    [
        "qrCode",
        "QRCODE",
        "qr_code",
        "activationCode",
        "ac",
        "matchingId",
        "lpa",
        "eid",
        "imei",
        "imsi",
        "pin",
        "puk2",
        "X-API-Key-ID",
        "X-API-Key-Secret",
        "Authorization",
        "access_token",
        "RT-AccessCode",
        "authKey",
        "masterPassword",
        "webhook_secret",
        "firstName",
        "last_name_kana",
        "birthday",
        "email",
        "phoneNumber",
        "msisdn",
    ],
)
def test_secret_names(name: str) -> None:
    assert redact({name: "value"}) == {name: MASK}
    assert redact({"outer": [{name: {"inner": "value"}}]}) == {"outer": [{name: MASK}]}
    assert "value" not in redact_text(f'{{"a": 1, "{name}": "value", "b"')
    assert "value" not in redact_text(f"{name}: value")
    assert "value" not in redact_text(f"failed with {name}=value&x=1")


@pytest.mark.parametrize(
    "name", ["iccid", "planName", "planCode", "transactionId", "smdpAddress", "name", "providerCode", "account", "code"]
)
def test_names_that_stay(name: str) -> None:
    assert redact({name: "value"}) == {name: "value"}
    assert redact_text(f'{{"{name}": "value", "b') == f'{{"{name}": "value", "b'


@pytest.mark.parametrize("empty", [None, "", [], {}])
def test_what_is_empty_stays_visible(empty: Any) -> None:
    assert redact({"qrCode": empty}) == {"qrCode": empty}


@pytest.mark.parametrize(
    "secret",
    [
        LPA,
        LPA.lower(),
        "1$smdp.example.com$CODE123",
        "LPA:1$smdp.exam",
        EID,
        IMEI,
        "3569380356438091",
        "a.b@c.example",
        JWT,
    ],
)
def test_what_looks_like_a_secret_is_one_under_any_name(secret: str) -> None:
    assert redact({"note": f"see {secret}, please"})["note"].startswith(f"see {MASK}")
    assert secret not in redact_text(f"see {secret}")
    assert secret not in redact_path(f"/lines/{secret}/x?note={secret}")


def test_iccids_stay() -> None:
    for iccid in (ICCID, ICCID[:18], ICCID + "3", ICCID + "345"):
        assert redact({"a": iccid, "b": [f"line {iccid}"]}) == {"a": iccid, "b": [f"line {iccid}"]}
        assert redact_path(f"/esim/{iccid}") == f"/esim/{iccid}"


def test_numbers_are_searched_too() -> None:
    assert redact({"a": int(IMEI), "b": int(ICCID), "c": 5, "d": True}) == {
        "a": MASK,
        "b": int(ICCID),
        "c": 5,
        "d": True,
    }


@pytest.mark.parametrize("cut", range(0, 900, 7))
def test_a_body_that_is_cut_anywhere_gives_nothing_away(cut: int) -> None:
    text = json.dumps(LINE, separators=(",", ":"))[:cut]
    redacted = redact_text(text)
    for secret in ("smdp.example.com$CODE", "CODE123", "CODE1", "123456789012"):
        assert secret not in redacted
    if cut > 60:
        assert "8981100000000000001" in redacted


@pytest.mark.parametrize(
    "text",
    [
        '{"eid": ["%s", "abc"',
        '{"token": {"inner": "%s", "more"',
        '{"outer": "{\\"qrCode\\": \\"%s\\"}"',
        '{"outer": "{\\"qrCode\\": \\"%s',
        '{"qr\\u0043ode": "%s"',
        'oops {"qrCode": "%s"} oops',
        "{'qrCode': '%s'}",
        '{"qrCode" \n : \n "%s',
        '[{"a": 1}, {"authKey": %s',
    ],
)
def test_broken_json(text: str) -> None:
    assert "hunter2" not in redact_text(text % "hunter2")


def test_json_inside_json() -> None:
    inner = json.dumps({"masterPassword": "hunter2", "iccid": ICCID})
    redacted = redact({"json": inner})["json"]
    assert "hunter2" not in redacted
    assert ICCID in redacted


def test_forms_and_queries() -> None:
    body = b"json=%7B%22authKey%22%3A%22hunter2%22%2C%22planCode%22%3A%22P%22%7D&token=hunter3&page=1"
    text = redact_body(body, content_type="application/x-www-form-urlencoded", limit=1000)
    assert "hunter" not in text
    assert "page=1" in text
    assert redact_path("/a?token=hunter2&page=1") == "/a?token=[redacted]&page=1"


FORM = (
    b"json=%7B%22authKey%22%3A%22hunter2%22%2C%22account%22%3A%2208011112222%22%2C%22mnp%22%3A%7B%22lastnameKanji%22"
    b"%3A%22%E5%B1%B1%E7%94%B0%22%7D%7D"
)


@pytest.mark.parametrize("content_type", ["application/x-www-form-urlencoded", ""])
@pytest.mark.parametrize("length", [len(FORM), len(FORM) - 9, 40])
def test_a_request_in_one_form_field_is_masked_as_one(content_type: str, length: int) -> None:
    text = redact_body(FORM[:length], content_type=content_type, limit=1000)
    assert text in ("json=[redacted]", "[redacted]")


def test_a_quoted_form_field_is_masked_as_one() -> None:
    assert redact_text(f"could not send {FORM.decode()} today") == "could not send [redacted] today"


@pytest.mark.parametrize(
    "name",
    [
        *("masterAccount", "masterPassword", "repAccount", "oldEid", "oldProductNumber", "reserveNumber", "birthday"),
        *("lastnameKanji", "firstnameKanji", "lastnameZenKana", "firstnameZenKana", "authKey", "oemId", "oemKey"),
    ],
)
def test_the_fields_of_an_activation(name: str) -> None:
    assert redact({name: "hunter2"}) == {name: "[redacted]"}
    assert "hunter2" not in redact_text('{"' + name + '": "hunter2')


def test_bodies_are_storable_and_short() -> None:
    assert redact_body(b'{"a": "\\u0000\\ud800"}', limit=100) == '{"a": "\\u0000\ufffd"}'
    assert redact_body(b"\xff\x00", limit=100) == "\ufffd\ufffd"
    assert len(redact_body(b"x" * 500, limit=100)) == 100
    assert redact_body(b"", limit=100) == ""


def test_a_sentence_stays_readable() -> None:
    text = f"The plan KD0001 for {ICCID} (HTTP 404): not found at 12:30"
    assert redact_text(text) == text


def test_deep_nesting_does_no_harm() -> None:
    text = '{"a":' * 5000 + '{"qrCode":"hunter2"'
    assert "hunter2" not in redact_text(text)


@pytest.mark.parametrize("piece", ["a", "1", "a.", "a-", '"', '\\"', '{"a":', "a:", "x@a.", '{"a', "LPA:", "1$a"])
def test_long_bodies_of_any_kind_are_quickly_done(piece: str) -> None:
    started = time.process_time()
    redact_body((piece * 64_000)[:64_000].encode(), limit=4000)
    assert time.process_time() - started < 2


def test_the_log_of_calls_keeps_no_link_to_a_line() -> None:
    link = "http://127.0.0.1:8000/l/" + "aZ0-_" * 8 + "x2/"
    for body in ({"message": f"Your data is used {link}"}, f"message: {link}"):
        text = redact_text(json.dumps(body))
        assert "aZ0" not in text
        assert f"/l/{MASK}/" in text
    # JSON may escape its slashes, and a text may be cut off.
    cut = r"look http:\/\/x\/l\/" + "aZ0-_" * 6
    assert redact_text(cut) == rf"look http:\/\/x\/l\/{MASK}"
    assert redact_text(f'{{"message": "{cut}') == f'{{"message": "look http://x/l/{MASK}"'
    for plain in ("/l/short/", "/lines/0123456789abcdefgh/", "/esims/1/l"):
        assert redact_text(plain) == plain
