"""What the app asks of providers for lines: a fresh reading, and for staff to suspend and to release."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from pytest_django.fixtures import Settings

from customers.idempotency import digest_request
from customers.models import IdempotencyKey, User
from esims.models import Esim, LineAction, LineEvent
from providers.errors import Rejected
from providers.models import ProviderAccount
from providers.types import Capability, LineState
from tests.api.app import App
from tests.api.buying import make_traveller, send
from tests.catalog.making import make_account, make_plan
from tests.customers.making import make_staff
from tests.esims.fakes import Fleet
from tests.esims.making import GB, make_line
from tests.esims.test_line_actions import becomes, finish
from tests.queue import Queue

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 5, 3, 9, tzinfo=UTC)
REASON = {"reason": "The phone was stolen."}
KEY = {"Idempotency-Key": "a-wish"}


@pytest.fixture
def user() -> User:
    return make_traveller()


@pytest.fixture
def line(user: User, fleet: Fleet) -> Esim:
    return make_line(
        fleet.add(state=LineState.ACTIVE)[0], plan=make_plan(make_account("fleet")), customer=user.customer
    )


# -- refresh -----------------------------------------------------------------------------------------------------------


def test_a_customer_has_their_line_read(user: User, line: Esim, fleet: Fleet, queue: Queue) -> None:
    fleet.use(line.provider_ref, GB)
    with time_machine.travel(NOW, tick=False) as clock:
        app = App.signed_in(user)
        response = app.call("post", f"/esims/{line.pk}/refresh")
        assert response.status_code == 202
        assert response.json()["ask_again_at"] == "2026-05-03T09:00:30Z"
        assert fleet.calls == []
        found = app.call("get", f"/esims/{line.pk}").json()["refresh"]
        assert (found["is_under_way"], found["ask_again_at"]) == (True, "2026-05-03T09:00:30Z")
        clock.shift(timedelta(seconds=12))
        again = app.call("post", f"/esims/{line.pk}/refresh")
        assert (again.status_code, again["Retry-After"], again.json()["code"]) == (429, "18", "too_many_requests")
        assert len(queue.waiting()) == 1
        queue.run()
        assert fleet.count("line") == 1
        found = app.call("get", f"/esims/{line.pk}").json()
        assert (found["refresh"]["is_under_way"], found["refresh"]["last_read_at"]) == (False, "2026-05-03T09:00:12Z")
        assert found["usage"]["used_bytes"] == GB
        clock.shift(timedelta(seconds=18))
        assert app.call("post", f"/esims/{line.pk}/refresh").status_code == 202


def test_a_reading_that_failed_is_told(user: User, line: Esim, fleet: Fleet, queue: Queue) -> None:
    app, clerk = App.signed_in(user), App.signed_in(make_staff("esims.view_esim"))
    fleet.errors.append(Rejected("no such line", code="404"))
    assert app.call("post", f"/esims/{line.pk}/refresh").status_code == 202
    queue.run()
    found = app.call("get", f"/esims/{line.pk}").json()["refresh"]
    assert (found["is_under_way"], found["has_failed"], found["is_possible"]) == (False, True, True)
    staff = clerk.call("get", f"/esims/{line.pk}").json()["staff"]
    assert staff["read_error"] == "no such line (404)"


def test_who_cannot_be_asked_is_not(user: User, line: Esim, fleet: Fleet, queue: Queue, settings: Settings) -> None:
    ProviderAccount.objects.update(is_paused=True)
    app, clerk = App.signed_in(user), App.signed_in(make_staff("esims.refresh_esim"))
    theirs, ours = (one.call("post", f"/esims/{line.pk}/refresh") for one in (app, clerk))
    assert [(answer.status_code, answer.json()["code"]) for answer in (theirs, ours)] == [(409, "refused")] * 2
    assert theirs.json()["detail"] == (
        "How this eSIM is doing cannot be asked now. What is shown is the last that we were told."
    )
    assert ours.json()["detail"] == "Calls to this provider are paused by staff."
    ProviderAccount.objects.update(is_paused=False)
    sees = App.signed_in(make_staff("esims.view_esim", email="sees@desk.example"))
    assert sees.call("post", f"/esims/{line.pk}/refresh").status_code == 403
    assert (queue.waiting(), Esim.objects.get().watched_until) == ([], None)
    settings.API_RATES = {**settings.API_RATES, "refresh": "2/min"}
    assert [clerk.call("post", f"/esims/{line.pk}/refresh").status_code for _ in range(2)] == [202, 429]


# -- suspend and release -----------------------------------------------------------------------------------------------


def last_action(app: App, line: Esim) -> dict[str, Any]:
    found: dict[str, Any] = app.call("get", f"/esims/{line.pk}").json()["staff"]["last_action"]
    return found


def test_staff_suspend_once_and_see_what_becomes_of_it(line: Esim, fleet: Fleet) -> None:
    app = App.signed_in(make_staff("esims.view_esim", "esims.suspend_esim"))
    first = send(app, f"/esims/{line.pk}/suspension", REASON, key="stolen-1")
    action = LineAction.objects.get()
    assert first.status_code == 202
    assert first.json() == {
        "id": action.pk,
        "action": "suspend",
        "action_text": "Suspend",
        "state": "planned",
        "state_text": "waiting",
        "is_open": True,
        "reason": "The phone was stolen.",
        "requested_by": "clerk@example.com",
        "requested_at": action.requested_at.isoformat().replace("+00:00", "Z"),
        "finished_at": None,
        "error": "",
    }
    again = send(app, f"/esims/{line.pk}/suspension", REASON, key="stolen-1")
    assert (again.status_code, again.content, again["Idempotency-Replayed"]) == (202, first.content, "true")
    other = send(app, f"/esims/{line.pk}/suspension", REASON)
    assert (other.status_code, other.json()["detail"]) == (
        409,
        "Something else is under way for this line: wait until it has ended.",
    )
    assert last_action(app, line) == first.json()
    may = app.call("get", f"/esims/{line.pk}").json()["staff"]["may"]
    assert {one["why_not"] for one in may} == {other.json()["detail"]}
    fleet.effects[Capability.SUSPEND] = becomes(LineState.SUSPENDED)
    finish(action)
    assert (last_action(app, line)["state"], fleet.count("control")) == ("confirmed", 1)
    asked = LineEvent.objects.get(kind="action_asked")
    assert (asked.by, asked.why) == ("clerk@example.com", "The phone was stolen.")

    assert send(app, f"/esims/{line.pk}/suspension", REASON).json()["detail"] == "The line is suspended already."
    fleet.effects[Capability.RELEASE] = becomes(LineState.ACTIVE)
    released = send(app, f"/esims/{line.pk}/release", {"reason": "It was found."})
    assert (released.status_code, released.json()["action"]) == (202, "release")
    finish(LineAction.objects.get(kind="release"))
    assert (Esim.objects.get().state, fleet.count("control")) == ("active", 2)


def test_a_request_that_died_goes_on_with_what_it_had_asked(line: Esim) -> None:
    clerk = make_staff("esims.suspend_esim")
    app, address = App.signed_in(clerk), f"/esims/{line.pk}/suspension"
    asked = send(app, address, REASON).json()
    digest = digest_request(method="POST", path=f"/api/v1{address}", data=REASON)
    IdempotencyKey.objects.create(user=clerk, key="died", digest=digest, reached={"action": asked["id"]})
    assert send(app, address, REASON, key="died").json() == asked
    assert LineAction.objects.count() == 1


@pytest.mark.parametrize(
    ("permission", "body", "headers", "refusal"),
    [
        ("esims.suspend_esim", REASON, {}, (400, "key_missing")),
        ("esims.suspend_esim", {"reason": " "}, KEY, (422, "invalid")),
        ("esims.suspend_esim", {**REASON, "force": True}, KEY, (422, "invalid")),
        ("esims.refresh_esim", REASON, KEY, (403, "not_allowed")),
    ],
)
def test_nothing_is_asked_without_key_reason_and_permission(
    line: Esim, permission: str, body: Any, headers: dict[str, str], refusal: tuple[int, str]
) -> None:
    app = App.signed_in(make_staff("esims.view_esim", permission))
    response = app.call("post", f"/esims/{line.pk}/suspension", body, **headers)
    assert (response.status_code, response.json()["code"]) == refusal
    assert LineAction.objects.count() == 0


def test_a_customer_suspends_nothing_and_a_line_that_is_not_there_is_not_found(user: User, line: Esim) -> None:
    assert send(App.signed_in(user), f"/esims/{line.pk}/suspension", REASON).status_code == 403
    clerk = App.signed_in(make_staff("esims.suspend_esim"))
    assert send(clerk, "/esims/999999/release", REASON).status_code == 404
    assert LineAction.objects.count() == 0
