"""Differences between providers and us on the pages: the list, one with its facts, the decisions, the runs."""

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django_q.models import Schedule

from esims.models import Esim
from orders.comparing import STALE_AFTER, open_comparison, run_comparison
from orders.differing import find_fitting_purchases
from orders.models import Comparison, Difference, LedgerMark, Purchase
from orders.schedules import PREFIX, set_up_schedules
from orders.tasks import compare_all_accounts
from orders.waking import run_wake_up, wake_due_jobs
from providers.models import ProviderAccount
from tests.orders.comparing import FACTS, RECKONED, compare, history, make_difference
from tests.orders.desk import DECIDER, buy, purchase_of, sign_in, sign_in_as
from tests.orders.fakes import ACCOUNTS, Wholesaler
from tests.orders.making import make_customer, make_fake_account, make_fake_plan, make_user
from tests.pages import assert_clean_page
from tests.queue import Queue

pytestmark = pytest.mark.django_db(transaction=True)
VIEWER = ("orders.view_difference",)
JUDGE = (*DECIDER, *VIEWER)


# -- looking ----------------------------------------------------------------------------------------------------------


def test_the_list_shows_what_is_open_and_narrows() -> None:
    unknown, price = make_difference(), make_difference("list_price", slug="fake-blind")
    closed = make_difference("balance", state="closed", verdict="deposit", closed_by="rika@desk.example")
    client = sign_in(*VIEWER)
    page = client.get("/differences/")
    assert_clean_page(page)
    assert [row.difference for row in page.context["rows"]] == [unknown, price]
    assert page.context["states"] == [("open", "open", 2), ("closed", "closed", 1), ("gone", "gone by itself", 0)]
    for query, found in (
        ("?kind=list_price", [price]),
        ("?account=fake", [unknown]),
        ("?state=closed", [closed]),
        ("?state=", [unknown, price, closed]),
        ("?state=no&kind=no&account=no", []),
    ):
        narrowed = client.get(f"/differences/{query}")
        assert_clean_page(narrowed)
        assert [row.difference for row in narrowed.context["rows"]] == found, query
    assert "Compare" not in page.content.decode()


@pytest.mark.parametrize("kind", FACTS)
def test_each_kind_says_what_it_means_and_what_to_do(kind: str) -> None:
    difference = make_difference(kind)
    response = sign_in(*JUDGE).get(f"/differences/{difference.pk}/")
    assert_clean_page(response)
    page = response.context["page"]
    assert page.meaning
    assert page.advice
    assert bool(page.reckoning) == (kind == "balance")
    assert bool(page.facts) == (kind != "balance")
    html = response.content.decode()
    assert "Close with a reason" in html
    assert ("Take over for a customer" in html) == (kind == "unknown_line")
    viewer = sign_in(*VIEWER).get(f"/differences/{difference.pk}/").content.decode()
    assert "Close with a reason" not in viewer
    assert "A colleague who may reconcile" in viewer


def test_the_reckoning_of_a_balance_is_shown_line_by_line() -> None:
    response = sign_in(*JUDGE).get(f"/differences/{make_difference('balance').pk}/")
    rows = [(row.label, row.amount) for row in response.context["page"].reckoning]
    assert rows == [
        ("Balance when the two last agreed", Decimal(100)),
        ("What we bought since, at net cost", Decimal(20)),
        ("So it ought to be", Decimal(80)),
        ("What the provider says", Decimal(580)),
    ]


def test_the_pages_need_a_constant_number_of_queries(django_assert_num_queries: Callable[[int], Any]) -> None:
    client = sign_in_as(make_user(is_superuser=True))
    difference = make_difference(key="1")
    client.get("/differences/")
    for number in range(2, 6):
        for url, queries in (("/differences/", 8), (f"/differences/{difference.pk}/", 6)):
            with django_assert_num_queries(queries):
                client.get(url)
        make_difference(key=str(number))


# -- deciding ---------------------------------------------------------------------------------------------------------


def test_closing_asks_first_wants_a_reason_and_happens_once() -> None:
    difference = make_difference("list_price")
    client = sign_in(*JUDGE)
    url = f"/differences/{difference.pk}/close/"
    assert_clean_page(client.get(url))
    for given in ({}, {"verdict": "known"}, {"why": "x"}, {"verdict": "deposit", "why": "x"}):
        assert_clean_page(client.post(url, given), status=422)
        assert Difference.objects.get().state == "open"
    client.post(url, {"verdict": "known", "why": "A sale until Friday"})
    again = client.post(url, {"verdict": "mended", "why": "Twice"})
    assert_clean_page(again, status=422)
    row = Difference.objects.get()
    assert (row.state, row.verdict, row.why) == ("closed", "known", "A sale until Friday")
    assert [kind for kind, _by in history(row)] == ["found", "closed"]
    assert client.get(url)["Location"] == f"/differences/{row.pk}/"


def test_closing_a_deposit_moves_the_mark_of_the_reckoning() -> None:
    difference = make_difference("balance")
    url = f"/differences/{difference.pk}/close/"
    sign_in(*JUDGE).post(url, {"verdict": "deposit", "why": "Transfer 4711", "shown": "4.0000"})
    mark = LedgerMark.objects.get()
    assert (mark.amount, mark.at) == (Decimal(580), parse_datetime("2026-11-21T00:00:00+00:00"))


def test_a_deposit_with_undecided_orders_moves_the_mark_as_well() -> None:
    details = {**make_difference("balance").details, "open": "8", "late": "4", "perhaps": "2"}
    Difference.objects.update(details=details)
    url = f"/differences/{Difference.objects.get().pk}/close/"
    client = sign_in(*JUDGE)
    page = client.get(f"/differences/{Difference.objects.get().pk}/").content.decode()
    assert "Orders under way at that time: perhaps charged since" in page
    client.post(url, {"verdict": "deposit", "why": "Transfer 4711", "shown": "4.0000"})
    assert (Difference.objects.get().state, LedgerMark.objects.get().amount) == ("closed", Decimal(580))


def test_a_balance_that_changed_since_the_page_was_shown_is_not_closed() -> None:
    difference = make_difference("balance")
    client = sign_in(*JUDGE)
    url = f"/differences/{difference.pk}/close/"
    page = client.get(url)
    assert page.context["form"]["shown"].value() == Decimal(4)
    Difference.objects.update(amount="-196.00", details={**difference.details, "amount": "380"})
    given = {"verdict": "deposit", "why": "Transfer 4711"}
    # What the page showed, a value that somebody made up, and none at all.
    for shown in ({"shown": "4.0000"}, {"shown": "x"}, {}):
        refused = client.post(url, {**given, **shown})
        assert_clean_page(refused, status=422)
        assert (Difference.objects.get().state, LedgerMark.objects.count()) == ("open", 0)
    refused = client.post(url, {**given, "shown": "4.0000"})
    html = refused.content.decode()
    assert "It has changed meanwhile: -196 USD are unexplained now. Look at it again." in html
    assert 'name="shown" value="-196.0000"' in html
    client.post(url, {**given, "shown": "-196.0000"})
    assert (Difference.objects.get().state, LedgerMark.objects.get().amount) == ("closed", Decimal(380))


def test_a_balance_that_looks_like_a_discount_says_so() -> None:
    client = sign_in(*JUDGE)
    small = make_difference("balance", amount="0.90", details={**RECKONED, "cheaper": "0.2"})
    page = client.get(f"/differences/{small.pk}/").content.decode()
    assert "It is 4.5 % of what was bought since" in page
    assert "perhaps charged so much less than listed" in page
    for number, amount in enumerate(("4.01", "-0.90", "500")):
        other = make_difference("balance", key=f"mark {number}", amount=amount)
        page = client.get(f"/differences/{other.pk}/").content.decode()
        assert "of what was bought since" not in page
        assert "charged so much less" not in page


def test_a_line_is_attached_to_a_purchase_that_misses_one(wholesaler: Wholesaler) -> None:
    wholesaler.plan_orders("lost_after")
    purchase = purchase_of(buy(2))
    ref = wholesaler.sold_refs[0]
    facts = {"ours": {"line": None}, "theirs": {"line": ref}}
    difference = make_difference(key=ref, facts=facts)
    client = sign_in(*JUDGE)
    url = f"/differences/{difference.pk}/attach/"
    assert_clean_page(client.get(url))
    for given in ({"why": "x"}, {"purchase": purchase.pk + 1, "why": "x"}, {"purchase": purchase.pk}):
        assert_clean_page(client.post(url, given), status=422)
        assert not Esim.objects.exists()
    client.post(url, {"purchase": purchase.pk, "why": "The portal names our order"})
    row, esim = Difference.objects.get(), Esim.objects.get()
    assert (row.state, row.verdict, row.esim, row.purchase) == ("closed", "attached", esim, purchase)
    assert (esim.provider_ref, Purchase.objects.get().state) == (ref, "unknown")
    assert "Open it again" not in client.get(f"/differences/{row.pk}/").content.decode()


def test_a_line_that_is_over_is_offered_to_nobody(wholesaler: Wholesaler) -> None:
    wholesaler.plan_orders("lost_after")
    purchase = purchase_of(buy(2))
    ref = wholesaler.sold_refs[0]
    over = make_difference(
        key=ref, facts={"ours": {"line": None}, "theirs": {"line": ref}}, details={"state": "expired"}
    )
    client = sign_in(*JUDGE)
    page = client.get(f"/differences/{over.pk}/").content.decode()
    assert "Attach to a purchase" not in page
    assert "Take over for a customer" not in page
    assert "Close with a reason" in page
    assert "so it can be given to nobody" in page
    client.post(f"/differences/{over.pk}/attach/", {"purchase": purchase.pk, "why": "x"})
    good = {"customer": purchase.order_line.order.customer.email, "plan": purchase.plan_ref, "why": "x"}
    client.post(f"/differences/{over.pk}/take-over/", good)
    assert (Difference.objects.get().state, Esim.objects.exists(), wholesaler.reads) == ("open", False, [])


def test_the_purchase_that_a_line_names_is_offered_however_old(wholesaler: Wholesaler) -> None:
    wholesaler.plan_orders(*["lost_after"] * 62)
    first = purchase_of(buy(1))
    by_key = purchase_of(buy(1))
    for _more in range(60):
        buy(1)
    told = {"ours": {"line": None}, "theirs": {"line": "25112000000001", "key": by_key.idempotency_key}}
    difference = make_difference(facts=told, purchase=first)
    fitting = find_fitting_purchases(difference)
    assert [row.pk for row in fitting[:2]] == [by_key.pk, first.pk]
    assert len(fitting) == 20


def test_a_line_is_taken_over_for_a_customer(wholesaler: Wholesaler) -> None:
    plan, customer = make_fake_plan(), make_customer(name="Mia Sato", email="mia@example.jp")
    difference = make_difference(key="8981100000000000001")
    client = sign_in(*JUDGE)
    url = f"/differences/{difference.pk}/take-over/"
    assert_clean_page(client.get(url))
    good = {"customer": "MIA@example.jp", "plan": plan.plan_ref, "why": "Bought in the portal"}
    for change in ({"customer": "no@example.jp"}, {"plan": "none"}, {"why": ""}):
        assert_clean_page(client.post(url, {**good, **change}), status=422)
        assert not Esim.objects.exists()
    client.post(url, good)
    esim = Esim.objects.get()
    assert (esim.provider_ref, esim.customer, esim.plan) == ("8981100000000000001", customer, plan)
    assert Difference.objects.get().esim == esim


def test_one_that_was_closed_by_mistake_is_opened_again() -> None:
    difference = make_difference("missing_line", state="closed", verdict="known")
    client = sign_in(*JUDGE)
    url = f"/differences/{difference.pk}/reopen/"
    assert_clean_page(client.get(url))
    client.post(url, {"why": "Wrong line"})
    assert Difference.objects.get().state == "open"
    balance = make_difference("balance", state="closed", verdict="deposit")
    assert_clean_page(client.post(f"/differences/{balance.pk}/reopen/", {"why": "x"}), status=422)
    assert Difference.objects.get(pk=balance.pk).state == "closed"


# -- runs -------------------------------------------------------------------------------------------------------------


def test_a_person_asks_for_a_comparison_and_a_worker_does_it(wholesaler: Wholesaler, queue: Queue) -> None:
    buy(2)
    queue.clear()
    make_fake_account()
    client = sign_in(*JUDGE)
    first = client.post("/comparisons/start/", {"account": "fake"})
    second = client.post("/comparisons/start/", {"account": "fake"})
    run = Comparison.objects.get()
    assert first["Location"] == second["Location"] == f"/comparisons/{run.pk}/"
    waiting = client.get(f"/comparisons/{run.pk}/")
    assert_clean_page(waiting)
    assert "Waiting for a worker" in waiting.content.decode()
    part = client.get(f"/comparisons/{run.pk}/", headers={"HX-Request": "true"})
    assert part.templates[0].name == "comparisons/_run.html"
    queue.run()
    run.refresh_from_db()
    assert run.state == "succeeded"
    assert client.get(f"/comparisons/{run.pk}/", headers={"HX-Request": "true"})["HX-Refresh"] == "true"
    done = client.get(f"/comparisons/{run.pk}/")
    assert_clean_page(done)
    assert "cannot be compared" in done.content.decode()
    assert client.post("/comparisons/start/", {"account": "none"}).status_code == 404


def test_a_paused_account_is_not_asked(wholesaler: Wholesaler) -> None:
    account = make_fake_account()
    ProviderAccount.objects.filter(pk=account.pk).update(is_paused=True)
    response = sign_in(*JUDGE).post("/comparisons/start/", {"account": "fake"}, follow=True)
    assert "paused by staff" in response.content.decode()
    assert not Comparison.objects.exists()


def test_a_run_whose_worker_died_is_closed_and_the_next_one_goes_on(wholesaler: Wholesaler) -> None:
    account = make_fake_account()
    dead, _made = open_comparison(account=account, asked_by="test", enqueue=False)
    past = timezone.now() - STALE_AFTER - timedelta(seconds=1)
    Comparison.objects.filter(pk=dead.pk).update(state="running", started_at=past, heartbeat_at=past)
    assert "comparisons" in wake_due_jobs()
    run_wake_up("comparisons")
    dead.refresh_from_db()
    assert (dead.state, dead.error.startswith("The worker stopped")) == ("failed", True)
    assert compare(account).state == "succeeded"
    # The dead worker's job comes again: it finds nothing to do.
    assert run_comparison(run_id=dead.pk).state == "failed"


def test_a_run_whose_job_was_lost_is_asked_for_again(wholesaler: Wholesaler, queue: Queue) -> None:
    run, _made = open_comparison(account=make_fake_account(), asked_by="test", enqueue=False)
    Comparison.objects.filter(pk=run.pk).update(created_at=timezone.now() - STALE_AFTER - timedelta(seconds=1))
    queue.clear()
    run_wake_up("comparisons")
    assert [(job.name, job.args) for job in queue.waiting()] == [("orders.tasks.compare_account", (run.pk,))]


def test_the_command_tells_by_its_exit_status(wholesaler: Wholesaler) -> None:
    buy(2)
    out = StringIO()
    call_command("compare_accounts", "--account", "fake", stdout=out, stderr=StringIO())
    assert "fake: succeeded: 0 new" in out.getvalue()
    assert "balance impossible" in out.getvalue()
    make_difference("balance")
    with pytest.raises(SystemExit) as differs:
        call_command("compare_accounts", "--account", "fake", stdout=out, stderr=StringIO())
    assert differs.value.code == 2
    assert f"/differences/{Difference.objects.get().pk}/" in out.getvalue()
    with pytest.raises(CommandError, match="No account 'none'"):
        call_command("compare_accounts", "--account", "none", stdout=out, stderr=StringIO())


def test_the_schedule_begins_at_night_and_asks_for_every_account(wholesaler: Wholesaler, queue: Queue) -> None:
    set_up_schedules()
    row = Schedule.objects.get(name=PREFIX + "compare accounts")
    assert (row.minutes, timezone.localtime(row.next_run).hour) == (1440, 3)
    queue.clear()
    assert compare_all_accounts() == len(ACCOUNTS)
    jobs = {job.name for job in queue.waiting()}
    assert (jobs, Comparison.objects.count()) == ({"orders.tasks.compare_account"}, len(ACCOUNTS))
