"""freebit's two calls: the form, the key, the answers as written, and the documented examples."""

import json
from typing import Any

import pytest

from tests.simulator.freebit_samples import EID, EXAMPLES, OTHER_EID, PATTERNS
from tests.simulator_client import ControlRefused, Simulator
from tests.simulator_freebit import ACTIVATE_PATH, AUTH_PATH, OEM_ID, OEM_KEY, Answer, Freebit, read_answer


@pytest.fixture
def freebit(simulator: Simulator) -> Freebit:
    return Freebit(simulator)


def codes(answer: Answer) -> tuple[int, int, int]:
    return answer.http_status, answer.code, answer.status_code


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("new_with_plan", 100),
        ("new_under_representative", 100),
        ("operated_mnp", 356),
        ("operated_mnp_under_representative", 356),
        ("mnp_of_a_person", 100),
        ("mnp_of_a_company", 253),  # printed with half-width spaces, which the document's own rules forbid
        ("reissue", 100),
    ],
)
def test_the_documents_examples_meet_the_documents_rules(freebit: Freebit, name: str, code: int) -> None:
    assert freebit.activate(EXAMPLES[name]).code == code
    assert len(freebit.orders()) == (1 if code == 100 else 0)


@pytest.mark.parametrize("name", ["operated_mnp_under_representative", "operated_mnp"])
def test_a_switch_lifts_the_ban_for_the_two_examples(freebit: Freebit, name: str) -> None:
    freebit.simulator.set_switches(freebit_lift_aladin_ban=True)
    assert freebit.activate(EXAMPLES[name]).code == 100
    assert freebit.activate({**PATTERNS["20R"], "aladinOperated": "10"}).code == 356


def test_an_accepted_request_is_booked_without_money(freebit: Freebit) -> None:
    answer = freebit.activate(PATTERNS["20N"])
    assert answer.body == {"resultCode": "100", "status": {"message": "OK", "statusCode": "200"}}
    [order] = freebit.orders()
    assert (order["plan"], order["quantity"], order["reference"], order["refs"]) == ("100K_PLAN", 1, "XXXX", [EID])
    assert (order["unit_price"], order["total_price"], order["shown"]) == ("0", "0", 0)
    assert freebit.effects() == []
    [request] = freebit.accepted()
    assert (request["state"], request["eid"], request["contract_line"]) == ("pending", EID, "4G")


def test_codes_are_strings_or_numbers_by_switch(freebit: Freebit) -> None:
    freebit.simulator.set_switches(freebit_codes="numbers")
    reply = freebit.send(AUTH_PATH, {"oemId": OEM_ID, "oemKey": OEM_KEY}).json()
    assert (reply["resultCode"], reply["status"]) == (100, {"message": "OK", "statusCode": 200})
    assert freebit.activate(PATTERNS["20N"]).body == {
        "resultCode": 100,
        "status": {"message": "OK", "statusCode": 200},
    }
    answer = freebit.activate({**PATTERNS["20N"], "eid": "1"})
    assert answer.body == {"resultCode": 370, "status": {"message": "Bad Request", "statusCode": 400}}


def test_the_http_status_follows_the_code_by_switch(freebit: Freebit) -> None:
    wrong = {**PATTERNS["20N"], "eid": "1"}
    assert codes(freebit.activate(wrong)) == (200, 370, 400)
    freebit.simulator.set_switches(freebit_http_status="as_code")
    assert codes(freebit.activate(wrong)) == (400, 370, 400)
    assert codes(freebit.activate(PATTERNS["20N"], key="unknown")) == (403, 205, 403)
    assert codes(freebit.activate({**PATTERNS["20N"], "planCode": "NONE"})) == (404, 232, 404)
    assert codes(freebit.activate(PATTERNS["20N"])) == (200, 100, 200)
    assert codes(freebit.activate(PATTERNS["20N"])) == (500, 371, 500)


# Authentication


def test_a_key_is_letters_and_digits_and_lives_an_hour(freebit: Freebit) -> None:
    freebit.simulator.move_clock(at="2026-01-05T00:00:00Z", frozen=True)
    key = freebit.make_key()
    assert key.isascii() and key.isalnum()
    freebit.simulator.move_clock(seconds=3599)
    assert freebit.activate(PATTERNS["20N"], key=key).code == 100
    freebit.simulator.move_clock(seconds=1)
    assert codes(freebit.activate({**PATTERNS["20N"], "eid": OTHER_EID}, key=key)) == (200, 205, 403)
    assert [order["refs"] for order in freebit.orders()] == [[EID]]


def test_the_life_of_a_key_is_a_switch(freebit: Freebit) -> None:
    freebit.simulator.set_switches(freebit_key_life_s=5)
    freebit.simulator.move_clock(at="2026-01-05T00:00:00Z", frozen=True)
    key = freebit.make_key()
    freebit.simulator.move_clock(seconds=5)
    assert freebit.activate(PATTERNS["20N"], key=key).code == 205


def test_a_revoked_key_is_refused_and_a_new_one_works(freebit: Freebit) -> None:
    first, second = freebit.make_key(), freebit.make_key()
    assert freebit.revoke_keys(first) == 1
    assert freebit.activate(PATTERNS["20N"], key=first).code == 205
    assert freebit.orders() == []
    assert freebit.activate(PATTERNS["20N"], key=second).code == 100
    assert freebit.revoke_keys() == 1
    assert freebit.activate({**PATTERNS["20N"], "eid": OTHER_EID}, key=second).code == 205


@pytest.mark.parametrize("key", [None, "", "with-hyphen", "ｆｕｌｌ", 7])
def test_a_malformed_key_is_a_parameter_error(freebit: Freebit, key: Any) -> None:
    document = {name: value for name, value in {**PATTERNS["20N"], "authKey": key}.items() if value is not None}
    assert codes(read_answer(freebit.send(ACTIVATE_PATH, document))) == (200, 228, 400)
    assert freebit.orders() == []


@pytest.mark.parametrize(
    "document",
    [{"oemId": OEM_ID, "oemKey": "x"}, {"oemId": "x", "oemKey": OEM_KEY}, {"oemId": "\ud800", "oemKey": OEM_KEY}, {}],
)
def test_wrong_credentials_make_no_key(freebit: Freebit, document: dict[str, str]) -> None:
    reply = freebit.send(AUTH_PATH, document, data={"json": json.dumps(document)})
    assert codes(read_answer(reply)) == (200, 205, 403)
    assert "authKey" not in reply.json()


# The form


@pytest.mark.parametrize("path", [AUTH_PATH, ACTIVATE_PATH])
@pytest.mark.parametrize(
    "options",
    [
        {"data": None, "json": {"eid": EID}},
        {"data": None, "files": {"json": (None, "{}")}},
        {"data": b"{}", "headers": {"Content-Type": "application/x-www-form-urlencoded"}},
        {"data": {"Json": "{}"}},
        {"data": {"json": "[]"}},
        {"data": {"json": "{"}},
        {"data": {"json": ["{}", "{}"]}},
        {"data": b"json=%ff", "headers": {"Content-Type": "application/x-www-form-urlencoded"}},
        {"data": b'{"eid": 1}', "headers": {"Content-Type": "application/json"}},
        {"data": None},
    ],
)
def test_anything_but_the_form_field_is_a_parameter_error(freebit: Freebit, path: str, options: dict[str, Any]) -> None:
    assert codes(read_answer(freebit.send(path, {}, **options))) == (200, 204, 400)
    assert freebit.orders() == []


def test_trap_12_passwords_survive_only_as_a_form_value(freebit: Freebit) -> None:
    document = {**PATTERNS["20M"], "masterPassword": "a+b&c%20=d"}
    assert freebit.activate(document).code == 100
    document = {"authKey": freebit.make_key(), **document, "eid": OTHER_EID}
    by_hand = f"json={json.dumps(document)}".encode()
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    assert read_answer(freebit.send(ACTIVATE_PATH, {}, data=by_hand, headers=headers)).code == 204
    assert len(freebit.orders()) == 1


def test_the_path_ends_with_a_slash(freebit: Freebit) -> None:
    answer = read_answer(freebit.send(ACTIVATE_PATH.rstrip("/"), PATTERNS["20N"]))
    assert codes(answer) == (404, 900, 404)
    assert freebit.send(ACTIVATE_PATH, {}, method="GET").status_code == 405


# Faults


@pytest.mark.parametrize("code", ["208", "230", "275", "284", "287", "288", "289", "304", "310", "374", "900"])
@pytest.mark.parametrize("kind", ["refuse", "refuse_code"])
def test_every_code_can_be_ordered(freebit: Freebit, kind: str, code: str) -> None:
    freebit.order_fault(kind, **({"reason": code} if kind == "refuse" else {"code": code, "message": "NG"}))
    answer = freebit.activate(PATTERNS["20N"])
    assert codes(answer) == (200, int(code), 500)
    assert answer.body["status"]["message"] == "NG"
    assert freebit.orders() == []
    assert freebit.activate(PATTERNS["20N"]).code == 100


def test_an_error_after_the_effect_hides_an_accepted_request(freebit: Freebit) -> None:
    freebit.order_fault("refuse_code_after", code="900", message="NG")
    assert codes(freebit.activate(PATTERNS["20N"])) == (200, 900, 500)
    assert len(freebit.orders()) == 1
    assert freebit.activate(PATTERNS["20N"]).code == 371


def test_an_unknown_code_is_possible_too(freebit: Freebit) -> None:
    freebit.order_fault("refuse_code", code="999")
    assert codes(freebit.activate(PATTERNS["20N"])) == (200, 999, 500)
    freebit.order_fault("refuse_code", code="230", http_status=503)
    assert codes(freebit.activate(PATTERNS["20N"])) == (503, 230, 500)


def test_an_ordered_http_status_keeps_the_envelope(freebit: Freebit) -> None:
    freebit.order_fault("status_after", status=502)
    assert codes(freebit.activate(PATTERNS["20N"])) == (502, 900, 502)
    assert len(freebit.orders()) == 1
    freebit.order_fault("rate_limited")
    assert codes(freebit.activate(PATTERNS["20N"])) == (429, 900, 429)


def test_a_limit_can_be_set_and_counts_on_arrival(freebit: Freebit) -> None:
    freebit.simulator.set_limits(system="freebit", activate=1)
    assert freebit.activate({**PATTERNS["20N"], "eid": "1"}).code == 370
    assert codes(freebit.activate(PATTERNS["20N"])) == (429, 900, 429)
    assert (freebit.orders(), freebit.simulator.violations(), freebit.count_authentications()) == ([], 1, 2)


def test_a_fault_finds_fields_inside_the_form(freebit: Freebit) -> None:
    freebit.order_fault("refuse_code", code="900", match={"eid": OTHER_EID})
    freebit.order_fault("refuse_code", code="310", match={"mnp.gender": "C"})
    assert freebit.activate(PATTERNS["20N"]).code == 100
    assert freebit.activate({**PATTERNS["20N"], "eid": OTHER_EID}).code == 900
    assert freebit.activate({**PATTERNS["20M_company"], "eid": OTHER_EID}).code == 310


def test_a_control_call_that_is_misspelt_is_refused(freebit: Freebit) -> None:
    with pytest.raises(ControlRefused, match="complete takes"):
        freebit._control("POST", "/complete", {"delivery_code": "XXXX"})
    with pytest.raises(ControlRefused, match="The world takes"):
        freebit._control("POST", "/world", {"plan": []})
    with pytest.raises(ControlRefused, match="UNKNOWN_CODE"):
        freebit.complete(code="777")
