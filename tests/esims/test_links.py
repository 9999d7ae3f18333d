"""The page behind a link: for whoever has it, private, and the same answer to every word that is no link."""

import re
from datetime import timedelta
from io import BytesIO
from typing import Any

import pytest
import zxingcpp
from django.core.exceptions import PermissionDenied
from django.test import Client
from django.utils import timezone
from PIL import Image
from pytest_django import DjangoAssertNumQueries, Settings

from esims.links import delete_old_links, make_links, revoke_links
from esims.models import Esim, LineEvent, LineLink
from providers.types import DataPeriod, LineState
from tests.catalog.making import make_plan
from tests.esims.making import GB, MB, make_customer, make_line, make_snapshot, make_staff

pytestmark = pytest.mark.django_db
HOME = "http://127.0.0.1:8000"


def open_link(esim: Esim, client: Client | None = None) -> tuple[str, str]:
    """A fresh link: its path, and what it shows to a stranger."""
    path = make_links(esim_ids=[esim.pk], made_for="test")[esim.pk].removeprefix(HOME)
    response = (client or Client()).get(path)
    assert response.status_code == 200
    return path, response.content.decode()


def test_it_shows_the_code_the_links_and_the_guide() -> None:
    esim = make_line()
    path, html = open_link(esim)
    assert re.fullmatch(r"/l/[A-Za-z0-9_-]{43}/", path)
    assert f"carddata={esim.lpa}" in html
    assert "Your eSIM is ready to be installed." in html
    assert "Install it before 28 Oct 2031, 00:00 UTC." in html
    assert esim.matching_id in html
    picture = Client().get(f"{path}qr.png")
    assert picture["Content-Type"] == "image/png"
    code = zxingcpp.read_barcode(Image.open(BytesIO(picture.content)))
    assert code is not None
    assert code.text == esim.lpa


@pytest.mark.parametrize("path", ["", "qr.png"])
def test_nobody_keeps_it_and_nobody_hears_of_it(path: str) -> None:
    link, _html = open_link(make_line())
    response = Client().get(link + path)
    assert response["Cache-Control"] == "no-store, private"
    assert response["X-Robots-Tag"] == "noindex, nofollow, noarchive"
    assert response["Referrer-Policy"] == "no-referrer"
    assert not response.cookies


def test_nothing_comes_from_another_host_or_runs() -> None:
    _path, html = open_link(make_line())
    assert '<meta name="robots" content="noindex, nofollow, noarchive">' in html
    loaded = re.findall(r'<(?:img|link|script)[^>]+(?:src|href)="([^"]+)"', html)
    assert loaded
    assert all(address.startswith("/") for address in loaded)
    assert "<script" not in html
    assert "style=" not in html
    # The makers' pages are reached by the customer's own tap only.
    assert set(re.findall(r'href="https://([^/"]+)', html)) == {
        "esimsetup.apple.com",
        "esimsetup.android.com",
    }


def test_it_holds_nothing_of_staff() -> None:
    """No word of the provider, no device, no failure, no name of the customer or of anybody else."""
    customer = make_customer("Aiko Tanaka", email="aiko@example.jp", note="difficult", phone="+81 90")
    esim = make_line(
        make_snapshot(
            eid="8" * 32,
            install_device_imei="490154203237518",
            phone_number="819012345678",
            raw_states={"contractStatus": "SECRETWORD"},
        ),
        customer=customer,
    )
    Esim.objects.filter(pk=esim.pk).update(refresh_error="The provider refused", state=LineState.ERROR)
    _path, html = open_link(esim)
    hidden = ("Aiko", "aiko@", "difficult", "8888", "490154", "81901234", "SECRETWORD", "refused", esim.account.name)
    assert [word for word in hidden if word in html] == []
    assert "Something is wrong with your eSIM" in html


def test_unknown_expired_and_revoked_links_get_the_same_answer() -> None:
    esim = make_line()
    expired, _html = open_link(esim)
    LineLink.objects.update(expires_at=timezone.now())
    revoked, _html = open_link(esim)
    LineLink.objects.filter(expires_at__gt=timezone.now()).update(revoked_at=timezone.now())
    answers = set()
    for path in (expired, revoked, f"/l/{'A' * 43}/", "/l/x/", f"/l/{'A' * 500}/", f"/l/{'é' * 40}/"):
        for end in ("", "qr.png"):
            response = Client().get(path + end)
            assert response["Cache-Control"] == "no-store, private"
            answers.add((response.status_code, response.content))
    ((status, body),) = answers
    assert status == 404
    assert b"This link does not work" in body
    assert esim.iccid not in body.decode()


@pytest.mark.parametrize("method", ["post", "put", "delete", "patch"])
def test_it_is_only_read(method: str) -> None:
    path, _html = open_link(make_line())
    assert getattr(Client(), method)(path).status_code == 405


@pytest.mark.parametrize(
    "state", [LineState.INSTALLED, LineState.ACTIVE, LineState.EXPIRED, LineState.SUSPENDED, LineState.PROVISIONING]
)
def test_the_code_is_shown_only_while_it_may_be_installed(state: LineState) -> None:
    esim = make_line(make_snapshot(state=state))
    path, html = open_link(esim)
    assert esim.matching_id not in html
    assert Client().get(f"{path}qr.png").status_code == 404


def test_it_speaks_the_customers_language() -> None:
    esim = make_line(customer=make_customer(language="ja"))
    _path, html = open_link(esim)
    assert '<html lang="ja">' in html
    _path, html = open_link(make_line(), Client(headers={"accept-language": "ja"}))
    assert '<html lang="ja">' in html


@pytest.mark.parametrize(
    ("terms", "used", "words"),
    [
        ({"data_bytes": GB}, 512 * MB, "512 MB of 1 GB are used."),
        ({"data_bytes": GB, "data_period": DataPeriod.DAY}, 512 * MB, "Used so far: 512 MB."),
        ({"data_bytes": GB, "data_period": DataPeriod.DAY}, 512 * MB, "1 GB at full speed each day."),
        ({"data_bytes": None, "data_unlimited": True}, 512 * MB, "There is no cap on the data."),
        ({"data_bytes": GB}, None, "Nothing is reported of its use yet."),
    ],
)
def test_use_in_plain_words(terms: dict[str, Any], used: int | None, words: str) -> None:
    esim = make_line(make_snapshot(state=LineState.ACTIVE, total_used_bytes=used), plan=make_plan(**terms))
    _path, html = open_link(esim)
    assert words in html.replace("\u00a0", " ")
    assert ("<progress" in html) == ("of 1 GB are used" in words)


def test_who_asks_too_often_is_asked_to_wait(settings: Settings) -> None:
    settings.LINE_LINK_GUESSES = 3
    path, _html = open_link(make_line())
    # A new minute may begin in between.
    answers = [Client().get(f"/l/{'A' * 40}{number}/") for number in range(8)]
    assert [answer.status_code for answer in answers][:3] == [404] * 3
    refused = next(answer for answer in answers if answer.status_code == 429)
    assert refused["Retry-After"] == "60"
    assert "One moment" in refused.content.decode()
    assert Client(REMOTE_ADDR="10.1.2.3").get(path).status_code == 200


def test_a_visit_costs_few_queries(django_assert_num_queries: DjangoAssertNumQueries) -> None:
    path, _html = open_link(make_line())
    with django_assert_num_queries(4):
        Client().get(path)


def test_revoking_makes_all_links_of_the_line_useless_and_is_written_down() -> None:
    esim, other = make_line(), make_line()
    paths = [open_link(esim)[0], open_link(esim)[0]]
    kept, _html = open_link(other)
    boss = make_staff("revoke_links")
    assert [revoke_links(esim=esim, by=boss), revoke_links(esim=esim, by=boss)] == [2, 0]
    assert [Client().get(path).status_code for path in (*paths, kept)] == [404, 404, 200]
    assert list(LineEvent.objects.filter(kind="links_revoked").values_list("by", "facts")) == [
        (boss.email, {"count": 2})
    ]
    with pytest.raises(PermissionDenied):
        revoke_links(esim=other, by=make_staff(email="b@desk.example"))
    assert Client().get(kept).status_code == 200


def test_old_links_are_taken_away() -> None:
    open_link(make_line())
    LineLink.objects.update(expires_at=timezone.now() - timedelta(days=29))
    assert delete_old_links() == 0
    LineLink.objects.update(expires_at=timezone.now() - timedelta(days=31))
    assert (delete_old_links(), LineLink.objects.count()) == (1, 0)
