"""Codes of an order to print, download and copy: what is in the files, who may have them, and what is written down."""

import base64
import csv
import re
import zipfile
import zlib
from io import BytesIO, StringIO
from typing import Any

import pytest
import zxingcpp
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from PIL import Image, ImageDraw

from catalog.models import Plan
from esims.models import Esim, LineEvent
from orders.models import Order
from tests.orders.desk import buy, sign_in, sign_in_as
from tests.orders.making import make_user
from tests.pages import assert_clean_page

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("wholesaler")]


def bought(quantity: int = 2, **changes: Any) -> tuple[Order, list[Esim]]:
    """An order whose eSIMs have their codes."""
    order = buy(quantity)
    esims = list(Esim.objects.filter(purchased__purchase__order_line__order=order).order_by("purchased__pk"))
    for number, esim in enumerate(esims):
        esim.lpa = f"LPA:1$smdp.example.com$CODE-{number:04d}"
        for name, value in changes.items():
            setattr(esim, name, value)
    Esim.objects.bulk_update(esims, ["lpa", *changes])
    return order, esims


def fetch(client: Client, order: Order, form: str) -> bytes:
    response = client.post(f"/orders/{order.pk}/codes/{form}/")
    assert response.status_code == 200
    assert response["Cache-Control"] == "no-store, private"
    assert response["X-Content-Type-Options"] == "nosniff"
    assert response["Content-Disposition"] == f'attachment; filename="{order.number}.{form}"'
    return b"".join(response.streaming_content)  # type: ignore[attr-defined]


def read_code(picture: Image.Image) -> str:
    found = zxingcpp.read_barcode(picture)
    assert found is not None
    return str(found.text)


def unpack_pages(pdf: bytes) -> list[str]:
    """What is drawn on each page, as PDF's own words."""
    streams = re.findall(rb"/ASCII85Decode /FlateDecode \].*?stream\r?\n(.*?)endstream", pdf, re.DOTALL)
    return [zlib.decompress(base64.a85decode(b"<~" + part.strip(), adobe=True)).decode("latin-1") for part in streams]


def paint(page: str) -> Image.Image:
    """The rectangles of a page as a picture."""
    picture = Image.new("L", (1190, 1684), 255)
    draw = ImageDraw.Draw(picture)
    for words in re.findall(r"([\d.]+) ([\d.]+) ([\d.]+) ([\d.]+) re", page):
        left, bottom, width, height = (float(word) * 2 for word in words)
        draw.rectangle((left, 1684 - bottom - height, left + width, 1684 - bottom), fill=0)
    return picture


def test_the_sheet_has_a_card_for_each_line(settings: Any) -> None:
    settings.BRAND_NAME = "Yuki Mobile"
    order, esims = bought(5, confirmation_code="4711")
    pdf = fetch(sign_in("esims.reveal_codes"), order, "pdf")
    pages = unpack_pages(pdf)
    assert len(pages) == 2
    for esim in esims:
        assert "".join(pages).count(f"({esim.iccid})") == 1
    assert pages[0].count("(smdp.example.com)") == 4
    assert "(CODE-0004)" in pages[1]
    assert "(4711)" in pages[1]
    assert "Type the confirmation code when the phone asks for it." in pages[1]
    assert order.number in pages[1]
    found = {result.text for result in zxingcpp.read_barcodes(paint(pages[0]))}
    assert found == {esim.lpa for esim in esims[:4]}


def test_the_sheet_speaks_the_customers_language_and_writes_any_name() -> None:
    order, _esims = bought(1)
    order.customer.language = "ja"
    order.customer.save(update_fields=["language"])
    Plan.objects.update(name="日本 5GB（30日間）")
    pdf = fetch(sign_in("esims.reveal_codes"), order, "pdf")
    assert b"/BaseFont /HeiseiKakuGo-W5" in pdf
    page = unpack_pages(pdf)[0]
    assert "(ICCID)" in page
    drawn = re.sub(r"\\([0-7]{3})", lambda octal: chr(int(octal[1], 8)), page)
    assert "日本".encode("utf-16-be").decode("latin-1") in drawn


def test_the_zip_has_a_picture_for_each_code_and_the_table() -> None:
    order, esims = bought()
    Esim.objects.filter(pk=esims[1].pk).update(lpa="")
    pack = zipfile.ZipFile(BytesIO(fetch(sign_in("esims.reveal_codes"), order, "zip")))
    assert pack.testzip() is None
    picture = f"{order.number}-0001-{esims[0].iccid}.png"
    assert pack.namelist() == [f"{order.number}.csv", picture]
    assert read_code(Image.open(BytesIO(pack.read(picture)))) == "LPA:1$smdp.example.com$CODE-0000"
    # Of the line without a code nothing was shown.
    kinds = [(row.esim_id, row.kind, row.facts["form"]) for row in LineEvent.objects.filter(kind="codes_handed_out")]
    assert kinds == [(esims[0].pk, "codes_handed_out", "zip")]


def test_the_table_runs_nothing_in_a_spreadsheet() -> None:
    order, esims = bought(1, confirmation_code="=1+1")
    Plan.objects.update(name='=HYPERLINK("http://evil.example")')
    text = fetch(sign_in("esims.reveal_codes"), order, "csv").decode("utf-8-sig")
    _header, row = csv.reader(StringIO(text))
    assert row[:7] == [
        *(order.number, esims[0].iccid, '\'=HYPERLINK("http://evil.example")', "LPA:1$smdp.example.com$CODE-0000"),
        *("smdp.example.com", "CODE-0000", "'=1+1"),
    ]


def test_all_codes_are_shown_to_copy_only_when_asked_for() -> None:
    order, esims = bought()
    clerk = make_user("esims.reveal_codes")
    client = sign_in_as(clerk)
    page = client.get(f"/orders/{order.pk}/codes/")
    assert_clean_page(page)
    assert "CODE-0000" not in page.content.decode()
    assert not LineEvent.objects.filter(kind="codes_handed_out").exists()
    shown = client.post(f"/orders/{order.pk}/codes/")
    assert_clean_page(shown)
    assert f"{esims[1].iccid}\tLPA:1$smdp.example.com$CODE-0001" in shown.content.decode()
    assert shown["Cache-Control"] == "no-store, private"
    rows = LineEvent.objects.filter(kind="codes_handed_out")
    assert {(row.esim_id, row.by, row.facts["form"]) for row in rows} == {
        (esim.pk, clerk.email, "text") for esim in esims
    }


def test_nobody_has_them_without_the_permission() -> None:
    order, _esims = bought(1)
    client = sign_in("orders.view_order", "esims.view_esim", "orders.sell")
    for form in ("pdf", "zip", "csv"):
        assert client.post(f"/orders/{order.pk}/codes/{form}/").status_code == 403
        assert sign_in("esims.reveal_codes").get(f"/orders/{order.pk}/codes/{form}/").status_code == 405
    assert client.post(f"/orders/{order.pk}/codes/").status_code == 403
    assert f"/orders/{order.pk}/codes/" not in client.get(f"/orders/{order.pk}/").content.decode()
    assert sign_in("esims.reveal_codes").post(f"/orders/{order.pk}/codes/exe/").status_code == 404
    assert not LineEvent.objects.filter(kind="codes_handed_out").exists()


@pytest.mark.parametrize("form", ["pdf", "zip", "csv"])
def test_a_large_order_takes_no_more_statements(form: str) -> None:
    client = sign_in("esims.reveal_codes")
    counts = []
    for quantity in (1, 40):
        order, _esims = bought(quantity)
        with CaptureQueriesContext(connection) as queries:
            fetch(client, order, form)
        counts.append(len(queries))
    assert counts[0] == counts[1] <= 9
