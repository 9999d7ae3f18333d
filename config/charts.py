"""The geometry of the charts that pages draw as inline SVG: numbers in, coordinates out; CSS gives the colours.

Coordinates are in the units of the viewBox, rounded to tenths.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from config.formatting import NOTHING, format_bytes, format_day

WIDTH, HEIGHT = 640.0, 260.0
LEFT, RIGHT, TOP, BOTTOM = 76.0, 8.0, 18.0, 34.0
_PLOT_WIDTH, _PLOT_HEIGHT = WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM
_MAX_LABELS = 8
_DASH = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    x: float
    y: float
    width: float
    height: float
    centre: float
    label: str
    value: str
    total: str
    derived: bool
    #: Nothing was reported for the day: no bar is drawn, and the words say so.
    missing: bool
    #: Whether the label is written under the axis, and whether also where there is little room.
    labelled: bool
    key: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Tick:
    y: float
    label: str


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageChart:
    width: float
    height: float
    left: float
    right: float
    base: float
    ticks: Sequence[Tick]
    bars: Sequence[Bar]
    #: ``points`` of the running total's polylines: a day without a report breaks the line.
    lines: Sequence[str]
    allowance_y: float | None
    allowance: str
    total: str
    has_derived: bool
    #: How many days nothing was reported for.
    missing: int


def draw_usage_chart(
    days: Sequence[Mapping[str, Any]], *, allowance: int | None = None, cumulative: bool = False
) -> UsageChart:
    """Bars per day from ``{"label": date | str, "value": bytes or None, "derived": bool}`` in the order given.

    None is a day for which nothing was reported: a gap, not a zero; the running total leaves it out.
    ``cumulative`` adds the running total as a line; ``allowance`` (bytes) a level to compare with: the whole
    package's next to a running total, the day's cap next to bars alone. All share one axis.
    """
    reported = [day["value"] is not None for day in days]
    values = [max(0, int(day["value"] or 0)) for day in days]
    totals = [sum(values[: at + 1]) for at in range(len(values))]
    top = max([*values, allowance or 0, *(totals[-1:] if cumulative else [])], default=0)
    step = _nice_step(top)
    ceiling = max(step, -(-top // step) * step)

    def level(value: int) -> float:
        return round(TOP + _PLOT_HEIGHT * (1 - value / ceiling), 1)

    slot = _PLOT_WIDTH / max(len(days), 1)
    width = round(min(slot * 0.68, 44.0), 1)
    every = -(-len(days) // _MAX_LABELS) or 1
    bars = [
        Bar(
            x=round(LEFT + slot * (at + 0.5) - width / 2, 1),
            y=level(values[at]),
            width=width,
            height=round(level(0) - level(values[at]), 1),
            centre=round(LEFT + slot * (at + 0.5), 1),
            label=_label(day["label"], with_year=False),
            value=format_bytes(values[at] if reported[at] else None),
            total=format_bytes(totals[at]) if reported[at] else NOTHING,
            derived=bool(day.get("derived")),
            missing=not reported[at],
            labelled=at % every == 0,
            key=at % (every * 2) == 0,
        )
        for at, day in enumerate(days)
    ]
    return UsageChart(
        width=WIDTH,
        height=HEIGHT,
        left=LEFT,
        right=WIDTH - RIGHT,
        base=level(0),
        ticks=[Tick(y=level(mark), label=format_bytes(mark)) for mark in range(0, ceiling + 1, step)],
        bars=bars,
        lines=_break_line(bars, [level(total) for total in totals]) if cumulative else (),
        allowance_y=level(allowance) if allowance else None,
        allowance=format_bytes(allowance) if allowance else "",
        total=format_bytes(sum(values)),
        has_derived=any(bar.derived for bar in bars),
        missing=reported.count(False),
    )


def _break_line(bars: Sequence[Bar], levels: Sequence[float]) -> list[str]:
    """The ``points`` of one polyline for each run of reported days."""
    runs: list[list[tuple[float, float]]] = [[]]
    for bar, y in zip(bars, levels, strict=True):
        if bar.missing:
            runs.append([])
        else:
            runs[-1].append((bar.centre, y))
    # A line of one point is invisible: a dash stands for it.
    drawn = [
        run if len(run) > 1 else [(run[0][0] - _DASH, run[0][1]), (run[0][0] + _DASH, run[0][1])] for run in runs if run
    ]
    return [" ".join(f"{round(x, 1)},{y}" for x, y in run) for run in drawn]


def _label(given: date | str, *, with_year: bool) -> str:
    return format_day(given, with_year=with_year) if isinstance(given, date) else str(given)


def _nice_step(top: int) -> int:
    """A step of 1, 2, 2.5 or 5 × 10ⁿ in the unit that fits (1024-based), giving three to five levels."""
    unit = 1
    while top / unit >= 1024:
        unit *= 1024
    target = max(top / unit / 4, 1 / 4 if unit > 1 else 1)
    power = 1.0
    while power * 10 <= target:
        power *= 10
    while power > target:
        power /= 10
    step = next(power * factor for factor in (1, 2, 2.5, 5, 10) if power * factor >= target)
    return max(1, int(step * unit))


@dataclass(frozen=True, slots=True, kw_only=True)
class Sparkline:
    width: float
    height: float
    points: str
    area: str
    bars: Sequence[tuple[float, float, float, float]]


def draw_sparkline(values: Sequence[float | int], *, width: float = 120, height: float = 32) -> Sparkline:
    """A small line, and the same values as bars; the lowest level is always zero."""
    top = max([*values, 0]) or 1
    gap = width / max(len(values) - 1, 1)
    dots = [(round(at * gap, 1), round(2 + (height - 4) * (1 - value / top), 1)) for at, value in enumerate(values)]
    slot = width / max(len(values), 1)
    points = " ".join(f"{x},{y}" for x, y in dots)
    return Sparkline(
        width=width,
        height=height,
        points=points,
        area=f"0,{height} {points} {dots[-1][0]},{height}" if dots else "",
        bars=[
            (round(at * slot, 1), round(y, 1), round(slot * 0.7, 1), round(height - y, 1))
            for at, (_x, y) in enumerate(dots)
        ],
    )
