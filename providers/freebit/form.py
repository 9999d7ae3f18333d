"""freebit's form for people: which fields are shown when, their names in English and Japanese, and the check.

The rules are ``rules.py`` and ``checking.py``; here stands only what pages need beside them. Labels are not
translated: both languages stand side by side whoever reads, because staff compare them with freebit's own forms.
"""

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from providers.activation_form import (
    ActivationFacts,
    ActivationRules,
    CodeMeaning,
    FieldKind,
    FormCheck,
    FormChoice,
    FormCorrection,
    FormDescription,
    FormField,
    FormGroup,
    FormProblem,
)
from providers.freebit.checking import check_activation
from providers.freebit.rules import (
    FIELDS,
    MNP,
    NEW,
    NOT_OPERATED,
    OPERATED,
    REISSUE,
    RESULT_CODES,
    Contract,
    Pattern,
    Presence,
    find_presence,
    is_supported,
)

_LABELS: Mapping[str, tuple[str, str]] = {
    "aladinOperated": ("ALADIN operation", "ALADIN操作"),
    "addKind": ("Kind of activation", "開通種別"),
    "eid": ("EID of the device", "eSIM識別番号（EID）"),
    "account": ("Phone number of the line", "電話番号（アカウント）"),
    "simKind": ("SIM type", "SIM種別"),
    "contractLine": ("Contract line", "契約回線種別"),
    "repAccount": ("Representative number", "代表番号"),
    "shipDate": ("Ship date", "出荷日"),
    "createType": ("Registration type", "登録種別"),
    "masterAccount": ("Master account", "マスターアカウント"),
    "masterPassword": ("Master password", "マスターパスワード"),
    "reissue.oldProductNumber": ("Product number of the old SIM", "再発行前の製造番号"),
    "reissue.oldEid": ("EID of the old eSIM", "再発行前のEID"),
    "mnp.reserveNumber": ("MNP reservation number", "MNP予約番号"),
    "mnp.gender": ("Gender", "性別"),
    "mnp.lastnameKanji": ("Last name (kanji)", "姓（漢字）"),
    "mnp.firstnameKanji": ("First name (kanji)", "名（漢字）"),
    "mnp.lastnameZenKana": ("Last name (full-width kana)", "姓（全角カナ）"),
    "mnp.firstnameZenKana": ("First name (full-width kana)", "名（全角カナ）"),
    "mnp.birthday": ("Date of birth", "生年月日"),
}
_CHOICES: Mapping[str, Mapping[str, tuple[str, str]]] = {
    "aladinOperated": {NOT_OPERATED: ("Not operated", "未操作"), OPERATED: ("Operated", "操作済")},
    "addKind": {NEW: ("New", "新規"), MNP: ("MNP transfer", "MNP転入"), REISSUE: ("Reissue", "再発行")},
    "simKind": {
        "E2": ("Data, no SMS", "SMSなし"),
        "E3": ("Data with SMS", "SMSあり"),
        "E0": ("With voice", "音声あり"),
    },
    "contractLine": {"4G": ("4G line", "4G回線"), "5G": ("5G line", "5G回線")},
    "createType": {"new": ("New master account", "新規作成"), "add": ("Add to an existing one", "追加")},
    "mnp.gender": {"M": ("Male", "男性"), "W": ("Female", "女性"), "C": ("Company", "法人")},
}
_HINTS: Mapping[str, str | Promise] = {"contractLine": gettext_lazy("4G where nothing is said.")}
_GROUPS: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    ("What is asked for", "申込内容", ("addKind", "aladinOperated")),
    (
        "Device and line",
        "端末と回線",
        ("eid", "account", "simKind", "contractLine", "repAccount", "shipDate"),
    ),
    ("The SIM before the reissue", "再発行前のSIM", ("reissue.oldProductNumber", "reissue.oldEid")),
    (
        "MNP: the holder of the number",
        "MNP・契約者",
        (
            *("mnp.reserveNumber", "mnp.gender", "mnp.lastnameKanji", "mnp.firstnameKanji"),
            *("mnp.lastnameZenKana", "mnp.firstnameZenKana", "mnp.birthday"),
        ),
    ),
    ("Master account", "マスターアカウント", ("createType", "masterAccount", "masterPassword")),
)
#: Set by what is sold and by us: nobody types them.
_SETTLED = ("planCode", "deliveryCode")
_DECIDING = frozenset({"aladinOperated", "addKind", "createType", "mnp.gender"})
_SECRETS = frozenset({"masterPassword"})
#: How people copy them: in groups, with hyphens, or full-width. Only their spacing and width are put right.
_DIGITS = frozenset({"eid", "account", "repAccount", "reissue.oldEid", "mnp.reserveNumber", "mnp.birthday", "shipDate"})
_BETWEEN_DIGITS = re.compile(r"[\s/\u002d\u2010-\u2015\u2212\uff0d\u30fc\uff0f]")
_FULL_WIDTH_DIGITS = {0xFF10 + digit: str(digit) for digit in range(10)}


class FreebitRules(ActivationRules):
    """By one contract."""

    def __init__(self, contract: Contract) -> None:
        self._contract = contract

    def describe(self, values: Mapping[str, str], *, plan_code: str, is_reissue: bool) -> FormDescription:
        initial = {
            "aladinOperated": NOT_OPERATED,
            "addKind": REISSUE if is_reissue else NEW,
            "createType": "new",
        }
        given = {name: value for name, value in values.items() if value}
        pattern = Pattern.from_values({**initial, **given, "planCode": plan_code})
        presence = find_presence(pattern, self._contract)
        groups = []
        for label, native_label, names in _GROUPS:
            fields = tuple(
                self._describe_field(name, presence[name], is_reissue=is_reissue)
                for name in names
                if presence[name] is not Presence.OMITTED
            )
            if fields:
                groups.append(FormGroup(label=label, native_label=native_label, fields=fields))
        refusal = ""
        if pattern.add_kind and not is_supported(pattern, self._contract):
            refusal = _("The provider takes an operated line (ALADIN 10) only as new.")
        return FormDescription(groups=tuple(groups), native_language="ja", initial=initial, refusal=refusal)

    def _describe_field(self, name: str, presence: Presence, *, is_reissue: bool) -> FormField:
        label, native_label = _LABELS[name]
        rule = FIELDS[name]
        choices = tuple(
            FormChoice(value=value, label=words[0], native_label=words[1])
            for value, words in _CHOICES.get(name, {}).items()
            if self._is_open(name, value, is_reissue=is_reissue)
        )
        return FormField(
            name=name,
            label=label,
            native_label=native_label,
            kind=_find_kind(name),
            is_required=presence is Presence.REQUIRED or name == "aladinOperated",
            hint=_HINTS.get(name, "" if choices else rule.hint),
            choices=choices,
            is_alternative=presence is Presence.ONE_OF,
            decides=name in _DECIDING,
        )

    def _is_open(self, name: str, value: str, *, is_reissue: bool) -> bool:
        """Whether a choice is there: by what is sold and by our contract."""
        if name == "addKind":
            return (value == REISSUE) == is_reissue
        return name != "createType" or value == "new" or self._contract.uses_ums

    def check(self, values: Mapping[str, Any], *, plan_code: str, is_reissue: bool, now: datetime) -> FormCheck:
        given = {name: value for name, value in values.items() if name not in _SETTLED}
        corrections = []
        for name in _DIGITS & given.keys():
            if isinstance(given[name], str) and (correction := _tidy_digits(name, given[name])):
                corrections.append(correction)
                given[name] = correction.new
        if plan_code:
            given["planCode"] = plan_code
        checked = check_activation(given, contract=self._contract, now=now)
        problems = [*self._check_kind(checked.values, is_reissue=is_reissue), *checked.problems]
        sound = {name: value for name, value in checked.values.items() if name not in {one.field for one in problems}}
        return FormCheck(
            values=checked.values,
            corrections=tuple(
                sorted([*corrections, *checked.corrections], key=lambda one: list(FIELDS).index(one.field))
            ),
            problems=tuple(problems),
            warnings=checked.warnings,
            facts=ActivationFacts(
                eid=sound.get("eid", ""),
                account_number=sound.get("account", ""),
                old_eid=sound.get("reissue.oldEid", ""),
                add_kind=checked.values.get("addKind", ""),
                aladin_operated=checked.values.get("aladinOperated", NOT_OPERATED),
            ),
        )

    def _check_kind(self, values: Mapping[str, str], *, is_reissue: bool) -> list[FormProblem]:
        """The kind of activation is what was sold."""
        kind = values.get("addKind", "")
        if kind not in FIELDS["addKind"].choices or (kind == REISSUE) == is_reissue:
            return []
        message = _("A reissue is sold as such.") if is_reissue else _("This plan is not sold for a reissue.")
        return [FormProblem(field="addKind", message=message, code=FIELDS["addKind"].code)]

    def prefill(self, facts: ActivationFacts) -> Mapping[str, str]:
        found = {
            "aladinOperated": facts.aladin_operated,
            "addKind": facts.add_kind,
            "eid": facts.eid,
            "account": facts.account_number,
            "reissue.oldEid": facts.old_eid,
        }
        return {name: value for name, value in found.items() if value}

    def explain(self, code: str) -> CodeMeaning | None:
        known = RESULT_CODES.get(code)
        if known is None:
            return None
        return CodeMeaning(
            code=code,
            meaning=known.meaning,
            fields=known.fields,
            blames_delivery_code="deliveryCode" in known.fields,
        )


def _find_kind(name: str) -> FieldKind:
    if name in _CHOICES:
        return FieldKind.CHOICE
    if name in _SECRETS:
        return FieldKind.SECRET
    return FieldKind.DIGITS if name in _DIGITS else FieldKind.TEXT


def _find_place(correction: FormCorrection) -> int:
    """The document's order."""
    return list(FIELDS).index(correction.field)


def _tidy_digits(name: str, text: str) -> FormCorrection | None:
    """Digits without what people put between them; None where there is nothing to put right, or letters stand there."""
    tidy = _BETWEEN_DIGITS.sub("", text).translate(_FULL_WIDTH_DIGITS)
    if tidy == text or not (tidy.isascii() and tidy.isdigit()):
        return None
    return FormCorrection(field=name, old=text, new=tidy, why=_("Only the digits were kept."))
