"""The queue of purchases, the decisions, and refunds: each asks first, and does once what it says."""

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import transaction
from django.utils import timezone

from esims.models import Esim, LineAction, LineEvent
from orders.attention import ask_for_look
from orders.models import Order, OrderEvent, Purchase, PurchaseAttempt, Refund
from orders.prospects import tell_prospects
from orders.purchasing import run_purchase
from orders.selectors.dashboard import read_dashboard
from orders.states import lock_purchase
from providers.models import ProviderAccount
from tests.orders.comparing import make_difference
from tests.orders.desk import DECIDER, buy, purchase_of, read_hidden, sign_in, sign_in_as
from tests.orders.fakes import Wholesaler
from tests.orders.making import make_due, make_purchase, make_user
from tests.pages import assert_clean_page
from tests.queue import Queue

pytestmark = pytest.mark.django_db(transaction=True)
P = Purchase.State


def make(behaviour: str, wholesaler: Wholesaler, quantity: int = 2, slug: str = "fake") -> Purchase:
    wholesaler.plan_orders(behaviour)
    return purchase_of(buy(quantity, slug))


def mark(purchase: Purchase) -> Purchase:
    with transaction.atomic():
        ask_for_look(lock_purchase(purchase.pk), "Two more came than were ordered.", by="test")
    return Purchase.objects.get(pk=purchase.pk)


def shown(response: Any) -> list[Purchase]:
    return [entry.look.purchase for entry in response.context["entries"]]


# -- the queue --------------------------------------------------------------------------------------------------------


def test_the_queue_holds_what_needs_a_person_the_unknown_first(wholesaler: Wholesaler) -> None:
    held = make("no_balance", wholesaler)
    unknown = make("lost_before", wholesaler)
    marked = mark(purchase_of(buy(1)))
    waiting = purchase_of(buy(1))
    long_ago = timezone.now() - timedelta(hours=1)
    Purchase.objects.filter(pk=waiting.pk).update(state=P.ALLOCATING, first_sent_at=long_ago, next_attempt_at=long_ago)
    buy(1)
    client = sign_in(*DECIDER)
    response = client.get("/purchases/")
    assert_clean_page(response)
    assert shown(response) == [unknown, held, marked, waiting]
    for kind, found in (("unknown", unknown), ("held", held), ("look", marked), ("waiting", waiting)):
        narrowed = client.get(f"/purchases/?kind={kind}")
        assert shown(narrowed) == [found]
        assert narrowed.context["counts"] == {"unknown": 1, "held": 1, "look": 1, "waiting": 1, "actions": 0}


def test_a_paid_order_that_is_not_sent_for_long_is_shown(wholesaler: Wholesaler) -> None:
    """Paused by staff, or told to wait by the provider: nothing fails, and the customer waits all the same."""
    purchase = make_purchase()
    client = sign_in(*DECIDER)
    assert shown(client.get("/purchases/")) == []
    Purchase.objects.update(created_at=timezone.now() - timedelta(minutes=16))
    assert shown(client.get("/purchases/?kind=waiting")) == [purchase]
    assert read_dashboard().attention.waiting_long == 1


def test_an_empty_queue_says_so() -> None:
    response = sign_in(*DECIDER).get("/purchases/?kind=nonsense&page=9")
    assert_clean_page(response)
    assert "Nothing waits here" in response.content.decode()


def test_the_evidence_shows_every_call_without_its_secrets(wholesaler: Wholesaler) -> None:
    purchase = make("nonsense_after", wholesaler)
    attempt = PurchaseAttempt.objects.get(purchase=purchase)
    attempt.body = b'{"transactionId": "tx-77", "qrCode": "LPA:1$smdp.example$SECRET", "iccid": "8981100000000000003"}'
    attempt.save(update_fields=["body"])
    response = sign_in(*DECIDER).get(f"/purchases/{purchase.pk}/")
    assert_clean_page(response)
    html = response.content.decode()
    assert "SECRET" not in html
    for words in ("tx-77", "8981100000000000003", "HTTP 200", purchase.plan_ref, purchase.idempotency_key):
        assert words in html


def test_what_can_be_decided_depends_on_the_state(wholesaler: Wholesaler) -> None:
    client = sign_in(*DECIDER)
    for behaviour, labels in (
        ("lost_before", ["Enter the transaction id", "Enter the lines", "Nothing was bought"]),
        ("no_balance", ["Resume", "Give up", "Read the reply again"]),
        ("ok", []),
    ):
        response = client.get(f"/purchases/{make(behaviour, wholesaler).pk}/")
        assert [str(row["decision"].label) for row in response.context["decisions"]] == labels
    viewer = sign_in("orders.view_purchase").get(f"/purchases/{make('lost_before', wholesaler).pk}/")
    assert viewer.context["decisions"] == []
    assert "A colleague who may reconcile" in viewer.content.decode()


# -- decisions --------------------------------------------------------------------------------------------------------


def test_a_transaction_id_lets_the_provider_be_asked(wholesaler: Wholesaler, queue: Queue) -> None:
    purchase = make("lost_after", wholesaler)
    queue.clear()
    client = sign_in(*DECIDER)
    url = f"/purchases/{purchase.pk}/transaction/"
    assert_clean_page(client.get(url))
    wrong = client.post(url, {"transaction_id": "?", "why": "portal"})
    assert_clean_page(wrong, status=422)
    assert "transaction_id" in wrong.context["form"].errors
    assert Purchase.objects.get(pk=purchase.pk).state == P.UNKNOWN
    client.post(url, {"transaction_id": "tx-0001", "why": "The portal shows it"})
    assert Purchase.objects.get(pk=purchase.pk).state == P.ALLOCATING
    queue.run()
    assert Purchase.objects.get(pk=purchase.pk).state == P.FULFILLED
    assert sorted(Esim.objects.values_list("provider_ref", flat=True)) == sorted(wholesaler.sold_refs)
    assert len(wholesaler.arrived) == 1


def test_iccids_of_the_portal_become_the_orders_esims(wholesaler: Wholesaler) -> None:
    purchase = make("lost_after", wholesaler, slug="fake-blind")
    one, two = wholesaler.sold_refs
    client = sign_in(*DECIDER)
    url = f"/purchases/{purchase.pk}/lines/"
    for typed in ("abc", "123", f"{one}\n{one}", f"{one}\n{two}\n8981100000000009999", "\u0661" * 19):
        refused = client.post(url, {"iccids": typed})
        assert_clean_page(refused, status=422)
        assert "iccids" in refused.context["form"].errors, typed
        assert not Esim.objects.exists()
    spaced = f"{one[:4]} {one[4:8]} {one[8:]}\n\n {two} "
    client.post(url, {"iccids": spaced, "why": ""})
    assert Purchase.objects.get(pk=purchase.pk).state == P.FULFILLED
    assert set(Esim.objects.values_list("provider_ref", flat=True)) == {one, two}


def test_deciding_that_nothing_was_bought_needs_a_reason_and_owes_a_refund(wholesaler: Wholesaler) -> None:
    purchase = make("lost_before", wholesaler)
    client = sign_in(*DECIDER)
    url = f"/purchases/{purchase.pk}/not-bought/"
    assert "not_ours" not in client.get(url).content.decode()
    assert_clean_page(client.post(url, {"why": " "}), status=422)
    assert Purchase.objects.get(pk=purchase.pk).state == P.UNKNOWN
    client.post(url, {"why": "The portal has no such sale"})
    assert Purchase.objects.get(pk=purchase.pk).state == P.REJECTED
    refund = Refund.objects.get()
    assert (refund.amount, refund.state) == (Decimal(12), "due")
    event = OrderEvent.objects.filter(purchase=purchase, kind="purchase.state").latest("pk")
    assert event.why == "The portal has no such sale"
    again = client.post(url, {"why": "Twice"})
    assert_clean_page(again, status=422)
    assert "this can no longer be decided" in again.content.decode()
    assert Refund.objects.count() == 1


def test_a_held_purchase_is_resumed_once(wholesaler: Wholesaler, queue: Queue) -> None:
    purchase = make("no_balance", wholesaler)
    queue.clear()
    client = sign_in(*DECIDER)
    url = f"/purchases/{purchase.pk}/resume/"
    assert_clean_page(client.get(url))
    client.post(url, {"why": "Topped up"})
    assert_clean_page(client.post(url, {"why": "Topped up"}), status=422)
    queue.run()
    assert Purchase.objects.get(pk=purchase.pk).state == P.FULFILLED
    assert len(wholesaler.sold_refs) == 2


def test_a_held_purchase_is_given_up(wholesaler: Wholesaler) -> None:
    purchase = make("no_balance", wholesaler)
    sign_in(*DECIDER).post(f"/purchases/{purchase.pk}/give-up/", {"why": "Sold out"})
    assert Purchase.objects.get(pk=purchase.pk).state == P.REJECTED
    assert Refund.objects.get().state == "due"
    assert wholesaler.sold_refs == []


def test_a_stored_reply_is_read_again(wholesaler: Wholesaler) -> None:
    purchase = make("crash_parse", wholesaler)
    client = sign_in(*DECIDER)
    url = f"/purchases/{purchase.pk}/read-again/"
    still = client.post(url, {"why": "try"})
    assert_clean_page(still, status=422)
    assert "still cannot be read" in still.content.decode()
    attempt = PurchaseAttempt.objects.get(purchase=purchase)
    assert attempt.body is not None
    attempt.body = bytes(attempt.body).replace(b"crash_parse", b"ok")
    attempt.save(update_fields=["body"])
    client.post(url, {"why": "The program is mended"})
    assert Purchase.objects.get(pk=purchase.pk).state == P.FULFILLED
    assert Esim.objects.count() == 2
    assert len(wholesaler.arrived) == 1


def test_a_mark_is_taken_away_after_a_look(wholesaler: Wholesaler) -> None:
    purchase = mark(purchase_of(buy(1)))
    client = sign_in(*DECIDER)
    assert "Two more came" in client.get(f"/purchases/{purchase.pk}/").content.decode()
    client.post(f"/purchases/{purchase.pk}/looked-at/", {"why": ""})
    assert Purchase.objects.get(pk=purchase.pk).attention == ""
    assert shown(client.get("/purchases/")) == []


def test_a_decision_that_is_no_longer_possible_leads_back(wholesaler: Wholesaler) -> None:
    purchase = make("ok", wholesaler)
    client = sign_in(*DECIDER)
    response = client.get(f"/purchases/{purchase.pk}/resume/", follow=True)
    assert response.redirect_chain == [(f"/purchases/{purchase.pk}/", 302)]
    assert "this is no longer possible" in response.content.decode()


# -- refunds ----------------------------------------------------------------------------------------------------------


def test_a_refund_is_recorded_once_with_its_proof(wholesaler: Wholesaler) -> None:
    purchase = make("refused", wholesaler)
    refund = Refund.objects.get(purchase=purchase)
    client = sign_in(*DECIDER)
    due = client.get("/refunds/")
    assert_clean_page(due)
    assert f"/refunds/{refund.pk}/made/" in due.content.decode()
    url = f"/refunds/{refund.pk}/made/"
    assert_clean_page(client.get(url))
    hidden = read_hidden(client.get(url), "shown")
    for given in ({}, {"method": "cash"}, {"method": "gold", "reference": "1"}):
        assert_clean_page(client.post(url, {**given, **hidden}), status=422)
        assert Refund.objects.get().state == "due"
    client.post(url, {"method": "transfer", "reference": "T-9", **hidden})
    client.post(url, {"method": "cash", "reference": "again", **hidden})
    refund.refresh_from_db()
    assert (refund.state, refund.method, refund.reference) == ("made", "transfer", "T-9")
    assert OrderEvent.objects.filter(kind="refund.made").count() == 1
    made = client.get("/refunds/?state=made")
    assert_clean_page(made)
    assert "T-9" in made.content.decode()
    assert client.get(url)["Location"] == "/refunds/"


def test_a_refund_that_fell_away_is_not_recorded(wholesaler: Wholesaler) -> None:
    purchase = make("refused", wholesaler)
    Refund.objects.filter(purchase=purchase).update(state="dropped")
    refund = Refund.objects.get()
    words = {"method": "cash", "reference": "1", "shown": str(refund.amount)}
    response = sign_in(*DECIDER).post(f"/refunds/{refund.pk}/made/", words)
    assert_clean_page(response, status=422)
    assert Refund.objects.get().state == "dropped"


def test_a_refund_is_recorded_as_the_page_showed_it_or_not_at_all(wholesaler: Wholesaler) -> None:
    """The office paid out what it saw; meanwhile a line came, and less is owed."""
    purchase = make("refused", wholesaler)
    refund, client = Refund.objects.get(purchase=purchase), sign_in(*DECIDER)
    url = f"/refunds/{refund.pk}/made/"
    seen = {"method": "cash", "reference": "1", **read_hidden(client.get(url), "shown")}
    Refund.objects.update(amount=refund.amount / 2)
    response = client.post(url, seen)
    assert_clean_page(response, status=422)
    assert "The amount has changed meanwhile. Look at it again." in response.content.decode()
    assert Refund.objects.get().state == "due"
    # The page shows what is owed by now, and takes that.
    client.post(url, {**seen, **read_hidden(response, "shown")})
    assert (Refund.objects.get().state, Refund.objects.get().amount) == ("made", refund.amount / 2)


# -- cost -------------------------------------------------------------------------------------------------------------


def test_the_pages_need_a_constant_number_of_queries(
    wholesaler: Wholesaler, django_assert_num_queries: Callable[[int], Any]
) -> None:
    client = sign_in_as(make_user(is_superuser=True))
    purchase = make("lost_before", wholesaler)
    make("refused", wholesaler)
    client.get("/purchases/")
    for _ in range(4):
        for url, number in (("/purchases/", 8), ("/refunds/", 5), (f"/purchases/{purchase.pk}/", 11)):
            with django_assert_num_queries(number):
                client.get(url)
        make("lost_before", wholesaler)
        make("refused", wholesaler)


def test_an_inquiry_shows_in_the_evidence(wholesaler: Wholesaler) -> None:
    purchase = make("cut", wholesaler)
    wholesaler.plan_inquiries("fewer")
    run_purchase(purchase_id=make_due(purchase).pk)
    html = sign_in(*DECIDER).get(f"/purchases/{purchase.pk}/").content.decode()
    assert "1 line named" in html
    assert Order.objects.get().state == Order.State.BUYING


# -- one queue, all evidence, what happens by itself ------------------------------------------------------------------


def make_unknown_action(**fields: Any) -> LineAction:
    esim = Esim.objects.filter(purchased__purchase__order_line__order=buy(1))[0]
    return LineAction.objects.create(esim=esim, kind="suspend", state="unknown", sent_at=timezone.now(), **fields)


def test_everything_that_needs_a_person_stands_in_one_queue(wholesaler: Wholesaler) -> None:
    unknown = make("lost_before", wholesaler, quantity=3)
    action, difference = make_unknown_action(reason="Lost phone"), make_difference("balance")
    held = make("no_balance", wholesaler)
    client = sign_in(*DECIDER, "orders.view_difference")
    response = client.get("/purchases/")
    assert_clean_page(response)
    entries = response.context["entries"]
    assert [entry.what for entry in entries] == ["purchase", "action", "purchase", "difference"]
    assert [entries[0].look.purchase, entries[1].action, entries[2].look.purchase] == [unknown, action, held]
    assert entries[3].difference.difference == difference
    assert [(entry.amount, entry.currency) for entry in entries] == [
        (Decimal(18), "USD"),
        (None, ""),
        (Decimal(12), "USD"),
        (Decimal(4), "USD"),
    ]
    assert all(entry.to_do for entry in entries)
    assert {"actions": 1, "differences": 1}.items() <= response.context["counts"].items()
    for kind, what in (("actions", "action"), ("differences", "difference")):
        narrowed = client.get(f"/purchases/?kind={kind}")
        assert_clean_page(narrowed)
        assert [entry.what for entry in narrowed.context["entries"]] == [what]
    seller = sign_in("orders.view_purchase").get("/purchases/?kind=differences")
    assert [entry.what for entry in seller.context["entries"]] == ["purchase", "purchase"]
    found = read_dashboard().attention
    assert (found.actions_unknown, found.differences_open) == (1, 1)


def test_an_action_without_an_answer_leaves_the_queue_after_a_look(wholesaler: Wholesaler) -> None:
    action = make_unknown_action()
    client = sign_in(*DECIDER)
    url = f"/actions/{action.pk}/settle/"
    assert_clean_page(client.get(url))
    for _twice in range(2):
        client.post(url, {"why": "The portal shows it suspended"})
    action.refresh_from_db()
    assert (action.state, action.settled_at is not None) == ("unknown", True)
    (event,) = LineEvent.objects.filter(kind="action_settled")
    assert (event.why, event.by) == ("The portal shows it suspended", action.settled_by)
    assert client.get("/purchases/?kind=actions").context["entries"] == []
    confirmed = LineAction.objects.create(esim=action.esim, kind="suspend", state="confirmed")
    assert client.get(f"/actions/{confirmed.pk}/settle/").status_code == 404


def test_an_action_that_worked_later_needs_nobody(wholesaler: Wholesaler) -> None:
    action = make_unknown_action()
    LineAction.objects.create(esim=action.esim, kind="suspend", state="confirmed")
    assert sign_in(*DECIDER).get("/purchases/?kind=actions").context["entries"] == []


def test_the_whole_queue_needs_a_constant_number_of_queries(
    wholesaler: Wholesaler, django_assert_num_queries: Callable[[int], Any]
) -> None:
    client = sign_in_as(make_user(is_superuser=True))
    client.get("/purchases/")
    for number in range(3):
        make("lost_before", wholesaler)
        make_unknown_action()
        make_difference(key=str(number))
        with django_assert_num_queries(10):
            client.get("/purchases/")


def test_a_raw_reply_is_shown_in_clear_by_permission_and_that_is_written_down(wholesaler: Wholesaler) -> None:
    purchase = make("nonsense_after", wholesaler)
    attempt = PurchaseAttempt.objects.get(purchase=purchase)
    attempt.body = b'{"qrCode": "LPA:1$smdp.example$SECRET"}'
    attempt.save(update_fields=["body"])
    client = sign_in(*DECIDER)
    assert "SECRET" not in client.get(f"/purchases/{purchase.pk}/").content.decode()
    response = client.post(f"/purchases/{purchase.pk}/attempts/1/reply/")
    assert_clean_page(response)
    assert "LPA:1$smdp.example$SECRET" in response.content.decode()
    assert "no-store" in response["Cache-Control"]
    event = OrderEvent.objects.get(kind="purchase.reply_shown")
    assert (event.purchase, event.facts) == (purchase, {"attempt": 1})
    attempt.body = None
    attempt.save(update_fields=["body"])
    erased = client.post(f"/purchases/{purchase.pk}/attempts/1/reply/", follow=True)
    assert "has been erased" in erased.content.decode()
    assert OrderEvent.objects.filter(kind="purchase.reply_shown").count() == 1
    assert client.get(f"/purchases/{purchase.pk}/attempts/1/reply/").status_code == 405


@pytest.mark.parametrize(
    ("behaviour", "slug", "words"),
    [
        ("lost_before", "fake", ["never sent again by itself", "once somebody enters its transaction id"]),
        ("lost_before", "fake-blind", ["never sent again by itself"]),
        ("lost_before", "fake-repeat", ["sent again with the same key", "its outcome is unknown"]),
        ("cut", "fake", ["asked what it holds under the transaction tx-0001", "then a person decides"]),
        ("no_balance", "fake", []),
        ("ok", "fake", []),
    ],
)
def test_what_happens_by_itself_is_said_with_its_moment(
    wholesaler: Wholesaler, behaviour: str, slug: str, words: list[str]
) -> None:
    purchase = make(behaviour, wholesaler, quantity=1, slug=slug)
    response = sign_in(*DECIDER).get(f"/purchases/{purchase.pk}/")
    assert_clean_page(response)
    steps = response.context["page"].prospects
    told = " ".join(step.text for step in steps)
    assert all(part in told for part in words), told
    assert bool(steps) == bool(words)


def test_the_window_for_inquiries_is_told_to_the_moment(wholesaler: Wholesaler) -> None:
    purchase = make("cut", wholesaler)
    sent = PurchaseAttempt.objects.get(purchase=purchase).started_at
    steps = {step.text: step.until for step in tell_prospects(purchase_for_page(purchase)) if step.until}
    assert steps["The provider's own window for inquiries closes."] == sent + timedelta(hours=48)
    assert steps["So long we ask; then a person decides."] == sent + timedelta(hours=47)
    PurchaseAttempt.objects.update(started_at=sent - timedelta(hours=49))
    assert not [step for step in tell_prospects(purchase_for_page(purchase)) if step.until]


def purchase_for_page(purchase: Purchase) -> Purchase:
    return Purchase.objects.select_related("account", "order_line").get(pk=purchase.pk)


def test_a_paused_account_says_that_nothing_happens(wholesaler: Wholesaler) -> None:
    purchase = make("cut", wholesaler)
    ProviderAccount.objects.update(is_paused=True)
    (step,) = tell_prospects(purchase_for_page(purchase))
    assert "paused this account" in step.text


def test_each_decision_says_beforehand_what_follows(wholesaler: Wholesaler) -> None:
    html = sign_in(*DECIDER).get(f"/purchases/{make('lost_before', wholesaler).pk}/").content.decode()
    assert "a refund becomes due" in html
    assert "The provider is asked which lines it holds under this transaction" in html
