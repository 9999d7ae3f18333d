"""What customers hear of money that goes back, to and fro."""

from decimal import Decimal
from uuid import uuid4

import pytest
from django.core import mail
from django.db import transaction
from pytest_django import Settings

from orders.card.refunds import make_due
from orders.delivering import deliver_snapshots
from orders.giving_back import drop_return, list_sold, owe_return
from orders.models import Notification, OrderEvent, Purchase, Refund
from orders.refunds import record_refund_made
from orders.states import lock_order, lock_purchase, settle_purchase
from tests.esims.making import make_snapshot
from tests.orders.desk import sign_in
from tests.orders.fakes import Wholesaler
from tests.orders.making import make_user
from tests.orders.telling import subjects, tell
from tests.orders.test_notices_orders import deliver, sell

pytestmark = pytest.mark.django_db
BANK = "Depending on the bank it takes some days to arrive."


def words(number: int = -1) -> str:
    return " ".join(str(mail.outbox[number].body).split())


def owe_missing(wholesaler: Wholesaler) -> Refund:
    """12.00 USD for two lines that could not be delivered."""
    wholesaler.plan_orders("refused")
    deliver(sell(2))
    return Refund.objects.get()


def owe_for_delivered() -> Refund:
    """2.00 USD, promised by staff for a line that was told already."""
    (esim,) = deliver(sell(1))
    tell()
    (purchase,) = list_sold(esim)
    giver = make_user("orders.give_back")
    return owe_return(
        purchase=purchase, esim=esim, amount=Decimal("2.00"), reason="it was slow", form_key=uuid4(), by=giver
    )


def come_back(refund: Refund) -> None:
    """The payment service says that it could not pay it out."""
    with transaction.atomic():
        refund.refresh_from_db()
        refund.order = lock_order(refund.order_id)
        make_due(refund, "expired_or_canceled_card", None, by="test")


def test_a_refund_is_told_when_it_is_owed_and_when_it_is_made(wholesaler: Wholesaler) -> None:
    wholesaler.plan_orders("refused")
    order = sell(2)
    deliver(order)
    refund = Refund.objects.get()
    assert tell() == [f"refund-due:{refund.pk}:12"]
    record_refund_made(refund=refund, method="cash", reference="R-1", by=make_user("orders.refund"))
    assert tell() == [f"refund-due:{refund.pk}:12", f"refund-made:{refund.pk}"]
    assert subjects() == ["We owe you 12.00\u00a0USD", "12.00\u00a0USD went back to you"]
    assert "Reference: R-1." in " ".join(mail.outbox[1].body.split())


def test_a_refund_that_was_made_at_once_is_one_word(wholesaler: Wholesaler) -> None:
    wholesaler.plan_orders("refused")
    deliver(sell(2))
    record_refund_made(refund=Refund.objects.get(), method="cash", by=make_user("orders.refund"))
    tell()
    assert subjects() == ["12.00\u00a0USD went back to you"]


def test_what_staff_promise_is_told_as_owed(wholesaler: Wholesaler) -> None:
    refund = owe_for_delivered()
    assert OrderEvent.objects.get(kind="refund.returned").awaits_notice
    assert f"refund-due:{refund.pk}:2" in tell()
    assert subjects() == ["Your eSIM is ready", "We owe you 2.00\u00a0USD"]
    assert "It is given back as agreed." in words()
    assert len(tell()) == 2


def test_what_is_dropped_after_it_was_told_is_told(wholesaler: Wholesaler) -> None:
    refund = owe_for_delivered()
    tell()
    drop_return(refund=refund, why="a mistake", by=make_user("orders.give_back"))
    assert f"refund-dropped:{refund.pk}" in tell()
    assert len(tell()) == 3
    assert subjects()[2] == "2.00\u00a0USD is no longer owed to you"
    assert "We told you that you get 2.00 USD back for order" in words()
    assert "What was missing" not in words()


def test_what_is_dropped_before_it_was_told_is_told_to_nobody(wholesaler: Wholesaler) -> None:
    refund = owe_for_delivered()
    drop_return(refund=refund, why="a mistake", by=make_user("orders.give_back"))
    assert len(tell()) == 1
    assert not OrderEvent.objects.filter(awaits_notice=True).exists()


def test_a_missing_line_that_comes_takes_the_promise_back(wholesaler: Wholesaler) -> None:
    refund = owe_missing(wholesaler)
    tell()
    with transaction.atomic():
        purchase = lock_purchase(Purchase.objects.get().pk)
        deliver_snapshots(purchase, [make_snapshot(), make_snapshot()], by="test")
        settle_purchase(purchase, by="test")
    refund.refresh_from_db()
    assert refund.state == "dropped"
    assert f"refund-dropped:{refund.pk}" in tell()
    (told,) = [message for message in mail.outbox if "no longer owed" in message.subject]
    assert "What was missing was delivered after all, or still may be." in " ".join(str(told.body).split())


def test_a_refund_that_comes_back_is_told_and_so_is_its_second_payment(wholesaler: Wholesaler) -> None:
    refund = owe_missing(wholesaler)
    cashier = make_user("orders.refund")
    tell()
    record_refund_made(refund=refund, method="transfer", reference="R-1", by=cashier)
    tell()
    assert BANK in words()
    come_back(refund)
    assert f"refund-due:{refund.pk}:12:2" in tell()
    assert "It could not be paid out and came back to us; we pay it once more." in words()
    refund.refresh_from_db()
    record_refund_made(refund=refund, method="cash", reference="R-2", by=cashier)
    assert f"refund-made:{refund.pk}:3" in tell()
    assert "Reference: R-2." in words()
    assert len(tell()) == 4
    assert subjects() == [
        "We owe you 12.00\u00a0USD",
        "12.00\u00a0USD went back to you",
        "12.00\u00a0USD came back to us: we owe it to you still",
        "12.00\u00a0USD went back to you",
    ]


def test_what_failed_before_it_was_said_to_have_gone_is_no_news(wholesaler: Wholesaler) -> None:
    refund = owe_missing(wholesaler)
    tell()
    come_back(refund)
    assert len(tell()) == 1


def test_what_was_paid_anew_meanwhile_is_told_with_its_own_reference(wholesaler: Wholesaler) -> None:
    refund = owe_missing(wholesaler)
    cashier = make_user("orders.refund")
    record_refund_made(refund=refund, method="transfer", reference="R-1", by=cashier)
    tell()
    come_back(refund)
    refund.refresh_from_db()
    record_refund_made(refund=refund, method="transfer", reference="R-2", by=cashier)
    tell()
    assert ["Reference: R-1." in words(0), "Reference: R-2." in words(1)] == [True, True]
    assert len(tell()) == 2


@pytest.mark.parametrize(("method", "days"), [("cash", False), ("invoice", False), ("transfer", True)])
def test_only_a_bank_takes_days(method: str, days: bool, wholesaler: Wholesaler) -> None:
    record_refund_made(refund=owe_missing(wholesaler), method=method, by=make_user("orders.refund"))
    tell()
    assert (BANK in words()) == days


def test_what_is_counted_against_a_debt_is_not_called_paid(wholesaler: Wholesaler) -> None:
    record_refund_made(refund=owe_missing(wholesaler), method="cash", by=make_user("orders.refund"))
    Refund.objects.update(method="credit")
    tell()
    assert subjects() == ["12.00\u00a0USD was counted against what you owe"]
    assert "we counted 12.00 USD against what you owe us: your account is lower by it." in words()
    assert BANK not in words()
    assert "paid" not in words()


def test_pages_say_that_the_customer_is_written_to(wholesaler: Wholesaler, settings: Settings) -> None:
    refund = owe_for_delivered()
    assert refund.esim is not None
    client = sign_in("orders.give_back", "orders.view_refund", "esims.view_esim")
    told = "Of money that goes back the customer is told by a message"
    give, drop = f"/esims/{refund.esim.pk}/give-back/", f"/refunds/{refund.pk}/drop/"
    assert told in client.get(give).content.decode()
    assert "is told that it no longer is" in client.get(drop).content.decode()
    settings.NOTIFICATION_OFF = ["refund_due"]
    assert told not in client.get(give).content.decode()
    assert "Tell them, if it was promised to them." in client.get(drop).content.decode()
    tell()
    assert not Notification.objects.filter(kind="refund_due").exists()
