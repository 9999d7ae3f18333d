"""The lists that an app asks for most, beside the least work that answers the same bytes.

All under one server in one run: gunicorn, one process, one connection that stays open, a signed-in traveller. Ours and
the floors (``bare_api.py``) stand behind the same sign-in, the same throttle and the same headers, and are asked in
turns; of five rounds each one's best counts. Numbers are answers a second.

``api_plans_rate`` is the list as apps ask for it, kept for as long as the catalogue does not change, and
``api_plans_anew_rate`` the same list made anew each time. ``api_unchanged_rate`` is the answer 304, ``api_esims_rate``
the traveller's own list of lines.
"""

import http.client
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from urllib.parse import quote

from django.core.management import call_command
from django.test import Client
from django.urls import NoReverseMatch, reverse

from benchmarks.bare_api import ESIMS_ANSWER
from benchmarks.results import Result
from catalog.models import Plan
from catalog.pricing import set_own_price
from config.demo.home import find_free_port
from customers.models import Customer, User
from esims.lifecycle import register_lines
from providers.types import LineState
from tests.api.big import fill
from tests.catalog.making import GB
from tests.esims.making import make_snapshot

PLANS = "/api/v1/plans?limit=50"
LINES_FLOOR = "/floor/esims?limit=50"
LINES_ANSWER = "lines.json"
#: Ours, the floor, and the least that ours may be of it.
LIMITS = (
    ("api_plans_rate", "plans", "values", 1.0),
    ("api_plans_anew_rate", "anew", "values", 0.5),
    ("api_unchanged_rate", "unchanged", "nothing", 0.5),
    ("api_esims_rate", "lines", "line values", 0.7),
)
ROUNDS = 5
WARM_UP = 30
START_SECONDS = 60.0
SETTINGS = "benchmarks.api_settings"


def run(n: int, directory: Path) -> Iterator[Result]:
    """With ``n`` of 20,000 there are 5,000 plans, and each round asks 400 times."""
    calls = max(n // 50, 40)
    # What the throttle counts in, as in every office.
    call_command("createcachetable", verbosity=0)
    fill(max(n // 4, 200))
    # By a verb: only what changed by one has a version that answers are kept for.
    plan = Plan.objects.order_by("pk")[0]
    set_own_price(plan=plan, amount=plan.net_price, by="bench@desk.example")
    token, customer = _sign_in()
    lines = _find_list_of_lines()
    if lines:
        _make_lines(customer, max(n // 100, 60), plan)
    with _open_server(directory) as port:
        caller = _Caller(port, token)
        first = caller.ask(PLANS)
        floor = f"/floor/plans?limit=50&next={quote(first.next_cursor)}"
        _require(caller.ask(floor).body == first.body, "the floor answers something else")
        fresh = _count_up()
        works: dict[str, Callable[[], object]] = {
            "plans": lambda: caller.expect(PLANS),
            "anew": lambda: caller.expect(f"{PLANS}&max_price={next(fresh)}"),
            "values": lambda: caller.expect(floor),
            "unchanged": lambda: caller.expect(PLANS, 304, **{"If-None-Match": first.tag}),
            "nothing": lambda: caller.expect("/floor/nothing"),
        }
        if lines:
            answer = caller.ask(lines)
            (directory / LINES_ANSWER).write_bytes(answer.body)
            _require(caller.ask(LINES_FLOOR).body == answer.body, "the floor answers other lines")
            works |= {"lines": lambda: caller.expect(lines), "line values": lambda: caller.expect(LINES_FLOOR)}
        rates = _measure(works, calls)
    for name, ours, floor_name, limit in LIMITS:
        if ours in rates:
            yield Result(
                name=name,
                ours_s=rates[ours],
                floor_s=rates[floor_name],
                n=ROUNDS * calls,
                limit=limit,
                better="higher",
            )


def _measure(works: Mapping[str, Callable[[], object]], calls: int) -> dict[str, float]:
    """The best round's rate of each; a call of each in turn, so that what the machine does meanwhile meets all."""
    best = dict.fromkeys(works, 0.0)
    for work in works.values():
        for _ in range(WARM_UP):
            work()
    for _ in range(ROUNDS):
        taken = dict.fromkeys(works, 0.0)
        for _ in range(calls):
            for name, work in works.items():
                start = time.perf_counter()
                work()
                taken[name] += time.perf_counter() - start
        best = {name: max(rate, calls / taken[name]) for name, rate in best.items()}
    return best


def _count_up() -> Iterator[int]:
    """Filters that leave every plan, each another address than all before."""
    yield from range(1000, 10**9)


def _sign_in() -> tuple[str, Customer]:
    """The session token of a traveller, as the app's sign-in gives it."""
    user = User.objects.create_user("bench@travel.example", "not-used-here-9")
    customer = Customer.objects.create(name="Bench", email=user.email, user=user)
    client = Client()
    client.force_login(user)
    return client.session.session_key or "", customer


def _find_list_of_lines() -> str:
    """The address of the traveller's eSIMs; "" where the API has none."""
    try:
        return f"{reverse('api-esims')}?limit=50"
    except NoReverseMatch:
        return ""


def _make_lines(customer: Customer, number: int, plan: Plan) -> None:
    """Lines as a delivery leaves them: each with a package that is half used."""
    snapshots = [
        make_snapshot(
            state=LineState.ACTIVE,
            total_used_bytes=GB // 2,
            total_data_bytes=GB,
            activated_on=date(2026, 5, 2),
            expires_on=date(2026, 6, 1),
        )
        for _ in range(number)
    ]
    register_lines(account=plan.account, customer=customer, plan=plan, snapshots=snapshots, by="bench")


@dataclass(frozen=True, slots=True)
class _Answer:
    body: bytes
    tag: str

    @property
    def next_cursor(self) -> str:
        return self.body.partition(b'"next":"')[2].partition(b'"')[0].decode()


class _Caller:
    """A phone with a connection that stays open."""

    def __init__(self, port: int, token: str) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        self._headers = {"X-Session-Token": token, "Accept-Language": "en", "Accept": "application/json"}

    def ask(self, address: str, status: int = 200, **headers: str) -> _Answer:
        self._connection.request("GET", address, headers={**self._headers, **headers})
        response = self._connection.getresponse()
        body = response.read()
        _require(response.status == status, f"{address} answered {response.status}: {body[:300]!r}")
        return _Answer(body, response.headers.get("ETag", ""))

    def expect(self, address: str, status: int = 200, **headers: str) -> None:
        self.ask(address, status, **headers)


@contextmanager
def _open_server(directory: Path) -> Iterator[int]:
    """gunicorn on the benchmark's database; yields its port."""
    port = find_free_port(0)
    environment = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": SETTINGS,
        "ROAMDESK_ENV_FILE": os.devnull,
        "ROAMDESK_DEMO": "1",
        "SITE_URL": f"http://127.0.0.1:{port}",
        "LOG_LEVEL": "WARNING",
        ESIMS_ANSWER: str(directory / LINES_ANSWER),
    }
    command = [sys.executable, "-m", "gunicorn", "config.wsgi", "--bind", f"127.0.0.1:{port}", "--threads", "4"]
    path = directory / "api.log"
    with path.open("ab") as log:
        server = subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        try:
            _wait_for(port, path)
            yield port
        finally:
            server.terminate()
            server.wait(timeout=20)


def _wait_for(port: int, log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            _Caller(port, "").ask("/api/problems")
        except (OSError, http.client.HTTPException):
            _require(time.monotonic() < deadline, f"the server did not start: {log.read_text()[-800:]}")
            time.sleep(0.1)
        else:
            return


def _require(holds: bool, otherwise: str) -> None:
    if not holds:
        raise AssertionError(otherwise)
