"""Cards in a schedule: what customers and banks do at the payment service, its calls to us, and honest staff.

Customers and staff know what the service's own pages show, which are its books.
"""

import hashlib
import hmac
import random
import time
import uuid
from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db.models import Min
from django.test import Client
from django.utils import timezone

from orders.card.deciding import (
    declare_not_refunded,
    declare_paid,
    declare_refunded,
    declare_unpaid,
    may_decide_payment,
    may_decide_refund,
)
from orders.card.gateway import CardServiceError
from orders.card.inbox import drain_payment_inbox, retry_payment_delivery
from orders.card.payments import give_up_card_payment, run_card_payments, start_card_payment
from orders.card.refunds import find_card_to_refund, pay_back_by_card, run_card_refunds
from orders.models import Order, Payment, PaymentDelivery, Refund
from tests.simulator_cards import DOOR, SECRET_KEY, WEBHOOK_SECRET

if TYPE_CHECKING:
    from tests.faults.office import Office

#: The steps that are the card desk's.
CARDS = frozenset({"capture", "decline", "cards", "news", "refund_ends", "give_up_card", "keys", "hanging"})
#: After so many rounds without faults nothing is under way any more.
_ROUNDS = 40
_ENDED = ("succeeded", "canceled")
Document = Mapping[str, Any]


class CardDesk:
    """Takes and pays back by card."""

    def __init__(self, office: "Office") -> None:
        self._office = office
        self._service = office.wholesale.cards

    def take(self, name: str, argument: Any) -> None:
        if name == "capture":
            self.pay(*argument)
        elif name == "cards":
            self.look(wait=argument)
        elif name == "news":
            self.bring_news(argument)
        elif name == "refund_ends":
            self.end_refund(*argument)
        elif name == "keys":
            settings.STRIPE_SECRET_KEY = SECRET_KEY if argument else ""
        else:
            verbs = {"decline": self.decline, "give_up_card": self.give_up, "hanging": self.decide_hanging}
            verbs[name](argument)

    # -- what staff do ----------------------------------------------------------------------------------------------

    def ask(self, order: Order) -> Payment:
        return start_card_payment(order=order, form_key=uuid.uuid4(), by=self._office.staff)

    def give_up(self, number: int) -> None:
        """An open payment is given up; the service may not do it."""
        payments = list(Payment.objects.filter(method=Payment.Method.CARD).order_by("pk"))
        if payments:
            try:
                give_up_card_payment(payment=payments[number % len(payments)], by=self._office.staff.email)
            except (CardServiceError, ImproperlyConfigured) as error:
                self._office.say(f"not given up: {error}")

    def pay_back(self, refund: Refund) -> None:
        pay_back_by_card(refund=refund, by=self._office.staff)

    def decide_hanging(self, number: int) -> None:
        """One of those that hang: by what the service's own pages show."""
        payments = [row for row in Payment.objects.order_by("pk") if may_decide_payment(row)]
        refunds = [row for row in Refund.objects.order_by("pk") if may_decide_refund(row)]
        words: dict[str, Any] = {"why": "seen on its pages", "by": self._office.staff}
        if payments:
            payment = payments[number % len(payments)]
            intent = self.find_intent(payment)
            if intent is None or intent["status"] != "succeeded":
                declare_unpaid(payment=payment, **words)
            elif (intent["amount_received"], intent["currency"].upper()) == (intent["amount"], payment.currency):
                declare_paid(payment=payment, reference=intent["id"], **words)
        if refunds:
            refund = refunds[number % len(refunds)]
            states = {row["status"] for row in self.find_refunds(refund)}
            if "succeeded" in states:
                declare_refunded(refund=refund, reference="seen", **words)
            elif "pending" not in states:
                declare_not_refunded(refund=refund, **words)

    # -- what customers and banks do ----------------------------------------------------------------------------------

    def pay(self, number: int, how: str) -> None:
        """The customer pays what an app could be given; nobody here is told of it."""
        payments = list(Payment.objects.filter(method=Payment.Method.CARD).exclude(intent_id="").order_by("pk"))
        if payments:
            self.pay_intent(payments[number % len(payments)].intent_id, how)

    def pay_intent(self, intent_id: str, how: str = "exact") -> None:
        if not intent_id:
            return
        intent = next(row for row in self._service.objects() if row["id"] == intent_id)
        if intent["status"] in _ENDED:
            return
        amount = {"short": max(1, intent["amount"] // 2), "over": intent["amount"] + 100}.get(how, intent["amount"])
        self._service.pay(intent_id, amount=amount, currency="chf" if how == "foreign" else None)

    def decline(self, number: int) -> None:
        """The bank refuses the card, or wants the customer to do something."""
        found = [row for row in self._list("payment_intent") if row["status"] not in _ENDED]
        if found:
            intent_id = found[number % len(found)]["id"]
            if number % 3:
                self._service.move(intent_id, "requires_action" if number % 2 else "processing")
            else:
                self._service.decline(intent_id)

    def end_refund(self, number: int, status: str) -> None:
        """A refund arrives, or fails, be it days later."""
        ends = {"pending": ("succeeded", "failed"), "succeeded": ("failed",)}
        found = [row for row in self._list("refund") if status in ends.get(row["status"], ())]
        if found:
            self._service.end_refund(found[number % len(found)]["id"], status)

    # -- what comes by ------------------------------------------------------------------------------------------------

    def look(self, *, wait: bool) -> None:
        """The job that asks by itself."""
        if wait:
            self.wait_for_due()
        run_card_payments()
        run_card_refunds()

    def bring_news(self, seed: int, *, all_of_them: bool = False) -> None:
        """The service's calls: shuffled, repeated, in part lost, among strangers'; those that failed come again."""
        chance = random.Random(seed)
        bodies = [one["body"].encode() for one in self._service.list_events()]
        if not all_of_them:
            bodies = [body for body in bodies for _ in range(chance.choice([0, 1, 1, 2]))]
            chance.shuffle(bodies)
        taken = 200 if settings.STRIPE_SECRET_KEY else 404
        for body in bodies:
            assert self._knock(body, WEBHOOK_SECRET) == taken
        if bodies and not all_of_them:
            assert self._knock(bodies[0], "whsec_of_a_stranger") == (400 if taken == 200 else 404)
        drain_payment_inbox()

    def _knock(self, body: bytes, secret: str) -> int:
        # Signed anew: the service does so by real time, which stands still here.
        at = int(time.time())
        mac = hmac.new(secret.encode(), f"{at}.".encode() + body, hashlib.sha256)
        headers = {"Stripe-Signature": f"t={at},v1={mac.hexdigest()}"}
        return Client().post(DOOR, data=body, content_type="application/json", headers=headers).status_code

    def wait_for_due(self) -> None:
        payments = Payment.objects.filter(next_check_at__isnull=False).aggregate(at=Min("next_check_at"))["at"]
        refunds = Refund.objects.filter(next_attempt_at__isnull=False).aggregate(at=Min("next_attempt_at"))["at"]
        calls = PaymentDelivery.objects.filter(next_attempt_at__isnull=False).aggregate(at=Min("next_attempt_at"))["at"]
        self._wait_until(min(filter(None, (payments, refunds, calls)), default=None))

    def _wait_until(self, at: datetime | None) -> None:
        if at is not None and at > timezone.now():
            self._office.wait((at - timezone.now()).total_seconds())

    # -- the end ------------------------------------------------------------------------------------------------------

    def come_to_rest(self) -> None:
        """No more faults: refunds arrive, every call comes, and the job asks until nothing is under way."""
        settings.STRIPE_SECRET_KEY = SECRET_KEY
        if not Payment.objects.filter(method=Payment.Method.CARD).exists():
            return
        self._office.wholesale.simulator.set_switches(stripe_refund_status="succeeded")
        for row in self._list("refund"):
            if row["status"] == "pending":
                self._service.end_refund(row["id"], "succeeded")
        self.bring_news(0, all_of_them=True)
        for _round in range(_ROUNDS):
            for parked in PaymentDelivery.objects.filter(state=PaymentDelivery.State.PARKED):
                retry_payment_delivery(delivery=parked, by=self._office.staff)
            drain_payment_inbox()
            self.look(wait=False)
            if not self.is_moving():
                return
            self.wait_for_due()
        raise AssertionError("cards do not come to rest")

    def pay_everything_back(self) -> bool:
        """What is owed goes back to the cards that paid; whether anything did."""
        due = list(Refund.objects.filter(state=Refund.State.DUE).order_by("pk"))
        back = [refund for refund in due if find_card_to_refund(refund) is not None]
        for refund in back:
            self.pay_back(refund)
        return bool(back)

    def is_moving(self) -> bool:
        """Whether something is not yet as the service has it."""
        open_intents = {row["id"] for row in self._list("payment_intent") if row["status"] not in _ENDED}
        pending = Payment.objects.filter(state=Payment.State.PENDING, method=Payment.Method.CARD)
        return (
            any(intent_id not in open_intents for intent_id in pending.values_list("intent_id", flat=True))
            or Refund.objects.filter(state=Refund.State.SENDING).exists()
            or PaymentDelivery.objects.filter(next_attempt_at__isnull=False).exists()
        )

    # -- the service's books ------------------------------------------------------------------------------------------

    def _list(self, kind: str) -> list[Document]:
        """The oldest first."""
        return list(reversed(self._service.objects(kind)))

    def find_intent(self, payment: Payment) -> Document | None:
        key = str(payment.form_key)
        return next((row for row in self._list("payment_intent") if row["metadata"]["payment"] == key), None)

    def find_refunds(self, refund: Refund) -> list[Document]:
        return [row for row in self._list("refund") if row["metadata"]["refund"].split("-")[-2] == str(refund.pk)]
