"""What came of a sent order is kept, whatever the database and the provider's headers are like."""

from typing import Any

import pytest
from django.db import OperationalError
from pytest_django import Settings

from orders import purchasing
from orders.applying import apply_verdict
from orders.models import Purchase, PurchaseAttempt
from orders.purchasing import run_purchase
from tests.orders.fakes import Wholesaler
from tests.orders.making import make_purchase

pytestmark = pytest.mark.django_db


def buy(purchase: Purchase) -> Purchase:
    run_purchase(purchase_id=purchase.pk)
    return Purchase.objects.get(pk=purchase.pk)


def test_headers_cost_no_reply(wholesaler: Wholesaler, settings: Settings) -> None:
    settings.PROVIDERS = {"fake": {**settings.PROVIDERS["fake"], "key_secret": "our-own-key-1"}}
    wholesaler.headers = {"X-Odd": "a\x00b", "X-Echo": "key our-own-key-1", "X-Auth-Token": "t0ken"}
    assert buy(make_purchase()).state == "fulfilled"
    assert PurchaseAttempt.objects.get().headers == {
        "Content-Type": "application/json",
        "X-Odd": "a\ufffdb",
        "X-Echo": "key [redacted]",
    }


def test_certainty_outlives_a_busy_database(wholesaler: Wholesaler, monkeypatch: pytest.MonkeyPatch) -> None:
    """ "Nothing was sent" is worth as much waiting as a reply is: unwritten it becomes "no answer came"."""
    busy = iter([OperationalError("database is locked")] * 3)

    def apply_when_free(**words: Any) -> Purchase:
        for failure in busy:
            raise failure
        return apply_verdict(**words)

    monkeypatch.setattr(purchasing, "_WRITE_WAITS", (0.0,) * 3)
    monkeypatch.setattr(purchasing, "close_old_connections", lambda: None)
    monkeypatch.setattr(purchasing, "apply_verdict", apply_when_free)
    wholesaler.plan_orders("not_sent")
    purchase = buy(make_purchase())
    assert (purchase.state, purchase.failures_in_row) == ("planned", 1)
    assert wholesaler.sales == []


def test_reply_that_cannot_be_stored_leaves_its_handle(
    wholesaler: Wholesaler, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_args: object) -> None:
        raise OperationalError("the server is gone")

    monkeypatch.setattr(purchasing, "_WRITE_WAITS", (0.0,))
    monkeypatch.setattr(purchasing, "close_old_connections", lambda: None)
    monkeypatch.setattr(purchasing, "write_reply", fail)
    with pytest.raises(OperationalError):
        buy(make_purchase())
    lost = [record.msg for record in caplog.records if "reply_lost" in str(record.msg)]
    assert len(lost) == 1
    assert "tx-0001" in str(lost[0])
    assert Purchase.objects.get().state == "sending"
