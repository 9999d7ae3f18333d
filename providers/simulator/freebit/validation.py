"""The document's matrix, whole: which fields a request has by aladinOperated and addKind, and how they look.

The document has no order of checks. Ours: the form, the key, the two fields that choose the pattern, the pattern,
then every field by the document's numbering; the first fault is answered. Fields that a pattern does not need
("not required") are refused with their own code, unless the switch `freebit_unneeded_fields` says "ignore".
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any
from urllib.parse import parse_qsl

from providers.simulator.freebit.codes import Decline
from providers.simulator.freebit.fields import FULL_WIDTH_SPACE, SHAPES, check_date, check_text, is_full_width
from providers.simulator.messages import Request

OTHER = "204"
MAX_NAME = 50
_MNP = ("reserveNumber", "lastnameKanji", "firstnameKanji", "lastnameZenKana", "firstnameZenKana", "gender", "birthday")
_REISSUE = ("oldProductNumber", "oldEid")
_OF_PERSONS = ("firstnameKanji", "firstnameZenKana", "birthday")
_OF_PLANS = ("createType", "masterAccount", "masterPassword")
_TOP = (
    *("authKey", "aladinOperated", "masterAccount", "masterPassword", "createType", "eid", "account", "simKind"),
    *("contractLine", "repAccount", "addKind", "reissue", "mnp", "shipDate", "planCode", "deliveryCode"),
)


@dataclass(frozen=True)
class Activation:
    """A request that the document allows; what was not sent is an empty text."""

    aladin: str
    kind: str
    eid: str
    account: str
    sim_kind: str
    contract_line: str
    rep_account: str
    plan: str
    delivery_code: str
    create_type: str
    master_account: str
    old_product_number: str
    old_eid: str
    reserve_number: str


@dataclass(frozen=True)
class Reading:
    """How the open points of the document are read: the switches, and today in Japan."""

    today: date
    ums: str
    unneeded: str
    lift_aladin_ban: bool


def read_form(request: Request) -> dict[str, Any]:
    """The JSON object in the form field `json`. Raises Decline 204 for multipart, a bare JSON body or no JSON."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/x-www-form-urlencoded":
        raise Decline(OTHER)
    try:
        form = parse_qsl(request.body.decode("ascii"), keep_blank_values=True, strict_parsing=True, errors="strict")
        [text] = [value for name, value in form if name == "json"]
        document = json.loads(text)
    except (ValueError, RecursionError):
        raise Decline(OTHER) from None
    if not isinstance(document, dict):
        raise Decline(OTHER)
    return document


def read_activation(document: Mapping[str, Any], reading: Reading) -> Activation:
    """The request as the document allows it. Raises Decline with the detail code of the first fault."""
    return _Reader(document, reading).read()


class _Reader:
    """Reads one document field by field; a field that is asked for is checked, the others must be absent."""

    def __init__(self, document: Mapping[str, Any], reading: Reading) -> None:
        self._document = document
        self._reading = reading
        self._aladin = "20"
        self._kind = ""

    def read(self) -> Activation:
        self._aladin = check_text("aladinOperated", self._document.get("aladinOperated", "20"))
        self._kind = check_text("addKind", self._document.get("addKind"))
        operated, reissued = self._aladin == "10", self._kind == "R"
        if operated and (reissued or (self._kind == "M" and not self._reading.lift_aladin_ban)):
            raise Decline("356")
        self._refuse_strange_names()
        master_account, create_type = self._read_master()
        eid = self._need("eid")
        new_number = self._aladin == "20" and self._kind == "N"
        account = self._take("account") if new_number else self._need("account")
        sim_kind = self._leave("simKind") if reissued else self._need("simKind")
        banned_line = reissued or (operated and self._kind == "N")
        contract_line = self._leave("contractLine") if banned_line else self._take("contractLine")
        rep_account = self._read_rep_account()
        old_product_number, old_eid = self._read_reissue(eid)
        reserve_number = self._read_mnp()
        self._read_ship_date()
        return Activation(
            aladin=self._aladin,
            kind=self._kind,
            eid=eid,
            account=account,
            sim_kind=sim_kind,
            contract_line=contract_line or ("" if banned_line else "4G"),
            rep_account=rep_account,
            plan=self._leave("planCode") if reissued else self._take("planCode"),
            delivery_code=self._take("deliveryCode"),
            create_type=create_type,
            master_account=master_account,
            old_product_number=old_product_number,
            old_eid=old_eid,
            reserve_number=reserve_number,
        )

    def _need(self, name: str) -> str:
        return check_text(name, self._document.get(name))

    def _take(self, name: str) -> str:
        return check_text(name, self._document[name]) if name in self._document else ""

    def _leave(self, name: str, *, code: str = "") -> str:
        """Not needed in this pattern."""
        if name in self._document and self._reading.unneeded == "refuse":
            raise Decline(code or SHAPES[name].code)
        return ""

    def _refuse_strange_names(self) -> None:
        if self._reading.unneeded == "refuse" and set(self._document) - set(_TOP):
            raise Decline(OTHER)

    def _read_master(self) -> tuple[str, str]:
        """The master account and createType, which go with a plan; the account is for User Management Service."""
        if self._kind == "R" or "planCode" not in self._document:
            for name in _OF_PLANS:
                self._leave(name)
            return "", ""
        create_type = self._need("createType")
        managed = self._reading.ums == "yes" or (
            self._reading.ums == "either" and ("masterAccount" in self._document or "masterPassword" in self._document)
        )
        if not managed:
            self._leave("masterAccount")
            self._leave("masterPassword")
            if create_type == "add":
                raise Decline("279")
            return "", create_type
        account = self._need("masterAccount")
        if create_type == "new":
            self._need("masterPassword")
        else:
            self._take("masterPassword")
        return account, create_type

    def _read_rep_account(self) -> str:
        if self._kind == "R":
            return self._leave("repAccount")
        if self._aladin == "10" and self._kind == "N":
            return self._need("repAccount")
        return self._take("repAccount")

    def _read_ship_date(self) -> None:
        if self._aladin == "10":
            check_date("shipDate", self._document.get("shipDate"), today=self._reading.today)
        else:
            self._leave("shipDate")

    def _read_object(self, name: str, fields: tuple[str, ...]) -> dict[str, Any]:
        """One of the two objects, for which the document has no code of its own: 204."""
        found = self._document.get(name)
        if not isinstance(found, dict) or (self._reading.unneeded == "refuse" and set(found) - set(fields)):
            raise Decline(OTHER)
        return found

    def _read_reissue(self, eid: str) -> tuple[str, str]:
        """Exactly one of the old SIM's product number and the old EID."""
        if self._kind != "R":
            return self._leave("reissue", code=OTHER), ""
        found = self._read_object("reissue", _REISSUE)
        if len(set(found) & set(_REISSUE)) != 1:
            raise Decline(OTHER)
        if "oldProductNumber" in found:
            return check_text("reissue.oldProductNumber", found["oldProductNumber"]), ""
        old_eid = check_text("reissue.oldEid", found["oldEid"])
        if old_eid == eid:
            raise Decline("370")
        return "", old_eid

    def _read_mnp(self) -> str:
        """The number that is carried over and its holder; returns the reservation number."""
        if self._kind != "M" or self._aladin == "10":
            self._leave("mnp", code=OTHER)
            return ""
        found = self._read_object("mnp", _MNP)
        reserve_number = check_text("mnp.reserveNumber", found.get("reserveNumber"))
        gender = check_text("mnp.gender", found.get("gender"))
        if gender == "C":
            for name in _OF_PERSONS:
                if name in found and self._reading.unneeded == "refuse":
                    raise Decline(SHAPES[f"mnp.{name}"].code)
        _check_names(found, "Kanji", corporate=gender == "C")
        _check_names(found, "ZenKana", corporate=gender == "C")
        if gender != "C":
            check_date("mnp.birthday", found.get("birthday"), today=self._reading.today)
        return reserve_number


def _check_names(found: Mapping[str, Any], script: str, *, corporate: bool) -> None:
    """One script's name: last name alone for a company, else with the first name and the space between them."""
    last = _check_name(found, f"lastname{script}", corporate=corporate)
    if not corporate:
        first = _check_name(found, f"firstname{script}", corporate=False)
        if len(f"{last}{FULL_WIDTH_SPACE}{first}") > MAX_NAME:
            raise Decline(SHAPES[f"mnp.lastname{script}"].code)


def _check_name(found: Mapping[str, Any], name: str, *, corporate: bool) -> str:
    path = f"mnp.{name}"
    text = check_text(path, found.get(name))
    spaces_fit = text.strip(FULL_WIDTH_SPACE) == text if corporate else FULL_WIDTH_SPACE not in text
    if not spaces_fit or not all(map(is_full_width, text)):
        raise Decline(SHAPES[path].code)
    return text
