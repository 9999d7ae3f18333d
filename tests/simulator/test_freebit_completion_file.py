"""The completion file: columns, encodings, headings, the same lines again, strangers' lines and broken ones."""

import csv
import io

import pytest

from tests.simulator.freebit_samples import EID, OTHER_EID, PATTERNS
from tests.simulator_client import Simulator
from tests.simulator_freebit import Freebit


@pytest.fixture
def freebit(simulator: Simulator) -> Freebit:
    """One completed and one failed request, a third still waits; noon of January 5th in Japan."""
    freebit = Freebit(simulator)
    simulator.move_clock(at="2026-01-05T03:00:00Z", frozen=True)
    assert freebit.activate(PATTERNS["20N"]).code == 100
    assert freebit.activate({**PATTERNS["20N"], "eid": OTHER_EID, "deliveryCode": "B2"}).code == 100
    assert freebit.activate(PATTERNS["20R"] | {"eid": f"{3:032d}"}).code == 100
    simulator.move_clock(seconds=90)
    freebit.complete(EID)
    freebit.complete(OTHER_EID, code="275", message="在庫なし, 後で")
    return freebit


def read_rows(content: bytes, encoding: str = "cp932") -> list[list[str]]:
    return list(csv.reader(io.StringIO(content.decode(encoding), newline="")))


def test_the_file_tells_what_became_of_each_request(freebit: Freebit) -> None:
    answer = freebit.completion_file()
    assert answer.headers["Content-Type"] == "text/csv; charset=Windows-31J"
    assert answer.headers["X-Last-Line"] == "2"
    assert answer.content.count(b"\r\n") == 3
    request = freebit.accepted()[0]
    assert read_rows(answer.content) == [
        ["eid", "deliveryCode", "account", "result", "code", "message", "iccid", "completedAt"],
        [EID, "XXXX", request["account"], "OK", "100", "OK", request["iccid"], "2026/01/05 12:01:30"],
        [OTHER_EID, "B2", "", "NG", "275", "在庫なし, 後で", "", "2026/01/05 12:01:30"],
    ]


def test_columns_headings_words_and_dates_are_asked_for(freebit: Freebit) -> None:
    answer = freebit.completion_file(
        columns="deliveryCode:配送コード,eid:EID番号,result,completedAt,addKind,empty",
        ok="正常", failed="異常", dates="compact", encoding="utf-8-sig",
    )  # fmt: skip
    assert answer.headers["Content-Type"] == "text/csv; charset=utf-8"
    assert answer.content.startswith(b"\xef\xbb\xbf")
    assert read_rows(answer.content, "utf-8-sig") == [
        ["配送コード", "EID番号", "result", "completedAt", "addKind", "empty"],
        ["XXXX", EID, "正常", "20260105120130", "N", ""],
        ["B2", OTHER_EID, "異常", "20260105120130", "N", ""],
    ]
    bare = freebit.completion_file(columns="eid", header="false", encoding="utf-8")
    assert bare.content == f"{EID}\r\n{OTHER_EID}\r\n".encode()
    iso = freebit.completion_file(columns="completedAt,requestedAt", header="false", dates="iso")
    assert read_rows(iso.content)[0] == ["2026-01-05T12:01:30+09:00", "2026-01-05T12:00:00+09:00"]


def test_only_new_lines_or_the_same_ones_again(freebit: Freebit) -> None:
    def eids(**wishes: object) -> list[str]:
        content = freebit.completion_file(columns="eid", header="false", **wishes).content
        return content.decode().split()

    assert eids(since=1) == [OTHER_EID]
    assert eids(since=2) == []
    freebit.complete(f"{3:032d}")
    assert eids(since=2) == [f"{3:032d}"]
    assert eids() == [EID, OTHER_EID, f"{3:032d}"]
    assert eids(repeat=2, since=1) == [OTHER_EID, f"{3:032d}"] * 2


def test_a_reissue_tells_its_given_number_even_when_it_fails(freebit: Freebit) -> None:
    freebit.complete(f"{3:032d}", code="900")
    content = freebit.completion_file(columns="account,result,code,message", header="false", since=2).content
    assert read_rows(content) == [["08011112225", "NG", "900", "NG"]]


def test_strangers_lines_and_broken_lines(freebit: Freebit) -> None:
    content = freebit.completion_file(strangers=2, broken="columns,eid,result,date", encoding="utf-8").content
    rows = read_rows(content, "utf-8")[3:]
    assert [row[1] for row in rows[:2]] == ["OTHER0001", "OTHER0002"]
    assert [len(row[0]) for row in rows[:2]] == [32, 32]
    columns, eid, result, date = rows[2:]
    assert (len(columns), len(eid[0]), result[3:5], date[7]) == (1, 31, ["保留", "999"], "2026/02/30 25:61:00")
    for encoding in ("cp932", "utf-8"):
        with pytest.raises(UnicodeDecodeError):
            freebit.completion_file(broken="bytes", encoding=encoding).content.decode(encoding)
    assert freebit.completion_file(broken="quote").content.count(b'"') % 2 == 1


@pytest.mark.parametrize(
    "wish", [{"columns": "eid,nonsense"}, {"encoding": "latin-1"}, {"broken": "x"}, {"dates": "x"}]
)
def test_an_unknown_wish_is_refused(freebit: Freebit, wish: dict[str, str]) -> None:
    assert freebit.completion_file(**wish).status_code == 400
