"""What PA05-41 allows in a request, read from its tables alone: the faults of one request."""

import re
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta, timezone
from typing import Any

Json = dict[str, Any]
_JAPAN = timezone(timedelta(hours=9))
_TOP = frozenset(
    {
        *("authKey", "aladinOperated", "masterAccount", "masterPassword", "createType", "eid", "account", "simKind"),
        *("contractLine", "repAccount", "addKind", "reissue", "mnp", "shipDate", "planCode", "deliveryCode"),
    }
)
_NOT_FOR_COMPANIES = frozenset({"firstnameKanji", "firstnameZenKana", "birthday"})
_MNP = _NOT_FOR_COMPANIES | {"reserveNumber", "lastnameKanji", "lastnameZenKana", "gender"}
#: field -> (what it looks like, the code of its fault)
_SHAPES: Mapping[str, tuple[str, int]] = {
    "aladinOperated": ("10|20", 278),
    "masterAccount": ("[!-~]{1,64}", 201),
    "masterPassword": ("[!-~]{1,256}", 202),
    "createType": ("new|add", 279),
    "eid": ("[0-9]{32}", 370),
    "account": ("[0-9]{11,14}", 201),
    "simKind": ("E2|E3|E0", 277),
    "contractLine": ("4G|5G", 360),
    "repAccount": ("[0-9]{11,14}", 269),
    "addKind": ("N|M|R", 333),
    "shipDate": ("[0-9]{8}", 276),
    "planCode": ("[!-~]{1,32}", 215),
    "deliveryCode": ("[0-9A-Za-z]{1,10}", 274),
}
_KATAKANA = "　０-９Ａ-Ｚァ-ワンヴー"
_ALWAYS_OUT = "[ -~｡-ﾟ]"


class Reading:
    """One request against the tables."""

    def __init__(self, request: Json, *, uses_ums: bool, allows_other: bool) -> None:
        self.request = request
        self._uses_ums = uses_ums
        self._allows_other = allows_other
        self.operated = request.get("aladinOperated", "20") == "10"
        self.kind = request.get("addKind")
        #: Sent although the tables say "not required", or under no name of theirs.
        self.needless: list[str] = []

    def faults(self) -> list[int]:
        """Detail codes, without the key."""
        found = list(self._find())
        self.needless += [name for name in self.request if name not in _TOP]
        return found

    def _find(self) -> Iterator[int]:
        for name in ("eid", "addKind"):
            if name not in self.request:
                yield _SHAPES[name][1]
        for name, (shape, code) in _SHAPES.items():
            value = self.request.get(name, "")
            if name in self.request and not (isinstance(value, str) and re.fullmatch(shape, value, re.ASCII)):
                yield code
        if self.operated and self.kind != "N" and not self._allows_other:
            yield 356
            return
        for part in (self._plan, self._numbers, self._line, self._reissue, self._mnp):
            yield from part()

    def _need(self, name: str, needed: bool, allowed: bool = True) -> bool:
        """Whether it is missing; what is there for nothing is noted."""
        if name in self.request and not (needed or allowed):
            self.needless.append(name)
        return needed and name not in self.request

    def _plan(self) -> Iterator[int]:
        has_plan = "planCode" in self.request and self.kind != "R"
        create = self.request.get("createType")
        self._need("planCode", needed=False, allowed=self.kind != "R")
        if self._need("createType", has_plan, allowed=False) or (create == "add" and not self._uses_ums):
            yield 279
        managed = has_plan and self._uses_ums
        if self._need("masterAccount", managed, allowed=False):
            yield 201
        if self._need("masterPassword", managed and create == "new", allowed=managed):
            yield 202

    def _numbers(self) -> Iterator[int]:
        if self._need("account", self.operated or self.kind != "N"):
            yield 201
        if self._need("repAccount", self.operated and self.kind == "N", allowed=self.kind != "R"):
            yield 269
        if self._need("shipDate", self.operated, allowed=False):
            yield 276
        text = self.request.get("shipDate", "")
        if re.fullmatch("[0-9]{8}", text, re.ASCII):
            today = datetime.now(_JAPAN).strftime("%Y%m%d")
            if not _is_day(text) or text > today:
                yield 276

    def _line(self) -> Iterator[int]:
        if self._need("simKind", self.kind != "R", allowed=False):
            yield 277
        # Two of the document's examples send it for operated lines that are not new: not needless there.
        self._need("contractLine", needed=False, allowed=self.kind != "R" and (not self.operated or self._allows_other))

    def _reissue(self) -> Iterator[int]:
        needed = not self.operated and self.kind == "R"
        if self._need("reissue", needed, allowed=False):
            yield 204
        reissue = self.request.get("reissue")
        if not needed or reissue is None:
            return
        if not isinstance(reissue, dict) or len(reissue) != 1:
            yield 204
        elif "oldProductNumber" in reissue:
            if not _matches(reissue["oldProductNumber"], "[A-Z]{2}[0-9]{13}"):
                yield 266
        elif not _matches(reissue.get("oldEid"), "[0-9]{32}"):
            yield 370

    def _mnp(self) -> Iterator[int]:
        needed = not self.operated and self.kind == "M"
        if self._need("mnp", needed, allowed=False):
            yield 307
        mnp = self.request.get("mnp")
        if not needed or mnp is None:
            return
        if not isinstance(mnp, dict):
            yield 204
            return
        self.needless += [f"mnp.{name}" for name in mnp if name not in _MNP]
        if not _matches(mnp.get("reserveNumber"), "[0-9]{10}"):
            yield 307
        if not _matches(mnp.get("gender"), "M|W|C"):
            yield 257
        is_company = mnp.get("gender") == "C"
        if is_company:
            self.needless += [
                f"mnp.{name}" for name in mnp if name in ("firstnameKanji", "firstnameZenKana", "birthday")
            ]
        elif not _matches(mnp.get("birthday"), "[0-9]{8}") or not _is_day(mnp["birthday"]):
            yield 258
        yield from self._names(mnp, "Kanji", (253, 254), _is_kanji, is_company=is_company)
        yield from self._names(mnp, "ZenKana", (255, 256), _is_kana, is_company=is_company)

    def _names(
        self, mnp: Json, script: str, codes: tuple[int, int], fits: Callable[[str], bool], *, is_company: bool
    ) -> Iterator[int]:
        last, first = mnp.get(f"lastname{script}"), mnp.get(f"firstname{script}")
        if not _is_name(last, fits, is_company=is_company):
            yield codes[0]
        if is_company:
            return
        if not _is_name(first, fits, is_company=False):
            yield codes[1]
        elif isinstance(last, str) and isinstance(first, str) and len(last) + 1 + len(first) > 50:
            yield codes[0]


def _is_name(name: Any, fits: Callable[[str], bool], *, is_company: bool) -> bool:
    if not isinstance(name, str) or not 1 <= len(name) <= 50 or not fits(name):
        return False
    return name == name.strip("　") if is_company else "　" not in name


def _is_kanji(name: str) -> bool:
    if re.search(_ALWAYS_OUT, name) or any(ord(letter) < 32 or 127 <= ord(letter) < 160 for letter in name):
        return False
    try:
        return name.encode("cp932").decode("cp932") == name
    except UnicodeError:
        return False


def _is_kana(name: str) -> bool:
    return re.fullmatch(f"[{_KATAKANA}]+", name) is not None


def _matches(value: Any, shape: str) -> bool:
    return isinstance(value, str) and re.fullmatch(shape, value, re.ASCII) is not None


def _is_day(text: str) -> bool:
    try:
        datetime.strptime(text, "%Y%m%d").replace(tzinfo=_JAPAN)
    except ValueError:
        return False
    return True
