"""Codes of lines in the app: to their customer, and to staff who may see them, which is written down."""

from io import BytesIO
from urllib.parse import quote

import pytest
import zxingcpp
from PIL import Image

from customers.models import User
from esims.events import EventKind
from esims.models import Esim, LineEvent
from esims.qr import qr_svg
from tests.api.app import App
from tests.api.buying import make_traveller
from tests.catalog.making import make_account, make_plan
from tests.customers.making import make_staff
from tests.esims.making import make_line, make_snapshot

pytestmark = pytest.mark.django_db
PRIVATE = "no-store, private"


@pytest.fixture
def user() -> User:
    return make_traveller()


@pytest.fixture
def line(user: User) -> Esim:
    snapshot = make_snapshot(smdp_address="", matching_id="")
    line = make_line(snapshot, plan=make_plan(make_account()), customer=user.customer)
    Esim.objects.update(confirmation_code="4711")
    return line


def shown() -> list[tuple[str, str]]:
    """What the timeline says of who saw codes."""
    kinds = (EventKind.CODES_REVEALED, EventKind.QR_SHOWN)
    return list(LineEvent.objects.filter(kind__in=kinds).order_by("pk").values_list("kind", "by"))


def test_a_customer_gets_codes_pictures_and_links(user: User, line: Esim) -> None:
    app = App.signed_in(user)
    response = app.call("get", f"/esims/{line.pk}/activation")
    assert (response.status_code, response["Cache-Control"]) == (200, PRIVATE)
    assert "X-Session-Token" in response["Vary"]
    code = line.lpa.rsplit("$", maxsplit=1)[-1]
    carddata = f"esim_qrcode_provisioning?carddata={quote(line.lpa, safe=':$-._~/')}"
    # What the provider did not tell apart is read from the string.
    assert response.json() == {
        "lpa": line.lpa,
        "smdp_address": "smdp.example.com",
        "matching_id": code,
        "confirmation_code": "4711",
        "needs_confirmation_code": True,
        "links": {
            "apple": f"https://esimsetup.apple.com/{carddata}",
            "android": f"https://esimsetup.android.com/{carddata}",
        },
    }
    png = app.call("get", f"/esims/{line.pk}/qr.png", Accept="image/png")
    assert (png["Content-Type"], png["Cache-Control"], png["X-Content-Type-Options"]) == (
        "image/png",
        PRIVATE,
        "nosniff",
    )
    assert zxingcpp.read_barcodes(Image.open(BytesIO(png.content)))[0].text == line.lpa
    svg = app.call("get", f"/esims/{line.pk}/qr.svg")
    assert (svg["Content-Type"], svg["Cache-Control"], svg.content.decode()) == (
        "image/svg+xml",
        PRIVATE,
        qr_svg(line.lpa),
    )
    assert shown() == []


def test_staff_see_them_by_permission_and_that_is_written_down(line: Esim) -> None:
    addresses = [f"/esims/{line.pk}/{name}" for name in ("activation", "qr.png", "qr.svg")]
    sees = App.signed_in(make_staff("esims.view_esim", email="sees@desk.example"))
    assert [sees.call("get", address).status_code for address in addresses] == [403, 403, 403]
    assert shown() == []
    reveals = App.signed_in(make_staff("esims.view_esim", "esims.reveal_codes"))
    assert [reveals.call("get", address).status_code for address in addresses] == [200, 200, 200]
    # The picture once an hour, as in the console.
    assert shown() == [("codes_revealed", "clerk@example.com"), ("qr_shown", "clerk@example.com")]


def test_a_line_without_a_code_says_why(user: User, line: Esim) -> None:
    app = App.signed_in(user)
    Esim.objects.update(lpa="")
    for name in ("activation", "qr.png", "qr.svg"):
        response = app.call("get", f"/esims/{line.pk}/{name}")
        assert (response.status_code, response["Content-Type"]) == (409, "application/problem+json")
        problem = response.json()
        assert (problem["code"], problem["detail"]) == ("refused", "The code of this eSIM has not come yet.")
    Esim.objects.update(eid="89049032123451234512345678901235")
    detail = app.call("get", f"/esims/{line.pk}/qr.png").json()["detail"]
    assert detail == "This eSIM was made for one device, which fetches it by itself: it has no code."
    assert app.call("get", f"/esims/{line.pk}/qr.png", Accept="application/json").status_code == 406
