"""Asked for while it is being read: the answer may be older than what was heard, so the line is read once more."""

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from django.utils import timezone

from esims.due_lines import refresh_due_lines
from esims.models import Esim
from esims.refresh import refresh_line, request_refresh
from providers.errors import RateLimited, Rejected, Unavailable
from providers.types import LineState, Priority
from tests.esims.fakes import Fleet
from tests.esims.making import GB
from tests.esims.test_due_lines import enter, make_due, make_use_due


def while_reading(fleet: Fleet, ask: Callable[[], object]) -> None:
    """``ask`` comes once, when the provider has its answer and nothing is recorded yet."""
    asked: list[object] = []

    def clock() -> datetime:
        now = timezone.now()
        if not asked:
            asked.append(True)
            ask()
        return now

    fleet.clock = clock


def read(esim: Esim) -> Esim:
    refresh_line(esim_id=esim.pk, priority=Priority.PEOPLE, by="test")
    return Esim.objects.get(pk=esim.pk)


def is_due(esim: Esim, name: str = "next_refresh_at") -> bool:
    return Esim.objects.filter(pk=esim.pk, **{f"{name}__lte": timezone.now()}).exists()


def test_line_asked_for_while_it_is_read_is_read_once_more(fleet: Fleet) -> None:
    """A person, or a webhook, which sets the same column."""
    (esim,) = enter(fleet.add(state=LineState.ACTIVE))
    while_reading(fleet, lambda: request_refresh(esim=esim, by="mika@desk.example"))
    read(esim)
    assert is_due(esim)
    # Nobody asked meanwhile: as planned.
    fleet.change(esim.provider_ref, state=LineState.DEPLETED)
    esim = read(esim)
    assert (esim.state, is_due(esim), fleet.count("line")) == ("depleted", False, 2)


def test_due_lines_keep_what_was_asked_for(fleet: Fleet) -> None:
    """Of two lines of one call the one that was named is read again, in the same run."""
    asked, other = enter(fleet.add(2, order_ref="B1", state=LineState.ACTIVE))
    make_due([asked, other])
    while_reading(fleet, lambda: Esim.objects.filter(pk=asked.pk).update(next_refresh_at=timezone.now()))
    assert refresh_due_lines(limit=None, seconds=5.0) == 3
    assert fleet.calls == [("order", "B1"), ("line", asked.provider_ref)]
    assert not is_due(asked)
    assert not is_due(other)


def test_use_asked_for_while_it_is_read_is_read_once_more(fleet: Fleet) -> None:
    (esim,) = enter(fleet.add(state=LineState.ACTIVE, total_used_bytes=1 * GB))
    make_use_due([esim])
    while_reading(fleet, lambda: Esim.objects.filter(pk=esim.pk).update(next_usage_at=timezone.now()))
    assert refresh_due_lines(limit=None, seconds=5.0) == 2
    assert [kind for kind, _what in fleet.calls] == ["use", "use"]
    assert not is_due(esim, "next_usage_at")


def test_use_asked_for_during_a_full_reading_is_read_by_itself(fleet: Fleet) -> None:
    (esim,) = enter(fleet.add(state=LineState.ACTIVE))
    while_reading(fleet, lambda: Esim.objects.filter(pk=esim.pk).update(next_usage_at=timezone.now()))
    esim = read(esim)
    assert (is_due(esim, "next_usage_at"), is_due(esim)) == (True, False)


@pytest.mark.parametrize("error", [Unavailable("down"), Rejected("no such line", code="404")])
def test_failed_reading_is_tried_once_more_for_who_asked(
    fleet: Fleet, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    (esim,) = enter(fleet.add(state=LineState.ACTIVE))
    provider_says = fleet.enter

    def fail(*args: object) -> None:
        provider_says(*args)  # type: ignore[arg-type]
        if fleet.count("line") == 1:
            Esim.objects.filter(pk=esim.pk).update(next_refresh_at=timezone.now())
        raise error

    monkeypatch.setattr(fleet, "enter", fail)
    for is_asked in (True, False):
        with pytest.raises(type(error)):
            read(esim)
        assert is_due(esim) is is_asked
    assert Esim.objects.get(pk=esim.pk).refresh_failures == 2


def test_spent_budget_leaves_the_line_to_its_turn(fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing was asked of the provider: what is asked for afterwards hears of everything."""
    (esim,) = enter(fleet.add(state=LineState.ACTIVE))

    def busy(*_args: object) -> None:
        Esim.objects.filter(pk=esim.pk).update(next_refresh_at=timezone.now())
        raise RateLimited("busy", retry_after=timedelta(seconds=30))

    monkeypatch.setattr(fleet, "enter", busy)
    with pytest.raises(RateLimited):
        read(esim)
    at = Esim.objects.get(pk=esim.pk).next_refresh_at
    assert at is not None
    assert timedelta(seconds=25) < at - timezone.now() <= timedelta(seconds=30)


def test_ended_line_that_is_asked_for_is_looked_at_once_more_and_then_never(fleet: Fleet) -> None:
    (esim,) = enter(fleet.add(state=LineState.TERMINATED))
    while_reading(fleet, lambda: request_refresh(esim=esim, by="mika@desk.example"))
    read(esim)
    assert is_due(esim)
    assert read(esim).next_refresh_at is None
