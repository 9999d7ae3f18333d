"""Ending a line of a paid order, page by page, at the simulated wholesalers: what is sent, and who gets what back."""

import uuid
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
import time_machine
from django.core.exceptions import PermissionDenied
from django.test import Client
from django.utils import timezone
from pytest_django.fixtures import Settings

from customers.models import User
from esims.actions import run_action
from esims.models import Esim, LineAction, Package
from esims.refresh import refresh_line
from orders import waking
from orders.books import find_uneven_orders, read_balances
from orders.ending import request_end, settle_return_wishes
from orders.giving_back import find_sold, owe_return
from orders.models import Order, OrderEvent, Purchase, Refund, ReturnWish
from orders.purchasing import run_purchase
from orders.refunds import RefundRefused, record_refund_made
from orders.replacing import replace_line
from providers.registry import ensure_accounts
from providers.types import Capability, Priority
from tests.catalog.making import make_account, make_plan
from tests.orders.desk import sign_in_as
from tests.orders.making import make_due, make_user, order_plan, pay
from tests.orders.test_races import race
from tests.pages import assert_clean_page
from tests.queue import Queue
from tests.simulator_access import Access, open_account
from tests.simulator_client import Simulator
from tests.simulator_esimfx import BLOCK_PATH, CLIENT_ID, CLIENT_KEY, Esimfx

pytestmark = pytest.mark.django_db
ZERO = Decimal(0)
MAY = (
    *("esims.view_esim", "esims.cancel_esim", "esims.revoke_esim", "orders.give_back"),
    *("orders.view_order", "orders.view_refund", "catalog.set_price"),
)
MB = 1024 * 1024


@pytest.fixture
def mina() -> User:
    return make_user(*MAY)


@pytest.fixture
def access(settings: Settings, simulator: Simulator) -> Access:
    access = open_account(settings, simulator)
    settings.HTTP_READ_TIMEOUT = 5.0
    return access


@pytest.fixture
def fx(db: None, settings: Settings, simulator: Simulator) -> Esimfx:
    simulator.set_limits(multiplier=0)
    fx = Esimfx(simulator)
    values = {"url": fx.url, "client_id": CLIENT_ID, "client_key": CLIENT_KEY, "limits": {"calls": 100, "seconds": 1}}
    settings.PROVIDERS = {"esimfx": {**settings.PROVIDERS["esimfx"], **values, "block_path": f"POST {BLOCK_PATH}"}}
    settings.HTTP_READ_TIMEOUT = 5.0
    ensure_accounts()
    return fx


def buy_access(access: Access, quantity: int = 1) -> list[Esim]:
    code = access.find_package(dataType=1)
    account = make_account("esim-access", adapter="esim_access")
    net = Decimal(access.package(code)["price"]) / 10_000
    return _buy(make_plan(account, plan_ref=code, net_price=net, currency="USD"), quantity)


def buy_fx(fx: Esimfx) -> Esim:
    product = fx.find_product(amount_unit="GB")
    return _buy(make_plan(make_account("esimfx", adapter="esimfx"), plan_ref=str(product["id"])), 1)[0]


def _buy(plan: Any, quantity: int) -> list[Esim]:
    order = order_plan(plan, quantity)
    pay(order)
    for _look in range(3):
        for purchase in Purchase.objects.filter(order_line__order=order).exclude(state="fulfilled"):
            run_purchase(purchase_id=make_due(purchase).pk)
    esims = Esim.objects.filter(purchased__purchase__order_line__order=order).select_related("plan", "account")
    assert len(esims) == quantity
    return list(esims.order_by("pk"))


def form_for(esim: Esim, **said: str) -> dict[str, str]:
    return {"reason": "left at home", "number_end": (esim.iccid or esim.provider_ref)[-4:], **said}


def step_action() -> LineAction:
    """Step the one action until it has ended."""
    for _count in range(40):
        action = LineAction.objects.get()
        if action.next_attempt_at is None:
            return action
        with time_machine.travel(max(action.next_attempt_at, timezone.now()) + timedelta(milliseconds=1)):
            run_action(action_id=action.pk)
    pytest.fail(f"still {action.state}")


def finish() -> LineAction:
    """The action ends, then what was promised is settled."""
    action = step_action()
    settle_return_wishes()
    return action


def assert_books(*, delivered: str, due: str) -> None:
    (balance,) = read_balances()
    columns = (balance.delivered, balance.refunds_due, balance.difference)
    assert columns == (Decimal(delivered), Decimal(due), ZERO)
    assert find_uneven_orders() == []


def read(client: Client, page: str) -> str:
    response = client.get(page)
    assert_clean_page(response)
    return str(response.content.decode())


# -- eSIM Access: an unused line is cancelled, and the provider gives all of it back ----------------------------------


def test_both_moneys_are_said_before_and_each_is_booked_once_the_line_shows_its_end(
    access: Access, mina: User, queue: Queue
) -> None:
    esim, _other = buy_access(access, 2)
    order = Order.objects.get()
    client, before = sign_in_as(mina), access.balance()
    asked = read(client, f"/esims/{esim.pk}/cancel/")
    assert "The provider gives us back what the line cost." in asked
    assert "What the customer gets back, once the line confirms its end" in asked
    response = client.post(f"/esims/{esim.pk}/cancel/", form_for(esim, share="part", left="6", amount="2.50"))
    assert (response.status_code, response["Location"]) == (302, f"/esims/{esim.pk}/")
    wish = ReturnWish.objects.get()
    assert (wish.state, wish.amount, wish.currency, wish.asked_by) == ("waiting", Decimal("2.5"), "USD", mina)
    # Nothing is owed while nothing has ended, and nobody is woken for it.
    assert settle_return_wishes() == 0
    assert not Refund.objects.exists()
    assert "returns" not in waking.wake_due_jobs()
    action = step_action()
    assert (action.state, action.refunded) == ("confirmed", True)
    assert waking.wake_due_jobs().count("returns") == 1
    waking.run_wake_up("returns")
    assert settle_return_wishes() == 0
    refund = Refund.objects.get()
    assert (refund.kind, refund.state, refund.amount, refund.esim_id) == ("returned", "due", Decimal("2.5"), esim.pk)
    assert (refund.reason, ReturnWish.objects.get().refund) == ("left at home", refund)
    assert_books(delivered="9.5", due="2.5")
    assert access.balance() > before
    (event,) = OrderEvent.objects.filter(order=order, kind="refund.returned")
    assert (event.by, event.why) == (mina.email, "left at home")
    # In our books: the cost of this line came back by the provider's word.
    page = read(client, f"/orders/{order.pk}/")
    assert "Given back by the provider" in page
    assert "by its word, for 1 eSIM" in page
    line = read(client, f"/esims/{esim.pk}/")
    assert "The provider gives our money back." in line
    assert "2.50 USD is owed back to the customer." in line.replace("\xa0", " ").replace("&nbsp;", " ")


@pytest.mark.parametrize("trace", ["install", "use"])
def test_nothing_is_sent_nor_owed_where_the_fresh_look_shows_use(access: Access, mina: User, trace: str) -> None:
    (esim,) = buy_access(access)
    client = sign_in_as(mina)
    # Our copy says "ready": the page is there, and promises.
    asked = read(client, f"/esims/{esim.pk}/cancel/")
    assert "nothing is sent once it has been on a device or in use" in asked
    if trace == "install":
        access.change_line(esim.provider_ref, "install")
    else:
        access.use_data(esim.provider_ref, MB)
    client.post(f"/esims/{esim.pk}/cancel/", form_for(esim, share="all", left="6"))
    action = finish()
    assert (action.state, action.error_code, action.sent_at, action.refunded) == ("rejected", "state", None, None)
    assert access.effects("cancel") == []
    wish = ReturnWish.objects.get()
    assert (wish.state, wish.note) == ("void", "the line was not ended: the request was refused")
    assert not Refund.objects.exists()
    assert_books(delivered="6", due="0")
    line = read(client, f"/esims/{esim.pk}/")
    assert "were promised to the customer; nothing is owed by that." in line
    assert "the request was refused" in line
    assert OrderEvent.objects.filter(kind="refund.not_owed").count() == 1
    # It is in use: the page no longer offers it, and a click sends nothing.
    response = client.post(f"/esims/{esim.pk}/cancel/", form_for(esim, share="all", left="6"))
    assert response.status_code == 302
    assert (LineAction.objects.count(), ReturnWish.objects.count()) == (1, 1)


def test_an_end_that_nobody_can_confirm_owes_nothing_by_itself(access: Access, mina: User) -> None:
    (esim,) = buy_access(access)
    access.use_data(esim.provider_ref, MB)
    refresh_line(esim_id=esim.pk, priority=Priority.PEOPLE, by="test")
    client = sign_in_as(mina)
    assert "The provider gives us no money back." in read(client, f"/esims/{esim.pk}/revoke/")
    client.post(f"/esims/{esim.pk}/revoke/", form_for(esim, share="all", left="6"))
    access.simulator.order_fault("reset_before", "revoke", system="access")
    action = finish()
    assert (action.state, action.refunded) == ("unknown", None)
    wish = ReturnWish.objects.get()
    assert wish.state == "void"
    assert "nobody knows whether the line ended" in read(client, f"/esims/{esim.pk}/")
    assert not Refund.objects.exists()


def test_nothing_may_be_chosen_and_must_be_said(access: Access, mina: User) -> None:
    (esim,) = buy_access(access)
    client = sign_in_as(mina)
    response = client.post(f"/esims/{esim.pk}/cancel/", form_for(esim))
    assert response.status_code == 422
    assert "Say what the customer gets back, be it nothing." in response.content.decode()
    response = client.post(f"/esims/{esim.pk}/cancel/", form_for(esim, share="part", left="6", amount="7"))
    assert "At most 6.00 USD can go back." in response.content.decode()
    assert not LineAction.objects.exists()
    client.post(f"/esims/{esim.pk}/cancel/", form_for(esim, share="nothing"))
    assert finish().state == "confirmed"
    assert (ReturnWish.objects.count(), Refund.objects.count()) == (0, 0)
    assert_books(delivered="6", due="0")


def test_who_may_end_lines_but_not_give_money_back_is_not_asked(access: Access) -> None:
    (esim,) = buy_access(access)
    other = make_user("esims.view_esim", "esims.cancel_esim")
    asked = read(sign_in_as(other), f"/esims/{esim.pk}/cancel/")
    assert "What the customer paid is not refunded by this" in asked
    assert "What the customer gets back" not in asked
    # Said all the same, by a page of before the permission was taken away, nothing is done.
    refused = sign_in_as(other).post(f"/esims/{esim.pk}/cancel/", form_for(esim, share="all", left="6"))
    assert refused.status_code == 422
    assert not LineAction.objects.exists()
    sign_in_as(other).post(f"/esims/{esim.pk}/cancel/", form_for(esim))
    assert finish().state == "confirmed"
    assert not ReturnWish.objects.exists()
    with pytest.raises(PermissionDenied):
        request_end(esim=esim, capability=Capability.CANCEL, reason="x", by=other, gives_back=Decimal(1))


def test_what_went_back_meanwhile_is_not_owed_twice(access: Access, mina: User) -> None:
    (esim,) = buy_access(access)
    sign_in_as(mina).post(f"/esims/{esim.pk}/cancel/", form_for(esim, share="all", left="6"))
    owe(esim, "4", mina)
    assert finish().state == "confirmed"
    assert (ReturnWish.objects.get().state, ReturnWish.objects.get().note) == (
        "void",
        "money is owed back for it already",
    )
    assert_books(delivered="2", due="4")


CHANGED = "What can go back to the customer has changed meanwhile. Look at it again."


def owe(esim: Esim, amount: str, by: User) -> Refund:
    purchase = find_sold(esim)
    assert purchase is not None
    return owe_return(
        purchase=purchase, esim=esim, amount=Decimal(amount), reason="goodwill", form_key=uuid.uuid4(), by=by
    )


@pytest.mark.parametrize("said", [{"share": "all"}, {"share": "part", "amount": "2"}])
def test_where_money_was_promised_meanwhile_the_line_is_not_ended_under_other_terms(
    access: Access, mina: User, said: dict[str, str]
) -> None:
    (esim,) = buy_access(access)
    client, page = sign_in_as(mina), f"/esims/{esim.pk}/cancel/"
    assert 'name="left" value="6.0000"' in read(client, page)
    owe(esim, "0.50", mina)
    refused = client.post(page, form_for(esim, left="6.0000", **said))
    assert refused.status_code == 422
    text = refused.content.decode()
    assert CHANGED in text
    # Another person decided about it: this page no longer asks.
    assert "What the customer gets back, once" not in text
    assert (LineAction.objects.count(), ReturnWish.objects.count()) == (0, 0)
    # Looked at again the line may be ended without it.
    assert client.post(page, form_for(esim)).status_code == 302
    assert (LineAction.objects.count(), ReturnWish.objects.count(), Refund.objects.get().amount) == (
        1,
        0,
        Decimal("0.5"),
    )


def test_all_of_it_means_what_the_page_showed(access: Access, mina: User) -> None:
    (esim,) = buy_access(access)
    client, page = sign_in_as(mina), f"/esims/{esim.pk}/cancel/"
    refund = owe(esim, "2", mina)
    record_refund_made(refund=refund, method="cash", by=make_user("orders.refund"))
    for left in ("6", "", "x"):
        refused = client.post(page, form_for(esim, share="all", left=left))
        assert refused.status_code == 422
        assert CHANGED in refused.content.decode()
        assert 'name="left" value="4.0000"' in refused.content.decode()
    assert (LineAction.objects.count(), ReturnWish.objects.count()) == (0, 0)
    assert client.post(page, form_for(esim, share="all", left="4.0000")).status_code == 302
    assert ReturnWish.objects.get().amount == 4


def test_what_is_left_is_looked_at_again_under_the_lock(access: Access, mina: User) -> None:
    (esim,) = buy_access(access)
    record_refund_made(refund=owe(esim, "2", mina), method="cash", by=make_user("orders.refund"))
    with pytest.raises(RefundRefused, match="has changed meanwhile"):
        request_end(
            esim=esim,
            capability=Capability.CANCEL,
            reason="x",
            by=mina,
            gives_back=Decimal(1),
            shown_left=Decimal(6),
        )
    assert (LineAction.objects.count(), ReturnWish.objects.count()) == (0, 0)


def test_of_a_replaced_line_the_promise_is_made_by_who_was_told_of_it(access: Access, mina: User) -> None:
    (esim,) = buy_access(access)
    client, page = sign_in_as(mina), f"/esims/{esim.pk}/cancel/"
    order = replace_line(
        esim=esim, plan=esim.plan, reason="x", checkout_key=uuid.uuid4(), by=make_user("orders.replace")
    )
    client.post(page, form_for(esim, share="all", left="6"))
    assert not LineAction.objects.exists()
    shown = read(client, page)
    assert f'<a class="code nowrap" href="/orders/{order.pk}/">{order.number}</a>' in shown
    assert f'name="replaced_by" value="{order.pk}"' in shown
    client.post(page, form_for(esim, share="all", left="6", replaced_by=str(order.pk)))
    assert (LineAction.objects.count(), ReturnWish.objects.get().amount) == (1, Decimal(6))


def test_a_double_click_ends_and_promises_once(access: Access, mina: User) -> None:
    (esim,) = buy_access(access)
    client = sign_in_as(mina)
    for _twice in range(2):
        client.post(f"/esims/{esim.pk}/cancel/", form_for(esim, share="all", left="6"))
    assert (LineAction.objects.count(), ReturnWish.objects.count()) == (1, 1)
    finish()
    assert_books(delivered="0", due="6")


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_many_workers_owe_a_promise_once(access: Access, monkeypatch: pytest.MonkeyPatch) -> None:
    mina = make_user(*MAY)
    (esim,) = buy_access(access)
    sign_in_as(mina).post(f"/esims/{esim.pk}/cancel/", form_for(esim, share="all", left="6"))
    step_action()
    # Each of them sees it waiting; the purchase's lock lets one settle it, the others then see that it is.
    works: list[Callable[[], int]] = [settle_return_wishes] * 4
    assert sorted(race(*works), key=str) == [0, 0, 0, 1]
    assert Refund.objects.get().amount == 6


# -- eSIMfx: the package's fee alone, and only while it waits ---------------------------------------------------------


def test_a_waiting_package_is_terminated_and_its_fee_shows_in_our_books(fx: Esimfx, mina: User) -> None:
    esim = buy_fx(fx)
    package = Package.objects.get(esim=esim)
    page = f"/esims/{esim.pk}/packages/{package.pk}/terminate/"
    client = sign_in_as(mina)
    assert "The provider gives us back the package&#x27;s fee alone" in read(client, page)
    client.post(page, form_for(esim, share="all", left="6"))
    action = finish()
    assert (action.state, action.refunded) == ("confirmed", True)
    assert_books(delivered="0", due="6")
    assert "Given back by the provider" in read(client, f"/orders/{Order.objects.get().pk}/")


def test_a_package_that_began_meanwhile_is_told_by_the_fresh_look(fx: Esimfx, mina: User) -> None:
    """It may be terminated all the same, without money for us: what the provider says is what we book."""
    esim = buy_fx(fx)
    package = Package.objects.get(esim=esim)
    page = f"/esims/{esim.pk}/packages/{package.pk}/terminate/"
    client = sign_in_as(mina)
    client.post(page, form_for(esim, share="nothing"))
    fx.connect(esim.iccid)
    action = finish()
    assert (action.state, action.refunded) == ("confirmed", False)
    line = read(client, f"/esims/{esim.pk}/")
    assert "The provider gives no money back." in line
    assert "Given back by the provider" not in read(client, f"/orders/{Order.objects.get().pk}/")


def test_of_a_block_nobody_knows_what_comes_back(fx: Esimfx, mina: User) -> None:
    esim = buy_fx(fx)
    asked = read(sign_in_as(mina), f"/esims/{esim.pk}/block/")
    assert "Whether the provider gives us money back is not known: ask it first." in asked


# -- a faulty line that is ended with its replacement -----------------------------------------------------------------


def test_a_faulty_line_is_ended_with_its_replacement_or_neither(access: Access) -> None:
    mina = make_user(*MAY, "orders.replace", "esims.suspend_esim")
    esim, busy = buy_access(access, 2)
    client = sign_in_as(mina)
    page = f"/esims/{esim.pk}/replace/"
    assert "Cancel the line, now. The provider gives us back what the line cost." in read(client, page)
    form = {"plan": str(esim.plan_id), "why": "no network", "old_line": "cancel"}
    # Something else is under way for the other line: then nothing is ordered either.
    request_end(esim=busy, capability=Capability.SUSPEND, reason="lost", by=mina)
    response = client.post(f"/esims/{busy.pk}/replace/", {**form, "checkout_key": str(uuid.uuid4())})
    assert response.status_code == 422
    assert "Something else is under way for this line" in response.content.decode()
    assert (Order.objects.count(), LineAction.objects.count()) == (1, 1)
    LineAction.objects.all().delete()
    assert client.post(page, {**form, "checkout_key": str(uuid.uuid4())}).status_code == 302
    action = finish()
    assert (action.kind, action.state, action.reason) == ("cancel", "confirmed", "no network")
    assert [effect["ref"] for effect in access.effects("cancel")] == [esim.provider_ref]
    assert Purchase.objects.filter(order_line__replaces=esim).count() == 1
    # Nobody promised anything: what the customer paid stays with us.
    assert not ReturnWish.objects.exists()
    assert_books(delivered="12", due="0")
