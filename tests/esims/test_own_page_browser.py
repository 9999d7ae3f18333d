"""The customer's own page in a real browser: a phone's width first, both themes, the reseller's looks, the keyboard."""

from datetime import date, timedelta
from pathlib import Path

import pytest
from playwright.sync_api import expect
from pytest_django import Settings

from catalog.devices import save_device
from catalog.models import DeviceModel
from esims.links import make_links
from esims.models import UsageDay
from providers.types import LineState
from tests.browser import DESKTOP, PHONE, Console, Theme, Viewport, find_faults, find_faults_of
from tests.catalog.making import make_plan
from tests.esims.making import GB, MB, make_customer, make_line, make_snapshot

pytestmark = [pytest.mark.browser, pytest.mark.looks, pytest.mark.django_db(transaction=True)]
LOOKS: list[tuple[Viewport, Theme]] = [(PHONE, "light"), (PHONE, "dark"), (DESKTOP, "light")]
LOGO = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 120 30"><path fill="#0057b8" d="M0 0h120v30H0z"/></svg>'


def open_address(esim_id: int) -> str:
    return make_links(esim_ids=[esim_id], made_for="test")[esim_id].removeprefix("http://127.0.0.1:8000")


def test_it_fits_and_everybody_can_use_it(console: Console, settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "logo.svg").write_text(LOGO)
    settings.BRAND_NAME, settings.BRAND_COLOR, settings.BRAND_LOGO = "Fjord SIM", "#0057b8", str(tmp_path / "logo.svg")
    settings.BRAND_SUPPORT_EMAIL = "help@fjord.example"
    DeviceModel.objects.all().delete()
    device = DeviceModel(maker="Google", name="Pixel 8", ability="yes", source="x", checked_on=date(2026, 5, 1))
    device.none_in = "CN"
    save_device(device=device, by="x")
    ready = make_line(make_snapshot(apn="data.esim"), customer=make_customer(language="en"))
    plan = make_plan(data_bytes=3 * GB)
    used = make_line(
        make_snapshot(state=LineState.ACTIVE, total_used_bytes=1200 * MB),
        plan=plan,
        customer=make_customer(language="ja"),
    )
    for back in range(9):
        day = date(2026, 5, 1) - timedelta(days=back)
        UsageDay.objects.create(esim=used, day=day, used_bytes=(back + 1) * 30 * MB)
    pages = {
        "ready": f"{open_address(ready.pk)}?phone=pixel+8&os=iphone",
        "used": open_address(used.pk),
    }
    page = console.open(pages["ready"], signed_in=False, enforce_csp=False)
    expect(page.get_by_role("img", name="Fjord SIM")).to_be_visible()
    found = find_faults_of(page, pages, "own", looks=LOOKS)
    # The list and the form are looked at with every other page (tests/journeys), the refusal with the notices.
    page = console.open("/devices/import/", enforce_csp=False)
    rows = "maker,model,esim,source,checked_on\nGoogle,Pixel 8,no,x,2026-06-01\nGoogle,Pixel 9,yes,x,2026-06-01\n"
    page.get_by_label("CSV file").set_input_files({"name": "a.csv", "mimeType": "text/csv", "buffer": rows.encode()})
    page.get_by_role("button", name="Look it through").click()
    found += find_faults(page, "own-desk-report")
    page.get_by_role("button", name="Import it").click()
    expect(page.get_by_text("1 added, 1 changed, 0 as they were.")).to_be_visible()
    page.goto(f"/esims/{ready.pk}/links/renew/")
    page.get_by_role("button", name="Renew the link").click()
    expect(page.locator("#own-link")).to_contain_text("/l/")
    found += find_faults(page, "own-desk-made")
    assert found == []

    # Without a script and without a mouse, under the policy as it is.
    page = console.open(open_address(ready.pk), viewport=PHONE, signed_in=False, scripts=False)
    search = page.get_by_label("Look your phone up")
    search.focus()
    page.keyboard.type("pixel")
    page.keyboard.press("Enter")
    expect(page.get_by_text("Google Pixel 8")).to_be_visible()
    page.get_by_role("link", name="Samsung Galaxy").press("Enter")
    expect(page.get_by_role("link", name="Samsung Galaxy")).to_have_attribute("aria-current", "true")
    page.get_by_role("link", name="日本語").press("Enter")
    expect(page.locator("html")).to_have_attribute("lang", "ja")
    expect(page.get_by_role("link", name="日本語")).to_have_attribute("aria-current", "true")
    assert "os=samsung" in page.url
    assert "phone=pixel" in page.url
