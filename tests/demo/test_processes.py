"""The demo's supervisor: nothing is left over, whatever a child does."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from config.demo.processes import MAX_DEATHS, Child, ChildFailed, Supervisor

#: Starts a grandchild that ignores SIGTERM as itself does, and says its pid.
STUBBORN = """
import os, signal, subprocess, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
grandchild = subprocess.Popen([sys.executable, "-c",
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(60)"])
print(grandchild.pid, flush=True)
time.sleep(60)
"""
POLITE = """
import signal, sys, time
signal.signal(signal.SIGTERM, lambda *_: sys.exit(print("bye", flush=True)))
print(1, flush=True)
time.sleep(60)
"""
SUPERVISOR = """
import os, sys, time
from pathlib import Path
from config.demo.processes import Child

command = [sys.executable, "-c", "import time; time.sleep(60)"]
child = Child("c", command, cwd=Path("/"), environment=dict(os.environ), log=Path(sys.argv[1]))
child.start()
print(child.pid, flush=True)
time.sleep(60)
"""


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def supervisor(said: list[str]) -> Iterator[Supervisor]:
    made = Supervisor(said.append)
    yield made
    made.stop(seconds=0)


def make_child(tmp_path: Path, code: str, name: str = "child") -> Child:
    return Child(
        name, [sys.executable, "-c", code], cwd=tmp_path, environment=dict(os.environ), log=tmp_path / f"{name}.log"
    )


def wait_for_log(child: Child, lines: int = 1) -> list[str]:
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        found = child.read_log_end().splitlines()
        if len(found) >= lines:
            return found
        time.sleep(0.02)
    raise AssertionError(f"{child.name} printed {child.read_log_end()!r}")


def lives(pid: int) -> bool:
    """Whether the process runs: a zombie waits for its parent only."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def wait_until_gone(pid: int) -> bool:
    deadline = time.monotonic() + 5
    while lives(pid) and time.monotonic() < deadline:
        time.sleep(0.02)
    return not lives(pid)


def test_stop_asks_first(tmp_path: Path, supervisor: Supervisor, said: list[str]) -> None:
    child = make_child(tmp_path, POLITE)
    supervisor.start(child)
    wait_for_log(child)
    supervisor.stop()
    assert child.read_log_end() == "1\nbye"
    assert child.exit_status() == 0
    assert said == []


def test_stop_kills_the_whole_group_of_a_stubborn_child(
    tmp_path: Path, supervisor: Supervisor, said: list[str]
) -> None:
    child = make_child(tmp_path, STUBBORN)
    supervisor.start(child)
    grandchild = int(wait_for_log(child)[0])
    supervisor.stop(seconds=0.2)
    assert child.exit_status() == -signal.SIGKILL
    assert wait_until_gone(grandchild)
    assert said == ["child did not stop when asked and is killed."]


def test_a_dead_child_is_started_again(tmp_path: Path, supervisor: Supervisor, said: list[str]) -> None:
    child = make_child(tmp_path, "import time; print('up', flush=True); time.sleep(60)")
    supervisor.start(child)
    wait_for_log(child)
    first = child.pid
    os.kill(first, signal.SIGKILL)
    assert wait_until_gone(first)
    supervisor.check()
    assert wait_for_log(child, lines=2) == ["up", "up"]
    assert child.pid != first
    assert said == [f"child ended by itself (status -9); it is started again. Its log: {child.log}"]


def test_a_child_that_keeps_dying_ends_the_office_with_its_log(tmp_path: Path, supervisor: Supervisor) -> None:
    child = make_child(tmp_path, "print('no database'); raise SystemExit(7)")
    supervisor.start(child)
    with pytest.raises(ChildFailed) as caught:
        for _ in range(MAX_DEATHS + 1):
            assert wait_until_gone(child.pid)
            supervisor.check()
    assert "child ends again and again (status 7)" in str(caught.value)
    assert str(caught.value).endswith("no database")


@pytest.mark.skipif(sys.platform != "linux", reason="needs Linux's parent-death signal")
def test_children_end_when_the_supervisor_is_killed(tmp_path: Path) -> None:
    command = [sys.executable, "-c", SUPERVISOR, str(tmp_path / "child.log")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        assert lives(pid)
        parent.kill()
    assert wait_until_gone(pid)
