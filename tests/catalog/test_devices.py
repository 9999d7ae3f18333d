"""The list of devices: found however people write them, edited at the desk, imported after a look at the file."""

import io
from datetime import date
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse
from pytest_django import DjangoAssertNumQueries

from catalog.device_files import SEED_FILE, DeviceFileRefused, import_devices, write_devices
from catalog.devices import find_device_of, save_device, search_devices
from catalog.models import DeviceModel
from tests.customers.making import make_staff, signed_in
from tests.pages import assert_clean_page

pytestmark = pytest.mark.django_db
HEADER = "maker,model,esim,none_in,other_names,codes,note,note_ja,source,checked_on\n"
RIGHTS = [f"catalog.{word}_devicemodel" for word in ("view", "add", "change", "delete")]


@pytest.fixture(autouse=True)
def _only_ours() -> None:
    """The program's own list may be there or not."""
    DeviceModel.objects.all().delete()


def make_device(name: str = "Galaxy S23+", maker: str = "Samsung", **terms: Any) -> DeviceModel:
    given = {"ability": "yes", "source": "a test of ours", "checked_on": date(2026, 5, 1), **terms}
    return save_device(device=DeviceModel(maker=maker, name=name, **given), by="mia@desk.example")


def names(text: str, **asked: str) -> list[str]:
    return [device.name for device in search_devices(text, **asked)]


# -- finding ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "typed",
    [
        "Galaxy S23+",
        "galaxy s23 plus",
        "SAMSUNG GALAXYS23PLUS",
        "s23 + samsung",
        "Ｇａｌａｘｙ　Ｓ２３＋",
        "SM-S916B",
        "sms916u1",
    ],
)
def test_a_model_is_found_however_it_is_written(typed: str) -> None:
    make_device(codes="SM-S916*")
    make_device("iPhone 15", "Apple", aliases="アイフォーン15")
    assert names(typed) == ["Galaxy S23+"]


def test_the_exact_name_comes_first_and_every_word_counts() -> None:
    for name in ("iPhone 15 Pro Max", "iPhone 15 Pro", "iPhone 15", "iPhone XS"):
        make_device(name, "Apple", ability="no" if name == "iPhone XS" else "yes")
    assert names("iphone15") == ["iPhone 15", "iPhone 15 Pro", "iPhone 15 Pro Max"]
    assert names("apple 15 pro")[0] == "iPhone 15 Pro"
    assert names("iphone", ability="no") == ["iPhone XS"]
    assert [names(text) for text in ("galaxy", "iphone 15 ultra", "---", "%", "_")] == [[]] * 5
    assert len(names("")) == 4


@pytest.mark.parametrize(
    ("agent", "found"),
    [
        ("Mozilla/5.0 (Linux; Android 13; SM-S916B) AppleWebKit/537.36", "Galaxy S23+"),
        ("Mozilla/5.0 (Linux; U; Android 13; ja-jp; SM-S916B Build/TP1A) AppleWebKit", "Galaxy S23+"),
        ("Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36", None),
        ("Mozilla/5.0 (Linux; Android 13; SM-A546B) AppleWebKit", None),
        ("Mozilla/5.0 (iPhone; CPU iPhone OS 17_4 like Mac OS X)", None),
        ("", None),
    ],
)
def test_what_a_browser_tells_of_its_phone(agent: str, found: str | None) -> None:
    make_device(codes="SM-S916*")
    device = find_device_of(agent)
    assert (device.name if device else None) == found


# -- the file ---------------------------------------------------------------------------------------------------------


def test_a_file_is_looked_through_and_then_taken(django_assert_num_queries: DjangoAssertNumQueries) -> None:
    make_device("Pixel 8", "Google")
    kept = make_device("Phone 3", "Nothing")
    data = (
        HEADER
        + "Google, Pixel  8 ,DEPENDS,jp AU,,,A note,,the maker,2026-06-01\n"
        + "Apple,iPhone 15,yes,CN,アイフォーン15; iPhone Fifteen,,,,the maker,2026-06-01\n"
    ).encode()
    before = list(DeviceModel.objects.order_by("pk").values())
    look = import_devices(data=data, by="mia@desk.example", dry_run=True)
    assert [str(device) for device in look.added] == ["Apple iPhone 15"]
    assert [(str(device), columns) for device, columns in look.changed] == [
        ("Google Pixel 8", ["esim", "none_in", "note", "source", "checked_on"])
    ]
    assert (look.unchanged, look.faults, look.is_written) == (0, [], False)
    assert list(DeviceModel.objects.order_by("pk").values()) == before

    with django_assert_num_queries(4):  # savepoint, read, write, release
        assert import_devices(data=data, by="mia@desk.example", dry_run=False).is_written
    pixel = DeviceModel.objects.get(name="Pixel 8")
    assert (pixel.ability, pixel.none_in, pixel.changed_by) == ("depends", "AU JP", "mia@desk.example")
    assert names("アイフォーン15") == ["iPhone 15"]
    assert DeviceModel.objects.get(pk=kept.pk).changed_at == kept.changed_at
    again = import_devices(data=data, by="x", dry_run=False)
    assert (again.added, again.changed, again.unchanged) == ([], [], 2)
    # What is written is what can be read.
    written = write_devices(DeviceModel.objects.all()).encode()
    assert import_devices(data=written, by="x", dry_run=True).unchanged == 3


def test_columns_that_a_file_lacks_stay_as_they_are() -> None:
    make_device(codes="SM-S916*", none_in="CN", note="Kept.")
    data = b"model,maker,esim,checked_on,source\ngalaxy S23+,Samsung,no,2026-06-01,a test of ours\n"
    report = import_devices(data=data, by="x", dry_run=False)
    assert [columns for _device, columns in report.changed] == [["model", "esim", "checked_on"]]
    device = DeviceModel.objects.get()
    assert (device.name, device.ability, device.none_in, device.note) == ("galaxy S23+", "no", "CN", "Kept.")
    assert names("SM-S916B") == ["galaxy S23+"]


def test_rows_that_cannot_be_read_are_named_and_nothing_is_taken() -> None:
    rows = [
        "Apple,iPhone 15,yes,,,,,,the maker,2026-06-01",
        "apple,IPHONE 15,no,,,,,,the maker,2026-06-01",
        "Apple,iPhone 16,maybe,,,,,,the maker,2026-06-01",
        "Apple,iPhone 17,yes,China,,,,,the maker,2026-06-01",
        "Apple,iPhone 18,yes,,,,,,the maker,1 June",
        "Apple,iPhone 19,yes,,,,,,,2026-06-01",
        "Apple,...,yes,,,,,,x,2026-06-01",
        "Apple,iPhone 20,yes,,,A*,,,x,2026-06-01",
    ]
    report = import_devices(data=(HEADER + "\n".join(rows)).encode(), by="x", dry_run=False)
    assert [fault.line for fault in report.faults] == [3, 4, 5, 6, 7, 8, 9]
    assert report.faults[0].message == "The same model stands in line 2."
    assert [fault.message.split(":")[0] for fault in report.faults[1:]] == [
        "esim",
        "none_in",
        "checked_on",
        "source",
        "model",
        "codes",
    ]
    assert (report.is_written, DeviceModel.objects.count()) == (False, 0)


@pytest.mark.parametrize("data", [b"", b"maker,model\n", b"\xff\xfe", HEADER.replace("esim", "maker").encode(), b'"a'])
def test_what_is_no_list_is_refused(data: bytes) -> None:
    with pytest.raises(DeviceFileRefused) as caught:
        import_devices(data=data, by="x", dry_run=False)
    assert caught.value.message


def test_the_list_of_the_house_is_right_and_the_command_takes_it() -> None:
    out = io.StringIO()
    call_command("import_devices", "--dry-run", stdout=out)
    assert not DeviceModel.objects.exists()
    call_command("import_devices", stdout=out)
    assert DeviceModel.objects.count() == len(SEED_FILE.read_text().splitlines()) - 1 > 200
    found = dict(DeviceModel.objects.values_list("name", "ability"))
    assert [found[name] for name in ("iPhone XS", "iPhone X", "Pixel 3", "Galaxy S10")] == [
        "yes",
        "no",
        "depends",
        "no",
    ]
    assert DeviceModel.objects.get(name="iPhone 15").none_in == "CN"
    with pytest.raises(CommandError) as caught:
        call_command("import_devices", "no-such-file.csv")
    assert caught.value.returncode == 2


# -- at the desk ------------------------------------------------------------------------------------------------------


@pytest.fixture
def mia() -> Client:
    return signed_in(make_staff(*RIGHTS, email="mia@desk.example"))


def typed(**changes: str) -> dict[str, str]:
    given = {"maker": "Sharp", "name": "AQUOS R9", "ability": "yes", "none_in": "cn", "codes": "SH-51E"}
    return {**given, "source": "the maker", "checked_on": "2026-06-01", **changes}


@pytest.mark.parametrize(
    ("page", "word"),
    [
        ("device-list", "view"),
        ("device-export", "view"),
        ("device-enter", "add"),
        ("device-edit", "change"),
        ("device-delete", "delete"),
        ("device-import", "add"),
        ("device-import", "change"),
    ],
)
def test_each_page_needs_its_permission(page: str, word: str) -> None:
    device = make_device()
    url = reverse(page, args=[device.pk] if page in ("device-edit", "device-delete") else [])
    assert Client().get(url).status_code == 302
    others = [right for right in RIGHTS if right != f"catalog.{word}_devicemodel"]
    client = signed_in(make_staff(*others, email="x@desk.example"))
    assert (client.get(url).status_code, client.post(url, typed()).status_code) in [(403, 403), (403, 405)]
    assert list(DeviceModel.objects.values_list("name", flat=True)) == ["Galaxy S23+"]


def test_staff_enter_change_and_delete(mia: Client, django_assert_max_num_queries: Any) -> None:
    assert mia.post(reverse("device-enter"), typed()).status_code == 302
    device = DeviceModel.objects.get()
    assert (device.none_in, device.search_key, device.changed_by) == (
        "CN",
        "|sharpaquosr9|aquosr9|sh51e|",
        "mia@desk.example",
    )
    again = mia.post(reverse("device-enter"), typed(name="aquos  r9", maker="SHARP"))
    assert again.status_code == 422
    assert "This model is on the list already." in again.content.decode()
    edit = reverse("device-edit", args=[device.pk])
    assert mia.post(edit, typed(none_in="china")).status_code == 422
    assert mia.post(edit, typed(ability="depends")).status_code == 302
    assert DeviceModel.objects.get().ability == "depends"
    make_device()
    with django_assert_max_num_queries(20):
        listed = mia.get(reverse("device-list"), {"q": "sh-51"})
    for page in (listed, mia.get(edit), mia.get(reverse("device-enter")), mia.get(reverse("device-import"))):
        assert_clean_page(page)
    assert ("AQUOS R9" in listed.content.decode(), "Galaxy" in listed.content.decode()) == (True, False)
    assert mia.get(reverse("device-export")).content.decode().count("\n") == 3
    delete = reverse("device-delete", args=[device.pk])
    assert_clean_page(mia.get(delete))
    assert mia.post(delete).status_code == 302
    assert list(DeviceModel.objects.values_list("name", flat=True)) == ["Galaxy S23+"]


def test_a_file_is_uploaded_looked_at_and_imported(mia: Client) -> None:
    url = reverse("device-import")
    rows = HEADER + "Apple,iPhone 15,yes,CN,,,,,the maker,2026-06-01\n"
    # Asked to import at once, a fresh file is looked through all the same.
    looked = mia.post(url, {"file": SimpleUploadedFile("a.csv", rows.encode()), "do": "import"})
    assert_clean_page(looked)
    assert "Apple iPhone 15" in looked.content.decode()
    assert not DeviceModel.objects.exists()
    kept = looked.context["confirm"].initial["text"]
    assert mia.post(url, {"text": kept, "do": "import"}).status_code == 302
    assert DeviceModel.objects.get().name == "iPhone 15"
    assert mia.post(url, {}).status_code == 422
    faulty = mia.post(url, {"text": kept.replace("yes", "maybe"), "do": "import"})
    assert "Line 2: esim:" in faulty.content.decode()
    assert DeviceModel.objects.get().ability == "yes"


def test_the_admin_uses_the_same_verbs(mia: Client) -> None:
    device = make_device()
    url = f"/admin/catalog/devicemodel/{device.pk}/change/"
    assert mia.post(url, typed(name="Galaxy S24", maker="Samsung")).status_code == 302
    assert DeviceModel.objects.get().identity == "samsung/galaxys24"
    other = make_device()
    refused = mia.post(f"/admin/catalog/devicemodel/{other.pk}/change/", typed(name="galaxy s24", maker="Samsung"))
    assert (refused.status_code, DeviceModel.objects.get(pk=other.pk).name) == (200, "Galaxy S23+")
