"""Travellers' lines in the app, over HTTP: the list, one line, its guide and its name."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from catalog.models import Plan
from customers.models import User
from esims.lifecycle import register_lines
from esims.models import Esim, LineEvent, Package
from esims.search import showing_states
from esims.states import shown_state
from orders.exporting import export_person
from orders.leaving import delete_account
from providers.types import LineState
from tests.api.app import App
from tests.api.buying import HANA, make_traveller
from tests.catalog.making import make_account, make_plan
from tests.customers.making import make_staff
from tests.esims.fakes import Fleet
from tests.esims.making import GB, MB, make_days, make_line, make_snapshot

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 5, 3, 9, tzinfo=UTC)
ICCID = "8981100000000000017"


@pytest.fixture
def user() -> User:
    return make_traveller()


@pytest.fixture
def app(user: User) -> App:
    return App.signed_in(user)


@pytest.fixture
def plan() -> Plan:
    return make_plan(make_account(), name="Japan 1 GB", covers=("JP",))


def in_use(plan: Plan, user: User, **fields: Any) -> Esim:
    """A line half of whose data is used."""
    known: dict[str, Any] = {
        "state": LineState.ACTIVE,
        "installed_at": datetime(2026, 5, 1, 8, tzinfo=UTC),
        "activated_on": date(2026, 5, 2),
        "expires_on": date(2030, 6, 1),
        "total_used_bytes": GB // 2,
        "total_data_bytes": GB,
        "home_country": "",
        "roaming_countries": None,
    }
    return make_line(make_snapshot(ICCID, **{**known, **fields}), plan=plan, customer=user.customer)


def utc(moment: datetime | None) -> str | None:
    return moment.isoformat().replace("+00:00", "Z") if moment else None


# -- the list ----------------------------------------------------------------------------------------------------------


def test_a_row_says_what_is_known_and_what_is_not(app: App, user: User, plan: Plan) -> None:
    with time_machine.travel(NOW, tick=False):
        line = in_use(plan, user)
        response = app.call("get", "/esims")
    assert response["Cache-Control"] == "no-store"
    assert response.json() == {
        "results": [
            {
                "id": line.pk,
                "label": "",
                "plan_name": "Japan 1 GB",
                "iccid": ICCID,
                "state": "active",
                "state_text": "active",
                "destination": {"countries": ["JP"], "name": "Japan", "flag": "🇯🇵"},
                "package_counts": {"count": 1, "waiting": 0, "active": 0, "ended": 0},
                "usage": {
                    "used_bytes": GB // 2,
                    "is_reported": True,
                    "allowance": {"bytes": GB, "unlimited": False},
                    "period": "total",
                    "in_hand": {"used_bytes": GB // 2, "total_bytes": GB},
                    "as_of": "2026-05-01T12:00:00Z",
                },
                "dates": {
                    "added_at": "2026-05-03T09:00:00Z",
                    "downloaded_at": None,
                    "installed_at": "2026-05-01T08:00:00Z",
                    "activated_at": None,
                    "activated_on": "2026-05-02",
                    "expires_at": None,
                    "expires_on": "2030-06-01",
                    "terminated_on": None,
                    "install_before": "2031-10-28T00:00:00Z",
                    "use_before": None,
                    "date_zone": "Asia/Tokyo",
                },
                "customer": None,
            }
        ],
        "next": None,
        "previous": None,
    }


def test_not_reported_nothing_used_and_no_cap_are_told_apart(app: App, user: User, plan: Plan) -> None:
    line = in_use(plan, user, total_used_bytes=None, total_data_bytes=None)

    def usage(**package: Any) -> dict[str, Any]:
        Package.objects.update(**package)
        found: dict[str, Any] = app.call("get", "/esims").json()["results"][0]["usage"]
        assert app.call("get", f"/esims/{line.pk}").json()["usage"] == found
        return found

    none = {"used_bytes": None, "is_reported": False, "in_hand": None, "as_of": None}
    unknown = {"bytes": None, "unlimited": False}
    assert usage(data_bytes=None) == {**none, "allowance": unknown, "period": None}
    Esim.objects.update(total_used_bytes=0, usage_as_of=NOW)
    zero = {**none, "used_bytes": 0, "is_reported": True, "as_of": "2026-05-03T09:00:00Z"}
    assert usage(data_unlimited=True) == {**zero, "allowance": {"bytes": None, "unlimited": True}, "period": None}
    daily = usage(data_unlimited=False, data_period="day", data_bytes=500 * MB)
    assert daily == {**zero, "allowance": {"bytes": 500 * MB, "unlimited": False}, "period": "day"}


def test_pages_and_filters(app: App, user: User, plan: Plan) -> None:
    ready = [make_line(plan=plan, customer=user.customer) for _ in range(3)]
    used = in_use(plan, user)
    make_line(plan=plan)
    first = app.call("get", "/esims?limit=2").json()
    second = app.call("get", f"/esims?limit=2&cursor={first['next']}").json()
    ids = [row["id"] for page in (first, second) for row in page["results"]]
    assert ids == [used.pk, *(line.pk for line in reversed(ready))]
    assert (first["previous"], second["next"]) == (None, None)

    def found(query: str) -> list[int]:
        return [row["id"] for row in app.call("get", f"/esims?{query}").json()["results"]]

    assert found("state=active&state=expired") == [used.pk]
    assert len(found("state=ready")) == 3
    # Two days after the last day in Japan the clock knows that it is over, whatever was said before.
    with time_machine.travel(datetime(2030, 6, 2, 15, tzinfo=UTC), tick=False):
        app = App.signed_in(user)
        assert (found("state=active"), found("state=expired")) == ([], [used.pk])
        assert app.call("get", "/esims?state=expired").json()["results"][0]["state_text"] == "expired"
    app = App.signed_in(user)
    assert found(f"q={ICCID[-6:]}") == [used.pk]
    with time_machine.travel(datetime(2031, 10, 20, tzinfo=UTC)):
        app = App.signed_in(user)
        assert (len(found("install_within_days=14")), found("install_within_days=5")) == (3, [])


def test_what_is_filtered_is_what_is_shown(plan: Plan) -> None:
    """The database and Python have the same rule for what is over by the clock."""
    now, day = datetime(2026, 6, 2, 15, tzinfo=UTC), date(2026, 6, 1)
    spoken = (now - timedelta(hours=30), now - timedelta(seconds=1), now)
    ends: list[dict[str, Any]] = [
        {"expires_on": day},
        {"expires_on": day - timedelta(days=1)},
        {"expires_on": date(9999, 12, 31)},
        {"expires_at": now},
        {"expires_at": now + timedelta(seconds=1)},
        {"expires_at": now - timedelta(days=9), "expires_on": day},
        {},
    ]
    states = (LineState.ACTIVE, LineState.CANCELLED)
    for end in ends:
        for state in states:
            for at in spoken:
                make_line(make_snapshot(state=state, state_as_of=at, **end), plan=plan)
    assert Esim.objects.count() == 42
    by_state: dict[str, set[int]] = {}
    for line in Esim.objects.all():
        by_state.setdefault(shown_state(line, now).value, set()).add(line.pk)
    assert {name: len(ids) for name, ids in by_state.items()} == {"active": 14, "expired": 7, "cancelled": 21}
    for name, ids in by_state.items():
        assert set(showing_states(Esim.objects.all(), [name], now=now).values_list("pk", flat=True)) == ids


def test_staff_see_everybodys_by_permission(app: App, user: User, plan: Plan) -> None:
    line = in_use(plan, user)
    clerk = App.signed_in(make_staff("esims.view_esim"))
    (row,) = clerk.call("get", f"/esims?scope=all&q={HANA}").json()["results"]
    assert (row["id"], row["customer"]) == (line.pk, {"id": user.customer.pk, "name": "Hana"})
    assert clerk.call("get", "/esims").status_code == 403
    assert app.call("get", "/esims?scope=all").json()["code"] == "not_allowed"


@pytest.mark.parametrize(
    ("query", "path", "code"),
    [
        ("status=active", "status", "unknown_parameter"),
        ("state=alive", "state.0", "invalid_choice"),
        ("limit=101", "limit", "max_value"),
        ("install_within_days=0", "install_within_days", "min_value"),
        ("scope=own&scope=all", "scope", "repeated"),
    ],
)
def test_what_is_not_known_is_refused(app: App, query: str, path: str, code: str) -> None:
    response = app.call("get", f"/esims?{query}")
    (fault,) = response.json()["errors"]
    assert (response.status_code, fault["in"], fault["path"], fault["code"]) == (422, "query", path, code)


def test_the_number_of_queries_is_constant(app: App, user: User, plan: Plan) -> None:
    def count(address: str) -> int:
        with CaptureQueriesContext(connection) as queries:
            assert app.call("get", address).status_code == 200
        return len(queries)

    line = in_use(plan, user, daily_usage=make_days((date(2026, 5, 2), MB)))
    few = count("/esims"), count(f"/esims/{line.pk}")
    more = [make_snapshot(home_country="", roaming_countries=None) for _ in range(20)]
    register_lines(account=plan.account, customer=user.customer, plan=plan, snapshots=more, by="purchase")
    other = make_plan(plan.account, covers=("KR", "TW"))
    make_line(make_snapshot(home_country="", roaming_countries=None), plan=other, customer=user.customer)
    for number in range(20):
        Package.objects.create(esim=line, kind="top_up", package_ref=f"P{number}", name="More", data_period="total")
        line.usage_days.create(day=date(2026, 5, 3) + timedelta(days=number), used_bytes=number)
    assert (count("/esims"), count(f"/esims/{line.pk}")) == few


# -- one line ----------------------------------------------------------------------------------------------------------


def test_one_line_has_all_that_a_phone_shows(app: App, user: User, plan: Plan) -> None:
    days = make_days((date(2026, 5, 1), 0), (date(2026, 5, 3), 3 * MB))
    with time_machine.travel(NOW, tick=False):
        line = in_use(plan, user, daily_usage=days)
        line.usage_days.filter(day=date(2026, 5, 3)).update(is_derived=True)
        found = app.call("get", f"/esims/{line.pk}").json()
        row = app.call("get", "/esims").json()["results"][0]
    assert {name: found[name] for name in row} == row
    assert found["sentences"] == ["Your eSIM is in use.", "Its last day is 1 Jun 2030 (Japan date)."]
    assert found["installed"] == {
        "verdict": "yes",
        "text": "The provider reports that the line was installed on a device.",
    }
    assert (found["shows_code"], found["staff"]) == (False, None)
    assert found["ends"] == {"promised_until": "2030-06-01T15:00:00Z", "surely_over_from": "2030-06-02T15:00:00Z"}
    package = Package.objects.get()
    assert found["packages"] == [
        {
            "id": package.pk,
            "kind": "base",
            "name": "Japan 1 GB",
            "state": None,
            "state_text": "",
            "data": {"bytes": package.data_bytes, "unlimited": False, "period": "total"},
            "used_bytes": None,
            "starts_at": None,
            "ends_at": None,
            "start_before": None,
            "is_projected": False,
            "sentences": [],
        }
    ]
    assert found["usage_by_day"] == {
        "days": [
            {"day": "2026-05-01", "used_bytes": 0, "is_derived": False, "zone": "Asia/Tokyo"},
            {"day": "2026-05-02", "used_bytes": None, "is_derived": False, "zone": None},
            {"day": "2026-05-03", "used_bytes": 3 * MB, "is_derived": True, "zone": "UTC"},
        ],
        "is_cut": False,
        "is_reported": True,
    }
    # This account is not set up here: it cannot be asked, and sells nothing more.
    assert found["refresh"] == {
        "is_possible": False,
        "is_under_way": False,
        "has_failed": False,
        "last_read_at": "2026-05-03T09:00:00Z",
        "ask_again_at": None,
    }
    assert (found["top_ups"]["address"], found["top_ups"]["why_not"]) == (
        None,
        "Nothing can be added to this eSIM now.",
    )


def test_what_waits_what_can_be_added_and_in_which_language(user: User, fleet: Fleet) -> None:
    line = make_line(
        fleet.add(state=LineState.ACTIVE, total_used_bytes=GB)[0],
        plan=make_plan(make_account("fleet"), covers=("JP", "KR")),
        customer=user.customer,
    )
    by = datetime(2031, 1, 2, 3, tzinfo=UTC)
    Package.objects.create(
        esim=line, kind="top_up", name="Plus", data_period="day", data_bytes=GB, status="waiting", activate_by=by
    )
    found = App.signed_in(user).call("get", f"/esims/{line.pk}", **{"Accept-Language": "ja"}).json()
    assert (found["state"], found["state_text"], found["sentences"]) == ("active", "利用中", ["eSIMは利用中です。"])
    assert found["destination"] == {"countries": ["JP", "KR"], "name": None, "flag": None}
    assert found["package_counts"] == {"count": 2, "waiting": 1, "active": 0, "ended": 0}
    plus = found["packages"][1]
    assert (plus["kind"], plus["state"], plus["state_text"]) == ("top_up", "waiting", "待機中")
    assert (plus["data"], plus["used_bytes"]) == ({"bytes": GB, "unlimited": False, "period": "day"}, None)
    assert (plus["start_before"], len(plus["sentences"])) == ("2031-01-02T03:00:00Z", 1)
    # Beside a daily cap no one number is the allowance.
    assert found["usage"]["allowance"] == {"bytes": None, "unlimited": False}
    assert found["top_ups"] == {"address": f"/api/v1/esims/{line.pk}/top-ups", "rules": [], "why_not": ""}
    assert (found["refresh"]["is_possible"], found["refresh"]["ask_again_at"]) == (True, None)
    assert "Fleet" not in str(found)


def test_staff_see_the_evidence_and_whose_it_is(user: User, fleet: Fleet) -> None:
    line = make_line(
        fleet.add(state=LineState.ACTIVE)[0], plan=make_plan(make_account("fleet")), customer=user.customer
    )
    clerk = App.signed_in(make_staff("esims.view_esim", "esims.suspend_esim"))
    found = clerk.call("get", f"/esims/{line.pk}").json()
    assert found["customer"] == {"id": user.customer.pk, "name": "Hana"}
    assert found["top_ups"]["address"] is None
    staff = found["staff"]
    assert (staff["provider"], staff["sentences"], staff["last_action"]) == (line.account.name, ["In use."], None)
    assert staff["evidence"][0] == {
        "label": "esimStatus",
        "value": "GOT_RESOURCE",
        "source": f"the provider ({line.account.name})",
        "as_of": utc(line.state_as_of),
    }
    assert [(one["action"], one["why_not"]) for one in staff["may"]] == [
        ("suspend", ""),
        ("release", "The line is not suspended: there is nothing to release."),
    ]
    only_sees = App.signed_in(make_staff("esims.view_esim", email="other@desk.example"))
    assert only_sees.call("get", f"/esims/{line.pk}").json()["staff"]["may"] == []


def test_no_answer_but_the_codes_holds_codes(app: App, user: User, plan: Plan) -> None:
    line = in_use(plan, user, state=LineState.READY, eid="89049032123451234512345678901235")
    Esim.objects.update(confirmation_code="SECRET-7")
    for address in ("/esims", f"/esims/{line.pk}", f"/esims/{line.pk}/guide"):
        text = app.call("get", address).content.decode()
        assert not [secret for secret in (line.matching_id, line.lpa, line.eid, "SECRET-7") if secret in text]
    assert app.call("get", f"/esims/{line.pk}").json()["shows_code"] is True


def test_there_is_nothing_behind_other_numbers(app: App, plan: Plan) -> None:
    line = make_line(plan=plan)
    for number in (line.pk, 999_999, 10**30):
        for address in ("", "/guide", "/activation", "/qr.png", "/qr.svg"):
            assert app.call("get", f"/esims/{number}{address}").json()["code"] == "not_found"
        assert app.call("patch", f"/esims/{number}", {"label": "x"}).status_code == 404
        assert app.call("post", f"/esims/{number}/refresh").status_code == 404
    assert LineEvent.objects.exclude(kind="registered").count() == 0


# -- the guide ---------------------------------------------------------------------------------------------------------


def test_the_guide_by_platform_and_language(app: App, user: User, plan: Plan) -> None:
    line = in_use(plan, user)
    Esim.objects.update(confirmation_code="SECRET-7")

    def parts(platform: str = "", language: str = "en") -> dict[str, list[tuple[str, str]]]:
        query = f"?platform={platform}" if platform else ""
        found = app.call("get", f"/esims/{line.pk}/guide{query}", **{"Accept-Language": language}).json()
        assert found["language"] == language
        assert all(part["steps"] for stage in found["stages"] for part in stage["parts"])
        return {stage["code"]: [(part["code"], part["title"]) for part in stage["parts"]] for stage in found["stages"]}

    before = ("before", "Before you install")
    assert parts() == {
        "install": [before, ("installing", "On an iPhone"), ("installing", "On an Android phone")],
        "start": [
            ("after_landing", "After landing"),
            ("no_data", "If there is no data"),
        ],
    }
    assert parts("ios")["install"] == [before, ("installing", "On an iPhone")]
    assert parts("android")["install"] == [before, ("installing", "On an Android phone")]
    assert parts("other")["install"] == [before, ("installing", "On another device")]
    assert parts("ios", "ja")["install"][0] == ("before", "インストールの前に")
    steps = app.call("get", f"/esims/{line.pk}/guide?platform=other").json()["stages"][0]["parts"][1]["steps"]
    assert "enter the one given here" in steps[3]
    assert app.call("get", f"/esims/{line.pk}/guide?platform=symbian").status_code == 422
    Esim.objects.update(state="cancelled")
    assert app.call("get", f"/esims/{line.pk}/guide").json() == {"language": "en", "stages": [], "add_on_rules": []}


# -- the name ----------------------------------------------------------------------------------------------------------


def test_a_line_gets_a_name_that_goes_with_its_customer(app: App, user: User, plan: Plan) -> None:
    line = in_use(plan, user)
    response = app.call("patch", f"/esims/{line.pk}", {"label": "  沖縄  2026 "})
    assert (response.status_code, response.json()["label"]) == (200, "沖縄 2026")
    assert app.call("get", "/esims").json()["results"][0]["label"] == "沖縄 2026"
    assert export_person(user=user, customer=user.customer)["esims"][0]["label"] == "沖縄 2026"
    named: Callable[[], list[tuple[str, dict[str, Any]]]] = lambda: list(  # noqa: E731
        LineEvent.objects.filter(kind="renamed").values_list("by", "facts")
    )
    assert named() == [(HANA, {})]
    # The same again, and nothing at all, change nothing.
    assert app.call("patch", f"/esims/{line.pk}", {"label": "沖縄 2026"}).status_code == 200
    assert app.call("patch", f"/esims/{line.pk}", {}).json()["label"] == "沖縄 2026"
    assert len(named()) == 1
    for body in ({"label": 7}, {"label": "a\nb"}, {"label": "x" * 61}, {"label": None}, {"state": "active"}):
        assert app.call("patch", f"/esims/{line.pk}", body).status_code == 422
    assert Esim.objects.get().nickname == "沖縄 2026"
    delete_account(user=user)
    assert (Esim.objects.get().nickname, named()) == ("", [("customer", {})])


def test_only_its_customer_names_a_line(user: User, plan: Plan) -> None:
    line = in_use(plan, user)
    clerk = App.signed_in(make_staff("esims.view_esim", "esims.change_esim"))
    assert clerk.call("patch", f"/esims/{line.pk}", {"label": "x"}).status_code == 403
    assert (Esim.objects.get().nickname, timezone.is_aware(line.created_at)) == ("", True)
