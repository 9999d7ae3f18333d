"""freebit's matrix, fields and codes as our client knows them, held against the document and against the simulator."""

import random
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pytest
from django.utils import translation

from providers.freebit.checking import Checked, build_document, check_activation, flatten_document
from providers.freebit.rules import (
    FIELDS,
    RESULT_CODES,
    Contract,
    NextStep,
    Pattern,
    Presence,
    find_presence,
    is_supported,
)
from tests.simulator.freebit_samples import COMPANY, EID, EXAMPLES, OTHER_EID, PATTERNS, change
from tests.simulator_client import Simulator
from tests.simulator_freebit import Freebit

NOW = datetime(2026, 3, 1, 14, 59, 59, tzinfo=UTC)  # one second before March 2nd in Japan
PLAIN = Contract(uses_ums=False)
MANAGED = Contract(uses_ums=True)
LIFTED = Contract(uses_ums=False, allow_aladin_operated_other=True)
SPACE = "\u3000"
#: The contract that each sample is for.
CONTRACTS = {"20N": PLAIN, "20M": MANAGED, "20M_company": PLAIN, "20R": PLAIN, "10N": PLAIN}


def check(document: Mapping[str, Any], contract: Contract = PLAIN, now: datetime = NOW) -> Checked:
    return check_activation(flatten_document(document), contract=contract, now=now)


def codes(checked: Checked) -> list[tuple[str, str]]:
    return [(problem.field, problem.code) for problem in checked.problems]


# The matrix

R, O, X, ONE = Presence.REQUIRED, Presence.OPTIONAL, Presence.OMITTED, Presence.ONE_OF  # noqa: E741
MATRIX = {
    # with a plan, without User Management Service
    #                            20N 20M 20R  10N
    "aladinOperated":           (O, O, O, R),
    "masterAccount":            (X, X, X, X),
    "masterPassword":           (X, X, X, X),
    "createType":               (R, R, X, R),
    "eid":                      (R, R, R, R),
    "account":                  (O, R, R, R),
    "simKind":                  (R, R, X, R),
    "contractLine":             (O, O, X, X),
    "repAccount":               (O, O, X, R),
    "addKind":                  (R, R, R, R),
    "reissue.oldProductNumber": (X, X, ONE, X),
    "reissue.oldEid":           (X, X, ONE, X),
    "mnp.reserveNumber":        (X, R, X, X),
    "mnp.lastnameKanji":        (X, R, X, X),
    "mnp.firstnameKanji":       (X, R, X, X),
    "mnp.lastnameZenKana":      (X, R, X, X),
    "mnp.firstnameZenKana":     (X, R, X, X),
    "mnp.gender":               (X, R, X, X),
    "mnp.birthday":             (X, R, X, X),
    "shipDate":                 (X, X, X, R),
    "planCode":                 (O, O, X, O),
    "deliveryCode":             (O, O, O, O),
}  # fmt: skip
COLUMNS = (("20", "N"), ("20", "M"), ("20", "R"), ("10", "N"))


@pytest.mark.parametrize(("index", "column"), list(enumerate(COLUMNS)))
def test_the_matrix_of_the_document(index: int, column: tuple[str, str]) -> None:
    pattern = Pattern(aladin_operated=column[0], add_kind=column[1], has_plan=True)
    assert dict(find_presence(pattern, PLAIN)) == {name: row[index] for name, row in MATRIX.items()}
    assert list(find_presence(pattern, PLAIN)) == list(FIELDS)


@pytest.mark.parametrize(
    ("contract", "has_plan", "create_type", "wanted"),
    [
        (PLAIN, True, "new", (R, X, X)),
        (PLAIN, False, "", (X, X, X)),
        (MANAGED, True, "new", (R, R, R)),
        (MANAGED, True, "add", (R, R, O)),
        (MANAGED, True, "", (R, R, O)),
        (MANAGED, False, "", (X, X, X)),
    ],
)
@pytest.mark.parametrize("column", [("20", "N"), ("20", "M"), ("10", "N")])
def test_trap_03_create_type_goes_with_a_plan_and_a_master_account_with_ums(
    column: tuple[str, str], contract: Contract, has_plan: bool, create_type: str, wanted: tuple[Presence, ...]
) -> None:
    pattern = Pattern(aladin_operated=column[0], add_kind=column[1], has_plan=has_plan, create_type=create_type)
    presence = find_presence(pattern, contract)
    assert tuple(presence[name] for name in ("createType", "masterAccount", "masterPassword")) == wanted


def test_a_reissue_never_has_a_plan_or_a_master_account() -> None:
    presence = find_presence(Pattern(add_kind="R", has_plan=True, create_type="new"), MANAGED)
    names = ("planCode", "createType", "masterAccount", "masterPassword")
    assert [presence[name] for name in names] == [X, X, X, X]


@pytest.mark.parametrize(("gender", "wanted"), [("M", R), ("W", R), ("", R), ("C", X)])
def test_trap_10_first_names_and_birthday_are_a_persons(gender: str, wanted: Presence) -> None:
    presence = find_presence(Pattern(add_kind="M", gender=gender), PLAIN)
    names = ("mnp.firstnameKanji", "mnp.firstnameZenKana", "mnp.birthday")
    assert [presence[name] for name in names] == [wanted] * 3


@pytest.mark.parametrize("pattern", [Pattern(), Pattern(add_kind="X"), Pattern(aladin_operated="10", add_kind="M")])
def test_before_the_pattern_is_known_only_the_common_fields_show(pattern: Pattern) -> None:
    shown = {name: wanted for name, wanted in find_presence(pattern, PLAIN).items() if wanted is not X}
    assert shown == {"aladinOperated": O, "eid": R, "addKind": R, "deliveryCode": O}


# Trap 1: the ban


@pytest.mark.parametrize("kind", ["M", "R"])
def test_trap_01_operated_with_anything_but_new_is_refused_unless_the_setting_lifts_it(kind: str) -> None:
    pattern = Pattern(aladin_operated="10", add_kind=kind)
    assert (is_supported(pattern, PLAIN), is_supported(pattern, LIFTED)) == (False, True)
    document = {"aladinOperated": "10", "addKind": kind, "eid": OTHER_EID, "account": "08011112222"}
    checked = check({**document, "shipDate": "20260301", **({"simKind": "E0"} if kind == "M" else {})})
    assert codes(checked) == [("addKind", "356")]
    checked = check({**document, "shipDate": "20260301", **({"simKind": "E0"} if kind == "M" else {})}, LIFTED)
    assert codes(checked) == []


@pytest.mark.parametrize(
    ("name", "contract"),
    [
        ("operated_mnp", Contract(uses_ums=True, allow_aladin_operated_other=True)),
        ("operated_mnp_under_representative", LIFTED),
    ],
)
def test_trap_01_the_two_examples_pass_as_printed_when_it_is_lifted(name: str, contract: Contract) -> None:
    checked = check(EXAMPLES[name], contract)
    assert (codes(checked), checked.document) == ([], EXAMPLES[name])
    assert codes(check(EXAMPLES[name], Contract(uses_ums=contract.uses_ums))) == [("addKind", "356")]


# The document's examples


@pytest.mark.parametrize(
    ("name", "contract"),
    [
        ("new_with_plan", PLAIN),
        ("new_under_representative", PLAIN),
        ("mnp_of_a_person", MANAGED),
        ("reissue", PLAIN),
    ],
)
def test_the_examples_pass_as_printed(name: str, contract: Contract) -> None:
    checked = check(EXAMPLES[name], contract)
    assert (codes(checked), checked.corrections, checked.document) == ([], (), EXAMPLES[name])


def test_trap_02_the_companys_half_width_spaces_are_put_right_visibly() -> None:
    checked = check(EXAMPLES["mnp_of_a_company"])
    assert codes(checked) == []
    assert [(change.field, change.old, change.new) for change in checked.corrections] == [
        ("mnp.lastnameKanji", "フリービット 株式会社", COMPANY["lastnameKanji"]),
        ("mnp.lastnameZenKana", "フリービット カブシキカイシャ", COMPANY["lastnameZenKana"]),
    ]
    assert {change.why for change in checked.corrections} == {"Half-width spaces became one full-width space."}
    assert checked.document["mnp"] == COMPANY


def test_the_document_is_built_in_the_documents_order_with_nothing_empty() -> None:
    values = {"mnp.gender": "C", "deliveryCode": "A", "eid": EID, "repAccount": "", "mnp.reserveNumber": "1" * 10}
    document = build_document(values)
    assert list(document) == ["eid", "mnp", "deliveryCode"]
    assert list(document["mnp"]) == ["reserveNumber", "gender"]
    assert flatten_document({**document, "authKey": "k"}) == {name: text for name, text in values.items() if text}


def test_trap_11_empty_values_are_not_given_and_unneeded_ones_are_told() -> None:
    empty = dict.fromkeys(set(FIELDS) - {"eid", "addKind", "simKind"}, "")
    checked = check_activation(
        {**empty, "eid": OTHER_EID, "addKind": "N", "simKind": "E2", "mnp.birthday": None}, contract=PLAIN, now=NOW
    )
    assert (codes(checked), checked.document) == ([], {"eid": OTHER_EID, "simKind": "E2", "addKind": "N"})
    checked = check({**PATTERNS["20R"], "simKind": "E0", "planCode": "X", "contractLine": "4G", "shipDate": "x"})
    assert codes(checked) == [("simKind", "277"), ("contractLine", "360"), ("shipDate", "276"), ("planCode", "215")]
    assert {problem.message for problem in checked.problems} == {"This field must be left out here."}


# Fields by themselves


@pytest.mark.parametrize(
    ("name", "good", "bad"),
    [
        ("aladinOperated", ["10", "20"], ["1", "30", "ｌ0"]),
        ("masterAccount", ["a", "~" * 64], ["a" * 65, "a b", "é"]),
        ("masterPassword", ["a", "~" * 256], ["a" * 257, "a\n", "あ"]),
        ("createType", ["new", "add"], ["NEW", "neu"]),
        ("eid", ["1" * 32], ["1" * 31, "1" * 33, "1" * 31 + "a", "1" * 32 + "\n"]),
        ("account", ["1" * 11, "1" * 14], ["1" * 10, "1" * 15, "080-1111-2222"]),
        ("simKind", ["E0", "E2", "E3"], ["E1", "e2"]),
        ("contractLine", ["4G", "5G"], ["3G", "5g"]),
        ("repAccount", ["1" * 11, "1" * 14], ["1" * 10, "1" * 15]),
        ("addKind", ["N", "M", "R"], ["n", "X"]),
        ("reissue.oldProductNumber", ["AX0123456789012"], ["ax0123456789012", "AX012345678901", "A10123456789012"]),
        ("reissue.oldEid", ["1" * 32], ["1" * 31]),
        ("mnp.reserveNumber", ["1101201234"], ["110120123", "11-0120123"]),
        ("mnp.gender", ["M", "W", "C"], ["F", "m"]),
        ("mnp.birthday", ["19900101"], ["1990101", "1990-01-01"]),
        ("shipDate", ["20170301"], ["2017031"]),
        ("planCode", ["a", "a" * 32], ["a" * 33, "プラン"]),
        ("deliveryCode", ["a", "Z9" * 5], ["a" * 11, "a-b"]),
    ],
)
def test_each_fields_characters_and_length(name: str, good: list[str], bad: list[str]) -> None:
    shape = FIELDS[name].shape
    assert shape is not None
    assert [text for text in good if not shape.fullmatch(text)] == []
    assert [text for text in bad if shape.fullmatch(text)] == []
    assert max(map(len, good)) == FIELDS[name].most


@pytest.mark.parametrize(("name", "code"), [(name, rule.code) for name, rule in FIELDS.items()])
def test_a_wrong_value_is_told_by_its_field_and_code(name: str, code: str) -> None:
    sample, contract = find_sample(name)
    checked = check(change(sample, name, "\x00"), contract)
    assert (name, code) in codes(checked)
    assert all(problem.message for problem in checked.problems)


@pytest.mark.parametrize("name", list(FIELDS))
def test_a_number_is_no_text(name: str) -> None:
    sample, contract = find_sample(name)
    checked = check(change(sample, name, 10), contract)
    assert (name, FIELDS[name].code) in codes(checked)
    assert "Every value is a text, numbers too." in {problem.message for problem in checked.problems}


def find_sample(name: str) -> tuple[Mapping[str, Any], Contract]:
    """A request that has the field."""
    if name == "reissue.oldEid":
        return {**PATTERNS["20R"], "reissue": {}}, PLAIN
    key = "10N" if name in ("shipDate", "aladinOperated") else "20R" if name.startswith("reissue") else "20M"
    return PATTERNS[key], CONTRACTS[key]


@pytest.mark.parametrize("name", ["eid", "account", "mnp.reserveNumber", "mnp.birthday"])
def test_trap_14_full_width_digits_are_no_digits(name: str) -> None:
    wide = flatten_document(PATTERNS["20M"])[name].translate({48 + digit: 0xFF10 + digit for digit in range(10)})
    assert wide.isdigit()
    assert codes(check(change(PATTERNS["20M"], name, wide), MANAGED)) == [(name, FIELDS[name].code)]


@pytest.mark.parametrize("name", CONTRACTS)
def test_every_required_field_is_missed(name: str) -> None:
    document, contract = PATTERNS[name], CONTRACTS[name]
    values = flatten_document(document)
    assert codes(check(document, contract)) == []
    required = [field for field, wanted in find_presence(Pattern.from_values(values), contract).items() if wanted is R]
    for field in set(required) - {"addKind", "aladinOperated", "mnp.gender"}:
        checked = check_activation({**values, field: ""}, contract=contract, now=NOW)
        assert codes(checked) == [(field, FIELDS[field].code)]
        assert checked.problems[0].message == "This field is required."


def test_an_unknown_field_is_told() -> None:
    [problem] = check({**PATTERNS["20N"], "deliverycode": "A"}).problems
    assert (problem.field, problem.code, problem.message) == ("", "204", "There is no field “deliverycode”.")


# Dates


def test_trap_08_a_ship_date_is_compared_with_today_in_japan() -> None:
    document = {**PATTERNS["10N"], "shipDate": "20260302"}
    [problem] = check(document).problems
    assert (problem.field, problem.code) == ("shipDate", "276")
    assert codes(check(document, now=datetime(2026, 3, 1, 15, tzinfo=UTC))) == []
    assert codes(check({**document, "shipDate": "20260301"})) == []
    with pytest.raises(ValueError, match="no zone"):
        check(document, now=datetime(2026, 3, 1))  # noqa: DTZ001 - what is refused


@pytest.mark.parametrize("text", ["20260229", "20261301", "00000101"])
def test_a_date_is_a_day_of_the_calendar(text: str) -> None:
    assert codes(check({**PATTERNS["10N"], "shipDate": text})) == [("shipDate", "276")]
    assert codes(check(change(PATTERNS["20M"], "mnp.birthday", text), MANAGED)) == [("mnp.birthday", "258")]


def test_trap_10_birthday_and_gender() -> None:
    def birthday(text: str) -> Checked:
        return check(change(PATTERNS["20M"], "mnp.birthday", text), MANAGED)

    assert codes(birthday("20260302")) == [("mnp.birthday", "258")]
    assert (codes(birthday("20260301")), birthday("20260301").warnings[1:]) == ([], ())
    assert [doubt.field for doubt in birthday("18990101").warnings] == ["eid", "mnp.birthday"]
    [problem] = check(change(PATTERNS["20M"], "mnp.gender", "F"), MANAGED).problems
    assert (problem.field, problem.code, problem.message) == ("mnp.gender", "257", "One of M / W / C.")
    company = change(PATTERNS["20M_company"], "mnp.birthday", "19900101")
    assert codes(check(change(company, "mnp.firstnameKanji", "太郎"))) == [
        ("mnp.firstnameKanji", "254"),
        ("mnp.birthday", "258"),
    ]


# EIDs and old SIMs


def test_trap_09_exactly_one_old_sim_and_not_the_new_one() -> None:
    def reissue(**old: str) -> list[tuple[str, str]]:
        return codes(check({**PATTERNS["20R"], "reissue": old}))

    both = [("reissue.oldProductNumber", "204"), ("reissue.oldEid", "204")]
    assert reissue() == both
    assert reissue(oldProductNumber="CD0009999999004", oldEid=OTHER_EID) == both
    assert reissue(oldEid=EID) == [("reissue.oldEid", "370")]
    assert reissue(oldEid=OTHER_EID) == reissue(oldProductNumber="CD0009999999004") == []


def test_trap_15_check_digits_warn_only() -> None:
    checked = check(PATTERNS["20N"])
    assert (codes(checked), [doubt.field for doubt in checked.warnings]) == ([], ["eid"])
    for eid in (OTHER_EID, "89086030202200000022000023022943", "89049032007108882600137544319616"):
        assert check({**PATTERNS["20N"], "eid": eid}).warnings == ()


# Names together


@pytest.mark.parametrize(("script", "letter", "code"), [("Kanji", "山", "253"), ("ZenKana", "ヤ", "255")])
def test_a_persons_parts_have_49_letters_together(script: str, letter: str, code: str) -> None:
    document = change(PATTERNS["20M"], f"mnp.lastname{script}", letter * 25)
    assert codes(check(change(document, f"mnp.firstname{script}", letter * 24), MANAGED)) == []
    checked = check(change(document, f"mnp.firstname{script}", letter * 25), MANAGED)
    assert codes(checked) == [(f"mnp.lastname{script}", code)]
    assert "50" in checked.problems[0].message


def test_add_needs_user_management_service() -> None:
    document = {**PATTERNS["20N"], "createType": "add"}
    assert codes(check(document)) == [("createType", "279")]
    assert codes(check({**document, "masterAccount": "m@test.ne.jp"}, MANAGED)) == []


def test_trap_13_no_repr_shows_a_persons_data() -> None:
    document = change(PATTERNS["20M_company"], "mnp.lastnameKanji", "株式 会社x")
    shown = repr(check(document))
    assert not any(secret in shown for secret in ("株式", "フリービット", "1101201235", EID))


def test_messages_speak_the_readers_language() -> None:
    assert str(RESULT_CODES["374"].meaning).endswith("try next month.")
    with translation.override("ja"):
        assert str(FIELDS["eid"].hint)


# Codes


def test_every_code_of_the_document_has_a_next_step() -> None:
    by_status = {
        status: sorted(code for code, result in RESULT_CODES.items() if result.status == status)
        for status in (400, 403, 404, 500)
    }
    assert by_status == {
        400: [
            *("201", "202", "204", "215", "228", "253", "254", "255", "256", "257", "258", "266", "269", "274"),
            *("276", "277", "278", "279", "307", "333", "356", "360", "370"),
        ],
        403: ["205"],
        404: ["232"],
        500: ["208", "210", "230", "275", "284", "287", "288", "289", "304", "310", "371", "372", "374", "900"],
    }
    assert len(RESULT_CODES) == 39
    by_step = {
        step: sorted(code for code, result in RESULT_CODES.items() if result.next_step is step) for step in NextStep
    }
    assert {step: found for step, found in by_step.items() if step is not NextStep.FIX_FIELD} == {
        NextStep.RETRY_LATER: ["230", "284"],
        NextStep.RENEW_KEY: ["205", "228"],
        NextStep.OUTCOME_UNKNOWN: ["900"],
        NextStep.NEXT_MONTH: ["374"],
        NextStep.CONTRACT: ["275"],
    }
    assert [code for code, result in RESULT_CODES.items() if result.may_be_ours] == ["208", "310", "371"]


def test_the_code_of_a_field_leads_back_to_it() -> None:
    for name, rule in FIELDS.items():
        assert name in RESULT_CODES[rule.code].fields or name == "masterAccount"
    assert {field for result in RESULT_CODES.values() for field in result.fields} == set(FIELDS)
    assert (RESULT_CODES["204"].field, RESULT_CODES["370"].field) == (None, "eid")


# Our rules and the simulator's, written apart from each other, agree


MUTATIONS = [
    *("", " ", "10", "20", "N", "M", "R", "new", "add", "E0", "E9", "4G", "08011112222", "1" * 32, "1" * 10, "W", "C"),
    *(
        "19900101",
        "20260302",
        "29991231",
        "CD0009999999004",
        "山",
        "ヤマ",
        "ヲ",
        "山 田",
        f"山{SPACE}田",
        "〜",
        "x" * 40,
        "x",
    ),
]


@pytest.mark.parametrize("seed", range(4))
def test_our_rules_and_the_simulator_agree(simulator: Simulator, seed: int) -> None:
    freebit = Freebit(simulator)
    simulator.move_clock(at="2026-03-01T00:00:00Z", frozen=True)
    now = datetime(2026, 3, 1, tzinfo=UTC)
    key = freebit.make_key()
    rng = random.Random(seed)
    refused = 0
    for number in range(150):
        sample = rng.choice(list(PATTERNS))
        contract = rng.choice((PLAIN, MANAGED))
        document = {**PATTERNS[sample], "deliveryCode": f"D{number}"}
        for _ in range(rng.choice((0, 1, 1, 2))):
            document = change(document, rng.choice(list(FIELDS)), rng.choice(MUTATIONS) or None)
        document = {name: value for name, value in document.items() if value != {}}
        simulator.set_switches(freebit_ums="yes" if contract.uses_ums else "no")
        checked = check(document, contract, now)
        # What our rules put right is not what was sent: the answer is about the corrected request.
        sent = {**document, **checked.document} if checked.corrections else document
        answer = freebit.activate(sent, key=key)
        freebit.complete(code="900")
        ours = {problem.code for problem in checked.problems}
        if answer.status_code == 400:
            refused += 1
            assert str(answer.code) in ours, (document, answer.body, codes(checked))
        else:
            assert ours == set(), (document, answer.body, codes(checked))
    assert 30 < refused < 145
