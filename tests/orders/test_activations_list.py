"""The list of activations, and one activation: masked devices, open ones first, pages of any length."""

import re

import pytest

from orders.checkout import cancel_order
from tests.orders.activating import TRANSFER, activation_of, fail, make_file, make_row, place, send, upload
from tests.orders.desk import SELLER, sign_in
from tests.orders.making import make_user
from tests.pages import assert_clean_page
from tests.simulator_freebit import Freebit

pytestmark = pytest.mark.django_db


def test_the_list_has_open_ones_first_and_masks_devices(freebit: Freebit) -> None:
    done, old, new = place(paid=False), place(), place()
    cancel_order(order=done, by=make_user(), why="x")
    send(old)
    client = sign_in(*SELLER)
    response = client.get("/activations/")
    assert_clean_page(response)
    assert [look.order for look in response.context["looks"]] == [old, new, done]
    assert activation_of(old).eid not in response.content.decode()
    assert activation_of(old).eid[-4:] in response.content.decode()
    assert [look.order for look in client.get("/activations/?show=open").context["looks"]] == [old, new]


def test_the_list_goes_on_in_pages(freebit: Freebit, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("orders.views.activations.PAGE_SIZE", 2)
    ended = [place(paid=False) for _ in range(3)]
    for order in ended:
        cancel_order(order=order, by=make_user(), why="x")
    waiting = [place() for _ in range(3)]
    client = sign_in(*SELLER)
    first = client.get("/activations/")
    assert_clean_page(first)
    assert [look.order for look in first.context["looks"]] == [*waiting[:2], ended[2], ended[1]]
    assert 'href="/activations/?show=open"' in first.content.decode()
    older = client.get("/activations/", {"after": first.context["ended"].after})
    assert [look.order for look in older.context["looks"]] == [ended[0]]
    open_ones = client.get("/activations/?show=open&page=2")
    assert_clean_page(open_ones)
    assert [look.order for look in open_ones.context["looks"]] == [waiting[2]]


@pytest.mark.parametrize("by", ["code", "eid", "order"])
def test_an_activation_is_found(freebit: Freebit, by: str) -> None:
    order, _other = place(), place()
    activation = activation_of(order)
    text = {"code": activation.delivery_code.lower(), "eid": activation.eid[-10:], "order": order.number}[by]
    response = sign_in(*SELLER).get("/activations/", {"q": text})
    assert [look.order for look in response.context["looks"]] == [order]


def test_an_empty_list_says_so() -> None:
    client = sign_in(*SELLER)
    for query, words in (("", "No activations yet"), ("?q=NOTHING", "No activation matches this")):
        response = client.get(f"/activations/{query}")
        assert_clean_page(response)
        assert words in response.content.decode()


def test_devices_and_numbers_are_shown_by_permission(freebit: Freebit) -> None:
    activation = activation_of(place(TRANSFER))
    grouped = " ".join(activation.eid[at : at + 4] for at in range(0, 32, 4))
    seen = sign_in(*SELLER).get(f"/activations/{activation.pk}/")
    assert_clean_page(seen)
    assert grouped.replace(" ", "") in re.sub(r"[\s\u00a0\u202f\u2009]", "", seen.content.decode())
    assert "08077776666" in seen.content.decode()
    masked = sign_in("orders.view_purchase").get(f"/activations/{activation.pk}/").content.decode()
    assert activation.eid not in re.sub(r"[\s\u00a0\u202f\u2009]", "", masked)
    assert "08077776666" not in masked
    assert "髙橋" not in masked


def test_order_and_purchase_lead_to_the_activation(freebit: Freebit) -> None:
    order = place()
    purchase = send(order)
    activation = activation_of(order)
    client = sign_in(*SELLER)
    for address in (f"/orders/{order.pk}/", f"/purchases/{purchase.pk}/"):
        response = client.get(address)
        assert_clean_page(response)
        assert f'href="/activations/{activation.pk}/"' in response.content.decode()
        assert activation.eid not in response.content.decode()


def test_an_order_that_waits_for_a_file_does_not_ask_by_itself(freebit: Freebit) -> None:
    order = place()
    client = sign_in(*SELLER, "orders.import_completions", "orders.view_completionimport")
    assert 'hx-trigger="every 1s"' in client.get(f"/orders/{order.pk}/").content.decode()
    send(order)
    waiting = client.get(f"/orders/{order.pk}/")
    assert_clean_page(waiting)
    assert 'hx-trigger="every 1s"' not in waiting.content.decode()
    upload(client, make_file(make_row(activation_of(order), iccid="")))
    done = client.get(f"/orders/{order.pk}/")
    assert_clean_page(done)
    assert "Opened for the device: it needs no code" in done.content.decode()
    assert activation_of(order).eid not in done.content.decode()


def test_the_page_tells_what_the_file_said(freebit: Freebit) -> None:
    order = place()
    send(order)
    client = sign_in(*SELLER, "orders.import_completions", "orders.view_completionimport")
    upload(client, make_file(make_row(activation_of(order), **fail("372"))))
    html = client.get(f"/activations/{activation_of(order).pk}/").content.decode()
    assert "done.csv" in html
    assert "The provider refused (372): The EID does not exist." in html
