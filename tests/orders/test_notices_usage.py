"""Words about data: of an allowance in total, once at each mark, and never a false alarm."""

from dataclasses import replace
from datetime import timedelta

import pytest
from django.core import mail
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries, Settings

from catalog.models import Plan
from esims.claims import Claim, ClaimedLine
from esims.lifecycle import apply_snapshot
from esims.models import Esim, LineEvent, Package
from esims.packages import register_top_up
from esims.recording import record_usages
from orders.models import Notification, OrderLine
from orders.notice_planning import plan_notifications
from orders.notice_sending import send_due_notifications
from providers.models import ProviderAccount
from providers.types import Allowance, DataPeriod, LineState, PackageSnapshot, PackageStatus, UsageSnapshot
from tests.catalog.making import make_account, make_plan
from tests.esims.making import make_snapshot
from tests.orders.fakes_lines import Allocator
from tests.orders.making import make_fake_account, order_plan
from tests.orders.telling import GB, MB, make_told_line, report, subjects, tell

pytestmark = pytest.mark.django_db


def test_each_mark_is_told_once() -> None:
    esim = make_told_line()
    package = Package.objects.get(esim=esim)
    for used in (300, 520, 530, 830, 830, 950, 960):
        report(esim, total_used_bytes=used * MB)
        tell()
    assert tell() == [f"usage-{mark}:esim:{esim.pk}:package:{package.pk}" for mark in (50, 80, 90)]
    assert subjects() == [f"{mark} % of your data is used" for mark in (50, 80, 90)]
    assert [message.to for message in mail.outbox] == [["aiko@example.jp"]] * 3
    assert "520 MB of 1 GB are used" in " ".join(mail.outbox[0].body.replace("\u00a0", " ").split())


def test_a_jump_is_one_word_and_the_highest() -> None:
    esim = make_told_line(total_used_bytes=400 * MB)
    report(esim, total_used_bytes=975 * MB)
    tell()
    assert subjects() == ["90 % of your data is used"]


def test_a_restated_number_tells_nothing_anew() -> None:
    esim = make_told_line()
    for used in (850, 700, 850):
        report(esim, total_used_bytes=used * MB)
        tell()
    assert subjects() == ["80 % of your data is used"]
    assert len(mail.outbox) == 1


def test_a_top_up_begins_the_marks_anew(allocator: Allocator) -> None:
    esim = make_told_line()
    report(esim, total_used_bytes=850 * MB)
    tell()
    bought = PackageSnapshot(
        package_ref="P2",
        allowance=Allowance(data_bytes=GB, period=DataPeriod.TOTAL, unlimited=False),
        status=PackageStatus.ACTIVE,
    )
    top_up = register_top_up(
        esim_id=esim.pk, plan=make_plan(esim.account), package=bought, order_key="K", order_ref="", by="test"
    )
    report(esim, total_used_bytes=900 * MB, total_data_bytes=2 * GB)
    assert len(tell()) == 1
    report(esim, total_used_bytes=1100 * MB)
    assert f"usage-50:esim:{esim.pk}:package:{top_up.pk}" in tell()
    assert subjects() == ["80 % of your data is used", "50 % of your data is used"]


def test_the_use_that_is_read_alone_tells_as_well() -> None:
    esim = make_told_line()
    now = timezone.now()
    usage = UsageSnapshot(provider_ref=esim.provider_ref, used_bytes=900 * MB, total_data_bytes=None, as_of=now)
    claimed = ClaimedLine(
        pk=esim.pk,
        provider_ref=esim.provider_ref,
        order_ref="",
        failures=0,
        is_watched=False,
        wants_state=False,
        claim=Claim(until=now, next_refresh_at=None, next_usage_at=None),
    )
    for _ in range(2):
        record_usages({esim.pk: usage}, [claimed], abilities=frozenset())
    tell()
    assert subjects() == ["80 % of your data is used"]


@pytest.mark.parametrize(
    ("plan", "fields"),
    [
        ({"data_period": DataPeriod.DAY}, {}),
        ({"data_bytes": None, "data_unlimited": True}, {}),
        ({"data_bytes": None, "data_period": DataPeriod.UNKNOWN}, {}),
        ({}, {"total_used_bytes": None}),
        ({}, {"state": LineState.SUSPENDED}),
        ({}, {"state": LineState.CANCELLED}),
    ],
    ids=["by the day", "no cap", "allowance not told", "use not told", "suspended", "cancelled"],
)
def test_no_false_alarm(plan: dict[str, object], fields: dict[str, object]) -> None:
    esim = make_told_line(plan=plan, state=fields.get("state", LineState.ACTIVE))
    report(esim, **{"total_used_bytes": 5 * GB, **fields})
    tell()
    assert not Notification.objects.exists()
    assert mail.outbox == []


def test_an_older_reading_tells_nothing() -> None:
    esim = make_told_line()
    report(esim, total_used_bytes=100 * MB)
    hour_ago = timezone.now() - timedelta(hours=1)
    old = make_snapshot(esim.provider_ref, total_used_bytes=990 * MB, state_as_of=hour_ago, usage_as_of=hour_ago)
    apply_snapshot(esim_id=esim.pk, snapshot=replace(old, state=LineState.ACTIVE), by="refresh")
    tell()
    assert not LineEvent.objects.filter(kind="usage_reached").exists()
    assert not Notification.objects.exists()


def test_what_was_noticed_long_ago_is_no_news(settings: Settings) -> None:
    esim = make_told_line()
    report(esim, total_used_bytes=850 * MB)
    LineEvent.objects.update(at=timezone.now() - timedelta(hours=settings.NOTIFICATION_STALE_HOURS, minutes=1))
    tell()
    assert not Notification.objects.exists()
    assert not LineEvent.objects.filter(awaits_notice=True).exists()


def test_used_up_is_told_instead_of_a_mark() -> None:
    esim = make_told_line()
    report(esim, total_used_bytes=GB, state=LineState.DEPLETED)
    tell()
    assert subjects() == ["The data of your eSIM is used up"]


def test_a_day_that_is_used_up_is_not_the_end() -> None:
    esim = make_told_line(plan={"data_period": DataPeriod.DAY})
    report(esim, total_used_bytes=GB, state=LineState.DEPLETED)
    assert tell() == []


def test_what_can_be_added_is_said_only_where_it_can(allocator: Allocator) -> None:
    esim = make_told_line()
    report(esim, total_used_bytes=850 * MB)
    other = make_told_line(plan={"account": esim.account}, customer={"name": "B", "email": "b@example.com"})
    Esim.objects.filter(pk=other.pk).update(account=make_fake_account("fake-slow"))
    report(Esim.objects.get(pk=other.pk), total_used_bytes=850 * MB)
    tell()
    without, with_hint = sorted(mail.outbox, key=lambda message: message.to[0])
    assert "Data can be added" not in without.body
    assert "Data can be added to it, without installing anything anew" in with_hint.body


def test_a_reading_costs_no_query_when_nothing_is_to_be_told(
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    esim = make_told_line()
    report(esim, total_used_bytes=100 * MB)
    with django_assert_num_queries(5):
        report(esim, total_used_bytes=110 * MB)
    with django_assert_num_queries(6):
        # One more: the rows of the timeline.
        report(esim, total_used_bytes=520 * MB)


def test_planning_costs_the_same_for_many(django_assert_num_queries: DjangoAssertNumQueries) -> None:
    lines = [make_told_line(customer={"name": str(number), "email": f"{number}@example.com"}) for number in range(3)]
    report(lines[0], total_used_bytes=850 * MB)
    with django_assert_num_queries(13) as one:
        plan_notifications(seconds=30)
    for line in lines[1:]:
        report(line, total_used_bytes=850 * MB)
    with django_assert_num_queries(len(one)):
        plan_notifications(seconds=30)
    assert Notification.objects.count() == 3


@pytest.fixture
def fx(settings: Settings) -> ProviderAccount:
    """An account whose lines take top-ups, of groups that its catalogue names; nobody is asked."""
    keys = {"url": "http://127.0.0.1:1", "client_id": "x", "client_key": "y"}
    settings.PROVIDERS = {"esimfx": {**settings.PROVIDERS["esimfx"], **keys}}
    account = make_account("esimfx", adapter="esimfx")
    for group in ("JP", "KR"):
        for price in (5, 3, 9, 7):
            name, ref = f"{group} at {price}", f"{group}{price}"
            make_plan(account, name=name, plan_ref=ref, top_up_profile=group, retail_price=price)
    return account


def make_fx_line(account: ProviderAccount, number: int) -> Esim:
    return make_told_line(
        plan={"account": account, "top_up_profile": ("JP", "KR")[number % 2], "is_published": False},
        customer={"name": f"C{number}", "email": f"{number}@example.com"},
    )


def test_examples_of_top_ups_cost_the_same_for_one_line_and_for_twenty(
    fx: ProviderAccount, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    lines = [make_fx_line(fx, number) for number in range(21)]
    report(lines[0], total_used_bytes=850 * MB)
    with django_assert_num_queries(15) as one:
        plan_notifications(seconds=30)
    for line in lines[1:]:
        report(line, total_used_bytes=850 * MB)
    with django_assert_num_queries(len(one)):
        plan_notifications(seconds=30)
    assert Notification.objects.count() == 21
    send_due_notifications(seconds=30)
    body = " ".join(str(mail.outbox[1].body).split())
    # The three cheapest of its own group, the cheapest first.
    places = [body.find(f"KR at {price}") for price in (3, 5, 7)]
    assert places == sorted(places)
    assert places[0] > 0
    assert "KR at 9" not in body
    assert "JP at" not in body


def test_no_example_for_a_line_that_is_replaced(fx: ProviderAccount) -> None:
    replaced, other = make_fx_line(fx, 0), make_fx_line(fx, 1)
    order = order_plan(Plan.objects.get(plan_ref="JP3"), 1, customer=replaced.customer)
    OrderLine.objects.filter(order=order).update(replaces=replaced)
    for line in (replaced, other):
        report(line, total_used_bytes=850 * MB)
    tell()
    said = {message.to[0]: str(message.body) for message in mail.outbox}
    assert "at 3" not in said["0@example.com"]
    assert "KR at 3" in said["1@example.com"]
