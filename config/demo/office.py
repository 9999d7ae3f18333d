"""The demo from its start to Ctrl-C."""

import signal
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from types import FrameType

from config.demo.home import LOGIN, DemoHome
from config.demo.processes import Child, ChildFailed, Supervisor
from config.demo.wholesalers import make_options

PROJECT_DIR = Path(__file__).resolve().parent.parent.parent
WEB_PORT = 8000
SIMULATOR_PORT = 8790
START_SECONDS = 60.0


class _Stop(Exception):
    """Somebody wants the demo to end."""


class DemoOffice:
    """One run of the demo. ``say`` prints a line for the person in front of it."""

    def __init__(self, home: DemoHome, *, port: int | None, say: Callable[[str], None]) -> None:
        self._home = home
        self._say = say
        self._web_port = home.choose_port("web", WEB_PORT) if port is None else port
        self._simulator_port = home.choose_port("simulator", SIMULATOR_PORT)
        self._environment = home.build_environment(web_port=self._web_port, simulator_port=self._simulator_port)
        self._supervisor = Supervisor(say)
        self._stop_asked = False

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self._web_port}/"

    def run(self, *, fill: bool, once: bool) -> int:
        """Set up, serve until a signal comes (or only until all is ready, with ``once``); the exit status."""
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._on_signal)
        status = 0
        try:
            self._open_office(fill=fill)
            if not once:
                self._watch()
        except _Stop:
            pass
        except ChildFailed as error:
            self._say(str(error))
            status = 1
        finally:
            self._say("Closing the office …")
            self._supervisor.stop()
        self._say(f"Closed. Its data stays in {self._home.directory}; the next run goes on with it.")
        return status

    def _open_office(self, *, fill: bool) -> None:
        keys = self._home.read_secrets()
        self._say("Setting up the database …")
        self._manage("migrate", "--no-input", "--verbosity", "0")
        self._manage("createcachetable")
        self._manage("demo_login", LOGIN)
        self._say("Starting the provider simulator, a worker, the dispatcher and the web server …")
        self._start(
            "simulator",
            *self._python("manage.py", "simulator", "--port", str(self._simulator_port)),
            *("--state", str(self._home.simulator_state)),
            *make_options(keys),
        )
        self._wait_for(f"http://127.0.0.1:{self._simulator_port}/_control/health")
        self._manage("setup_schedules")
        self._start("worker", *self._python("manage.py", "qcluster"))
        self._start("dispatch", *self._python("manage.py", "dispatch"))
        self._start(
            "web",
            *self._python("-m", "gunicorn", "config.wsgi", "--bind", f"127.0.0.1:{self._web_port}"),
            *("--workers", "1", "--threads", "8", "--graceful-timeout", "3", "--access-logfile", "-"),
        )
        self._manage("demo_ready")
        self._wait_for(f"{self.address}readyz")
        self._wait_for(f"{self.address}accounts/login/")
        if self._home.read_told_address() != self.address:
            self._say("Telling the wholesalers the office's address …")
            self._manage("demo_connect", LOGIN)
            self._home.note_told_address(self.address)
        if fill and not self._home.filled.exists():
            self._say("Filling the office through the real flows; this takes a minute, once …")
            self._manage("demo_fill", LOGIN, show=True)
            self._home.filled.touch()
        self._say("")
        self._say(f"  Roamdesk is open:  {self.address}")
        self._say(f"  Sign in as:        {LOGIN}")
        self._say(f"  Password:          {keys.password}")
        self._say(f"  Example app:       {self.address}example-app/")
        self._say("")
        self._say(f"Logs: {self._home.logs}. Mails: {self._home.directory / 'mail'}. Ctrl-C closes the office.")

    def _watch(self) -> None:
        while True:
            self._look_around(0.5)

    def _start(self, name: str, *command: str) -> None:
        log = self._home.logs / f"{name}.log"
        self._supervisor.start(Child(name, command, cwd=PROJECT_DIR, environment=self._environment, log=log))

    def _python(self, *arguments: str) -> list[str]:
        return [sys.executable, *arguments]

    def _manage(self, command: str, *arguments: str, show: bool = False) -> None:
        """Run one command to its end, watching the others meanwhile; ``show`` prints what it says.

        Raises ChildFailed.
        """
        # What is shown is for people: no lines for the log between it.
        environment = {**self._environment, "LOG_LEVEL": "ERROR"} if show else self._environment
        child = Child(
            command,
            self._python("manage.py", command, *arguments),
            cwd=PROJECT_DIR,
            environment=environment,
            log=self._home.logs / f"{command}.log",
        )
        printed = child.log.stat().st_size if child.log.exists() else 0
        child.start()
        try:
            while (status := child.exit_status()) is None:
                self._look_around(0.05)
                printed = self._show_news(child.log, printed) if show else printed
        finally:
            child.kill_group()
        if show:
            self._show_news(child.log, printed)
        if status != 0:
            raise ChildFailed(f"manage.py {command} failed (status {status}):\n{child.read_log_end()}")

    def _show_news(self, log: Path, printed: int) -> int:
        """Print the whole lines that the log grew by; returns how far it was read."""
        with log.open("rb") as file:
            file.seek(printed)
            news = file.read()
        whole = news[: news.rfind(b"\n") + 1]
        for line in whole.decode(errors="replace").splitlines():
            self._say(f"  {line}")
        return printed + len(whole)

    def _wait_for(self, url: str) -> None:
        """Wait until the address answers 200. Raises ChildFailed."""
        deadline = time.monotonic() + START_SECONDS
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        while time.monotonic() < deadline:
            self._look_around(0.1)
            try:
                with opener.open(url, timeout=5) as answer:
                    if answer.status == 200:
                        return
            except (urllib.error.URLError, ConnectionError, TimeoutError):
                continue
        raise ChildFailed(f"{url} did not answer within {START_SECONDS:.0f} seconds. Logs: {self._home.logs}")

    def _look_around(self, seconds: float) -> None:
        """Wait a moment, then see whether anybody wants to stop and whether all children live."""
        time.sleep(seconds)
        if self._stop_asked:
            raise _Stop
        self._supervisor.check()

    def _on_signal(self, _number: int, _frame: FrameType | None) -> None:
        # Only noted: an exception in the middle of a start would lose the child.
        self._stop_asked = True
