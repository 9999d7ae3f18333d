"""Completion files at the desk: the upload, its report, and who may open which of the pages about activations."""

import pytest
from django.test import Client
from django.urls import reverse
from pytest_django import Settings

from tests.orders.activating import activation_of, hold, make_eid, make_file, make_row, place, send, upload
from tests.orders.desk import sign_in
from tests.pages import assert_clean_page
from tests.simulator_freebit import Freebit

pytestmark = pytest.mark.django_db

IMPORTER = ("orders.import_completions", "orders.view_completionimport", "orders.view_purchase")


def test_a_file_is_uploaded_and_its_report_read(freebit: Freebit) -> None:
    order, other = place(), place()
    send(order)
    send(other)
    client = sign_in(*IMPORTER)
    assert_clean_page(client.get("/completions/"))
    rows = [make_row(activation_of(order)), make_row(activation_of(other), eid=make_eid()), {"eid": "12"}]
    report = upload(client, make_file(*rows))
    assert_clean_page(report)
    html = report.content.decode()
    assert "Some rows need a look." in html
    assert activation_of(order).delivery_code in html
    assert activation_of(order).eid not in html
    assert "our request of this delivery code has another EID" in html
    assert [row.outcome for row in report.context["page"].object_list] == ["applied", "unmatched", "faulty"]
    address = report.redirect_chain[-1][0]
    for outcome, number in (("applied", 1), ("repeated", 0), ("unmatched", 1), ("faulty", 1), ("nonsense", 3)):
        narrowed = client.get(f"{address}?outcome={outcome}")
        assert_clean_page(narrowed)
        assert len(narrowed.context["page"].object_list) == number
    again = upload(client, make_file(*rows))
    assert "The same file was imported before:" in again.content.decode()
    assert f'href="{address}"' in again.content.decode()
    listed = client.get("/completions/")
    assert_clean_page(listed)
    assert [row.applied for row in listed.context["page"].object_list] == [0, 1]


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "This is no completion file: the file is empty"),
        (b"a,b\r\n1,2\r\n", "This is no completion file: the first line has no heading"),
        (b"x" * (512 * 1024 + 1), "This file is larger than 512 KB"),
    ],
)
def test_a_file_that_cannot_be_used_is_refused(freebit: Freebit, data: bytes, words: str) -> None:
    place()
    client = sign_in(*IMPORTER)
    response = upload(client, data)
    assert_clean_page(response, status=422)
    assert words in response.content.decode()
    missing = client.post("/completions/", {"account": "freebit"})
    assert_clean_page(missing, status=422)
    assert "Choose the file." in missing.content.decode()


def test_without_an_account_there_is_nothing_to_upload(settings: Settings) -> None:
    settings.PROVIDERS = {}
    client = sign_in(*IMPORTER)
    response = client.get("/completions/")
    assert_clean_page(response)
    assert "No account that is set up has completion files." in response.content.decode()
    assert client.post("/completions/", {"account": "freebit"}).status_code == 422


# -- who may what -----------------------------------------------------------------------------------------------------

READ = {
    "activation-list": "orders.view_purchase",
    "activation-new": "orders.sell",
    "activation-detail": "orders.view_purchase",
    "activation-correct": "orders.sell",
    "completion-list": "orders.view_completionimport",
    "completion-detail": "orders.view_completionimport",
}


def page_address(name: str, freebit: Freebit) -> str:
    match name:
        case "activation-detail":
            return reverse(name, args=[activation_of(place()).pk])
        case "activation-correct":
            return reverse(name, args=[hold(freebit, "255").pk])
        case "completion-detail":
            order = place()
            send(order)
            done = upload(sign_in(*IMPORTER), make_file(make_row(activation_of(order))))
            return str(done.redirect_chain[-1][0])
        case _:
            return reverse(name)


#: In the form of an activation the numbers of the device stand in clear.
BESIDES = {"activation-correct": ["esims.reveal_codes"]}


@pytest.mark.parametrize(("name", "permission"), READ.items())
def test_pages_open_by_their_permission_alone(freebit: Freebit, name: str, permission: str) -> None:
    address = page_address(name, freebit)
    assert_clean_page(sign_in(permission, *BESIDES.get(name, ())).get(address))
    if name in BESIDES:
        assert sign_in(permission).get(address).status_code == 403
    others = {*READ.values(), "esims.reveal_codes"} - {permission}
    refused = sign_in(*others).get(address)
    assert refused.status_code == 403
    assert permission in refused.content.decode()
    stranger = Client().get(address)
    assert (stranger.status_code, stranger["Location"]) == (302, f"/accounts/login/?next={address}")


@pytest.mark.parametrize(("name", "permission"), READ.items())
def test_pages_take_only_their_methods(freebit: Freebit, name: str, permission: str) -> None:
    address = page_address(name, freebit)
    client = sign_in(permission, *BESIDES.get(name, ()))
    assert client.put(address).status_code == 405
    if name in {"activation-list", "activation-detail", "completion-detail"}:
        assert client.post(address).status_code == 405


def test_who_only_reads_imports_nothing(freebit: Freebit) -> None:
    client = sign_in("orders.view_completionimport")
    assert '<form class="card"' not in client.get("/completions/").content.decode()
    order = place()
    send(order)
    refused = client.post("/completions/", {"account": "freebit"})
    assert refused.status_code == 403
    assert "orders.import_completions" in refused.content.decode()


@pytest.mark.parametrize("name", ["activation-detail", "activation-correct", "completion-detail"])
def test_what_is_not_there_is_not_found(name: str) -> None:
    assert sign_in(*READ.values(), "esims.reveal_codes").get(reverse(name, args=[4711])).status_code == 404


def test_the_navigation_leads_there() -> None:
    html = sign_in("orders.view_purchase", "orders.view_completionimport").get("/").content.decode()
    assert 'href="/activations/"' in html
    assert 'href="/completions/"' in html
    assert 'href="/completions/"' not in sign_in("orders.view_purchase").get("/").content.decode()
