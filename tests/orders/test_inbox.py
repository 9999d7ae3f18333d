"""Providers' calls: taken in at once, once, from nobody else, and followed without being believed."""

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.core.exceptions import PermissionDenied
from django.db import connection
from django.http import HttpResponse
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from pytest_django import Settings

from esims.models import Esim, Package
from esims.refresh import refresh_line
from orders.inbox import RetryRefused, drain_inbox, retry_delivery
from orders.models import Purchase, Refund
from orders.pruning import prune_old_rows
from orders.purchasing import run_purchase
from orders.waking import WAKE_UPS
from providers import registry
from providers.models import ProviderAccount, ProviderCall, WebhookDelivery
from providers.types import LineSnapshot, Priority
from tests.esims.making import make_customer, make_line, make_snapshot
from tests.orders import fakes_webhooks
from tests.orders.fakes_lines import Allocator
from tests.orders.fakes_webhooks import SECRET, CallingProvider
from tests.orders.making import make_due, make_fake_account, make_fake_plan, make_purchase, make_user

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def account(allocator: Allocator, monkeypatch: pytest.MonkeyPatch, settings: Settings) -> Iterator[ProviderAccount]:
    del allocator
    monkeypatch.setattr(registry, "ADAPTERS", {**registry.ADAPTERS, **fakes_webhooks.ADAPTERS})
    settings.PROVIDERS = {**settings.PROVIDERS, **fakes_webhooks.ACCOUNTS}
    yield make_fake_account("fake-calls")


def call(document: Any, *, token: str = SECRET, path: str = "/hooks/fake-calls/", **options: Any) -> Any:
    body = document if isinstance(document, bytes) else json.dumps(document).encode()
    response: HttpResponse | Any = Client().post(
        path, data=body, content_type="application/json", headers={"token": token, **options}
    )
    return response


def deliver(document: Any) -> WebhookDelivery:
    """One delivery, taken in and worked off."""
    assert call(document).status_code == 200
    drain_inbox()
    return WebhookDelivery.objects.latest("pk")


def make_bought_line() -> Esim:
    purchase = make_purchase("fake-calls", 1)
    run_purchase(purchase_id=purchase.pk)
    run_purchase(purchase_id=make_due(purchase).pk)
    line = Esim.objects.get(purchased__purchase=purchase)
    later = timezone.now().replace(year=2099)
    Esim.objects.filter(pk=line.pk).update(next_refresh_at=later, next_usage_at=later, order_ref="B0001")
    return Esim.objects.get(pk=line.pk)


def is_due(name: str) -> bool:
    return Esim.objects.filter(**{f"{name}__lte": timezone.now()}).exists()


# -- taking in ---------------------------------------------------------------------------------------------------------


def test_delivery_is_stored_before_anything_else_and_nobody_is_called() -> None:
    line = make_bought_line()
    ProviderCall.objects.all().delete()
    response = call({"id": "n1", "kind": "line_changed", "ref": line.provider_ref})
    assert (response.status_code, response.content) == (200, b"")
    row = WebhookDelivery.objects.get()
    assert (row.key, row.state, row.attempts, row.repeats) == ("n1", "new", 0, 0)
    assert json.loads(bytes(row.body or b""))["ref"] == line.provider_ref
    assert not is_due("next_refresh_at")
    assert not ProviderCall.objects.exists()
    assert WAKE_UPS["inbox"].is_due()


def test_body_is_encrypted_at_rest() -> None:
    call({"id": "n1", "kind": "usage", "iccid": "8985200026321365534"})
    with connection.cursor() as cursor:
        cursor.execute("SELECT body FROM providers_webhookdelivery")
        assert "8985200026321365534" not in cursor.fetchone()[0]


def test_repetition_is_counted_and_answered_alike() -> None:
    for _ in range(3):
        assert call({"id": "n1", "kind": "health_check"}).status_code == 200
    row = WebhookDelivery.objects.get()
    assert (row.repeats, row.state) == (2, "new")


def test_same_words_later_are_followed_again() -> None:
    """Without an id of its own a later event looks like a repetition of the first."""
    line, later = make_bought_line(), timezone.now().replace(year=2099)
    for repeats in range(2):
        call({"id": "n1", "kind": "line_changed", "ref": line.provider_ref})
        assert drain_inbox() == 1
        row = WebhookDelivery.objects.get()
        assert (row.repeats, row.state, row.attempts) == (repeats, "applied", 1)
        assert is_due("next_refresh_at")
        Esim.objects.update(next_refresh_at=later)
    assert drain_inbox() == 0


@pytest.mark.parametrize(
    ("path", "token"),
    [
        ("/hooks/fake-calls/", "wrong"),
        ("/hooks/fake-calls/", ""),
        ("/hooks/no-such-account/", SECRET),
        ("/hooks/fake-slow/", SECRET),  # takes no webhooks
        ("/hooks/esim-commerce/", SECRET),  # not configured
    ],
)
def test_strangers_learn_nothing_and_leave_nothing(path: str, token: str) -> None:
    assert call({"id": "n1", "kind": "usage"}, path=path, token=token).status_code == 404
    assert not WebhookDelivery.objects.exists()


def test_only_post_is_taken() -> None:
    assert Client().get("/hooks/fake-calls/", headers={"token": SECRET}).status_code == 405
    assert not WebhookDelivery.objects.exists()


def test_body_that_is_too_long_is_refused_unread() -> None:
    assert call(b"x" * (256 * 1024 + 1)).status_code == 413
    assert not WebhookDelivery.objects.exists()


def test_sender_is_believed_only_as_far_as_our_own_proxies_say(settings: Settings) -> None:
    forged = {"X-Forwarded-For": "203.0.113.9, 198.51.100.7"}
    assert call({"id": "n1", "kind": "usage"}, **forged).status_code == 200
    settings.TRUSTED_PROXY_HOPS = 1
    assert call({"id": "n2", "kind": "usage"}, **forged).status_code == 200
    settings.TRUSTED_PROXY_HOPS = 2
    assert call({"id": "n3", "kind": "usage"}, **forged).status_code == 404
    rows = WebhookDelivery.objects.order_by("pk").values_list("key", "address")
    assert list(rows) == [("n1", "127.0.0.1"), ("n2", "198.51.100.7")]


def test_taking_one_in_costs_a_handful_of_statements() -> None:
    with CaptureQueriesContext(connection) as queries:
        call({"id": "n1", "kind": "usage"})
    assert len(queries) <= 4


def test_call_that_comes_while_its_line_is_read_is_not_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    """The provider had answered before: the line is read once more."""
    line, calls, real = make_bought_line(), list[str](), CallingProvider.read_line

    def read_line(self: CallingProvider, provider_ref: str, **how: Any) -> LineSnapshot:
        answer = real(self, provider_ref, **how)
        if not calls:
            calls.append(deliver({"id": "n1", "kind": "line_changed", "ref": provider_ref}).note)
        return answer

    monkeypatch.setattr(CallingProvider, "read_line", read_line)
    refresh_line(esim_id=line.pk, priority=Priority.PEOPLE, by="test")
    assert (calls, is_due("next_refresh_at")) == (["1 to be read again"], True)
    refresh_line(esim_id=line.pk, priority=Priority.PEOPLE, by="test")
    assert not is_due("next_refresh_at")


# -- following ---------------------------------------------------------------------------------------------------------


def test_order_that_allocates_is_asked_for_at_once(allocator: Allocator) -> None:
    allocator.pending = 5
    purchase = make_purchase("fake-calls", 1)
    run_purchase(purchase_id=purchase.pk)
    Purchase.objects.update(next_attempt_at=timezone.now().replace(year=2099))
    row = deliver({"id": "n1", "kind": "order_ready", "order": "B0001"})
    assert (row.state, row.kind, row.word) == ("applied", "order_ready", "ORDER_READY")
    purchase = Purchase.objects.get()
    assert purchase.next_attempt_at is not None
    assert (purchase.state, purchase.next_attempt_at <= timezone.now()) == ("allocating", True)


@pytest.mark.parametrize(
    ("state", "note"),
    [
        ("held", "names an order that was given up: a person is asked"),
        ("rejected", "names an order that was given up: a person is asked"),
        ("cancelled", "names an order that was given up: a person is asked"),
        ("short", "names an order that was given up: a person is asked"),
        ("planned", "names an order that is settled or under way"),
        ("fulfilled", "names an order that is settled or under way"),
    ],
)
@pytest.mark.parametrize("names", [{"order": "B0001"}, {"key": "ours"}])
def test_order_that_nobody_waits_for_stays_as_it_is(state: str, note: str, names: dict[str, str]) -> None:
    """A person is asked where it was given up: the provider sold it all the same."""
    purchase = make_purchase("fake-calls", 1)
    is_given_up = "given up" in note
    due = None if state != "planned" else purchase.next_attempt_at
    Purchase.objects.update(state=state, transaction_id="B0001", next_attempt_at=due)
    if "key" in names:
        names = {"key": purchase.idempotency_key}
    row = deliver({"id": "n1", "kind": "order_ready", **names})
    assert (row.state, row.note) == ("applied" if is_given_up else "ignored", note)
    purchase.refresh_from_db()
    number = names.get("order", purchase.idempotency_key)
    word = f"The provider's call names this order ({number}): it may have been bought."
    assert (purchase.state, purchase.next_attempt_at) == (state, due)
    assert purchase.attention == (word if is_given_up else "")
    # Told again it is not written twice.
    deliver({"id": "n2", "kind": "order_ready", **names})
    purchase.refresh_from_db()
    assert purchase.attention == (word if is_given_up else "")
    assert not Refund.objects.exists()


def test_order_of_unknown_outcome_is_looked_for_again(allocator: Allocator) -> None:
    """By our key; nothing is believed of the call but that it is worth a question."""
    allocator.orders_todo.append("lost_after")
    purchase = make_purchase("fake-calls", 2)
    run_purchase(purchase_id=purchase.pk)
    Purchase.objects.update(state="unknown", next_attempt_at=None)
    row = deliver({"id": "n1", "kind": "order_ready", "key": purchase.idempotency_key})
    assert (row.state, row.note) == ("applied", "1 to be read again")
    purchase.refresh_from_db()
    assert (purchase.state, purchase.attention) == ("allocating", "")
    run_purchase(purchase_id=purchase.pk)
    purchase.refresh_from_db()
    assert (purchase.state, Esim.objects.count(), len(allocator.sales)) == ("fulfilled", 2, 1)


@pytest.mark.parametrize(("key", "kept"), [("ours", "B0001"), ("", ""), ("a stranger's", "")])
def test_number_is_kept_only_where_it_comes_with_our_key(allocator: Allocator, key: str, kept: str) -> None:
    del allocator
    purchase = make_purchase("fake-calls", 1)
    key = purchase.idempotency_key if key == "ours" else key
    Purchase.objects.update(state="unknown", next_attempt_at=None, first_sent_at=timezone.now())
    deliver({"id": "n1", "kind": "order_ready", "order": "B0001", "key": key})
    purchase.refresh_from_db()
    assert (purchase.transaction_id, purchase.state) == (kept, "allocating" if kept else "unknown")


def test_calls_about_lines_that_are_here_are_no_news_of_a_given_up_order() -> None:
    line = make_bought_line()
    Purchase.objects.update(state="short")
    Esim.objects.update(order_ref="B0001")
    row = deliver({"id": "n1", "kind": "usage", "ref": line.provider_ref, "order": "B0001"})
    assert (row.note, Purchase.objects.get().attention) == ("1 to be read again", "")


def test_line_is_read_again_by_its_reference() -> None:
    line = make_bought_line()
    assert deliver({"id": "n1", "kind": "line_changed", "ref": line.provider_ref}).state == "applied"
    assert (is_due("next_refresh_at"), is_due("next_usage_at")) == (True, False)


def test_only_the_use_is_read_where_only_the_use_moved() -> None:
    line = make_bought_line()
    deliver({"id": "n1", "kind": "usage", "ref": line.provider_ref})
    assert (is_due("next_refresh_at"), is_due("next_usage_at")) == (False, True)


@pytest.mark.parametrize(
    "names",
    [
        {"order": "B0001", "iccid": "8985200026321365534"},
        {"order": "B0001"},
        {"iccid": "8985200026321365534"},
        {"order": "TOP-1", "iccid": "8985200026321365534"},
    ],
)
def test_line_is_found_by_whatever_is_named(names: dict[str, str]) -> None:
    line = make_bought_line()
    Package.objects.create(esim=line, kind="top_up", name="more", data_period="total", order_ref="TOP-1")
    assert deliver({"id": "n1", "kind": "validity", **names}).state == "applied"
    assert is_due("next_refresh_at")


def test_iccid_that_was_given_twice_means_the_newest_line() -> None:
    old = make_bought_line()
    Esim.objects.filter(pk=old.pk).update(order_ref="B0000")
    new = make_bought_line()
    assert old.iccid == new.iccid
    deliver({"id": "n1", "kind": "validity", "iccid": new.iccid})
    due = Esim.objects.filter(next_refresh_at__lte=timezone.now())
    assert [line.pk for line in due] == [new.pk]


def test_each_of_many_events_finds_its_own_line() -> None:
    """Named one by one or all at once, by whatever names them: the same lines are read again."""
    plan, customer, account = make_fake_plan("fake-calls"), make_customer(), make_fake_account("fake-calls")
    named = {
        "by order and iccid": {"order": "B1", "iccid": "8985200026321360001"},
        "by a package's order": {"order": "TOP-2", "iccid": "8985200026321360099"},
        "by iccid, of an order that is nobody's": {"order": "B9", "iccid": "8985200026321360003"},
        "by order": {"order": "B4"},
    }
    for number in range(1, 7):
        snapshot = make_snapshot(f"26000000000{number}", iccid=f"898520002632136000{number}", order_ref=f"B{number}")
        esim = make_line(snapshot, account=account, plan=plan, customer=customer)
        Package.objects.create(esim=esim, kind="top_up", name="x", data_period="total", order_ref=f"TOP-{number}")
    # Of the same order as the first, with another ICCID, and one of another account's with the package's order.
    Esim.objects.filter(provider_ref="260000000006").update(order_ref="B1")
    other = make_line(make_snapshot("1"), account=make_fake_account("fake-slow"), plan=plan, customer=customer)
    Package.objects.create(esim=other, kind="top_up", name="x", data_period="total", order_ref="TOP-2")
    Esim.objects.update(next_refresh_at=timezone.now() + timedelta(days=9))
    for number, names in enumerate(named.values()):
        assert call({"id": f"n{number}", "kind": "validity", **names}).status_code == 200
    assert drain_inbox() == 4
    assert {row.state for row in WebhookDelivery.objects.all()} == {"applied"}
    due = Esim.objects.filter(next_refresh_at__lte=timezone.now()).order_by("pk").values_list("provider_ref", flat=True)
    assert [ref[-1] for ref in due] == ["1", "2", "3", "4"]
    assert "260000000002" in due


def test_an_order_of_very_many_lines_wakes_some_of_them() -> None:
    plan, customer, account = make_fake_plan("fake-calls"), make_customer(), make_fake_account("fake-calls")
    for number in range(52):
        make_line(make_snapshot(f"2600000000{number:02d}"), account=account, plan=plan, customer=customer)
    Esim.objects.update(next_refresh_at=timezone.now() + timedelta(days=9), order_ref="B1")
    assert deliver({"id": "n1", "kind": "validity", "order": "B1"}).note == "50 to be read again"
    assert Esim.objects.filter(next_refresh_at__lte=timezone.now()).count() == 50


def test_line_of_another_account_is_not_touched() -> None:
    line = make_bought_line()
    Esim.objects.update(account=make_fake_account("fake-slow"))
    assert (
        deliver({"id": "n1", "kind": "line_changed", "ref": line.provider_ref, "iccid": line.iccid}).state == "ignored"
    )
    assert not is_due("next_refresh_at")


def test_line_that_has_ended_is_not_read_again() -> None:
    line = make_bought_line()
    Esim.objects.update(state="expired", next_refresh_at=None)
    assert deliver({"id": "n1", "kind": "line_changed", "ref": line.provider_ref}).state == "ignored"
    assert Esim.objects.get().next_refresh_at is None


@pytest.mark.parametrize(
    ("document", "state", "word"),
    [
        ({"id": "n1", "kind": "health_check", "order": "1234567890"}, "ignored", "tried whether we answer"),
        ({"id": "n1", "kind": "usage", "ref": "999"}, "ignored", "nothing of ours"),
        ({"id": "n1", "kind": "something_new"}, "not_understood", "unknown event"),
        (b"<html>", "not_understood", "cannot be read"),
        (b"[1]", "not_understood", "cannot be read"),
    ],
)
def test_what_asks_for_nothing_is_kept_with_a_word(document: Any, state: str, word: str) -> None:
    row = deliver(document)
    assert (row.state, word in row.note, row.next_attempt_at) == (state, True, None)


def test_unknown_event_that_names_a_line_is_followed_and_shown() -> None:
    line = make_bought_line()
    row = deliver({"id": "n1", "kind": "something_new", "ref": line.provider_ref})
    assert (row.state, row.note) == ("not_understood", "an unknown event; 1 to be read again")
    assert is_due("next_refresh_at")


def test_each_distinct_delivery_is_worked_off_once_in_any_order() -> None:
    line = make_bought_line()
    documents = [{"id": f"n{number}", "kind": "line_changed", "ref": line.provider_ref} for number in range(120)]
    for document in reversed(documents + documents[:12]):
        call(document)
    assert drain_inbox() == 120
    assert drain_inbox() == 0
    rows = WebhookDelivery.objects.all()
    assert (rows.count(), rows.filter(state="applied", attempts=1).count()) == (120, 120)
    assert sum(rows.values_list("repeats", flat=True)) == 12


# -- poison ------------------------------------------------------------------------------------------------------------


def test_poison_is_parked_after_some_tries_and_harms_no_other() -> None:
    line = make_bought_line()
    call({"id": "bad", "kind": "crash"})
    call({"id": "good", "kind": "line_changed", "ref": line.provider_ref})
    for _ in range(5):
        WebhookDelivery.objects.filter(next_attempt_at__isnull=False).update(next_attempt_at=timezone.now())
        drain_inbox()
    bad, good = (WebhookDelivery.objects.get(key=key) for key in ("bad", "good"))
    assert (bad.state, bad.attempts, bad.next_attempt_at) == ("parked", 5, None)
    assert "KeyError" in bad.note
    assert "SECRET" not in bad.note
    assert (good.state, good.attempts) == ("applied", 1)


def test_parked_delivery_is_tried_again_by_a_person_who_may() -> None:
    row = deliver({"id": "n1", "kind": "something_new"})
    with pytest.raises(PermissionDenied):
        retry_delivery(delivery=row, by=make_user("orders.sell"))
    assert WebhookDelivery.objects.get().state == "not_understood"
    staff = make_user("providers.handle_delivery")
    retry_delivery(delivery=row, by=staff)
    with pytest.raises(RetryRefused):
        retry_delivery(delivery=row, by=staff)
    assert drain_inbox() == 1


def test_delivery_waits_for_an_account_that_is_not_configured(settings: Settings) -> None:
    call({"id": "n1", "kind": "usage"})
    settings.PROVIDERS = {slug: values for slug, values in settings.PROVIDERS.items() if slug != "fake-calls"}
    drain_inbox()
    row = WebhookDelivery.objects.get()
    assert (row.state, row.attempts, row.note) == ("new", 1, "the account is not configured")
    assert row.next_attempt_at is not None
    assert row.next_attempt_at > timezone.now()


def test_what_was_worked_off_goes_after_its_time_and_what_waits_stays() -> None:
    deliver({"id": "done", "kind": "health_check"})
    deliver({"id": "waits", "kind": "something_new"})
    WebhookDelivery.objects.update(received_at=timezone.now() - timedelta(days=91))
    deliver({"id": "young", "kind": "health_check"})
    assert prune_old_rows()["deliveries"] == 1
    assert set(WebhookDelivery.objects.values_list("key", flat=True)) == {"waits", "young"}
