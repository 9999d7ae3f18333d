"""The words of notifications: one template for each kind, its first paragraph the subject, in the receiver's language.

Kinds have words only (``templates/mail/<kind>.txt``); lines with their codes, links and the guide are the same for all
(``templates/mail/message.txt`` and ``.html``).
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.conf import settings
from django.template.loader import render_to_string
from django.utils import timezone, translation

from customers.models import Customer
from esims.install import (
    GuideStage,
    InstallLinks,
    install_guide,
    install_links,
    needs_confirmation_code,
)
from esims.link_places import link_place
from esims.models import Esim
from esims.states import instant_words
from orders.notice_content import Code, Content

_BLANK_LINES, _SPACES = re.compile(r"\n\n+"), re.compile(r" {2,}")
_LINE_BREAKS = re.compile(r"\n{3,}")
_LONGEST_SUBJECT = 300
#: Beyond so many lines a message names no single ones.
MOST_LINKS = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class LineBlock:
    """One line of an order, as a message shows it; the codes only where it comes with them."""

    esim: Esim
    place: str
    code: Code | None
    links: InstallLinks | None
    needs_confirmation: bool
    deadline: str

    @property
    def cid(self) -> str:
        return f"{self.code.name}@roamdesk" if self.code else ""

    @property
    def secrets(self) -> Iterable[str]:
        if self.code is None or self.links is None:
            return ()
        known = (self.esim.lpa, self.esim.matching_id, self.esim.confirmation_code)
        return filter(None, (*known, self.links.apple, self.links.android))


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """A whole message, ready to be stored."""

    subject: str
    content: Content


def choose_language(told: str) -> str:
    """The language that somebody is written to: the one that they told, if we speak it."""
    return told if told in dict(settings.LANGUAGES) else str(settings.NOTIFICATION_LANGUAGE)


def compose(
    kind: str,
    context: Mapping[str, Any],
    *,
    language: str,
    receiver: str,
    delivered: Sequence[Esim] = (),
    linked: Esim | None = None,
) -> Message:
    """Write the message. ``delivered``: lines that are handed over with it, some with their codes, all with their
    links; ``linked``: the one line that it is about, with its link.
    """
    with translation.override(language), timezone.override(timezone.get_default_timezone()):
        blocks = [_block(esim, number) for number, esim in enumerate(delivered[:MOST_LINKS])]
        subject, *paragraphs = _read_words(kind, context)
        lines = tuple(block.esim.pk for block in blocks) or ((linked.pk,) if linked else ())
        parts = {
            "subject": subject,
            "receiver": receiver,
            "paragraphs": paragraphs,
            "blocks": blocks,
            "more": max(0, len(delivered) - len(blocks)),
            "guides": _guides(blocks),
            "place": link_place(linked.pk) if linked else "",
            "brand": settings.BRAND_NAME,
            "contact": settings.BRAND_CONTACT,
            "site": context.get("site", ""),
            "invitation": context.get("invitation", ""),
            "language": language,
        }
        content = Content(
            text=_LINE_BREAKS.sub("\n\n", render_to_string("mail/message.txt", parts)).strip() + "\n",
            html=render_to_string("mail/message.html", parts),
            paragraphs=tuple(paragraphs),
            sms=f"{settings.BRAND_NAME}: {subject}" + (f" {link_place(lines[0])}" if lines else ""),
            lines=lines,
            codes=tuple(block.code for block in blocks if block.code),
            secrets=tuple(dict.fromkeys(secret for block in blocks for secret in block.secrets)),
        )
    return Message(subject=subject[:_LONGEST_SUBJECT], content=content)


def say_moment(instant: datetime | None) -> str:
    """An instant in words, "" for none; within ``speaking_to``."""
    return instant_words(instant) if instant is not None else ""


class speaking_to:  # noqa: N801  (a context manager, as Django's override is)
    """The language and the zone in which a customer is written to."""

    def __init__(self, customer: Customer) -> None:
        self._language = translation.override(choose_language(customer.language))
        self._zone = timezone.override(timezone.get_default_timezone())

    def __enter__(self) -> None:
        self._language.__enter__()
        self._zone.__enter__()

    def __exit__(self, *failure: Any) -> None:
        self._zone.__exit__(*failure)
        self._language.__exit__(*failure)


def _read_words(kind: str, context: Mapping[str, Any]) -> list[str]:
    """Subject and paragraphs: what blank lines part, each without the template's line breaks."""
    text = render_to_string(f"mail/{kind}.txt", {**context, "brand": settings.BRAND_NAME})
    lines = "\n".join(line.strip() for line in text.split("\n"))
    parts = (_SPACES.sub(" ", part.replace("\n", " ")).strip() for part in _BLANK_LINES.split(lines))
    return [part for part in parts if part]


def _block(esim: Esim, number: int) -> LineBlock:
    comes_with_code = bool(esim.lpa) and number < settings.NOTIFICATION_QR_LINES
    return LineBlock(
        esim=esim,
        place=link_place(esim.pk),
        code=Code(esim=esim.pk, name=f"esim-{esim.pk}", lpa=esim.lpa) if comes_with_code else None,
        links=install_links(esim.lpa) if comes_with_code else None,
        needs_confirmation=needs_confirmation_code(esim),
        deadline=say_moment(esim.activation_deadline),
    )


def _guides(blocks: Sequence[LineBlock]) -> list[tuple[GuideStage, ...]]:
    """The guide of the first line: lines of one order differ in their codes, not in how they are installed."""
    installable = [block.esim for block in blocks if block.esim.lpa]
    return [install_guide(installable[0])] if installable else []
