"""The rate budget's ring of slots, and what providers say about their limits."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from django.db import transaction
from django.utils import timezone

from providers import limits
from providers.errors import RateLimited
from providers.models import RatePause, RateSlot
from providers.types import Priority, RateBudget

START = datetime(2026, 1, 10, 12, tzinfo=UTC)
PEOPLE, BACKGROUND = Priority.PEOPLE, Priority.BACKGROUND


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Iterator[time_machine.Traveller]:
    """A clock that stands still, for the database too."""
    monkeypatch.setattr(limits, "_read_clock", timezone.now)
    with time_machine.travel(START, tick=False) as travel:
        yield travel


def take(budget: RateBudget | None, priority: Priority = PEOPLE, *, wait: float = 0.0) -> limits.Claim | None:
    return limits.take("account", "status", budget, priority, wait=wait)


def refused_for(budget: RateBudget | None, priority: Priority = PEOPLE) -> float:
    with pytest.raises(RateLimited) as caught:
        take(budget, priority)
    assert (caught.value.code, caught.value.operation, caught.value.account) == ("budget", "status", "account")
    return caught.value.retry_after.total_seconds()


@pytest.mark.django_db
class TestRing:
    def test_no_window_holds_more_calls_than_the_budget(self, clock: time_machine.Traveller) -> None:
        budget = RateBudget(calls=3, seconds=60, margin=1)
        for _call in range(3):
            take(budget)
            clock.shift(10)
        # 30 s after the first: it is free again 61 s after it was taken, and the second 10 s later.
        assert refused_for(budget) == 31
        clock.shift(31)
        assert take(budget) is not None
        assert refused_for(budget) == 10
        clock.shift(10)
        assert take(budget) is not None

    def test_calls_of_one_burst_come_free_together(self, clock: time_machine.Traveller) -> None:
        budget = RateBudget(calls=60, seconds=60, margin=1)
        for _call in range(60):
            take(budget)
        assert refused_for(budget) == 61
        clock.shift(60.999)
        assert refused_for(budget) == pytest.approx(0.001)
        clock.shift(0.001)
        for _call in range(60):
            take(budget)
        assert refused_for(budget) == 61

    def test_operations_and_accounts_have_rings_of_their_own(self, clock: time_machine.Traveller) -> None:
        budget = RateBudget(calls=1, seconds=60)
        assert limits.take("a", "order", budget, PEOPLE)
        assert limits.take("a", "status", budget, PEOPLE)
        assert limits.take("b", "order", budget, PEOPLE)
        with pytest.raises(RateLimited):
            limits.take("b", "order", budget, PEOPLE)

    def test_background_work_leaves_the_reserve_alone(self, clock: time_machine.Traveller) -> None:
        budget = RateBudget(calls=4, seconds=60, reserve=2)
        take(budget, BACKGROUND)
        clock.shift(5)
        take(budget, BACKGROUND)
        assert refused_for(budget, BACKGROUND) == 55
        take(budget, PEOPLE)
        take(budget, PEOPLE)
        assert refused_for(budget, PEOPLE) == 55
        # Three of the four must be free before background work may take one.
        assert refused_for(budget, BACKGROUND) == 60

    def test_people_count_against_what_background_work_may_take(self, clock: time_machine.Traveller) -> None:
        budget = RateBudget(calls=4, seconds=60, reserve=2)
        take(budget, PEOPLE)
        take(budget, PEOPLE)
        assert refused_for(budget, BACKGROUND) == 60

    def test_a_reserve_as_large_as_the_budget_still_lets_background_work_live(
        self, clock: time_machine.Traveller
    ) -> None:
        assert take(RateBudget(calls=2, seconds=60, reserve=5), BACKGROUND) is not None

    def test_a_smaller_budget_counts_the_calls_already_made(self, clock: time_machine.Traveller) -> None:
        for _call in range(6):
            take(RateBudget(calls=6, seconds=60))
            clock.shift(1)
        smaller = RateBudget(calls=2, seconds=60)
        assert refused_for(smaller) == 58
        assert RateSlot.objects.count() == 2
        clock.shift(58)
        take(smaller)
        assert refused_for(smaller) == 1

    def test_a_larger_budget_is_there_at_once(self, clock: time_machine.Traveller) -> None:
        take(RateBudget(calls=1, seconds=60))
        larger = RateBudget(calls=3, seconds=60)
        take(larger)
        take(larger)
        assert refused_for(larger) == 60
        assert list(RateSlot.objects.order_by("number").values_list("number", flat=True)) == [0, 1, 2]

    def test_a_clock_that_was_set_back_holds_no_slot_for_longer_than_a_window(
        self, clock: time_machine.Traveller
    ) -> None:
        budget = RateBudget(calls=1, seconds=60)
        take(budget)
        clock.move_to(START - timedelta(hours=5))
        assert refused_for(budget) == 60
        clock.shift(60)
        assert take(budget) is not None

    def test_a_claim_may_be_stamped_again_when_its_call_left_late(self, clock: time_machine.Traveller) -> None:
        budget = RateBudget(calls=1, seconds=60)
        claim = take(budget)
        assert claim is not None
        clock.shift(7)
        limits.stamp_again(claim)
        assert refused_for(budget) == 60
        clock.shift(60)
        taken_by_another = take(budget)
        limits.stamp_again(claim)
        assert taken_by_another is not None
        assert RateSlot.objects.get().used_at == taken_by_another.used_at

    def test_without_a_budget_only_a_pause_counts(self, clock: time_machine.Traveller) -> None:
        for _call in range(100):
            assert take(None) is None
        assert not RateSlot.objects.exists()
        RatePause.objects.create(account="account", operation="status", until=START + timedelta(seconds=9))
        assert refused_for(None) == 9

    def test_a_pause_holds_people_and_background_work(self, clock: time_machine.Traveller) -> None:
        budget = RateBudget(calls=5, seconds=60)
        RatePause.objects.create(account="account", operation="status", until=START + timedelta(seconds=9))
        assert refused_for(budget, PEOPLE) == 9
        assert refused_for(budget, BACKGROUND) == 9
        clock.shift(9)
        assert take(budget, BACKGROUND) is not None

    def test_it_is_not_to_be_used_inside_a_transaction(self) -> None:
        with pytest.raises(RuntimeError), transaction.atomic():
            take(RateBudget(calls=1, seconds=60))


@pytest.mark.django_db
class TestWaiting:
    def test_a_short_wait_is_waited(self) -> None:
        budget = RateBudget(calls=1, seconds=0.2)
        first = take(budget)
        second = take(budget, wait=2)
        assert first is not None
        assert second is not None
        assert timedelta(seconds=0.2) <= second.used_at - first.used_at < timedelta(seconds=1)

    def test_a_wait_that_cannot_be_enough_is_not_begun(self) -> None:
        budget = RateBudget(calls=1, seconds=60)
        take(budget)
        began = timezone.now()
        with pytest.raises(RateLimited):
            take(budget, wait=3)
        assert timezone.now() - began < timedelta(seconds=1)


RECEIVED = datetime(2026, 1, 10, 12, 0, 0, tzinfo=UTC)


class TestRetryAfter:
    @pytest.mark.parametrize(
        ("headers", "seconds"),
        [
            ({"retry-after": "120"}, 120),
            ({"retry-after": ' "7" '}, 7),
            ({"retry-after": "1.5"}, 1.5),
            ({"retry-after": "0"}, 1),
            ({"retry-after": "99999999999"}, 86_400),
            ({"retry-after": "Sat, 10 Jan 2026 12:00:30 GMT"}, 30),
            # The provider's clock is an hour ahead of ours: its own Date counts.
            (
                {"retry-after": "Sat, 10 Jan 2026 13:00:30 GMT", "date": "Sat, 10 Jan 2026 13:00:00 GMT"},
                30,
            ),
            ({"retry-after": "Sat, 10 Jan 2026 12:00:30 GMT", "date": "yesterday"}, 30),
            ({"retry-after": "Saturday, 10-Jan-26 12:00:30 GMT"}, 30),
            ({"retry-after": "Sat, 10 Jan 2026 11:00:00 GMT"}, 1),
        ],
    )
    def test_seconds_and_dates(self, headers: dict[str, str], seconds: float) -> None:
        assert limits.read_retry_after(headers, RECEIVED) == timedelta(seconds=seconds)

    @pytest.mark.parametrize("value", ["", "soon", "-5", "1e9", "nan", "inf", "１２", "Sat, 99 Foo 2026", "12 s", "."])
    def test_nonsense_is_no_time(self, value: str) -> None:
        assert limits.read_retry_after({"retry-after": value}, RECEIVED) is None
        assert limits.wait_asked_for(429, {"retry-after": value}, RECEIVED) == limits.DEFAULT_RETRY_AFTER
        assert limits.wait_asked_for(503, {"retry-after": value}, RECEIVED) is None


class TestReportedLimit:
    def test_quoted_and_plain_numbers(self) -> None:
        headers = {"x-ratelimit-limit": '"60"', "x-ratelimit-remaining": " 59 ", "x-ratelimit-reset": "45"}
        assert limits.read_reported_limit(headers) == limits.ReportedLimit(limit=60, remaining=59, reset=45)

    @pytest.mark.parametrize("value", ["", "many", "-1", "1.5", "99999999999999999999", "６０"])
    def test_nonsense_is_tolerated(self, value: str) -> None:
        headers = {"x-ratelimit-limit": value, "x-ratelimit-remaining": value, "x-ratelimit-reset": value}
        nothing = limits.ReportedLimit(limit=None, remaining=None, reset=None)
        assert limits.read_reported_limit(headers) == nothing
        assert limits.read_reported_limit({}) == nothing

    def test_reset_counts_when_nothing_remains(self) -> None:
        headers = {"x-ratelimit-remaining": "0", "x-ratelimit-reset": "45"}
        assert limits.wait_asked_for(200, headers, RECEIVED) == timedelta(seconds=45)
        assert limits.wait_asked_for(200, {**headers, "x-ratelimit-remaining": "1"}, RECEIVED) is None
        assert limits.wait_asked_for(429, {"x-ratelimit-reset": "45"}, RECEIVED) == timedelta(seconds=45)

    def test_an_epoch_as_reset_is_not_obeyed(self) -> None:
        headers = {"x-ratelimit-remaining": "0", "x-ratelimit-reset": "1768046400"[:9]}
        assert limits.wait_asked_for(200, headers, RECEIVED) is None
        assert limits.wait_asked_for(429, headers, RECEIVED) == limits.DEFAULT_RETRY_AFTER

    @pytest.mark.django_db
    def test_a_larger_limit_in_the_headers_raises_nothing(self, clock: time_machine.Traveller) -> None:
        """The documents' samples say 60 of an endpoint that allows 10."""
        budget = RateBudget(calls=1, seconds=60)
        take(budget)
        headers = {"x-ratelimit-limit": "60", "x-ratelimit-remaining": "59", "x-ratelimit-reset": "45"}
        limits.note_reply("account", "status", status=200, headers=headers, received_at=START)
        assert refused_for(budget) == 60
        pause = RatePause.objects.get()
        assert (pause.provider_limit, pause.provider_remaining, pause.reported_at) == (60, 59, START)
