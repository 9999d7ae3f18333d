"""An activation's values held against the rules before anything is sent: what was put right, what is wrong, and how.

Pure functions. Nothing is put right in silence; the values of a form go in, those that may be sent come out.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import field as attribute
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from django.utils.translation import gettext as _

from providers.activation_form import FormCorrection, FormDoubt, FormProblem
from providers.freebit.names import MAX_LENGTH, measure_full_name, read_name
from providers.freebit.rules import (
    CORPORATE,
    FIELDS,
    OTHER,
    UNSUPPORTED_PATTERN,
    Contract,
    Pattern,
    Presence,
    find_presence,
    is_supported,
)

#: The document prints dates without a zone; freebit is in Japan.
_JAPAN = ZoneInfo("Asia/Tokyo")
_OBJECTS = ("reissue", "mnp")
_EID_MODULUS = 97
#: OURS: a date of birth is doubted beyond this age.
_GREATEST_AGE = 120
_OLD_SIMS = ("reissue.oldProductNumber", "reissue.oldEid")
_EIDS = ("eid", "reissue.oldEid")
_DATES = ("mnp.birthday", "shipDate")


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """The values by name, corrected and without empty ones; they may be sent only when there are no problems."""

    values: Mapping[str, str] = attribute(repr=False)
    corrections: tuple[FormCorrection, ...]
    problems: tuple[FormProblem, ...]
    warnings: tuple[FormDoubt, ...]

    @property
    def document(self) -> dict[str, Any]:
        """The JSON document of the request, without its authKey."""
        return build_document(self.values)


def check_activation(values: Mapping[str, Any], *, contract: Contract, now: datetime) -> Checked:
    """Check a request by its fields' names (``mnp.gender``; see ``flatten_document``). ``now`` is aware.

    Empty values count as not given: the document knows no empty field. Everything wrong is told, not the first only.
    """
    if now.tzinfo is None:
        raise ValueError("now has no zone")
    return _Check(values, contract, now.astimezone(_JAPAN).date()).run()


def build_document(values: Mapping[str, str]) -> dict[str, Any]:
    """The values as the document prints them: its order, two objects, nothing empty."""
    document: dict[str, Any] = {}
    for name in FIELDS:
        outer, _dot, inner = name.partition(".")
        if not values.get(name):
            continue
        if inner:
            document.setdefault(outer, {})[inner] = values[name]
        else:
            document[outer] = values[name]
    return document


def flatten_document(document: Mapping[str, Any]) -> dict[str, Any]:
    """A request's JSON document by its fields' names, the authKey left out."""
    values: dict[str, Any] = {}
    for name, value in document.items():
        if name in _OBJECTS and isinstance(value, Mapping):
            values |= {f"{name}.{inner}": inner_value for inner, inner_value in value.items()}
        elif name != "authKey":
            values[name] = value
    return values


class _Check:
    """One request on its way through the rules."""

    def __init__(self, values: Mapping[str, Any], contract: Contract, today: date) -> None:
        self._contract = contract
        self._today = today
        self._corrections: list[FormCorrection] = []
        self._problems: list[FormProblem] = []
        self._doubts: list[FormDoubt] = []
        self._values = self._take_texts(values)
        self._pattern = Pattern.from_values(self._values)
        self._faulty: set[str] = {problem.field for problem in self._problems}

    def run(self) -> Checked:
        if self._check_pattern():
            self._check_presence()
            for name in FIELDS:
                if name in self._values and name not in self._faulty:
                    self._check_field(name)
            self._check_together()
        places = {name: place for place, name in enumerate(FIELDS)}
        return Checked(
            values=self._values,
            corrections=tuple(self._corrections),
            problems=tuple(sorted(self._problems, key=lambda problem: places.get(problem.field, len(places)))),
            warnings=tuple(self._doubts),
        )

    def _fail(self, name: str, message: str, code: str = "") -> None:
        self._problems.append(FormProblem(field=name, message=message, code=code or FIELDS[name].code))

    def _take_texts(self, values: Mapping[str, Any]) -> dict[str, str]:
        """What is given, as text; a number would be refused even where its digits are right."""
        texts: dict[str, str] = {}
        for name, value in values.items():
            if value is None or value == "":
                continue
            if name not in FIELDS:
                self._fail("", _("There is no field “%(name)s”.") % {"name": name[:40]}, OTHER)
            elif not isinstance(value, str):
                self._fail(name, _("Every value is a text, numbers too."))
            else:
                texts[name] = value
        return texts

    def _check_pattern(self) -> bool:
        """The two fields that decide about all others. False: no more can be told."""
        known = True
        for name in ("aladinOperated", "addKind"):
            given = self._values.get(name, "")
            if name in self._faulty:
                known = False
            elif given and given not in FIELDS[name].choices:
                self._fail(name, _("One of %(choices)s.") % {"choices": FIELDS[name].hint})
                known = False
        if not self._pattern.add_kind:
            if "addKind" not in self._faulty:
                self._fail("addKind", _("This field is required."))
            known = False
        if known and not is_supported(self._pattern, self._contract):
            self._fail(
                "addKind", _("The provider takes an operated line (ALADIN 10) only as new."), UNSUPPORTED_PATTERN
            )
            known = False
        return known

    def _check_presence(self) -> None:
        presence = find_presence(self._pattern, self._contract)
        for name, wanted in presence.items():
            given = name in self._values or name in self._faulty
            if wanted is Presence.REQUIRED and not given:
                self._fail(name, _("This field is required."))
            elif wanted is Presence.OMITTED and given and name not in self._faulty:
                self._fail(name, _("This field must be left out here."), self._find_code_of_extra(name))
                self._faulty.add(name)
        one_of = [name for name, wanted in presence.items() if wanted is Presence.ONE_OF]
        given_ones = [name for name in one_of if name in self._values or name in self._faulty]
        if one_of and len(given_ones) != 1:
            for name in given_ones or one_of:
                self._fail(name, _("Give either the product number or the EID of the old SIM, not both."), OTHER)

    def _find_code_of_extra(self, name: str) -> str:
        """The document has no code for an object that is not wanted as a whole."""
        outer, _dot, inner = name.partition(".")
        wanted = {"mnp": "M", "reissue": "R"}.get(outer)
        return OTHER if inner and wanted != self._pattern.add_kind else FIELDS[name].code

    def _check_field(self, name: str) -> None:
        rule = FIELDS[name]
        if rule.script is not None:
            self._check_name(name)
        elif rule.shape is not None and rule.shape.fullmatch(self._values[name]) is None:
            self._fail(name, _("One of %(choices)s.") % {"choices": rule.hint} if rule.choices else str(rule.hint))
        elif name in _DATES:
            self._check_date(name)
        elif name in _EIDS and int(self._values[name]) % _EID_MODULUS != 1:
            message = _("The check digits of this EID do not fit: compare it with the device once more.")
            self._doubts.append(FormDoubt(field=name, message=message))

    def _check_name(self, name: str) -> None:
        rule = FIELDS[name]
        if rule.script is None:
            return
        given = self._values[name]
        reading = read_name(given, script=rule.script, corporate=self._pattern.gender == CORPORATE)
        self._values[name] = reading.text
        if reading.changes:
            why = " ".join(reading.changes)
            self._corrections.append(FormCorrection(field=name, old=given, new=reading.text, why=why))
        for message in reading.problems:
            self._fail(name, message)
        self._doubts += [FormDoubt(field=name, message=message) for message in reading.doubts]

    def _check_date(self, name: str) -> None:
        text = self._values[name]
        try:
            day = date(int(text[:4]), int(text[4:6]), int(text[6:]))
        except ValueError:
            self._fail(name, _("There is no such day."))
            return
        if day > self._today:
            self._fail(name, _("This day is still to come in Japan."))
        elif name == "mnp.birthday" and self._today.year - day.year > _GREATEST_AGE:
            message = _("More than %(years)s years ago: is this right?") % {"years": _GREATEST_AGE}
            self._doubts.append(FormDoubt(field=name, message=message))

    def _check_together(self) -> None:
        """What two fields say only together. Nothing is said about a field that is wrong by itself."""
        wrong = {problem.field for problem in self._problems}
        values = {name: value for name, value in self._values.items() if name not in wrong}
        if "eid" in values and values.get("reissue.oldEid") == values["eid"]:
            self._fail("reissue.oldEid", _("The old EID is the new one."))
        if values.get("createType") == "add" and not self._contract.uses_ums:
            self._fail("createType", _("“add” needs the User Management Service, which our contract does not use."))
        for script in ("Kanji", "ZenKana"):
            last, first = values.get(f"mnp.lastname{script}"), values.get(f"mnp.firstname{script}")
            if last and first and measure_full_name(last, first) > MAX_LENGTH:
                message = _("Last name, a space and first name have more than %(most)s characters together.")
                self._fail(f"mnp.lastname{script}", message % {"most": MAX_LENGTH})
