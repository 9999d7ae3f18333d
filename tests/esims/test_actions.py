"""Suspend and release: sent once, believed only when the line shows it."""

from datetime import timedelta
from itertools import pairwise
from threading import Thread
from typing import Any

import pytest
import time_machine
from django.db import connection
from django.utils import timezone
from pytest_django.fixtures import Settings

from customers.models import User
from esims.actions import ActionRefused, request_action, run_action, run_due_actions, sweep_actions
from esims.models import Esim, LineAction, LineEvent
from esims.refresh import refresh_line
from providers.models import ProviderAccount, RatePause
from providers.types import Capability, Priority
from tests.esims.conftest import SellLines
from tests.esims.making import make_staff
from tests.queue import Queue
from tests.simulator_client import Simulator

SUSPEND, RELEASE = Capability.SUSPEND, Capability.RELEASE


@pytest.fixture
def mika(db: None) -> User:
    return make_staff("suspend_esim")


def ask(esim: Esim, by: User, capability: Capability = SUSPEND, reason: str = "lost phone") -> LineAction:
    line = Esim.objects.select_related("account").get(pk=esim.pk)
    return request_action(esim=line, capability=capability, reason=reason, by=by)


def step(action: LineAction, after: timedelta = timedelta(0)) -> LineAction:
    """Do the action's next step, ``after`` its time has come."""
    due = LineAction.objects.get(pk=action.pk).next_attempt_at
    assert due is not None
    with time_machine.travel(max(due, timezone.now()) + after + timedelta(milliseconds=1)):
        return run_action(action_id=action.pk)


def finish(action: LineAction, steps: int = 40) -> LineAction:
    """Step until the action has ended."""
    for _count in range(steps):
        action = LineAction.objects.get(pk=action.pk)
        if action.next_attempt_at is None:
            return action
        action = step(action)
    pytest.fail(f"still {action.state} after {steps} steps")


def sent(office: Simulator) -> int:
    return office.count_requests("control")


def timeline(esim: Esim) -> list[str]:
    kinds = LineEvent.objects.filter(esim=esim).order_by("pk").values_list("kind", flat=True)
    return [kind for kind in kinds if kind.startswith("action_")]


def test_a_suspend_is_planned_queued_and_written_down(
    office: Simulator, sell_lines: SellLines, mika: User, queue: Queue
) -> None:
    (esim,) = sell_lines()
    action = ask(esim, mika)
    assert (action.state, action.kind, action.reason, action.requested_by) == ("planned", "suspend", "lost phone", mika)
    assert [(job.name, job.args) for job in queue.waiting()] == [("esims.tasks.run_action", (action.pk,))]
    event = LineEvent.objects.get(esim=esim, kind="action_asked")
    assert (event.by, event.why, event.facts) == ("mika@desk.example", "lost phone", {"action": "suspend"})
    assert sent(office) == 0


def test_suspend_and_release_end_confirmed(office: Simulator, sell_lines: SellLines, mika: User) -> None:
    (esim,) = sell_lines()
    action = ask(esim, mika)

    action = step(action)
    # The reply of the action shows the line as it was: it is not believed.
    assert action.state == "not_confirmed"
    assert Esim.objects.get(pk=esim.pk).state == "ready"
    action = finish(action)
    assert (action.state, action.attempts, action.error) == ("confirmed", 1, "")
    assert action.finished_at is not None
    assert Esim.objects.get(pk=esim.pk).state == "suspended"

    release = finish(ask(esim, mika, RELEASE, "phone found"))
    assert release.state == "confirmed"
    assert Esim.objects.get(pk=esim.pk).state == "ready"
    assert [(effect["kind"], effect["ref"]) for effect in office.effects()] == [
        ("suspend", esim.iccid),
        ("release", esim.iccid),
    ]
    assert sent(office) == 2
    assert timeline(esim) == ["action_asked", "action_sent", "action_confirmed"] * 2


def test_the_second_click_is_refused_and_sends_nothing(office: Simulator, sell_lines: SellLines, mika: User) -> None:
    (esim,) = sell_lines()
    action = ask(esim, mika)
    with pytest.raises(ActionRefused, match="Something else is under way"):
        ask(esim, mika)
    finish(action)
    assert LineAction.objects.count() == 1
    assert sent(office) == 1


@pytest.mark.parametrize(
    "case",
    [
        ("terminated", SUSPEND, "The line has ended"),
        ("expired", RELEASE, "The line has ended"),
        ("suspended", SUSPEND, "suspended already"),
        ("active", RELEASE, "nothing to release"),
        ("provisioning", SUSPEND, "not possible while"),
        ("active", Capability.TOP_UP, "does not offer"),
    ],
)
def test_what_makes_no_sense_is_refused_at_once(
    office: Simulator,
    sell_lines: SellLines,
    mika: User,
    queue: Queue,
    case: tuple[str, Capability, str],
) -> None:
    state, capability, message = case
    (esim,) = sell_lines()
    Esim.objects.filter(pk=esim.pk).update(state=state)
    calls = len(office.requests())
    with pytest.raises(ActionRefused, match=message):
        ask(esim, mika, capability)
    assert LineAction.objects.count() == 0
    assert queue.waiting() == []
    assert len(office.requests()) == calls
    assert timeline(esim) == []


def test_a_paused_account_takes_no_actions(office: Simulator, sell_lines: SellLines, mika: User) -> None:
    (esim,) = sell_lines()
    ProviderAccount.objects.update(is_paused=True)
    with pytest.raises(ActionRefused, match="paused by staff"):
        ask(esim, mika)


def test_an_account_without_settings_takes_no_actions(
    office: Simulator, sell_lines: SellLines, mika: User, settings: Settings
) -> None:
    (esim,) = sell_lines()
    settings.PROVIDERS = {}
    with pytest.raises(ActionRefused, match="not set up"):
        ask(esim, mika)


@pytest.mark.parametrize(
    ("event", "words"), [("terminate", "The line has ended"), ("suspend", "The line is suspended already.")]
)
def test_the_fresh_look_stops_what_has_become_senseless(
    office: Simulator, sell_lines: SellLines, mika: User, event: str, words: str
) -> None:
    (esim,) = sell_lines()
    # Our copy does not know it yet.
    office.change_line(esim.iccid, event)
    action = finish(ask(esim, mika))
    assert (action.state, action.error_code, action.sent_at) == ("rejected", "state", None)
    assert action.error.startswith("Nothing was sent.")
    assert words in action.error
    assert sent(office) == 0
    assert timeline(esim) == ["action_asked", "action_rejected"]


def test_a_cached_copy_confirms_nothing(office: Simulator, sell_lines: SellLines, mika: User) -> None:
    (esim,) = sell_lines()
    action = ask(esim, mika)
    office.serve_cached("now", iccid=esim.iccid)
    for _count in range(5):
        action = step(action)
    assert (action.state, action.checks) == ("not_confirmed", 4)
    assert Esim.objects.get(pk=esim.pk).state == "ready"
    office.serve_cached(None)
    assert finish(action).state == "confirmed"
    assert sent(office) == 1


def test_looks_come_after_1_2_4_8_seconds(office: Simulator, sell_lines: SellLines, mika: User) -> None:
    (esim,) = sell_lines()
    action = ask(esim, mika)
    office.serve_cached("now", iccid=esim.iccid)
    waits = []
    for _count in range(8):
        action = step(action)
        assert action.next_attempt_at is not None
        before = LineAction.objects.get(pk=action.pk).next_attempt_at
        assert before is not None
        waits.append(before)
    gaps = [round((later - earlier).total_seconds()) for earlier, later in pairwise(waits)]
    assert gaps == [2, 4, 8, 16, 32, 60, 60]


def test_what_never_shows_ends_as_unknown_and_says_so(office: Simulator, sell_lines: SellLines, mika: User) -> None:
    (esim,) = sell_lines()
    action = ask(esim, mika)
    office.serve_cached("now", iccid=esim.iccid)
    action = finish(action)
    assert action.state == "unknown"
    assert action.error == "The provider has reported nothing newer about the line."
    assert action.finished_at is not None
    assert action.sent_at is not None
    assert timedelta(minutes=10) <= action.finished_at - action.sent_at < timedelta(minutes=11)
    assert sent(office) == 1
    assert timeline(esim) == ["action_asked", "action_sent", "action_unknown"]
    # A person may ask again.
    office.serve_cached(None)
    Esim.objects.filter(pk=esim.pk).update(state="ready", is_restricted=False)
    with pytest.raises(ActionRefused):
        refresh_line(esim_id=esim.pk, priority=Priority.PEOPLE, by="test")
        ask(esim, mika)


def test_an_effect_that_is_reset_is_told_from_silence(office: Simulator, sell_lines: SellLines, mika: User) -> None:
    (esim,) = sell_lines()
    office.order_fault("reset_before", "control")
    action = finish(ask(esim, mika))
    # It may have left: it is looked for, not sent again.
    assert action.state == "unknown"
    assert action.error.startswith("The provider's reports still show the line as before.")
    assert sent(office) == 1
    assert office.effects() == []


@pytest.mark.parametrize("fault", ["reset_after", "close_after", "wrong_json", "empty_body", "cut_body"])
def test_an_effect_whose_answer_is_lost_is_found_by_looking(
    office: Simulator, sell_lines: SellLines, mika: User, fault: str
) -> None:
    (esim,) = sell_lines()
    parameters: dict[str, Any] = {"fraction": 0.5} if fault == "cut_body" else {}
    office.order_fault(fault, "control", **parameters)
    action = finish(ask(esim, mika))
    assert action.state == "confirmed"
    assert sent(office) == 1
    assert len(office.effects()) == 1


def test_a_server_error_after_the_effect_is_looked_into(office: Simulator, sell_lines: SellLines, mika: User) -> None:
    (esim,) = sell_lines()
    office.order_fault("status_after", "control", status=502)
    action = step(ask(esim, mika))
    assert (action.state, action.error_code) == ("not_confirmed", "502")
    assert finish(action).state == "confirmed"
    assert sent(office) == 1


def test_a_refusal_ends_it_with_the_providers_code(office: Simulator, sell_lines: SellLines, mika: User) -> None:
    (esim,) = sell_lines()
    office.order_fault("status_before", "control", status=400, code="BAD_LINE", message="no")
    action = finish(ask(esim, mika))
    assert action.state == "rejected"
    assert action.error_code in {"BAD_LINE", "400"}
    assert office.effects() == []
    assert timeline(esim) == ["action_asked", "action_rejected"]


def test_a_rate_limit_postpones_and_sends_once(office: Simulator, sell_lines: SellLines, mika: User) -> None:
    (esim,) = sell_lines()
    office.order_fault("rate_limited", "control", retry_after=7)
    action = step(ask(esim, mika))
    assert (action.state, action.sent_at) == ("planned", None)
    assert action.next_attempt_at is not None
    assert timedelta(seconds=5) < action.next_attempt_at - timezone.now() <= timedelta(seconds=8)
    assert office.effects() == []
    # The pause runs by the database's clock, which no test moves.
    RatePause.objects.update(until=timezone.now())
    assert finish(action).state == "confirmed"
    assert len(office.effects()) == 1


def test_a_look_that_fails_sends_nothing_and_is_tried_again(
    office: Simulator, sell_lines: SellLines, mika: User
) -> None:
    (esim,) = sell_lines()
    office.order_fault("status_before", "status", status=503, times=2)
    action = step(step(ask(esim, mika)))
    assert (action.state, action.attempts) == ("planned", 2)
    assert sent(office) == 0
    assert finish(action).state == "confirmed"
    assert sent(office) == 1


def test_what_cannot_be_sent_in_time_ends_with_nothing_sent(
    office: Simulator, sell_lines: SellLines, mika: User
) -> None:
    (esim,) = sell_lines()
    office.order_fault("status_before", "status", status=503, times=None)
    action = finish(ask(esim, mika), steps=60)
    assert (action.state, action.error_code, action.sent_at) == ("rejected", "not_sent", None)
    assert action.error.startswith("It could not be sent in time; nothing was sent.")
    assert sent(office) == 0


def test_a_worker_that_died_while_sending_is_taken_over_by_looking(
    office: Simulator, sell_lines: SellLines, mika: User
) -> None:
    (esim,) = sell_lines()
    action = ask(esim, mika)
    # It had claimed the action and sent it, then the machine stopped.
    office.change_line(esim.iccid, "suspend")
    now = timezone.now()
    LineAction.objects.filter(pk=action.pk).update(
        state="sending",
        attempts=1,
        sent_at=now - timedelta(minutes=5),
        looked_as_of=esim.state_as_of,
        deadline_at=now + timedelta(minutes=1),
        next_attempt_at=None,
    )
    assert sweep_actions() == 0
    assert run_action(action_id=action.pk).state == "sending"
    LineAction.objects.filter(pk=action.pk).update(deadline_at=now - timedelta(seconds=1))
    assert sweep_actions() == 1
    action = finish(action)
    assert action.state == "confirmed"
    assert sent(office) == 0


def test_the_background_run_does_every_due_step(office: Simulator, sell_lines: SellLines, mika: User) -> None:
    first, second, third = sell_lines(3)
    actions = [ask(first, mika), ask(second, mika), ask(third, mika)]
    now = timezone.now()
    LineAction.objects.filter(pk=actions[2].pk).update(
        state="sending", deadline_at=now - timedelta(minutes=1), sent_at=now, next_attempt_at=None
    )
    assert run_due_actions(limit=2, seconds=10) == 2
    assert run_due_actions(limit=None, seconds=10) >= 1
    assert run_due_actions(limit=None, seconds=10) == 0
    assert {row.state for row in LineAction.objects.all()} == {"not_confirmed"}
    assert sent(office) == 2


def test_a_step_runs_once_however_often_it_is_called(office: Simulator, sell_lines: SellLines, mika: User) -> None:
    (esim,) = sell_lines()
    action = ask(esim, mika)
    for _count in range(3):
        run_action(action_id=action.pk)
    assert sent(office) == 1
    finish(action)
    run_action(action_id=action.pk)
    assert sent(office) == 1


@pytest.mark.django_db(transaction=True)
def test_two_workers_at_once_send_once(office: Simulator, sell_lines: SellLines, mika: User) -> None:
    (esim,) = sell_lines()
    action = ask(esim, mika)

    def run() -> None:
        try:
            run_action(action_id=action.pk)
        finally:
            connection.close()

    threads = [Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sent(office) == 1
    assert LineAction.objects.get(pk=action.pk).state == "not_confirmed"


@pytest.mark.django_db(transaction=True)
def test_two_clicks_at_once_plan_one_action(office: Simulator, sell_lines: SellLines, mika: User, queue: Queue) -> None:
    (esim,) = sell_lines()
    queue.clear()
    refused: list[str] = []

    def click() -> None:
        try:
            ask(esim, mika)
        except ActionRefused as error:
            refused.append(error.message)
        finally:
            connection.close()

    threads = [Thread(target=click) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert refused == ["Something else is under way for this line: wait until it has ended."] * 4
    assert LineAction.objects.count() == 1
    assert len(queue.waiting()) == 1
    assert timeline(esim) == ["action_asked"]


def test_unknown_words_after_a_suspend_are_not_taken_for_it(
    office: Simulator, sell_lines: SellLines, mika: User
) -> None:
    (esim,) = sell_lines()
    action = step(ask(esim, mika))
    fields: dict[str, Any] = {"fields": ["contractStatus"], "word": "HIBERNATING"}
    office.order_fault("unknown_words", "status", times=1, **fields)
    office.order_fault("set_fields", "status", times=1, values={"isServiceRestricted": None})
    action = step(action)
    assert action.state == "not_confirmed"
    assert Esim.objects.get(pk=esim.pk).state == "unknown"
    assert finish(action).state == "confirmed"
