"""The parts of ``make lint`` that are ours: they pass here, and they see what they are for."""

from pathlib import Path

import pytest
from babel.messages.catalog import Catalog
from babel.messages.mofile import write_mo
from babel.messages.pofile import write_po

from tests.project import messages, requirements


def test_texts_are_compiled() -> None:
    assert messages.find_faults() == []


def test_requirements_are_pins_with_hashes() -> None:
    assert requirements.find_faults() == []


@pytest.fixture
def locale_dir(tmp_path: Path) -> Path:
    (tmp_path / "ja" / "LC_MESSAGES").mkdir(parents=True)
    return tmp_path


def write_texts(locale_dir: Path, *, written: dict[str, str], compiled: dict[str, str]) -> None:
    source = locale_dir / "ja" / "LC_MESSAGES" / "django.po"
    for texts, path in ((written, source), (compiled, source.with_suffix(".mo"))):
        catalog = Catalog(locale="ja")
        for text, translation in texts.items():
            catalog.add(text, translation)
        with path.open("wb") as file:
            (write_po if path == source else write_mo)(file, catalog)


@pytest.mark.parametrize(
    ("written", "compiled", "fault"),
    [
        ({"Plan": "プラン"}, {"Plan": "プラン"}, None),
        ({"Plan": ""}, {}, "django.po: not translated: 'Plan'"),
        (
            {"Plan": "料金"},
            {"Plan": "プラン"},
            "django.po: compiled is older than the source (make compilemessages): 'Plan'",
        ),
        ({"Plan": "プラン"}, {}, "django.po: compiled is older than the source (make compilemessages): 'Plan'"),
        ({}, {"Plan": "プラン"}, "django.po: compiled holds what the source does not: 'Plan'"),
    ],
)
def test_outdated_texts_are_seen(
    locale_dir: Path, written: dict[str, str], compiled: dict[str, str], fault: str | None
) -> None:
    write_texts(locale_dir, written=written, compiled=compiled)
    assert messages.find_faults(locale_dir) == ([fault] if fault else [])


HASH = f"    --hash=sha256:{'0' * 64}"


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        (f"django==5.2.1 \\\n{HASH}\n    # via roamdesk", None),
        (f"--index-url https://example.org/simple\ndjango==5.2.1 \\\n{HASH}", "neither a pin nor a hash: --index-url"),
        ("django==5.2.1", "neither a pin nor a hash: django==5.2.1"),
        (f"django>=5.2 \\\n{HASH}", "neither a pin nor a hash: django>=5.2"),
        (f"django==5.2.1 \\\n{HASH}\n    # via -r /home/someone/pyproject.toml", "an address or a machine's path"),
    ],
)
def test_bad_requirements_are_seen(text: str, fault: str | None) -> None:
    wrong = requirements.read_pins(text)[1]
    assert (wrong == []) if fault is None else wrong[0].startswith(fault)
