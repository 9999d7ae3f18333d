"""docs/environment.md names every variable that the settings read, and no other."""

import re

from tests.project.sources import PROJECT_DIR

READ = re.compile(r"""(?:\benv(?:\.\w+)?|\b(?:secret|json_setting))\(\s*(f?)"([A-Z{][A-Za-z_{}]*)\"""")
DOCUMENTED = re.compile(r"^\| `([A-Z][A-Z0-9_]*)`", re.MULTILINE)
CONTRACTS = ("ESIM_COMMERCE", "ESIM_COMMERCE_SANDBOX")
#: Read by other programs of the project than its settings.
ELSEWHERE = {"DJANGO_SETTINGS_MODULE", "Q_CLUSTER_NAME"}
#: The settings, and the groups of them that are modules of their own.
MODULES = ("environment.py", "settings*.py")


def read_by_settings() -> set[str]:
    found: set[str] = set()
    files = [path for pattern in MODULES for path in sorted((PROJECT_DIR / "config").glob(pattern))]
    for formatted, name in READ.findall("\n".join(path.read_text() for path in files)):
        if formatted:
            found |= {name.replace("{prefix}", contract) for contract in CONTRACTS}
        else:
            found.add(name)
    return found


def test_the_search_finds_what_is_there() -> None:
    names = read_by_settings()
    assert {"SECRET_KEY", "FIELD_ENCRYPTION_KEYS", "DATABASE_URL", "ESIM_COMMERCE_SANDBOX_KEY_SECRET"} <= names
    assert not any("{" in name for name in names)


def test_every_variable_is_documented() -> None:
    documented = DOCUMENTED.findall((PROJECT_DIR / "docs" / "environment.md").read_text())
    assert sorted(set(documented) - ELSEWHERE) == sorted(read_by_settings())
    assert len(documented) == len(set(documented))


def test_the_example_file_holds_only_known_names() -> None:
    lines = (PROJECT_DIR / ".env.example").read_text().splitlines()
    names = {line.lstrip("# ").split("=")[0] for line in lines if re.match(r"#? ?[A-Z][A-Z0-9_]+=", line)}
    assert names
    assert names <= read_by_settings()
