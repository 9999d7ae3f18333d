"""The list of devices as a CSV file: looked through first, then taken as a whole or not at all.

A row is a model by its maker and name. What the file does not name stays as it is; the same file twice changes nothing.
"""

import csv
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils.translation import gettext as _

from catalog.devices import TERMS, complete_device
from catalog.models import DeviceModel

#: The list that comes with the program.
SEED_FILE = Path(__file__).parent / "data" / "devices.csv"
#: The file's columns, and our fields for them.
COLUMNS = {
    "maker": "maker",
    "model": "name",
    "esim": "ability",
    "none_in": "none_in",
    "other_names": "aliases",
    "codes": "codes",
    "note": "note",
    "note_ja": "note_ja",
    "source": "source",
    "checked_on": "checked_on",
}
_NEEDED = ("maker", "model", "esim", "source", "checked_on")
#: Ours: some thousand models are all that there are.
MOST_ROWS, MOST_BYTES = 10_000, 2_000_000
#: In a cell these parts stand on lines of their own here.
_LISTS = ("aliases", "codes")


class DeviceFileRefused(Exception):
    """Not a list of devices; ``message`` says why, in the reader's language."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


@dataclass(frozen=True, slots=True, kw_only=True)
class RowFault:
    """A row that cannot be taken: its line in the file, and why."""

    line: int
    message: str


@dataclass(slots=True, kw_only=True)
class ImportReport:
    """What a file does to the list, or did. With faults nothing is written."""

    added: list[DeviceModel] = field(default_factory=list)
    #: With the file's columns that change.
    changed: list[tuple[DeviceModel, list[str]]] = field(default_factory=list)
    unchanged: int = 0
    faults: list[RowFault] = field(default_factory=list)
    #: Our fields that the file says nothing of: of a model that there is they stay as they are.
    unsaid: list[str] = field(default_factory=list)
    is_written: bool = False

    @property
    def rows(self) -> int:
        return len(self.added) + len(self.changed) + self.unchanged + len(self.faults)


def import_devices(*, data: bytes, by: str, dry_run: bool) -> ImportReport:
    """Take a file over into the list; with ``dry_run`` only say what it would do. ``DeviceFileRefused`` for no such
    file.

    The number of statements does not grow with the rows.
    """
    report = ImportReport()
    read = list(_read_devices(data, report, by=by))
    with transaction.atomic():
        stored = {device.identity: device for device in DeviceModel.objects.select_for_update().order_by("pk")}
        for device in read:
            old = stored.get(device.identity)
            if old is not None:
                _keep_unsaid(device, old, report.unsaid, by=by)
            if old is None:
                report.added.append(device)
            elif different := [name for name, term in COLUMNS.items() if getattr(old, term) != getattr(device, term)]:
                report.changed.append((device, different))
            else:
                report.unchanged += 1
        if not report.faults and not dry_run:
            DeviceModel.objects.bulk_create(
                [*report.added, *(device for device, _columns in report.changed)],
                batch_size=500,
                update_conflicts=True,
                unique_fields=["identity"],
                update_fields=[*TERMS, "search_key", "changed_by", "changed_at"],
            )
            report.is_written = True
    return report


def write_devices(devices: Iterable[DeviceModel]) -> str:
    """The models as such a file."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    for device in devices:
        writer.writerow(
            [
                "; ".join(getattr(device, term).split("\n")) if term in _LISTS else getattr(device, term)
                for term in COLUMNS.values()
            ]
        )
    return out.getvalue()


def _read_devices(data: bytes, report: ImportReport, *, by: str) -> Iterator[DeviceModel]:
    """The models of the file, checked and not saved; what cannot be read goes to the report."""
    seen: dict[str, int] = {}
    for line, row in _read_rows(data, report):
        try:
            device = _make_device(row, by=by)
        except ValidationError as error:
            report.faults.append(RowFault(line=line, message=" ".join(_say_faults(error))))
            continue
        if (first := seen.setdefault(device.identity, line)) != line:
            message = _("The same model stands in line %(line)s.") % {"line": first}
            report.faults.append(RowFault(line=line, message=message))
            continue
        yield device


def _read_rows(data: bytes, report: ImportReport) -> Iterator[tuple[int, Mapping[str, str]]]:
    if len(data) > MOST_BYTES:
        raise DeviceFileRefused(_("The file is larger than %(size)s MB.") % {"size": MOST_BYTES // 1_000_000})
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DeviceFileRefused(_("The file is no text in UTF-8. Save it as “CSV UTF-8”.")) from error
    try:
        reader = csv.reader(io.StringIO(text, newline=""), strict=True)
        header = [name.strip().lower() for name in next(reader, [])]
        missing = [name for name in _NEEDED if name not in header]
        if missing or len(set(header)) != len(header):
            words = _("The first line names the columns, each once: %(columns)s. It lacks: %(missing)s.")
            named = {"columns": ", ".join(COLUMNS), "missing": ", ".join(missing) or "–"}
            raise DeviceFileRefused(words % named)
        report.unsaid = [term for name, term in COLUMNS.items() if name not in header]
        for number, cells in enumerate(reader, start=1):
            if number > MOST_ROWS:
                raise DeviceFileRefused(_("The file has more than %(rows)s rows.") % {"rows": MOST_ROWS})
            if any(cell.strip() for cell in cells):
                yield reader.line_num, dict(zip(header, cells, strict=False))
    except csv.Error as error:
        raise DeviceFileRefused(_("The file is no CSV: %(error)s") % {"error": error}) from error


def _make_device(row: Mapping[str, str], *, by: str) -> DeviceModel:
    given = {term: row.get(name, "").strip() for name, term in COLUMNS.items()}
    try:
        checked_on = date.fromisoformat(given.pop("checked_on"))
    except ValueError as error:
        raise ValidationError({"checked_on": _("Give the day as 2026-01-31.")}) from error
    device = DeviceModel(**given, checked_on=checked_on)
    device.ability = device.ability.lower()
    complete_device(device, by=by)
    device.clean_fields()
    return device


def _keep_unsaid(device: DeviceModel, old: DeviceModel, unsaid: Sequence[str], *, by: str) -> None:
    for term in unsaid:
        setattr(device, term, getattr(old, term))
    if unsaid:
        complete_device(device, by=by)


def _say_faults(error: ValidationError) -> Iterator[str]:
    names = {term: name for name, term in COLUMNS.items()}
    for term, messages in error.message_dict.items():
        yield f"{names.get(term, term)}: {' '.join(messages)}"
