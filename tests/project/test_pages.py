"""Rules that all templates and static files keep."""

import re
from pathlib import Path

from django.urls import NoReverseMatch, URLPattern, URLResolver, get_resolver, reverse

from tests.project.sources import APPS, find_files, name

#: A name of an XML vocabulary is no address.
NAMESPACES = ("http://www.w3.org/",)
OTHER_HOST = re.compile(r"""(?:https?:)?//[A-Za-z0-9][A-Za-z0-9.-]*\.[A-Za-z]{2,}[^\s"')]*""")
COMMENTS = re.compile(r"{#.*?#}|{% comment.*?endcomment %}|<!--.*?-->|/\*.*?\*/", re.DOTALL)
VENDORS = re.compile(r"esim[-_ ]?commerce|esim[-_ ]?access|esimfx|freebit", re.IGNORECASE)
INLINE_STYLE = re.compile(r"\sstyle\s*=|<style\b", re.IGNORECASE)
INLINE_SCRIPT = re.compile(r"<script(?![^>]*\bsrc=)[^>]*>|\son[a-z]+\s*=\s*[\"']|javascript:", re.IGNORECASE)
#: A script element that holds data only.
DATA_SCRIPT = re.compile(r"<script[^>]*type=[\"']application/json[\"']", re.IGNORECASE)
URL_TAG = re.compile(r"{%\s*url\s+['\"]([^'\"]+)['\"]")
REVERSED = re.compile(r"\b(?:reverse|reverse_lazy|redirect)\(\s*\"([a-z][a-z0-9:_-]*)\"")
SAMPLES = {"int": 7, "str": "x", "slug": "x", "uuid": "6f2d6c7e-5b1c-4c0b-9a61-0a4f3a8f1b11", "path": "x"}


def templates() -> list[tuple[str, str]]:
    return [
        (name(path), COMMENTS.sub("", path.read_text()))
        for path in find_files("templates", *APPS, endings=(".html", ".txt", ".svg"))
    ]


def static_files() -> list[tuple[str, str]]:
    files = find_files("static", endings=(".css", ".js", ".svg", ".html"))
    return [(name(path), COMMENTS.sub("", path.read_text())) for path in files]


def find(pattern: re.Pattern[str], files: list[tuple[str, str]]) -> list[str]:
    return [f"{file}: {match.group().strip()}" for file, text in files for match in pattern.finditer(text)]


def test_no_page_needs_another_host() -> None:
    found = find(OTHER_HOST, templates() + static_files())
    assert [line for line in found if not any(namespace in line for namespace in NAMESPACES)] == []


def test_no_button_depends_on_a_providers_name() -> None:
    assert find(VENDORS, templates()) == []


def test_nothing_inline_that_the_content_policy_forbids() -> None:
    # An e-mail is no page of ours: it brings its style, because it may fetch none.
    pages = [(file, text) for file, text in templates() if not file.startswith("templates/mail/")]
    found = find(INLINE_STYLE, pages) + find(INLINE_SCRIPT, templates())
    assert [line for line in found if not DATA_SCRIPT.search(line)] == []


def named_patterns() -> dict[str, URLPattern]:
    """Our own addresses by name; the admin's and allauth's are theirs."""
    found: dict[str, URLPattern] = {}

    def walk(resolver: URLResolver) -> None:
        for entry in resolver.url_patterns:
            if isinstance(entry, URLResolver):
                module = getattr(entry.urlconf_name, "__name__", "")
                if module.split(".")[0] in APPS:
                    walk(entry)
            elif entry.name:
                found[entry.name] = entry

    walk(get_resolver())
    return found


def test_every_address_reverses() -> None:
    patterns = named_patterns()
    assert {"dashboard", "plan-list", "esim-detail", "order-new", "healthz"} <= set(patterns)
    for url_name, entry in patterns.items():
        converters = entry.pattern.converters
        arguments = {
            argument: SAMPLES[type(converter).__name__.removesuffix("Converter").lower().replace("string", "str")]
            for argument, converter in converters.items()
        }
        assert reverse(url_name, kwargs=arguments).startswith("/"), url_name


def test_every_name_in_use_exists() -> None:
    used: dict[str, str] = {}
    for file, text in templates():
        used.update(dict.fromkeys(URL_TAG.findall(text), file))
    for path in find_files(*APPS, endings=(".py",)):
        used.update(dict.fromkeys(REVERSED.findall(path.read_text()), name(path)))
    ours = set(named_patterns())
    assert [f"{file}: {url_name}" for url_name, file in used.items() if not _exists(url_name, ours)] == []


def _exists(url_name: str, ours: set[str]) -> bool:
    if url_name in ours:
        return True
    try:
        reverse(url_name)
    except NoReverseMatch as error:
        # It is there, but wants arguments.
        return "pattern(s) tried" in str(error)
    return True


def test_every_static_file_in_use_exists() -> None:
    tag = re.compile(r"{%\s*static\s+['\"]([^'\"{]+)['\"]")
    here = Path(__file__).resolve().parent.parent.parent / "static"
    packaged = ("admin/", "django_htmx/", "rest_framework/")
    missing = [
        f"{file}: {path}"
        for file, text in templates()
        for path in tag.findall(text)
        if not path.startswith(packaged) and not (here / path).exists()
    ]
    assert missing == []
