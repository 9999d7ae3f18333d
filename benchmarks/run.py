"""Runs the benchmarks on a throw-away PostgreSQL server: ``python -m benchmarks [--size full|ci|NUMBER] [NAME …]``.

Prints one JSON line for each measurement. Exit status: 0 all limits hold, 1 one is broken, 2 there is no PostgreSQL.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

from tests.postgres import PostgresUnavailable, temporary_cluster

#: Modules of this package; each has ``run(n: int, directory: Path) -> Iterator[Result]``.
BENCHMARKS = ("sync", "webhooks", "capture", "refresh", "api")
#: How many things a benchmark works on: the numbers that are promised, and fewer for every change.
SIZES = {"full": 20_000, "ci": 4_000}
BROKEN, IMPOSSIBLE = 1, 2


def main(arguments: Sequence[str] | None = None) -> int:
    options = _parse(arguments)
    names = options.names or BENCHMARKS
    if len(names) > 1:
        return max(_run_apart(name, options.size) for name in names)
    with tempfile.TemporaryDirectory(prefix="roamdesk-bench-") as directory:
        try:
            with temporary_cluster() as url:
                return _run(names[0], options.size, url, Path(directory))
        except PostgresUnavailable as error:
            print(f"The benchmarks need PostgreSQL: {error}", file=sys.stderr)
            return IMPOSSIBLE


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Our time beside the floor's.")
    parser.add_argument("--size", default=os.environ.get("BENCH_SIZE", "full"), type=_read_size, metavar="full|ci|N")
    parser.add_argument("names", nargs="*", choices=[[], *BENCHMARKS], metavar="NAME", help=", ".join(BENCHMARKS))
    return parser.parse_args(arguments)


def _read_size(word: str) -> int:
    number = SIZES.get(word) or (int(word) if word.isdecimal() else 0)
    if not number:
        raise argparse.ArgumentTypeError(f"{word!r} is neither {', '.join(SIZES)} nor a number above 0")
    return number


def _run_apart(name: str, size: int) -> int:
    """In a process and a database of its own: no benchmark finds the rows and settings that another has left."""
    return subprocess.run([sys.executable, "-m", "benchmarks", "--size", str(size), name], check=False).returncode


def _run(name: str, size: int, url: str, directory: Path) -> int:
    os.environ["DATABASE_URL"] = url
    os.environ["DJANGO_SETTINGS_MODULE"] = "tests.settings"
    # Only after the environment is there: settings are read at import.
    import_module("django").setup()
    import_module("django.core.management").call_command("migrate", verbosity=0)
    all_hold = True
    for result in import_module(f"benchmarks.{name}").run(size, directory):
        print(result.as_json(), flush=True)
        if not result.holds:
            all_hold = False
            print(f"{result.name}: {result.ratio:.2f} breaks its limit {result.limit}", file=sys.stderr)
    import_module("django.db").connections.close_all()
    return 0 if all_hold else BROKEN
