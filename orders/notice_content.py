"""What a notification says, as it is stored: words and codes, with places where fresh links go when it is sent."""

import json
from dataclasses import asdict, dataclass

from esims.link_places import fill_links

_HIDDEN = "••••"
#: What stands for the link of an invitation until its message is sent.
INVITATION_PLACE = "[[invitation]]"


@dataclass(frozen=True, slots=True, kw_only=True)
class Code:
    """An activation code that goes with the message as a picture. ``name``: of its file, without an ending."""

    esim: int
    name: str
    lpa: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """``paragraphs`` are the words alone, without codes: for the app and for lists.

    ``lines``: ids of the lines whose links stand in the text; nothing else is ever put in their place. ``secrets``:
    every string in it that could install a line.
    """

    text: str
    html: str
    paragraphs: tuple[str, ...]
    sms: str
    lines: tuple[int, ...] = ()
    codes: tuple[Code, ...] = ()
    secrets: tuple[str, ...] = ()

    def pack(self) -> bytes:
        return json.dumps(asdict(self), ensure_ascii=False, separators=(",", ":")).encode()

    @classmethod
    def unpack(cls, packed: bytes | None) -> "Content":
        read = json.loads(packed or b"{}")
        return cls(
            text=read["text"],
            html=read["html"],
            paragraphs=tuple(read["paragraphs"]),
            sms=read["sms"],
            lines=tuple(read["lines"]),
            codes=tuple(Code(**code) for code in read["codes"]),
            secrets=tuple(read["secrets"]),
        )

    @property
    def has_link(self) -> bool:
        return bool(self.lines)


def show_text(content: Content, *, link_words: str) -> str:
    """The text for people who look at it in the console: no codes, and words where the links were."""
    text = content.text
    for secret in sorted(content.secrets, key=len, reverse=True):
        text = text.replace(secret, _HIDDEN)
    return fill_links(text, dict.fromkeys(content.lines, link_words)).replace(INVITATION_PLACE, link_words)
