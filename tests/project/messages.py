"""Are the translated texts complete, and the compiled ones what they say? Bare machines have no gettext: plain Python.

``python -m tests.project.messages`` prints what is wrong and ends with status 1.
"""

import io
import re
import sys
from collections.abc import Iterator
from pathlib import Path

from babel.messages.catalog import Catalog, Message
from babel.messages.extract import extract
from babel.messages.mofile import read_mo
from babel.messages.pofile import read_po
from django.utils.translation.template import templatize

PROJECT_DIR = Path(__file__).resolve().parent.parent.parent
LOCALE_DIR = PROJECT_DIR / "locale"
#: What ``make messages`` leaves out.
_NOT_OURS = {"tests", "var", "build", "locale", "static", "docs"}
_KEYWORDS = {
    **dict.fromkeys(("_", "gettext", "gettext_lazy", "gettext_noop")),
    **dict.fromkeys(("ngettext", "ngettext_lazy"), (1, 2)),
    **dict.fromkeys(("pgettext", "pgettext_lazy"), ((1, "c"), 2)),
    **dict.fromkeys(("npgettext", "npgettext_lazy"), ((1, "c"), 2, 3)),
}
_PLACEHOLDER = re.compile(r"%\(\w+\)[a-z]|%%|\{\w*\}|%[sd]\b")

#: A text by its context and its (singular) English.
Key = tuple[str | None, str]


def find_faults(locale_dir: Path = LOCALE_DIR, *, texts: set[Key] | None = None) -> list[str]:
    """What is wrong with the translations, one line each: untranslated, fuzzy, obsolete, compiled too long ago.

    With ``texts`` also what the sources say and the translations do not know, and the other way round.
    """
    faults: list[str] = []
    for source in sorted(locale_dir.glob("*/LC_MESSAGES/*.po")):
        with source.open("rb") as file:
            written = read_po(file, locale=source.parent.parent.name)
        if texts is not None:
            faults += _compare_with_sources(source.name, written, texts)
        compiled_path = source.with_suffix(".mo")
        if not compiled_path.exists():
            faults.append(f"{compiled_path} is missing: make compilemessages")
            continue
        with compiled_path.open("rb") as file:
            compiled = read_mo(file)
        faults += _compare(source.name, written, compiled)
    return faults


def extract_texts(project_dir: Path = PROJECT_DIR) -> set[Key]:
    """All texts to be translated in the sources, as ``make messages`` collects them."""
    found: set[Key] = set()
    for path in _sources(project_dir):
        text = path.read_text(encoding="utf-8")
        if path.suffix != ".py":
            # The lines of a template mean nothing by how far they are indented.
            text = "\n".join(line.lstrip() for line in templatize(text).splitlines())
        for _line, words, _comments, context in extract("python", io.BytesIO(text.encode()), _KEYWORDS):
            found.add((context, _first(words)))
    return found


def _sources(project_dir: Path) -> Iterator[Path]:
    for folder in sorted(project_dir.iterdir()):
        if folder.name not in _NOT_OURS and not folder.name.startswith("."):
            files = sorted(folder.rglob("*")) if folder.is_dir() else [folder]
            yield from (path for path in files if path.suffix in {".py", ".html", ".txt"})


def _compare_with_sources(name: str, written: Catalog, texts: set[Key]) -> list[str]:
    there = set(_by_key(written))
    return [
        *(f"{name}: not collected (make messages): {text!r}" for _context, text in sorted(texts - there, key=str)),
        *(f"{name}: no longer in the sources: {text!r}" for _context, text in sorted(there - texts, key=str)),
    ]


def _compare(name: str, written: Catalog, compiled: Catalog) -> list[str]:
    faults = [f"{name}: obsolete: {_first(message.id)!r}" for message in written.obsolete.values()]
    mo = _by_key(compiled)
    po = _by_key(written)
    for key, message in po.items():
        text = _first(message.id)
        if message.fuzzy:
            faults.append(f"{name}: fuzzy: {text!r}")
        elif not all(_all_texts(message)):
            faults.append(f"{name}: not translated: {text!r}")
        elif key not in mo or _all_texts(mo[key]) != _all_texts(message):
            faults.append(f"{name}: compiled is older than the source (make compilemessages): {text!r}")
        if not message.fuzzy and all(_all_texts(message)):
            faults += _compare_placeholders(name, message)
    faults += [f"{name}: compiled holds what the source does not: {text!r}" for _context, text in mo.keys() - po.keys()]
    return faults


def _compare_placeholders(name: str, message: Message) -> list[str]:
    # A language without a singular says the number wherever the English plural does.
    wanted = sorted(_PLACEHOLDER.findall(message.id if isinstance(message.id, str) else message.id[-1]))
    return [
        f"{name}: other placeholders: {_first(message.id)!r}"
        for text in _all_texts(message)
        if sorted(_PLACEHOLDER.findall(text)) != wanted
    ]


def _by_key(catalog: Catalog) -> dict[Key, Message]:
    return {(_context(message), _first(message.id)): message for message in catalog if message.id}


def _context(message: Message) -> str | None:
    # What is read from compiled files is bytes there.
    context: object = message.context
    return context.decode() if isinstance(context, bytes) else message.context


def _first(text: str | list[str] | tuple[str, ...]) -> str:
    return text if isinstance(text, str) else text[0]


def _all_texts(message: Message) -> tuple[str, ...]:
    text = message.string
    return (text,) if isinstance(text, str) else tuple(text or ("",))


if __name__ == "__main__":
    found = find_faults(texts=extract_texts())
    print("\n".join(found) or "Texts: translated, compiled, and what the sources say.")
    sys.exit(bool(found))
