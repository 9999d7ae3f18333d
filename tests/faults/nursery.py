"""Workers to be killed: real processes of the project that stop at a named place and wait there for SIGKILL.

A nursery is a process in which Django is ready; it forks a worker in a moment. It is told what to run on its standard
input, and it and its workers tell what happens on its standard output, a JSON object on each line.
"""

import json
import os
import selectors
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
SECONDS = 60.0


class Nursery:
    """The test's end: starts workers and hears where they stand."""

    def __init__(self, *, environment: Mapping[str, str], log: Path) -> None:
        self._log = log
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.faults.nursery"],
                cwd=ROOT,
                env={**environment, "DJANGO_SETTINGS_MODULE": "config.settings"},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=output,
                text=True,
                start_new_session=True,
            )
        self._workers: list[int] = []

    def start_worker(self, command: Sequence[str], *, stop_at: str, turn: int = 0) -> int:
        """Run ``manage.py command`` until it passes a checkpoint for the ``turn``-th time; its process id."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"command": list(command), "stop_at": stop_at, "turn": turn}) + "\n")
        self._process.stdin.flush()
        pid = int(self.hear("started")["started"])
        self._workers.append(pid)
        return pid

    def hear(self, what: str) -> dict[str, Any]:
        """The next thing that is told, which must be this one."""
        assert self._process.stdout is not None
        with selectors.DefaultSelector() as selector:
            selector.register(self._process.stdout, selectors.EVENT_READ)
            assert selector.select(SECONDS), f"nobody told that anything {what}: {self.output()}"
        line = self._process.stdout.readline()
        told: dict[str, Any] = json.loads(line) if line else {}
        assert what in told, f"{told} was told, not what {what}: {self.output()}"
        return told

    def kill(self, pid: int) -> None:
        """SIGKILL for a worker and all that it started, as a power cut would be."""
        with suppress(ProcessLookupError):
            os.killpg(pid, signal.SIGKILL)
        self._workers.remove(pid)

    def output(self) -> str:
        """What its workers have printed until now."""
        return self._log.read_text(errors="replace")[-4000:]

    def close(self) -> None:
        """End it and its workers."""
        for pid in list(self._workers):
            self.kill(pid)
        self._process.kill()
        self._process.wait(timeout=10)
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()


# -- the nursery's own process ----------------------------------------------------------------------------------------


def _tell(pipe: int, **what: object) -> None:
    os.write(pipe, (json.dumps(what) + "\n").encode())


def _work(pipe: int, order: Mapping[str, Any]) -> None:
    """A worker's life, in a process of its own. Never returns."""
    from django.core.management import call_command  # noqa: PLC0415  (Django is ready only now)

    from orders.checkpoints import Checkpoint, install_hook  # noqa: PLC0415

    passed = 0

    def stop(checkpoint: Checkpoint, row_id: int) -> None:
        nonlocal passed
        if checkpoint == order["stop_at"]:
            if passed == order["turn"]:
                _tell(pipe, stands_at=checkpoint, row=row_id)
                while True:
                    signal.pause()
            passed += 1

    status = 0
    try:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        install_hook(stop)
        call_command(*order["command"])
    except BaseException as error:  # noqa: BLE001  (told to the test, which did not expect it)
        print(f"{type(error).__name__}: {error}", file=sys.stderr, flush=True)
        status = 1
    _tell(pipe, ended=status)
    os._exit(status)


def main() -> None:
    """Fork a worker for each order that is read."""
    import django  # noqa: PLC0415

    # Workers print; what they tell goes another way.
    pipe = os.dup(1)
    os.dup2(2, 1)
    django.setup()
    # Nobody waits for the dead.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    for line in sys.stdin:
        pid = os.fork()
        if not pid:
            os.setsid()
            _work(pipe, json.loads(line))
        _tell(pipe, started=pid)


if __name__ == "__main__":
    main()
