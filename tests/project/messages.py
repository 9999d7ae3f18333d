"""Are the compiled texts what the sources say? Bare machines have no gettext, so this is plain Python.

``python -m tests.project.messages`` prints what is wrong and ends with status 1.
"""

import sys
from pathlib import Path

from babel.messages.catalog import Catalog, Message
from babel.messages.mofile import read_mo
from babel.messages.pofile import read_po

LOCALE_DIR = Path(__file__).resolve().parent.parent.parent / "locale"


def find_faults(locale_dir: Path = LOCALE_DIR) -> list[str]:
    """Untranslated, fuzzy, missing or outdated texts, one line each."""
    faults: list[str] = []
    for source in sorted(locale_dir.glob("*/LC_MESSAGES/*.po")):
        with source.open("rb") as file:
            written = read_po(file)
        compiled_path = source.with_suffix(".mo")
        if not compiled_path.exists():
            faults.append(f"{compiled_path} is missing: make compilemessages")
            continue
        with compiled_path.open("rb") as file:
            compiled = read_mo(file)
        faults += _compare(source.name, written, compiled)
    return faults


def _compare(name: str, written: Catalog, compiled: Catalog) -> list[str]:
    faults = []
    seen = set()
    for message in written:
        if not message.id:
            continue
        seen.add((message.context, _first(message.id)))
        if message.fuzzy:
            faults.append(f"{name}: fuzzy: {_first(message.id)!r}")
        elif not all(_all_texts(message)):
            faults.append(f"{name}: not translated: {_first(message.id)!r}")
        else:
            there = compiled.get(_first(message.id), message.context)
            if there is None or _all_texts(there) != _all_texts(message):
                faults.append(
                    f"{name}: compiled is older than the source (make compilemessages): {_first(message.id)!r}"
                )
    faults += [
        f"{name}: compiled holds what the source does not: {_first(message.id)!r}"
        for message in compiled
        if message.id and (message.context, _first(message.id)) not in seen
    ]
    return faults


def _first(text: str | list[str] | tuple[str, ...]) -> str:
    return text if isinstance(text, str) else text[0]


def _all_texts(message: Message) -> tuple[str, ...]:
    text = message.string
    return (text,) if isinstance(text, str) else tuple(text or ("",))


if __name__ == "__main__":
    found = find_faults()
    print("\n".join(found) or "Texts: the compiled ones are what the sources say.")
    sys.exit(bool(found))
