"""``docs/example-app/`` in a browser: a traveller comes, buys, installs, adds data, and reads the news."""

import re
import runpy
import time
from collections.abc import Callable
from decimal import Decimal
from io import BytesIO
from pathlib import Path

import pytest
import zxingcpp
from django.test import Client
from PIL import Image
from playwright.sync_api import Page, Route, expect
from pytest_django import Settings

from catalog.models import Plan
from config.demo.example_app import FILES
from customers.models import User
from esims.models import Esim
from orders.models import Notification, Order, Payment
from orders.waking import wake_due_jobs
from tests.api.app import PASSWORD, last_code
from tests.api.buying import HANA, buy_all
from tests.browser import PHONE, TWO_LOOKS, Console, check_accessibility, check_width
from tests.catalog.making import make_account, make_plan
from tests.orders.telling import tell
from tests.queue import Queue
from tests.simulator_access import Access, open_account
from tests.simulator_cards import DOOR, CardService
from tests.simulator_client import Simulator

APP = "/example-app/"


@pytest.fixture
def plan(settings: Settings, cards: CardService, simulator: Simulator) -> Plan:
    """Of eSIM Access, whose lines are there at once and take more data."""
    access: Access = open_account(settings, simulator)
    settings.ALLOWED_HOSTS = ["127.0.0.1", "localhost"]
    settings.HTTP_CONNECT_TIMEOUT = settings.HTTP_READ_TIMEOUT = settings.HTTP_ORDER_READ_TIMEOUT = 5.0
    code = access.find_package(dataType=1, supportTopUpType=2)
    package = access.package(code)
    account = make_account("esim-access", adapter="esim_access", name="Whole Saler Inc")
    net = Decimal(package["price"]) / 10_000
    return make_plan(
        account, plan_ref=code, alias=package["slug"], net_price=net, top_up_supported=True, name="Japan 1 GB"
    )


@pytest.fixture
def look(screenshots: Path) -> Callable[..., None]:
    """Take a picture in two looks; nothing goes sideways, and axe finds nothing."""

    def take(page: Page, name: str) -> None:
        for viewport, theme in TWO_LOOKS:
            page.set_viewport_size({"width": viewport.width, "height": viewport.height})
            page.emulate_media(color_scheme=theme)
            assert check_width(page) == 0, name
            page.screenshot(path=screenshots / f"example-app-{name}-{viewport.width}-{theme}.png", full_page=True)
        assert check_accessibility(page) == [], name

    return take


def lose_answer(route: Route) -> None:
    """The office gets the request, and the app gets no answer."""
    route.fetch()
    route.abort()


def pay_by_card(page: Page, queue: Queue) -> None:
    """From the order on the screen to what it brings; the service's calls and the workers are the real ones."""
    read = page.get_by_label("I have read this")
    expect(page.get_by_role("button", name="by card")).to_be_disabled()
    read.check()
    page.get_by_role("button", name="by card").click()
    sheet = page.get_by_role("dialog")
    sheet.get_by_role("button", name="refused").click()
    expect(sheet.get_by_role("alert")).to_have_text("Your card was declined.")
    sheet.get_by_role("button", name="4242").click()
    expect(page.get_by_text("Your card was charged.")).to_be_visible()
    deadline = time.monotonic() + 10
    while Order.objects.exclude(state="completed").exists():
        assert time.monotonic() < deadline
        wake_due_jobs()
        queue.run()
        buy_all()


@pytest.mark.looks
@pytest.mark.django_db(transaction=True)
def test_from_the_sign_up_to_the_news(
    console: Console, cards: CardService, plan: Plan, queue: Queue, look: Callable[..., None]
) -> None:
    cards.set_webhook(f"{console.base_url}{DOOR}")
    page = console.open(APP, signed_in=False, viewport=PHONE, enforce_csp=False)
    look(page, "shop")
    page.get_by_role("link", name="Japan").click()
    page.get_by_role("link", name="Japan 1 GB").click()
    expect(page.get_by_role("heading", name="Where it works")).to_be_visible()
    look(page, "plan")
    page.get_by_role("button", name="Order").click()

    # Nobody is signed in yet: an account is made, and its address confirmed.
    new = page.locator("form", has=page.get_by_role("button", name="Make an account"))
    new.get_by_label("Name").fill("Hana")
    new.get_by_label("E-mail").fill(HANA)
    new.get_by_label("Password").fill("short")
    new.get_by_role("button").click()
    expect(new.get_by_text("This password is too short")).to_be_visible()
    look(page, "sign-in")
    new.get_by_label("Password").fill(PASSWORD)
    new.get_by_role("button").click()
    code = page.get_by_label("Code from the mail")
    expect(code).to_be_focused()
    code.fill(last_code(HANA))
    page.get_by_role("button", name="Go on").click()

    # The answer to the order is lost twice: it is sent again with its key, and there is one order.
    page.route("**/api/v1/orders", lose_answer, times=2)
    page.get_by_role("button", name="Order").click()
    expect(page.get_by_role("heading", name="Before you pay")).to_be_visible()
    assert Order.objects.count() == 1
    assert [line for line in console.forget_troubles() if "ERR_FAILED" not in line and "40" not in line] == []
    look(page, "order")
    pay_by_card(page, queue)
    page.get_by_role("link", name="eSIM 1").click()
    assert Payment.objects.get().state == "captured"

    # Its QR code is drawn, and says what the line's activation code says.
    esim = Esim.objects.get()
    assert esim.customer == User.objects.get(email=HANA).customer
    picture = page.get_by_role("img", name="QR code of the eSIM")
    expect(picture).to_have_js_property("complete", True)
    # The tabs at the bottom must not cover it.
    picture.evaluate("node => node.scrollIntoView({ block: 'center' })")
    found = zxingcpp.read_barcode(Image.open(BytesIO(picture.screenshot())))
    assert found is not None
    assert found.text == esim.lpa
    page.get_by_text("Type it in instead").click()
    expect(page.get_by_text(esim.matching_id)).to_be_visible()
    page.get_by_text("How to install it, step by step").click()
    expect(page.get_by_role("listitem").first).to_be_visible()
    page.get_by_label("What you call it").fill("For the beach")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("heading", name="For the beach")).to_be_visible()
    look(page, "esim")

    page.get_by_role("link", name="Add data").click()
    page.get_by_role("button", name="Order for").first.click()
    expect(page.get_by_role("heading", name="Before you pay")).to_be_visible()
    pay_by_card(page, queue)
    expect(page.get_by_role("link", name="Added:")).to_be_visible()

    tell()
    page.get_by_role("link", name="News").click()
    expect(page.get_by_role("article").first).to_contain_text("New:")
    look(page, "news")
    expect(page.locator("[data-news]")).to_be_hidden()
    assert not Notification.objects.filter(audience="customer", read_at=None, channel="email").exists()
    page.get_by_role("link", name="Me").click()
    page.get_by_role("button", name="Sign out", exact=True).click()
    expect(page.get_by_role("heading", name="Where to?")).to_be_visible()
    page.get_by_role("link", name="eSIMs").click()
    expect(page.get_by_role("heading", name="Welcome")).to_be_visible()
    assert [line for line in console.forget_troubles() if "status of 40" not in line] == []


@pytest.mark.looks
@pytest.mark.django_db(transaction=True)
def test_it_runs_under_our_content_policy(console: Console, plan: Plan) -> None:
    """Any breach of the policy, and any error in the browser, fails the test."""
    page = console.open(APP, signed_in=False)
    page.get_by_role("link", name="Japan").press("Enter")
    page.get_by_role("link", name="Japan 1 GB").press("Enter")
    expect(page.get_by_role("heading", name="Japan 1 GB")).to_be_focused()


def test_it_is_there_in_the_demo_only(settings: Settings) -> None:
    urls = str(Path(__file__).resolve().parents[2] / "config" / "urls.py")

    def addresses() -> list[str]:
        return [str(entry.pattern) for entry in runpy.run_path(urls)["urlpatterns"]]

    assert "example-app/" in addresses()
    settings.DEMO = False
    assert "example-app/" not in addresses()


def test_it_asks_no_other_host_and_has_nothing_inline() -> None:
    files = [*FILES.glob("*.html"), *FILES.glob("*.css"), *FILES.glob("*.js")]
    assert len(files) == 9
    for file in files:
        assert re.search(r"https?:|[\"'(]//|\sstyle=|<style|\son[a-z]+=|<script>", file.read_text()) is None, file


@pytest.mark.django_db
def test_its_files_and_nothing_else_are_served(cards: CardService) -> None:
    client = Client()
    for name in ("", "app.js", "api.js", "app.css"):
        assert client.get(f"{APP}{name}").status_code == 200
    for name in ("README.md", "nothing.js", "..%2Fapi.md", "%2E%2E%2F%2E%2E%2Fmanage.py"):
        assert client.get(f"{APP}{name}").status_code == 404, name
    assert client.post(APP).status_code == 405
    for secret in ("", "pi_1", "pi_1/../../refunds_secret_1", "sk_test_demo"):
        assert client.post(f"{APP}card-sheet", {"client_secret": secret}).status_code == 400
    strange = {"client_secret": "pi_1_secret_2", "publishable_key": "pk_test_demo", "card": "pm_card_visa"}
    assert client.post(f"{APP}card-sheet", strange).status_code == 401
    assert cards.effects() == []
