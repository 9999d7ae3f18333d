"""System checks of how the reseller looks to customers."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from django.apps import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Error
from django.core.exceptions import ValidationError
from django.core.validators import validate_email

from esims.brand import LARGEST_LOGO, LOGO_TYPES, LONGEST_TEXT, TEXTS, find_logo_file
from esims.colours import READABLE, SURFACES, Theme, find_unreadable, is_colour

_HINT = "See docs/own-page.md."


def check_brand(app_configs: Sequence[AppConfig] | None, **_kwargs: Any) -> list[CheckMessage]:
    """Logo, colours, texts and address are such, and everybody can read what is in the colours."""
    del app_configs
    return [*_check_colours(), *_check_logos(), *_check_texts(), *_check_email()]


def _check_colours() -> Iterator[CheckMessage]:
    if settings.BRAND_COLOR_DARK and not settings.BRAND_COLOR:
        yield Error("BRAND_COLOR_DARK is set without BRAND_COLOR.", hint=_HINT, id="esims.E001")
    themes: list[tuple[str, Theme]] = [("BRAND_COLOR", "light"), ("BRAND_COLOR_DARK", "dark")]
    for name, theme in themes:
        colour = getattr(settings, name)
        if not colour:
            continue
        if not is_colour(colour):
            yield Error(f"{name} is no colour such as #0a6868: {colour}", hint=_HINT, id="esims.E001")
        elif unreadable := find_unreadable(colour, theme):
            pairs = ", ".join(f"{ratio} with {other}" for other, ratio in unreadable)
            tone = "darker" if theme == "light" else "lighter"
            yield Error(
                f"{name} {colour} cannot be read by everybody on {theme} pages: its contrast is {pairs}.",
                hint=f"WCAG AA asks for {READABLE}. Take a {tone} tone; pages are {SURFACES[theme][0]} and like it.",
                id="esims.E002",
            )


def _check_logos() -> Iterator[CheckMessage]:
    if settings.BRAND_LOGO_DARK and not settings.BRAND_LOGO:
        yield Error("BRAND_LOGO_DARK is set without BRAND_LOGO.", hint=_HINT, id="esims.E003")
    for name in ("BRAND_LOGO", "BRAND_LOGO_DARK"):
        if not (named := getattr(settings, name)):
            continue
        path = find_logo_file(named)
        if path.suffix.lower() not in LOGO_TYPES:
            kinds = ", ".join(LOGO_TYPES)
            yield Error(f"{name} is none of the kinds {kinds}: {named}", hint=_HINT, id="esims.E003")
        elif not path.is_file():
            yield Error(f"{name} is no file: {named}", hint=_HINT, id="esims.E003")
        elif path.stat().st_size > LARGEST_LOGO:
            yield Error(f"{name} is larger than {LARGEST_LOGO} bytes.", hint=_HINT, id="esims.E003")


def _check_texts() -> Iterator[CheckMessage]:
    texts = settings.BRAND_TEXTS
    if not isinstance(texts, Mapping) or not all(isinstance(of, Mapping) for of in texts.values()):
        yield Error("BRAND_TEXTS is no object of objects by language.", hint=_HINT, id="esims.E004")
        return
    known = dict(settings.LANGUAGES)
    for language, of in texts.items():
        if language not in known:
            message = f"BRAND_TEXTS speaks a language that pages do not: {language}."
            yield Error(message, hint=f"There are {', '.join(known)}.", id="esims.E004")
        for name, text in of.items():
            if name not in TEXTS:
                hint = f"There are {', '.join(TEXTS)}."
                yield Error(f"BRAND_TEXTS holds a text that no page shows: {name}.", hint=hint, id="esims.E004")
            elif not isinstance(text, str) or len(text) > LONGEST_TEXT:
                message = f"BRAND_TEXTS, {language}, {name}: no text of at most {LONGEST_TEXT} characters."
                yield Error(message, hint=_HINT, id="esims.E004")


def _check_email() -> Iterator[CheckMessage]:
    if not settings.BRAND_SUPPORT_EMAIL:
        return
    try:
        validate_email(settings.BRAND_SUPPORT_EMAIL)
    except ValidationError:
        yield Error("BRAND_SUPPORT_EMAIL is no e-mail address.", hint=_HINT, id="esims.E005")
