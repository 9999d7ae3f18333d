"""The eSIM request completion notification file (eSIM依頼完了通知ファイル): what became of accepted activations.

Its definition is another document, so columns, words, dates and encoding are settings (``CompletionFormat``). A row
that cannot be read is a fault with its line number beside the others; no fault quotes the row.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

from django.utils.translation import gettext as _

from providers.freebit.config import CompletionFormat, fold_word
from providers.freebit.records import CsvRecord, decode_file, is_damaged, read_records, replace_damage, split_lines
from providers.freebit.results import ACCEPTED, is_known_refusal
from providers.reading import UnreadableError, note_unknown_word, replace_unstorable
from providers.redaction import mask_keys, redact_text
from providers.types import CompletionFile, CompletionRow, Fault

#: OURS: a date without a zone is Japan's, as the dates of the requests seem to be.
_JAPAN = ZoneInfo("Asia/Tokyo")
_EID = re.compile(r"[0-9]{32}", re.ASCII)
_ICCID = re.compile(r"[0-9]{18,22}", re.ASCII)
_PHONE = re.compile(r"[0-9]{10,14}", re.ASCII)
_BETWEEN_DIGITS = re.compile(r"[\s-]")
_DELIVERY_CODE = re.compile(r"[!-~]{1,40}", re.ASCII)
#: By the document; a fault names no other, which might be a phone number out of a wrong column.
_OUR_DELIVERY_CODE = re.compile(r"[0-9A-Za-z]{1,10}", re.ASCII)
#: Directives with nothing between them: ``strptime`` would also take fewer digits than the format means.
_RUN_OF_DIGITS = re.compile(r"%[YmdHM]%[mdHMS]")
#: OURS: a file of the wrong kind has as many faults as lines; so many tell enough.
MAX_FAULTS = 1000
_CODE_LIMIT, _MESSAGE_LIMIT = 60, 300

Places = Mapping[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Layout:
    """Where each of our names stands in a row (from 0), and the line that the rows begin on (from 0).

    ``headings`` is how many there are, None for a file that is read by position.
    """

    places: Places
    start: int
    headings: int | None

    @property
    def needed(self) -> int:
        """How many columns a row must have."""
        return max(self.places.values()) + 1


def read_completion_file(data: bytes, *, form: CompletionFormat, account: str) -> CompletionFile:
    """The readable rows, in the file's order, and what could not be read. Raises ``UnreadableError``."""
    lines = split_lines(decode_file(data, form.encoding))
    layout = _find_layout(lines, form)
    rows: list[CompletionRow] = []
    faults: list[Fault] = []

    def is_ours(cells: Sequence[str]) -> bool:
        """Whether several lines make one row, as a whole."""
        return len(cells) >= layout.needed and any(_read_handles(cells, layout.places))

    for record in read_records(lines, start=layout.start, accepts=is_ours):
        row = _RowReader(record, layout, form=form, account=account, faults=faults).read()
        if row:
            rows.append(row)
    if len(faults) > MAX_FAULTS:
        left = Fault(where="file", message=f"has {len(faults) - MAX_FAULTS} more faults")
        faults = [*faults[:MAX_FAULTS], left]
    return CompletionFile(rows=tuple(rows), faults=tuple(faults))


# -- columns ----------------------------------------------------------------------------------------------------------


def _find_layout(lines: Sequence[str], form: CompletionFormat) -> _Layout:
    first = next(read_records(lines, start=0, accepts=lambda _cells: True), None)
    if first is None:
        raise UnreadableError(_("the file is empty"))
    after = first.number - 1 + first.lines
    positions = {name: place - 1 for name, place in form.columns.items() if isinstance(place, int)}
    if len(positions) == len(form.columns):
        return _Layout(places=positions, start=after if _is_heading(first, positions) else 0, headings=None)
    if first.cells is None:
        # The problem is one of a row as well, where it is stored in English.
        raise UnreadableError(_("the line of headings %(problem)s") % {"problem": _(first.problem)})
    places = positions | _find_headings(first.cells, form)
    for group in (("eid", "delivery_code"), ("result", "code")):
        if not places.keys() & set(group):
            # Named are the headings of the setting, never those of the file.
            wanted = [f"“{form.columns[name]}”" for name in group if name in form.columns]
            text = _("the first line has no heading %(wanted)s")
            raise UnreadableError(text % {"wanted": _(" or ").join(wanted)})
    return _Layout(places=places, start=after, headings=len(first.cells))


def _find_headings(cells: Sequence[str], form: CompletionFormat) -> dict[str, int]:
    headings: dict[str, int] = {}
    for position, cell in enumerate(cells):
        headings.setdefault(fold_word(cell), position)
    wanted = {name: fold_word(place) for name, place in form.columns.items() if isinstance(place, str)}
    return {name: headings[heading] for name, heading in wanted.items() if heading in headings}


def _is_heading(record: CsvRecord, places: Places) -> bool:
    """Whether a file that is read by position begins with a line of headings: its handles hold no digit."""
    cells = record.cells or ()
    handles = [cells[places[name]] for name in ("eid", "delivery_code") if places.get(name, len(cells)) < len(cells)]
    return any(handles) and not any(character.isdigit() for character in "".join(handles))


def _read_handles(cells: Sequence[str], places: Places) -> tuple[str, str]:
    """(EID, delivery code), "" for what is absent or cannot be one."""
    eid = _BETWEEN_DIGITS.sub("", cells[places["eid"]]) if "eid" in places else ""
    code = cells[places["delivery_code"]] if "delivery_code" in places else ""
    return eid if _EID.fullmatch(eid) else "", code if _DELIVERY_CODE.fullmatch(code) else ""


# -- rows -------------------------------------------------------------------------------------------------------------


class _RowReader:
    """Reads one record; what cannot be read goes to ``faults``, and never with a value of the row."""

    def __init__(
        self, record: CsvRecord, layout: _Layout, *, form: CompletionFormat, account: str, faults: list[Fault]
    ) -> None:
        self._record = record
        self._cells = record.cells or ()
        self._layout = layout
        self._places = layout.places
        self._form = form
        self._account = account
        self._faults = faults
        self._delivery_code = ""

    def read(self) -> CompletionRow | None:
        """The row, or None where it names no activation that could be looked for."""
        eid = ""
        problem = self._find_damage()
        if not problem:
            eid, self._delivery_code = _read_handles(self._cells, self._places)
            problem = self._find_missing_handle(eid)
        if problem:
            self._fault(problem)
            return None
        succeeded, code, message = self._read_result()
        completed_at, completed_on = self._read_time()
        return CompletionRow(
            number=self._record.number,
            eid=eid,
            delivery_code=self._delivery_code,
            account_number=self._digits("account", _PHONE, "phone number"),
            succeeded=succeeded,
            code=code,
            message=message,
            iccid=self._digits("iccid", _ICCID, "ICCID"),
            completed_at=completed_at,
            completed_on=completed_on,
        )

    def _find_damage(self) -> str:
        """Why it cannot be told what stands in which column, "" where it can."""
        if self._record.cells is None:
            return self._record.problem
        count, headings = len(self._cells), self._layout.headings
        if count < self._layout.needed:
            return f"has {count} columns where {self._layout.needed} are needed"
        if headings is not None and any(self._cells[headings:]):
            return f"has {count} columns under {headings} headings"
        return ""

    def _find_missing_handle(self, eid: str) -> str:
        for name, value, problem in (
            ("eid", eid, "has no EID of 32 digits"),
            ("delivery_code", self._delivery_code, "has no usable delivery code"),
        ):
            if not value and self._cell(name):
                return "holds bytes that are no text" if is_damaged(self._cell(name)) else problem
        return "" if eid or self._delivery_code else "names neither an EID nor a delivery code"

    def _fault(self, message: str) -> None:
        ref = self._delivery_code if _OUR_DELIVERY_CODE.fullmatch(self._delivery_code) else ""
        self._faults.append(Fault(where=f"line {self._record.number}", message=message, ref=ref))

    def _cell(self, name: str) -> str:
        return self._cells[self._places[name]] if name in self._places else ""

    def _digits(self, name: str, pattern: re.Pattern[str], what: str) -> str:
        digits = _BETWEEN_DIGITS.sub("", self._cell(name))
        if digits and not pattern.fullmatch(digits):
            self._fault(f"has something that is no {what}")
            return ""
        return digits

    def _text(self, name: str, limit: int) -> str:
        """Free text of theirs on one line, without secrets."""
        line = " ".join(replace_unstorable(replace_damage(self._cell(name))).split())
        return redact_text(mask_keys(line))[:limit]

    # -- what became of it

    def _read_result(self) -> tuple[bool | None, str, str]:
        """(succeeded, the provider's code or word, its text). The result's word counts before the code."""
        word, code = self._text("result", _CODE_LIMIT), self._text("code", _CODE_LIMIT)
        message = self._text("message", _MESSAGE_LIMIT)
        by_word, by_code = self._judge_word(word), self._judge_code(code)
        if not word and not code:
            self._fault("does not say what became of the activation")
            return None, "", message
        if word and by_word is None:
            # Never the word itself: with the wrong columns it is somebody's name.
            note_unknown_word(account=self._account, field="completion result", word="(not shown)")
            return None, code or word, f"{word} {message}".strip()[:_MESSAGE_LIMIT] if code else message
        if by_word is not None and by_code is not None and by_word != by_code:
            self._fault("says success and failure at once")
            return None, code, message
        return by_code if by_word is None else by_word, code or word, message

    def _judge_word(self, word: str) -> bool | None:
        folded = fold_word(word)
        if folded in self._form.success:
            return True
        return False if folded in self._form.failure else self._judge_code(word)

    def _judge_code(self, code: str) -> bool | None:
        if code == ACCEPTED:
            return True
        return False if is_known_refusal(code) else None

    # -- when

    def _read_time(self) -> tuple[datetime | None, date | None]:
        """(an instant, None), or (None, a date in Japan) where no time of day is told."""
        text = self._cell("completed_at")
        if not text:
            return None, None
        for layout in self._form.dates:
            found = _parse_time(text, layout)
            if found:
                if "%H" in layout or "%I" in layout:
                    return found.astimezone(UTC), None
                return None, found.date()
        self._fault("has a date that cannot be read")
        return None, None


def _parse_time(text: str, layout: str) -> datetime | None:
    try:
        found = datetime.strptime(text, layout)  # noqa: DTZ007 - the zone is Japan's where the text names none
    except ValueError:
        return None
    if not 2000 <= found.year < 9000 or (_RUN_OF_DIGITS.search(layout) and found.strftime(layout) != text):
        return None
    return found if found.tzinfo else found.replace(tzinfo=_JAPAN)
