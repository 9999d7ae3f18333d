"""The activation form at the desk: what it shows when, what it asks before it sends, and what it never shows."""

import re
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from pytest_django import Settings

from catalog.models import Plan
from customers.models import Customer
from esims.models import LineEvent
from orders.models import Activation, Order, OrderEvent, Purchase
from tests.esims.making import make_line, make_snapshot
from tests.orders.activating import (
    NEW,
    TRANSFER,
    activation_of,
    hold,
    make_activation_plan,
    make_eid,
    place,
    purchase_for,
)
from tests.orders.desk import SELLER, read_hidden, sign_in
from tests.orders.making import make_customer
from tests.pages import assert_clean_page
from tests.queue import Queue
from tests.simulator_freebit import Freebit

pytestmark = pytest.mark.django_db
P = Purchase.State
ID = re.compile(r'<(?:input|select)[^>]* name="([a-zA-Z.]+)"')


def form_address(customer: Customer | None = None, plan: Plan | None = None) -> str:
    customer, plan = customer or make_customer(), plan or make_activation_plan()
    return f"{reverse('activation-new')}?customer={customer.pk}&plan={plan.pk}"


def hidden_of(response: Any) -> dict[str, str]:
    return read_hidden(response, "checkout_key", "form_key", "unit_price")


def open_form(client: Client, address: str) -> dict[str, str]:
    response = client.get(address)
    assert_clean_page(response)
    return {**hidden_of(response), "method": "cash", "reference": "", "note": ""}


def shown_fields(response: Any) -> set[str]:
    """The provider's fields on the page."""
    own = {"checkout_key", "form_key", "unit_price", "seen", "method", "reference", "note", "why", "theme", "language"}
    return set(ID.findall(response.content.decode())) - own - {"q", "csrfmiddlewaretoken", "next"}


# -- the way to the form ----------------------------------------------------------------------------------------------


def test_who_then_which_plan_then_the_form(freebit: Freebit) -> None:
    customer = make_customer(name="Mia Sato")
    plan = make_activation_plan(name="100K plan")
    make_activation_plan(Plan.Kind.REISSUE, name="Reissue", retail_price=None)
    client = sign_in(*SELLER)
    who = client.get("/activations/new/?find=Mia")
    assert_clean_page(who)
    assert f"?customer={customer.pk}" in who.content.decode()
    which = client.get(f"/activations/new/?customer={customer.pk}")
    assert_clean_page(which)
    assert f"customer={customer.pk}&amp;plan={plan.pk}" in which.content.decode()
    assert "This plan has no price yet." in which.content.decode()
    form = client.get(form_address(customer, plan))
    assert_clean_page(form)
    assert "Mia Sato" in form.content.decode()


def test_a_line_and_a_customer_lead_to_the_form(freebit: Freebit, settings: Settings) -> None:
    plan, eid = make_activation_plan(), make_eid()
    line = make_line(make_snapshot(f"{eid}:OLD", iccid="", lpa="", eid=eid), account=plan.account, plan=plan)
    client = sign_in(*SELLER, "esims.view_esim", "customers.view_customer")
    reissue, new = f'/activations/new/?esim={line.pk}"', f'/activations/new/?customer={line.customer_id}"'
    assert reissue in client.get(f"/esims/{line.pk}/").content.decode()
    assert new in client.get(f"/customers/{line.customer_id}/").content.decode()
    reader = sign_in("esims.view_esim", "customers.view_customer")
    assert "/activations/new/" not in reader.get(f"/esims/{line.pk}/").content.decode()
    assert "/activations/new/" not in reader.get(f"/customers/{line.customer_id}/").content.decode()
    settings.PROVIDERS = {}
    assert "/activations/new/" not in client.get(f"/esims/{line.pk}/").content.decode()
    assert "/activations/new/" not in client.get(f"/customers/{line.customer_id}/").content.decode()


@pytest.mark.parametrize("query", ["customer=999999", "customer=x", "customer=1&plan=x", "esim=99999"])
def test_nonsense_in_the_address_counts_as_not_chosen(freebit: Freebit, query: str) -> None:
    assert_clean_page(sign_in(*SELLER).get(f"/activations/new/?{query}"))


def test_a_plan_that_cannot_be_sold_is_said(freebit: Freebit, settings: Settings) -> None:
    address = form_address(plan=make_activation_plan(is_published=False))
    client = sign_in(*SELLER)
    response = client.get(address)
    assert_clean_page(response, status=409)
    assert "This plan is not for sale." in response.content.decode()
    settings.PROVIDERS = {}
    assert client.post(address, NEW).status_code == 409
    assert not Order.objects.exists()


def test_every_label_is_in_both_languages_whoever_reads(freebit: Freebit) -> None:
    client = sign_in(*SELLER)
    for language in ("en", "ja"):
        html = client.get(form_address(), headers={"accept-language": language}).content.decode()
        for english, japanese in (("EID of the device", "eSIM識別番号（EID）"), ("MNP transfer", "MNP転入")):
            assert f'<span lang="en">{english}</span> <span class="native" lang="ja">{japanese}</span>' in html


# -- fields by choice -------------------------------------------------------------------------------------------------

BASE = {"addKind", "aladinOperated", "eid", "account", "simKind", "contractLine", "repAccount"}
PERSON = {name for name in TRANSFER if name.startswith("mnp.")}


def test_the_fields_follow_the_choice(freebit: Freebit) -> None:
    client = sign_in(*SELLER)
    address = form_address()
    assert shown_fields(client.get(address)) == {*BASE, "createType"}
    transfer = client.post(address, {"action": "fields", "addKind": "M", "mnp.gender": "W"})
    assert_clean_page(transfer)
    assert shown_fields(transfer) == {*BASE, "createType", *PERSON}
    company = client.post(address, {"action": "fields", "addKind": "M", "mnp.gender": "C"})
    left = PERSON - {"mnp.firstnameKanji", "mnp.firstnameZenKana", "mnp.birthday"}
    assert shown_fields(company) == {*BASE, "createType", *left}
    operated = client.post(address, {"action": "fields", "addKind": "N", "aladinOperated": "10"})
    assert shown_fields(operated) == {*BASE, "createType", "shipDate"} - {"contractLine"}
    refused = client.post(address, {"action": "fields", "addKind": "M", "aladinOperated": "10"})
    assert "takes an operated line (ALADIN 10) only as new" in refused.content.decode()
    assert not Order.objects.exists()


def test_a_reissue_and_a_line_without_a_plan_have_their_own_fields(freebit: Freebit) -> None:
    client = sign_in(*SELLER)
    bare = client.get(form_address(plan=make_activation_plan(Plan.Kind.BARE_ACTIVATION)))
    assert shown_fields(bare) == BASE
    reissue = client.get(form_address(plan=make_activation_plan(Plan.Kind.REISSUE)))
    assert_clean_page(reissue)
    old = {"reissue.oldProductNumber", "reissue.oldEid"}
    assert shown_fields(reissue) == {"addKind", "aladinOperated", "eid", "account", *old}


def test_htmx_gets_the_fields_alone_and_without_javascript_the_page(freebit: Freebit) -> None:
    client = sign_in(*SELLER)
    address = form_address()
    typed = {"action": "fields", "addKind": "M", "eid": "8904", "note": "for Monday", "checkout_key": "k"}
    fragment = client.post(address, typed, headers={"hx-request": "true"})
    assert fragment.status_code == 200
    html = fragment.content.decode()
    assert html.startswith('<div id="activation-fields"')
    assert "<html" not in html
    assert 'value="8904"' in html
    page = client.post(address, typed)
    assert_clean_page(page)
    assert "for Monday" in page.content.decode()
    assert "Please put this right" not in page.content.decode()


def test_what_the_choice_no_longer_has_is_not_sent(freebit: Freebit) -> None:
    client = sign_in(*SELLER)
    address = form_address()
    response = client.post(address, {**open_form(client, address), **TRANSFER, "addKind": "N", "eid": make_eid()})
    assert response.status_code == 302
    kept = Activation.objects.get()
    assert kept.payload is not None
    assert "mnp" not in kept.payload.decode()


def test_secrets_are_never_filled_in_again(freebit: Freebit, settings: Settings) -> None:
    settings.PROVIDERS = {"freebit": {**settings.PROVIDERS["freebit"], "uses_ums": True}}
    client = sign_in(*SELLER)
    address = form_address()
    master = {"masterAccount": "shop@example", "masterPassword": "S3cr-et"}
    typed = {**open_form(client, address), **NEW, **master, "eid": "1"}
    for action in ({}, {"action": "fields"}):
        html = client.post(address, {**typed, **action}).content.decode()
        assert 'value="shop@example"' in html
        assert "S3cr-et" not in html
    assert re.search(r'<input type="password" name="masterPassword"[^>]*hx-preserve="true"', html)


# -- sending ----------------------------------------------------------------------------------------------------------


def test_a_good_form_is_an_order_at_once(freebit: Freebit, queue: Queue) -> None:
    client = sign_in(*SELLER)
    customer = make_customer()
    address = form_address(customer)
    response = client.post(address, {**open_form(client, address), **TRANSFER, "eid": make_eid(), "note": "VIP"})
    order = Order.objects.get()
    assert response.status_code == 302
    assert response["Location"] == f"/orders/{order.pk}/"
    assert (order.customer, order.note, order.state) == (customer, "VIP", "buying")
    queue.run()
    assert purchase_for(order).state == P.ALLOCATING
    assert freebit.count_activations() == 1


def test_left_unpaid_nothing_is_sent(freebit: Freebit, queue: Queue) -> None:
    client = sign_in(*SELLER)
    address = form_address()
    client.post(address, {**open_form(client, address), **NEW, "eid": make_eid(), "method": "later"})
    queue.run()
    assert (Order.objects.get().state, freebit.count_activations()) == ("unpaid", 0)
    assert Activation.objects.get().payload is not None


def test_a_double_click_is_one_order(freebit: Freebit) -> None:
    client = sign_in(*SELLER)
    address = form_address()
    typed = {**open_form(client, address), **NEW, "eid": make_eid()}
    first, second = client.post(address, typed), client.post(address, typed)
    assert first["Location"] == second["Location"]
    assert (Order.objects.count(), Activation.objects.count()) == (1, 1)


def test_a_faulty_form_comes_back_with_everything_and_the_fields_named(freebit: Freebit) -> None:
    client = sign_in(*SELLER)
    address = form_address()
    typed = {**open_form(client, address), **TRANSFER, "eid": make_eid(), "mnp.lastnameZenKana": "たかはし"}
    response = client.post(address, typed)
    assert_clean_page(response, status=422)
    html = response.content.decode()
    assert 'href="#id_mnp.lastnameZenKana"' in html
    assert "Write katakana, not hiragana" in html
    assert 'value="髙橋"' in html
    assert not Order.objects.exists()


def test_a_plan_code_that_the_provider_does_not_take_is_named(freebit: Freebit) -> None:
    client = sign_in(*SELLER)
    address = form_address(plan=make_activation_plan(plan_ref="P" * 33))
    response = client.post(address, {**open_form(client, address), **NEW, "eid": make_eid()})
    assert_clean_page(response, status=422)
    assert "planCode: 1 to 32 half-width letters, digits and symbols" in response.content.decode()
    assert not Order.objects.exists()


def test_a_missing_payment_is_told_beside_the_forms_own_faults(freebit: Freebit) -> None:
    client = sign_in(*SELLER)
    address = form_address()
    response = client.post(address, {**open_form(client, address), **NEW, "eid": make_eid(), "method": ""})
    assert_clean_page(response, status=422)
    assert "Say how the customer pays" in response.content.decode()
    assert not Order.objects.exists()


def test_what_was_put_right_is_shown_before_it_is_sent(freebit: Freebit) -> None:
    client = sign_in(*SELLER)
    address = form_address()
    eid = make_eid()
    grouped = " ".join(eid[at : at + 4] for at in range(0, 32, 4))
    typed = {**open_form(client, address), **NEW, "eid": grouped}
    shown = client.post(address, typed)
    assert_clean_page(shown)
    html = shown.content.decode()
    assert "Nothing was sent yet." in html
    assert f"Put right: “{grouped}” became “{eid}”." in html
    assert f'value="{eid}"' in html
    assert not Order.objects.exists()
    assert client.post(address, {**typed, "eid": eid}).status_code == 302
    assert Activation.objects.get().eid == eid


def test_a_doubtful_eid_is_shown_once_and_may_be_sent(freebit: Freebit) -> None:
    client = sign_in(*SELLER)
    address = form_address()
    doubtful = "11112222333344445555666677778888"
    typed = {**open_form(client, address), **NEW, "eid": doubtful}
    shown = client.post(address, typed)
    assert_clean_page(shown)
    assert "The check digits of this EID do not fit" in shown.content.decode()
    assert not Order.objects.exists()
    seen = read_hidden(shown, "seen")
    other = client.post(address, {**typed, **seen, "eid": "11112222333344445555666677778889"})
    assert "The check digits of this EID do not fit" in other.content.decode()
    assert not Order.objects.exists()
    assert client.post(address, {**typed, **seen}).status_code == 302
    assert Activation.objects.get().eid == doubtful


def test_an_open_request_for_the_device_is_named(freebit: Freebit) -> None:
    first = place()
    client = sign_in(*SELLER)
    address = form_address()
    typed = {**open_form(client, address), **NEW, "eid": activation_of(first).eid}
    response = client.post(address, typed)
    assert_clean_page(response, status=422)
    html = response.content.decode()
    assert f"This EID has an open request already, in order {first.number}" in html
    assert 'href="#id_eid"' in html
    assert Order.objects.count() == 1


def test_a_price_that_changed_is_asked_about(freebit: Freebit) -> None:
    client = sign_in(*SELLER)
    plan = make_activation_plan()
    address = form_address(plan=plan)
    typed = {**open_form(client, address), **NEW, "eid": make_eid()}
    Plan.objects.filter(pk=plan.pk).update(retail_price="7.50")
    changed = client.post(address, typed)
    assert_clean_page(changed, status=409)
    assert "The price has changed" in changed.content.decode()
    assert not Order.objects.exists()
    assert client.post(address, {**typed, **hidden_of(changed)}).status_code == 302
    assert str(Order.objects.get().total) == "7.5000"


def test_a_reissue_of_a_line_of_ours_begins_with_what_is_known(freebit: Freebit) -> None:
    plan, eid = make_activation_plan(Plan.Kind.REISSUE), make_eid()
    snapshot = make_snapshot(f"{eid}:OLD", iccid="", lpa="", eid=eid, phone_number="08011112229")
    line = make_line(snapshot, account=plan.account, plan=make_activation_plan())
    client = sign_in(*SELLER)
    plans = client.get(f"/activations/new/?esim={line.pk}")
    assert [row["choice"].plan for row in plans.context["choices"]] == [plan]
    address = f"/activations/new/?esim={line.pk}&plan={plan.pk}"
    shown = client.get(address)
    assert f'value="{eid}"' in shown.content.decode()
    assert 'value="08011112229"' in shown.content.decode()
    assert "no-store" in shown["Cache-Control"]
    assert LineEvent.objects.filter(esim=line, kind="codes_revealed").count() == 1
    typed = {**open_form(client, address), "addKind": "R", "account": "08011112229", "reissue.oldEid": eid}
    assert client.post(address, {**typed, "eid": make_eid()}).status_code == 302
    assert Order.objects.get().lines.get().esim == line
    assert Order.objects.get().customer == line.customer


def test_the_numbers_of_a_line_are_for_those_who_may_see_them(freebit: Freebit) -> None:
    plan, eid = make_activation_plan(Plan.Kind.REISSUE), make_eid()
    snapshot = make_snapshot(f"{eid}:OLD", iccid="", lpa="", eid=eid, phone_number="08011112229")
    line = make_line(snapshot, account=plan.account, plan=make_activation_plan())
    other = make_activation_plan()
    seller = sign_in(*(right for right in SELLER if right != "esims.reveal_codes"))
    for client, form_plan in ((seller, plan), (sign_in(*SELLER), other)):
        html = client.get(f"/activations/new/?esim={line.pk}&plan={form_plan.pk}").content.decode()
        assert eid not in html
        assert "08011112229" not in html
    assert not LineEvent.objects.filter(esim=line, kind="codes_revealed").exists()


def test_who_saw_a_form_is_on_the_timeline_once(freebit: Freebit) -> None:
    held = hold(freebit, "255")
    events = OrderEvent.objects.filter(order=held.order_line.order, kind="activation.shown")
    reader = sign_in("orders.view_purchase")
    assert held.eid not in reader.get(f"/activations/{held.pk}/").content.decode()
    assert not events.exists()
    client = sign_in(*SELLER)
    for page in ("", "correct/", "correct/"):
        response = client.get(f"/activations/{held.pk}/{page}")
        assert response.status_code == 200
        assert "no-store" in response["Cache-Control"]
    assert events.count() == 1


# -- the form put right -----------------------------------------------------------------------------------------------


def test_the_refused_form_comes_back_filled_in_with_the_field_marked(freebit: Freebit, queue: Queue) -> None:
    activation = hold(freebit, "255")
    queue.clear()
    client = sign_in(*SELLER)
    address = f"/activations/{activation.pk}/correct/"
    purchase = Purchase.objects.get()
    for page in (f"/activations/{activation.pk}/", f"/purchases/{purchase.pk}/"):
        assert f'href="{address}"' in client.get(page).content.decode()
    opened = client.get(address)
    assert_clean_page(opened)
    html = opened.content.decode()
    assert 'value="髙橋"' in html
    assert re.search(r'href="#id_mnp.lastnameZenKana">.*?: The last name \(kana\) is not right\.</a>', html)
    values = {**TRANSFER, "eid": activation.eid, "mnp.lastnameZenKana": "タカバシ", "why": "misread"}
    done = client.post(address, values)
    assert (done.status_code, done["Location"]) == (302, f"/activations/{activation.pk}/")
    queue.run()
    assert Purchase.objects.get().state == P.ALLOCATING
    again = client.get(address, follow=True)
    assert "cannot be corrected now" in again.content.decode()


def test_an_erased_form_is_entered_again(freebit: Freebit) -> None:
    activation = hold(freebit, "374")
    Activation.objects.update(payload=None, payload_erased_at=activation.created_at)
    client = sign_in(*SELLER)
    opened = client.get(f"/activations/{activation.pk}/correct/")
    assert_clean_page(opened)
    html = opened.content.decode()
    assert "enter it again" in html
    assert f'value="{activation.eid}"' in html
    assert "髙橋" not in html
    faulty = client.post(f"/activations/{activation.pk}/correct/", {"addKind": "M", "eid": activation.eid})
    assert_clean_page(faulty, status=422)
    assert Purchase.objects.get().state == P.HELD


def test_a_code_without_a_field_is_told_above_the_form(freebit: Freebit) -> None:
    activation = hold(freebit, "274")
    html = sign_in(*SELLER).get(f"/activations/{activation.pk}/correct/").content.decode()
    assert "The delivery code is not right." in html


def test_a_correction_may_not_take_another_requests_device(freebit: Freebit) -> None:
    activation = hold(freebit, "255")
    other = place()
    values = {**TRANSFER, "eid": activation_of(other).eid}
    response = sign_in(*SELLER).post(f"/activations/{activation.pk}/correct/", values)
    assert_clean_page(response, status=422)
    assert other.number in response.content.decode()
