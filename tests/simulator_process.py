"""The simulator as a process of its own: started, stopped, killed and started again."""

import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

ROOT = Path(__file__).resolve().parents[1]
START_TIMEOUT_S = 20


class SimulatorProcess:
    """One simulator on a port of its own; the port stays through restarts."""

    def __init__(self, *, state: Path | None = None, options: Sequence[str] = ()) -> None:
        """`state`: SQLite file, kept between `kill` and `start`; None keeps all in memory."""
        self.state = state
        self._options = list(options)
        self._process: subprocess.Popen[str] | None = None
        self._port = 0

    def start(self) -> Self:
        """Start and wait until it listens; a second start takes the same port, so that addresses stay right."""
        command = [sys.executable, "-m", "providers.simulator", "--port", str(self._port), *self._options]
        if self.state is not None:
            command += ["--state", str(self.state)]
        self._process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, env=_clean_environment())
        assert self._process.stdout is not None
        line = self._process.stdout.readline().strip()
        if not line.startswith("listening on http://"):
            self._process.wait(timeout=START_TIMEOUT_S)
            raise RuntimeError(f"the simulator did not start: {line!r}")
        self._port = int(line.rsplit(":", 1)[1])
        return self

    def stop(self) -> int:
        """Ask it to end (SIGTERM); returns its exit status."""
        return self._end(signal.SIGTERM)

    def kill(self) -> None:
        """End it as a power cut of the process would (SIGKILL); `start` again continues its state."""
        self._end(signal.SIGKILL)

    def wait_for_death(self, timeout_s: float = 10) -> int:
        """Wait until it has ended by itself (fault `crash_after`); returns its exit status."""
        assert self._process is not None
        status = self._process.wait(timeout=timeout_s)
        self._forget_process()
        return status

    def has_ended(self) -> bool:
        """Whether its process is gone."""
        return self._process is None or self._process.poll() is not None

    @property
    def pid(self) -> int:
        """Process id."""
        assert self._process is not None
        return self._process.pid

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process is not None:
            self.kill()

    @property
    def url(self) -> str:
        """`http://127.0.0.1:PORT`, without a slash."""
        return f"http://127.0.0.1:{self._port}"

    def _end(self, number: signal.Signals) -> int:
        assert self._process is not None
        self._process.send_signal(number)
        status = self._process.wait(timeout=10)
        self._forget_process()
        return status

    def _forget_process(self) -> None:
        if self._process is not None and self._process.stdout is not None:
            self._process.stdout.close()
        self._process = None


def _clean_environment() -> dict[str, str]:
    """Without Django's settings: the simulator must not need them."""
    return {name: value for name, value in os.environ.items() if name != "DJANGO_SETTINGS_MODULE"}
