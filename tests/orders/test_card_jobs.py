"""The jobs about cards: a payment service that hangs has one worker, and what orders wait for goes first."""

from datetime import timedelta

import pytest
from django.utils import timezone
from pytest_django import Settings

from orders.models import Payment, PaymentDelivery, Wake
from orders.waking import WAKE_UPS, begin_job, run_wake_up, wake_due_jobs
from tests.orders.card_office import ask_for_card
from tests.orders.fakes import Wholesaler
from tests.orders.making import make_purchase
from tests.queue import Queue
from tests.simulator_cards import CardService

pytestmark = pytest.mark.django_db
JOBS = ("cards", "payment_inbox")


def make_both_due(cards: CardService) -> None:
    """Two payments to look at, and calls of the service about them."""
    for payment in (ask_for_card(), ask_for_card()):
        cards.pay(payment.intent_id)
    cards.bring_in("payment_intent.succeeded")
    Payment.objects.update(next_check_at=timezone.now())


def test_one_that_runs_is_not_asked_for_again(cards: CardService, queue: Queue) -> None:
    make_both_due(cards)
    assert wake_due_jobs() == ["payment_inbox", "cards"]
    for name in JOBS:
        begin_job(name)
    assert wake_due_jobs() == []
    # Its worker has died.
    Wake.objects.filter(name="cards").update(started_at=timezone.now() - timedelta(minutes=10))
    assert wake_due_jobs() == ["cards"]
    # A stamp far ahead is of a clock that was set back since.
    Wake.objects.filter(name="payment_inbox").update(started_at=timezone.now() + timedelta(hours=1))
    assert wake_due_jobs() == ["payment_inbox"]


def test_it_is_asked_for_again_when_it_has_ended_however(
    cards: CardService, queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_both_due(cards)
    run_wake_up("cards")
    Payment.objects.filter(state="captured").update(state="pending", next_check_at=timezone.now())
    assert "cards" in wake_due_jobs()

    def fail() -> bool:
        raise OSError("the disk is full")

    monkeypatch.setattr("orders.card.refunds.monotonic", fail)
    with pytest.raises(OSError, match="disk"):
        run_wake_up("cards")
    assert "cards" in wake_due_jobs()


@pytest.mark.parametrize(("is_waiting", "done"), [(False, 2), (True, 1)])
def test_an_order_that_is_due_ends_the_job_after_its_row(
    cards: CardService, wholesaler: Wholesaler, settings: Settings, is_waiting: bool, done: int
) -> None:
    for payment in (ask_for_card(), ask_for_card()):
        cards.decline(payment.intent_id)
    cards.bring_in("payment_intent.payment_failed")
    Payment.objects.update(next_check_at=timezone.now())
    if is_waiting:
        make_purchase()
    assert settings.QUEUES["orders"] == settings.QUEUES["webhooks"]
    WAKE_UPS["cards"].run()
    assert Payment.objects.filter(checks=1).count() == done
    WAKE_UPS["payment_inbox"].run()
    assert PaymentDelivery.objects.filter(state="applied").count() == done
