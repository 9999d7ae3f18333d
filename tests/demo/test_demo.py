"""``manage.py demo`` as a newcomer meets it: it opens, is filled, survives a death, closes, and opens again."""

import os
import re
import signal
import socket
import sys
from collections import Counter
from collections.abc import Callable
from decimal import Decimal
from itertools import pairwise
from pathlib import Path

import pytest
import requests

from config.demo.home import LOGIN
from tests.demo.running import Demo, find_descendants, query, read_books, read_command, read_simulator

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
    app = requests.get(demo.wait_for(r"Example app:\s+(\S+)")[1], timeout=10)
    assert (app.status_code, "<title>Example app</title>" in app.text) == (200, True)

    check_purchases(home)
    check_lines(home)
    check_wholesalers(home)

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
    assert "Telling the wholesalers" not in again.said()
    assert again.left_over() == []
    assert query(home, "SELECT number FROM orders_order ORDER BY number") == orders


def check_purchases(home: Path) -> None:
    """Every wholesaler sold something, and the desk has something to look after at most of them."""
    per_account = "SELECT a.slug, p.state, count(*) FROM orders_purchase p JOIN providers_provideraccount a"
    assert query(home, f"{per_account} ON a.id = p.account_id GROUP BY 1, 2 ORDER BY 1, 2") == [
        ("esim-access", "fulfilled", 7),
        ("esim-access", "held", 1),
        ("esim-commerce", "fulfilled", 11),
        ("esim-commerce", "held", 1),
        ("esim-commerce", "short", 1),
        ("esim-commerce", "unknown", 1),
        ("esim-commerce-sandbox", "fulfilled", 3),
        ("esim-commerce-sandbox", "rejected", 1),
        ("esimfx", "fulfilled", 10),
        ("freebit", "allocating", 1),
        ("freebit", "fulfilled", 1),
        ("freebit", "held", 1),
        ("freebit", "rejected", 1),
    ]
    assert query(home, "SELECT count(*) FROM orders_order WHERE state = 'unpaid'") == [(3,)]
    # One customer pays later; a transfer was short, and one came when its order had expired.
    assert query(home, "SELECT kind FROM orders_creditentry ORDER BY id") == [("charge",), ("payment",)]
    assert query(home, "SELECT number, closing = owed FROM orders_creditstatement, orders_creditaccount") == [
        ("CS-1-001", 1)
    ]
    unfit = "SELECT o.state, p.captured_amount < o.total FROM orders_payment p JOIN orders_order o ON o.id = p.order_id"
    assert query(home, f"{unfit} WHERE p.attention != '' ORDER BY o.state") == [("expired", 0), ("unpaid", 1)]
    # Two lines ended unused, and their customers get their money back; one faulty line was replaced for nothing.
    owed = "SELECT kind, state, count(*) FROM orders_refund GROUP BY 1, 2 ORDER BY 1"
    assert query(home, owed) == [("missing", "due", 3), ("returned", "due", 2)]
    replaced = "SELECT o.state, o.total, l.unit_price FROM orders_orderline l JOIN orders_order o ON o.id = l.order_id"
    assert query(home, f"{replaced} WHERE l.replaces_id IS NOT NULL") == [("completed", 0, 0)]
    # By card: one waits, two were paid, one of them is taken back by its bank; each call of the service is worked off.
    assert query(home, "SELECT state, count(*) FROM orders_payment WHERE method = 'card' GROUP BY 1 ORDER BY 1") == [
        ("captured", 2),
        ("pending", 1),
    ]
    assert query(home, "SELECT state, is_withdrawn FROM orders_dispute") == [("open", 1)]
    assert query(home, "SELECT count(*) FROM orders_paymentdelivery WHERE state IN ('new', 'parked')") == [(0,)]
    kinds = "SELECT kind, period_days, count(*) FROM orders_orderline WHERE kind != 'esim' OR period_days GROUP BY 1, 2"
    assert query(home, f"{kinds} ORDER BY 1") == [("activation", None, 4), ("esim", 8, 1), ("top_up", None, 2)]
    # A customer without an address is told nothing, and that shows.
    not_sent = "SELECT DISTINCT c.name, n.error FROM orders_notification n JOIN customers_customer c"
    assert query(home, f"{not_sent} ON c.id = n.customer_id WHERE n.state = 'skipped'") == [
        ("Sofia Rossi", "The customer has no e-mail address.")
    ]
    # The refused form waits, with its field, for a person; nothing personal is kept of those that were sent.
    forms = "SELECT p.state, p.error_code, f.payload IS NULL FROM orders_activation f JOIN orders_purchase p"
    assert query(home, f"{forms} ON p.order_line_id = f.order_line_id ORDER BY 1") == [
        ("allocating", "", 1),
        ("fulfilled", "", 1),
        ("held", "287", 0),
        ("rejected", "310", 1),
    ]
    assert query(home, "SELECT applied, unmatched, faulty FROM orders_completionimport") == [(2, 1, 0)]


def check_lines(home: Path) -> None:
    """Lines in many states; every eSIM that a provider sold is on one line here, or its purchase tells why not."""
    states = "SELECT DISTINCT e.state FROM esims_esim e JOIN providers_provideraccount a ON a.id = e.account_id"
    found = {
        slug: {state for (state,) in query(home, f"{states} WHERE a.slug = '{slug}'")}
        for slug in ("esim-access", "esimfx", "freebit")
    }
    access = {"downloaded", "installed", "active", "suspended", "depleted", "cancelled", "terminated", "expired"}
    assert found["esim-access"] == access
    assert found["esimfx"] == {"ready", "installed", "active", "expired", "terminated"}
    assert found["freebit"] == {"ready"}
    assert query(home, "SELECT count(*) FROM esims_esim WHERE state = 'suspended'") == [(2,)]
    assert query(home, "SELECT count(DISTINCT esim_id) FROM esims_usageday WHERE is_derived")[0][0] >= 10
    assert query(home, "SELECT count(DISTINCT esim_id) FROM esims_usageday WHERE NOT is_derived")[0][0] >= 10
    assert query(home, "SELECT kind, state, refunded FROM esims_lineaction ORDER BY kind") == [
        ("block", "confirmed", None),
        ("cancel", "confirmed", 1),
        ("revoke", "confirmed", 0),
        ("sms", "confirmed", None),
        ("suspend", "confirmed", None),
        ("suspend", "confirmed", None),
        ("terminate", "confirmed", 1),
    ]
    packages = "SELECT count(*) FROM esims_package GROUP BY esim_id HAVING count(*) > 1"
    assert query(home, packages) == [(2,), (2,)]

    booked = Counter((order["system"], ref) for order in read_books(home) for ref in order["refs"])
    # eSIMfx books a top-up as an order of the same eSIM.
    assert [system for (system, _ref), times in booked.items() if times > 1] == ["esimfx"]
    sold = set(booked)
    systems = {"esim-commerce": "commerce", "esim-commerce-sandbox": "commerce-sandbox", "esim-access": "access"}
    rows = query(
        home,
        "SELECT a.slug, provider_ref, eid FROM esims_esim e, providers_provideraccount a WHERE a.id = e.account_id",
    )
    lines = {(systems.get(slug, slug), eid if slug == "freebit" else ref) for slug, ref, eid in rows}
    assert len(lines) == len(rows)
    assert lines < sold
    # One bought in the portal, two whose answer was lost, one activation that waits, one that failed.
    assert sorted(system for system, _ref in sold - lines) == ["access", "commerce", "commerce", "freebit", "freebit"]
    (in_portal,) = [ref for system, ref in sold - lines if system == "access"]
    assert query(home, "SELECT kind, state, amount FROM orders_difference ORDER BY kind")[0] == ("balance", "open", 250)
    assert query(home, "SELECT state, key FROM orders_difference WHERE kind != 'balance'") == [("open", in_portal)]


def check_wholesalers(home: Path) -> None:
    """Catalogues side by side, calls that came, balances that fell, a mark that one of them is below."""
    plans = "SELECT a.slug, count(*) FROM catalog_plan p JOIN providers_provideraccount a ON a.id = p.account_id"
    catalogue = dict(query(home, f"{plans} WHERE p.retail_price > 0 AND p.kind != 'top_up' GROUP BY 1"))
    assert catalogue == {
        "esim-commerce": 400,
        "esim-commerce-sandbox": 400,
        "esim-access": 300,
        "esimfx": 250,
        "freebit": 3,
    }
    per_account = "SELECT DISTINCT a.slug, d.word FROM providers_webhookdelivery d JOIN providers_provideraccount a"
    came = query(home, f"{per_account} ON a.id = d.account_id WHERE d.state = 'applied' ORDER BY 1, 2")
    assert {("esim-access", "ORDER_STATUS"), ("esim-access", "SMDP_EVENT"), ("esim-access", "ESIM_STATUS")} < set(came)
    assert ("esimfx", "ACTIVATION") in came
    assert query(home, "SELECT word FROM providers_webhookdelivery WHERE state = 'not_understood'") == [
        ("PROFILE_MIGRATION",)
    ]
    assert query(home, "SELECT count(*) FROM providers_webhookdelivery WHERE state IN ('new', 'parked')") == [(0,)]
    in_the_books = {
        "esim-access": Decimal(read_simulator(home, "access/account")["balance"]) / 10_000,
        "esimfx": Decimal(read_simulator(home, "esimfx/account")["balance"]),
    }
    for slug, opening, is_low in (("esim-access", "100", True), ("esimfx", "400", False)):
        readings = query(
            home,
            "SELECT amount, low_balance FROM providers_balancereading b JOIN providers_provideraccount a"
            f" ON a.id = b.account_id WHERE a.slug = '{slug}' ORDER BY b.at",
        )
        amounts = [Decimal(str(amount)) for amount, _mark in readings]
        assert len(amounts) >= 3
        assert len(set(amounts)) == len(amounts)
        assert (amounts[0], amounts[-1]) == (Decimal(opening), in_the_books[slug])
        # Sales cost. Only a line that is given back raises it, where the clock's reading fell in between.
        rises = sum(max(later - earlier, Decimal(0)) for earlier, later in pairwise(amounts))
        given_back = query(
            home,
            "SELECT w.unit_cost FROM esims_lineaction l JOIN esims_esim e ON e.id = l.esim_id"
            " JOIN providers_provideraccount a ON a.id = e.account_id JOIN orders_purchasedesim d ON d.esim_id = e.id"
            " JOIN orders_purchase p ON p.id = d.purchase_id JOIN orders_orderline w ON w.id = p.order_line_id"
            f" WHERE l.refunded AND a.slug = '{slug}'",
        )
        # A purchase of the same moment takes some of that away again.
        deposited = 250 if slug == "esimfx" else 0
        assert 0 <= rises - deposited <= sum(Decimal(str(cost)) for (cost,) in given_back)
        assert (amounts[-1] < readings[-1][1]) is is_low
    assert query(home, "SELECT count(*) FROM providers_accounttask WHERE state != 'done'") == [(0,)]
    assert query(home, "SELECT count(*) FROM django_q_task WHERE NOT success") == [(0,)]


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
