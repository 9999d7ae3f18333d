"""What freebit takes, by the document: which fields a request has, how each looks, and what its codes ask for.

One table (``_MATRIX``) says which fields a pattern (aladinOperated × addKind) needs, may have, or must leave out; the
form that shows and hides fields and the check before sending both read it. Field names are the document's, those of
its two objects with their path (``mnp.gender``). ``checking.py`` applies all this to values.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from providers.freebit.names import Script

NOT_OPERATED, OPERATED = "20", "10"
NEW, MNP, REISSUE = "N", "M", "R"
CORPORATE = "C"
#: The code of a fault that has no field of its own.
OTHER = "204"
UNSUPPORTED_PATTERN = "356"


class Presence(StrEnum):
    """Whether a field belongs into a request. ``ONE_OF``: exactly one of the fields that are marked so."""

    REQUIRED = "required"
    OPTIONAL = "optional"
    ONE_OF = "one_of"
    OMITTED = "omitted"


@dataclass(frozen=True, slots=True, kw_only=True)
class Contract:
    """What our contract with freebit settles for every request.

    The document refuses aladinOperated 10 with anything but a new line (400-356), and prints two such examples all the
    same: ``allow_aladin_operated_other`` lets them be sent.
    """

    uses_ums: bool
    allow_aladin_operated_other: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Pattern:
    """The answers that decide about all other fields, as far as they are given ("" = not yet)."""

    aladin_operated: str = NOT_OPERATED
    add_kind: str = ""
    has_plan: bool = False
    create_type: str = ""
    gender: str = ""

    @classmethod
    def from_values(cls, values: Mapping[str, Any]) -> "Pattern":
        """Out of a form's or a request's values by name; aladinOperated is 20 where it is left out."""
        return cls(
            aladin_operated=str(values.get("aladinOperated") or NOT_OPERATED),
            add_kind=str(values.get("addKind") or ""),
            has_plan=bool(values.get("planCode")),
            create_type=str(values.get("createType") or ""),
            gender=str(values.get("mnp.gender") or ""),
        )


# -- which fields -----------------------------------------------------------------------------------------------------

_COLUMNS = tuple((operated, kind) for operated in (NOT_OPERATED, OPERATED) for kind in (NEW, MNP, REISSUE))
#: R required · o optional · - left out · 1 exactly one of them · P required with a plan, else left out · U the same
#: where our contract uses User Management Service · W the same, but required for createType "new" only · H required
#: for a person, left out for a company. The last two columns are sent only when the setting lifts the ban: (10, M) as
#: the document's two examples show it, (10, R) by what the document says of each field.
_MATRIX: Mapping[str, str] = {
    #                            20N 20M 20R 10N 10M 10R
    "aladinOperated":           " o   o   o   R   R   R ",
    "masterAccount":            " U   U   -   U   U   - ",
    "masterPassword":           " W   W   -   W   W   - ",
    "createType":               " P   P   -   P   P   - ",
    "eid":                      " R   R   R   R   R   R ",
    "account":                  " o   R   R   R   R   R ",
    "simKind":                  " R   R   -   R   R   - ",
    "contractLine":             " o   o   -   -   o   - ",
    "repAccount":               " o   o   -   R   o   - ",
    "addKind":                  " R   R   R   R   R   R ",
    "reissue.oldProductNumber": " -   -   1   -   -   - ",
    "reissue.oldEid":           " -   -   1   -   -   - ",
    "mnp.reserveNumber":        " -   R   -   -   -   - ",
    "mnp.lastnameKanji":        " -   R   -   -   -   - ",
    "mnp.firstnameKanji":       " -   H   -   -   -   - ",
    "mnp.lastnameZenKana":      " -   R   -   -   -   - ",
    "mnp.firstnameZenKana":     " -   H   -   -   -   - ",
    "mnp.gender":               " -   R   -   -   -   - ",
    "mnp.birthday":             " -   H   -   -   -   - ",
    "shipDate":                 " -   -   -   R   R   R ",
    "planCode":                 " o   o   -   o   o   - ",
    "deliveryCode":             " o   o   o   o   o   o ",
}  # fmt: skip
_CELLS = {(column, name): row.split()[index] for name, row in _MATRIX.items() for index, column in enumerate(_COLUMNS)}
_PLAIN: Mapping[str, Presence] = {
    "R": Presence.REQUIRED,
    "o": Presence.OPTIONAL,
    "-": Presence.OMITTED,
    "1": Presence.ONE_OF,
}
#: Before the pattern is known (or when it is refused), only what every pattern has.
_UNDECIDED: Mapping[str, Presence] = {
    "aladinOperated": Presence.OPTIONAL,
    "addKind": Presence.REQUIRED,
    "eid": Presence.REQUIRED,
    "deliveryCode": Presence.OPTIONAL,
}


def is_supported(pattern: Pattern, contract: Contract) -> bool:
    """Whether freebit takes this combination of aladinOperated and addKind."""
    if (pattern.aladin_operated, pattern.add_kind) not in _COLUMNS:
        return False
    operated_other = pattern.aladin_operated == OPERATED and pattern.add_kind != NEW
    return contract.allow_aladin_operated_other or not operated_other


def find_presence(pattern: Pattern, contract: Contract) -> Mapping[str, Presence]:
    """Every field, in the document's order, and whether it belongs into a request of this pattern."""
    if not is_supported(pattern, contract):
        return {name: _UNDECIDED.get(name, Presence.OMITTED) for name in _MATRIX}
    column = (pattern.aladin_operated, pattern.add_kind)
    return {name: _read_cell(_CELLS[column, name], pattern, contract) for name in _MATRIX}


def _read_cell(cell: str, pattern: Pattern, contract: Contract) -> Presence:
    if cell in _PLAIN:
        return _PLAIN[cell]
    if cell == "H":
        return Presence.OMITTED if pattern.gender == CORPORATE else Presence.REQUIRED
    if not pattern.has_plan or (cell in "UW" and not contract.uses_ums):
        return Presence.OMITTED
    if cell == "W" and pattern.create_type != "new":
        # The document asks for it with "new" and does not say that "add" goes without.
        return Presence.OPTIONAL
    return Presence.REQUIRED


# -- what a field looks like ------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldRule:
    """One field by itself: the code of its fault, its characters, and the same in words.

    Names have a ``script`` instead of a ``shape``. ``choices`` are the values of a field that has only a few.
    """

    code: str
    hint: str | Promise
    shape: re.Pattern[str] | None = None
    script: Script | None = None
    choices: tuple[str, ...] = ()
    most: int = 0


def _text(code: str, pattern: str, most: int, hint: str | Promise) -> FieldRule:
    return FieldRule(code=code, shape=re.compile(pattern, re.ASCII), most=most, hint=hint)


def _choice(code: str, *choices: str) -> FieldRule:
    pattern = re.compile("|".join(choices))
    return FieldRule(code=code, shape=pattern, choices=choices, most=len(choices[0]), hint=" / ".join(choices))


def _name(code: str, script: Script) -> FieldRule:
    hint = _("Full-width characters, 1 to 50") if script is Script.KANJI else _("Full-width katakana, 1 to 50")
    return FieldRule(code=code, script=script, most=50, hint=hint)


#: Digits are [0-9]: ``str.isdigit`` would take full-width ones. "Symbols" are read as printable ASCII (OURS). The
#: limits are characters.
FIELDS: Mapping[str, FieldRule] = {
    "aladinOperated": _choice("278", NOT_OPERATED, OPERATED),
    "masterAccount": _text("201", r"[!-~]{1,64}", 64, _("1 to 64 half-width letters, digits and symbols")),
    "masterPassword": _text("202", r"[!-~]{1,256}", 256, _("1 to 256 half-width letters, digits and symbols")),
    "createType": _choice("279", "new", "add"),
    "eid": _text("370", r"[0-9]{32}", 32, _("32 digits")),
    "account": _text("201", r"[0-9]{11,14}", 14, _("11 to 14 digits, no hyphens")),
    "simKind": _choice("277", "E2", "E3", "E0"),
    "contractLine": _choice("360", "4G", "5G"),
    "repAccount": _text("269", r"[0-9]{11,14}", 14, _("11 to 14 digits, no hyphens")),
    "addKind": _choice("333", NEW, MNP, REISSUE),
    "reissue.oldProductNumber": _text("266", r"[A-Z]{2}[0-9]{13}", 15, _("2 capital letters and 13 digits")),
    "reissue.oldEid": _text("370", r"[0-9]{32}", 32, _("32 digits")),
    "mnp.reserveNumber": _text("307", r"[0-9]{10}", 10, _("10 digits, no hyphens")),
    "mnp.lastnameKanji": _name("253", Script.KANJI),
    "mnp.firstnameKanji": _name("254", Script.KANJI),
    "mnp.lastnameZenKana": _name("255", Script.KANA),
    "mnp.firstnameZenKana": _name("256", Script.KANA),
    "mnp.gender": _choice("257", "M", "W", CORPORATE),
    "mnp.birthday": _text("258", r"[0-9]{8}", 8, _("A date as YYYYMMDD")),
    "shipDate": _text("276", r"[0-9]{8}", 8, _("A date as YYYYMMDD")),
    "planCode": _text("215", r"[!-~]{1,32}", 32, _("1 to 32 half-width letters, digits and symbols")),
    "deliveryCode": _text("274", r"[0-9A-Za-z]{1,10}", 10, _("1 to 10 half-width letters and digits")),
}


# -- what the codes ask for -------------------------------------------------------------------------------------------


class NextStep(StrEnum):
    """What is to be done after a refusal."""

    FIX_FIELD = "fix_field"
    RETRY_LATER = "retry_later"
    #: Authenticate once more and send the same again; a second refusal is final.
    RENEW_KEY = "renew_key"
    #: Wait for the completion file; never send again.
    OUTCOME_UNKNOWN = "outcome_unknown"
    NEXT_MONTH = "next_month"
    #: Something that freebit has to provide or settle with us.
    CONTRACT = "contract"


@dataclass(frozen=True, slots=True, kw_only=True)
class ResultCode:
    """One detail code. ``fields`` are those it may be about, the likeliest first.

    ``may_be_ours``: after a request whose outcome is unknown, it probably means that this request was accepted.
    """

    status: int
    fields: tuple[str, ...]
    next_step: NextStep
    meaning: str | Promise
    may_be_ours: bool = False

    @property
    def field(self) -> str | None:
        """The field at fault, as far as the code says it."""
        return self.fields[0] if self.fields else None


def _code(status: int, step: NextStep, meaning: str | Promise, *fields: str, may_be_ours: bool = False) -> ResultCode:
    return ResultCode(status=status, fields=fields, next_step=step, meaning=meaning, may_be_ours=may_be_ours)


_FIX = NextStep.FIX_FIELD
#: The document's 39 errors.
RESULT_CODES: Mapping[str, ResultCode] = {
    "201": _code(400, _FIX, _("The phone number or the master account is not right."), "account", "masterAccount"),
    "202": _code(400, _FIX, _("The master password is not right."), "masterPassword"),
    "204": _code(400, _FIX, _("Some other field is not right.")),
    "205": _code(403, NextStep.RENEW_KEY, _("The authentication key is not valid.")),
    "208": _code(
        500,
        _FIX,
        _("The phone number or the master account is in use already."),
        "account",
        "masterAccount",
        may_be_ours=True,
    ),
    "210": _code(500, _FIX, _("The phone number or the master account does not exist."), "account", "masterAccount"),
    "215": _code(400, _FIX, _("The plan code is not right."), "planCode"),
    "228": _code(400, NextStep.RENEW_KEY, _("The authentication key is not well formed.")),
    "230": _code(500, NextStep.RETRY_LATER, _("Another request for this phone number is under way."), "account"),
    "232": _code(404, _FIX, _("There is no such plan."), "planCode"),
    "253": _code(400, _FIX, _("The last name (kanji) is not right."), "mnp.lastnameKanji"),
    "254": _code(400, _FIX, _("The first name (kanji) is not right."), "mnp.firstnameKanji"),
    "255": _code(400, _FIX, _("The last name (kana) is not right."), "mnp.lastnameZenKana"),
    "256": _code(400, _FIX, _("The first name (kana) is not right."), "mnp.firstnameZenKana"),
    "257": _code(400, _FIX, _("The gender is not right."), "mnp.gender"),
    "258": _code(400, _FIX, _("The date of birth is not right."), "mnp.birthday"),
    "266": _code(400, _FIX, _("The product number of the old SIM is not right."), "reissue.oldProductNumber"),
    "269": _code(400, _FIX, _("The representative number is not right."), "repAccount"),
    "274": _code(400, _FIX, _("The delivery code is not right."), "deliveryCode"),
    "275": _code(500, NextStep.CONTRACT, _("The representative number has no phone numbers left."), "repAccount"),
    "276": _code(400, _FIX, _("The ship date is not right."), "shipDate"),
    "277": _code(400, _FIX, _("The SIM type is not right."), "simKind"),
    "278": _code(400, _FIX, _("The ALADIN flag is not right."), "aladinOperated"),
    "279": _code(400, _FIX, _("The registration type is not right."), "createType"),
    "284": _code(500, NextStep.RETRY_LATER, _("The representative number is locked."), "repAccount"),
    "287": _code(500, _FIX, _("The representative number does not exist or cannot be used."), "repAccount"),
    "288": _code(500, _FIX, _("The product number does not exist or is in use."), "reissue.oldProductNumber"),
    "289": _code(500, _FIX, _("The SIM type does not fit the representative number."), "simKind", "repAccount"),
    "304": _code(500, _FIX, _("The SIM type does not fit the representative number."), "simKind", "repAccount"),
    "307": _code(400, _FIX, _("The MNP reservation number is not right."), "mnp.reserveNumber"),
    "310": _code(
        500,
        _FIX,
        _("The MNP reservation number is in use already, or has another problem."),
        "mnp.reserveNumber",
        may_be_ours=True,
    ),
    "333": _code(400, _FIX, _("The activation type is not right."), "addKind"),
    "356": _code(400, _FIX, _("An operated line (ALADIN 10) can only be a new one."), "addKind", "aladinOperated"),
    "360": _code(400, _FIX, _("The contract line is not right."), "contractLine"),
    "370": _code(400, _FIX, _("The EID, or the old EID, is not right."), "eid", "reissue.oldEid"),
    "371": _code(500, _FIX, _("The EID is in use already."), "eid", may_be_ours=True),
    "372": _code(500, _FIX, _("The EID does not exist."), "eid", "reissue.oldEid"),
    "374": _code(
        500, NextStep.NEXT_MONTH, _("This EID has had all its activations of the month: try next month."), "eid"
    ),
    "900": _code(500, NextStep.OUTCOME_UNKNOWN, _("An unexpected error: the request may have been accepted.")),
}
