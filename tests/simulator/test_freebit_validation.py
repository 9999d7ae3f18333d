"""freebit's own reading of the matrix: each fault gets the document's detail code, and nothing is accepted."""

import json
from datetime import date
from typing import Any

import pytest

from tests.simulator.freebit_samples import COMPANY, EID, OTHER_EID, PATTERNS, PERSON, Document, change
from tests.simulator_client import Simulator
from tests.simulator_freebit import ACTIVATE_PATH, Freebit, read_answer

SPACE = "\u3000"


@pytest.fixture
def freebit(simulator: Simulator) -> Freebit:
    return Freebit(simulator)


def refused(freebit: Freebit, document: Document) -> int:
    """The detail code of a request that must not be accepted."""
    code = freebit.activate(document).code
    assert (freebit.orders(), freebit.accepted()) == ([], [])
    return code


@pytest.mark.parametrize("name", PATTERNS)
def test_every_allowed_pattern_is_accepted(freebit: Freebit, name: str) -> None:
    assert freebit.activate(PATTERNS[name]).code == 100
    assert len(freebit.orders()) == 1


FIELD_CODES = {
    "aladinOperated": 278,
    "masterAccount": 201,
    "masterPassword": 202,
    "createType": 279,
    "eid": 370,
    "account": 201,
    "simKind": 277,
    "contractLine": 360,
    "repAccount": 269,
    "addKind": 333,
    "reissue": 204,
    "reissue.oldProductNumber": 266,
    "reissue.oldEid": 370,
    "mnp": 204,
    "mnp.reserveNumber": 307,
    "mnp.lastnameKanji": 253,
    "mnp.firstnameKanji": 254,
    "mnp.lastnameZenKana": 255,
    "mnp.firstnameZenKana": 256,
    "mnp.gender": 257,
    "mnp.birthday": 258,
    "shipDate": 276,
    "planCode": 215,
    "deliveryCode": 274,
}
# Every field that some pattern takes, in a pattern that takes it.
TAKEN = [
    *(("20N", name) for name in ("createType", "eid", "simKind", "contractLine", "addKind", "planCode")),
    *(("20N", name) for name in ("deliveryCode", "repAccount", "account", "aladinOperated")),
    *(("20M", name) for name in FIELD_CODES if name.startswith("mnp")),
    *(("20M", name) for name in ("masterAccount", "masterPassword", "account", "repAccount", "simKind")),
    *(("20R", name) for name in ("eid", "account", "reissue", "reissue.oldProductNumber", "deliveryCode")),
    *(("10N", name) for name in ("aladinOperated", "account", "simKind", "repAccount", "shipDate")),
]


@pytest.mark.parametrize(("pattern", "name"), TAKEN)
@pytest.mark.parametrize("value", ["", " ", None, 10, ["10"], "\t10", "ü", "x" * 300, "\ud800"])
def test_a_value_that_is_no_text_of_the_right_kind_gets_the_fields_code(
    freebit: Freebit, pattern: str, name: str, value: Any
) -> None:
    outer, _, inner = name.partition(".")
    document = {**PATTERNS[pattern], outer: {**PATTERNS[pattern][outer], inner: value} if inner else value}
    text = json.dumps({"authKey": freebit.make_key(), **document})  # in ASCII, as half a surrogate needs it
    answer = read_answer(freebit.send(ACTIVATE_PATH, None, data={"json": text}))
    assert (answer.code, answer.status_code, freebit.orders()) == (FIELD_CODES[name], 400, [])


@pytest.mark.parametrize(
    ("pattern", "name"),
    [
        *(("20N", name) for name in ("eid", "simKind", "addKind", "createType")),
        *(("20M", name) for name in FIELD_CODES if name.startswith("mnp")),
        *(("20M", name) for name in ("account", "simKind", "createType")),
        *(("20R", name) for name in ("eid", "account", "reissue")),
        *(("10N", name) for name in ("eid", "account", "simKind", "repAccount", "shipDate", "createType")),
    ],
)
def test_a_required_field_that_is_missing_gets_its_code(freebit: Freebit, pattern: str, name: str) -> None:
    assert refused(freebit, change(PATTERNS[pattern], name, None)) == FIELD_CODES[name]


@pytest.mark.parametrize(
    ("pattern", "name", "value"),
    [
        ("20N", "mnp", dict(PERSON)),
        ("20N", "reissue", {"oldEid": OTHER_EID}),
        ("20N", "shipDate", "20170301"),
        ("20M", "shipDate", "20170301"),
        ("20M", "reissue", {"oldEid": OTHER_EID}),
        ("20M_company", "mnp.birthday", "19900101"),
        ("20M_company", "mnp.firstnameKanji", "太郎"),
        ("20M_company", "mnp.firstnameZenKana", "タロウ"),
        ("20R", "simKind", "E0"),
        ("20R", "contractLine", "4G"),
        ("20R", "repAccount", "08000001111"),
        ("20R", "planCode", "100K_PLAN"),
        ("20R", "createType", "new"),
        ("20R", "masterAccount", "a@test.ne.jp"),
        ("20R", "masterPassword", "x"),
        ("20R", "mnp", dict(PERSON)),
        ("10N", "contractLine", "4G"),
        ("10N", "mnp", dict(PERSON)),
        ("10N", "reissue", {"oldEid": OTHER_EID}),
    ],
)
def test_trap_11_a_field_that_is_not_needed_is_refused_unless_a_switch_ignores_it(
    freebit: Freebit, pattern: str, name: str, value: Any
) -> None:
    document = change(PATTERNS[pattern], name, value)
    assert refused(freebit, document) == FIELD_CODES[name]
    freebit.simulator.set_switches(freebit_unneeded_fields="ignore")
    assert freebit.activate(document).code == 100


def test_unknown_fields_are_refused_unless_a_switch_ignores_them(freebit: Freebit) -> None:
    documents = [
        {**PATTERNS["20N"], "deliverycode": "A"},
        change(PATTERNS["20M"], "mnp.lastname", "山田"),
        change(PATTERNS["20R"], "reissue.oldSim", "1"),
    ]
    assert [refused(freebit, document) for document in documents] == [204, 204, 204]
    freebit.simulator.set_switches(freebit_unneeded_fields="ignore")
    assert [freebit.activate({**doc, "eid": f"{n:032d}"}).code for n, doc in enumerate(documents)] == [100, 100, 100]


@pytest.mark.parametrize(("aladin", "kind"), [("10", "M"), ("10", "R")])
def test_trap_01_operated_with_anything_but_new_is_an_unsupported_pattern(
    freebit: Freebit, aladin: str, kind: str
) -> None:
    assert refused(freebit, {**PATTERNS[f"20{kind}"], "aladinOperated": aladin, "shipDate": "20170301"}) == 356


@pytest.mark.parametrize(
    ("name", "good", "bad"),
    [
        ("masterAccount", "a" * 64, "a" * 65),
        ("masterPassword", "~" * 256, "~" * 257),
        ("planCode", None, "a" * 33),
        ("deliveryCode", "a" * 10, "a" * 11),
        ("account", "1" * 14, "1" * 15),
        ("account", "1" * 11, "1" * 10),
        ("repAccount", None, "0800000111"),
        ("eid", OTHER_EID, OTHER_EID + "1"),
        ("mnp.reserveNumber", "0" * 10, "0" * 11),
        ("deliveryCode", "a1Z", "a-1"),
        ("masterAccount", "a!~", "a b"),
    ],
)
def test_lengths_and_characters_at_their_edges(freebit: Freebit, name: str, good: str | None, bad: str) -> None:
    assert refused(freebit, change(PATTERNS["20M"], name, bad)) == FIELD_CODES[name]
    if good is not None:
        assert freebit.activate(change(PATTERNS["20M"], name, good)).code == 100


@pytest.mark.parametrize("name", ["eid", "account", "mnp.reserveNumber", "mnp.birthday"])
def test_trap_14_full_width_digits_are_no_digits(freebit: Freebit, name: str) -> None:
    outer, _, inner = name.partition(".")
    value = PATTERNS["20M"][outer][inner] if inner else PATTERNS["20M"][outer]
    wide = value.translate({ord("0") + digit: 0xFF10 + digit for digit in range(10)})
    assert refused(freebit, change(PATTERNS["20M"], name, wide)) == FIELD_CODES[name]


# Dates


def test_trap_08_a_ship_date_is_compared_with_today_in_japan(freebit: Freebit) -> None:
    freebit.simulator.move_clock(at="2026-03-01T14:59:59Z", frozen=True)
    assert refused(freebit, {**PATTERNS["10N"], "shipDate": "20260302"}) == 276
    freebit.simulator.move_clock(seconds=1)
    assert freebit.activate({**PATTERNS["10N"], "shipDate": "20260302"}).code == 100


@pytest.mark.parametrize("value", ["20260230", "20261301", "20260100", "2026-1-1", "99990101"])
@pytest.mark.parametrize(("pattern", "name"), [("10N", "shipDate"), ("20M", "mnp.birthday")])
def test_a_date_is_a_day_of_the_calendar_that_has_come(freebit: Freebit, pattern: str, name: str, value: str) -> None:
    freebit.simulator.move_clock(at="2026-03-01T00:00:00Z", frozen=True)
    assert refused(freebit, change(PATTERNS[pattern], name, value)) == FIELD_CODES[name]


# Who pays: master accounts


@pytest.mark.parametrize(
    ("ums", "changes", "code"),
    [
        ("either", {"createType": "add"}, 279),
        ("either", {"masterPassword": "x"}, 201),
        ("either", {"masterAccount": "a@b"}, 202),
        ("no", {"masterAccount": "a@b", "masterPassword": "x"}, 201),
        ("no", {"createType": "add"}, 279),
        ("no", {}, 100),
        ("yes", {}, 201),
        ("yes", {"masterAccount": "a@b", "masterPassword": "x"}, 100),
        ("yes", {"masterAccount": "a@b", "createType": "add"}, 210),
    ],
)
def test_trap_03_master_accounts_go_with_user_management_service(
    freebit: Freebit, ums: str, changes: Document, code: int
) -> None:
    freebit.simulator.set_switches(freebit_ums=ums)
    assert freebit.activate({**PATTERNS["20N"], **changes}).code == code
    assert len(freebit.orders()) == (code == 100)


def test_without_a_plan_there_is_no_create_type(freebit: Freebit) -> None:
    document = change(PATTERNS["20N"], "planCode", None)
    assert refused(freebit, document) == 279
    assert refused(freebit, {**change(document, "createType", None), "masterAccount": "a@b"}) == 201
    assert freebit.activate(change(document, "createType", None)).code == 100


# Reissue


@pytest.mark.parametrize(
    ("reissue", "code"),
    [
        ({}, 204),
        ({"oldProductNumber": "CD0009999999004", "oldEid": OTHER_EID}, 204),
        ({"oldEid": EID}, 370),
        ({"oldProductNumber": "cd0009999999004"}, 266),
        ({"oldProductNumber": "CD000999999900"}, 266),
        ({"oldProductNumber": "CD00099999990045"}, 266),
        ("CD0009999999004", 204),
    ],
)
def test_trap_09_exactly_one_old_sim_and_another_one(freebit: Freebit, reissue: Any, code: int) -> None:
    assert refused(freebit, {**PATTERNS["20R"], "reissue": reissue}) == code


# Names


@pytest.mark.parametrize("gender", ["F", "m", "", "X"])
def test_trap_10_a_woman_is_w(freebit: Freebit, gender: str) -> None:
    assert refused(freebit, change(PATTERNS["20M"], "mnp.gender", gender)) == 257
    assert freebit.activate(change(PATTERNS["20M"], "mnp.gender", "W")).code == 100


def test_trap_02_a_company_has_a_full_width_space_inside_only(freebit: Freebit) -> None:
    company = PATTERNS["20M_company"]
    for name in ("lastnameKanji", "lastnameZenKana"):
        half = COMPANY[name].replace(SPACE, " ")
        for wrong in (half, f"{SPACE}{COMPANY[name]}", f"{COMPANY[name]}{SPACE}", SPACE):
            assert refused(freebit, change(company, f"mnp.{name}", wrong)) == FIELD_CODES[f"mnp.{name}"]
    for name in ("lastnameKanji", "firstnameKanji", "lastnameZenKana", "firstnameZenKana"):
        wrong = f"{PERSON[name]}{SPACE}{PERSON[name]}"
        assert refused(freebit, change(PATTERNS["20M"], f"mnp.{name}", wrong)) == FIELD_CODES[f"mnp.{name}"]


@pytest.mark.parametrize("wrong", list("¢£¬‖−〜A1~ｱﾞ\x00\x7f\x80\xa0𠮷é"))
def test_a_kanji_name_is_full_width_text_of_windows_31j(freebit: Freebit, wrong: str) -> None:
    assert refused(freebit, change(PATTERNS["20M"], "mnp.lastnameKanji", f"山{wrong}田")) == 253


@pytest.mark.parametrize("right", list("￠￡￢∥－～髙﨑①㈱\ufa19Ａ１ー・あ"))
def test_windows_31j_has_the_extensions(freebit: Freebit, right: str) -> None:
    assert freebit.activate(change(PATTERNS["20M"], "mnp.lastnameKanji", f"山{right}田")).code == 100


@pytest.mark.parametrize("wrong", list("゠ヰヱヲヵヶヷヺ・ヽヿ－‐−ａあ山A1ｱ\u3099"))
def test_a_kana_name_has_no_other_letters(freebit: Freebit, wrong: str) -> None:
    assert refused(freebit, change(PATTERNS["20M"], "mnp.firstnameZenKana", f"タ{wrong}ロ")) == 256


def test_a_kana_name_has_82_letters_capitals_and_digits(freebit: Freebit) -> None:
    letters = [chr(code) for code in (*range(0x30A1, 0x30F0), 0x30F3, 0x30F4, 0x30FC)]
    assert len(letters) == 82
    rest = [chr(code) for code in (*range(0xFF10, 0xFF1A), *range(0xFF21, 0xFF3B))]
    allowed = "".join(letters + rest)
    for number, start in enumerate(range(0, len(allowed), 40)):
        document = change(PATTERNS["20M"], "mnp.lastnameZenKana", allowed[start : start + 40])
        document = {**document, "eid": f"{number:032d}", "account": f"0900000000{number}"}
        document = change(document, "masterAccount", f"m{number}")
        assert freebit.activate(change(document, "mnp.reserveNumber", f"{number:010d}")).code == 100


@pytest.mark.parametrize(("script", "letter", "code"), [("Kanji", "山", 253), ("ZenKana", "ヤ", 255)])
def test_a_persons_name_has_50_characters_with_the_space_between(
    freebit: Freebit, script: str, letter: str, code: int
) -> None:
    document = change(PATTERNS["20M"], f"mnp.lastname{script}", letter * 25)
    assert refused(freebit, change(document, f"mnp.firstname{script}", letter * 25)) == code
    assert freebit.activate(change(document, f"mnp.firstname{script}", letter * 24)).code == 100


@pytest.mark.parametrize(("name", "letter", "code"), [("lastnameKanji", "社", 253), ("lastnameZenKana", "シ", 255)])
def test_a_companys_name_has_50_characters(freebit: Freebit, name: str, letter: str, code: int) -> None:
    assert refused(freebit, change(PATTERNS["20M_company"], f"mnp.{name}", letter * 51)) == code
    assert freebit.activate(change(PATTERNS["20M_company"], f"mnp.{name}", letter * 50)).code == 100


def test_trap_15_check_digits_of_an_eid_are_not_checked(freebit: Freebit) -> None:
    assert int(EID) % 97 == 12
    assert freebit.activate(PATTERNS["20N"]).code == 100


def test_today_is_not_in_the_future(freebit: Freebit) -> None:
    freebit.simulator.move_clock(at="2026-03-01T00:00:00+09:00", frozen=True)
    assert freebit.activate({**PATTERNS["10N"], "shipDate": f"{date(2026, 3, 1):%Y%m%d}"}).code == 100
