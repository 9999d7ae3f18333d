"""A real browser in tests: signed-in pages of the running console, watched for whatever pages must not do.

``console.open("/plans/")`` gives a Playwright page. Every page is watched: a request to another host, an error in the
browser's console (a breach of the content security policy is one), a script's exception or an answer of 500 fails the
test at its end, unless the test took note of it with ``console.forget_troubles()``.
"""

import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple
from urllib.parse import urlsplit

import pytest
from axe_playwright_python.base import AXE_SCRIPT
from django.conf import settings
from django.test import Client
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Request, Response, sync_playwright

from customers.models import User

Theme = Literal["light", "dark"]
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    # No other host is reached. Interception would do that as well, and would keep every page from using the cache.
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost",
]
TIMEOUT_MS = 15_000
#: Addresses that ask nobody.
_INNER = ("data:", "blob:")


class Viewport(NamedTuple):
    width: int
    height: int


PHONE = Viewport(390, 844)
DESKTOP = Viewport(1280, 900)
#: Every width and theme that a page must look right in; for ``pytest.mark.parametrize``.
LOOKS: list[tuple[Viewport, Theme]] = [(DESKTOP, "light"), (DESKTOP, "dark"), (PHONE, "light"), (PHONE, "dark")]
#: Each width and each theme once: for pages made of parts that others show in every look.
TWO_LOOKS: list[tuple[Viewport, Theme]] = [(DESKTOP, "light"), (PHONE, "dark")]
#: All of axe's rules that depend on the theme.
COLOUR_RULES = ("color-contrast", "link-in-text-block")


def find_chromium() -> str | None:
    """The browser's program: ``CHROMIUM`` from the environment, or Debian's."""
    named = os.environ.get("CHROMIUM")
    candidates = [named] if named else ["chromium", "chromium-browser", "google-chrome"]
    return next((found for name in candidates if (found := shutil.which(name))), None)


class Console:
    """Opens pages of one running server. Without ``staff`` pages are opened signed out."""

    def __init__(self, browser: Browser, base_url: str, staff: User | None = None) -> None:
        self.base_url = base_url
        self._staff = staff
        self._browser = browser
        self._contexts: list[BrowserContext] = []
        self._troubles: list[str] = []

    @property
    def staff(self) -> User:
        """Whom pages are signed in as when nobody else is named."""
        assert self._staff is not None, "this console has no staff of its own"
        return self._staff

    def open(
        self,
        path: str = "/",
        *,
        viewport: Viewport = DESKTOP,
        theme: Theme = "light",
        user: User | None = None,
        signed_in: bool = True,
        language: str = "en",
        scripts: bool = True,
        enforce_csp: bool = True,
    ) -> Page:
        """A page in a fresh browser context, signed in as ``user`` (the fixture's superuser by default).

        ``check_accessibility`` needs a page that was opened with ``enforce_csp=False``.
        """
        context = self._browser.new_context(
            base_url=self.base_url,
            viewport={"width": viewport.width, "height": viewport.height},
            color_scheme=theme,
            locale=language,
            timezone_id="UTC",
            reduced_motion="reduce",
            java_script_enabled=scripts,
            bypass_csp=not enforce_csp,
            has_touch=viewport == PHONE,
        )
        self._contexts.append(context)
        context.set_default_timeout(TIMEOUT_MS)
        context.on("request", self._note_request)
        context.on("console", self._note_console)
        context.on("weberror", lambda error: self._troubles.append(f"exception: {error.error}"))
        context.on("response", self._note_response)
        who = user or self._staff
        if signed_in and who is not None:
            key = sign_in(who)
            context.add_cookies([{"name": settings.SESSION_COOKIE_NAME, "value": key, "url": self.base_url}])
        page = context.new_page()
        page.goto(path)
        return page

    def forget_troubles(self) -> list[str]:
        """What went wrong until now; the test answers for it."""
        troubles, self._troubles = self._troubles, []
        return troubles

    def close(self) -> list[str]:
        """End all contexts; returns what went wrong."""
        for context in self._contexts:
            context.close()
        return self.forget_troubles()

    def _note_request(self, request: Request) -> None:
        if urlsplit(request.url).netloc != urlsplit(self.base_url).netloc and not request.url.startswith(_INNER):
            self._troubles.append(f"request to another host: {request.url}")

    def _note_console(self, message: ConsoleMessage) -> None:
        # Where a page names no icon, as a health check does not, the browser asks for one of its own.
        if message.type == "error" and not message.location["url"].endswith("/favicon.ico"):
            self._troubles.append(f"console: {message.text}")

    def _note_response(self, response: Response) -> None:
        if response.status >= 500:
            self._troubles.append(f"{response.status} for {response.request.method} {response.url}")


def sign_in(user: User) -> str:
    """A session of this user; returns its key, the cookie's value."""
    client = Client()
    client.force_login(user, backend=settings.AUTHENTICATION_BACKENDS[0])
    return str(client.session.session_key)


def check_accessibility(page: Page, *, rules: Sequence[str] = ()) -> list[str]:
    """What axe finds on the page (opened with ``enforce_csp=False``), one line for each element; [] is good.

    ``rules`` keeps to these rules of axe, for a page that was looked at whole already.
    """
    page.wait_for_load_state("load")
    # What is right is not told of: on a long page that takes longer than to look at it.
    options: dict[str, Any] = {"resultTypes": ["violations"]}
    if rules:
        options["runOnly"] = {"type": "rule", "values": list(rules)}
    if not page.evaluate("'axe' in window"):
        page.evaluate(AXE_SCRIPT)
    results: dict[str, Any] = page.evaluate("options => axe.run(options)", options)
    return [
        f"{violation['id']} ({violation['impact']}): {violation['help']} at {' '.join(map(str, node['target']))}"
        for violation in results["violations"]
        for node in violation["nodes"]
    ]


def find_faults(page: Page, picture: str = "", *, looks: Sequence[tuple[Viewport, Theme]] = TWO_LOOKS) -> list[str]:
    """What is wrong with the page in any of these looks, with everything unfolded; [] is good.

    The page was opened with ``enforce_csp=False``. Axe looks at all of it once for each width, in another theme at its
    colours. A ``picture`` of each look is kept under this name where ``SCREENSHOTS`` names a directory.
    """
    page.wait_for_load_state("load")
    page.evaluate("for (const part of document.querySelectorAll('main details')) part.open = true")
    faults: list[str] = []
    looked_at: set[Viewport] = set()
    for viewport, theme in looks:
        page.set_viewport_size({"width": viewport.width, "height": viewport.height})
        page.emulate_media(color_scheme=theme)
        take_picture(page, f"{picture}-{viewport.width}-{theme}" if picture else "")
        found = check_accessibility(page, rules=COLOUR_RULES if viewport in looked_at else ())
        looked_at.add(viewport)
        if wider := check_width(page):
            found.append(f"{wider} px too wide")
        faults += [f"{picture} {viewport.width} {theme}: {fault}" for fault in found]
    return faults


def find_faults_of(
    page: Page, pages: Mapping[str, str], prefix: str, *, looks: Sequence[tuple[Viewport, Theme]] = TWO_LOOKS
) -> list[str]:
    """``find_faults`` of each page; name → address."""
    faults: list[str] = []
    for name, address in pages.items():
        page.goto(address)
        faults += find_faults(page, f"{prefix}-{name}", looks=looks)
    return faults


def take_picture(page: Page, name: str) -> None:
    """A picture of the whole page for people who want to look: a run that nobody looks at is quicker without."""
    directory = os.environ.get("SCREENSHOTS", "")
    if name and directory:
        Path(directory).mkdir(parents=True, exist_ok=True)
        page.screenshot(path=Path(directory) / f"{name}.png", full_page=True)


def check_width(page: Page) -> int:
    """By how many pixels the page is wider than the window; 0 is good. Style sheets are waited for."""
    page.wait_for_load_state("load")
    return int(page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth"))


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Chromium, once for a test worker; its tests are skipped where there is none."""
    program = find_chromium()
    if program is None:
        pytest.skip("Chromium is not installed (set CHROMIUM to its program)")
    # Playwright's loop makes Django think that everything here is asynchronous.
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "1"
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=program, args=ARGUMENTS)
        yield started
        started.close()


@pytest.fixture
def staff(transactional_db: None) -> User:
    """A superuser who may do everything in the console."""
    return User.objects.create_superuser("staff@roamdesk.example", "not-used-here-9", first_name="Staff")


@pytest.fixture
def console(browser: Browser, live_server: Any, staff: User) -> Iterator[Console]:
    """The console served by this process; its troubles fail the test at the end."""
    opened = Console(browser, live_server.url, staff)
    yield opened
    troubles = opened.close()
    assert not troubles, "\n".join(troubles)


@pytest.fixture
def screenshots() -> Path:
    """Where a test may leave pictures: ``SCREENSHOTS`` from the environment, else a directory that is ignored."""
    directory = Path(os.environ.get("SCREENSHOTS", "build/screenshots"))
    directory.mkdir(parents=True, exist_ok=True)
    return directory
