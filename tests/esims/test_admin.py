"""Lines in the admin: read-only, with buttons that call the same verbs."""

from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

import pytest
from django.db import connection
from django.db.models import Model
from django.test import Client
from django.test.utils import CaptureQueriesContext
from pytest_django import Settings

from customers.models import User
from esims.models import Esim, LineAction, LineEvent, Package, UsageDay, UsageSample
from tests.esims.conftest import SellLines
from tests.esims.making import T0, make_line, make_snapshot, make_staff
from tests.esims.test_pages import SECRETS, login, messages_of, text_of
from tests.queue import Queue
from tests.simulator_client import Simulator

PERMISSIONS = (
    *("view_esim", "reveal_codes", "suspend_esim", "refresh_esim"),
    *("view_package", "view_usageday", "view_lineaction", "view_lineevent"),
)
LIST = "/admin/esims/esim/"


@pytest.fixture
def staff(client: Client, db: None) -> Client:
    client.force_login(make_staff(*PERMISSIONS))
    return client


def test_the_line_is_shown_with_qr_code_chart_and_buttons(
    staff: Client, office: Simulator, sell_lines: SellLines
) -> None:
    (esim,) = sell_lines()
    page = text_of(staff.get(f"{LIST}{esim.pk}/change/"))
    assert f"/esims/{esim.pk}/qr.svg" in page
    assert "No usage by day has been reported yet." in page
    assert f"{LIST}{esim.pk}/suspend/" in page
    assert f"{LIST}{esim.pk}/refresh/" in page
    assert f"{LIST}{esim.pk}/release/" not in page
    assert 'name="state"' not in page


def test_a_line_that_its_provider_does_not_tell_of_has_no_refresh_button(
    staff: Client, office: Simulator, sell_lines: SellLines, settings: Settings
) -> None:
    (esim,) = sell_lines()
    settings.PROVIDERS = {}
    assert "/refresh/" not in text_of(staff.get(f"{LIST}{esim.pk}/change/"))


def test_no_page_of_the_admin_shows_a_secret(staff: Client) -> None:
    esim = make_line(make_snapshot(**SECRETS))
    for address in (LIST, f"{LIST}{esim.pk}/change/", f"{LIST}{esim.pk}/history/"):
        page = text_of(staff.get(address))
        for secret in SECRETS.values():
            assert secret not in page, address


def test_no_page_of_the_admin_shows_the_device_number_in_a_reference(client: Client, db: None) -> None:
    client.force_login(User.objects.create_superuser("root@desk.example", "a long enough password"))
    eid = SECRETS["eid"]
    esim = make_line(make_snapshot(provider_ref=f"{eid}:AB12", eid=eid, iccid=""))
    rows = [
        esim,
        Package.objects.get(esim=esim),
        UsageDay.objects.create(esim=esim, day=date(2026, 5, 1), used_bytes=1),
        UsageSample.objects.create(esim=esim, at=T0, total_used_bytes=1),
        LineAction.objects.create(esim=esim, kind="sms", state="confirmed"),
        LineEvent.objects.get(esim=esim),
    ]
    for row in rows:
        name = type(row).__name__.lower()
        for address in (f"/admin/esims/{name}/", f"/admin/esims/{name}/{row.pk}/change/"):
            page = text_of(client.get(address))
            assert eid not in page, address
            assert "••••1235:AB12" in page, address
    assert "Provider&#x27;s reference" in text_of(client.get(f"{LIST}{esim.pk}/change/"))
    # The whole number finds its line without being repeated beside it.
    found = client.get(f"{LIST}?q={eid}")
    assert found.context is not None
    assert [line.pk for line in found.context["cl"].result_list] == [esim.pk]


@pytest.mark.parametrize("model", [Esim, Package, UsageDay, UsageSample, LineAction, LineEvent])
def test_every_model_has_a_list_and_nothing_can_be_added_or_deleted(client: Client, db: None, model: type) -> None:
    client.force_login(User.objects.create_superuser("root@desk.example", "a long enough password"))
    esim = make_line()
    name = model.__name__.lower()
    assert client.get(f"/admin/esims/{name}/").status_code == 200
    assert client.get(f"/admin/esims/{name}/?q={esim.iccid}").status_code == 200
    assert client.get(f"/admin/esims/{name}/add/").status_code == 403
    assert client.post(f"{LIST}{esim.pk}/delete/", {"post": "yes"}).status_code == 403
    assert client.post(f"{LIST}{esim.pk}/change/", {"state": "active"}).status_code == 403
    assert Esim.objects.get(pk=esim.pk).state == "ready"


def test_the_text_of_a_message_is_not_shown(client: Client, db: None) -> None:
    client.force_login(User.objects.create_superuser("root@desk.example", "a long enough password"))
    action = LineAction.objects.create(esim=make_line(), kind="sms", state="confirmed", message="Dear Aiko")
    assert "Dear Aiko" not in text_of(client.get(f"/admin/esims/lineaction/{action.pk}/change/"))


def test_search_finds_by_the_end_of_the_number(staff: Client) -> None:
    esim, other = make_line(make_snapshot("8981100000000004321")), make_line()
    page = text_of(staff.get(f"{LIST}?q=4321"))
    assert esim.iccid in page
    assert other.iccid not in page


def shown(response: Any) -> list[int]:
    return [row.pk for row in response.context["cl"].result_list]


def test_a_long_list_is_counted_no_further_than_it_is_shown(client: Client, db: None) -> None:
    client.force_login(User.objects.create_superuser("root@desk.example", "a long enough password"))
    esim = make_line()
    rows: dict[type[Model], Callable[[int], Model]] = {
        UsageDay: lambda number: UsageDay(esim=esim, day=T0.date() - timedelta(days=number), used_bytes=1),
        UsageSample: lambda number: UsageSample(esim=esim, at=T0 - timedelta(days=number), total_used_bytes=1),
    }
    for model, row in rows.items():
        address = f"/admin/esims/{model.__name__.lower()}/"
        model._default_manager.bulk_create(row(number) for number in range(10_000))
        page = text_of(client.get(address))
        assert " 10000 " in " ".join(page.split())
        assert "10000+" not in page
        model._default_manager.bulk_create([row(10_000), row(10_001)])
        with CaptureQueriesContext(connection) as queries:
            page = text_of(client.get(address))
        assert "10000+" in page
        counts = [query["sql"] for query in queries if "COUNT(*)" in query["sql"]]
        assert [("LIMIT 10001" in sql) for sql in counts] == [True]
        assert client.get(f"{address}?p=100").status_code == 200


@pytest.mark.parametrize("model", [Esim, Package, LineAction, LineEvent])
def test_no_list_counts_its_whole_table(client: Client, db: None, model: type) -> None:
    client.force_login(User.objects.create_superuser("root@desk.example", "a long enough password"))
    make_line()
    with CaptureQueriesContext(connection) as queries:
        assert client.get(f"/admin/esims/{model.__name__.lower()}/").status_code == 200
    counts = [query["sql"] for query in queries if "COUNT(*)" in query["sql"]]
    assert [("LIMIT 10001" in sql) for sql in counts] == [True]


def test_packages_and_usage_are_found_by_whole_references_and_by_their_lines(client: Client, db: None) -> None:
    client.force_login(User.objects.create_superuser("root@desk.example", "a long enough password"))
    esim, other = make_line(make_snapshot("8981100000000004321")), make_line()
    base, elsewhere = Package.objects.get(esim=esim), Package.objects.get(esim=other)
    Package.objects.filter(pk=base.pk).update(package_ref="P-77", order_ref="B26033119290003")
    Package.objects.filter(pk=elsewhere.pk).update(package_ref="P-777", order_ref="B260331192900031")
    with CaptureQueriesContext(connection) as queries:
        for text in ("P-77", " B26033119290003 ", "4321", esim.iccid):
            assert shown(client.get("/admin/esims/package/", {"q": text})) == [base.pk], text
    assert not any("LIKE" in query["sql"] for query in queries if "package_ref" in query["sql"])
    assert shown(client.get("/admin/esims/package/", {"q": "B2603311929"})) == []
    day = UsageDay.objects.create(esim=esim, day=T0.date(), used_bytes=1)
    UsageDay.objects.create(esim=other, day=T0.date(), used_bytes=1)
    assert shown(client.get("/admin/esims/usageday/", {"q": "4321"})) == [day.pk]
    sample = UsageSample.objects.create(esim=esim, at=T0, total_used_bytes=1)
    UsageSample.objects.create(esim=other, at=T0, total_used_bytes=1)
    assert shown(client.get("/admin/esims/usagesample/", {"q": "4321"})) == [sample.pk]


def test_suspend_from_the_line(staff: Client, office: Simulator, sell_lines: SellLines, queue: Queue) -> None:
    (esim,) = sell_lines()
    queue.clear()
    address = f"{LIST}{esim.pk}/suspend/"
    assert staff.get(address).status_code == 200
    assert staff.post(address, {"reason": ""}).status_code == 422
    assert LineAction.objects.count() == 0
    response = staff.post(address, {"reason": "lost phone"}, follow=True)
    assert messages_of(response) == ["Asked for on 1 line."]
    assert LineAction.objects.get().reason == "lost phone"
    assert [job.name for job in queue.waiting()] == ["esims.tasks.run_action"]
    again = staff.post(address, {"reason": "twice"}, follow=True)
    assert messages_of(again) == [f"{esim}: Something else is under way for this line: wait until it has ended."]
    assert LineAction.objects.count() == 1
    assert office.count_requests("control") == 0


def test_refresh_from_the_line_is_a_post(staff: Client, office: Simulator, sell_lines: SellLines, queue: Queue) -> None:
    (esim,) = sell_lines()
    queue.clear()
    staff.get(f"{LIST}{esim.pk}/refresh/")
    assert queue.waiting() == []
    response = staff.post(f"{LIST}{esim.pk}/refresh/", follow=True)
    assert messages_of(response) == ["1 line is being read."]
    assert [job.name for job in queue.waiting()] == ["esims.tasks.read_line"]


def test_a_selection_is_suspended_after_a_reason(
    staff: Client, office: Simulator, sell_lines: SellLines, queue: Queue
) -> None:
    first, second, ended = sell_lines(3)
    Esim.objects.filter(pk=ended.pk).update(state="terminated")
    queue.clear()
    chosen = {"action": "suspend_selected", "_selected_action": [first.pk, second.pk, ended.pk]}
    asked = staff.post(LIST, chosen)
    assert "The line has ended" in text_of(asked)
    assert LineAction.objects.count() == 0
    response = staff.post(LIST, {**chosen, "confirmed": "1", "reason": "fraud"}, follow=True)
    assert messages_of(response) == [
        f"{ended}: The line has ended (ended): nothing can be done with it any more.",
        "Asked for on 2 lines.",
    ]
    assert set(LineAction.objects.values_list("esim_id", "reason")) == {(first.pk, "fraud"), (second.pk, "fraud")}
    assert len(queue.waiting()) == 2


def test_a_selection_is_read(staff: Client, office: Simulator, sell_lines: SellLines, queue: Queue) -> None:
    lines = sell_lines(2)
    queue.clear()
    chosen = {"action": "refresh_selected", "_selected_action": [line.pk for line in lines]}
    assert messages_of(staff.post(LIST, chosen, follow=True)) == ["2 lines are being read."]
    assert len(queue.waiting()) == 2


def test_who_may_only_look_has_no_buttons_and_no_actions(
    client: Client, office: Simulator, sell_lines: SellLines
) -> None:
    (esim,) = sell_lines()
    login(client, "view_esim")
    page = text_of(client.get(f"{LIST}{esim.pk}/change/"))
    assert "qr.svg" not in page
    assert "/suspend/" not in page
    assert "/refresh/" not in page
    assert "suspend_selected" not in text_of(client.get(LIST))
    for address in ("suspend/", "release/", "refresh/"):
        assert client.post(f"{LIST}{esim.pk}/{address}", {"reason": "x"}).status_code == 403
    client.post(LIST, {"action": "suspend_selected", "_selected_action": [esim.pk], "confirmed": "1", "reason": "x"})
    assert LineAction.objects.count() == 0
