"""The line's page for every kind of wholesaler: what can be asked, what is projected, what is not there and why."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from esims.lifecycle import register_lines
from esims.models import Esim, LineAction, Package, UsageDay
from providers.models import ProviderAccount
from providers.types import Allowance, Capability, DataPeriod, LineSnapshot, LineState, PackageSnapshot, PackageStatus
from tests.catalog.making import make_plan
from tests.esims.fakes import Fleet
from tests.esims.making import GB, MB, make_customer, make_staff
from tests.esims.test_pages import login, messages_of, text_of
from tests.pages import assert_clean_page
from tests.queue import Queue

ALL = (
    *("view_esim", "reveal_codes", "suspend_esim", "refresh_esim", "cancel_esim", "revoke_esim"),
    *("activate_esim", "message_esim"),
)
SOON = datetime(2031, 5, 1, tzinfo=UTC)


@pytest.fixture
def staff(client: Client, db: None) -> Client:
    client.force_login(make_staff(*ALL))
    return client


def enter(snapshots: Sequence[LineSnapshot], *, slug: str = "fleet") -> Esim:
    """One line at one of the fleet\'s accounts."""
    account = ProviderAccount.objects.get(slug=slug)
    plan = make_plan(account, data_bytes=10 * GB)
    (esim,) = register_lines(account=account, customer=make_customer(), plan=plan, snapshots=snapshots, by="purchase")
    return esim


def packages() -> tuple[PackageSnapshot, ...]:
    def size(number: int) -> Allowance:
        return Allowance(data_bytes=number * GB, period=DataPeriod.TOTAL, unlimited=False)

    return (
        PackageSnapshot(
            package_ref="O-1",
            name="Brazil 1 GB",
            status=PackageStatus.ACTIVE,
            raw_status="ACTIVE",
            allowance=size(1),
            used_bytes=256 * MB,
            starts_at=datetime(2026, 5, 1, tzinfo=UTC),
            ends_at=datetime(2031, 5, 8, tzinfo=UTC),
        ),
        PackageSnapshot(
            package_ref="O-2",
            name="Brazil 5 GB",
            status=PackageStatus.WAITING,
            raw_status="PENDING",
            allowance=size(5),
            starts_at=SOON,
            ends_at=SOON + timedelta(days=7),
            activate_by=SOON,
            is_projected=True,
        ),
    )


def test_every_action_that_is_offered_has_its_button(staff: Client, fleet: Fleet) -> None:
    esim = enter(fleet.add(order_ref="B1", apn="isp", api_sms=True))
    response = staff.get(f"/esims/{esim.pk}/")
    assert_clean_page(response)
    page = text_of(response)
    for word in ("suspend", "cancel", "revoke"):
        assert f'href="/esims/{esim.pk}/{word}/"' in page, word
    # Not possible on a phone that has it not; and why.
    assert f"/esims/{esim.pk}/sms/" not in page
    assert "Send an SMS: This is not possible while the line is “ready to install”." in page
    # Not offered.
    for word in ("release", "block", "terminate", "activate"):
        assert f"/esims/{esim.pk}/{word}/" not in page, word
    assert "B1" in page
    assert "isp" in page


@pytest.mark.parametrize(
    ("permission", "words"),
    [
        ("suspend_esim", {"suspend"}),
        ("cancel_esim", {"cancel"}),
        ("revoke_esim", {"revoke"}),
        ("message_esim", set()),
        ("view_esim", set()),
    ],
)
def test_each_permission_has_its_own_buttons(client: Client, fleet: Fleet, permission: str, words: set[str]) -> None:
    esim = enter(fleet.add())
    login(client, "view_esim", permission)
    page = text_of(client.get(f"/esims/{esim.pk}/"))
    shown = {word for word in ("suspend", "cancel", "revoke", "sms") if f'"/esims/{esim.pk}/{word}/"' in page}
    assert shown == words


@pytest.mark.parametrize(
    ("word", "permission"),
    [
        *(("cancel", "cancel_esim"), ("revoke", "revoke_esim"), ("block", "revoke_esim"), ("sms", "message_esim")),
        *(("suspend", "suspend_esim"), ("release", "suspend_esim")),
        *(("packages/{package}/terminate", "cancel_esim"), ("packages/{package}/activate", "activate_esim")),
    ],
)
def test_every_address_needs_its_permission(client: Client, fleet: Fleet, word: str, permission: str) -> None:
    esim = enter(fleet.add(packages=packages()), slug="fleet-single")
    address = f"/esims/{esim.pk}/{word.format(package=Package.objects.filter(esim=esim)[0].pk)}/"
    others = [name for name in ALL if name != permission]
    login(client, *others)
    assert client.get(address).status_code == 403
    assert client.post(address, {"reason": "x"}).status_code == 403
    assert client.put(address).status_code == 405
    assert LineAction.objects.count() == 0


def test_what_cannot_be_taken_back_is_confirmed_twice(staff: Client, fleet: Fleet, queue: Queue) -> None:
    esim = enter(fleet.add())
    address = f"/esims/{esim.pk}/revoke/"
    asked = staff.get(address)
    assert_clean_page(asked)
    page = text_of(asked)
    for words in (
        "Revoke this line for good?",
        "The provider gives us no money back.",
        "It cannot be taken back. What the customer paid is not refunded by this: see the order.",
        f"Type the last four digits of {esim.iccid} to confirm it.",
    ):
        assert words in page, words
    queue.clear()
    for end in ("", "0000", esim.iccid[-3:]):
        response = staff.post(address, {"reason": "fraud", "number_end": end})
        assert response.status_code == 422
    assert LineAction.objects.count() == 0
    assert queue.waiting() == []
    response = staff.post(address, {"reason": "fraud", "number_end": esim.iccid[-4:]}, follow=True)
    assert messages_of(response) == ["The revocation has been asked for; this page shows when the line confirms it."]
    assert LineAction.objects.get().kind == "revoke"
    assert [job.name for job in queue.waiting()] == ["esims.tasks.run_action"]


def test_a_cancellation_says_what_comes_back(staff: Client, fleet: Fleet) -> None:
    esim = enter(fleet.add())
    page = text_of(staff.get(f"/esims/{esim.pk}/cancel/"))
    assert "The provider gives us back what the line cost." in page
    assert "The provider may refuse all the same" in page


def test_a_refusal_is_shown_with_the_providers_code(staff: Client, fleet: Fleet) -> None:
    esim = enter(fleet.add())
    LineAction.objects.create(
        esim=esim,
        kind="cancel",
        state="rejected",
        error_code="200002",
        error="not allowed in this state",
        finished_at=timezone.now(),
    )
    page = text_of(staff.get(f"/esims/{esim.pk}/"))
    assert '<span class="code">200002</span>' in page
    assert "not allowed in this state" in page


def test_an_sms_is_written_and_sent(staff: Client, fleet: Fleet, queue: Queue) -> None:
    esim = enter(fleet.add(state=LineState.ACTIVE, api_sms=True))
    address = f"/esims/{esim.pk}/sms/"
    page = text_of(staff.get(address))
    assert 'maxlength="500"' in page
    assert "<textarea" in page
    assert staff.post(address, {"reason": "greeting", "message": "x" * 501}).status_code == 422
    assert staff.post(address, {"reason": "greeting", "message": ""}).status_code == 422
    assert LineAction.objects.count() == 0
    response = staff.post(address, {"reason": "greeting", "message": "Welcome!"}, follow=True)
    assert messages_of(response) == ["The SMS has been asked for; this page shows when the provider has taken it."]
    queue.run()
    page = text_of(staff.get(f"/esims/{esim.pk}/"))
    assert "The provider took it; whether the phone has received it, nobody tells." in page
    assert "Text: Welcome!" in page
    # Only who may write messages reads them.
    login(staff, "view_esim")
    assert "Welcome!" not in text_of(staff.get(f"/esims/{esim.pk}/"))


def test_packages_are_told_apart_and_projections_said_as_such(staff: Client, fleet: Fleet) -> None:
    esim = enter(
        fleet.add(state=LineState.ACTIVE, packages=packages(), total_used_bytes=256 * MB, total_data_bytes=6 * GB),
        slug="fleet-single",
    )
    first, second = Package.objects.filter(esim=esim).order_by("pk")
    response = staff.get(f"/esims/{esim.pk}/")
    assert_clean_page(response)
    page = " ".join(text_of(response).split())
    assert "The package “Brazil 5 GB” waits to be started." in page
    assert "It would end on 8 May 2031, 00:00 UTC if it were started on 1 May 2031, 00:00 UTC: a projection" in page
    assert "It must be started before 1 May 2031, 00:00 UTC; the provider does not say for certain" in page
    assert "(projected)" in page
    assert "(25 %)" in page
    # The waiting package may be started or terminated, the running one terminated.
    assert f"/esims/{esim.pk}/packages/{second.pk}/activate/" in page
    assert f"/esims/{esim.pk}/packages/{second.pk}/terminate/" in page
    assert f"/esims/{esim.pk}/packages/{first.pk}/activate/" not in page
    assert f"/esims/{esim.pk}/packages/{first.pk}/terminate/" in page


def test_terminating_says_what_becomes_of_the_money(staff: Client, fleet: Fleet) -> None:
    esim = enter(fleet.add(state=LineState.ACTIVE, packages=packages()), slug="fleet-single")
    first, second = Package.objects.filter(esim=esim).order_by("pk")
    page = text_of(staff.get(f"/esims/{esim.pk}/packages/{second.pk}/terminate/"))
    assert "The provider gives us back the package&#x27;s fee alone" in page
    assert "Brazil 5 GB" in page
    page = text_of(staff.get(f"/esims/{esim.pk}/packages/{first.pk}/terminate/"))
    assert "The provider gives us no money back: the package has begun already." in page
    other = enter(fleet.add(), slug="fleet-single")
    assert staff.get(f"/esims/{other.pk}/packages/{first.pk}/terminate/").status_code == 404


def test_derived_days_are_marked(staff: Client, fleet: Fleet) -> None:
    esim = enter(fleet.add(state=LineState.ACTIVE, total_used_bytes=0))
    UsageDay.objects.create(esim=esim, day=date(2026, 5, 2), used_bytes=5 * MB, is_derived=True)
    page = text_of(staff.get(f"/esims/{esim.pk}/"))
    assert "chart-bar-derived" in page
    assert "(worked out)" in page
    assert "Hatched days are worked out from totals" in page


def test_a_line_that_was_made_for_a_device_says_what_is_not_there(staff: Client, fleet: Fleet) -> None:
    secrets: dict[str, Any] = {"eid": "89049032123451234512345678901235", "phone_number": "+819012345678"}
    (snapshot,) = fleet.add(state=LineState.ACTIVE, lpa="", smdp_address="", matching_id="", **secrets)
    esim = enter([snapshot], slug="fleet-mute")
    response = staff.get(f"/esims/{esim.pk}/")
    assert_clean_page(response)
    page = text_of(response)
    for words in (
        "This line was activated for one device, by its EID: the device fetches it by itself.",
        "This provider does not tell of single lines",
        "This provider reports no use of single lines.",
    ):
        assert words in page, words
    main = page.split("<main")[1].split("</main>")[0]
    for absent in ("qr.svg", "Refresh now", "/suspend/", "hx-get", *secrets.values()):
        assert absent not in main, absent
    assert fleet.calls == []
    shown = text_of(staff.post(f"/esims/{esim.pk}/codes/", headers={"HX-Request": "true"}))
    assert secrets["phone_number"] in shown
    assert "8904 9032 1234 5123 4512 3456 7890 1235" in shown.replace("\u00a0", " ").replace("\u2009", " ")


def test_an_end_that_is_an_instant_is_shown_with_its_time(staff: Client, fleet: Fleet) -> None:
    esim = enter(fleet.add(state=LineState.ACTIVE, activated_at=SOON - timedelta(days=7), expires_at=SOON))
    page = text_of(staff.get(f"/esims/{esim.pk}/"))
    assert "It ends on 1 May 2031, 00:00 UTC." in page
    assert "In use since 24 Apr 2031, 00:00 UTC." in page
    assert "1 May 2031" in text_of(staff.get("/esims/"))


def test_the_page_costs_the_same_with_many_packages(staff: Client, fleet: Fleet) -> None:
    def queries_for(count: int) -> int:
        many = tuple(
            PackageSnapshot(package_ref=f"O-{number}", name=f"Package {number}", status=PackageStatus.WAITING)
            for number in range(count)
        )
        esim = enter(fleet.add(state=LineState.ACTIVE, packages=many), slug="fleet-single")
        Esim.objects.filter(pk=esim.pk).update(watched_until=timezone.now() + timedelta(minutes=3))
        with CaptureQueriesContext(connection) as queries:
            assert staff.get(f"/esims/{esim.pk}/").status_code == 200
        return len(queries)

    queries_for(1)
    assert queries_for(12) == queries_for(2)


def test_the_admin_asks_for_the_same_things(client: Client, fleet: Fleet, queue: Queue) -> None:
    esim = enter(fleet.add(state=LineState.ACTIVE, packages=packages()), slug="fleet-single")
    package = Package.objects.get(package_ref="O-2")
    client.force_login(make_staff(*ALL))
    page = text_of(client.get(f"/admin/esims/esim/{esim.pk}/change/"))
    for address in ("block", f"packages/{package.pk}/terminate", f"packages/{package.pk}/activate"):
        assert f"/admin/esims/esim/{esim.pk}/{address}/" in page, address
    assert f"/admin/esims/esim/{esim.pk}/suspend/" not in page
    queue.clear()
    address = f"/admin/esims/esim/{esim.pk}/packages/{package.pk}/terminate/"
    assert "the package&#x27;s fee alone" in text_of(client.get(address))
    assert client.post(address, {"reason": "unused"}).status_code == 422
    assert LineAction.objects.count() == 0
    response = client.post(address, {"reason": "unused", "number_end": esim.iccid[-4:]}, follow=True)
    assert messages_of(response) == ["Asked for on 1 line."]
    action = LineAction.objects.get()
    assert (action.capability, action.package) == (Capability.TERMINATE, package)
    login(client, "view_esim")
    assert client.post(address, {"reason": "x", "number_end": esim.iccid[-4:]}).status_code == 403
    assert LineAction.objects.count() == 1
