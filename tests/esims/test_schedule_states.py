"""When a line is read next, and what its state means."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

from esims.action_rules import shows_effect, why_not
from esims.evidence import install_evidence
from esims.models import Esim, Package
from esims.schedule import plan_next_refresh, plan_next_usage, plan_retry
from esims.states import (
    explain_state,
    japan_today,
    last_promised_instant,
    shown_state,
    surely_over_instant,
)
from providers.models import ProviderAccount
from providers.types import Capability, LineState, PackageStatus

NOW = datetime(2026, 5, 10, 3, 0, tzinfo=UTC)  # noon in Japan
INSTALLED_ON_3_MAY = (
    "Installed on 3 May 2026, 09:30 UTC, not yet connected to a network; its time starts with the first connection."
)
HOUR, MINUTE, DAY = timedelta(hours=1), timedelta(minutes=1), timedelta(days=1)


def line(state: str = "ready", *, age: timedelta = timedelta(days=10), **fields: Any) -> Esim:
    account = ProviderAccount(name="eSIM Commerce")
    return Esim(account=account, state=state, created_at=NOW - age, raw_states={}, **fields)


def wait(esim: Esim, *, share: float | None = None, had_ended: bool = False) -> timedelta | None:
    at = plan_next_refresh(esim, now=NOW, share_used=share, had_ended=had_ended)
    return at - NOW if at else None


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        ("ready", 12 * HOUR),
        ("downloaded", 4 * HOUR),
        ("installed", 2 * HOUR),
        ("active", 4 * HOUR),
        ("suspended", 12 * HOUR),
        ("depleted", 12 * HOUR),
        ("error", 6 * HOUR),
        ("unknown", 2 * HOUR),
        ("provisioning", 6 * HOUR),
        ("expired", DAY),
        ("cancelled", DAY),
        ("terminated", DAY),
    ],
)
def test_quiet_lines_are_read_by_their_state(state: str, expected: timedelta) -> None:
    assert wait(line(state)) == expected


def test_every_state_has_a_schedule_and_words() -> None:
    for state in LineState:
        assert plan_next_refresh(line(state.value), now=NOW) is not None
        assert explain_state(line(state.value), NOW)[0]


@pytest.mark.parametrize("state", ["expired", "cancelled", "terminated"])
def test_ended_lines_are_never_read_again_after_the_late_look(state: str) -> None:
    assert wait(line(state), had_ended=True) is None


@pytest.mark.parametrize(
    ("age", "expected"),
    [(MINUTE, 30 * timedelta(seconds=1)), (30 * MINUTE, 5 * MINUTE), (5 * HOUR, 30 * MINUTE), (2 * DAY, 6 * HOUR)],
)
def test_a_line_that_is_set_up_is_watched_closely_at_first(age: timedelta, expected: timedelta) -> None:
    assert wait(line("provisioning", age=age)) == expected


@pytest.mark.parametrize(
    ("share", "expected"),
    [(None, 4 * HOUR), (0.1, 4 * HOUR), (0.8, HOUR), (0.949, HOUR), (0.95, 20 * MINUTE), (1.2, 20 * MINUTE)],
)
def test_near_the_cap_usage_is_read_more_often(share: float | None, expected: timedelta) -> None:
    assert wait(line("active"), share=share) == expected


def test_a_watched_line_is_read_every_minute() -> None:
    assert wait(line("active", watched_until=NOW + MINUTE)) == MINUTE
    assert wait(line("active", watched_until=NOW - MINUTE)) == 4 * HOUR


def test_the_moments_at_which_something_changes_get_a_look() -> None:
    assert wait(line("ready", activation_deadline=NOW + HOUR)) == HOUR + 5 * MINUTE
    assert wait(line("active", activation_deadline=NOW + HOUR)) == 4 * HOUR
    # 2026-05-10 ends in Japan at 15:00 UTC: in twelve hours.
    assert wait(line("suspended", expires_on=date(2026, 5, 10))) == 12 * HOUR
    assert wait(line("suspended", expires_on=date(2026, 5, 9), state_as_of=NOW)) == 12 * HOUR
    soon = line("suspended", expires_on=date(2026, 5, 10))
    at = plan_next_refresh(soon, now=NOW + 11 * HOUR)
    assert at == datetime(2026, 5, 10, 15, 5, tzinfo=UTC)


def test_a_line_that_the_provider_forgot_is_not_read_for_ever() -> None:
    over = datetime(2026, 5, 8, 15, 0, tzinfo=UTC)
    silent = line("active", expires_on=date(2026, 5, 7), state_as_of=over - MINUTE)
    assert plan_next_refresh(silent, now=over + 7 * DAY - MINUTE) == over + 7 * DAY - MINUTE + 12 * HOUR
    assert plan_next_refresh(silent, now=over + 7 * DAY) is None
    spoken = line("active", expires_on=date(2026, 5, 7), state_as_of=over + 7 * DAY)
    assert plan_next_refresh(spoken, now=over + 7 * DAY) == over + 7 * DAY + 4 * HOUR


def test_failures_wait_twice_as_long_each_time_up_to_a_cap() -> None:
    waits = [plan_retry(now=NOW, failures=count, refused=False) - NOW for count in (1, 2, 3, 9, 10, 1000)]
    assert waits == [MINUTE, 2 * MINUTE, 4 * MINUTE, 256 * MINUTE, 6 * HOUR, 6 * HOUR]
    refused = [plan_retry(now=NOW, failures=count, refused=True) - NOW for count in (1, 2, 50)]
    assert refused == [15 * MINUTE, 30 * MINUTE, DAY]


def test_the_last_day_ends_in_japan_and_the_service_a_day_later_at_most() -> None:
    last = date(2025, 12, 7)
    assert last_promised_instant(last) == datetime(2025, 12, 7, 15, 0, tzinfo=UTC)
    assert surely_over_instant(last) == datetime(2025, 12, 8, 15, 0, tzinfo=UTC)
    assert last_promised_instant(date.max) > NOW
    assert japan_today(datetime(2026, 5, 9, 15, 0, tzinfo=UTC)) == date(2026, 5, 10)
    assert japan_today(datetime(2026, 5, 9, 14, 59, tzinfo=UTC)) == date(2026, 5, 9)


def test_a_line_whose_time_is_over_is_expired_unless_the_provider_said_more_since() -> None:
    last = date(2026, 5, 7)
    over = datetime(2026, 5, 8, 15, 0, tzinfo=UTC)
    silent = line("active", expires_on=last, state_as_of=over - MINUTE)
    assert shown_state(silent, over - MINUTE) is LineState.ACTIVE
    assert shown_state(silent, over) is LineState.EXPIRED
    spoken = line("active", expires_on=last, state_as_of=over)
    assert shown_state(spoken, NOW) is LineState.ACTIVE
    assert explain_state(spoken, NOW)[1] == (
        "The last day was 7 May 2026 (Japan date), yet the provider still reports the line as “active”."
    )
    assert shown_state(line("suspended", expires_on=last, state_as_of=over - MINUTE), over) is LineState.EXPIRED
    assert shown_state(line("cancelled", expires_on=last), NOW) is LineState.CANCELLED


@pytest.mark.parametrize(
    ("esim", "sentences"),
    [
        (
            line("installed", installed_at=datetime(2026, 5, 3, 9, 30, tzinfo=UTC)),
            [INSTALLED_ON_3_MAY],
        ),
        (
            line("ready", activation_deadline=datetime(2026, 6, 5, tzinfo=UTC)),
            ["Not on a device yet: it can be installed now.", "It must be installed before 5 Jun 2026, 00:00 UTC."],
        ),
        (
            line("ready", activation_deadline=datetime(2026, 5, 5, tzinfo=UTC)),
            ["Not on a device yet: it can be installed now.", "It had to be installed before 5 May 2026, 00:00 UTC."],
        ),
        (
            line("active", activated_on=date(2026, 5, 4), expires_on=date(2026, 5, 10)),
            [
                "In use since 4 May 2026 (Japan date).",
                "The last day is 10 May 2026 (Japan date); the service ends at some time on the day after.",
            ],
        ),
        (
            line("active", expires_on=date(2026, 5, 9), state_as_of=NOW),
            ["In use.", "The last day was 9 May 2026 (Japan date): the service ends at some time today."],
        ),
        (
            line("terminated", terminated_on=date(2026, 5, 4)),
            ["The provider ended the service for good on 4 May 2026 (Japan date)."],
        ),
    ],
)
def test_the_state_in_plain_words(esim: Esim, sentences: list[str]) -> None:
    assert explain_state(esim, NOW) == sentences


def test_unknown_words_are_shown_as_they_came() -> None:
    esim = line("unknown")
    esim.raw_states = {"contractStatus": "DORMANT"}
    assert explain_state(esim, NOW) == ["The provider says something we do not know (contractStatus: DORMANT)."]


@pytest.mark.parametrize(
    ("capability", "state", "restricted", "words"),
    [
        (Capability.SUSPEND, "active", False, ""),
        (Capability.SUSPEND, "ready", None, ""),
        (Capability.SUSPEND, "error", False, ""),
        (Capability.SUSPEND, "unknown", None, ""),
        (Capability.SUSPEND, "suspended", True, "The line is suspended already."),
        (Capability.SUSPEND, "error", True, "The line is suspended already."),
        (Capability.SUSPEND, "provisioning", False, "This is not possible while the line is “being set up”."),
        (Capability.SUSPEND, "terminated", None, "The line has ended (ended): nothing can be done with it any more."),
        (Capability.RELEASE, "suspended", True, ""),
        (Capability.RELEASE, "error", True, ""),
        (Capability.RELEASE, "active", False, "The line is not suspended: there is nothing to release."),
        (Capability.RELEASE, "expired", True, "The line has ended (expired): nothing can be done with it any more."),
    ],
)
def test_what_may_be_asked(capability: Capability, state: str, restricted: bool | None, words: str) -> None:
    assert why_not(capability, line(state, is_restricted=restricted)) == words


def test_what_counts_as_the_effect() -> None:
    def shows(capability: Capability, state: LineState, restricted: bool | None) -> bool:
        return shows_effect(capability, line(state.value, is_restricted=restricted))

    assert shows(Capability.SUSPEND, LineState.SUSPENDED, None)
    assert shows(Capability.SUSPEND, LineState.ERROR, True)
    assert not shows(Capability.SUSPEND, LineState.ACTIVE, False)
    assert not shows(Capability.SUSPEND, LineState.TERMINATED, True)
    assert shows(Capability.RELEASE, LineState.ACTIVE, False)
    assert shows(Capability.RELEASE, LineState.ACTIVE, None)
    assert shows(Capability.RELEASE, LineState.UNKNOWN, False)
    assert not shows(Capability.RELEASE, LineState.UNKNOWN, None)
    assert not shows(Capability.RELEASE, LineState.SUSPENDED, False)
    assert not shows(Capability.RELEASE, LineState.ACTIVE, True)
    assert not shows(Capability.RELEASE, LineState.TERMINATED, False)


@pytest.mark.parametrize(
    ("esim", "verdict"),
    [
        (line("provisioning"), "not_known"),
        (line("ready", state_as_of=NOW), "no"),
        (line("ready", state_as_of=NOW, total_used_bytes=0), "no"),
        (line("downloaded", state_as_of=NOW), "downloaded"),
        (line("terminated", state_as_of=NOW, downloaded_at=NOW), "downloaded"),
        (line("installed", state_as_of=NOW), "yes"),
        (line("cancelled", state_as_of=NOW, installed_at=NOW), "yes"),
        (line("expired", state_as_of=NOW, activated_on=date(2026, 5, 1)), "used"),
        (line("suspended", state_as_of=NOW, total_used_bytes=1), "used"),
    ],
)
def test_installed_or_not(esim: Esim, verdict: str) -> None:
    assert install_evidence(esim).verdict == verdict


def test_evidence_names_source_and_time_and_no_device_number() -> None:
    esim = line(
        "active",
        state_as_of=NOW,
        usage_as_of=NOW - HOUR,
        installed_at=NOW - DAY,
        install_device_imei="490154203237518",
        total_used_bytes=5,
    )
    esim.raw_states = {"profileInstallStatus": "INSTALLED"}
    facts = [(fact.label, fact.value, fact.source, fact.as_of) for fact in install_evidence(esim).facts]
    source = "the provider (eSIM Commerce)"
    assert facts == [
        ("profileInstallStatus", "INSTALLED", source, NOW),
        ("First installed on a device", "9 May 2026, 03:00 UTC", source, NOW),
        ("Device at installation", "its number was reported", source, NOW),
        ("Data was used", "yes", source, NOW - HOUR),
    ]
    assert timezone.is_aware(NOW)


# -- ends that are instants, use that is read apart, packages ---------------------------------------------------------


def package(status: PackageStatus, **fields: Any) -> Package:
    return Package(name="Brazil 5 GB", status=status.value, **fields)


def test_an_end_that_is_an_instant_is_both_promise_and_end() -> None:
    silent = line("active", expires_at=NOW, state_as_of=NOW - HOUR, activated_at=NOW - DAY)
    assert shown_state(silent, NOW - MINUTE) is LineState.ACTIVE
    assert shown_state(silent, NOW) is LineState.EXPIRED
    assert explain_state(silent, NOW - MINUTE) == [
        "In use since 9 May 2026, 03:00 UTC.",
        "It ends on 10 May 2026, 03:00 UTC.",
    ]
    assert explain_state(silent, NOW) == ["Its time was over on 10 May 2026, 03:00 UTC."]
    spoken = line("active", expires_at=NOW - HOUR, state_as_of=NOW)
    assert explain_state(spoken, NOW)[1] == (
        "It had to end on 10 May 2026, 02:00 UTC, yet the provider still reports the line as “active”."
    )
    assert wait(line("suspended", expires_at=NOW + HOUR)) == HOUR + 5 * MINUTE
    assert wait(line("active", expires_at=NOW - 7 * DAY, state_as_of=NOW - 8 * DAY)) is None


def test_a_japan_date_goes_before_an_instant() -> None:
    both = line("active", expires_on=date(2026, 5, 10), expires_at=NOW - DAY, state_as_of=NOW - 2 * DAY)
    assert shown_state(both, NOW) is LineState.ACTIVE


def test_a_depleted_line_says_so_and_when_it_ends() -> None:
    assert explain_state(line("depleted", expires_at=NOW + DAY), NOW) == [
        "The data is used up.",
        "It ends on 11 May 2026, 03:00 UTC.",
    ]


def test_use_that_is_read_apart_gives_no_reason_to_read_the_line() -> None:
    def waits(state: str, share: float | None = None, **fields: Any) -> tuple[timedelta | None, timedelta | None]:
        esim = line(state, **fields)
        whole = plan_next_refresh(esim, now=NOW, share_used=share, usage_apart=True)
        use = plan_next_usage(esim, now=NOW, share_used=share)
        return whole - NOW if whole else None, use - NOW if use else None

    assert waits("active") == (12 * HOUR, 4 * HOUR)
    assert waits("active", 0.8) == (12 * HOUR, HOUR)
    assert waits("active", 0.95) == (12 * HOUR, 20 * MINUTE)
    assert waits("ready") == (12 * HOUR, None)
    assert waits("installed") == (2 * HOUR, None)
    assert waits("depleted") == (12 * HOUR, None)
    assert waits("cancelled") == (DAY, None)
    assert waits("active", expires_at=NOW + HOUR) == (HOUR + 5 * MINUTE, 4 * HOUR)
    # Surely over, and nothing said since.
    assert waits("active", expires_at=NOW - HOUR, state_as_of=NOW - DAY) == (12 * HOUR, None)


def test_a_package_that_ends_or_must_be_started_makes_the_line_due() -> None:
    def waits(*packages: Package) -> timedelta | None:
        at = plan_next_refresh(line("installed"), now=NOW, packages=packages)
        return at - NOW if at else None

    assert waits(package(PackageStatus.ACTIVE, ends_at=NOW + HOUR)) == HOUR + 5 * MINUTE
    assert waits(package(PackageStatus.WAITING, activate_by=NOW + HOUR)) == HOUR + 5 * MINUTE
    # What is projected has no time of its own.
    projected = package(PackageStatus.WAITING, ends_at=NOW + HOUR, is_projected=True)
    assert waits(projected, package(PackageStatus.ENDED, ends_at=NOW + HOUR)) == 2 * HOUR


def test_an_expired_line_with_another_package_is_not_given_up() -> None:
    expired, waiting = line("expired"), package(PackageStatus.WAITING)
    assert plan_next_refresh(expired, now=NOW, had_ended=True, packages=[waiting]) == NOW + 4 * HOUR
    assert plan_next_refresh(expired, now=NOW, had_ended=True, packages=[package(PackageStatus.ENDED)]) is None
    assert plan_next_refresh(line("terminated"), now=NOW, had_ended=True, packages=[waiting]) is None


def test_a_waiting_package_is_explained_without_a_promise() -> None:
    waiting = package(
        PackageStatus.WAITING,
        activate_by=NOW + DAY,
        starts_at=NOW + DAY,
        ends_at=NOW + 8 * DAY,
        is_projected=True,
    )
    assert explain_state(line("ready"), NOW, packages=[waiting]) == [
        "Not on a device yet: it can be installed now.",
        (
            "The package “Brazil 5 GB” waits to be started. It must be started before 11 May 2026, 03:00 UTC; "
            "the provider does not say for certain what it does after that. It would end on 18 May 2026, 03:00 UTC "
            "if it were started on 11 May 2026, 03:00 UTC: a projection, nothing has begun."
        ),
    ]
    late = package(PackageStatus.WAITING, activate_by=NOW - DAY)
    assert explain_state(line("ready"), NOW, packages=[late])[1].endswith(
        "It had to be started before 9 May 2026, 03:00 UTC; the provider still reports it as waiting."
    )
    # Nothing is to come of a line that was ended, or of packages that run.
    assert len(explain_state(line("terminated"), NOW, packages=[waiting])) == 1
    assert len(explain_state(line("active"), NOW, packages=[package(PackageStatus.ACTIVE)])) == 1


def test_one_word_for_both_ends_is_said_to_be_one() -> None:
    ended = package(PackageStatus.ENDED)
    assert explain_state(line("expired"), NOW, packages=[ended]) == [
        "It is over: its time has ended or its data is used up; the provider does not tell which."
    ]
    assert explain_state(line("expired", expires_at=NOW - DAY), NOW, packages=[ended]) == [
        "Its time was over on 9 May 2026, 03:00 UTC."
    ]
    assert explain_state(line("expired"), NOW) == ["Its time is over."]


@pytest.mark.parametrize(
    ("esim", "verdict"),
    [
        (line("ready", state_as_of=NOW, eid="8" * 32), "downloaded"),
        (line("suspended", state_as_of=NOW, activated_at=NOW), "used"),
        (line("active", state_as_of=NOW), "used"),
        (line("depleted", state_as_of=NOW), "used"),
    ],
)
def test_traces_that_the_new_wholesalers_report(esim: Esim, verdict: str) -> None:
    assert install_evidence(esim).verdict == verdict


def test_an_eid_that_we_named_ourselves_is_no_evidence() -> None:
    ours = line("ready", state_as_of=NOW, eid="8" * 32)
    ours.account = ProviderAccount(name="freebit", adapter="freebit")
    assert install_evidence(ours).verdict == "no"
    assert install_evidence(ours).facts == ()


def test_the_words_of_both_states_stand_in_the_evidence() -> None:
    esim = line("ready", state_as_of=NOW, eid="8" * 32)
    esim.raw_states = {"esimStatus": "GOT_RESOURCE", "smdpStatus": "ENABLED"}
    facts = [(fact.label, fact.value) for fact in install_evidence(esim).facts]
    assert facts == [
        ("esimStatus", "GOT_RESOURCE"),
        ("smdpStatus", "ENABLED"),
        ("EID of the device", "its number was reported"),
    ]
