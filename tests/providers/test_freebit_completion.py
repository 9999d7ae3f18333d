"""The completion file: columns, words, dates and encodings by setting, and damage that stays where it is."""

from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from hypothesis import given, settings
from hypothesis import strategies as st

from providers.freebit.completion import MAX_FAULTS, read_completion_file
from providers.freebit.config import read_completion_format
from providers.freebit.lines import make_line
from providers.freebit.records import MAX_FILE_BYTES, MAX_LINE_CHARACTERS
from providers.reading import UnreadableError
from providers.types import CompletionFile, CompletionRow, Fault, LineState

EID = "89049032123451234512345678901235"
OTHER_EID = "89086030202200000022000023022943"
HEADINGS = "eid,deliveryCode,account,result,code,message,iccid,completedAt"
ROW = f"{EID},RD00000001,08011112222,OK,100,OK,8981100000000000002,2026/02/03 10:20:30"
OTHER_ROW = f"{OTHER_EID},RD00000002,,NG,371,NG,,2026/02/03 10:21:00"
SEEN = datetime(2026, 2, 4, tzinfo=UTC)


def read(data: bytes, **changes: Any) -> CompletionFile:
    """A file as the account reads it whose settings are ``completion_…``."""
    values = {f"completion_{name}": value for name, value in changes.items()}
    form = read_completion_format(values, prefix="FREEBIT_COMPLETION")
    return read_completion_file(data, form=form, account="freebit")


def read_lines(*lines: str, **changes: Any) -> CompletionFile:
    return read("\r\n".join([*lines, ""]).encode("cp932"), **changes)


def result_of(result: str, code: str = "", **changes: Any) -> tuple[bool | None, str]:
    rows = read_lines("eid,result,code", f"{EID},{result},{code}", **changes).rows
    return rows[0].succeeded, rows[0].code


SUCCESS = CompletionRow(
    number=2,
    eid=EID,
    delivery_code="RD00000001",
    account_number="08011112222",
    succeeded=True,
    code="100",
    message="OK",
    iccid="8981100000000000002",
    completed_at=datetime(2026, 2, 3, 1, 20, 30, tzinfo=UTC),
)
FAILURE = CompletionRow(
    number=3,
    eid=OTHER_EID,
    delivery_code="RD00000002",
    account_number="",
    succeeded=False,
    code="371",
    message="NG",
    completed_at=datetime(2026, 2, 3, 1, 21, tzinfo=UTC),
)


def test_the_default_columns() -> None:
    assert read_lines(HEADINGS, ROW, OTHER_ROW) == CompletionFile(rows=(SUCCESS, FAILURE), faults=())


# -- columns ----------------------------------------------------------------------------------------------------------


def test_headings_of_a_setting_are_found_in_any_place_width_and_case() -> None:
    columns = {"eid": "ＥＩＤ", "delivery_code": "納品コード", "result": "処理結果"}
    found = read_lines("氏名,処理結果, eid ,備考,納品コード", f"山田太郎,OK,{EID},x,C1", columns=columns)
    assert [(row.eid, row.delivery_code, row.succeeded, row.iccid) for row in found.rows] == [(EID, "C1", True, "")]
    assert found.faults == ()


def test_columns_by_position_need_no_headings() -> None:
    columns = {"delivery_code": 1, "eid": 2, "result": 3}
    found = read_lines(f"C1,{EID},OK", f"C2,{OTHER_EID},NG", columns=columns)
    assert [(row.number, row.delivery_code, row.succeeded) for row in found.rows] == [(1, "C1", True), (2, "C2", False)]


def test_columns_by_position_step_over_a_line_of_headings() -> None:
    columns = {"eid": 2, "result": 1}
    found = read_lines('"結果","EID\r\n番号"', f"OK,{EID}", columns=columns)
    assert [(row.number, row.eid) for row in found.rows] == [(3, EID)]
    assert found.faults == ()


def test_headings_and_positions_can_be_mixed() -> None:
    found = read_lines("EID,,結果", f"{EID},C1,OK", columns={"eid": "EID", "delivery_code": 2, "result": "結果"})
    assert [(row.eid, row.delivery_code, row.succeeded) for row in found.rows] == [(EID, "C1", True)]


def test_a_heading_that_comes_twice_is_the_first() -> None:
    found = read_lines("eid,result,result", f"{EID},OK,NG")
    assert found.rows[0].succeeded is True


@pytest.mark.parametrize(
    ("headings", "message"),
    [
        ("EIDs,result", "the first line has no heading “eid” or “deliveryCode”"),
        ("eid,what", "the first line has no heading “result” or “code”"),
        (ROW, "the first line has no heading “eid” or “deliveryCode”"),
        ('"eid,result', "the line of headings has a quotation mark that never closes"),
    ],
)
def test_another_file_is_refused_whole(headings: str, message: str) -> None:
    with pytest.raises(UnreadableError) as caught:
        read_lines(headings, ROW)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "the file is empty"),
        (b"\r\n \r\n", "the file is empty"),
        (b",,,\r\n", "the file is empty"),
        (b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR", "the file is no text"),
        (b"a" * (MAX_FILE_BYTES + 1), "the file is larger than 20 MB"),
        (b"\n" * 200_001 + b"x", "the file has more than 200000 lines"),
    ],
    ids=["nothing", "blank lines", "blank cells", "a picture", "too large", "too many lines"],
)
def test_what_is_no_such_file(data: bytes, message: str) -> None:
    with pytest.raises(UnreadableError) as caught:
        read(data)
    assert str(caught.value) == message


def test_a_file_without_rows_is_one() -> None:
    assert read_lines(HEADINGS) == CompletionFile(rows=(), faults=())


# -- encodings --------------------------------------------------------------------------------------------------------

JAPANESE = f"EID,結果,備考\r\n{EID},成功,髙﨑①㈱の山田―完了\r\n"
COLUMNS: Mapping[str, str | int] = {"eid": "EID", "result": "結果", "message": "備考"}


@pytest.mark.parametrize(
    ("codec", "told"),
    [
        ("cp932", "auto"),
        ("cp932", "windows-31j"),
        ("cp932", "CP932"),
        ("utf-8", "auto"),
        ("utf-8-sig", "auto"),
        ("utf-8-sig", "utf-8"),
        ("utf-8", "utf-8-sig"),
    ],
)
def test_encodings(codec: str, told: str) -> None:
    found = read(JAPANESE.encode(codec), columns=COLUMNS, encoding=told)
    assert [(row.eid, row.succeeded, row.message) for row in found.rows] == [(EID, True, "髙﨑①㈱の山田―完了")]
    assert found.faults == ()


def test_files_put_together_keep_their_marks() -> None:
    data = f"eid,result\n{EID},OK\n".encode("utf-8-sig") + f"{OTHER_EID},NG\n".encode("utf-8-sig")
    assert [(row.eid, row.succeeded) for row in read(data).rows] == [(EID, True), (OTHER_EID, False)]


def test_the_wrong_encoding_is_a_file_without_its_headings() -> None:
    with pytest.raises(UnreadableError, match="no heading “結果”"):
        read(JAPANESE.encode("cp932"), columns=COLUMNS, encoding="utf-8")


@pytest.mark.parametrize("codec", ["cp932", "utf-8"])
def test_one_damaged_row_does_not_change_how_the_others_are_read(codec: str) -> None:
    data = JAPANESE.encode(codec) + b"\x81\xff,OK,\r\n" + f"{OTHER_EID},失敗,取消し\r\n".encode(codec)
    found = read(data, columns=COLUMNS)
    assert [(row.number, row.eid, row.succeeded, row.message) for row in found.rows] == [
        (2, EID, True, "髙﨑①㈱の山田―完了"),
        (4, OTHER_EID, False, "取消し"),
    ]
    assert found.faults == (Fault(where="line 3", message="holds bytes that are no text"),)


def test_bytes_that_are_no_text_in_a_remark_cost_only_themselves() -> None:
    data = f"EID,結果,備考\r\n{EID},成功,完".encode() + b"\x81\r\n"
    assert [(row.succeeded, row.message) for row in read(data, columns=COLUMNS).rows] == [(True, "完\ufffd")]


# -- rows -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("line_end", ["\r\n", "\n", "\r"])
def test_quoted_cells_line_ends_and_empty_lines(line_end: str) -> None:
    lines = ['"eid","deliveryCode","result","message"', "", ",,,", f'"{EID}","C1"," OK ","done, ""well"""', "", "\x1a"]
    found = read(line_end.join(lines).encode())
    assert [(row.number, row.delivery_code, row.succeeded, row.message) for row in found.rows] == [
        (4, "C1", True, 'done, "well"')
    ]
    assert found.faults == ()


def test_a_quoted_cell_may_run_over_lines() -> None:
    found = read_lines("eid,result,message", f'{EID},OK,"first\r\nsecond"', f"{OTHER_EID},NG,")
    assert [(row.number, row.message) for row in found.rows] == [(2, "first second"), (4, "")]
    assert found.faults == ()


def test_what_spreadsheets_do_to_digits() -> None:
    found = read_lines(
        "eid,result,account,iccid",
        f'"=""{EID}""",OK,\'08011112222,8981 1000 0000 0000 002',
        f"{OTHER_EID},OK,080-1111-2223,",
    )
    assert [(row.eid, row.account_number, row.iccid) for row in found.rows] == [
        (EID, "08011112222", "8981100000000000002"),
        (OTHER_EID, "08011112223", ""),
    ]
    assert found.faults == ()


@pytest.mark.parametrize(
    ("line", "message", "ref"),
    [
        (f"{EID},C1", "has 2 columns where 4 are needed", ""),
        (EID[:31] + ",C1,OK,", "has no EID of 32 digits", "C1"),
        # A phone number in the wrong column is no delivery code of ours: it is not repeated.
        (EID[:31] + ",08011112222,OK,", "has no EID of 32 digits", ""),
        ("8.9049E+31,C1,OK,", "has no EID of 32 digits", "C1"),
        (
            f"{EID.translate(str.maketrans('0123456789', '０１２３４５６７８９'))},C1,OK,",
            "has no EID of 32 digits",
            "C1",
        ),
        (f"{EID},山田太郎,OK,", "has no usable delivery code", ""),
        (f"{EID},C1,OK,,x", "has 5 columns under 4 headings", ""),
        (",,OK,", "names neither an EID nor a delivery code", ""),
        (f'"{EID},C1,OK,', "has a quotation mark that never closes", ""),
        (f"{EID},C1,OK,{'x' * MAX_LINE_CHARACTERS}", "is too long", ""),
    ],
    ids=["columns", "31 digits", "number", "rounded", "full width", "code", "comma", "no handle", "quote", "length"],
)
def test_a_bad_row_costs_itself(line: str, message: str, ref: str) -> None:
    good = f"{OTHER_EID},C9,OK,"
    found = read_lines("eid,deliveryCode,result,account", good, line, good)
    assert [row.number for row in found.rows] == [2, 4]
    assert found.faults == (Fault(where="line 3", message=message, ref=ref),)


def test_commas_at_the_end_do_no_harm() -> None:
    found = read_lines("eid,result", f"{EID},OK,,,")
    assert [(row.eid, row.succeeded) for row in found.rows] == [(EID, True)]


@settings(deadline=None, max_examples=200)
@given(st.data())
def test_whatever_happens_to_a_line_the_others_stay(data: st.DataObject) -> None:
    damage = data.draw(st.binary(max_size=40).filter(lambda text: not set(text) & {0, 10, 13}))
    place, codec = data.draw(st.integers(1, 5)), data.draw(st.sampled_from(["cp932", "utf-8"]))
    lines = [HEADINGS.encode(), *(f"{EID},C{number},,OK,,完了,,".encode(codec) for number in range(5))]
    old = lines[place]
    at = data.draw(st.integers(0, len(old)))
    lines[place] = old[:at] + damage + old[at + data.draw(st.integers(0, 9)) :]
    rows = read(b"\r\n".join(lines)).rows
    others = [f"C{number}" for number in range(5) if number != place - 1]
    assert [row.delivery_code for row in rows if row.number != place + 1] == others
    assert {row.succeeded for row in rows if row.number != place + 1} == {True}


def test_a_quotation_mark_that_never_closes_does_not_swallow_what_follows() -> None:
    rows = [f'"{OTHER_EID}","C{number}","OK"' for number in range(10)]
    found = read_lines("eid,deliveryCode,result", f'{EID},C1,"OK', *rows)
    assert [row.delivery_code for row in found.rows] == [f"C{number}" for number in range(10)]
    assert found.faults == (Fault(where="line 2", message="has a quotation mark that never closes"),)


def test_a_delivery_code_alone_is_a_handle_and_so_is_an_eid() -> None:
    found = read_lines("eid,deliveryCode,result", ",C1,OK", f"{EID},,OK")
    assert [(row.eid, row.delivery_code) for row in found.rows] == [("", "C1"), (EID, "")]
    assert found.faults == ()


def test_what_only_adds_to_a_row_costs_only_itself() -> None:
    found = read_lines(HEADINGS, f"{EID},C1,080-CALL,OK,100,,none,2026/02/30 25:61:00")
    row = found.rows[0]
    assert (row.succeeded, row.account_number, row.iccid, row.completed_at) == (True, "", "", None)
    assert [(fault.where, fault.message, fault.ref) for fault in found.faults] == [
        ("line 2", "has a date that cannot be read", "C1"),
        ("line 2", "has something that is no phone number", "C1"),
        ("line 2", "has something that is no ICCID", "C1"),
    ]


def test_no_fault_and_no_repr_quotes_the_row() -> None:
    private = (EID, EID[:31], "08011112222", "山田太郎", "0801111222X")
    lines = (f"{EID},山田太郎,08011112222,OK,", f"{EID[:31]},C1,08011112222,OK,", f"{EID},C2,0801111222X,OK,山田太郎")
    found = read_lines("eid,deliveryCode,account,result,completedAt", *lines)
    assert len(found.faults) == 4
    assert [text for text in private if text in str(found)] == []


def test_a_file_of_the_wrong_kind_has_no_endless_list_of_faults() -> None:
    found = read_lines("eid,result", *["1,OK"] * (MAX_FAULTS + 7))
    assert found.rows == ()
    assert len(found.faults) == MAX_FAULTS + 1
    assert found.faults[-1] == Fault(where="file", message="has 7 more faults")


# -- what became of it ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("result", "code", "succeeded", "told"),
    [
        ("OK", "", True, "OK"),
        ("ok", "100", True, "100"),
        ("ＯＫ", "0000", True, "0000"),
        ("開通完了", "", True, "開通完了"),
        ("100", "", True, "100"),
        ("", "100", True, "100"),
        ("NG", "371", False, "371"),
        ("失敗", "", False, "失敗"),
        ("371", "", False, "371"),
        ("", "215", False, "215"),
        ("保留", "", None, "保留"),
        ("保留", "100", None, "100"),
        ("", "999", None, "999"),
    ],
)
def test_words_and_codes(result: str, code: str, succeeded: bool | None, told: str) -> None:
    assert result_of(result, code) == (succeeded, told)


@pytest.mark.parametrize(
    ("result", "code", "message"),
    [("OK", "371", "says success and failure at once"), ("", "", "does not say what became of the activation")],
)
def test_a_row_that_does_not_say(result: str, code: str, message: str) -> None:
    found = read_lines("eid,deliveryCode,result,code", f"{EID},C1,{result},{code}")
    assert [row.succeeded for row in found.rows] == [None]
    assert found.faults == (Fault(where="line 2", message=message, ref="C1"),)


def test_words_by_setting() -> None:
    words = {"success": ["1", "済"], "failure": ["9"]}
    assert result_of("済", words=words) == (True, "済")
    assert result_of("9", words=words) == (False, "9")
    assert result_of("OK", words=words) == (None, "OK")
    # A word that is set for one kind is taken from the other's guess.
    assert result_of("NG", words={"success": ["NG"]}) == (True, "NG")


def test_an_unknown_word_is_shown_and_never_logged(capsys: pytest.CaptureFixture[str]) -> None:
    found = read_lines("eid,result,code,message", f"{EID},山田太郎,999,what")
    assert [(row.succeeded, row.code, row.message) for row in found.rows] == [(None, "999", "山田太郎 what")]
    captured = capsys.readouterr()
    assert "山田" not in captured.out + captured.err


def test_remarks_are_without_secrets_and_short() -> None:
    found = read_lines("eid,result,message", f"{EID},NG,EID {EID} LPA:1$host$code{' x' * 400}")
    assert found.rows[0].message.startswith("EID [redacted] [redacted] x x")
    assert len(found.rows[0].message) == 300


# -- when -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "at", "on"),
    [
        ("2026/02/03 10:20:30", datetime(2026, 2, 3, 1, 20, 30, tzinfo=UTC), None),
        ("2026/2/3 8:05", datetime(2026, 2, 2, 23, 5, tzinfo=UTC), None),
        ("20260203102030", datetime(2026, 2, 3, 1, 20, 30, tzinfo=UTC), None),
        ("2026-02-03 10:20:30", datetime(2026, 2, 3, 1, 20, 30, tzinfo=UTC), None),
        ("2026-02-03T10:20:30+09:00", datetime(2026, 2, 3, 1, 20, 30, tzinfo=UTC), None),
        ("2026-02-03T01:20:30Z", datetime(2026, 2, 3, 1, 20, 30, tzinfo=UTC), None),
        ("20260203", None, date(2026, 2, 3)),
        ("2026/02/03", None, date(2026, 2, 3)),
        ("2026年2月3日", None, date(2026, 2, 3)),
    ],
)
def test_dates_are_dates_in_japan(text: str, at: datetime | None, on: date | None) -> None:
    found = read_lines("eid,result,completedAt", f"{EID},OK,{text}")
    assert (found.rows[0].completed_at, found.rows[0].completed_on) == (at, on)
    assert found.faults == ()


@pytest.mark.parametrize("text", ["2026023", "202602031020301", "0001/01/01", "03/02/2026", "tomorrow", "2026/02/30"])
def test_a_date_that_cannot_be_read(text: str) -> None:
    found = read_lines("eid,result,completedAt", f"{EID},OK,{text}")
    assert (found.rows[0].completed_at, found.rows[0].completed_on) == (None, None)
    assert [fault.message for fault in found.faults] == ["has a date that cannot be read"]


def test_dates_by_setting() -> None:
    found = read_lines("eid,result,completedAt", f"{EID},OK,03.02.2026", dates=["%d.%m.%Y"])
    assert found.rows[0].completed_on == date(2026, 2, 3)


# -- the line ---------------------------------------------------------------------------------------------------------


def test_the_line_of_a_row() -> None:
    line = make_line(SUCCESS, eid=EID, delivery_code="RD00000001", seen_at=SEEN)
    assert line.provider_ref == f"{EID}:RD00000001"
    assert (line.iccid, line.eid, line.phone_number, line.order_ref) == (
        SUCCESS.iccid,
        EID,
        "08011112222",
        "RD00000001",
    )
    assert (line.state, dict(line.raw_states)) == (LineState.READY, {"result": "100", "message": "OK"})
    assert (line.state_as_of, line.usage_as_of) == (SUCCESS.completed_at, SUCCESS.completed_at)
    assert (line.lpa, line.smdp_address, line.matching_id) == ("", "", "")
    assert (line.total_used_bytes, line.daily_usage, line.activated_on) == (None, None, None)


@pytest.mark.parametrize(
    ("text", "as_of"),
    [
        ("2026/02/03", datetime(2026, 2, 2, 15, tzinfo=UTC)),
        ("", SEEN),
        # A row is not younger than the file that it came in.
        ("2026/02/05 12:00:00", SEEN),
    ],
)
def test_the_age_of_a_line(text: str, as_of: datetime) -> None:
    row = read_lines("eid,result,completedAt", f"{EID},OK,{text}").rows[0]
    assert make_line(row, eid=EID, delivery_code="C1", seen_at=SEEN).state_as_of == as_of


# -- settings ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "value", "variable"),
    [
        ("columns", ["eid"], "COLUMNS is not a JSON object"),
        ("columns", {"EID": 1, "result": 2}, "COLUMNS names"),
        ("columns", {"eid": 0, "result": 2}, "COLUMNS: eid is neither a heading nor a position from 1"),
        ("columns", {"eid": True, "result": 2}, "COLUMNS: eid is neither"),
        ("columns", {"eid": " ", "result": 2}, "COLUMNS: eid is neither"),
        ("columns", {"eid": 1}, "COLUMNS needs eid or delivery_code, and result or code"),
        ("columns", {"account": 1, "result": 2}, "COLUMNS needs eid or delivery_code, and result or code"),
        ("encoding", "shift_jis", "ENCODING is one of auto, utf-8, utf-8-sig, cp932, windows-31j"),
        ("words", {"ok": ["OK"]}, "WORDS names"),
        ("words", {"success": "OK"}, "WORDS: success is not a list of words"),
        ("words", {"success": ["OK"], "failure": ["ＯＫ"]}, "WORDS: a word stands for success and for failure"),
        ("dates", "%Y%m%d", "DATES is not a JSON list"),
        ("dates", ["%Y%m"], "DATES: every format needs %Y, %m and %d"),
    ],
)
def test_settings_that_cannot_be_used(name: str, value: object, variable: str) -> None:
    with pytest.raises(ImproperlyConfigured) as caught:
        read_lines(HEADINGS, **{name: value})
    assert str(caught.value).startswith(f"FREEBIT_COMPLETION_{variable}")
