"""One purchase from its claim to its end, for everything that a provider may answer or leave unanswered."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import transaction
from django.utils import timezone
from pytest_django import Settings

from esims.models import Esim
from orders import delivering
from orders.books import read_balances
from orders.models import Order, Purchase, PurchaseAttempt, PurchasedEsim, Refund
from orders.purchasing import run_due_purchases, run_purchase
from providers.types import OrderRequest
from tests.orders.fakes import Wholesaler, make_snapshot
from tests.orders.making import make_due, make_fake_plan, make_purchase, order_plan, pay

pytestmark = pytest.mark.django_db


def buy(purchase: Purchase) -> Purchase:
    run_purchase(purchase_id=purchase.pk)
    return Purchase.objects.get(pk=purchase.pk)


def order_of(purchase: Purchase) -> Order:
    return Order.objects.get(pk=purchase.order_line.order_id)


def states_on_timeline(purchase: Purchase) -> list[str]:
    events = purchase.events.filter(kind="purchase.state").order_by("pk")
    return [event.facts["new"] for event in events]


def assert_books_balance() -> None:
    assert [balance.difference for balance in read_balances()] == [Decimal(0)]


def test_bought_and_delivered(wholesaler: Wholesaler) -> None:
    purchase = buy(make_purchase(quantity=2))
    assert (purchase.state, purchase.transaction_id, purchase.attempts_made) == ("fulfilled", "tx-0001", 1)
    assert (purchase.next_attempt_at, purchase.claim_until) == (None, None)
    assert purchase.first_sent_at is not None
    assert purchase.finished_at is not None
    assert sorted(Esim.objects.values_list("provider_ref", flat=True)) == sorted(wholesaler.sold_refs)
    assert PurchasedEsim.objects.filter(purchase=purchase).count() == 2
    order = order_of(purchase)
    assert (order.state, order.finished_at is not None) == ("completed", True)
    assert set(Esim.objects.values_list("customer_id", "plan_id")) == {(order.customer_id, purchase.order_line.plan_id)}
    assert states_on_timeline(purchase) == ["sending", "fulfilled"]
    assert Refund.objects.count() == 0
    assert_books_balance()


def test_attempt_keeps_the_reply_as_it_came_but_no_cookies(wholesaler: Wholesaler) -> None:
    buy(make_purchase(quantity=1))
    attempt = PurchaseAttempt.objects.get()
    assert (attempt.number, attempt.kind, attempt.outcome, attempt.status) == (1, "order", "fulfilled", 200)
    assert attempt.body is not None
    assert wholesaler.sold_refs[0].encode() in attempt.body
    assert attempt.headers == {"Content-Type": "application/json"}
    assert attempt.request["quantity"] == 1


def test_claim_and_attempt_are_committed_before_the_call(wholesaler: Wholesaler) -> None:
    purchase = make_purchase()
    seen: list[tuple[str, str, int, bool]] = []

    def look(request: OrderRequest) -> None:
        row = Purchase.objects.get(pk=purchase.pk)
        attempt = PurchaseAttempt.objects.get()
        in_transaction = any(not block._from_testcase for block in transaction.get_connection().atomic_blocks)
        seen.append((row.state, request.idempotency_key, attempt.number, in_transaction))
        assert attempt.claim == row.claim
        assert row.claim_until is not None
        assert row.claim_until > timezone.now() + timedelta(minutes=4)

    wholesaler.during_call = look
    buy(purchase)
    assert seen == [("sending", purchase.idempotency_key, 1, False)]


@pytest.mark.django_db(transaction=True)
def test_buying_inside_a_transaction_is_refused(wholesaler: Wholesaler) -> None:
    purchase = make_purchase()
    with pytest.raises(RuntimeError, match="durable"), transaction.atomic():
        run_purchase(purchase_id=purchase.pk)
    assert wholesaler.arrived == []
    assert Purchase.objects.get().state == "planned"


def test_job_that_runs_twice_buys_once(wholesaler: Wholesaler) -> None:
    purchase = make_purchase()
    assert [run_purchase(purchase_id=purchase.pk), run_purchase(purchase_id=purchase.pk)] == ["fulfilled", ""]
    assert len(wholesaler.arrived) == 1


def test_purchase_that_is_not_due_is_left_alone(wholesaler: Wholesaler) -> None:
    purchase = make_purchase()
    Purchase.objects.update(next_attempt_at=timezone.now() + timedelta(minutes=1))
    assert run_purchase(purchase_id=purchase.pk) == ""
    assert wholesaler.arrived == []


def test_paused_account_is_left_alone(wholesaler: Wholesaler) -> None:
    purchase = make_purchase()
    purchase.account.is_paused = True
    purchase.account.save()
    assert run_due_purchases(seconds=1) == 0
    assert run_purchase(purchase_id=purchase.pk) == ""
    purchase.account.is_paused = False
    purchase.account.save()
    assert run_due_purchases(seconds=1) == 1
    assert len(wholesaler.arrived) == 1


def test_account_that_is_no_longer_configured_holds(wholesaler: Wholesaler, settings: Settings) -> None:
    purchase = make_purchase()
    settings.PROVIDERS = {}
    purchase = buy(purchase)
    assert (purchase.state, purchase.mend, purchase.next_attempt_at) == ("held", "credentials", None)
    assert PurchaseAttempt.objects.count() == 0
    assert wholesaler.arrived == []


# -- nothing was processed ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("behaviour", "wait"), [("own_limit", 6), ("limited", 9)])
def test_rate_limit_waits_as_long_as_asked(wholesaler: Wholesaler, behaviour: str, wait: int) -> None:
    wholesaler.plan_orders(behaviour)
    before = timezone.now()
    purchase = buy(make_purchase())
    assert (purchase.state, purchase.failures_in_row, purchase.first_sent_at) == ("planned", 0, None)
    assert purchase.next_attempt_at is not None
    assert before + timedelta(seconds=wait) <= purchase.next_attempt_at <= timezone.now() + timedelta(seconds=wait)
    purchase = buy(make_due(purchase))
    assert (purchase.state, purchase.attempts_made) == ("fulfilled", 2)
    assert len(wholesaler.sales) == 1
    assert len(set(wholesaler.arrived)) == 1


def test_rate_limit_has_no_limit_of_tries(wholesaler: Wholesaler, settings: Settings) -> None:
    settings.PURCHASE_NOT_SENT_LIMIT = 2
    purchase = make_purchase()
    for _ in range(5):
        wholesaler.plan_orders("limited")
        purchase = make_due(buy(purchase))
    assert purchase.state == "planned"


def test_not_sent_is_tried_again_with_growing_waits(wholesaler: Wholesaler, settings: Settings) -> None:
    settings.PURCHASE_RETRY_SECONDS, settings.PURCHASE_RETRY_CAP_SECONDS = 5.0, 15.0
    purchase = make_purchase()
    waits = []
    for _ in range(4):
        wholesaler.plan_orders("not_sent")
        purchase = buy(make_due(purchase))
        assert purchase.next_attempt_at is not None
        waits.append(round((purchase.next_attempt_at - timezone.now()).total_seconds()))
    assert waits == [5, 10, 15, 15]
    purchase = buy(make_due(purchase))
    assert (purchase.state, purchase.failures_in_row) == ("fulfilled", 0)
    assert len({attempt.request["key"] for attempt in purchase.attempts.all()}) == 1


def test_not_sent_too_often_is_held(wholesaler: Wholesaler, settings: Settings) -> None:
    settings.PURCHASE_NOT_SENT_LIMIT = 3
    purchase = make_purchase()
    wholesaler.plan_orders("not_sent", "not_sent", "not_sent")
    for _ in range(3):
        purchase = buy(make_due(purchase))
    assert (purchase.state, purchase.next_attempt_at, wholesaler.arrived) == ("held", None, [])
    assert "3 times in a row" in purchase.events.latest("pk").why


# -- the provider said no ----------------------------------------------------------------------------------------------


def test_final_no_owes_a_refund(wholesaler: Wholesaler) -> None:
    wholesaler.plan_orders("refused")
    purchase = buy(make_purchase(quantity=2))
    assert (purchase.state, purchase.error_code, purchase.error) == ("rejected", "NO_PLAN", "no such plan")
    refund = Refund.objects.get()
    assert (refund.state, refund.quantity, refund.amount, refund.currency) == ("due", 2, Decimal(12), "USD")
    assert order_of(purchase).state == "failed"
    assert wholesaler.sales == []
    assert_books_balance()


def test_no_that_can_be_mended_is_held(wholesaler: Wholesaler) -> None:
    wholesaler.plan_orders("no_balance")
    purchase = buy(make_purchase())
    assert (purchase.state, purchase.mend, purchase.error) == ("held", "balance", "balance too low")
    assert (Refund.objects.count(), order_of(purchase).state) == (0, "buying")
    assert run_due_purchases(seconds=1) == 0
    assert_books_balance()


def test_order_of_three_parts_is_partly_delivered(wholesaler: Wholesaler) -> None:
    wholesaler.plan_orders("ok", "refused", "ok")
    order = order_plan(make_fake_plan("fake-blind"), 7)
    pay(order)
    assert run_due_purchases(seconds=5) == 3
    order.refresh_from_db()
    assert order.state == "partial"
    states = list(Purchase.objects.order_by("pk").values_list("state", "quantity"))
    assert states == [("fulfilled", 3), ("rejected", 3), ("fulfilled", 1)]
    assert Refund.objects.get().amount == Decimal(18)
    assert_books_balance()


# -- sent, and no usable answer ----------------------------------------------------------------------------------------

LOST = ["lost_before", "lost_after", "500_before", "500_after", "nonsense_before", "nonsense_after", "cut_early"]


@pytest.mark.parametrize("behaviour", LOST)
@pytest.mark.parametrize("account", ["fake", "fake-blind"])
def test_lost_answer_is_never_asked_again(wholesaler: Wholesaler, behaviour: str, account: str) -> None:
    wholesaler.plan_orders(behaviour)
    purchase = buy(make_purchase(account))
    assert (purchase.state, purchase.next_attempt_at, purchase.attempts_made) == ("unknown", None, 1)
    assert purchase.first_sent_at is not None
    assert run_due_purchases(seconds=1) == 0
    assert run_purchase(purchase_id=purchase.pk) == ""
    assert len(wholesaler.arrived) == 1
    assert (Refund.objects.count(), Esim.objects.count(), order_of(purchase).state) == (0, 0, "buying")
    assert_books_balance()


@pytest.mark.parametrize("behaviour", LOST)
def test_lost_answer_is_asked_again_where_the_provider_can_repeat(wholesaler: Wholesaler, behaviour: str) -> None:
    wholesaler.plan_orders(behaviour)
    purchase = buy(make_purchase("fake-repeat"))
    assert purchase.state == "planned"
    assert purchase.next_attempt_at is not None
    purchase = buy(make_due(purchase))
    assert (purchase.state, purchase.attempts_made) == ("fulfilled", 2)
    assert wholesaler.arrived == [purchase.idempotency_key] * 2
    assert len(wholesaler.sales) == 1
    assert sorted(Esim.objects.values_list("provider_ref", flat=True)) == sorted(wholesaler.sold_refs)


@pytest.mark.parametrize("then", ["no_balance", "refused"])
def test_no_to_a_repeated_order_says_nothing_of_the_first(wholesaler: Wholesaler, then: str) -> None:
    """A provider may look at our balance before it looks at the key."""
    wholesaler.plan_orders("lost_after", then)
    purchase = buy(make_due(buy(make_purchase("fake-repeat"))))
    assert (purchase.state, Refund.objects.count()) == ("unknown", 0)
    assert "earlier request may have gone through" in purchase.error


def test_repeated_order_that_cannot_be_sent_is_no_proof(wholesaler: Wholesaler, settings: Settings) -> None:
    settings.PURCHASE_NOT_SENT_LIMIT = 2
    wholesaler.plan_orders("lost_after", "not_sent")
    purchase = buy(make_due(buy(make_purchase("fake-repeat"))))
    assert (purchase.state, Refund.objects.count()) == ("unknown", 0)


def test_repeating_ends_when_the_key_grows_old(wholesaler: Wholesaler, settings: Settings) -> None:
    wholesaler.plan_orders("lost_before", "lost_before")
    purchase = buy(make_purchase("fake-repeat"))
    old = timezone.now() - timedelta(hours=settings.PURCHASE_REPEAT_HOURS, seconds=1)
    Purchase.objects.update(first_sent_at=old)
    purchase = buy(make_due(purchase))
    assert (purchase.state, purchase.next_attempt_at) == ("unknown", None)


def test_reply_that_crashes_our_parser_is_kept(wholesaler: Wholesaler) -> None:
    wholesaler.plan_orders("crash_parse")
    purchase = buy(make_purchase("fake-repeat", quantity=1))
    assert (purchase.state, purchase.next_attempt_at) == ("unknown", None)
    assert "KeyError" in purchase.error
    assert "SECRET" not in purchase.error
    attempt = PurchaseAttempt.objects.get()
    assert attempt.outcome == "unreadable"
    assert attempt.body is not None
    assert wholesaler.sold_refs[0].encode() in attempt.body


def test_crash_while_applying_keeps_the_reply(wholesaler: Wholesaler, monkeypatch: pytest.MonkeyPatch) -> None:
    def crash(*_args: object, **_kwargs: object) -> None:
        raise TypeError("LPA:1$smdp.example$SECRET")

    monkeypatch.setattr("orders.delivering.register_lines", crash)
    purchase = buy(make_purchase())
    assert purchase.state == "unknown"
    assert "TypeError" in purchase.error
    assert "SECRET" not in purchase.error
    assert (Esim.objects.count(), PurchaseAttempt.objects.get().body is not None) == (0, True)


def test_crash_while_sending_may_have_been_sent(wholesaler: Wholesaler) -> None:
    def crash(_request: OrderRequest) -> None:
        raise ZeroDivisionError

    wholesaler.during_call = crash
    purchase = buy(make_purchase("fake-repeat"))
    assert (purchase.state, purchase.next_attempt_at) == ("unknown", None)


# -- lines and inquiries -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("behaviour", ["cut", "short_reply"])
def test_what_is_missing_is_asked_for(wholesaler: Wholesaler, behaviour: str) -> None:
    wholesaler.plan_orders(behaviour)
    purchase = buy(make_purchase(quantity=3))
    assert (purchase.state, purchase.transaction_id) == ("allocating", "tx-0001")
    assert Esim.objects.count() == (2 if behaviour == "short_reply" else 0)
    purchase = buy(make_due(purchase))
    assert (purchase.state, purchase.inquiries_made) == ("fulfilled", 1)
    assert sorted(Esim.objects.values_list("provider_ref", flat=True)) == sorted(wholesaler.sold_refs)
    bare = Esim.objects.filter(state="provisioning")
    assert bare.count() == (1 if behaviour == "short_reply" else 3)
    assert all(esim.next_refresh_at is not None for esim in bare)
    assert order_of(purchase).state == "completed"
    assert [attempt.kind for attempt in purchase.attempts.all()] == ["order", "inquiry"]
    assert len(wholesaler.arrived) == 1


def test_cut_reply_without_inquiry_is_unknown_with_its_handle(wholesaler: Wholesaler) -> None:
    wholesaler.plan_orders("cut")
    purchase = buy(make_purchase("fake-blind"))
    assert (purchase.state, purchase.transaction_id) == ("unknown", "tx-0001")


def test_fewer_lines_are_believed_when_inquiries_agree(wholesaler: Wholesaler, settings: Settings) -> None:
    wholesaler.plan_orders("short_sale")
    purchase = buy(make_purchase(quantity=3))
    assert (purchase.state, Esim.objects.count()) == ("allocating", 2)
    purchase = buy(make_due(purchase))
    assert (purchase.state, purchase.inquiries_agreeing, purchase.last_line_count) == ("allocating", 1, 2)
    assert purchase.next_attempt_at is not None
    wait = (purchase.next_attempt_at - timezone.now()).total_seconds()
    assert settings.PURCHASE_INQUIRY_SPACING_SECONDS - 5 < wait <= settings.PURCHASE_INQUIRY_SPACING_SECONDS
    purchase = buy(make_due(purchase))
    assert (purchase.state, purchase.next_attempt_at) == ("short", None)
    refund = Refund.objects.get()
    assert (refund.quantity, refund.amount, refund.state) == (1, Decimal(6), "due")
    assert order_of(purchase).state == "partial"
    assert_books_balance()


def test_inquiries_that_differ_confirm_nothing(wholesaler: Wholesaler) -> None:
    wholesaler.plan_orders("short_sale")
    wholesaler.plan_inquiries("ok", "fewer", "ok")
    purchase = make_purchase(quantity=3)
    for _ in range(4):
        purchase = buy(make_due(purchase))
    assert (purchase.state, purchase.inquiries_agreeing) == ("allocating", 1)
    purchase = buy(make_due(purchase))
    assert purchase.state == "short"


def test_transaction_without_lines_is_no_proof(wholesaler: Wholesaler) -> None:
    wholesaler.plan_orders("short_sale")
    purchase = make_purchase(quantity=1)
    for _ in range(3):
        purchase = buy(make_due(purchase))
    assert (purchase.state, Refund.objects.count()) == ("unknown", 0)


def test_unknown_transaction_never_means_not_bought(wholesaler: Wholesaler) -> None:
    wholesaler.plan_orders("cut")
    wholesaler.plan_inquiries("unknown_id", "unknown_id", "unknown_id")
    purchase = buy(make_purchase())
    for state in ("allocating", "allocating", "unknown"):
        purchase = buy(make_due(purchase))
        assert (purchase.state, purchase.error_code, Refund.objects.count()) == (state, "400", 0)


def test_transaction_that_is_known_a_little_later(wholesaler: Wholesaler) -> None:
    wholesaler.plan_orders("cut")
    wholesaler.plan_inquiries("unknown_id", "ok")
    purchase = buy(make_due(buy(make_purchase())))
    assert (purchase.state, purchase.next_attempt_at is not None) == ("allocating", True)
    assert buy(make_due(purchase)).state == "fulfilled"


def test_inquiry_waits_when_limited_or_away(wholesaler: Wholesaler, settings: Settings) -> None:
    settings.PURCHASE_RETRY_SECONDS = 5.0
    wholesaler.plan_orders("cut")
    wholesaler.plan_inquiries("limited", "unavailable", "unavailable")
    purchase = buy(make_purchase())
    waits = []
    for _ in range(3):
        purchase = buy(make_due(purchase))
        assert (purchase.state, purchase.next_attempt_at is not None) == ("allocating", True)
        assert purchase.next_attempt_at is not None
        waits.append(round((purchase.next_attempt_at - timezone.now()).total_seconds()))
    assert waits == [7, 5, 10]
    assert buy(make_due(purchase)).state == "fulfilled"


def test_inquiries_end_with_the_window(wholesaler: Wholesaler) -> None:
    wholesaler.plan_orders("cut")
    purchase = buy(make_purchase())
    PurchaseAttempt.objects.update(started_at=timezone.now() - timedelta(hours=47, minutes=1))
    purchase = buy(purchase)
    assert (purchase.state, purchase.next_attempt_at, wholesaler.inquiries) == ("unknown", None, 0)


def test_more_lines_than_ordered_are_kept(wholesaler: Wholesaler) -> None:
    wholesaler.plan_orders("one_more")
    purchase = buy(make_purchase(quantity=2))
    assert (purchase.state, Esim.objects.count()) == ("fulfilled", 3)
    assert "1 more than ordered" in purchase.attention
    assert order_of(purchase).state == "completed"
    assert_books_balance()


def test_line_named_twice_is_one_line(wholesaler: Wholesaler) -> None:
    wholesaler.plan_orders("repeated_line")
    purchase = buy(make_purchase(quantity=2))
    assert (purchase.state, Esim.objects.count()) == ("allocating", 1)
    assert "twice" in purchase.attention
    assert buy(make_due(purchase)).state == "fulfilled"


def test_line_of_somebody_else_is_shown_not_taken(wholesaler: Wholesaler) -> None:
    first = buy(make_purchase(quantity=1))
    theirs = Esim.objects.get()

    def steal(request: OrderRequest) -> None:
        wholesaler.numbers = iter([int(theirs.provider_ref), 8_981_999_000_000_000_000])  # type: ignore[assignment]

    wholesaler.during_call = steal
    second = buy(make_purchase(quantity=2))
    assert second.state == "unknown"
    assert theirs.provider_ref in second.attention
    assert [row.esim.provider_ref for row in second.delivered.all()] == ["8981999000000000000"]
    assert first.delivered.get().esim == theirs
    assert_books_balance()


def test_line_registered_between_look_and_insert(wholesaler: Wholesaler, monkeypatch: pytest.MonkeyPatch) -> None:
    purchase = make_purchase(quantity=2)
    looks: list[int] = []
    real = delivering.find_holders

    def look_late(row: Purchase, refs: list[str]) -> dict[str, int | None]:
        found = real(row, refs)
        looks.append(len(found))
        if len(looks) == 1:
            # As if another worker's commit came right after our look.
            Esim.objects.create(
                account=row.account,
                provider_ref=refs[0],
                customer=row.order_line.order.customer,
                plan=row.order_line.plan,
            )
        return found

    monkeypatch.setattr("orders.delivering.find_holders", look_late)
    purchase = buy(purchase)
    # The first look's transaction was rolled back with that line in it; the second found nothing in its way.
    assert (looks, purchase.state, Esim.objects.count()) == ([0, 0], "fulfilled", 2)


def test_thousand_lines_in_one_reply(wholesaler: Wholesaler) -> None:
    purchase = buy(make_purchase(quantity=1000))
    assert (purchase.state, Esim.objects.count()) == ("fulfilled", 1000)


def test_snapshot_of_the_fake_is_whole() -> None:
    assert make_snapshot("8981100000000000001").lpa.startswith("LPA:1$")
