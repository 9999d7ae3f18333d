"""Names as freebit takes them: full-width characters that Windows-31J can write, kana out of 82 letters.

A legal name is not rewritten: no NFKC (㈱ would become (株)), no NFC of kanji (the compatibility ideograph U+FA19
would become U+795E). Two things only are put right, and each is reported: kana that came in two code points are
composed, and in a company's name a run of spaces becomes the one full-width space that is allowed there.
"""

import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from django.utils.translation import gettext as _

MAX_LENGTH = 50
FULL_WIDTH_SPACE = "\u3000"
_TWO_BYTES = 2

#: What Python's ``cp932`` writes but does not read back, and the character that stands for it in Windows-31J.
LOOKALIKES: Mapping[str, str] = {
    "\u00a2": "\uffe0",  # cent sign
    "\u00a3": "\uffe1",  # pound sign
    "\u00ac": "\uffe2",  # not sign
    "\u2016": "\u2225",  # double vertical line
    "\u2212": "\uff0d",  # minus sign
    "\u301c": "\uff5e",  # wave dash
}
#: The kana letters of the document with full-width digits and capitals; the space is dealt with by itself. Not among
#: them: wi, we, wo, the small ka and ke, the middle dot, every hyphen but U+30FC.
_KANA = re.compile(r"[\uff10-\uff19\uff21-\uff3a\u30a1-\u30ef\u30f3\u30f4\u30fc]")
_DECOMPOSED_KANA = re.compile(r"[\u3041-\u30ff][\u3099\u309a]")
_INNER_SPACES = re.compile(r"(?<=[^ \u3000])[ \u3000]* [ \u3000]*(?=[^ \u3000])")
_HALF_WIDTH = re.compile(r"[\x21-\x7e]")
_HALF_WIDTH_KATAKANA = re.compile(r"[\uff61-\uff9f]")
_HYPHENS = re.compile(r"[\u002d\u2010-\u2015\u2212\uff0d\uff70]")
_HIRAGANA = re.compile(r"[\u3041-\u3096]")
_PRIVATE_USE = re.compile(r"[\ue000-\uf8ff]")
#: OURS: a message names so many different characters at most.
_MOST_SHOWN = 10


class Script(StrEnum):
    """How a name is written."""

    KANJI = "kanji"
    KANA = "kana"


@dataclass(frozen=True, slots=True, kw_only=True)
class NameReading:
    """A name as it may be sent when there are no problems. ``changes`` say why ``text`` differs from what was given."""

    text: str = field(repr=False)
    changes: tuple[str, ...] = ()
    problems: tuple[str, ...] = field(default=(), repr=False)
    doubts: tuple[str, ...] = ()


def read_name(text: str, *, script: Script, corporate: bool) -> NameReading:
    """Put right what may be, and find what may not stand in one part of a name.

    The length is checked here for the part alone; ``measure_full_name`` is for the parts of a person's name together.
    """
    text, changes = _correct(text, corporate=corporate)
    problems = [*_find_space_problems(text, corporate=corporate), *_find_letter_problems(text, script)]
    if len(text) > MAX_LENGTH:
        problems.append(_("At most %(most)s characters.") % {"most": MAX_LENGTH})
    doubts = []
    if _PRIVATE_USE.search(text):
        doubts.append(_("A character is of private use: the provider will most likely see another one, or none."))
    return NameReading(text=text, changes=tuple(changes), problems=tuple(problems), doubts=tuple(doubts))


def measure_full_name(last: str, first: str) -> int:
    """The length that counts for a person: both parts and the full-width space that the provider puts between."""
    return len(last) + len(FULL_WIDTH_SPACE) + len(first)


def is_full_width(character: str) -> bool:
    """Whether Windows-31J writes it with two bytes and reads the same character back.

    The codec is ``cp932``: ``shift_jis`` refuses 髙, 﨑, ① and ㈱, and Python has no ``windows-31j``. Single bytes are
    ASCII, half-width katakana and control characters.
    """
    try:
        encoded = character.encode("cp932")
    except UnicodeEncodeError:
        return False
    return len(encoded) == _TWO_BYTES and encoded.decode("cp932") == character


def is_kana(character: str) -> bool:
    """Whether the document allows it in a kana name, the space aside."""
    return _KANA.fullmatch(character) is not None


def compose_kana(text: str) -> str:
    """Kana and a combining sound mark as the one letter that they are; everything else as it was."""
    return _DECOMPOSED_KANA.sub(lambda found: unicodedata.normalize("NFC", found[0]), text)


def _correct(text: str, *, corporate: bool) -> tuple[str, list[str]]:
    changes = []
    composed = compose_kana(text)
    if composed != text:
        changes.append(_("Letter and sound mark were two characters; they are one now."))
    spaced = _INNER_SPACES.sub(FULL_WIDTH_SPACE, composed) if corporate else composed
    if spaced != composed:
        changes.append(_("Half-width spaces became one full-width space."))
    return spaced, changes


def _find_space_problems(text: str, *, corporate: bool) -> list[str]:
    problems = []
    if text.strip(f" {FULL_WIDTH_SPACE}") != text:
        problems.append(_("No space at the beginning or the end."))
    elif not corporate and (" " in text or FULL_WIDTH_SPACE in text):
        problems.append(_("No space in a person's name: last and first name have a field each."))
    return problems


def _find_letter_problems(text: str, script: Script) -> list[str]:
    """One message for each kind of character that may not stand here."""
    allowed = is_kana if script is Script.KANA else is_full_width
    wrong = [character for character in text if character not in (" ", FULL_WIDTH_SPACE) and not allowed(character)]
    problems = []
    for explain, belongs in _KINDS[script]:
        of_kind = [character for character in wrong if belongs(character)]
        wrong = [character for character in wrong if character not in of_kind]
        if of_kind:
            problems.append(explain(of_kind))
    return problems


def _show(characters: Iterable[str]) -> str:
    """Different characters once each; what cannot be seen as its code point."""
    different = list(dict.fromkeys(characters))
    shown = [character if character.isprintable() else f"U+{ord(character):04X}" for character in different]
    return " ".join(shown[:_MOST_SHOWN]) + (" …" if len(shown) > _MOST_SHOWN else "")


def _explain_half_width(characters: list[str]) -> str:
    return _("Half-width characters are not allowed: %(characters)s") % {"characters": _show(characters)}


def _explain_half_width_katakana(characters: list[str]) -> str:
    return _("Half-width katakana are not allowed, write full-width ones: %(characters)s") % {
        "characters": _show(characters)
    }


def _explain_lookalikes(characters: list[str]) -> str:
    pairs = " ".join(f"{character}→{LOOKALIKES[character]}" for character in dict.fromkeys(characters))
    return _("Windows-31J has another character that looks the same: %(pairs)s") % {"pairs": pairs}


def _explain_not_written(characters: list[str]) -> str:
    return _("Windows-31J cannot write: %(characters)s") % {"characters": _show(characters)}


def _explain_hyphens(characters: list[str]) -> str:
    return _("The long vowel sign is ー (U+30FC), not a hyphen: %(characters)s") % {"characters": _show(characters)}


def _explain_hiragana(characters: list[str]) -> str:
    return _("Write katakana, not hiragana: %(characters)s") % {"characters": _show(characters)}


def _explain_not_kana(characters: list[str]) -> str:
    return _("The provider does not take these in kana: %(characters)s") % {"characters": _show(characters)}


def _matches(pattern: re.Pattern[str]) -> Callable[[str], bool]:
    return lambda character: pattern.fullmatch(character) is not None


_Kind = tuple[Callable[[list[str]], str], Callable[[str], bool]]
_KINDS: Mapping[Script, tuple[_Kind, ...]] = {
    Script.KANJI: (
        (_explain_half_width, _matches(_HALF_WIDTH)),
        (_explain_half_width_katakana, _matches(_HALF_WIDTH_KATAKANA)),
        (_explain_lookalikes, LOOKALIKES.__contains__),
        (_explain_not_written, lambda _character: True),
    ),
    Script.KANA: (
        (_explain_hyphens, _matches(_HYPHENS)),
        (_explain_half_width, _matches(_HALF_WIDTH)),
        (_explain_half_width_katakana, _matches(_HALF_WIDTH_KATAKANA)),
        (_explain_hiragana, _matches(_HIRAGANA)),
        (_explain_not_kana, lambda _character: True),
    ),
}
