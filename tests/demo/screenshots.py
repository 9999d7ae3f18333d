"""Pictures of a filled demo office: ``make screenshots``.

Writes ``docs/images/dashboard.png`` for the README, and every page in both themes and widths to ``build/screenshots``.
"""

import os
import shutil
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

import django
from playwright.sync_api import Page, sync_playwright

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
django.setup()

from config.demo.home import LOGIN  # noqa: E402
from tests.browser import ARGUMENTS, LOOKS, Console, Theme, Viewport, find_chromium  # noqa: E402
from tests.demo.running import PROJECT_DIR, Demo, query  # noqa: E402

PAGES = {
    "dashboard": "/",
    "catalogue": "/plans/?country=JP",
    "plan": "/plans/1/",
    "plan-enter": "/plans/enter/",
    "compare": "/plans/compare/?country=JP",
    "order-new": "/orders/new/",
    "orders": "/orders/",
    "order": "/orders/1/",
    "esims": "/esims/",
    "esim": "/esims/1/",
    "devices": "/devices/",
    "customers": "/customers/",
    "customer": "/customers/1/",
    "purchases": "/purchases/",
    "activations": "/activations/",
    "completions": "/completions/",
    "completion": "/completions/1/",
    "payments": "/payments/",
    "payment": "/payments/1/",
    "refunds": "/refunds/",
    "credit": "/credit/1/",
    "statement": "/statements/1/",
    "webhooks": "/webhooks/",
    "notifications": "/notifications/",
    "sync-runs": "/syncs/",
    "sync-run": "/syncs/1/",
    "providers": "/providers/",
    "provider-access": "/providers/esim-access/",
    "provider-esimfx": "/providers/esimfx/",
    "provider-freebit": "/providers/freebit/",
    "admin": "/admin/",
}
_LINE = "SELECT e.id FROM esims_esim e JOIN providers_provideraccount a ON a.id = e.account_id WHERE a.slug ="
#: Pages of something that the story made: their address, and where its number is found.
FOUND = {
    "esim-access": ("/esims/{}/", f"{_LINE} 'esim-access' AND e.state = 'suspended'"),
    "esim-cancelled": ("/esims/{}/", f"{_LINE} 'esim-access' AND e.state = 'cancelled'"),
    "esim-packages": (
        "/esims/{}/",
        f"{_LINE} 'esimfx' AND (SELECT count(*) FROM esims_package p WHERE p.esim_id = e.id) > 1",
    ),
    "esim-freebit": ("/esims/{}/", f"{_LINE} 'freebit'"),
    "esim-cancel": ("/esims/{}/revoke/", f"{_LINE} 'esim-access' AND e.state = 'installed'"),
    "top-up": ("/esims/{}/top-up/", f"{_LINE} 'esim-access' AND e.state = 'depleted'"),
    "top-up-order": ("/orders/{}/", "SELECT order_id FROM orders_orderline WHERE kind = 'top_up'"),
    "order-by-day": ("/orders/{}/", "SELECT order_id FROM orders_orderline WHERE period_days IS NOT NULL"),
    "activation-new": (
        "/activations/new/?customer=1&plan={}",
        "SELECT id FROM catalog_plan WHERE plan_ref = '20GB_PLAN'",
    ),
    "activation": ("/activations/{}/", "SELECT id FROM orders_activation WHERE payload IS NOT NULL"),
    "activation-correct": ("/activations/{}/correct/", "SELECT id FROM orders_activation WHERE payload IS NOT NULL"),
    "webhook": ("/webhooks/{}/", "SELECT id FROM providers_webhookdelivery WHERE state = 'not_understood'"),
    "wizard-days": (
        "/orders/new/?customer=1&step=quantity&plan={}",
        "SELECT id FROM catalog_plan WHERE days_choice_max IS NOT NULL",
    ),
}


def find_pages(home: Path) -> dict[str, str]:
    """Every page's name and address in this demo."""
    return {**PAGES, **{name: path.format(query(home, sql)[0][0]) for name, (path, sql) in FOUND.items()}}


def sign_in(page: Page, password: str) -> None:
    """By the form, as people do."""
    page.locator("input[name=login]").fill(LOGIN)
    page.locator("input[type=password]").fill(password)
    page.keyboard.press("Enter")
    page.get_by_role("heading", name="Dashboard", exact=True).wait_for()


def main() -> int:
    program = find_chromium()
    if program is None:
        print("Chromium is not installed (set CHROMIUM to its program).", file=sys.stderr)
        return 1
    target = PROJECT_DIR / "build" / "screenshots"
    target.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="roamdesk-pictures-") as directory:
        demo = Demo(Path(directory) / "demo")
        try:
            demo.wait_for(r"Ctrl-C closes the office")
            address = demo.wait_for(r"open:\s+(\S+)/")[1]
            password = demo.wait_for(r"Password:\s+(\S+)")[1]
            with sync_playwright() as playwright:
                browser = playwright.chromium.launch(executable_path=program, args=ARGUMENTS)
                pages = find_pages(demo.home)
                looks = [
                    take(Console(browser, address), password, target, pages=pages, viewport=viewport, theme=theme)
                    for viewport, theme in LOOKS
                ]
            demo.end()
        finally:
            demo.kill()
    troubles = [trouble for look in looks for trouble in look]
    images = PROJECT_DIR / "docs" / "images"
    images.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(target / "dashboard-1280-light-window.png", images / "dashboard.png")
    print("\n".join([f"Pictures are in {target}", *troubles]))
    return int(bool(troubles))


def take(
    console: Console, password: str, target: Path, *, pages: Mapping[str, str], viewport: Viewport, theme: Theme
) -> list[str]:
    """Every page in one look; returns what went wrong on them."""
    page = console.open("/", viewport=viewport, theme=theme)
    sign_in(page, password)
    for name, path in pages.items():
        page.goto(path)
        page.wait_for_load_state("networkidle")
        stem = f"{name}-{viewport.width}-{theme}"
        page.screenshot(path=target / f"{stem}.png", full_page=True)
        if name == "dashboard":
            page.screenshot(path=target / f"{stem}-window.png")
    return console.close()


if __name__ == "__main__":
    sys.exit(main())
