"""The pages of the lines: who may, what they show, what they refuse; no page asks a provider by itself."""

from datetime import timedelta
from io import BytesIO
from typing import Any

import pytest
import zxingcpp
from django.http import HttpResponse
from django.test import Client
from django.utils import timezone
from PIL import Image
from pytest_django.fixtures import Settings

from customers.models import User
from esims.actions import run_due_actions
from esims.models import Esim, LineAction, LineEvent
from esims.qr import qr_svg
from esims.refresh import refresh_line
from providers.models import ProviderAccount
from providers.types import Priority
from tests.esims.conftest import SellLines
from tests.esims.making import make_line, make_snapshot, make_staff
from tests.pages import assert_clean_page
from tests.queue import Queue
from tests.simulator_client import SANDBOX, Simulator

pytestmark = pytest.mark.django_db
ALL = ("view_esim", "reveal_codes", "suspend_esim", "refresh_esim", "simulate_usage")
SECRETS = {
    "eid": "89049032123451234512345678901235",
    "install_device_imei": "490154203237518",
    "connection_device_imei": "356938035643809",
    "matching_id": "SECRET-CODE-4711",
    "lpa": "LPA:1$smdp.example.com$SECRET-CODE-4711",
}


@pytest.fixture
def staff(client: Client, db: None) -> Client:
    """Somebody who may do everything with lines."""
    client.force_login(make_staff(*ALL))
    return client


def login(client: Client, *permissions: str) -> User:
    user = make_staff(*permissions, email="ken@desk.example")
    client.force_login(user)
    return user


def text_of(response: Any) -> str:
    content: bytes = response.content
    return content.decode()


def messages_of(response: Any) -> list[str]:
    return [str(message) for message in response.context["messages"]]


def test_the_list_shows_lines_and_no_codes(staff: Client) -> None:
    esim = make_line(make_snapshot(**SECRETS))
    response = staff.get("/esims/")
    assert_clean_page(response)
    page = text_of(response)
    assert f"/esims/{esim.pk}/" in page
    assert "ready to install" in page
    for secret in SECRETS.values():
        assert secret not in page


def test_an_empty_list_and_a_search_without_hits_say_what_to_do(staff: Client) -> None:
    response = staff.get("/esims/")
    assert_clean_page(response)
    assert "No lines yet" in text_of(response)
    response = staff.get("/esims/?q=nobody&state=&account=999999&after=rubbish&customer=x")
    assert_clean_page(response)
    assert "No line matches this" in text_of(response)


def test_the_page_of_a_line(staff: Client) -> None:
    esim = make_line(make_snapshot(**SECRETS))
    response = staff.get(f"/esims/{esim.pk}/")
    assert_clean_page(response)
    page = text_of(response)
    for words in (
        "Not on a device yet: it can be installed now.",
        "It must be installed before 28 Oct 2031, 00:00 UTC.",
        "Aiko Tanaka",
        "smdp.example.com",
        "Before you install",
        "Entered into our books as “ready to install”.",
        f"/esims/{esim.pk}/qr.svg",
        "not reported",
    ):
        assert words in page, words
    for secret in SECRETS.values():
        assert secret not in page, secret
    assert "•••• 4711".replace(" ", "\u00a0") in page


def test_who_may_not_see_codes_gets_no_qr_code_and_no_button(client: Client) -> None:
    esim = make_line(make_snapshot(**SECRETS))
    login(client, "view_esim")
    page = text_of(client.get(f"/esims/{esim.pk}/"))
    assert "qr.svg" not in page
    assert "Show codes" not in page
    assert "Suspend" not in page
    assert "Refresh now" not in page
    for address in ("qr.svg", "qr.png"):
        assert client.get(f"/esims/{esim.pk}/{address}").status_code == 403
    assert client.post(f"/esims/{esim.pk}/codes/").status_code == 403
    assert LineEvent.objects.exclude(kind="registered").count() == 0


@pytest.mark.parametrize(
    ("method", "address"),
    [
        ("get", ""),
        ("get", "live/"),
        ("get", "qr.png"),
        ("get", "qr.svg"),
        ("post", "codes/"),
        ("post", "refresh/"),
        ("get", "suspend/"),
        ("post", "suspend/"),
        ("get", "release/"),
        ("post", "release/"),
        ("get", "usage/"),
        ("post", "usage/"),
    ],
)
def test_every_address_has_its_guard(client: Client, db: None, method: str, address: str) -> None:
    esim = make_line()
    url = f"/esims/{esim.pk}/{address}"
    before = (LineAction.objects.count(), LineEvent.objects.count())
    assert getattr(client, method)(url).status_code == 302
    client.force_login(User.objects.create_user("a@example.com", "a long enough password"))
    assert getattr(client, method)(url).status_code == 403
    login(client)
    assert getattr(client, method)(url).status_code == 403
    assert (LineAction.objects.count(), LineEvent.objects.count()) == before


@pytest.mark.parametrize("address", ["codes/", "refresh/"])
def test_what_changes_something_is_not_a_get(staff: Client, address: str) -> None:
    esim = make_line()
    assert staff.get(f"/esims/{esim.pk}/{address}").status_code == 405


@pytest.mark.parametrize(
    "address",
    [
        "/esims/999999/",
        "/esims/99999999999999999999999999/",
        "/esims/not-a-number/",
        "/esims/iccid/not-digits/",
        "/esims/iccid/8981100000000000002/",
        "/esims/iccid/89811000000000000०/",
        "/esims/999999/qr.png",
        "/esims/999999/suspend/",
    ],
)
def test_a_line_that_is_not_there_is_a_404_page(staff: Client, address: str) -> None:
    assert_clean_page(staff.get(address), status=404)


def test_an_iccid_leads_to_its_line(staff: Client) -> None:
    esim = make_line()
    response = staff.get(f"/esims/iccid/{esim.iccid}/")
    assert (response.status_code, response["Location"]) == (302, f"/esims/{esim.pk}/")


def test_qr_codes_decode_to_the_activation_string(staff: Client) -> None:
    esim = make_line(make_snapshot(**SECRETS))
    png = staff.get(f"/esims/{esim.pk}/qr.png")
    svg = staff.get(f"/esims/{esim.pk}/qr.svg")
    decoded = zxingcpp.read_barcode(Image.open(BytesIO(png.content)))
    assert decoded is not None
    assert decoded.text == SECRETS["lpa"]
    assert text_of(svg) == qr_svg(SECRETS["lpa"])
    assert (png["Content-Type"], svg["Content-Type"]) == ("image/png", "image/svg+xml")
    for response in (png, svg):
        assert response["Cache-Control"] == "no-store, private"
        assert response["X-Content-Type-Options"] == "nosniff"
    # One row an hour for each person, however often the page draws it.
    assert [(row.kind, row.by) for row in LineEvent.objects.filter(kind="qr_shown")] == [
        ("qr_shown", "mika@desk.example")
    ]


def test_a_line_without_a_code_has_no_qr_code(staff: Client) -> None:
    esim = make_line(make_snapshot(lpa="", matching_id="", smdp_address=""))
    response = staff.get(f"/esims/{esim.pk}/qr.png")
    assert response.status_code == 404
    page = text_of(staff.get(f"/esims/{esim.pk}/"))
    assert "This line has no activation code (yet)." in page
    assert "qr.svg" not in page
    assert not LineEvent.objects.filter(kind="qr_shown").exists()


@pytest.mark.parametrize("headers", [{}, {"HX-Request": "true"}])
def test_codes_are_shown_on_demand_and_that_is_written_down(staff: Client, headers: dict[str, str]) -> None:
    esim = make_line(make_snapshot(**SECRETS))
    response = staff.post(f"/esims/{esim.pk}/codes/", headers=headers)
    assert response.status_code == 200
    assert response["Cache-Control"] == "no-store, private"
    page = text_of(response)
    for name in ("lpa", "matching_id", "install_device_imei", "connection_device_imei"):
        assert SECRETS[name] in page, name
    assert "8904 9032 1234 5123 4512 3456 7890 1235" in page
    code = "LPA:1$smdp.example.com$SECRET-CODE-4711"
    assert f'href="https://esimsetup.apple.com/esim_qrcode_provisioning?carddata={code}"' in page
    assert f'href="https://esimsetup.android.com/esim_qrcode_provisioning?carddata={code}"' in page
    row = LineEvent.objects.get(kind="codes_revealed")
    assert (row.by, row.facts) == ("mika@desk.example", {})
    if not headers:
        assert_clean_page(response)


def test_a_confirmation_code_has_its_place(staff: Client) -> None:
    esim = make_line(make_snapshot(lpa="LPA:1$h.example$id$$1"))
    page = text_of(staff.get(f"/esims/{esim.pk}/"))
    assert "The phone will ask for one; the provider gave none." in page
    Esim.objects.filter(pk=esim.pk).update(confirmation_code="13579246")
    page = text_of(staff.get(f"/esims/{esim.pk}/"))
    assert "13579246" not in page
    assert "it is not in the QR code" in page
    assert "13579246" in text_of(staff.post(f"/esims/{esim.pk}/codes/"))


def test_a_code_that_phones_may_refuse_is_said(staff: Client) -> None:
    esim = make_line(make_snapshot(lpa="nonsense"))
    page = text_of(staff.get(f"/esims/{esim.pk}/"))
    assert "An activation code looks like LPA:1$address$code." in page


def test_opening_the_page_marks_the_line_and_asks_nobody(
    staff: Client, office: Simulator, sell_lines: SellLines
) -> None:
    (esim,) = sell_lines()
    Esim.objects.filter(pk=esim.pk).update(refreshed_at=timezone.now() - timedelta(hours=1))
    calls = len(office.requests())
    response = staff.get(f"/esims/{esim.pk}/")
    assert len(office.requests()) == calls
    marked = Esim.objects.get(pk=esim.pk)
    assert marked.next_refresh_at is not None
    assert marked.next_refresh_at <= timezone.now()
    page = text_of(response)
    assert "Being read from the provider." in page
    assert 'hx-trigger="every 2s"' in page
    ProviderAccount.objects.update(is_paused=True)
    page = text_of(staff.get(f"/esims/{esim.pk}/"))
    assert "Being read from the provider." not in page, "nobody reads a paused account"
    assert 'hx-trigger="every 2s"' not in page


def test_refresh_now_is_queued(staff: Client, office: Simulator, sell_lines: SellLines, queue: Queue) -> None:
    (esim,) = sell_lines()
    queue.clear()
    office.use_data(esim.iccid, 1024)
    calls = office.count_requests("status")
    response = staff.post(f"/esims/{esim.pk}/refresh/", follow=True)
    assert messages_of(response) == ["The line is being read from the provider."]
    assert office.count_requests("status") == calls
    queue.run()
    assert office.count_requests("status") == calls + 1
    assert Esim.objects.get(pk=esim.pk).state == "active"


def test_refresh_without_settings_says_so(staff: Client, queue: Queue) -> None:
    esim = make_line()
    response = staff.post(f"/esims/{esim.pk}/refresh/", follow=True)
    assert messages_of(response) == ["This provider account is not set up, or it does not tell of single lines."]
    assert queue.waiting() == []


def test_a_failed_read_is_shown_beside_the_old_data(staff: Client, office: Simulator, sell_lines: SellLines) -> None:
    (esim,) = sell_lines()
    office.order_fault("status_before", "status", status=503)
    with pytest.raises(Exception, match="503"):
        refresh_line(esim_id=esim.pk, priority=Priority.PEOPLE, by="test")
    page = text_of(staff.get(f"/esims/{esim.pk}/"))
    assert "The last attempt to read the line failed; what you see is older." in page
    assert "Not on a device yet" in page


def test_suspend_asks_first_and_says_what_will_happen(staff: Client, office: Simulator, sell_lines: SellLines) -> None:
    (esim,) = sell_lines()
    response = staff.get(f"/esims/{esim.pk}/suspend/")
    assert_clean_page(response)
    page = text_of(response)
    assert "Suspend this line?" in page
    assert "The customer loses data at once." in page
    assert LineAction.objects.count() == 0


def test_suspend_needs_a_reason(staff: Client, office: Simulator, sell_lines: SellLines) -> None:
    (esim,) = sell_lines()
    for data in ({}, {"reason": "   "}, {"reason": "x" * 301}):
        assert_clean_page(staff.post(f"/esims/{esim.pk}/suspend/", data), status=422)
    assert LineAction.objects.count() == 0


def test_suspend_runs_through_the_page(staff: Client, office: Simulator, sell_lines: SellLines, queue: Queue) -> None:
    (esim,) = sell_lines()
    queue.clear()
    response = staff.post(f"/esims/{esim.pk}/suspend/", {"reason": "lost phone"}, follow=True)
    assert_clean_page(response)
    assert messages_of(response) == ["The suspension has been asked for; this page shows when the line confirms it."]
    page = text_of(response)
    assert "Waiting for a worker; nothing has been sent yet." in page
    assert "lost phone" in page
    # While it runs there is no second button, and a second request is refused.
    assert f"/esims/{esim.pk}/suspend/" not in page
    again = staff.post(f"/esims/{esim.pk}/suspend/", {"reason": "twice"}, follow=True)
    assert messages_of(again) == ["Something else is under way for this line: wait until it has ended."]

    queue.run()
    live = staff.get(f"/esims/{esim.pk}/live/", headers={"HX-Request": "true"})
    assert "Sent. The provider does not show it on the line yet; we keep looking." in text_of(live)
    action = LineAction.objects.get()
    LineAction.objects.update(next_attempt_at=timezone.now())
    queue_again = staff.get(f"/esims/{esim.pk}/")
    assert "not confirmed yet" in text_of(queue_again)
    run_due_actions(seconds=5)
    live = staff.get(f"/esims/{esim.pk}/live/?seen=old", headers={"HX-Request": "true"})
    page = text_of(live)
    assert "The provider shows it on the line." in page
    assert "hx-get" not in page
    assert page.count('hx-swap-oob="true"') == 6
    assert "Suspend: confirmed by the line&#x27;s state." in page
    assert f"/esims/{esim.pk}/release/" in page
    action.refresh_from_db()
    assert action.state == "confirmed"
    assert office.count_requests("control") == 1


@pytest.mark.parametrize("method", ["get", "post"])
def test_suspend_on_an_ended_line_is_refused_where_the_person_is(
    staff: Client, office: Simulator, sell_lines: SellLines, queue: Queue, method: str
) -> None:
    (esim,) = sell_lines()
    office.change_line(esim.iccid, "terminate")
    refresh_line(esim_id=esim.pk, priority=Priority.PEOPLE, by="test")
    queue.clear()
    calls = len(office.requests())
    response: HttpResponse = getattr(staff, method)(f"/esims/{esim.pk}/suspend/", {"reason": "lost phone"}, follow=True)
    assert_clean_page(response)
    assert messages_of(response) == ["The line has ended (ended): nothing can be done with it any more."]
    assert len(office.requests()) == calls
    assert LineAction.objects.count() == 0
    assert queue.waiting() == []
    page = text_of(response)
    assert 'aria-describedby="why-esim-suspend"' in page


def test_no_buttons_without_the_capability(staff: Client, settings: Settings) -> None:
    esim = make_line()
    settings.PROVIDERS = {}
    page = text_of(staff.get(f"/esims/{esim.pk}/"))
    assert "/suspend/" not in page
    assert "/refresh/" not in page
    assert "Simulate usage" not in page


def test_the_fragment_by_itself_leads_to_the_page(staff: Client) -> None:
    esim = make_line()
    response = staff.get(f"/esims/{esim.pk}/live/")
    assert (response.status_code, response["Location"]) == (302, f"/esims/{esim.pk}/")


def test_usage_is_simulated_on_sandbox_lines(
    staff: Client, office: Simulator, sell_lines: SellLines, queue: Queue
) -> None:
    (esim,) = sell_lines(system=SANDBOX)
    queue.clear()
    assert "Simulate usage" in text_of(staff.get(f"/esims/{esim.pk}/"))
    assert_clean_page(staff.get(f"/esims/{esim.pk}/usage/"))
    response = staff.post(
        f"/esims/{esim.pk}/usage/", {"megabytes": "100", "last_day": "2026-05-02", "days": "2"}, follow=True
    )
    assert messages_of(response) == ["The usage was set; the line is being read again."]
    queue.run()
    assert [(row.day.isoformat(), row.used_bytes) for row in esim.usage_days.all()] == [
        ("2026-05-01", 100 * 1024**2),
        ("2026-05-02", 100 * 1024**2),
    ]
    live = text_of(staff.get(f"/esims/{esim.pk}/live/?seen=old", headers={"HX-Request": "true"}))
    assert f'href="/esims/{esim.pk}/usage/"' in live, "the part that is swapped in keeps its button"
    page = text_of(staff.get(f"/esims/{esim.pk}/"))
    assert "Simulated usage was set for 2 days." in page
    assert "<svg" in page
    assert "100\u00a0MB" in page
    assert "200\u00a0MB" in page


@pytest.mark.parametrize(
    "data",
    [
        {},
        {"megabytes": "-1", "last_day": "2026-05-02", "days": "1"},
        {"megabytes": "x", "last_day": "2026-05-02", "days": "1"},
        {"megabytes": "1", "last_day": "2999-05-02", "days": "1"},
        {"megabytes": "1", "last_day": "0001-01-01", "days": "31"},
        {"megabytes": "1", "last_day": "2026-05-02", "days": "0"},
        {"megabytes": "1", "last_day": "2026-05-02", "days": "32"},
        {"megabytes": "NaN", "last_day": "2026-05-02", "days": "1"},
    ],
)
def test_nonsense_in_the_usage_form_sends_nothing(
    staff: Client, office: Simulator, sell_lines: SellLines, data: dict[str, str]
) -> None:
    (esim,) = sell_lines(system=SANDBOX)
    assert_clean_page(staff.post(f"/esims/{esim.pk}/usage/", data), status=422)
    assert office.count_requests("usage", SANDBOX) == 0


def test_usage_of_a_real_line_cannot_be_set(staff: Client, office: Simulator, sell_lines: SellLines) -> None:
    (esim,) = sell_lines()
    assert "Simulate usage" not in text_of(staff.get(f"/esims/{esim.pk}/"))
    data = {"megabytes": "1", "last_day": "2026-05-02", "days": "1"}
    response = staff.post(f"/esims/{esim.pk}/usage/", data)
    assert_clean_page(response, status=422)
    assert "Usage can be simulated only on lines of a sandbox account." in text_of(response)
    assert office.count_requests("usage") == 0


def test_a_sandbox_that_fails_is_told_on_the_form(staff: Client, office: Simulator, sell_lines: SellLines) -> None:
    (esim,) = sell_lines(system=SANDBOX)
    data = {"megabytes": "1", "last_day": "2026-05-02", "days": "1"}
    office.order_fault("status_after", "usage", status=500)
    response = staff.post(f"/esims/{esim.pk}/usage/", data)
    assert_clean_page(response, status=422)
    assert "No answer came; the usage may have been set." in text_of(response)
    office.order_fault("status_before", "usage", status=400)
    assert "The usage was not set." in text_of(staff.post(f"/esims/{esim.pk}/usage/", data))


def test_reference_that_holds_a_devices_number_is_shown_without_it() -> None:
    eid = "89049032007108882600137544319616"
    line = Esim(provider_ref=f"{eid}:AB12", eid=eid)
    assert (line.label, str(line), line.shown_ref) == ("••••9616:AB12",) * 3
    line.iccid = "8981100000000000001"
    assert (line.label, line.shown_ref) == ("8981100000000000001", "••••9616:AB12")
