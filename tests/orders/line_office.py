"""Our side of the schedules of ``test_fault_schedules_lines``: a clock, workers that die or are slow, honest staff."""

import itertools
import json
import random
import uuid
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

import time_machine
from django.db.models import Min
from django.test import Client
from django.utils import timezone
from hypothesis import note

from catalog.models import Plan
from customers.models import User
from esims.lifecycle import register_lines
from esims.models import Esim
from esims.refresh import refresh_line
from orders import reconciliation
from orders.activations import CorrectionRefused, correct_form, may_correct, place_activation
from orders.arrivals import settle_arrivals
from orders.checkout import CheckoutRefused, cancel_order
from orders.checkpoints import Checkpoint, install_hook
from orders.completions import import_completions
from orders.inbox import drain_inbox
from orders.models import Activation, Order, OrderLine, Payment, Purchase, Refund, TopUpOffer
from orders.purchasing import run_due_purchases
from orders.reconciliation import ReconciliationRefused
from orders.refunds import RefundRefused, record_refund_made
from orders.selling import PaymentTaken
from orders.sweeping import sweep_purchases
from orders.topups import sell_top_up
from providers.registry import get_provider, offers
from providers.types import Capability, Priority
from tests.orders.activating import make_eid
from tests.orders.fakes_forms import Registry
from tests.orders.fakes_lines import Allocator, make_line
from tests.orders.fakes_webhooks import SECRET
from tests.orders.making import make_customer, make_fake_account, make_fake_plan, order_plan, pay

PS = Purchase.State
Kind = OrderLine.Kind
#: Accounts whose lines are sold and topped up.
SLUGS = ("fake-calls", "fake-keyed", "fake-mute")
DECISIONS = (
    *("look_again", "arrived", "not_bought", "accepted", "lines", "transaction", "resume", "give_up", "read_again"),
    *("correct", "refund", "pay", "cancel"),
)
_numbers = itertools.count(1)


class Died(BaseException):
    """The worker is gone."""


class LineOffice:
    """Lines of all accounts, and what is sold for them; staff know the providers' portals."""

    def __init__(self, *, allocator: Allocator, registry: Registry, staff: User, clock: time_machine.Traveller) -> None:
        self.allocator = allocator
        self.registry = registry
        self.staff = staff
        self.clock = clock
        self.orders: list[Order] = []
        self.wrongs: list[str] = []
        self.customer = make_customer()
        self.eids = [make_eid(), make_eid()]
        self.form_plan = make_fake_plan("fake-form", kind=Plan.Kind.ACTIVATION)
        self.lines = {slug: self._make_line(slug) for slug in SLUGS}
        self.todo = {
            "orders": allocator.orders_todo,
            "top_ups": allocator.top_ups_todo,
            "forms": registry.todo,
            "reads": allocator.reads_todo,
            "looks": allocator.looks_todo,
        }
        allocator.on_arrival = self._watch

    def _make_line(self, slug: str) -> Esim:
        """A line that is there from before."""
        account = make_fake_account(slug)
        snapshot = make_line(self.allocator.make_ref("before"))
        plan = make_fake_plan(slug)
        (esim,) = register_lines(account=account, customer=self.customer, plan=plan, snapshots=[snapshot], by="before")
        return esim

    @property
    def purchases(self) -> list[Purchase]:
        rows = Purchase.objects.select_related("order_line__esim", "account")
        return list(rows.filter(order_line__order__in=self.orders).order_by("pk"))

    def _watch(self, key: str) -> None:
        """A top-up that may not be repeated arrives: no other of its line may be under way."""
        purchase = next(one for one in self.purchases if one.idempotency_key == key)
        if purchase.order_line.kind != Kind.TOP_UP or purchase.account.slug != "fake-calls":
            return
        others = [one for one in self.purchases if one.order_line.kind == Kind.TOP_UP and one.pk != purchase.pk]
        states = {one.state for one in others if one.order_line.esim_id == purchase.order_line.esim_id}
        if states & {PS.SENDING, PS.ALLOCATING, PS.UNKNOWN}:
            self.wrongs.append(f"top-up {purchase.pk} was sent beside another: {states}")

    # -- selling ----------------------------------------------------------------------------------------------------

    def sell(self, what: str, where: Any) -> None:
        try:
            self.orders.append(self._sell(what, where))
        except CheckoutRefused as refused:
            note(f"{what} refused: {refused.message}")

    def _sell(self, what: str, where: Any) -> Order:
        cash = PaymentTaken(method=Payment.Method.CASH, reference="", form_key=uuid.uuid4())
        if what == "esim":
            slug, quantity = where
            order = order_plan(make_fake_plan(slug), quantity, by=self.staff, customer=self.customer)
            pay(order, by=self.staff)
            return order
        if what == "top_up":
            plan = make_fake_plan(where, kind=Plan.Kind.TOP_UP)
            # As if the provider had just been asked what fits.
            TopUpOffer.objects.create(esim=self.lines[where], plan=plan, asked_at=timezone.now())
            return sell_top_up(
                esim=self.lines[where],
                plan=plan,
                checkout_key=uuid.uuid4(),
                expected_price=plan.retail_price or plan.suggested_price,  # type: ignore[arg-type]
                by=self.staff,
                payment=cash,
            )
        number, is_paid = where
        return place_activation(
            customer=self.customer,
            plan=self.form_plan,
            values={"eid": self.eids[number], "name": "Haruko"},
            checkout_key=uuid.uuid4(),
            expected_price=self.form_plan.retail_price,  # type: ignore[arg-type]
            by=self.staff,
            payment=cash if is_paid else None,
        )

    # -- what happens -----------------------------------------------------------------------------------------------

    def take(self, name: str, argument: Any) -> None:
        match name:
            case "sell":
                self.sell(*argument)
            case "run":
                self.run(die_at=argument)
            case "slow_call" | "slow_look":
                self.run_slowly(name, argument)
            case "wait":
                self.clock.shift(argument)
            case "sweep":
                sweep_purchases()
                settle_arrivals()
            case "poke":
                self.poke(argument)
                # What is due is woken within a second.
                run_due_purchases(limit=1, seconds=30)
            case "file":
                self.bring_file(argument)
            case "portal":
                if self.allocator.shows_keys and self.allocator.shows_packages:
                    ref = self.lines[SLUGS[argument % len(SLUGS)]].provider_ref
                    self.allocator.top_up(f"portal-{next(_numbers)}", ref)
            case _:
                self.decide(*argument)

    def wait_for_due(self) -> None:
        """Until the next step of a purchase is due."""
        waiting = Purchase.objects.filter(order_line__order__in=self.orders, state__in=(PS.PLANNED, PS.ALLOCATING))
        due = waiting.aggregate(due=Min("next_attempt_at"))["due"]
        if due is not None and due > timezone.now():
            self.clock.shift(due - timezone.now())

    def run(self, die_at: Checkpoint | None, limit: int = 2) -> None:
        self.wait_for_due()
        with _dying(die_at):
            run_due_purchases(limit=limit, seconds=30)

    def run_slowly(self, what: str, meanwhile: str) -> None:
        """A call, or a look, that lasts so long that others come by."""

        def hook() -> None:
            if meanwhile in ("sweep", "resend"):
                self.clock.shift(timedelta(minutes=6))
                sweep_purchases()
                settle_arrivals()
            if meanwhile == "poke":
                for number in range(len(self.purchases)):
                    self.poke(number)
            if meanwhile != "sweep":
                run_due_purchases(limit=3, seconds=30)

        if what == "slow_call":
            self.allocator.during_call = self.registry.during_call = hook
        else:
            self.allocator.during_look = hook
        self.run(die_at=None)
        self.allocator.during_call = self.registry.during_call = self.allocator.during_look = None

    def poke(self, number: int) -> None:
        """The provider calls us about an order of ours, or about one that it does not have."""
        purchases = [one for one in self.purchases if one.account.slug == "fake-calls"]
        if not purchases:
            return
        purchase = purchases[number % len(purchases)]
        sale = next((sale for sale in self.allocator.sales if sale.key == purchase.idempotency_key), None)
        named = {"key": purchase.idempotency_key} if number % 2 else {"order": sale.order if sale else "B9999"}
        document = {"id": f"n{next(_numbers)}", "kind": "order_ready", **named}
        answer = Client().post(
            "/hooks/fake-calls/",
            data=json.dumps(document),
            content_type="application/json",
            headers={"token": SECRET},
        )
        assert answer.status_code == 200
        drain_inbox()

    def bring_file(self, seed: int) -> None:
        """Some rows, in any order and some of them twice; the worker that reads it may die, and it is brought again."""
        chance = random.Random(seed)
        for one in self.registry.accepted:
            if one.is_done is None:
                one.is_done = chance.choice([True, True, False, None])
        codes = [one.code for one in self.registry.accepted if chance.random() > 0.3] * 2
        chance.shuffle(codes)
        data = self.registry.make_file(codes)
        for die_at in [Checkpoint.APPLYING, None] if chance.random() > 0.5 else [None]:
            with _dying(die_at):
                import_completions(account=make_fake_account("fake-form"), data=data, file_name="f", by="command")

    # -- decisions --------------------------------------------------------------------------------------------------

    def decide(self, name: str, number: int) -> None:
        try:
            if name in ("pay", "cancel"):
                self._decide_order(name, self.orders[number % len(self.orders)])
            elif self.purchases:
                self._decide(name, self.purchases[number % len(self.purchases)])
        except (ReconciliationRefused, RefundRefused, CorrectionRefused, CheckoutRefused) as refused:
            note(f"{name} refused: {refused.message}")

    def _decide_order(self, name: str, order: Order) -> None:
        order.refresh_from_db()
        if name == "cancel":
            cancel_order(order=order, by=self.staff, why="customer left")
        elif order.state == Order.State.UNPAID:
            pay(order, by=self.staff)

    def _decide(self, name: str, purchase: Purchase) -> None:
        if name == "refund":
            for refund in Refund.objects.filter(purchase=purchase):
                record_refund_made(refund=refund, method="cash", by=self.staff)
            return
        if name == "correct":
            if may_correct(purchase):
                values = {"eid": self.eids[purchase.pk % 2], "name": "Haruko"}
                correct_form(purchase=purchase, values=values, why="", by=self.staff)
            return
        verb, arguments = self._choose(name, purchase)
        if verb is not None:
            verb(purchase=purchase, by=self.staff, **arguments)

    def _choose(self, name: str, purchase: Purchase) -> tuple[Callable[..., Any] | None, dict[str, Any]]:
        """The verb with what the portal shows; None where honest staff would not take this decision."""
        sale = next((sale for sale in self.allocator.sales if sale.key == purchase.idempotency_key), None)
        refs = sale.refs if sale else []
        missing = [ref for ref in refs if not Esim.objects.filter(provider_ref=ref).exists()]
        is_there = self.is_sold(purchase)
        told: Mapping[str, Any] = {"why": "portal"}
        # The portal says whose a package is.
        none = {**told, "not_ours": True}
        choices: dict[str, tuple[Callable[..., Any] | None, dict[str, Any]]] = {
            "look_again": (reconciliation.look_again, {}),
            "arrived": (reconciliation.confirm_top_up if is_there else None, {**told}),
            "accepted": (reconciliation.await_completion if is_there else None, {**told}),
            "not_bought": (None if missing or (is_there and not sale) else reconciliation.mark_not_bought, none),
            "transaction": (reconciliation.enter_transaction_id, {"transaction_id": sale.order if sale else ""}),
            "lines": (reconciliation.attach_lines, {"iccids": missing}),
            "resume": (reconciliation.resume_purchase, {}),
            "give_up": (reconciliation.give_up_purchase, {"why": "customer left"}),
            "read_again": (reconciliation.read_reply_again, {}),
        }
        return choices[name]

    def is_sold(self, purchase: Purchase) -> bool:
        """Whether the provider's books hold this purchase (an activation that failed is none)."""
        key = purchase.idempotency_key
        if purchase.order_line.kind == Kind.TOP_UP:
            return any(known == key for known, _ref in self.allocator.top_ups)
        if purchase.order_line.kind in OrderLine.BY_FORM:
            code = Activation.objects.get(order_line=purchase.order_line).delivery_code
            found = self.registry.find(code)
            return found is not None and found.is_done is not False
        return any(sale.key == key for sale in self.allocator.sales)

    # -- the end ----------------------------------------------------------------------------------------------------

    def come_to_rest(self) -> None:
        """No more faults: everything that happens by itself happens, and the file tells everything."""
        for todo in self.todo.values():
            todo.clear()
        for _ in range(40):
            overdue = Purchase.objects.filter(order_line__order__in=self.orders, state=PS.SENDING)
            last = overdue.aggregate(last=Min("claim_until"))["last"]
            self.clock.shift(max(timedelta(seconds=61), (last or timezone.now()) - timezone.now()))
            sweep_purchases()
            settle_arrivals()
            self.run(None, limit=20)
            for one in self.registry.accepted:
                one.is_done = one.is_done is not False
            data = self.registry.make_file([one.code for one in self.registry.accepted])
            import_completions(account=make_fake_account("fake-form"), data=data, file_name="end", by="command")
            if {purchase.state for purchase in self.purchases} <= {*Purchase.ENDED, PS.UNKNOWN, PS.HELD}:
                break
        else:
            raise AssertionError([(row.pk, row.state, row.error) for row in self.purchases])
        for esim in self.lines.values():
            if offers(esim.account.slug, Capability.READ_LINE):
                get_provider(esim.account.slug)
                refresh_line(esim_id=esim.pk, priority=Priority.PEOPLE, by="end")


class _dying:  # noqa: N801  (used as a word: with _dying(...))
    """The worker dies at this checkpoint, if it comes there."""

    def __init__(self, at: Checkpoint | None) -> None:
        self.at = at

    def __enter__(self) -> None:
        def hook(checkpoint: Checkpoint, _purchase_id: int) -> None:
            if checkpoint == self.at:
                raise Died

        install_hook(hook)

    def __exit__(self, kind: type[BaseException] | None, *_rest: object) -> bool:
        install_hook(None)
        if kind is Died:
            note(f"died at {self.at}")
        return kind is Died
