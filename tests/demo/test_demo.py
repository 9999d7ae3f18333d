"""``manage.py demo`` as a newcomer meets it: it opens, is filled, survives a death, closes, and opens again."""

import os
import re
import signal
import socket
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import requests

from config.demo.home import LOGIN
from tests.demo.running import Demo, find_descendants, query, read_books, read_command

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks for left-over processes in /proc")


def sign_in(address: str, password: str) -> requests.Response:
    session = requests.Session()
    page = session.get(f"{address}accounts/login/", timeout=10)
    token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page.text)
    assert token is not None
    form = {"login": LOGIN, "password": password, "csrfmiddlewaretoken": token[1]}
    return session.post(f"{address}accounts/login/", data=form, headers={"Referer": page.url}, timeout=10)


def test_a_newcomers_day(start_demo: Callable[..., Demo], tmp_path: Path) -> None:
    home = tmp_path / "demo"
    demo = start_demo()
    demo.wait_for(r"Ctrl-C closes the office")
    address = demo.wait_for(r"open:\s+(\S+)")[1]
    password = demo.wait_for(r"Password:\s+(\S+)")[1]

    answer = sign_in(address, password)
    assert (answer.status_code, answer.url) == (200, address), answer.text[:500]
    assert sign_in(address, "wrong").url == f"{address}accounts/login/"

    assert query(home, "SELECT state, count(*) FROM orders_purchase GROUP BY state ORDER BY state") == [
        ("fulfilled", 10),
        ("held", 1),
        ("rejected", 1),
        ("short", 1),
        ("unknown", 1),
    ]
    assert query(home, "SELECT count(*) FROM orders_order WHERE state = 'unpaid'") == [(1,)]
    assert query(home, "SELECT count(*) FROM esims_esim WHERE state = 'suspended'") == [(1,)]
    assert query(home, "SELECT count(DISTINCT esim_id) FROM esims_usageday")[0][0] >= 10
    # Every eSIM that the provider sold is on one line here, or in the purchase whose outcome is unknown.
    sold = [iccid for order in read_books(home) for iccid in order["refs"]]
    lines = [iccid for (iccid,) in query(home, "SELECT iccid FROM esims_esim")]
    assert len(sold) == len(set(sold)) == len(lines) + 2
    assert set(lines) < set(sold)

    # Another one in the same home is refused; this one stays.
    assert start_demo("--once").process.wait(timeout=30) == 1
    # A worker that dies is started again.
    worker = next(pid for pid in find_descendants(demo.process.pid) if "qcluster" in read_command(pid))
    os.killpg(os.getpgid(worker), signal.SIGKILL)
    demo.wait_for("worker ended by itself", seconds=10)

    assert demo.end() == 0
    assert len(demo.seen) > 8, "the search for processes itself is broken"
    assert demo.left_over() == []
    orders = query(home, "SELECT number FROM orders_order ORDER BY number")

    again = start_demo("--once")
    assert again.process.wait(timeout=60) == 0, again.said()
    assert password in again.said()
    assert "Filling" not in again.said()
    assert again.left_over() == []
    assert query(home, "SELECT number FROM orders_order ORDER BY number") == orders


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_ends_in_the_middle_of_its_start(start_demo: Callable[..., Demo], number: signal.Signals) -> None:
    demo = start_demo("--no-fill")
    demo.wait_for("Starting the provider simulator")
    assert demo.end(number) == 0
    assert "Closed." in demo.said()
    assert demo.left_over() == []


def test_a_taken_port_is_said(start_demo: Callable[..., Demo]) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        demo = start_demo("--port", str(port))
        assert demo.process.wait(timeout=30) == 1
    assert f"Port {port} is taken" in demo.said()
