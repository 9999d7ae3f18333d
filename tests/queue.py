"""Jobs in tests: run by hand in the test's own process, or by a real worker in a process of its own."""

import os
import pydoc
import signal
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from django.db import connection
from django_q.models import OrmQ
from django_q.signing import SignedPackage

PROJECT_DIR = Path(__file__).resolve().parent.parent


class Job(NamedTuple):
    """A queued job: which queue, which dotted name, with what."""

    queue: str
    name: str
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]


class Queue:
    """The jobs that wait in the database of this test."""

    def waiting(self) -> list[Job]:
        """Every queued job, the oldest first."""
        return [_read(row) for row in OrmQ.objects.order_by("pk")]

    def run(self, limit: int = 200) -> list[Job]:
        """Run queued jobs here, the oldest first, and those that they enqueue, until none waits.

        A job's exception comes through. More than ``limit`` jobs fail the test: something feeds itself.
        """
        done: list[Job] = []
        while (row := OrmQ.objects.order_by("pk").first()) is not None:
            assert len(done) < limit, f"more than {limit} jobs ran, the last was {done[-1].name}"
            job = _read(row)
            row.delete()
            function = pydoc.locate(job.name)
            assert callable(function), f"no function {job.name}"
            function(*job.args, **job.kwargs)
            done.append(job)
        return done

    def clear(self) -> None:
        """Forget every queued job."""
        OrmQ.objects.all().delete()


def _read(row: OrmQ) -> Job:
    task: dict[str, Any] = SignedPackage.loads(row.payload)
    function = task["func"]
    name = function if isinstance(function, str) else f"{function.__module__}.{function.__qualname__}"
    return Job(row.key, name, tuple(task["args"]), dict(task["kwargs"]))


def child_environment(**extra: str) -> dict[str, str]:
    """The environment in which another process of the project works on this test's database."""
    settings = connection.settings_dict
    if connection.vendor == "sqlite":
        url = f"sqlite:///{settings['NAME']}"
    else:
        user, password = settings["USER"], settings["PASSWORD"]
        credentials = f"{user}:{password}" if password else user
        host, port = settings["HOST"], settings["PORT"]
        place = f"{credentials}@/{host}" if host.startswith("/") else f"{credentials}@{host}:{port or 5432}"
        url = f"postgres://{place}/{settings['NAME']}"
    return {**os.environ, "DATABASE_URL": url, "PYTHONUNBUFFERED": "1", **extra}


class ChildProcess:
    """A command of the project in a process group of its own, with its output in a file."""

    def __init__(self, arguments: list[str], *, environment: Mapping[str, str], log: Path) -> None:
        self.log = log
        with log.open("ab") as output:
            self.process = subprocess.Popen(
                [sys.executable, *arguments],
                cwd=PROJECT_DIR,
                env=dict(environment),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        return self.process.pid

    def kill(self) -> None:
        """SIGKILL for the whole group, as a power cut would be."""
        self._signal_group(signal.SIGKILL)
        self.process.wait(timeout=10)

    def stop(self, seconds: float = 10.0) -> None:
        """SIGTERM, then SIGKILL for what is left of the group."""
        if self.process.poll() is None:
            self.process.terminate()
            # django-q2 may hang on SIGTERM once a worker of it was killed.
            with suppress(subprocess.TimeoutExpired):
                self.process.wait(timeout=seconds)
        self.kill()

    def output(self) -> str:
        """What it has printed until now."""
        return self.log.read_text(errors="replace")

    def _signal_group(self, number: signal.Signals) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, number)
