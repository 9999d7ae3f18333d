"""Usage: what was reported, nothing more."""

from datetime import UTC, date, datetime

import pytest

from esims.models import Esim, LineEvent, Package, UsageDay
from esims.page import read_usage
from esims.usage import UsageRefused, read_usage_series, set_simulated_usage
from providers.errors import ProviderError, Rejected
from providers.types import DataPeriod
from tests.catalog.making import make_plan
from tests.esims.conftest import SellLines
from tests.esims.making import GB, MB, make_days, make_line, make_snapshot, share_used
from tests.simulator_client import SANDBOX, Simulator

pytestmark = pytest.mark.django_db
DAY = [date(2026, 5, number) for number in range(1, 32)]


def test_days_without_a_report_are_not_zero() -> None:
    esim = make_line(
        make_snapshot(total_used_bytes=9 * MB, daily_usage=make_days((DAY[0], MB), (DAY[3], 0), (DAY[4], 2 * MB))),
        plan=make_plan(data_bytes=GB),
    )
    UsageDay.objects.filter(esim=esim, day=DAY[4]).update(is_derived=True)
    series = read_usage_series(esim)
    assert [(point.day, point.used_bytes, point.cumulative_bytes) for point in series.points] == [
        (DAY[0], MB, MB),
        (DAY[1], None, MB),
        (DAY[2], None, MB),
        (DAY[3], 0, MB),
        (DAY[4], 2 * MB, 3 * MB),
    ]
    # The days are not made to agree with the total.
    assert (series.total_bytes, series.total_cap_bytes, series.daily_cap_bytes) == (9 * MB, GB, None)
    assert series.share_of_total == pytest.approx(9 / 1024)
    assert (series.has_gaps, series.has_derived, series.is_cut, series.is_reported) == (True, True, False, True)
    chart = read_usage(esim)
    assert [(entry["label"], entry["value"] is None) for entry in chart["usage_days"]] == [
        *((DAY[0], False), (DAY[1], True), (DAY[2], True), (DAY[3], False), (DAY[4], False)),
    ]
    assert (chart["usage_percent"], chart["usage_cumulative"], chart["usage_allowance"]) == (1, True, GB)


def test_a_cap_per_day_is_never_a_percentage_of_the_total() -> None:
    plan = make_plan(data_bytes=GB, data_period=DataPeriod.DAY)
    esim = make_line(make_snapshot(total_used_bytes=5 * GB, daily_usage=make_days((DAY[0], GB))), plan=plan)
    series = read_usage_series(esim)
    assert (series.daily_cap_bytes, series.total_cap_bytes, series.share_of_total) == (GB, None, None)
    chart = read_usage(esim)
    assert (chart["usage_percent"], chart["usage_cumulative"], chart["usage_allowance"]) == (None, False, GB)


def test_nothing_reported_is_nothing() -> None:
    series = read_usage_series(make_line(plan=make_plan(data_bytes=None, data_period=DataPeriod.UNKNOWN)))
    assert (series.points, series.total_bytes, series.share_of_total, series.as_of is None) == ((), None, None, True)
    assert (series.daily_cap_bytes, series.total_cap_bytes, series.is_unlimited) == (None, None, False)
    assert series.is_reported is False


def test_no_cap_is_no_percentage() -> None:
    plan = make_plan(data_bytes=None, data_unlimited=True, data_period=DataPeriod.UNKNOWN)
    esim = make_line(make_snapshot(total_used_bytes=5 * GB), plan=plan)
    series = read_usage_series(esim)
    assert (series.is_unlimited, series.share_of_total) == (True, None)
    assert share_used(esim) is None


def test_a_top_up_whose_size_is_not_known_leaves_no_total() -> None:
    esim = make_line(make_snapshot(total_used_bytes=MB), plan=make_plan(data_bytes=GB))
    assert share_used(esim) == pytest.approx(1 / 1024)
    top_up = Package.objects.create(esim=esim, kind="top_up", package_ref="T", name="T", data_period="total")
    assert read_usage_series(esim).total_cap_bytes is None
    top_up.data_bytes = GB
    top_up.save()
    assert read_usage_series(esim).total_cap_bytes == 2 * GB


def test_only_the_last_days_are_drawn_and_no_total_beside_them() -> None:
    esim = make_line(plan=make_plan(data_bytes=GB))
    UsageDay.objects.bulk_create(
        UsageDay(esim=esim, day=date.fromordinal(DAY[0].toordinal() + number), used_bytes=1) for number in range(70)
    )
    series = read_usage_series(esim)
    assert (len(series.points), series.is_cut) == (60, True)
    assert series.points[0].day == date.fromordinal(DAY[0].toordinal() + 10)
    chart = read_usage(esim)
    assert (chart["usage_cumulative"], chart["usage_allowance"]) == (False, None)


def test_a_long_silence_does_not_make_a_long_chart() -> None:
    esim = make_line(make_snapshot(daily_usage=make_days((date(2020, 1, 1), 1), (DAY[0], 2))))
    series = read_usage_series(esim)
    assert (len(series.points), series.is_cut) == (60, True)


def test_the_share_of_a_daily_cap_is_todays_in_japan() -> None:
    plan = make_plan(data_bytes=GB, data_period=DataPeriod.DAY)
    esim = make_line(make_snapshot(daily_usage=make_days((DAY[0], GB // 2), (DAY[1], GB // 4))), plan=plan)
    assert share_used(esim, now=datetime(2026, 5, 1, 14, 59, tzinfo=UTC)) == 0.5
    assert share_used(esim, now=datetime(2026, 5, 1, 15, 0, tzinfo=UTC)) == 0.25
    assert share_used(esim, now=datetime(2026, 5, 3, 15, 0, tzinfo=UTC)) is None


def test_simulated_usage_arrives_at_the_sandbox(office: Simulator, sell_lines: SellLines) -> None:
    (esim,) = sell_lines(system=SANDBOX)
    set_simulated_usage(esim=esim, days={DAY[0]: 100 * MB, DAY[1]: 0}, by="mika@desk.example")
    assert office.line(esim.iccid, SANDBOX)["dataUsageDailyList"] == [
        {"day": "2026-05-01", "usage": "102400"},
        {"day": "2026-05-02", "usage": "0"},
    ]
    event = LineEvent.objects.get(kind="usage_simulated")
    assert (event.by, event.facts) == ("mika@desk.example", {"days": 2})
    due = Esim.objects.get(pk=esim.pk).next_refresh_at
    assert due is not None
    assert due <= datetime.now(UTC)


def test_production_lines_have_no_simulated_usage(office: Simulator, sell_lines: SellLines) -> None:
    (esim,) = sell_lines()
    with pytest.raises(UsageRefused):
        set_simulated_usage(esim=esim, days={DAY[0]: MB}, by="mika@desk.example")
    assert office.count_requests("usage") == 0


@pytest.mark.parametrize("days", [{}, {DAY[0]: -1}])
def test_nonsense_is_not_sent(office: Simulator, sell_lines: SellLines, days: dict[date, int]) -> None:
    (esim,) = sell_lines(system=SANDBOX)
    with pytest.raises(UsageRefused):
        set_simulated_usage(esim=esim, days=days, by="mika@desk.example")
    assert office.count_requests("usage", SANDBOX) == 0


def test_a_line_that_is_not_the_sandboxs_own_is_refused(office: Simulator, sell_lines: SellLines) -> None:
    (esim,) = sell_lines(system=SANDBOX)
    esim.provider_ref = "8981100000000000002"
    with pytest.raises(Rejected):
        set_simulated_usage(esim=esim, days={DAY[0]: MB}, by="mika@desk.example")
    assert office.count_requests("usage", SANDBOX) == 0
    assert not LineEvent.objects.filter(kind="usage_simulated").exists()


def test_an_error_of_the_sandbox_leaves_no_event(office: Simulator, sell_lines: SellLines) -> None:
    (esim,) = sell_lines(system=SANDBOX)
    office.order_fault("status_before", "usage", status=500)
    with pytest.raises(ProviderError):
        set_simulated_usage(esim=esim, days={DAY[0]: MB}, by="mika@desk.example")
    assert not LineEvent.objects.filter(kind="usage_simulated").exists()
