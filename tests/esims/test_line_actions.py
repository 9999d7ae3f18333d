"""Cancel, revoke, block, SMS, and what is asked of packages: each once, by its rule, believed when it shows."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.utils import timezone

from customers.models import User
from esims.action_rules import RULES, why_not
from esims.action_words import action_words, money_words
from esims.actions import ActionRefused, request_action, run_action, sweep_actions
from esims.events import describe_event
from esims.lifecycle import register_lines
from esims.link_places import link_place
from esims.links import find_link
from esims.models import Esim, LineAction, LineEvent, LineLink, Package
from esims.page import read_line_view
from providers.errors import NotSent, RateLimited, Rejected, Unavailable
from providers.models import ProviderAccount
from providers.types import Capability, LineSnapshot, LineState, PackageSnapshot, PackageStatus
from tests.catalog.making import make_plan
from tests.esims.fakes import Fleet
from tests.esims.making import make_customer, make_staff
from tests.queue import Queue

CANCEL, REVOKE, SMS, SUSPEND = Capability.CANCEL, Capability.REVOKE, Capability.SMS, Capability.SUSPEND
BLOCK, TERMINATE, ACTIVATE = Capability.BLOCK, Capability.TERMINATE, Capability.ACTIVATE


@pytest.fixture
def mika(db: None) -> User:
    return make_staff("suspend_esim", "cancel_esim", "revoke_esim", "message_esim", "activate_esim")


def enter(snapshots: Sequence[LineSnapshot], *, slug: str = "fleet") -> Esim:
    """One line at one of the fleet\'s accounts."""
    account = ProviderAccount.objects.get(slug=slug)
    (esim,) = register_lines(
        account=account, customer=make_customer(), plan=make_plan(account), snapshots=snapshots, by="purchase"
    )
    return esim


def ask(esim: Esim, by: User, capability: Capability, **said: Any) -> LineAction:
    line = Esim.objects.select_related("account").get(pk=esim.pk)
    return request_action(esim=line, capability=capability, reason="asked for by phone", by=by, **said)


def finish(action: LineAction, steps: int = 40) -> LineAction:
    """Step until the action has ended."""
    for _count in range(steps):
        action = LineAction.objects.get(pk=action.pk)
        if action.next_attempt_at is None:
            return action
        with time_machine.travel(max(action.next_attempt_at, timezone.now()) + timedelta(milliseconds=1)):
            run_action(action_id=action.pk)
    pytest.fail(f"still {action.state} after {steps} steps")


def becomes(state: LineState, **words: str) -> Callable[[LineSnapshot], LineSnapshot]:
    return lambda line: replace(line, state=state, raw_states={**line.raw_states, **words})


def package_becomes(ref: str, **fields: Any) -> Callable[[LineSnapshot], LineSnapshot]:
    def change(line: LineSnapshot) -> LineSnapshot:
        packages = tuple(replace(one, **fields) if one.package_ref == ref else one for one in line.packages)
        return replace(line, packages=packages)

    return change


def timeline(esim: Esim) -> list[str]:
    rows = LineEvent.objects.filter(esim=esim, kind__startswith="action_").order_by("pk")
    return [describe_event(row) for row in rows]


# -- the line itself --------------------------------------------------------------------------------------------------


def test_a_cancelled_line_is_confirmed_with_the_providers_word_about_money(fleet: Fleet, mika: User) -> None:
    esim = enter(fleet.add(order_ref="B1"))
    fleet.effects[CANCEL] = becomes(LineState.CANCELLED, esimStatus="CANCEL")
    fleet.refund = True
    action = finish(ask(esim, mika, CANCEL))
    assert (action.state, action.refunded, action.error) == ("confirmed", True, "")
    assert Esim.objects.get(pk=esim.pk).state == "cancelled"
    # Looked at, sent once, looked at.
    assert [kind for kind, _what in fleet.calls] == ["line", "control", "line"]
    (request,) = fleet.controls
    assert (request.provider_ref, request.capability, request.order_ref) == (esim.provider_ref, CANCEL, "B1")
    assert timeline(esim) == [
        "Cancel the line: asked for.",
        "Cancel the line: sent to the provider; not confirmed yet.",
        "Cancel the line: confirmed by the line's state. The provider gives our money back.",
    ]


def test_cancelling_is_decided_by_the_fresh_look(fleet: Fleet, mika: User) -> None:
    esim = enter(fleet.add())
    # Our copy still says "ready"; the customer has installed it meanwhile.
    fleet.change(esim.provider_ref, state=LineState.INSTALLED, installed_at=timezone.now())
    action = finish(ask(esim, mika, CANCEL))
    assert (action.state, action.error_code, action.sent_at) == ("rejected", "state", None)
    assert action.error == "Nothing was sent. This is not possible while the line is “installed”."
    assert fleet.controls == []


@pytest.mark.parametrize(
    "trace",
    [
        {"total_used_bytes": 1},
        {"eid": "89049032123451234512345678901235"},
        {"downloaded_at": datetime(2026, 5, 1, tzinfo=UTC)},
        {"activated_at": datetime(2026, 5, 1, tzinfo=UTC)},
    ],
)
def test_a_line_with_traces_of_a_device_is_not_cancelled(fleet: Fleet, mika: User, trace: dict[str, Any]) -> None:
    esim = enter(fleet.add(**trace))
    with pytest.raises(ActionRefused, match="has been on a device or in use"):
        ask(esim, mika, CANCEL)
    assert fleet.calls == []


def test_the_providers_refusal_of_a_cancellation_is_shown_with_its_code(fleet: Fleet, mika: User) -> None:
    esim = enter(fleet.add())
    fleet.errors.extend([None, Rejected("not allowed in this state", code="200002")])
    action = finish(ask(esim, mika, CANCEL))
    assert (action.state, action.error_code, action.error) == ("rejected", "200002", "not allowed in this state")
    assert action.refunded is None
    assert fleet.count("control") == 1
    assert Esim.objects.get(pk=esim.pk).state == "ready"


def test_a_lost_answer_is_looked_into_and_never_sent_again(fleet: Fleet, mika: User) -> None:
    esim = enter(fleet.add(state=LineState.ACTIVE))
    fleet.effects[REVOKE] = becomes(LineState.TERMINATED, esimStatus="REVOKE")
    fleet.lost_answers = 1
    action = finish(ask(esim, mika, REVOKE))
    assert (action.state, action.refunded) == ("confirmed", None)
    assert fleet.count("control") == 1


def test_a_revocation_that_never_shows_ends_as_unknown_and_may_be_asked_again_by_a_person(
    fleet: Fleet, mika: User
) -> None:
    esim = enter(fleet.add(state=LineState.ACTIVE))
    fleet.lost_answers = 1
    action = finish(ask(esim, mika, REVOKE))
    assert action.state == "unknown"
    assert action.error.startswith("The provider's reports still show the line as before.")
    assert fleet.count("control") == 1
    fleet.effects[REVOKE] = becomes(LineState.TERMINATED)
    assert finish(ask(esim, mika, REVOKE)).state == "confirmed"
    assert fleet.count("control") == 2


def test_what_was_not_sent_is_sent_later_once(fleet: Fleet, mika: User) -> None:
    esim = enter(fleet.add(state=LineState.ACTIVE))
    fleet.effects[REVOKE] = becomes(LineState.TERMINATED)
    fleet.errors.extend([None, NotSent("no connection"), None, RateLimited("busy", retry_after=timedelta(seconds=2))])
    assert finish(ask(esim, mika, REVOKE)).state == "confirmed"
    assert len(fleet.controls) == 1


def test_a_block_ends_the_line(fleet: Fleet, mika: User) -> None:
    esim = enter(fleet.add(state=LineState.EXPIRED), slug="fleet-single")
    fleet.effects[BLOCK] = becomes(LineState.TERMINATED, status="BLOCKED")
    assert finish(ask(esim, mika, BLOCK)).state == "confirmed"


@pytest.mark.parametrize(
    ("capability", "states"),
    [
        (CANCEL, {"ready"}),
        (REVOKE, {"ready", "downloaded", "installed", "active", "suspended", "depleted", "error", "unknown"}),
        (BLOCK, {"ready", "downloaded", "installed", "active", "suspended", "depleted", "error", "unknown", "expired"}),
        (SMS, {"installed", "active", "suspended", "depleted", "unknown"}),
    ],
)
def test_states_in_which_it_may_be_asked(capability: Capability, states: set[str]) -> None:
    assert {state.value for state in LineState if not why_not(capability, Esim(state=state.value))} == states


# -- messages ---------------------------------------------------------------------------------------------------------


def test_an_sms_that_the_provider_takes_is_confirmed(fleet: Fleet, mika: User) -> None:
    esim = enter(fleet.add(state=LineState.ACTIVE, api_sms=True))
    action = finish(ask(esim, mika, SMS, message="  Welcome to Spain!  "))
    assert (action.state, action.message) == ("confirmed", "Welcome to Spain!")
    assert [request.message for request in fleet.controls] == ["Welcome to Spain!"]
    assert [kind for kind, _what in fleet.calls] == ["line", "control"]
    assert timeline(esim) == ["Send an SMS: asked for.", "Send an SMS: the provider took it."]
    # A text may be personal: the timeline does not repeat it.
    assert "Welcome" not in str(list(LineEvent.objects.values_list("facts", "why")))


def test_an_sms_whose_answer_is_lost_is_not_sent_again(fleet: Fleet, mika: User) -> None:
    esim = enter(fleet.add(state=LineState.ACTIVE))
    fleet.lost_answers = 1
    action = finish(ask(esim, mika, SMS, message="Hello"))
    assert (action.state, action.finished_at is not None) == ("unknown", True)
    assert action.error == "No answer came: it may have been sent. the connection was reset"
    assert fleet.count("control") == 1


def test_an_sms_whose_worker_died_is_not_sent_again(fleet: Fleet, mika: User) -> None:
    esim = enter(fleet.add(state=LineState.ACTIVE))
    action = ask(esim, mika, SMS, message="Hello")
    long_ago = timezone.now() - timedelta(minutes=5)
    LineAction.objects.filter(pk=action.pk).update(
        state="sending", sent_at=long_ago, deadline_at=long_ago, next_attempt_at=None
    )
    assert sweep_actions() == 1
    assert LineAction.objects.get(pk=action.pk).state == "unknown"
    assert fleet.calls == []


def test_the_link_of_an_sms_is_made_when_it_is_sent_and_stored_nowhere(fleet: Fleet, mika: User) -> None:
    esim = enter(fleet.add(state=LineState.ACTIVE, api_sms=True))
    fleet.errors.extend([None, NotSent("no connection"), None, RateLimited("busy", retry_after=timedelta(seconds=2))])
    line = Esim.objects.select_related("account").get(pk=esim.pk)
    action = request_action(
        esim=line, capability=SMS, reason="Notification 7", by="notifications", message=f"Look: {link_place(esim.pk)}"
    )
    assert not LineLink.objects.exists()
    action = finish(action)
    assert (action.state, action.message) == ("confirmed", f"Look: [[line:{esim.pk}]]")
    links = [request.message.removeprefix("Look: ") for request in fleet.controls]
    assert [link.startswith("http://127.0.0.1:8000/l/") for link in links] == [True] * len(links)
    # Each try has its own; what was not sent is forgotten, what was sent works and is known by its digest alone.
    tokens = [link.rstrip("/").rpartition("/")[2] for link in links]
    assert [find_link(token) is not None for token in tokens] == [False] * (len(tokens) - 1) + [True]
    row = LineLink.objects.get()
    assert (row.esim_id, row.made_for) == (esim.pk, f"action:{action.pk}:{action.attempts}")
    stored = str([*LineAction.objects.values_list(), *LineEvent.objects.values_list(), *LineLink.objects.values_list()])
    assert tokens[-1] not in stored


def test_what_a_person_writes_becomes_no_link(fleet: Fleet, mika: User) -> None:
    esim = enter(fleet.add(state=LineState.ACTIVE, api_sms=True))
    finish(ask(esim, mika, SMS, message=f"Look: {link_place(esim.pk)}"))
    assert [request.message for request in fleet.controls] == [f"Look: [[line:{esim.pk}]]"]
    assert not LineLink.objects.exists()


@pytest.mark.parametrize(
    ("message", "words"),
    [("   ", "Write what the SMS is to say."), ("x" * 501, "An SMS has at most 500 characters.")],
)
def test_a_message_needs_a_text_that_fits(fleet: Fleet, mika: User, queue: Queue, message: str, words: str) -> None:
    esim = enter(fleet.add(state=LineState.ACTIVE))
    with pytest.raises(ActionRefused) as caught:
        ask(esim, mika, SMS, message=message)
    assert caught.value.message == words
    assert LineAction.objects.count() == 0
    assert queue.waiting() == []


def test_a_message_of_500_characters_is_sent_whole(fleet: Fleet, mika: User) -> None:
    esim = enter(fleet.add(state=LineState.ACTIVE))
    assert finish(ask(esim, mika, SMS, message="é" * 500)).state == "confirmed"
    assert fleet.controls[0].message == "é" * 500


def test_a_line_that_takes_no_sms_by_the_api_is_said_so(fleet: Fleet, mika: User) -> None:
    esim = enter(fleet.add(state=LineState.ACTIVE, api_sms=False))
    with pytest.raises(ActionRefused, match="no SMS can be sent to this line"):
        ask(esim, mika, SMS, message="Hello")


# -- packages ---------------------------------------------------------------------------------------------------------


def two_packages(**second: Any) -> tuple[PackageSnapshot, ...]:
    return (
        PackageSnapshot(package_ref="O-1", name="Brazil 1 GB", order_ref="O-1", status=PackageStatus.ACTIVE),
        PackageSnapshot(
            package_ref="O-2", name="Brazil 5 GB", order_ref="O-2", status=PackageStatus.WAITING, is_projected=True
        ),
    )


def test_one_package_is_terminated_and_the_others_stay(fleet: Fleet, mika: User) -> None:
    esim = enter(fleet.add(state=LineState.ACTIVE, packages=two_packages()), slug="fleet-single")
    waiting = Package.objects.get(package_ref="O-2")
    fleet.effects[TERMINATE] = package_becomes("O-2", status=PackageStatus.TERMINATED, raw_status="TERMINATED")
    fleet.refund = True
    action = finish(ask(esim, mika, TERMINATE, package=waiting))
    assert (action.state, action.package, action.refunded) == ("confirmed", waiting, True)
    assert [(request.package_ref, request.order_ref) for request in fleet.controls] == [("O-2", "O-2")]
    assert dict(Package.objects.values_list("package_ref", "status")) == {"O-1": "active", "O-2": "terminated"}
    assert timeline(esim)[-1] == (
        "Terminate the package (Brazil 5 GB): confirmed by the line's state. The provider gives our money back."
    )


def test_no_money_back_is_shown_as_the_provider_said_it(fleet: Fleet, mika: User) -> None:
    esim = enter(fleet.add(state=LineState.ACTIVE, packages=two_packages()), slug="fleet-single")
    fleet.effects[TERMINATE] = package_becomes("O-1", status=PackageStatus.TERMINATED)
    fleet.refund = False
    action = finish(ask(esim, mika, TERMINATE, package=Package.objects.get(package_ref="O-1")))
    assert (action.state, action.refunded) == ("confirmed", False)
    assert timeline(esim)[-1].endswith("The provider gives no money back.")


def test_a_waiting_package_is_started(fleet: Fleet, mika: User) -> None:
    esim = enter(fleet.add(state=LineState.READY, packages=two_packages()), slug="fleet-single")
    fleet.effects[ACTIVATE] = package_becomes("O-2", status=PackageStatus.ACTIVE, is_projected=False)
    action = finish(ask(esim, mika, ACTIVATE, package=Package.objects.get(package_ref="O-2")))
    assert action.state == "confirmed"
    assert Package.objects.get(package_ref="O-2").status == "active"


def test_the_fresh_look_decides_about_packages_too(fleet: Fleet, mika: User) -> None:
    esim = enter(fleet.add(state=LineState.ACTIVE, packages=two_packages()), slug="fleet-single")
    fleet.lines[esim.provider_ref] = package_becomes("O-2", status=PackageStatus.ACTIVE)(fleet.lines[esim.provider_ref])
    action = finish(ask(esim, mika, ACTIVATE, package=Package.objects.get(package_ref="O-2")))
    assert (action.state, action.error_code) == ("rejected", "state")
    assert action.error == "Nothing was sent. This is not possible while the package is “in use”."
    assert fleet.controls == []


def test_a_package_of_another_line_and_an_unnamed_one_are_refused(fleet: Fleet, mika: User) -> None:
    esim = enter(fleet.add(state=LineState.ACTIVE, packages=two_packages()), slug="fleet-single")
    other = enter(fleet.add(state=LineState.ACTIVE), slug="fleet-single")
    unnamed = Package.objects.get(esim=other)
    for package, words in (
        (None, "Name the package of this line."),
        (unnamed, "Name the package of this line."),
    ):
        with pytest.raises(ActionRefused, match=words):
            ask(esim, mika, TERMINATE, package=package)
    with pytest.raises(ActionRefused, match="has not named this package yet"):
        ask(other, mika, TERMINATE, package=unnamed)
    assert fleet.calls == []


def test_one_open_action_per_line_whatever_its_kind(fleet: Fleet, mika: User) -> None:
    esim = enter(fleet.add(state=LineState.ACTIVE))
    ask(esim, mika, SUSPEND)
    with pytest.raises(ActionRefused, match="Something else is under way"):
        ask(esim, mika, REVOKE)
    assert LineAction.objects.count() == 1


def test_a_message_holds_up_nothing_but_another_message(fleet: Fleet, mika: User) -> None:
    """Of a shaky provider a notice may wait for half an hour; a stolen phone does not."""
    esim = enter(fleet.add(state=LineState.ACTIVE))
    fleet.effects[SUSPEND] = becomes(LineState.SUSPENDED)
    notice = request_action(esim=esim, capability=SMS, message="80 %", reason="Notification 1", by="notifications")
    fleet.errors.append(Unavailable("down"))
    assert run_action(action_id=notice.pk).state == "planned"
    with pytest.raises(ActionRefused, match="Something else is under way"):
        ask(esim, mika, SMS, message="Hello")
    stolen = ask(esim, mika, SUSPEND)
    view = read_line_view(esim, mika)
    # What changes the line is shown, and nothing more may be asked for meanwhile.
    assert (view.action, view.is_busy, view.buttons) == (stolen, True, ())
    with pytest.raises(ActionRefused, match="Something else is under way"):
        ask(esim, mika, REVOKE)
    assert finish(stolen).state == "confirmed"
    # Whoever has the phone now is told nothing by itself.
    notice = finish(notice)
    assert (notice.state, notice.error) == ("rejected", "Nothing was sent. The line is suspended.")
    assert [request.capability for request in fleet.controls] == [SUSPEND]
    assert finish(ask(esim, mika, SMS, message="Call us")).state == "confirmed"


def test_the_page_of_a_line_with_an_open_message_keeps_its_buttons(fleet: Fleet, mika: User) -> None:
    esim = enter(fleet.add(state=LineState.ACTIVE))
    message = ask(esim, mika, SMS, message="Hello")
    view = read_line_view(esim, mika)
    assert (view.action, view.is_action_open, view.is_busy) == (message, True, False)
    assert "esim-suspend" in [button.key for button in view.buttons]


@pytest.mark.parametrize(
    ("slug", "capability"),
    [
        ("fleet", BLOCK),
        ("fleet", TERMINATE),
        ("fleet-single", CANCEL),
        ("fleet-mute", SMS),
        ("fleet", Capability.ORDER),
    ],
)
def test_what_the_provider_does_not_offer_is_refused(
    fleet: Fleet, mika: User, slug: str, capability: Capability
) -> None:
    esim = enter(fleet.add(state=LineState.ACTIVE), slug=slug)
    with pytest.raises(ActionRefused, match="does not offer that"):
        ask(esim, mika, capability, message="Hello")
    assert fleet.calls == []


# -- what will happen, in words ---------------------------------------------------------------------------------------

NOW = datetime(2026, 5, 10, tzinfo=UTC)


def test_the_words_about_money_come_from_what_the_adapter_declares(fleet: Fleet) -> None:
    esim = enter(fleet.add())
    assert money_words(CANCEL, esim, None, now=NOW) == "The provider gives us back what the line cost."
    assert money_words(REVOKE, esim, None, now=NOW) == "The provider gives us no money back."
    assert money_words(BLOCK, esim, None, now=NOW) == (
        "Whether the provider gives us money back is not known: ask it first."
    )


def test_the_words_about_a_package_depend_on_its_state_and_age(fleet: Fleet) -> None:
    esim = enter(fleet.add(packages=two_packages()), slug="fleet-single")
    running, waiting = Package.objects.order_by("pk")
    waiting.created_at = running.created_at = NOW - timedelta(days=10)
    assert money_words(TERMINATE, esim, waiting, now=NOW) == (
        "The provider gives us back the package's fee alone, never what it charges for the eSIM. "
        "It does so until 29 Jun 2026, 00:00 UTC."
    )
    assert money_words(TERMINATE, esim, running, now=NOW) == (
        "The provider gives us no money back: the package has begun already."
    )
    waiting.created_at = NOW - timedelta(days=60)
    assert money_words(TERMINATE, esim, waiting, now=NOW) == (
        "The provider gives us no money back: more than 60 days have passed since the order."
    )


def test_every_action_says_what_will_happen(fleet: Fleet) -> None:
    esim = enter(fleet.add(packages=two_packages()), slug="fleet-single")
    for rule in RULES.values():
        words = action_words(rule.capability, esim, Package.objects.get(package_ref="O-2"), now=NOW)
        assert words.title.endswith("?")
        assert words.asked
        assert any("read first" in line for line in words.consequences)
        final = [line for line in words.consequences if line.startswith("It cannot be taken back. What the customer")]
        assert bool(final) is rule.is_final
        assert any("money" in line or "fee" in line for line in words.consequences) is rule.is_final
