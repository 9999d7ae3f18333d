"""The geometry of charts."""

from datetime import date
from typing import Any

import pytest
from django.template import Context, Template

from config.charts import HEIGHT, LEFT, TOP, WIDTH, draw_sparkline, draw_usage_chart

MB = 1024**2
GB = 1024**3


def days(*values: int, derived: int = -1) -> list[dict[str, Any]]:
    return [
        {"label": date(2025, 12, number), "value": value, "derived": number == derived}
        for number, value in enumerate(values, start=1)
    ]


def test_bars_stand_on_the_base_in_proportion() -> None:
    chart = draw_usage_chart(days(100 * MB, 200 * MB, 0, 400 * MB, derived=2))
    assert [tick.label for tick in chart.ticks] == [
        "0\u00a0B",
        "100\u00a0MB",
        "200\u00a0MB",
        "300\u00a0MB",
        "400\u00a0MB",
    ]
    assert [bar.height for bar in chart.bars] == [52.0, 104.0, 0.0, 208.0]
    assert {bar.y + bar.height for bar in chart.bars} == {chart.base} == {226.0}
    assert chart.bars[3].y == TOP
    assert [bar.derived for bar in chart.bars] == [False, True, False, False]
    assert chart.has_derived
    assert [bar.label for bar in chart.bars] == ["1 Dec", "2 Dec", "3 Dec", "4 Dec"]
    assert (chart.total, chart.lines, chart.allowance_y) == ("700\u00a0MB", (), None)


def test_running_total_and_allowance_share_the_axis() -> None:
    chart = draw_usage_chart(days(GB, GB, GB // 2), allowance=3 * GB, cumulative=True)
    assert [tick.label for tick in chart.ticks] == [f"{n}\u00a0GB" if n else "0\u00a0B" for n in range(4)]
    heights = [float(point.split(",")[1]) for point in chart.lines[0].split()]
    assert heights == [156.7, 87.3, 52.7]
    assert chart.allowance_y == TOP
    assert [bar.total for bar in chart.bars] == ["1\u00a0GB", "2\u00a0GB", "2.5\u00a0GB"]


def test_a_day_without_a_report_is_a_gap_and_no_zero() -> None:
    listed = days(100 * MB, 0, 200 * MB, 0, 100 * MB)
    listed[1]["value"] = listed[3]["value"] = None
    chart = draw_usage_chart(listed, cumulative=True)
    assert [bar.missing for bar in chart.bars] == [False, True, False, True, False]
    assert [bar.value for bar in chart.bars] == [
        *("100\u00a0MB", "not reported", "200\u00a0MB", "not reported", "100\u00a0MB"),
    ]
    assert [bar.total for bar in chart.bars] == ["100\u00a0MB", "—", "300\u00a0MB", "—", "400\u00a0MB"]
    # The line breaks where nothing is known; a lone day is a dash.
    assert chart.lines == ["126.6,174.0 136.6,174.0", "349.0,70.0 359.0,70.0", "571.4,18.0 581.4,18.0"]
    assert (chart.total, chart.missing) == ("400\u00a0MB", 2)
    text = Template("{% usage_chart d cumulative=True %}").render(Context({"d": listed}))
    assert text.count('class="chart-gap"') == 2
    assert text.count('class="chart-bar"') == 3
    assert "For 2 days nothing was reported." in text
    assert text.count('<td class="num muted">not reported</td><td class="num">—</td>') == 2


def test_allowance_above_all_bars_sets_the_scale() -> None:
    chart = draw_usage_chart(days(10 * MB), allowance=500 * MB)
    assert chart.allowance_y is not None
    assert chart.allowance_y >= TOP
    assert chart.bars[0].height < 10


@pytest.mark.parametrize("count", [1, 7, 31, 90, 366])
def test_everything_stays_inside(count: int) -> None:
    chart = draw_usage_chart(
        [{"label": str(n), "value": n * 7 * MB, "derived": False} for n in range(count)], cumulative=True
    )
    assert all(bar.x >= LEFT and bar.x + bar.width <= WIDTH and TOP <= bar.y <= HEIGHT for bar in chart.bars)
    assert sum(bar.labelled for bar in chart.bars) <= 8
    assert sum(bar.key for bar in chart.bars) <= 4
    assert 2 <= len(chart.ticks) <= 7


@pytest.mark.parametrize("values", [[0], [0, 0, 0], [-5], [1], [1023], [1025]])
def test_small_and_odd_values(values: list[int]) -> None:
    chart = draw_usage_chart(days(*values))
    assert all(bar.height >= 0 for bar in chart.bars)
    assert 2 <= len(chart.ticks) <= 7


def test_chart_in_a_page() -> None:
    template = Template("{% usage_chart d allowance=a cumulative=True chart_id='u7' %}")
    text = template.render(Context({"d": days(100 * MB, 200 * MB, derived=2), "a": GB}))
    assert text.count("<rect") == 3  # two bars, and the ground of the hatching
    assert 'fill="url(#u7-hatch)"' in text
    assert "2 days, 300\u00a0MB in all." in text
    assert "Allowance: 1\u00a0GB" in text
    assert '<td class="num">300\u00a0MB</td>' in text
    assert "style=" not in text


def test_chart_without_days() -> None:
    assert Template("{% usage_chart d %}").render(Context({"d": []})) == (
        '<p class="muted">No usage by day has been reported yet.</p>\n'
    )


def test_sparkline() -> None:
    spark = draw_sparkline([0, 5, 10], width=100, height=20)
    assert spark.points == "0.0,18.0 50.0,10.0 100.0,2.0"
    assert spark.area == "0,20 0.0,18.0 50.0,10.0 100.0,2.0 100.0,20"
    assert [bar[3] for bar in spark.bars] == [2.0, 10.0, 18.0]
    assert draw_sparkline([]).points == ""
    assert draw_sparkline([0, 0]).points == "0.0,30.0 120.0,30.0"
