"""``manage.py demo`` as a newcomer meets it: it opens, is filled, survives a death, closes, and opens again."""

import os
import re
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest
import requests

from config.demo.home import LOGIN

PROJECT_DIR = Path(__file__).resolve().parent.parent.parent
OPEN_SECONDS = 150.0
CLOSE_SECONDS = 20.0
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks for left-over processes in /proc")


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


def read_books(home: Path) -> list[dict[str, Any]]:
    """The orders of both systems in the provider's own books."""
    port = re.search(r'"simulator": (\d+)', (home / "ports").read_text())
    assert port is not None
    answer = requests.get(f"http://127.0.0.1:{port[1]}/_control/books?parts=orders", timeout=10)
    orders: list[dict[str, Any]] = answer.json()["orders"]
    return orders


def sign_in(address: str, password: str) -> requests.Response:
    session = requests.Session()
    page = session.get(f"{address}accounts/login/", timeout=10)
    token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page.text)
    assert token is not None
    form = {"login": LOGIN, "password": password, "csrfmiddlewaretoken": token[1]}
    return session.post(f"{address}accounts/login/", data=form, headers={"Referer": page.url}, timeout=10)


@pytest.fixture
def start_demo(tmp_path: Path) -> Iterator[Callable[..., Demo]]:
    started: list[Demo] = []

    def start(*options: str) -> Demo:
        demo = Demo(tmp_path / "demo", *options)
        started.append(demo)
        return demo

    yield start
    for demo in started:
        demo.kill()


def test_a_newcomers_day(start_demo: Callable[..., Demo], tmp_path: Path) -> None:
    home = tmp_path / "demo"
    demo = start_demo()
    demo.wait_for(r"Ctrl-C closes the office")
    address = demo.wait_for(r"open:\s+(\S+)")[1]
    password = demo.wait_for(r"Password:\s+(\S+)")[1]

    answer = sign_in(address, password)
    assert (answer.status_code, answer.url) == (200, address), answer.text[:500]
    assert sign_in(address, "wrong").url == f"{address}accounts/login/"

    assert query(home, "SELECT state, count(*) FROM orders_purchase GROUP BY state ORDER BY state") == [
        ("fulfilled", 10),
        ("held", 1),
        ("rejected", 1),
        ("short", 1),
        ("unknown", 1),
    ]
    assert query(home, "SELECT count(*) FROM orders_order WHERE state = 'unpaid'") == [(1,)]
    assert query(home, "SELECT count(*) FROM esims_esim WHERE state = 'suspended'") == [(1,)]
    assert query(home, "SELECT count(DISTINCT esim_id) FROM esims_usageday")[0][0] >= 10
    # Every eSIM that the provider sold is on one line here, or in the purchase whose outcome is unknown.
    sold = [iccid for order in read_books(home) for iccid in order["refs"]]
    lines = [iccid for (iccid,) in query(home, "SELECT iccid FROM esims_esim")]
    assert len(sold) == len(set(sold)) == len(lines) + 2
    assert set(lines) < set(sold)

    # Another one in the same home is refused; this one stays.
    assert start_demo("--once").process.wait(timeout=30) == 1
    # A worker that dies is started again.
    worker = next(pid for pid in find_descendants(demo.process.pid) if "qcluster" in read_command(pid))
    os.killpg(os.getpgid(worker), signal.SIGKILL)
    demo.wait_for("worker ended by itself", seconds=10)

    assert demo.end() == 0
    assert len(demo.seen) > 8, "the search for processes itself is broken"
    assert demo.left_over() == []
    orders = query(home, "SELECT number FROM orders_order ORDER BY number")

    again = start_demo("--once")
    assert again.process.wait(timeout=60) == 0, again.said()
    assert password in again.said()
    assert "Filling" not in again.said()
    assert again.left_over() == []
    assert query(home, "SELECT number FROM orders_order ORDER BY number") == orders


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_ends_in_the_middle_of_its_start(start_demo: Callable[..., Demo], number: signal.Signals) -> None:
    demo = start_demo("--no-fill")
    demo.wait_for("Starting the provider simulator")
    assert demo.end(number) == 0
    assert "Closed." in demo.said()
    assert demo.left_over() == []


def test_a_taken_port_is_said(start_demo: Callable[..., Demo]) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        demo = start_demo("--port", str(port))
        assert demo.process.wait(timeout=30) == 1
    assert f"Port {port} is taken" in demo.said()
