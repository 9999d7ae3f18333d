"""Child processes: started in groups of their own, watched, and stopped for certain."""

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

#: How long a child may take to end after SIGTERM before its whole group is killed.
STOP_SECONDS = 8.0
#: A child that dies more often than this within the window will not be cured by another start.
MAX_DEATHS = 3
DEATH_WINDOW_SECONDS = 60.0
_PR_SET_PDEATHSIG = 1


class ChildFailed(Exception):
    """A child died and starting it again does not help; the message ends with the end of its log."""


class Child:
    """One command in a process group of its own; what it prints goes to its log."""

    def __init__(self, name: str, command: Sequence[str], *, cwd: Path, environment: Mapping[str, str], log: Path):
        self.name = name
        self.command = list(command)
        self.log = log
        self._cwd = cwd
        self._environment = dict(environment)
        self._process: subprocess.Popen[bytes] | None = None
        self._deaths: deque[float] = deque(maxlen=MAX_DEATHS + 1)

    def start(self) -> None:
        """Start it (again)."""
        with self.log.open("ab") as output:
            self._process = subprocess.Popen(  # noqa: S603 - the project's own commands
                self.command,
                cwd=self._cwd,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                # Ctrl-C in the terminal is for the supervisor alone, which then ends its children in order.
                start_new_session=True,
                preexec_fn=_die_with_parent,  # noqa: PLW1509 - this program has one thread
            )

    @property
    def pid(self) -> int:
        if self._process is None:
            raise RuntimeError(f"{self.name} was not started")
        return self._process.pid

    def exit_status(self) -> int | None:
        """None while it runs."""
        return None if self._process is None else self._process.poll()

    def restart_after_death(self) -> None:
        """Start it again. Raises ChildFailed when it keeps dying."""
        status = self.exit_status()
        self.kill_group()
        self._deaths.append(time.monotonic())
        if len(self._deaths) > MAX_DEATHS and self._deaths[-1] - self._deaths[0] < DEATH_WINDOW_SECONDS:
            raise ChildFailed(f"{self.name} ends again and again (status {status}):\n{self.read_log_end()}")
        self.start()

    def read_log_end(self, lines: int = 20) -> str:
        """The last lines of its log."""
        if not self.log.exists():
            return ""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])

    def ask_to_stop(self) -> None:
        """SIGTERM to the process itself: it ends its own children."""
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()

    def kill_group(self) -> None:
        """SIGKILL for whatever is left of its group."""
        if self._process is not None:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()


class Supervisor:
    """The children of one program, in the order of their start."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self._children: list[Child] = []

    def start(self, child: Child) -> None:
        """Start a child and look after it until ``stop``."""
        self._children.append(child)
        child.start()

    def check(self) -> None:
        """Start again what died. Raises ChildFailed when that is of no use."""
        for child in self._children:
            status = child.exit_status()
            if status is not None:
                self._say(f"{child.name} ended by itself (status {status}); it is started again. Its log: {child.log}")
                child.restart_after_death()

    def stop(self, seconds: float = STOP_SECONDS) -> None:
        """End all children: asked first, killed with their whole groups when ``seconds`` have passed."""
        for child in reversed(self._children):
            child.ask_to_stop()
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline and any(child.exit_status() is None for child in self._children):
            time.sleep(0.05)
        for child in self._children:
            if child.exit_status() is None:
                self._say(f"{child.name} did not stop when asked and is killed.")
            child.kill_group()
        self._children.clear()


def _die_with_parent() -> None:
    """Linux: a child whose supervisor was killed gets SIGTERM, so that no process is left over."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
