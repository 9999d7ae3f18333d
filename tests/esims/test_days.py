"""Days derived from totals: growth is booked where it was seen, never guessed, never negative."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from esims.abilities import abilities_of
from esims.claims import ClaimedLine, claim_line
from esims.days import Sample, derive_days, trim_usage_samples
from esims.lifecycle import apply_snapshot
from esims.models import Esim, Package, UsageDay, UsageSample
from esims.page import read_usage
from esims.recording import record_usages
from esims.usage import read_usage_series
from providers.types import DataPeriod, UsageSnapshot
from tests.catalog.making import make_account, make_plan
from tests.esims.making import GB, MB, T0, make_days, make_line, make_snapshot, share_used


def at(day: int, hour: int = 12, minute: int = 0) -> datetime:
    return datetime(2026, 5, day, hour, minute, tzinfo=UTC)


def sample(day: int, hour: int, total: int) -> Sample:
    return Sample(at=at(day, hour), total=total)


@pytest.mark.parametrize(
    ("earlier", "later", "days"),
    [
        # Within one day.
        (sample(3, 8, 10), sample(3, 20, 25), {3: 15}),
        # Over midnight: where it was seen, not spread.
        (sample(3, 20, 10), sample(4, 4, 25), {4: 15}),
        (sample(3, 20, 10), sample(7, 4, 25), {7: 15}),
        # A reading at midnight closes the day before.
        (sample(3, 20, 10), sample(4, 0, 25), {3: 15}),
        (sample(4, 0, 25), sample(4, 8, 30), {4: 5}),
        # Nothing used is known for every day across, but not of the part of a day before the first reading.
        (sample(3, 20, 10), sample(6, 4, 10), {4: 0, 5: 0, 6: 0}),
        (sample(3, 20, 0), sample(5, 4, 0), {3: 0, 4: 0, 5: 0}),
        (sample(3, 8, 10), sample(3, 20, 10), {}),
        # A counter that falls is no use.
        (sample(3, 8, 10), sample(3, 20, 4), {}),
        (sample(3, 20, 10), sample(3, 8, 25), {}),
        (None, sample(3, 8, 10), {}),
    ],
)
def test_growth_is_booked_where_it_was_seen(earlier: Sample | None, later: Sample, days: dict[int, int]) -> None:
    assert derive_days(earlier, later) == {date(2026, 5, day): used for day, used in days.items()}


def test_a_long_silence_says_nothing_of_its_days() -> None:
    assert derive_days(Sample(at=at(1), total=0), Sample(at=at(1) + timedelta(days=90), total=0)) == {}


def make_total_line(**fields: Any) -> Esim:
    """A line of a provider that reports totals alone."""
    account = make_account("esim-access", adapter="esim_access")
    plan = make_plan(account, data_bytes=GB)
    return make_line(make_snapshot(state_as_of=at(1), usage_as_of=at(1), **fields), account=account, plan=plan)


def use(esim: Esim, when: datetime, total: int | None, data: int | None = None) -> None:
    """The provider tells the use of the line by itself, to the worker that claimed it."""
    line = ClaimedLine(
        pk=esim.pk,
        provider_ref=esim.provider_ref,
        order_ref=esim.order_ref,
        failures=0,
        is_watched=False,
        wants_state=False,
        claim=claim_line(esim, only_if_due=False),
    )
    usage = UsageSnapshot(provider_ref=esim.provider_ref, used_bytes=total, total_data_bytes=data, as_of=when)
    assert record_usages({esim.pk: usage}, [line], abilities=abilities_of(esim.account)) == 1


def days_of(esim: Esim) -> dict[int, tuple[int, bool]]:
    return {row.day.day: (row.used_bytes, row.is_derived) for row in UsageDay.objects.filter(esim=esim)}


@pytest.mark.django_db
def test_totals_become_samples_and_derived_days() -> None:
    esim = make_total_line(total_used_bytes=0)
    use(esim, at(2, 8), 10 * MB)
    use(esim, at(2, 20), 15 * MB)
    use(esim, at(3, 9), 15 * MB)
    # A counter that begins anew.
    use(esim, at(3, 12), 2 * MB)
    use(esim, at(3, 18), 5 * MB)
    assert days_of(esim) == {2: (15 * MB, True), 3: (3 * MB, True)}
    assert list(UsageSample.objects.values_list("total_used_bytes", flat=True)) == [
        *(0, 10 * MB, 15 * MB, 15 * MB, 2 * MB, 5 * MB)
    ]
    fresh = Esim.objects.get(pk=esim.pk)
    assert (fresh.total_used_bytes, fresh.usage_as_of) == (5 * MB, at(3, 18))


@pytest.mark.django_db
def test_the_same_reading_again_and_an_older_one_add_nothing() -> None:
    esim = make_total_line(total_used_bytes=0)
    use(esim, at(2), 10 * MB)
    use(esim, at(2), 10 * MB)
    use(esim, at(1, 20), 99 * MB)
    assert days_of(esim) == {2: (10 * MB, True)}
    assert UsageSample.objects.count() == 2
    # The provider mends the number of the same instant.
    use(esim, at(2), 12 * MB)
    assert days_of(esim) == {2: (12 * MB, True)}
    assert UsageSample.objects.count() == 2


@pytest.mark.django_db
def test_more_use_is_believed_within_the_providers_lag() -> None:
    """The whole reading was stamped with its own moment; what was settled shortly before may be more than it knew."""
    esim = make_total_line(total_used_bytes=0)
    use(esim, at(2), 10 * MB)
    use(esim, at(2, 8, 59), 99 * MB)
    # Not more, so that it is only older.
    use(esim, at(2, 11), 9 * MB)
    fresh = Esim.objects.get(pk=esim.pk)
    assert (fresh.total_used_bytes, fresh.usage_as_of) == (10 * MB, at(2))
    use(esim, at(2, 9), 12 * MB)
    fresh = Esim.objects.get(pk=esim.pk)
    assert (fresh.total_used_bytes, fresh.usage_as_of) == (12 * MB, at(2))
    assert days_of(esim) == {2: (12 * MB, True)}


@pytest.mark.django_db
@pytest.mark.parametrize("why", ["by_the_day", "topped_up_since"])
def test_more_use_of_before_says_nothing_where_counting_may_have_begun_anew(why: str) -> None:
    esim = make_total_line(total_used_bytes=0)
    if why == "by_the_day":
        esim.packages.update(data_period="day")
    else:
        Package.objects.create(esim=esim, kind="top_up", package_ref="T-1", name="1 GB", data_period="total")
    use(esim, timezone.now() + timedelta(hours=1), 10 * MB)
    use(esim, timezone.now() - timedelta(minutes=1), 99 * MB)
    assert Esim.objects.get(pk=esim.pk).total_used_bytes == 10 * MB


@pytest.mark.django_db
def test_a_whole_reading_counts_as_one_of_use_alone() -> None:
    esim = make_total_line(total_used_bytes=0)
    snapshot = make_snapshot(esim.provider_ref, state_as_of=at(2), usage_as_of=at(2), total_used_bytes=4 * MB)
    apply_snapshot(esim_id=esim.pk, snapshot=snapshot, by="refresh")
    use(esim, at(2, 15), 6 * MB)
    assert days_of(esim) == {2: (6 * MB, True)}


@pytest.mark.django_db
def test_nothing_is_derived_where_the_provider_reports_days() -> None:
    esim = make_line(make_snapshot(total_used_bytes=0, daily_usage=make_days((date(2026, 5, 1), 0))))
    later = make_snapshot(esim.provider_ref, usage_as_of=T0 + timedelta(hours=2), total_used_bytes=9 * MB)
    # Not even when the days are missing once.
    apply_snapshot(esim_id=esim.pk, snapshot=later, by="refresh")
    assert days_of(esim) == {1: (0, False)}
    assert UsageSample.objects.count() == 0


@pytest.mark.django_db
def test_not_reported_is_not_zero() -> None:
    esim = make_total_line()
    use(esim, at(2), None)
    fresh = Esim.objects.get(pk=esim.pk)
    assert (fresh.total_used_bytes, fresh.usage_as_of) == (None, None)
    assert UsageSample.objects.count() == 0


@pytest.mark.django_db
def test_the_providers_total_is_the_cap_and_grows_with_top_ups() -> None:
    esim = make_total_line(total_used_bytes=256 * MB, total_data_bytes=GB)
    assert share_used(Esim.objects.get(pk=esim.pk)) == pytest.approx(0.25)
    use(esim, at(2), 512 * MB, data=4 * GB)
    fresh = Esim.objects.get(pk=esim.pk)
    assert read_usage_series(fresh).total_cap_bytes == 4 * GB
    assert read_usage(fresh)["usage_percent"] == 12


@pytest.mark.django_db
def test_a_plan_by_the_day_has_no_percentage_whatever_total_is_told() -> None:
    account = make_account("esim-access", adapter="esim_access")
    plan = make_plan(account, data_bytes=GB, data_period=DataPeriod.DAY)
    esim = make_line(make_snapshot(total_used_bytes=3 * GB), account=account, plan=plan)
    use(esim, T0 + timedelta(hours=2), 4 * GB, data=GB)
    fresh = Esim.objects.get(pk=esim.pk)
    series = read_usage_series(fresh)
    assert (series.daily_cap_bytes, series.total_cap_bytes, series.share_of_total) == (GB, None, None)
    assert fresh.total_data_bytes is None


@pytest.mark.django_db
def test_todays_cap_is_measured_by_the_day_that_the_number_belongs_to() -> None:
    account = make_account("esim-access", adapter="esim_access")
    esim = make_line(
        make_snapshot(), account=account, plan=make_plan(account, data_bytes=GB, data_period=DataPeriod.DAY)
    )
    # 20:00 in UTC is the next day in Japan.
    now = at(4, 20)
    today = UsageDay.objects.create(esim=esim, day=date(2026, 5, 4), used_bytes=GB // 2, is_derived=True)
    assert share_used(esim, now=now) == pytest.approx(0.5)
    today.is_derived = False
    today.save()
    assert share_used(esim, now=now) is None
    UsageDay.objects.create(esim=esim, day=date(2026, 5, 5), used_bytes=GB // 4)
    assert share_used(esim, now=now) == pytest.approx(0.25)


@pytest.mark.django_db
def test_an_unlimited_plan_has_no_percentage() -> None:
    account = make_account("esim-access", adapter="esim_access")
    plan = make_plan(account, data_bytes=None, data_unlimited=True, data_period=DataPeriod.UNKNOWN)
    esim = make_line(make_snapshot(total_used_bytes=GB, total_data_bytes=GB), account=account, plan=plan)
    assert read_usage_series(Esim.objects.get(pk=esim.pk)).share_of_total is None


@pytest.mark.django_db
def test_old_samples_are_thinned_to_the_last_of_each_day() -> None:
    esim, other = make_total_line(), make_total_line()
    UsageSample.objects.bulk_create(
        UsageSample(esim=line, at=at(day, hour), total_used_bytes=day * 100 + hour)
        for line in (esim, other)
        for day in (1, 2, 20)
        for hour in (0, 6, 23)
    )
    with time_machine.travel(at(22)):
        assert trim_usage_samples() == 8
        assert trim_usage_samples() == 0
    for line in (esim, other):
        kept = UsageSample.objects.filter(esim=line).values_list("total_used_bytes", flat=True)
        assert list(kept) == [123, 223, 2000, 2006, 2023]
    with time_machine.travel(at(22)):
        assert trim_usage_samples(older_than=timedelta(days=1)) == 4


@pytest.mark.django_db
def test_old_samples_are_numbered_once_however_many_go() -> None:
    esim = make_total_line()
    UsageSample.objects.bulk_create(
        UsageSample(esim=esim, at=at(day, hour), total_used_bytes=day * 100 + hour)
        for day in (1, 2)
        for hour in (0, 6, 18, 23)
    )
    with time_machine.travel(at(22)), CaptureQueriesContext(connection) as queries:
        assert trim_usage_samples(older_than=timedelta(days=1), at_once=4) == 6
    statements = [query["sql"] for query in queries]
    assert sum("ROW_NUMBER" in sql for sql in statements) == 1
    assert sum(sql.startswith("DELETE") for sql in statements) == 2
    assert list(UsageSample.objects.values_list("total_used_bytes", flat=True)) == [123, 223]
