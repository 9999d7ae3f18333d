"""The completion file as a house may write it: nothing but its name is documented, so our settings describe each."""

import csv
import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta, timezone

from tests.emulator_freebit.books import Activation

_JAPAN = timezone(timedelta(hours=9))


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """``columns`` are (our name or "" for one that is of no use, heading) in the file's order."""

    columns: tuple[tuple[str, str], ...]
    encoding: str = "cp932"
    bom: bytes = b""
    quoting: int = csv.QUOTE_MINIMAL
    newline: str = "\r\n"
    has_header: bool = True
    words: tuple[str, str] = ("OK", "NG")
    date_format: str = "%Y/%m/%d %H:%M:%S"
    ends_with_newline: bool = True

    def settings(self) -> dict[str, str]:
        """The environment that tells Roamdesk of it."""
        places = {
            name: heading if self.has_header else number
            for number, (name, heading) in enumerate(self.columns, start=1)
            if name
        }
        return {
            "COMPLETION_COLUMNS": json.dumps(places),
            "COMPLETION_ENCODING": "auto" if self.bom else self.encoding,
            "COMPLETION_WORDS": json.dumps({"success": [self.words[0]], "failure": [self.words[1]]}),
            "COMPLETION_DATES": json.dumps([self.date_format]),
        }

    def write(self, activations: Sequence[Activation]) -> bytes:
        sheet = io.StringIO(newline="")
        writer = csv.writer(sheet, quoting=self.quoting, lineterminator=self.newline)  # type: ignore[arg-type]
        if self.has_header:
            writer.writerow([heading for _name, heading in self.columns])
        for activation in activations:
            facts = self._tell(activation)
            writer.writerow([facts.get(name, "備考, 「ー」なし") for name, _heading in self.columns])
        text = sheet.getvalue()
        if not self.ends_with_newline:
            text = text.removesuffix(self.newline)
        return self.bom + text.encode(self.encoding)

    def _tell(self, activation: Activation) -> dict[str, str]:
        ended = activation.ended_at.astimezone(_JAPAN) if activation.ended_at else None
        return {
            "eid": activation.eid,
            "delivery_code": activation.delivery_code,
            "account": activation.account if activation.state == "done" else "",
            "result": self.words[activation.state == "failed"],
            "code": activation.code,
            "message": "開通不可" if activation.code else "",
            "iccid": activation.iccid,
            "completed_at": ended.strftime(self.date_format) if ended else "",
        }


LAYOUTS = {
    "cp932 with headings": Layout(
        columns=(
            ("", "No"),
            ("eid", "eSIM識別子(EID)"),
            ("delivery_code", "納品コード"),
            ("account", "電話番号"),
            ("result", "処理結果"),
            ("code", "エラーコード"),
            ("message", "エラー内容"),
            ("iccid", "製造番号"),
            ("completed_at", "完了日時"),
        )
    ),
    "utf-8 with a mark, all quoted": Layout(
        columns=(
            ("result", "Result"),
            ("completed_at", "Completed At"),
            ("eid", "EID"),
            ("", "Remarks"),
            ("delivery_code", "Delivery Code"),
            ("account", "Account"),
        ),
        encoding="utf-8",
        bom=b"\xef\xbb\xbf",
        quoting=csv.QUOTE_ALL,
        newline="\n",
        words=("成功", "失敗"),
        date_format="%Y%m%d%H%M%S",
    ),
    "without headings": Layout(
        columns=(("delivery_code", ""), ("", ""), ("eid", ""), ("result", ""), ("account", ""), ("code", "")),
        has_header=False,
        words=("0", "9"),
        ends_with_newline=False,
    ),
    "utf-8 without a mark": Layout(
        columns=(
            ("account", "電話番号"),
            ("eid", "EID"),
            ("result", "結果"),
            ("code", "詳細"),
            ("delivery_code", "枝"),
        ),
        encoding="utf-8",
        newline="\n",
        words=("○", "×"),
        ends_with_newline=False,
    ),
}
