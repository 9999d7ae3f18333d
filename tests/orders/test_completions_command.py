"""``manage.py import_completions``: what it says, and the status it ends with."""

from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from pytest_django import Settings

from orders.models import CompletionImport, Purchase
from tests.orders.activating import activation_of, fail, make_eid, make_file, make_row, place, send
from tests.simulator_freebit import Freebit

pytestmark = pytest.mark.django_db


def run(path: Path, *options: str) -> tuple[str, str]:
    out, err = StringIO(), StringIO()
    call_command("import_completions", str(path), *options, stdout=out, stderr=err)
    return out.getvalue(), err.getvalue()


@pytest.fixture
def row(freebit: Freebit) -> dict[str, str]:
    order = place()
    send(order)
    return make_row(activation_of(order))


def write(directory: Path, *rows: dict[str, str]) -> Path:
    path = directory / "done.csv"
    path.write_bytes(make_file(*rows))
    return path


def test_every_row_applied_is_status_0_and_so_is_the_file_again(row: dict[str, str], tmp_path: Path) -> None:
    path = write(tmp_path, row)
    out, err = run(path)
    first = CompletionImport.objects.get()
    assert out == f"1 of 1 rows\nImport {first.pk}: 1 applied, 0 repeated, 0 unmatched, 0 faulty\n"
    assert (err, first.imported_by, first.file_name) == ("", "command", "done.csv")
    out, err = run(path, "--account", "freebit")
    assert out.startswith("1 of 1 rows\nThe same file was imported before, on ")
    assert out.endswith(": 0 applied, 1 repeated, 0 unmatched, 0 faulty\n")


def test_some_rows_unmatched_or_faulty_is_status_1_and_names_them(row: dict[str, str], tmp_path: Path) -> None:
    path = write(tmp_path, row, {**row, "eid": make_eid()}, {**row, "eid": "12"})
    err = StringIO()
    with pytest.raises(CommandError, match="1 applied, 0 repeated, 1 unmatched, 1 faulty") as caught:
        call_command("import_completions", str(path), stdout=StringIO(), stderr=err)
    assert caught.value.returncode == 1
    code = row["deliveryCode"]
    assert err.getvalue().splitlines() == [
        f"row 3 {code}: unmatched: our request of this delivery code has another EID",
        f"row 4 {code}: faulty: has no EID of 32 digits",
    ]
    assert row["eid"] not in err.getvalue()


def test_a_failure_that_was_applied_is_status_0(row: dict[str, str], tmp_path: Path) -> None:
    run(write(tmp_path, {**row, **fail("372")}))
    assert Purchase.objects.get().state == "rejected"


def test_an_unusable_file_is_status_2(row: dict[str, str], tmp_path: Path) -> None:
    path = tmp_path / "picture.png"
    path.write_bytes(b"\x89PNG")
    for named, words in ((path, "This is no completion file"), (tmp_path / "none.csv", "No such file")):
        with pytest.raises(CommandError, match=words) as caught:
            run(named)
        assert caught.value.returncode == 2
    assert CompletionImport.objects.count() == 0


def test_the_account_must_be_one_that_activates_lines(row: dict[str, str], tmp_path: Path, settings: Settings) -> None:
    path = write(tmp_path, row)
    with pytest.raises(CommandError, match="esim-access is not set up, or activates no lines") as caught:
        run(path, "--account", "esim-access")
    assert caught.value.returncode == 2
    settings.PROVIDERS = {**settings.PROVIDERS, "freebit-two": {**settings.PROVIDERS["freebit"]}}
    with pytest.raises(CommandError, match="set up are: freebit, freebit-two") as caught:
        run(path)
    assert caught.value.returncode == 2
    settings.PROVIDERS = {}
    with pytest.raises(CommandError, match="set up are: none"):
        run(path)
    assert CompletionImport.objects.count() == 0
