"""``manage.py drain_inbox``: every stored call worked off by hand, and an exit status that tells what is left."""

from collections.abc import Iterator
from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone
from pytest_django import Settings

from orders.models import Payment, PaymentDelivery, Purchase
from orders.purchasing import run_purchase
from providers import registry
from providers.models import WebhookDelivery
from tests.orders import fakes_webhooks
from tests.orders.card_office import ask_for_card
from tests.orders.fakes_lines import Allocator
from tests.orders.making import make_fake_account, make_purchase
from tests.orders.test_inbox import call
from tests.simulator_cards import CardService

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def account(allocator: Allocator, monkeypatch: pytest.MonkeyPatch, settings: Settings) -> Iterator[None]:
    del allocator
    monkeypatch.setattr(registry, "ADAPTERS", {**registry.ADAPTERS, **fakes_webhooks.ADAPTERS})
    settings.PROVIDERS = {**settings.PROVIDERS, **fakes_webhooks.ACCOUNTS}
    make_fake_account("fake-calls")
    yield


def run(*arguments: str) -> tuple[int, str, str]:
    """The exit status, what was printed, and the message of a failure."""
    out = StringIO()
    try:
        call_command("drain_inbox", *arguments, stdout=out, no_color=True)
    except CommandError as error:
        return error.returncode, out.getvalue(), str(error)
    return 0, out.getvalue(), ""


def states() -> list[str]:
    return list(WebhookDelivery.objects.order_by("pk").values_list("state", flat=True))


def bring(cards: CardService) -> Payment:
    """A call of the payment service about a payment that has come; it is stored, not worked off."""
    payment = ask_for_card()
    cards.pay(payment.intent_id)
    assert cards.knock(cards.list_events("payment_intent.succeeded")[0]) == 200
    return payment


def test_what_was_stored_is_worked_off_and_nothing_is_left(cards: CardService, allocator: Allocator) -> None:
    allocator.pending = 5
    run_purchase(purchase_id=make_purchase("fake-calls", 1).pk)
    Purchase.objects.update(next_attempt_at=timezone.now() + timedelta(days=1))
    call({"id": "n1", "kind": "order_ready", "order": "B0001"})
    payment = bring(cards)
    status, printed, failure = run()
    assert (status, failure) == (0, "")
    assert printed.splitlines() == [
        "1 calls worked off, 1 due",
        "2 calls worked off, 0 due",
        "2 calls worked off, nothing is due",
    ]
    assert (states(), PaymentDelivery.objects.get().state) == (["applied"], "applied")
    payment.refresh_from_db()
    assert payment.state == "captured"
    # What it named is due again; the command itself asks no wholesaler.
    due = Purchase.objects.get(state="allocating").next_attempt_at
    assert due is not None
    assert due <= timezone.now()
    assert run() == (0, "0 calls worked off, nothing is due\n", "")


def test_a_limit_leaves_the_rest(cards: CardService) -> None:
    for number in range(3):
        call({"id": f"n{number}", "kind": "health_check"})
    payment = bring(cards)
    status, printed, failure = run("--limit", "2")
    assert (status, failure) == (3, "2 calls worked off, 2 are still due")
    assert printed == "2 calls worked off, 2 due\n"
    assert states() == ["ignored", "ignored", "new"]
    assert run("--limit", "1")[0] == 3
    assert PaymentDelivery.objects.get().state == "new"
    payment.refresh_from_db()
    assert payment.state == "pending"
    assert run("--limit", "1")[0] == 0
    assert (states(), PaymentDelivery.objects.get().state) == (["ignored"] * 3, "applied")


def test_without_time_nothing_is_begun() -> None:
    call({"id": "n1", "kind": "health_check"})
    assert run("--seconds", "0") == (3, "", "0 calls worked off, 1 are still due")
    assert states() == ["new"]


def test_what_needs_a_person_is_another_status() -> None:
    call({"id": "n1", "kind": "something_new"})
    status, printed, failure = run()
    assert (status, failure) == (1, "1 calls wait for a person")
    assert printed.splitlines()[-1] == "1 calls worked off, nothing is due"
    assert states() == ["not_understood"]


def test_what_failed_waits_for_its_next_try_and_is_parked_at_last() -> None:
    call({"id": "n1", "kind": "crash"})
    status, printed, _failure = run()
    assert (status, printed.splitlines()[-1]) == (0, "1 calls worked off, nothing is due, 1 wait for a later try")
    for _ in range(4):
        WebhookDelivery.objects.update(next_attempt_at=timezone.now())
        status, _printed, failure = run()
    assert (status, failure, states()) == (1, "1 calls wait for a person", ["parked"])
