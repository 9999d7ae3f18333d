"""docs/api.md, beside what the program does."""

import re

from config.api.problems import TITLES
from tests.project.sources import PROJECT_DIR


def test_every_code_is_explained() -> None:
    text = (PROJECT_DIR / "docs" / "api.md").read_text()
    section = text.split("\n## Errors\n")[1].split("\n## ")[0]
    rows = re.findall(r"^\| `(\w+)` \| \d", section, re.MULTILINE)
    assert sorted(rows) == sorted(TITLES)
