"""The documents: their links lead somewhere, and they tell nothing of whoever's machine wrote them."""

import re
from pathlib import Path

from tests.project.sources import PROJECT_DIR

LINK = re.compile(r"\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)


def documents() -> list[Path]:
    return [*PROJECT_DIR.glob("*.md"), *(PROJECT_DIR / "docs").rglob("*.md"), *PROJECT_DIR.glob("providers/**/*.md")]


def anchors(path: Path) -> set[str]:
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in HEADING.findall(path.read_text())}


def test_links_lead_somewhere() -> None:
    broken = []
    for document in documents():
        for link in LINK.findall(document.read_text()):
            if link.startswith(("http://", "https://", "mailto:")):
                continue
            place, _, anchor = link.partition("#")
            target = (document.parent / place).resolve() if place else document
            if not target.exists() or (anchor and anchor not in anchors(target)):
                broken.append(f"{document.relative_to(PROJECT_DIR)}: {link}")
    assert broken == []


def test_no_machine_is_spoken_of() -> None:
    paths = re.compile(r"(?<![\w.])/(?:root|work|opt|home|Users)/\w+")
    found = [
        f"{path.relative_to(PROJECT_DIR)}: {hit}" for path in documents() for hit in paths.findall(path.read_text())
    ]
    assert found == []
