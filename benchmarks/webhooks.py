"""Taking a wholesaler's call in: verify, store, answer.

``webhook_ack_…`` is the time of one call through the real WSGI application, new calls and repeated ones, beside that
of a view behind the same middleware which inserts one row of the same size and does nothing else: no secret, no
encryption, no index but the primary key. Both in one process, in turns, with an own connection to the database as a
web process has it; the median and the 95th
percentile, the best of five rounds.
"""

import json
import statistics
import time
import uuid
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from io import BytesIO
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.wsgi import get_wsgi_application

from benchmarks import bare
from benchmarks.results import Result, percentile_95
from providers.models import WebhookDelivery
from providers.registry import ensure_accounts
from tests.simulator_access import ACCESS_CODE, SECRET_KEY

SLUG, SECRET = "esim-access", "bench-" + "s" * 40
LIMIT = 1.5
#: Calls before the measurement: imports, the connection, the database's plans.
WARM_UP = 200
ROUNDS = 5


def run(n: int, directory: Path) -> Iterator[Result]:
    """With ``n`` of 20,000 each of the three kinds is called 5,000 times."""
    del directory
    settings.PROVIDERS[SLUG].update(
        url="http://127.0.0.1:9/access", code=ACCESS_CODE, secret_key=SECRET_KEY, webhook_secret=SECRET
    )
    settings.ROOT_URLCONF = "benchmarks.bare"
    ensure_accounts()
    bare.make_table()
    application = get_wsgi_application()
    hook = f"/hooks/{SLUG}/{SECRET}/"
    _post(application, hook, _make_body("first"))
    stored = WebhookDelivery.objects.get()
    bare.row[:] = _values_of(stored)

    def measure(rounds: int) -> Iterator[tuple[str, float]]:
        """In turns: whatever the machine does meanwhile, it does to all three."""
        for _ in range(rounds):
            yield "new", _seconds_of_call(application, hook, _make_body(uuid.uuid4().hex))
            yield "floor", _seconds_of_call(application, "/bare/", first)
            yield "repeat", _seconds_of_call(application, hook, first)

    first = _make_body("first")
    _sort(measure(WARM_UP))
    calls = max(n // 20, 100)
    rounds = [_sort(measure(calls)) for _ in range(ROUNDS)]
    _require(WebhookDelivery.objects.count() == 1 + WARM_UP + ROUNDS * calls, "a call was lost or stored twice")
    _require(
        WebhookDelivery.objects.get(key="first").repeats == WARM_UP + ROUNDS * calls, "a repetition was not counted"
    )
    for word, measured in (("median", statistics.median), ("p95", percentile_95)):
        best = {name: min(measured(taken[name]) for taken in rounds) for name in ("new", "repeat", "floor")}
        for name in ("new", "repeat"):
            yield Result(
                name=f"webhook_ack_{name}_{word}",
                ours_s=best[name],
                floor_s=best["floor"],
                n=ROUNDS * calls,
                limit=LIMIT,
            )


def _sort(measured: Iterable[tuple[str, float]]) -> Mapping[str, list[float]]:
    taken: dict[str, list[float]] = defaultdict(list)
    for name, seconds in measured:
        taken[name].append(seconds)
    return taken


def _make_body(notify_id: str) -> bytes:
    """A delivery as the document shows it."""
    return json.dumps(
        {
            "notifyType": "ESIM_STATUS",
            "eventGenerateTime": "2025-07-09T12:34:56Z",
            "notifyId": notify_id,
            "content": {
                "orderNo": "B25070900000000",
                "esimTranNo": "25070900000000",
                "transactionId": str(uuid.UUID(int=7)),
                "iccid": "8985200026321365534",
                "esimStatus": "IN_USE",
                "smdpStatus": "ENABLED",
            },
        }
    ).encode()


def _post(application: Callable[..., Any], path: str, body: bytes) -> None:
    """One call, as gunicorn hands it over."""
    environ = {
        "REQUEST_METHOD": "POST",
        "SCRIPT_NAME": "",
        "PATH_INFO": path,
        "QUERY_STRING": "",
        "CONTENT_TYPE": "application/json",
        "CONTENT_LENGTH": str(len(body)),
        "HTTP_HOST": "127.0.0.1",
        "HTTP_USER_AGENT": "bench",
        "REMOTE_ADDR": "127.0.0.1",
        "SERVER_NAME": "127.0.0.1",
        "SERVER_PORT": "8000",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.input": BytesIO(body),
        "wsgi.errors": BytesIO(),
        "wsgi.multithread": True,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
    }
    told: list[str] = []
    response = application(environ, lambda status, _headers: told.append(status))
    b"".join(response)
    response.close()
    _require(told[0].startswith("200"), f"{path} answered {told[0]}")


def _values_of(stored: WebhookDelivery) -> list[object]:
    fields = [field for field in WebhookDelivery._meta.concrete_fields if not field.primary_key]  # noqa: SLF001
    return [field.get_prep_value(getattr(stored, field.attname)) for field in fields]


def _seconds_of_call(application: Callable[..., Any], path: str, body: bytes) -> float:
    start = time.perf_counter()
    _post(application, path, body)
    return time.perf_counter() - start


def _require(holds: bool, otherwise: str) -> None:
    if not holds:
        raise AssertionError(otherwise)
