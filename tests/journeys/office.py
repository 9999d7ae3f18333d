"""A whole office for journeys: the web server, a worker and the dispatcher as processes of their own, on the test's
database; the provider is the simulator. The test itself sits in front of the browser.
"""

import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeVar

import requests
from django.conf import settings
from django.core.cache import cache
from django.core.management import call_command
from django.test import override_settings
from django_q.models import Failure

from config.demo.home import find_free_port
from customers.accounts import vouch_for_address
from customers.models import User
from tests.journeys.wholesalers import make_entries, write_environment
from tests.queue import ChildProcess, child_environment
from tests.simulator_client import Simulator

Answer = TypeVar("Answer")

START_SECONDS = 60.0
LOGIN = "rika@desk.example"
PASSWORD = "seven-quiet-harbours"
#: What must never stand in a log or on a page.
TRACEBACK = "Traceback (most recent call last)"


class Office:
    """Opened once for a module; ``close`` ends its processes and empties the database."""

    def __init__(self, simulator: Simulator, directory: Path) -> None:
        self.simulator = simulator
        self.address = ""
        self._directory = directory
        self._children: list[ChildProcess] = []
        # The wholesalers must be told an address before the server has one.
        self._port = find_free_port(0)
        self._entries = make_entries(simulator)
        self._environment = child_environment(
            WORKERS="1",
            SITE_URL=f"http://127.0.0.1:{self._port}",
            **write_environment(self._entries),
            HTTP_CONNECT_TIMEOUT="5",
            HTTP_READ_TIMEOUT="10",
            HTTP_ORDER_READ_TIMEOUT="30",
            PURCHASE_INQUIRY_SPACING_SECONDS="1",
        )
        self.staff = make_staff()

    def open(self) -> None:
        """Start everything and wait until the pages answer."""
        web = self._start("-m", "gunicorn", "config.wsgi", "--bind", f"127.0.0.1:{self._port}", "--threads", "8")
        self.worker = self.start_worker()
        self._start("manage.py", "dispatch")
        self.address = self.wait_for(lambda: re.search(r"Listening at: (http://\S+)", web.output()), web)[1]
        self.wait_for(self._answers, web)

    def start_worker(self) -> ChildProcess:
        """One more ``qcluster``."""
        return self._start("manage.py", "qcluster")

    def wait_for(self, ask: Callable[[], Answer | None], child: ChildProcess) -> Answer:
        """What ``ask`` says as soon as it says something."""
        deadline = time.monotonic() + START_SECONDS
        while not (answer := ask()):
            assert time.monotonic() < deadline, child.output()
            time.sleep(0.05)
        return answer

    @contextmanager
    def know_providers(self) -> Iterator[None]:
        """This process knows the providers as the office's own do: verbs can be called here."""
        entries = {slug: {**settings.PROVIDERS[slug], **values} for slug, values in self._entries.items()}
        with override_settings(PROVIDERS=entries, SITE_URL=self.address):
            yield

    def check(self) -> None:
        """No job failed, and no process had an exception that nobody expected."""
        assert list(Failure.objects.values_list("func", "result")) == []
        for child in self._children:
            said = child.output()
            assert TRACEBACK not in said, said

    def close(self) -> None:
        """End all processes; what was written is forgotten, as after every test with commits."""
        for child in reversed(self._children):
            child.stop()
        call_command("flush", verbosity=0, interactive=False)
        cache.clear()

    def _start(self, *arguments: str) -> ChildProcess:
        log = self._directory / f"{len(self._children)}-{arguments[1]}.log"
        child = ChildProcess(list(arguments), environment=self._environment, log=log)
        self._children.append(child)
        return child

    def _answers(self) -> bool:
        with suppress(requests.ConnectionError):
            return requests.get(f"{self.address}/accounts/login/", timeout=10).status_code == 200
        return False


def make_staff(email: str = LOGIN) -> User:
    """Somebody who may do everything, and can sign in."""
    user: User = User.objects.create_superuser(email, PASSWORD, first_name="Rika", last_name="Sakai")
    vouch_for_address(user=user)
    return user
