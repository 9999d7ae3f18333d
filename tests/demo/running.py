"""A running demo for tests: the command itself, as a newcomer types it, in processes of its own."""

import os
import re
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import requests

PROJECT_DIR = Path(__file__).resolve().parent.parent.parent
#: Other tests share the machine.
OPEN_SECONDS = 300.0
CLOSE_SECONDS = 30.0


class Demo:
    """One run of the command, in the environment of a newcomer: none of this test run's variables."""

    def __init__(self, home: Path, *options: str) -> None:
        self.home = home
        self.output = home.parent / f"output-{time.monotonic_ns()}.txt"
        environment = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
        with self.output.open("wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, "manage.py", "demo", "--home", str(home), *options],
                cwd=PROJECT_DIR,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        self.seen: set[int] = set()

    def wait_for(self, pattern: str, seconds: float = OPEN_SECONDS) -> "re.Match[str]":
        deadline = time.monotonic() + seconds
        while (found := re.search(pattern, self.said())) is None:
            assert self.process.poll() is None, self.said()
            assert time.monotonic() < deadline, self.said()
            self.seen |= find_descendants(self.process.pid)
            time.sleep(0.05)
        return found

    def said(self) -> str:
        return self.output.read_text(errors="replace")

    def end(self, number: signal.Signals = signal.SIGINT) -> int:
        """Ask it to end as the terminal would; its exit status."""
        self.seen |= find_descendants(self.process.pid)
        self.process.send_signal(number)
        return self.process.wait(timeout=CLOSE_SECONDS)

    def left_over(self) -> list[str]:
        """Processes of the demo that still live."""
        return [command for pid in self.seen if str(self.home) in (command := read_command(pid))]

    def kill(self) -> None:
        for pid in {self.process.pid, *self.seen, *find_descendants(self.process.pid)}:
            if pid == self.process.pid or str(self.home) in read_command(pid):
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        self.process.wait()


def find_descendants(pid: int) -> set[int]:
    children: dict[int, list[int]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            fields = stat.read_text().rpartition(")")[2].split()
            children.setdefault(int(fields[1]), []).append(int(stat.parent.name))
    found: set[int] = set()
    waiting = [pid]
    while waiting:
        below = children.get(waiting.pop(), [])
        found.update(below)
        waiting += below
    return found


def read_command(pid: int) -> str:
    """The command and environment of a process; "" for one that is gone (or only waits for its parent)."""
    with suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_text() + Path(f"/proc/{pid}/environ").read_text()
    return ""


def query(home: Path, sql: str) -> list[Any]:
    with closing(sqlite3.connect(f"file:{home}/roamdesk.sqlite3?mode=ro", uri=True)) as database:
        return database.execute(sql).fetchall()


def read_simulator(home: Path, path: str) -> Any:
    """One of the simulator's control calls, e.g. ``books``."""
    port = re.search(r'"simulator": (\d+)', (home / "ports").read_text())
    assert port is not None
    return requests.get(f"http://127.0.0.1:{port[1]}/_control/{path}", timeout=10).json()


def read_books(home: Path) -> list[dict[str, Any]]:
    """The orders of all systems in the providers' own books."""
    orders: list[dict[str, Any]] = read_simulator(home, "books?parts=orders")["orders"]
    return orders
