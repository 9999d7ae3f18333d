"""The pages of the lines in a real browser: looks, accessibility, and the parts that move."""

from datetime import timedelta
from io import BytesIO

import pytest
import zxingcpp
from django.utils import timezone
from PIL import Image
from playwright.sync_api import expect

from esims.actions import run_due_actions
from esims.due_lines import refresh_due_lines
from esims.models import Esim, LineAction, LineEvent, UsageDay
from esims.refresh import refresh_line
from esims.states import japan_today
from esims.usage import set_simulated_usage
from providers.types import LineState, Priority
from tests.browser import TWO_LOOKS, Console, Theme, Viewport, find_faults_of, take_picture
from tests.esims.conftest import SellLines
from tests.esims.fakes import Fleet
from tests.esims.making import GB, MB, make_customer
from tests.esims.test_pages_wholesalers import enter, packages
from tests.simulator_client import SANDBOX, Simulator

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def used_line(office: Simulator, sell_lines: SellLines) -> Esim:
    """A sandbox line in use for a fortnight."""
    (esim,) = sell_lines(system=SANDBOX, customer=make_customer("Aiko Tanaka", email="aiko@example.com"))
    office.connect_line(esim.iccid, SANDBOX, imei="490154203237518")
    today = japan_today()
    days = {today - timedelta(days=back): (37 * back % 11) * 60 * MB for back in range(14) if back != 5}
    set_simulated_usage(esim=esim, days=days, by="mika@desk.example")
    return refresh_line(esim_id=esim.pk, priority=Priority.PEOPLE, by="refresh")


@pytest.mark.looks
def test_the_pages_look_right(console: Console, office: Simulator, sell_lines: SellLines) -> None:
    esim = used_line(office, sell_lines)
    sell_lines(3)
    pages = {
        "list": "/esims/",
        "line": f"/esims/{esim.pk}/",
        "suspend": f"/esims/{esim.pk}/suspend/",
        "simulate": f"/esims/{esim.pk}/usage/",
    }
    assert find_faults_of(console.open(enforce_csp=False), pages, "esims") == []


@pytest.mark.looks
def test_the_pages_of_other_wholesalers_look_right(console: Console, fleet: Fleet) -> None:
    busy = enter(
        fleet.add(
            state=LineState.ACTIVE,
            packages=packages(),
            total_used_bytes=256 * MB,
            total_data_bytes=6 * GB,
            activated_at=timezone.now() - timedelta(days=3),
        ),
        slug="fleet-single",
    )
    UsageDay.objects.bulk_create(
        UsageDay(
            esim=busy,
            day=timezone.now().date() - timedelta(days=back),
            used_bytes=(3 + back) * 9 * MB,
            is_derived=True,
        )
        for back in range(8)
        if back != 3
    )
    fresh = enter(fleet.add(order_ref="B26033119290003", apn="isp", api_sms=True))
    (line,) = fleet.add(
        state=LineState.ACTIVE,
        lpa="",
        smdp_address="",
        matching_id="",
        eid="89049032123451234512345678901235",
        phone_number="+819012345678",
    )
    by_eid = enter([line], slug="fleet-mute")
    talking = enter(fleet.add(state=LineState.ACTIVE))
    waiting = busy.packages.order_by("pk").last()
    assert waiting is not None
    pages = {
        "packages": f"/esims/{busy.pk}/",
        "fresh": f"/esims/{fresh.pk}/",
        "by-eid": f"/esims/{by_eid.pk}/",
        "revoke": f"/esims/{fresh.pk}/revoke/",
        "terminate": f"/esims/{busy.pk}/packages/{waiting.pk}/terminate/",
        "sms": f"/esims/{talking.pk}/sms/",
    }
    assert find_faults_of(console.open(enforce_csp=False), pages, "esims") == []


def test_a_line_is_installed_suspended_and_released_on_its_page(
    console: Console, office: Simulator, sell_lines: SellLines
) -> None:
    esim = used_line(office, sell_lines)
    page = console.open(f"/esims/{esim.pk}/")
    decoded = zxingcpp.read_barcode(Image.open(BytesIO(page.locator(".line-qr img").screenshot())))
    assert decoded is not None
    assert decoded.text == office.line(esim.iccid, SANDBOX)["qrCode"]

    # Codes come into the page without leaving it.
    expect(page.locator("#apple-link")).to_have_count(0)
    page.get_by_role("button", name="Show codes and one-tap links").click()
    expect(page.locator("#apple-link")).to_have_attribute(
        "href", f"https://esimsetup.apple.com/esim_qrcode_provisioning?carddata={esim.lpa}"
    )
    assert LineEvent.objects.filter(esim=esim, kind="codes_revealed").count() == 1

    for verb, state in (("Suspend", "suspended"), ("Release", "active")):
        page.get_by_role("link", name=verb, exact=True).click()
        page.get_by_label("Reason").fill("asked by phone")
        page.get_by_role("button", name=verb).click()
        live = page.locator("#line-action")
        expect(live).to_contain_text("nothing has been sent yet")
        run_due_actions(seconds=10)
        expect(live).to_contain_text("we keep looking")
        LineAction.objects.update(next_attempt_at=timezone.now())
        run_due_actions(seconds=10)
        expect(live).to_contain_text("The provider shows it on the line.")
        expect(page.locator("#state-title")).to_contain_text(state)
        expect(page.locator("#line-timeline")).to_contain_text(f"{verb}: confirmed by the line's state.")
    assert office.count_requests("control", SANDBOX) == 2
    take_picture(page, "esims-after-release")


def test_the_page_fills_in_what_the_worker_read(console: Console, office: Simulator, sell_lines: SellLines) -> None:
    (esim,) = sell_lines()
    Esim.objects.filter(pk=esim.pk).update(refreshed_at=timezone.now() - timedelta(hours=1))
    page = console.open(f"/esims/{esim.pk}/")
    expect(page.locator("#line-live")).to_contain_text("Being read from the provider.")
    office.use_data(esim.iccid, 300 * 1024)
    refresh_due_lines(limit=None, seconds=10)
    expect(page.locator("#state-title")).to_contain_text("active")
    expect(page.locator("#line-usage")).to_contain_text("300\u00a0MB")
    expect(page.locator("#line-live")).not_to_contain_text("Being read from the provider.")


def test_everything_works_without_scripts(console: Console, office: Simulator, sell_lines: SellLines) -> None:
    (esim,) = sell_lines()
    page = console.open(f"/esims/{esim.pk}/", scripts=False)
    page.get_by_role("button", name="Show codes and one-tap links").click()
    expect(page.locator("#apple-link")).to_be_visible()
    page.get_by_role("link", name="Suspend", exact=True).click()
    page.get_by_label("Reason").fill("asked by phone")
    page.get_by_role("button", name="Suspend").click()
    expect(page.locator("#line-action")).to_contain_text("nothing has been sent yet")
    run_due_actions(seconds=10)
    LineAction.objects.update(next_attempt_at=timezone.now())
    run_due_actions(seconds=10)
    page.get_by_role("link", name="Look again").click()
    expect(page.locator("#line-action")).to_contain_text("The provider shows it on the line.")


@pytest.mark.parametrize("look", TWO_LOOKS)
def test_the_admin_shows_the_line(
    console: Console,
    office: Simulator,
    sell_lines: SellLines,
    look: tuple[Viewport, Theme],
) -> None:
    viewport, theme = look
    esim = used_line(office, sell_lines)
    page = console.open(f"/admin/esims/esim/{esim.pk}/change/", viewport=viewport, theme=theme)
    expect(page.locator(".line-qr img")).to_be_visible()
    expect(page.locator("figure.chart svg")).to_be_visible()
    take_picture(page, f"esims-admin-{viewport.width}-{theme}")
    page.goto(f"/admin/esims/esim/{esim.pk}/suspend/")
    page.get_by_label("Reason").fill("fraud")
    take_picture(page, f"esims-admin-suspend-{viewport.width}-{theme}")
