"""Our side of a schedule: a clock, workers that die or are slow, honest staff, and what is sold."""

import random
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

import time_machine
from django.db import connection
from django.db.models import F, Min
from django.test import Client
from django.utils import timezone

from catalog.models import PriceRule
from catalog.pricing import save_rule
from customers.models import User
from esims.lifecycle import register_bare_lines
from esims.models import Esim
from esims.refresh import refresh_line
from orders.activations import place_activation
from orders.arrivals import settle_arrivals
from orders.checkpoints import Checkpoint, install_hook
from orders.completions import import_completions
from orders.inbox import drain_inbox
from orders.models import Order, OrderLine, Payment, Purchase
from orders.payments import record_payment
from orders.purchasing import run_due_purchases, run_purchase
from orders.refunds import RefundRefused
from orders.selling import PaymentTaken, sell_plan
from orders.sweeping import sweep_purchases
from orders.topups import TopUpsUnknown, find_top_ups, sell_top_up
from providers.models import ProviderAccount, RatePause, RateSlot
from providers.types import Priority
from tests.catalog.making import make_account
from tests.faults.card_desk import CARDS, CardDesk
from tests.faults.cashier import MONEY, Cashier
from tests.faults.deciding import REFUSALS, Decider
from tests.faults.schedules import FaultSpec, Schedule, Step
from tests.faults.wholesale import ADAPTERS, SYSTEMS, Wholesale
from tests.orders.activating import NEW, make_activation_plan, make_eid
from tests.orders.making import make_customer, make_user
from tests.queue import Queue

PS = Purchase.State
Kind = OrderLine.Kind
_real_monotonic = time.monotonic
#: After so many rounds without faults everything must have come to rest.
_ROUNDS = 60


class Died(BaseException):
    """Whoever took the step is gone."""


class Office:
    """One example's office."""

    def __init__(self, *, wholesale: Wholesale, clock: time_machine.Traveller) -> None:
        self.wholesale = wholesale
        self.clock = clock
        self.journal: list[str] = []
        self.waited = 0.0
        self.is_slow = False
        self.orders: list[Order] = []
        self.files: list[bytes] = []
        permissions = ("reconcile", "refund", "sell", "handle_payment", "handle_paymentdelivery")
        self.staff: User = make_user(*(f"orders.{name}" for name in permissions))
        self.customer = make_customer()
        self.eids = [make_eid(), make_eid()]
        self.queue = Queue()
        self.cashier = Cashier(self)
        self.cards = CardDesk(self)
        self.decider = Decider(self)
        for slug, adapter in ADAPTERS.items():
            make_account(slug, adapter=adapter)
        margin = PriceRule(name="Half as much again", currency="USD", margin_percent=50)
        save_rule(rule=margin, by="before")

    # -- what there is ----------------------------------------------------------------------------------------------

    @property
    def purchases(self) -> list[Purchase]:
        rows = Purchase.objects.select_related("order_line__order", "order_line__esim", "order_line__plan", "account")
        return list(rows.order_by("pk"))

    def say(self, what: str) -> None:
        self.journal.append(what)

    def find_line(self, account: str, number: int) -> Esim:
        """A line of the account: one of this example where there is one, or one from before."""
        lines = list(Esim.objects.filter(account__slug=account).select_related("account", "plan", "customer"))
        if not lines:
            ref, ware = self.wholesale.make_line(account)
            plan = self.wholesale.put_up(account, ware)
            row = ProviderAccount.objects.get(slug=account)
            lines = register_bare_lines(account=row, customer=self.customer, plan=plan, refs=[ref], by="before")
            refresh_line(esim_id=lines[0].pk, priority=Priority.PEOPLE, by="before")
            lines = list(Esim.objects.filter(account__slug=account).select_related("account", "plan", "customer"))
        return lines[number % len(lines)]

    def prepare(self, schedule: Schedule) -> None:
        """Lines from before for what is topped up; then the wholesalers show their nature."""
        for account in sorted({wish[1] for wish in _list_wishes(schedule.steps) if wish[0] == "top_up"}):
            self.find_line(account, 0)
        self.wholesale.begin()
        self.is_slow = schedule.is_slow

    def order_fault(self, fault: FaultSpec) -> None:
        self.wholesale.ensure_alive()
        self.wholesale.simulator.order_fault(
            fault.kind,
            fault.endpoint,
            system=SYSTEMS.get(fault.account, fault.account),
            skip=fault.skip,
            **fault.parameters,
        )

    # -- steps ------------------------------------------------------------------------------------------------------

    def take(self, step: Step) -> None:
        """Take a step; whoever takes it may die, and others may come by meanwhile."""
        self.wholesale.ensure_alive()
        with self._fate(step):
            try:
                self._take(step.name, step.argument)
            except (*REFUSALS, RefundRefused) as refused:
                self.say(f"{step.name}: refused, {getattr(refused, 'message', refused)}")
        # A deed that its client gave up still happens, and always before the next step.
        if self.is_slow:
            self.wholesale.wait_until_idle()

    @contextmanager
    def _fate(self, step: Step) -> Iterator[None]:
        passed: dict[str, int] = {}

        def hook(checkpoint: Checkpoint, row_id: int) -> None:
            turn = passed.get(checkpoint, 0)
            passed[checkpoint] = turn + 1
            if step.dies == (checkpoint, turn):
                raise Died
            if step.meanwhile == (checkpoint, turn):
                self.say(f"meanwhile at {checkpoint} {row_id}")
                for other in step.others:
                    self.take(other)
                install_hook(hook)

        install_hook(hook)
        try:
            yield
        except Died:
            self.say(f"{step.name} died at {step.dies}")
        finally:
            install_hook(None)

    def _take(self, name: str, argument: Any) -> None:
        if name in MONEY:
            self.cashier.take(name, argument)
        elif name in CARDS:
            self.cards.take(name, argument)
        else:
            steps: Mapping[str, Callable[[Any], object]] = {
                "sell": lambda wish: self.sell(*wish),
                "run": self.run,
                "job": lambda job: self.run_job(*job),
                "sweep": lambda _: (sweep_purchases(), settle_arrivals()),
                "overdue": lambda _: self.wait_for_deadlines(),
                "wait": self.wait,
                "skew": lambda seconds: self.wholesale.simulator.move_clock(seconds=seconds),
                "hooks": self.bring_webhooks,
                "use": self.use_line,
                "file": self.bring_file,
                "decide": lambda decision: self.decider.decide(*decision),
                "pause": lambda slug: ProviderAccount.objects.filter(slug=slug).update(is_paused=True),
                "unpause": lambda _: ProviderAccount.objects.update(is_paused=False),
                "fault": self.order_fault,
            }
            steps[name](argument)

    # -- selling ----------------------------------------------------------------------------------------------------

    def sell(self, wish: tuple[str, str, int], paid: str) -> None:
        what, account, number = wish
        cash = None
        if paid in ("cash", "twice"):
            cash = PaymentTaken(method=Payment.Method.CASH, reference="", form_key=uuid.uuid4())
        before = set(Order.objects.values_list("pk", flat=True))
        try:
            order = self._sell(what, account, number, cash)
        except Died:
            # The browser does not know; the order may be there.
            self.orders += Order.objects.exclude(pk__in=before)
            raise
        self.orders.append(order)
        if paid == "twice" and cash is not None:
            record_payment(
                order=order,
                method=cash.method,
                amount=order.total,
                currency=order.currency,
                reference="",
                form_key=cash.form_key,
                by=self.staff,
            )
        if paid.startswith("card"):
            payment = self.cards.ask(order)
            if paid != "card_open":
                self.cards.pay_intent(payment.intent_id, "over" if paid == "card_over" else "exact")

    def _sell(self, what: str, account: str, number: int, cash: PaymentTaken | None) -> Order:
        key = uuid.uuid4()
        if what == "top_up":
            esim = self.find_line(account, number)
            choices = [choice.plan for choice in find_top_ups(esim=esim) if not choice.refusal]
            if not choices:
                raise TopUpsUnknown("nothing fits")
            plan = choices[number % len(choices)]
            price = plan.retail_price
            assert price is not None
            return sell_top_up(
                esim=esim, plan=plan, checkout_key=key, expected_price=price, by=self.staff, payment=cash
            )
        if what == "form":
            plan = make_activation_plan(currency="JPY", retail_price=980)
            return place_activation(
                customer=self.customer,
                plan=plan,
                values={**NEW, "eid": self.eids[number]},
                checkout_key=key,
                expected_price=plan.retail_price,  # type: ignore[arg-type]
                by=self.staff,
                payment=cash,
            )
        plan = self.wholesale.make_plan(account)
        return sell_plan(
            customer=self.customer,
            plan=plan,
            quantity=number,
            checkout_key=key,
            expected_unit_price=plan.retail_price,  # type: ignore[arg-type]
            payment=cash,
            by=self.staff,
        )

    # -- time -------------------------------------------------------------------------------------------------------

    def wait(self, seconds: float) -> None:
        """Time passes, here and there. PostgreSQL's own clock, by which calls are counted, stands: its stamps move."""
        self.clock.shift(seconds)
        self.waited += seconds
        if connection.vendor == "postgresql":
            ago = timedelta(seconds=seconds)
            RatePause.objects.update(until=F("until") - ago)
            RateSlot.objects.filter(used_at__isnull=False).update(used_at=F("used_at") - ago)
        self.wholesale.ensure_alive()
        self.wholesale.simulator.move_clock(seconds=seconds)

    def wait_for_due(self) -> None:
        """Until the next step of a purchase is due."""
        waiting = Purchase.objects.filter(state__in=(PS.PLANNED, PS.ALLOCATING), account__is_paused=False)
        self._wait_until(waiting.aggregate(at=Min("next_attempt_at"))["at"])

    def wait_for_deadlines(self) -> None:
        """Until the first order that is being sent is past its deadline."""
        sending = Purchase.objects.filter(state=PS.SENDING).aggregate(at=Min("claim_until"))["at"]
        self._wait_until(sending and sending + timedelta(seconds=1))

    def _wait_until(self, at: Any) -> None:
        if at is not None and at > timezone.now():
            self.wait((at - timezone.now()).total_seconds())

    # -- what comes by ----------------------------------------------------------------------------------------------

    def run(self, limit: int) -> None:
        self.wait_for_due()
        run_due_purchases(limit=limit, seconds=60)

    def run_job(self, number: int, again: bool) -> None:
        """A job of the queue, in any order; with ``again`` the queue forgets that it ran."""
        rows = [row for row in self.queue.waiting() if row.name == "orders.tasks.run_purchase"]
        if rows:
            job = rows[number % len(rows)]
            run_purchase(purchase_id=job.args[0])
            if again:
                run_purchase(purchase_id=job.args[0])

    def use_line(self, number: int) -> None:
        lines = Esim.objects.filter(account__slug__in=("esim-access", "esimfx")).order_by("pk")
        if lines:
            line = lines[number % len(lines)]
            self.wholesale.use_some(line.account.slug, line.provider_ref)

    def bring_webhooks(self, seed: int, *, all_of_them: bool = False) -> None:
        """A storm: what waits at the wholesalers, shuffled, repeated, in part lost, among strangers' and nonsense."""
        chance = random.Random(seed)
        found = [(one["url"], one["headers"], one["body"].encode()) for one in self.wholesale.fetch_webhooks()]
        if not all_of_them:
            found = [one for one in found for _ in range(chance.choice([0, 1, 1, 2]))]
            chance.shuffle(found)
        if found and not all_of_them:
            url, headers, body = chance.choice(found)
            found.append((url, headers, body[: len(body) // 2]))
            found.append((url, headers, b'{"notifyType": "ORDER_STATUS", "content": {"orderNo": "B1", "x": [1]}}'))
            assert self._post(f"{url}x/", {}, body) == 404
        for url, headers, body in found:
            assert self._post(url, headers, body) == 200
        drain_inbox(limit=200)

    def _post(self, url: str, headers: dict[str, str], body: bytes) -> int:
        path = urlsplit(url).path
        answer = Client().post(path, data=body, content_type="application/json", headers=headers)
        return int(answer.status_code)

    def bring_file(self, seed: int, *, all_of_them: bool = False) -> None:
        """freebit finishes some of its work and sends a file: with repetitions and strangers, or an old one again."""
        chance = random.Random(seed)
        waiting = [one for one in self.wholesale.freebit.accepted() if one["state"] == "pending"]
        for one in waiting:
            if all_of_them or chance.random() < 0.7:
                code = "100" if all_of_them else chance.choice(["100", "100", "372"])
                self.wholesale.freebit.complete(one["eid"], delivery_code=one["delivery_code"], code=code)
        wishes = {} if all_of_them else {"repeat": chance.choice([1, 2]), "strangers": chance.choice([0, 1])}
        self.files.append(self.wholesale.freebit.completion_file(**wishes).content)
        data = self.files[-1] if all_of_them else chance.choice(self.files)
        account = ProviderAccount.objects.get(slug="freebit")
        import_completions(account=account, data=data, file_name="done.csv", by="command")

    # -- the end ----------------------------------------------------------------------------------------------------

    def come_to_rest(self) -> None:
        """No more faults: everything that happens by itself happens, and the file tells everything."""
        self.wholesale.ensure_alive()
        self.wholesale.simulator.forget_faults()
        ProviderAccount.objects.update(is_paused=False)
        self.cards.come_to_rest()
        for _round in range(_ROUNDS):
            self.wait_for_deadlines()
            sweep_purchases()
            settle_arrivals()
            self.wait_for_due()
            run_due_purchases(seconds=60)
            drain_inbox(limit=500)
            self.bring_file(0, all_of_them=True)
            if all(one.state in Purchase.ENDED or self.waits_for_people(one) for one in self.purchases):
                return
            self.wait(61)
        raise AssertionError(f"no rest: {self.describe()}")

    def waits_for_people(self, purchase: Purchase) -> bool:
        """Whether nothing (but a seldom look, where a provider allocates for ever) will happen by itself."""
        is_endless = purchase.state == PS.ALLOCATING and "has been allocating for long" in purchase.attention
        return is_endless or purchase.state in (PS.UNKNOWN, PS.HELD)

    def settle_everything(self) -> None:
        """Honest staff decide about everything that waits for them, until nothing does."""
        for _round in range(6):
            for purchase in self.purchases:
                if self.waits_for_people(purchase):
                    self.decider.settle(purchase)
            self.come_to_rest()
            if {one.state for one in self.purchases} <= set(Purchase.ENDED):
                return
        raise AssertionError(f"no end: {self.describe()}")

    def describe(self) -> str:
        return "\n".join(
            f"purchase {one.pk} {one.order_line.kind} {one.account.slug} {one.quantity}: {one.state} {one.error}"
            for one in self.purchases
        )

    def sleep(self, seconds: float) -> None:
        """In the place of ``time.sleep``: the clock moves."""
        self.wait(seconds)

    def monotonic(self) -> float:
        """In the place of ``time.monotonic``."""
        return _real_monotonic() + self.waited


def _list_wishes(steps: Sequence[Step]) -> Iterator[tuple[str, str, int]]:
    for step in steps:
        if step.name == "sell":
            yield step.argument[0]
        yield from _list_wishes(step.others)
