"""What every page of ours must be, for tests of pages."""

import re
from collections import Counter
from collections.abc import Mapping
from html.parser import HTMLParser
from typing import Protocol
from urllib.parse import urlsplit

_LOADED = {"script": "src", "img": "src", "link": "href", "form": "action", "iframe": "src", "use": "href"}
#: Form controls that need a name for people who do not see them.
_CONTROLS = {"input", "select", "textarea"}


class Response(Protocol):
    """What Django's test client and Django itself both call a response."""

    @property
    def status_code(self) -> int: ...
    @property
    def headers(self) -> Mapping[str, str]: ...
    @property
    def content(self) -> bytes: ...


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.faults: list[str] = []
        self.language = ""
        self.title = ""
        self.headings = 0
        self.ids: Counter[str] = Counter()
        self.labelled: set[str] = set()
        self.controls: list[tuple[str, str]] = []
        self._inside: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "html":
            self.language = given.get("lang", "")
        # Drawings have titles of their own: the page's comes first.
        if tag == "label" or (tag == "title" and not self.title):
            self._inside.append(tag)
        self.headings += tag == "h1"
        self.ids.update([given["id"]] if "id" in given else [])
        if tag == "label":
            self.labelled.add(given.get("for", ""))
        if tag in _CONTROLS and given.get("type") not in {"hidden", "submit", "button"}:
            named = "aria-label" in given or "aria-labelledby" in given or "label" in self._inside
            self.controls += [] if named else [(tag, given.get("id", ""))]
        self._find_faults(tag, given)

    def _find_faults(self, tag: str, given: dict[str, str]) -> None:
        if tag == "style" or "style" in given:
            self.faults.append(f"inline style in <{tag}>")
        if tag == "script" and "src" not in given and given.get("type") != "application/json":
            self.faults.append("inline script")
        self.faults += [f"<{tag} {name}>" for name in given if re.match(r"on[a-z]|hx-on", name)]
        address = given.get(_LOADED.get(tag, ""), "")
        if urlsplit(address).netloc:
            self.faults.append(f"another host: {address}")
        if address.lower().startswith("javascript:") or given.get("href", "").lower().startswith("javascript:"):
            self.faults.append("javascript: address")

    def handle_endtag(self, tag: str) -> None:
        if tag in self._inside:
            self._inside.remove(tag)

    def handle_data(self, data: str) -> None:
        if self._inside == ["title"]:
            self.title += data


def assert_clean_page(response: Response, *, status: int = 200, language: str = "en") -> None:
    """One heading, a title, a language, names for all controls; nothing inline, nothing from another host."""
    assert response.status_code == status
    policy = response.headers["Content-Security-Policy"]
    assert "script-src 'self'" in policy
    assert "style-src 'self'" in policy
    assert "unsafe" not in policy
    reader = _Reader()
    reader.feed(response.content.decode())
    assert reader.faults == []
    assert reader.language == language
    assert re.fullmatch(r"\s*\S.* · Roamdesk\s*", reader.title, re.DOTALL), reader.title
    assert reader.headings == 1
    assert [name for name, times in reader.ids.items() if times > 1] == []
    assert [control for control in reader.controls if control[1] not in reader.labelled] == []
