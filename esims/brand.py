"""How the reseller looks to customers: name, logo, colours and texts from the settings, all served by ourselves."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Literal

from django.conf import settings
from django.urls import reverse
from django.utils.translation import get_language

from esims.colours import is_colour, lighten_for_dark, make_palette

Text = Literal["welcome", "support", "footer"]
#: What a text may say, and how long it may be. Ours.
TEXTS: tuple[Text, ...] = ("welcome", "support", "footer")
LONGEST_TEXT = 600
LOGO_TYPES = {
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".webp": "image/webp",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
}
#: Ours: a page is read on a phone abroad, over somebody's Wi-Fi.
LARGEST_LOGO = 100_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Logo:
    """A picture with its kind, and a word that is another one for another picture."""

    content: bytes
    content_type: str
    version: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Brand:
    """What a page for customers shows of the reseller; "" for what is not set."""

    name: str
    contact: str
    support_email: str
    logo_url: str
    logo_dark_url: str
    stylesheet_url: str
    welcome: str
    support: str
    footer: str


def read_brand() -> Brand:
    """In the reader's language. Nothing is asked of the database."""
    css = brand_stylesheet()
    return Brand(
        name=settings.BRAND_NAME,
        contact=settings.BRAND_CONTACT,
        support_email=settings.BRAND_SUPPORT_EMAIL,
        logo_url=_logo_url("light"),
        logo_dark_url=_logo_url("dark"),
        stylesheet_url=f"{reverse('brand-colours')}?v={_digest(css.encode())}" if css else "",
        **{name: find_text(name) for name in TEXTS},
    )


def find_text(name: Text) -> str:
    """The text in the reader's language; "" where none is set for it: another language's would be no help."""
    of_all = settings.BRAND_TEXTS if isinstance(settings.BRAND_TEXTS, Mapping) else {}
    texts = of_all.get(get_language() or settings.LANGUAGE_CODE, {})
    return str(texts.get(name, "")) if isinstance(texts, Mapping) else ""


def brand_stylesheet() -> str:
    """The reseller's colours over the house's, in both themes; "" where none are set."""
    # Web servers start without system checks: what is no colour is not written into a style sheet.
    colour, for_dark = (text if is_colour(text) else "" for text in (settings.BRAND_COLOR, settings.BRAND_COLOR_DARK))
    if not colour:
        return ""
    light = make_palette(colour, "light").as_css()
    dark = make_palette(for_dark or lighten_for_dark(colour), "dark").as_css()
    return (
        f':root,:root[data-theme="light"]{{{light}}}\n'
        f'@media screen and (prefers-color-scheme: dark){{:root:not([data-theme="light"]){{{dark}}}}}\n'
        f'@media screen{{:root[data-theme="dark"]{{{dark}}}}}\n'
    )


def read_logo(theme: Literal["light", "dark"]) -> Logo | None:
    """The picture for this theme; None where there is none, or none that may be served."""
    named = settings.BRAND_LOGO if theme == "light" else settings.BRAND_LOGO_DARK
    if not named:
        return None
    path = find_logo_file(named)
    try:
        stat = path.stat()
    except OSError:
        return None
    if path.suffix.lower() not in LOGO_TYPES or stat.st_size > LARGEST_LOGO:
        return None
    return _read_picture(path, stat.st_mtime_ns)


def find_logo_file(named: str) -> Path:
    """Where the setting says that the picture is."""
    return Path(settings.BRAND_BASE) / named


@lru_cache(maxsize=4)
def _read_picture(path: Path, _changed: int) -> Logo | None:
    try:
        content = path.read_bytes()
    except OSError:
        return None
    return Logo(content=content, content_type=LOGO_TYPES[path.suffix.lower()], version=_digest(content))


def _logo_url(theme: Literal["light", "dark"]) -> str:
    logo = read_logo(theme)
    return f"{reverse(f'brand-logo-{theme}')}?v={logo.version}" if logo else ""


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:12]
