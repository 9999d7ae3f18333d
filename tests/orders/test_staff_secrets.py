"""Codes and the numbers of devices: hidden from roles that may not see them, and logged for those that may."""

import pytest
from django.contrib.auth.models import Group
from django.test import Client

from customers.roles import ROLES
from esims.models import Esim, LineEvent
from orders.models import Purchase
from tests.customers.making import signed_in
from tests.orders.desk import buy, purchase_of
from tests.orders.fakes import Wholesaler
from tests.orders.making import make_user

pytestmark = pytest.mark.django_db(transaction=True)

SECRETS = {
    "lpa": "LPA:1$smdp.example.com$SECRET-MATCHING-ID",
    "matching_id": "SECRET-MATCHING-ID",
    "confirmation_code": "CONF-4711",
    "eid": "89049032000000000000000000000123",
    "install_device_imei": "356938035643809",
    "connection_device_imei": "356938035643817",
    "phone_number": "+819011112222",
}


@pytest.fixture
def esim(wholesaler: Wholesaler) -> Esim:
    line = Esim.objects.get(purchased__purchase=purchase_of(buy(1)))
    Esim.objects.filter(pk=line.pk).update(**SECRETS)
    return Esim.objects.get(pk=line.pk)


def member_of(role: str) -> Client:
    user = make_user()
    user.groups.add(Group.objects.get(name=ROLES[role].group))
    return signed_in(user)


def find_secrets(text: str) -> set[str]:
    """What of the secrets stands in a page, with or without spaces between digits."""
    bare = text.replace(" ", "").replace("\u2009", "").replace("\u00a0", "")
    return {name for name, value in SECRETS.items() if value in text or value in bare or f"{value[1:]}" in bare}


@pytest.mark.parametrize("role", ["finance", "auditor"])
def test_who_may_not_see_them_finds_them_nowhere(esim: Esim, role: str) -> None:
    client = member_of(role)
    purchase = Purchase.objects.get(delivered__esim=esim)
    order = purchase.order_line.order
    pages = [
        *("/esims/", f"/esims/{esim.pk}/", f"/esims/{esim.pk}/live/", f"/esims/{esim.pk}/notifications/"),
        *(f"/orders/{order.pk}/", f"/orders/{order.pk}/live/", f"/orders/{order.pk}/esims/"),
        *(f"/purchases/{purchase.pk}/", f"/customers/{order.customer_id}/"),
        *(f"/search/?q={SECRETS['eid']}", f"/search/?q={esim.iccid[-6:]}"),
    ]
    if role == "auditor":
        pages += [f"/admin/esims/esim/{esim.pk}/change/", "/admin/esims/esim/", "/admin/orders/purchasedesim/"]
    for page in pages:
        response = client.get(page, follow=True)
        assert response.status_code == 200, page
        asked = {"eid"} if SECRETS["eid"] in page else set()
        assert find_secrets(response.content.decode()) <= asked, page
    for refused in (f"/esims/{esim.pk}/qr.png", f"/esims/{esim.pk}/qr.svg"):
        assert client.get(refused).status_code == 403
    assert client.post(f"/esims/{esim.pk}/codes/").status_code == 403
    assert client.post(f"/purchases/{purchase.pk}/attempts/1/reply/").status_code == 403
    assert not LineEvent.objects.filter(kind__in=("codes_revealed", "qr_shown")).exists()


def test_who_may_see_them_is_written_down(esim: Esim) -> None:
    client = member_of("support")
    assert find_secrets(client.get(f"/esims/{esim.pk}/").content.decode()) == set()
    shown = client.post(f"/esims/{esim.pk}/codes/")
    assert find_secrets(shown.content.decode()) == set(SECRETS)
    client.get(f"/esims/{esim.pk}/qr.svg")
    events = LineEvent.objects.filter(esim=esim, kind__in=("codes_revealed", "qr_shown")).order_by("pk")
    who = client.get("/me/").context["user"].email
    assert list(events.values_list("kind", "by")) == [("codes_revealed", who), ("qr_shown", who)]
