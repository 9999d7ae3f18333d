"""The pause switch of a provider account: at the desk, in the admin, and what it holds back."""

import pytest
from django.test import Client

from orders.models import Order
from orders.purchasing import run_due_purchases
from providers.accounts import pause_account, resume_account
from providers.models import AccountEvent, ProviderAccount
from tests.orders.desk import sign_in, sign_in_as
from tests.orders.fakes import Wholesaler
from tests.orders.making import make_fake_plan, make_user, order_plan, pay
from tests.pages import assert_clean_page

pytestmark = pytest.mark.django_db(transaction=True)

SWITCH = ("providers.view_provideraccount", "providers.change_provideraccount")


def events() -> list[tuple[str, str, str]]:
    return list(AccountEvent.objects.order_by("pk").values_list("kind", "by", "why"))


def is_paused() -> bool:
    return ProviderAccount.objects.get(slug="fake").is_paused


def test_paid_orders_wait_while_paused_and_are_bought_afterwards(wholesaler: Wholesaler) -> None:
    order = order_plan(make_fake_plan())
    user = make_user(*SWITCH)
    client = sign_in_as(user)
    assert_clean_page(client.get("/providers/fake/pause/"))
    response = client.post("/providers/fake/pause/", {"why": "Their portal is down."}, follow=True)
    assert_clean_page(response)
    html = response.content.decode()
    for words in ("is paused: nothing is sent there.", "Paused by staff", "Their portal is down.", user.email):
        assert words in html
    assert '<a class="button" href="/providers/fake/resume/">' in html
    assert is_paused()

    pay(order)
    run_due_purchases(seconds=5)
    order.refresh_from_db()
    assert (order.state, wholesaler.arrived) == (Order.State.BUYING, [])

    response = client.post("/providers/fake/resume/", {"why": "It is back."}, follow=True)
    assert_clean_page(response)
    assert not is_paused()
    run_due_purchases(seconds=5)
    order.refresh_from_db()
    assert (order.state, len(wholesaler.arrived)) == (Order.State.COMPLETED, 1)
    assert events() == [
        ("paused", user.email, "Their portal is down."),
        ("resumed", user.email, "It is back."),
    ]


def test_the_second_click_changes_nothing(wholesaler: Wholesaler) -> None:
    make_fake_plan()
    client = sign_in(*SWITCH)
    for _click in range(2):
        response = client.post("/providers/fake/pause/", {"why": "Testing."}, follow=True)
        assert response.status_code == 200
    assert "is paused already." in response.content.decode()
    assert len(events()) == 1
    assert client.get("/providers/fake/pause/")["Location"] == "/providers/fake/"
    client.post("/providers/fake/resume/", {"why": "Done."})
    client.post("/providers/fake/resume/", {"why": "Done."})
    assert (is_paused(), len(events())) == (False, 2)


def test_a_pause_needs_a_reason(wholesaler: Wholesaler) -> None:
    account = make_fake_plan().account
    response = sign_in(*SWITCH).post("/providers/fake/pause/", {"why": "  "})
    assert response.status_code == 422
    assert "Say why: the next person will ask." in response.content.decode()
    for verb in (pause_account, resume_account):
        with pytest.raises(ValueError, match="reason"):
            verb(account=account, by="mia@example.com", why=" ")
    assert (is_paused(), events()) == (False, [])


@pytest.mark.parametrize("turn", ["pause", "resume"])
def test_only_those_who_may_turn_it(turn: str, wholesaler: Wholesaler) -> None:
    make_fake_plan()
    ProviderAccount.objects.update(is_paused=turn == "resume")
    url = f"/providers/fake/{turn}/"
    client = sign_in("providers.view_provideraccount")
    assert url not in client.get("/providers/fake/").content.decode()
    for answer in (client.get(url), client.post(url, {"why": "I may not."})):
        assert answer.status_code == 403
        assert "providers.change_provideraccount" in answer.content.decode()
    assert Client().post(url, {"why": "Who?"})["Location"] == f"/accounts/login/?next={url}"
    assert sign_in(*SWITCH).put(url).status_code == 405
    assert sign_in(*SWITCH).post(f"/providers/none/{turn}/", {"why": "x"}).status_code == 404
    assert (is_paused(), events()) == (turn == "resume", [])


def test_the_admin_turns_the_same_switch(wholesaler: Wholesaler) -> None:
    account = make_fake_plan().account
    boss = make_user(is_superuser=True)
    admin = sign_in_as(boss)
    url = f"/admin/providers/provideraccount/{account.pk}/change/"
    inline = {"events-TOTAL_FORMS": "0", "events-INITIAL_FORMS": "0"}
    assert admin.post(url, {"is_paused": "on", **inline}).status_code == 200, "without a reason"
    assert events() == []
    assert admin.post(url, {"is_paused": "on", "why": "Audit.", **inline}).status_code == 302
    assert (is_paused(), events()) == (True, [("paused", boss.email, "Audit.")])
    assert admin.post(url, {"is_paused": "on", "why": "Again.", **inline}).status_code == 302
    assert events() == [("paused", boss.email, "Audit.")]
    assert "Audit." in admin.get(url).content.decode()
