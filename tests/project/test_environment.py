"""docs/environment.md names every variable that the settings read, and no other."""

import os
import re
import subprocess
import sys
from pathlib import Path

from tests.project.sources import PROJECT_DIR

READ = re.compile(r"""(?:\benv(?:\.\w+)?|\b(?:secret|json_setting|read_failures))\(\s*(f?)"([A-Z{][A-Za-z_{}]*)\"""")
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


def test_a_file_of_variables_counts_for_all_settings(tmp_path: Path) -> None:
    """Also for those that are read first."""
    file = tmp_path / "env"
    file.write_text("ROAMDESK_DEMO=1\nAPI_SESSION_DAYS=7\nTRUSTED_PROXY_HOPS=2\n")
    look = "from config import settings as s; print(s.DEMO, s.STAFF_MFA_REQUIRED, s.API_SESSION_DAYS, "
    look += "s.TRUSTED_PROXY_HOPS, s.ALLAUTH_TRUSTED_PROXY_COUNT)"
    environment = {"PATH": os.environ["PATH"], "ROAMDESK_ENV_FILE": str(file)}
    answer = subprocess.run(
        [sys.executable, "-c", look], cwd=PROJECT_DIR, env=environment, capture_output=True, text=True, check=True
    )
    assert answer.stdout.split() == ["True", "False", "7", "2", "2"]
