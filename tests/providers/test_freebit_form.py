"""freebit's form for people: which fields it has when, in which words, and what is put right in sight."""

from collections.abc import Mapping
from datetime import UTC, datetime

import pytest

from providers.activation_form import ActivationFacts, FieldKind, FormCheck, FormCorrection
from providers.freebit.form import FreebitRules
from providers.freebit.rules import FIELDS, RESULT_CODES, Contract, Pattern, Presence, find_presence

EID = "89049032123451234512345678901235"
NOW = datetime(2026, 2, 3, tzinfo=UTC)
PLAIN, UMS = FreebitRules(Contract(uses_ums=False)), FreebitRules(Contract(uses_ums=True))
LIFTED = FreebitRules(Contract(uses_ums=False, allow_aladin_operated_other=True))


def names(rules: FreebitRules, *, plan: str = "", is_reissue: bool = False, **values: str) -> list[str]:
    described = rules.describe(values, plan_code=plan, is_reissue=is_reissue)
    return [field.name for field in described.fields]


def check(values: Mapping[str, str], *, plan: str = "", is_reissue: bool = False) -> FormCheck:
    return PLAIN.check(values, plan_code=plan, is_reissue=is_reissue, now=NOW)


def test_a_new_line_with_a_plan_asks_for_little() -> None:
    asked = ["addKind", "aladinOperated", "eid", "account", "simKind", "contractLine", "repAccount"]
    assert names(PLAIN, plan="100K_PLAN") == [*asked, "createType"]
    assert names(PLAIN) == asked
    assert names(UMS, plan="100K_PLAN") == [*asked, "createType", "masterAccount", "masterPassword"]


@pytest.mark.parametrize("uses_ums", [False, True])
@pytest.mark.parametrize("plan", ["", "100K_PLAN"])
@pytest.mark.parametrize("gender", ["", "M", "C"])
@pytest.mark.parametrize("kind", ["N", "M", "R"])
@pytest.mark.parametrize("operated", ["20", "10"])
def test_the_form_is_the_matrix(operated: str, kind: str, gender: str, plan: str, uses_ums: bool) -> None:
    """Every field of the pattern but what is settled elsewhere, each as required as the rules say."""
    contract = Contract(uses_ums=uses_ums)
    values = {"aladinOperated": operated, "addKind": kind, "mnp.gender": gender, "createType": "new"}
    described = FreebitRules(contract).describe(values, plan_code=plan, is_reissue=kind == "R")
    presence = find_presence(Pattern.from_values({**values, "planCode": plan}), contract)
    wanted = {name for name, how in presence.items() if how is not Presence.OMITTED} - {"planCode", "deliveryCode"}
    assert {field.name for field in described.fields} == wanted
    for field in described.fields:
        assert field.is_required == (presence[field.name] is Presence.REQUIRED or field.name == "aladinOperated")
        assert field.is_alternative == (presence[field.name] is Presence.ONE_OF)
    assert bool(described.refusal) == (operated == "10" and kind != "N")


def test_every_field_has_a_name_in_both_languages() -> None:
    seen = {}
    for rules, values, is_reissue in (
        (UMS, {"addKind": "M", "mnp.gender": "M"}, False),
        (UMS, {"addKind": "N", "aladinOperated": "10"}, False),
        (UMS, {"addKind": "R"}, True),
    ):
        for field in rules.describe(values, plan_code="P", is_reissue=is_reissue).fields:
            seen[field.name] = field
    assert set(seen) == set(FIELDS) - {"planCode", "deliveryCode"}
    for field in seen.values():
        assert field.label.isascii()
        assert not field.native_label.isascii()
        assert bool(field.choices) == (field.kind is FieldKind.CHOICE)
        for choice in field.choices:
            assert choice.label.isascii()
            assert not choice.native_label.isascii()
    assert seen["masterPassword"].kind is FieldKind.SECRET


def test_choices_are_what_is_sold_and_what_the_contract_allows() -> None:
    def choices(rules: FreebitRules, name: str, *, is_reissue: bool = False) -> list[str]:
        described = rules.describe({}, plan_code="P", is_reissue=is_reissue)
        return [choice.value for field in described.fields if field.name == name for choice in field.choices]

    assert choices(PLAIN, "addKind") == ["N", "M"]
    assert choices(PLAIN, "addKind", is_reissue=True) == ["R"]
    assert choices(PLAIN, "createType") == ["new"]
    assert choices(UMS, "createType") == ["new", "add"]


def test_a_kind_that_was_not_sold_is_refused() -> None:
    reissue = {"eid": EID, "addKind": "R", "account": "08011112225", "reissue.oldProductNumber": "CD0009999999004"}
    assert [(one.field, one.code) for one in check(reissue).problems] == [("addKind", "333")]
    assert check(reissue, is_reissue=True).problems == ()
    assert [one.field for one in check({"eid": EID, "addKind": "N", "simKind": "E2"}, is_reissue=True).problems] == [
        "addKind"
    ]


def test_the_plan_comes_from_what_is_sold_never_from_the_form() -> None:
    kept = {"eid": EID, "addKind": "N", "simKind": "E2", "createType": "new"}
    values = {**kept, "planCode": "OTHER", "deliveryCode": "X"}
    checked = check(values, plan="100K_PLAN")
    assert checked.is_ready
    assert checked.values == {**kept, "planCode": "100K_PLAN"}
    assert "planCode" not in check(values).values


def test_digits_may_be_typed_in_groups_and_that_is_told() -> None:
    values = {
        "eid": "8904 9032 1234 5123 4512 3456 7890 1235",
        "account": "080-1111-2222",
        "addKind": "N",
        "simKind": "E2",
        "repAccount": "０８０００００１１１１",
    }
    checked = check(values)
    assert [(one.field, one.old, one.new) for one in checked.corrections] == [
        ("eid", values["eid"], EID),
        ("account", "080-1111-2222", "08011112222"),
        ("repAccount", values["repAccount"], "08000001111"),
    ]
    assert (checked.problems, checked.is_ready) == ((), False)
    assert checked.facts == ActivationFacts(eid=EID, account_number="08011112222", add_kind="N", aladin_operated="20")
    assert check(checked.values).is_ready


def test_letters_among_digits_stay_as_they_were_typed() -> None:
    checked = check({"eid": f"{EID[:-1]}O", "addKind": "N", "simKind": "E2"})
    assert (checked.corrections, [one.field for one in checked.problems]) == ((), ["eid"])
    assert checked.facts.eid == ""


def test_facts_fill_the_form_again() -> None:
    facts = ActivationFacts(eid=EID, account_number="08011112225", old_eid="1" * 32, add_kind="R", aladin_operated="20")
    assert PLAIN.prefill(facts) == {
        "aladinOperated": "20",
        "addKind": "R",
        "eid": EID,
        "account": "08011112225",
        "reissue.oldEid": "1" * 32,
    }
    assert PLAIN.prefill(ActivationFacts()) == {}


def test_codes_are_explained() -> None:
    for code, known in RESULT_CODES.items():
        meaning = PLAIN.explain(code)
        assert meaning is not None
        assert (meaning.meaning, meaning.fields) == (known.meaning, known.fields)
        assert meaning.blames_delivery_code == (code == "274")
    assert PLAIN.explain("999") is None


def test_nothing_personal_is_shown_in_a_repr() -> None:
    checked = check({"eid": "8904 9032 1234 5123 4512 3456 7890 1235", "account": "080-1111-2222", "addKind": "N"})
    correction = FormCorrection(field="eid", old="老", new="新", why="w")
    shown = f"{checked!r} {correction!r} {checked.facts!r}"
    assert [secret for secret in (EID, "8904 9032", "08011112222", "080-1111", "老", "新") if secret in shown] == []
