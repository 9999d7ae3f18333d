"""A flood of deliveries: each distinct one applied once, no account in another's way, and orders not in theirs.

``FLOOD_SIZE`` is the number of calls (CI: 1,100; what is promised: 10,000), a tenth of them repetitions.
"""

import json
import os
import random
import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from functools import partial
from typing import Any

import pytest
from django.db import connection, connections
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from esims.models import Esim, LineEvent
from orders import hints, inbox
from orders.inbox import drain_inbox
from providers import registry
from providers.models import ProviderAccount, ProviderCall, WebhookDelivery
from tests.esims.making import make_customer, make_line, make_snapshot
from tests.orders import fakes_webhooks
from tests.orders.fakes_lines import Allocator
from tests.orders.fakes_webhooks import SECRET, CallingProvider
from tests.orders.making import make_fake_account, make_fake_plan

CALLS = int(os.environ.get("FLOOD_SIZE", "1100"))
LINES, CALLERS, WORKERS = 41, 3, 3
FAR = datetime(2099, 1, 1, tzinfo=UTC)
KINDS = ("line_changed", "usage", "validity")


@pytest.fixture(autouse=True)
def account(allocator: Allocator, monkeypatch: pytest.MonkeyPatch, settings: Settings) -> ProviderAccount:
    del allocator
    monkeypatch.setattr(registry, "ADAPTERS", {**registry.ADAPTERS, **fakes_webhooks.ADAPTERS})
    settings.PROVIDERS = {**settings.PROVIDERS, **fakes_webhooks.ACCOUNTS}
    return make_fake_account("fake-calls")


@pytest.fixture
def worked_off(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How often each delivery was read by a worker, by its key."""
    counted: Counter[str] = Counter()
    lock = threading.Lock()
    read = CallingProvider._read_webhook

    def count(self: CallingProvider, body: bytes) -> Any:
        with lock:
            counted[json.loads(body)["id"]] += 1
        return read(self, body)

    monkeypatch.setattr(CallingProvider, "_read_webhook", count)
    return counted


def post(document: dict[str, str], client: Client | None = None) -> None:
    response = (client or Client()).post(
        "/hooks/fake-calls/", data=json.dumps(document), content_type="application/json", headers={"token": SECRET}
    )
    assert (response.status_code, response.content) == (200, b"")


def make_lines(account: ProviderAccount) -> list[str]:
    plan, customer = make_fake_plan("fake-calls"), make_customer()
    refs = [f"2600000000{number:04d}" for number in range(LINES)]
    for ref in refs:
        make_line(make_snapshot(ref), account=account, plan=plan, customer=customer)
    Esim.objects.update(next_refresh_at=FAR, next_usage_at=FAR)
    return refs


def in_thread(work: Callable[[], object]) -> object:
    try:
        return work()
    finally:
        connections.close_all()


@pytest.mark.django_db(transaction=True)
def test_each_distinct_delivery_of_a_flood_is_applied_once(account: ProviderAccount, worked_off: Counter[str]) -> None:
    """Shuffled calls of several callers at once, while several workers drain; then repetitions of what is done."""
    refs = make_lines(account)
    events = LineEvent.objects.count()
    chance = random.Random(CALLS)
    again = CALLS // 10
    # Of the last line nothing is told.
    documents = [
        {"id": f"n{number}", "kind": KINDS[number % 3], "ref": refs[number % (LINES - 1)]}
        for number in range(CALLS - again)
    ]
    repeated = chance.sample(documents, again)
    late, early = repeated[: again // 4], repeated[again // 4 :]
    calls = documents + early
    chance.shuffle(calls)
    begun, over = timezone.now(), threading.Event()

    def call(part: list[dict[str, str]]) -> None:
        client = Client()
        for document in part:
            post(document, client)

    def drain() -> int:
        done = 0
        while not over.is_set():
            done += drain_inbox(seconds=60)
            over.wait(0.02)
        return done + drain_inbox(seconds=60)

    with ThreadPoolExecutor(CALLERS + WORKERS) as pool:
        workers = [pool.submit(in_thread, drain) for _ in range(WORKERS)]
        callers = [pool.submit(in_thread, partial(call, calls[at::CALLERS])) for at in range(CALLERS)]
        try:
            for caller in callers:
                caller.result()
        finally:
            over.set()
        done = sum(int(str(worker.result())) for worker in workers)

    assert not WebhookDelivery.objects.exclude(state="applied", attempts=1, next_attempt_at=None).exists()
    assert WebhookDelivery.objects.count() == len(documents)
    told = dict(WebhookDelivery.objects.values_list("key", "repeats"))
    assert told == {**dict.fromkeys((one["id"] for one in documents), 0), **dict.fromkeys((o["id"] for o in early), 1)}
    # Once each. One that was called again is followed again only where the first was done before.
    assert sum(worked_off.values()) == done
    assert {key: count for key, count in worked_off.items() if count > 1 + told[key]} == {}
    assert set(worked_off) == set(told)
    # Each line is due for what was told of it, however often; not one was read, nothing was entered.
    due = Esim.objects.filter(next_refresh_at__range=(begun, timezone.now()))
    assert sorted(due.values_list("provider_ref", flat=True)) == refs[:-1]
    assert Esim.objects.filter(next_usage_at__range=(begun, timezone.now())).count() == LINES - 1
    assert Esim.objects.get(provider_ref=refs[-1]).next_refresh_at == FAR
    assert (LineEvent.objects.count(), ProviderCall.objects.count()) == (events, 0)

    # What is done is called again: counted, followed once more, and nothing else changes.
    worked_off.clear()
    for document in late:
        post(document)
    assert drain_inbox() == len(late) == sum(worked_off.values())
    assert dict(worked_off) == {one["id"]: 1 for one in late}
    assert not WebhookDelivery.objects.exclude(state="applied", attempts=1).exists()
    assert sum(WebhookDelivery.objects.values_list("repeats", flat=True)) == again


@pytest.mark.django_db(transaction=True)
def test_repetition_that_comes_while_the_first_is_worked_off_is_followed(
    account: ProviderAccount, worked_off: Counter[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (ref, *_others) = make_lines(account)
    document = {"id": "n1", "kind": "line_changed", "ref": ref}
    post(document)
    callers: list[threading.Thread] = []
    follow = hints.follow_hints

    def call_in_between(**given: Any) -> Any:
        answers = follow(**given)
        if not callers:
            callers.append(threading.Thread(target=lambda: in_thread(lambda: post(document))))
            callers[0].start()
            # It waits at the door for the end of this transaction.
            callers[0].join(0.3)
        return answers

    monkeypatch.setattr(inbox, "follow_hints", call_in_between)
    drained = drain_inbox()
    callers[0].join()
    drained += drain_inbox()
    row = WebhookDelivery.objects.get()
    assert (row.state, row.attempts, row.repeats, drained, worked_off["n1"]) == ("applied", 1, 1, 2, 2)


@pytest.mark.django_db
def test_flood_of_one_account_keeps_no_other_waiting(account: ProviderAccount, settings: Settings) -> None:
    settings.PROVIDERS = {**settings.PROVIDERS, "fake-other": settings.PROVIDERS["fake-calls"]}
    other = ProviderAccount.objects.create(slug="fake-other", adapter="fake-calls", name="Other")
    store(account, 150)
    store(other, 2)
    assert drain_inbox(give_way=lambda: True) == 52
    assert not WebhookDelivery.objects.filter(account=other, state="new").exists()
    assert WebhookDelivery.objects.filter(account=account, state="new").count() == 100
    assert drain_inbox() == 100


@pytest.mark.django_db
def test_flood_makes_room_as_soon_as_an_order_waits(account: ProviderAccount) -> None:
    store(account, 150)
    asked: list[int] = []

    def order_waits() -> bool:
        asked.append(WebhookDelivery.objects.filter(state="ignored").count())
        return len(asked) == 2

    assert drain_inbox(give_way=order_waits) == 100
    assert asked == [50, 100]


@pytest.mark.django_db
def test_poison_among_many_harms_no_other(account: ProviderAccount, monkeypatch: pytest.MonkeyPatch) -> None:
    """One fails while it is read, one while it is followed, one cannot be decrypted any more."""
    (ref, *_others) = make_lines(account)
    store(account, 30, ref=ref)
    post({"id": "unread", "kind": "crash"})
    post({"id": "unfollowed", "kind": "line_changed", "ref": ref, "order": "POISON"})
    store(account, 30, ref=ref, first=30)
    with connection.cursor() as cursor:
        cursor.execute("UPDATE providers_webhookdelivery SET body = 'not ours' WHERE key = 'n7'")
    follow = hints.follow_hints

    def fail(**given: Any) -> Any:
        if any(hint.order_ref == "POISON" for hints in given["deliveries"] for hint in hints):
            raise ZeroDivisionError
        return follow(**given)

    monkeypatch.setattr(inbox, "follow_hints", fail)
    assert drain_inbox() == 62
    waiting = dict(WebhookDelivery.objects.filter(state="new", attempts=1).values_list("key", "note"))
    assert sorted(waiting) == ["n7", "unfollowed", "unread"]
    assert "KeyError" in waiting["unread"]
    assert "ZeroDivisionError" in waiting["unfollowed"]
    assert "FIELD_ENCRYPTION_KEYS" in waiting["n7"]
    assert WebhookDelivery.objects.filter(state="applied", attempts=1).count() == 59


@pytest.mark.django_db
def test_flood_is_worked_off_with_few_statements(account: ProviderAccount, django_assert_max_num_queries: Any) -> None:
    (ref, *_others) = make_lines(account)
    store(account, 100, ref=ref)
    with django_assert_max_num_queries(40):
        assert drain_inbox() == 100


@pytest.mark.django_db
def test_names_that_are_nobodys_cost_no_statements_of_their_own(
    account: ProviderAccount, django_assert_max_num_queries: Any
) -> None:
    """Each names another order and ICCID, as one call with a long list may."""
    store(account, 100)
    for row in WebhookDelivery.objects.all():
        row.body = json.dumps({"kind": "usage", "order": f"X{row.pk}", "iccid": f"8985{row.pk:015d}"}).encode()
        row.save(update_fields=["body"])
    with django_assert_max_num_queries(40):
        assert drain_inbox() == 100
    assert set(WebhookDelivery.objects.values_list("state", "note")) == {("ignored", "names nothing of ours")}


def store(account: ProviderAccount, count: int, *, ref: str = "999", first: int = 0) -> None:
    """Deliveries that wait already."""
    now = timezone.now()
    WebhookDelivery.objects.bulk_create(
        WebhookDelivery(
            account=account,
            key=f"n{number}",
            received_at=now,
            next_attempt_at=now,
            body=json.dumps({"id": f"n{number}", "kind": "line_changed", "ref": ref}).encode(),
        )
        for number in range(first, first + count)
    )
