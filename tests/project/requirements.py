"""Are the requirement files pins with hashes and nothing else, and do they cover pyproject.toml?

``python -m tests.project.requirements`` prints what is wrong and ends with status 1.
"""

import re
import sys
import tomllib
from pathlib import Path
from typing import Any

PROJECT_DIR = Path(__file__).resolve().parent.parent.parent
_PIN = re.compile(r"([a-z0-9][a-z0-9.-]*)==([A-Za-z0-9.!+_-]+)( ; .+)? \\")
_HASH = re.compile(r"    --hash=sha256:[0-9a-f]{64}( \\)?")
_WANTED = re.compile(r"^([A-Za-z0-9._-]+)(?:\[[^]]*\])?\s*(.*)$")


def find_faults(directory: Path = PROJECT_DIR) -> list[str]:
    """Lines that are no pins, pins without hashes, wishes without pins; one line each."""
    project: dict[str, Any] = tomllib.loads((directory / "pyproject.toml").read_text())["project"]
    runtime = project["dependencies"]
    everything = [*runtime, *(wish for extra in project["optional-dependencies"].values() for wish in extra)]
    faults = []
    pins: dict[str, dict[str, str]] = {}
    for name, wishes in (("requirements.txt", runtime), ("requirements-dev.txt", everything)):
        pins[name], wrong = read_pins((directory / name).read_text())
        faults += [f"{name}: {line}" for line in wrong]
        for wish in wishes:
            found = _WANTED.match(wish)
            if found is None or _normalise(found[1]) not in pins[name]:
                faults.append(f"{name}: no pin for {wish!r} (make requirements)")
    for package, version in pins["requirements.txt"].items():
        if pins["requirements-dev.txt"].get(package) != version:
            faults.append(f"requirements-dev.txt: {package} is not {version} as in requirements.txt")
    return faults


def read_pins(text: str) -> tuple[dict[str, str], list[str]]:
    """Versions by package, and the lines that are neither pin, hash nor comment."""
    pins: dict[str, str] = {}
    wrong = []
    hashed = True
    for line in text.splitlines():
        if not line.strip() or line.lstrip().startswith("#"):
            # A comment may not tell about the machine that made the file either.
            if "://" in line or re.search(r"(?<!\w)/(?:opt|home|root|tmp|work|Users)/", line):
                wrong.append(f"an address or a machine's path: {line.strip()}")
        elif pin := _PIN.fullmatch(line):
            if not hashed:
                wrong.append(f"no hash before {line.strip()}")
            pins[_normalise(pin[1])] = pin[2]
            hashed = False
        elif _HASH.fullmatch(line):
            hashed = True
        else:
            wrong.append(f"neither a pin nor a hash: {line.strip()}")
    return pins, wrong


def _normalise(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


if __name__ == "__main__":
    found = find_faults()
    print("\n".join(found) or "Requirements: every line is a pin with hashes.")
    sys.exit(bool(found))
