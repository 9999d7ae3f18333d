"""One line, two kinds of amends: another eSIM and money back are given together only by who knows of both."""

import threading
import uuid
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from django.db import OperationalError, transaction

from config.retelling import SENTENCES
from customers.models import User
from esims.models import Esim, LineAction
from orders import hints, replacing
from orders.ending import request_end
from orders.giving_back import drop_return, owe_return
from orders.models import Order, OrderEvent, OrderLine, Purchase, Refund, ReturnWish
from orders.purchasing import run_purchase
from orders.reconciliation import attach_lines
from orders.refunds import RefundRefused
from orders.replacing import ReplacementRefused
from providers.types import Capability, WebhookHint, WebhookKind
from tests.orders.desk import purchase_of, read_hidden, sign_in_as
from tests.orders.fakes import Wholesaler
from tests.orders.making import make_user
from tests.orders.test_races import race
from tests.orders.test_replacing import MAY, bought, deliver, replace
from tests.pages import assert_clean_page

pytestmark = pytest.mark.django_db
MAY_BOTH = (*MAY, "orders.give_back", "orders.view_refund")


@pytest.fixture
def mina() -> User:
    return make_user(*MAY_BOTH)


def give(esim: Esim, by: User, amount: str = "6") -> Refund:
    purchase = Purchase.objects.get(delivered__esim=esim)
    return owe_return(
        purchase=purchase, esim=esim, amount=Decimal(amount), reason="no signal", form_key=uuid.uuid4(), by=by
    )


def test_money_for_a_replaced_line_goes_back_only_where_the_page_told_of_it(wholesaler: Wholesaler, mina: User) -> None:
    esim = bought()
    client = sign_in_as(mina)
    page = f"/esims/{esim.pk}/give-back/"
    shown = client.get(page)
    assert "in its place, free of charge" not in shown.content.decode()
    order = replace(esim, mina)
    form = {"share": "part", "amount": "2", "why": "sorry"}
    refused = client.post(page, {**read_hidden(shown, "form_key", "left"), "replaced_by": "", **form})
    assert refused.status_code == 422
    assert f"The line was replaced by order {order.number} meanwhile." in refused.content.decode()
    assert not Refund.objects.exists()
    # Opened again the page tells of it, with the way to it, and the money may go back all the same.
    shown = client.get(page)
    assert_clean_page(shown)
    text = shown.content.decode()
    assert "The customer gets another line in its place, free of charge, by this order:" in text
    assert f'<a class="code nowrap" href="/orders/{order.pk}/">{order.number}</a>' in text
    assert client.post(page, {**read_hidden(shown, "form_key", "replaced_by", "left"), **form}).status_code == 302
    assert Refund.objects.get().amount == 2


def test_a_promise_for_the_end_of_a_replaced_line_is_made_only_where_the_page_told_of_it(
    wholesaler: Wholesaler, mina: User
) -> None:
    esim = bought()
    order = replace(esim, mina)
    with pytest.raises(RefundRefused, match=f"replaced by order {order.number} meanwhile"):
        request_end(esim=esim, capability=Capability.CANCEL, reason="x", by=mina, gives_back=Decimal(6))
    assert (LineAction.objects.count(), ReturnWish.objects.count()) == (0, 0)


def test_a_replacement_that_brought_nothing_is_no_matter(wholesaler: Wholesaler, mina: User) -> None:
    esim = bought()
    wholesaler.plan_orders("refused")
    run_purchase(purchase_id=purchase_of(replace(esim, mina)).pk)
    assert give(esim, mina).state == "due"


def test_the_replacing_page_tells_what_went_back(wholesaler: Wholesaler, mina: User) -> None:
    esim = bought()
    client = sign_in_as(mina)
    page = f"/esims/{esim.pk}/replace/"
    assert "Owed back before" not in client.get(page).content.decode()
    give(esim, mina, "2")
    shown = client.get(page)
    assert_clean_page(shown)
    assert "<dt>Owed back before</dt><dd>2.00" in shown.content.decode()


def test_what_is_promised_whole_is_not_replaced_as_well(wholesaler: Wholesaler, mina: User) -> None:
    esim = bought()
    purchase = Purchase.objects.get()
    action = LineAction.objects.create(esim=esim, kind=Capability.CANCEL, reason="x", requested_by=mina)
    wish = ReturnWish.objects.create(
        action=action, purchase=purchase, amount=Decimal(6), currency="USD", reason="x", asked_by=mina
    )
    with pytest.raises(ReplacementRefused, match="promised back for its end"):
        replace(esim, mina)
    assert Order.objects.count() == 1
    ReturnWish.objects.filter(pk=wish.pk).update(amount=Decimal(2))
    assert "<dt>Promised for its end</dt><dd>2.00" in (
        sign_in_as(mina).get(f"/esims/{esim.pk}/replace/").content.decode()
    )
    ReturnWish.objects.filter(pk=wish.pk).update(amount=Decimal(6), state="void")
    assert replace(esim, mina).state == "buying"


def test_the_form_of_a_dropped_refund_owes_nothing_and_says_so(wholesaler: Wholesaler, mina: User) -> None:
    esim = bought()
    client = sign_in_as(mina)
    page = f"/esims/{esim.pk}/give-back/"
    form = {"form_key": str(uuid.uuid4()), "left": "6", "share": "part", "amount": "2", "why": "sorry"}
    client.post(page, form)
    drop_return(refund=Refund.objects.get(), why="a mistake", by=mina)
    events = OrderEvent.objects.count()
    again = client.post(page, form)
    assert again.status_code == 422
    assert "This form was sent before, and what it owed was dropped since." in again.content.decode()
    assert (Refund.objects.get().state, OrderEvent.objects.count()) == ("dropped", events)


def test_a_second_free_line_that_came_late_asks_for_a_look(wholesaler: Wholesaler, mina: User) -> None:
    esim = bought()
    wholesaler.plan_orders("refused")
    first = replace(esim, mina)
    run_purchase(purchase_id=purchase_of(first).pk)
    second = replace(esim, mina)
    deliver(second)
    assert (purchase_of(first).attention, purchase_of(second).attention) == ("", "")
    decider = make_user("orders.reconcile")
    attach_lines(purchase=purchase_of(first), iccids=["8981100000000000002"], why="the portal shows it", by=decider)
    late = purchase_of(first)
    assert late.attention == f"The line is replaced by order {second.number} as well; what came here is kept."
    assert "The line is replaced by order %(number)s as well; what came here is kept." in SENTENCES
    assert OrderEvent.objects.get(kind="purchase.attention").why == late.attention
    assert purchase_of(second).attention == ""
    assert (late.state, OrderLine.objects.filter(replaces=esim).count()) == ("fulfilled", 2)


# -- at the same time --------------------------------------------------------------------------------------------------


def lock_the_line_alone(esim: Esim) -> Esim:
    return Esim.objects.select_for_update(of=("self",)).select_related("account", "plan", "customer").get(pk=esim.pk)


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_a_hint_and_a_replacement_never_wait_for_each_other(
    wholesaler: Wholesaler, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A hint of an order whose other lines still come, and a replacement of the line that came."""
    mina = make_user(*MAY)
    monkeypatch.setattr(hints, "offers", lambda *_: True)

    def lock_naively(rows: Any, keys: set[int]) -> dict[int, str]:
        locked = rows.select_for_update(of=("self",)).filter(pk__in=keys).order_by("pk")
        return dict(locked.values_list("pk", "state"))

    def meet(lock_rows: Callable[..., Any], lock_line: Callable[[Esim], Esim], *, wait: float) -> list[Any]:
        esim = bought()
        purchase = Purchase.objects.get(delivered__esim=esim)
        Purchase.objects.filter(pk=purchase.pk).update(state="allocating")
        purchase_locked, line_locked = threading.Event(), threading.Event()

        def lock(rows: Any, keys: set[int]) -> Any:
            found = lock_rows(rows, keys)
            if rows.model is Purchase:
                purchase_locked.set()
                line_locked.wait(wait)
            return found

        def lock_replaced(line: Esim) -> Esim:
            purchase_locked.wait(10)
            locked = lock_line(line)
            line_locked.set()
            return locked

        def drain() -> Any:
            hint = WebhookHint(
                kind=WebhookKind.LINE_CHANGED,
                word="x",
                provider_ref=esim.provider_ref,
                order_key=purchase.idempotency_key,
            )
            with transaction.atomic():
                return hints.follow_hints(account_id=esim.account_id, slug="fake", deliveries=[[hint]])

        with monkeypatch.context() as patch:
            patch.setattr(hints, "_lock", lock)
            patch.setattr(replacing, "lock_replaced", lock_replaced)
            return race(drain, lambda: replace(esim, mina))

    met = meet(lock_naively, lock_the_line_alone, wait=10)
    assert [str(one) for one in met if isinstance(one, OperationalError) and "deadlock" in str(one)] != []
    drained, order = meet(hints._lock, replacing.lock_replaced, wait=0.3)
    assert drained == [("applied", "2 to be read again")]
    assert isinstance(order, Order)


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_a_replacement_and_its_price_are_not_given_at_once(
    wholesaler: Wholesaler, monkeypatch: pytest.MonkeyPatch
) -> None:
    mina = make_user(*MAY_BOTH)

    def meet(lock_line: Callable[[Esim], Esim], *, wait: float) -> list[Any]:
        esim = bought()
        looked, given = threading.Event(), threading.Event()
        write_order = replacing._write_order

        def write(*words: Any, **said: Any) -> Order:
            looked.set()
            given.wait(wait)
            return write_order(*words, **said)

        def give_back() -> Refund:
            looked.wait(10)
            refund = give(esim, mina)
            given.set()
            return refund

        with monkeypatch.context() as patch:
            patch.setattr(replacing, "lock_replaced", lock_line)
            patch.setattr(replacing, "_write_order", write)
            return race(lambda: replace(esim, mina), give_back)

    assert [type(one).__name__ for one in meet(lock_the_line_alone, wait=0.5)] == ["Order", "Refund"]
    order, refused = meet(replacing.lock_replaced, wait=0.5)
    assert isinstance(order, Order)
    assert f"replaced by order {order.number} meanwhile" in str(refused)
    assert (isinstance(refused, RefundRefused), Refund.objects.count()) == (True, 1)
