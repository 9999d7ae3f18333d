"""From the captured payment to the QR code in the browser.

``capture_to_qr_p95`` starts when the capture is committed and ends with the first response that holds the QR code,
asked for every 250 ms over HTTP: the order's live part until it names a QR image, then that image. The office is whole
and in processes of its own: gunicorn, one worker, the dispatcher; the wholesaler is the simulator, which answers at
once. So the worker's waiting for its queue (``QUEUE_POLL_SECONDS``) and the 250 ms between questions are part of it.

The floor is the same calls in one process in a row, nobody waiting for anybody: claim, order over HTTP, reply stored
and applied, the order's live part, the image. Each is the 95th percentile of its own runs.
"""

import json
import os
import random
import re
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO

import requests
from django.conf import settings
from django.test import Client
from django_q.models import OrmQ

from benchmarks.results import Result, percentile_95
from catalog.models import Plan
from config.demo.home import find_free_port
from customers.models import Customer, User
from orders.checkout import place_order
from orders.models import Order, Payment, Purchase, WorkerBeat
from orders.payments import record_payment
from orders.purchasing import run_purchase
from providers.registry import ensure_accounts
from tests.catalog.making import make_plan
from tests.simulator_client import KEYS, PRODUCTION, Simulator

SLUG = "esim-commerce"
LIMIT = 6.0
ASK_EVERY = 0.25
WARM_UP = 5
#: The processes' own start, and the longest that one order may take.
START_SECONDS, LONGEST_SECONDS = 60.0, 30.0
#: The rate budget is no matter of this benchmark.
_FREE = {"order": 3000, "status": 3000, "transaction": 3000}
#: As the page itself asks for its live part.
_PARTIAL = {"HX-Request": "true"}
_QR = re.compile(r'src="(/esims/\d+/qr\.svg)"')


def run(n: int, directory: Path) -> Iterator[Result]:
    """With ``n`` of 20,000 there are 80 orders of each kind; never fewer than 20."""
    orders = max(n // 250, 20)
    with Simulator(state=directory / "capture.sqlite3", options=("--plans", "20")) as simulator:
        simulator.set_limits(multiplier=0)
        desk = _Desk(simulator)
        for _ in range(WARM_UP):
            desk.do_everything_here()
        floor = [desk.do_everything_here() for _ in range(orders)]
        with _open_office(simulator, directory) as address:
            for _ in range(WARM_UP):
                desk.wait_for_qr(address)
            ours = [desk.wait_for_qr(address) for _ in range(orders)]
    yield Result(
        name="capture_to_qr_p95", ours_s=percentile_95(ours), floor_s=percentile_95(floor), n=orders, limit=LIMIT
    )


class _Desk:
    """Somebody who sells, and looks at the order until its QR code is there."""

    def __init__(self, simulator: Simulator) -> None:
        keys = KEYS[PRODUCTION]
        settings.PROVIDERS[SLUG].update(
            url=simulator.production_url, key_id=keys.key_id, key_secret=keys.key_secret, currency="USD", limits=_FREE
        )
        account = next(account for account in ensure_accounts() if account.slug == SLUG)
        self._staff: User = User.objects.create_superuser("bench@desk.example", "not-used-here-9")
        self._customer = Customer.objects.create(name="Bench")
        self._plan: Plan = make_plan(account, plan_ref=simulator.plan_codes()[0])
        self._client = Client(headers=_PARTIAL)
        self._client.force_login(self._staff, backend=settings.AUTHENTICATION_BACKENDS[0])
        self._chance = random.Random(1)

    def do_everything_here(self) -> float:
        """Seconds of the calls themselves; no worker is there."""
        order = self._place()
        self._capture(order)
        purchase = Purchase.objects.get(order_line__order=order)
        OrmQ.objects.all().delete()
        start = time.perf_counter()
        run_purchase(purchase_id=purchase.pk)
        found = _QR.search(self._client.get(f"/orders/{order.pk}/live/").content.decode())
        _require(found is not None, "the order shows no QR code")
        assert found is not None
        image = self._client.get(found[1]).content
        seconds = time.perf_counter() - start
        _require(b"<svg" in image, "the QR code is no image")
        return seconds

    def wait_for_qr(self, address: str) -> float:
        """Seconds from the commit of the capture to the response that holds the QR code."""
        cookie = self._client.cookies[settings.SESSION_COOKIE_NAME].value
        with requests.Session() as browser:
            browser.trust_env = False
            browser.headers.update(_PARTIAL)
            browser.cookies.set(settings.SESSION_COOKIE_NAME, cookie)
            order = self._place()
            browser.get(f"{address}/orders/{order.pk}/", timeout=LONGEST_SECONDS)
            # Neither the worker's nor the dispatcher's rhythm may be ours.
            time.sleep(self._chance.uniform(0.1, 1.1))
            self._capture(order)
            start = time.perf_counter()
            for question in range(round(LONGEST_SECONDS / ASK_EVERY)):
                time.sleep(max(0.0, start + question * ASK_EVERY - time.perf_counter()))
                page = browser.get(f"{address}/orders/{order.pk}/live/", timeout=LONGEST_SECONDS)
                if found := _QR.search(page.text):
                    image = browser.get(f"{address}{found[1]}", timeout=LONGEST_SECONDS).content
                    seconds = time.perf_counter() - start
                    _require(b"<svg" in image, "the QR code is no image")
                    return seconds
        raise AssertionError(f"order {order.pk} had no QR code after {LONGEST_SECONDS} s")

    def _place(self) -> Order:
        assert self._plan.retail_price is not None
        return place_order(
            customer=self._customer,
            plan=self._plan,
            quantity=1,
            checkout_key=uuid.uuid4(),
            expected_unit_price=self._plan.retail_price,
            by=self._staff,
        )

    def _capture(self, order: Order) -> None:
        record_payment(
            order=order,
            method=Payment.Method.CASH,
            amount=order.total,
            currency=order.currency,
            reference="",
            form_key=uuid.uuid4(),
            by=self._staff,
        )


# -- the office -------------------------------------------------------------------------------------------------------


@contextmanager
def _open_office(simulator: Simulator, directory: Path) -> Iterator[str]:
    """Web server, one worker and dispatcher on the benchmark's database; yields the office's address."""
    port = find_free_port(0)
    keys = KEYS[PRODUCTION]
    environment = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "config.settings",
        "ROAMDESK_ENV_FILE": os.devnull,
        "ROAMDESK_DEMO": "1",
        "SITE_URL": f"http://127.0.0.1:{port}",
        "ESIM_COMMERCE_URL": simulator.production_url,
        "ESIM_COMMERCE_KEY_ID": keys.key_id,
        "ESIM_COMMERCE_KEY_SECRET": keys.key_secret,
        "ESIM_COMMERCE_CURRENCY": "USD",
        "ESIM_COMMERCE_LIMITS": json.dumps(_FREE),
        "WORKERS": "1",
        "LOG_LEVEL": "WARNING",
    }
    commands = (
        ["-m", "gunicorn", "config.wsgi", "--bind", f"127.0.0.1:{port}", "--threads", "4"],
        ["manage.py", "qcluster"],
        ["manage.py", "dispatch"],
    )
    address = f"http://127.0.0.1:{port}"
    with ExitStack() as stack:
        log = stack.enter_context((directory / "office.log").open("ab"))
        for command in commands:
            stack.callback(_end, _start(command, environment, log))
        _wait_until(lambda: _answers(address) and _beats(), directory / "office.log")
        yield address


def _start(command: list[str], environment: dict[str, str], log: IO[bytes]) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(
        [sys.executable, *command], env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log
    )


def _end(child: "subprocess.Popen[bytes]") -> None:
    child.terminate()
    try:
        child.wait(timeout=20)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()


def _answers(address: str) -> bool:
    try:
        return requests.get(f"{address}/accounts/login/", timeout=10).status_code == 200
    except requests.ConnectionError:
        return False


def _beats() -> bool:
    """The dispatcher has asked and the worker has answered."""
    return WorkerBeat.objects.filter(beat_at__isnull=False).exists()


def _wait_until(condition: Callable[[], bool], log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while not condition():
        _require(time.monotonic() < deadline, f"the office did not open: {log.read_text()[-800:]}")
        time.sleep(0.1)


def _require(holds: bool, otherwise: str) -> None:
    if not holds:
        raise AssertionError(otherwise)
