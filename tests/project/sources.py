"""The project's own files, for tests that look at all of them."""

from collections.abc import Iterator
from pathlib import Path

PROJECT_DIR = Path(__file__).resolve().parent.parent.parent
APPS = ("providers", "catalog", "customers", "esims", "orders", "config")
CODE = (*APPS, "tests", "benchmarks")


def find_files(*folders: str, endings: tuple[str, ...]) -> Iterator[Path]:
    """Files below the folders, without what is generated."""
    for folder in folders:
        for path in sorted((PROJECT_DIR / folder).rglob("*")):
            if path.suffix in endings and "__pycache__" not in path.parts:
                yield path


def name(path: Path) -> str:
    """As people call it."""
    return str(path.relative_to(PROJECT_DIR))
