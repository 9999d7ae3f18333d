"""Fills the demo office through the real flows: the desk's own verbs, the real worker, HTTP to the simulator.

Every step may run again: what the story needs is found by keys that are made of its names, and what was done is noted,
so that a filling that was interrupted goes on where it stopped.
"""

import json
from collections.abc import Callable, Mapping
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

from django.utils import timezone

from config.demo import accounts, activations, cards, money
from config.demo.desk import DemoDesk, make_key
from config.demo.provider import DemoProvider
from config.demo.sales import SALES, TODAY
from config.demo.story import ACCESS, DAYS_BACK, ESIMFX, FREEBIT, PEOPLE, Fate, Trouble
from config.demo.travels import MB, live_a_day
from config.demo.waiting import wait_for
from customers.customers import CustomerExists, create_customer
from customers.models import User
from esims.models import Esim, LineAction
from esims.usage import set_simulated_usage
from orders.models import Order, PaymentDelivery, Purchase, ReturnWish
from providers.models import AccountTask, WebhookDelivery
from providers.types import Capability

#: Nothing more happens to these by itself.
SETTLED = (*Purchase.ENDED, Purchase.State.HELD, Purchase.State.UNKNOWN)
#: The simulator's fault behind each trouble.
_FAULTS: Mapping[Trouble, tuple[str, Mapping[str, Any]]] = {
    Trouble.NO_BALANCE: ("refuse", {"reason": "insufficient_balance"}),
    Trouble.NO_STOCK: ("refuse", {"reason": "out_of_stock"}),
    Trouble.NO_ANSWER: ("reset_after", {}),
    Trouble.ONE_MISSING: ("short_order", {"by": 1}),
    Trouble.REFUSED: ("status_before", {"status": 400, "code": "PLAN_SUSPENDED", "message": "Plan suspended"}),
}


class Filling:
    """One filling of the office. ``say`` tells the person in front of it how it goes."""

    def __init__(self, *, staff: User, notes: Path, say: Callable[[str], None]) -> None:
        self._staff = staff
        self._notes = notes
        self._done: list[str] = json.loads(notes.read_text()) if notes.exists() else []
        self._say = say
        self._provider = DemoProvider()
        self._desk = DemoDesk(staff)

    def run(self) -> None:
        """Everything, step by step. Raises FillingStuck."""
        steps: tuple[tuple[str, Callable[[], None]], ...] = (
            ("The catalogues are read", self._sync),
            ("Customers come in", self._welcome),
            ("They buy", self._sell),
            ("They travel", self._travel),
            ("Today's purchases meet trouble", self._meet_trouble),
            ("Some pay by card", self._pay_by_card),
            ("Their lines are read", self._read_lines),
            ("The desk looks after their lines", self._look_after),
            ("Some pay later, or not as asked", self._take_money),
            ("The day ends", self._end_day),
            ("At night the books are compared", self._compare),
        )
        for title, step in steps:
            if title not in self._done:
                self._say(f"{title} …")
            self._once(title, step)

    def _once(self, title: str, step: Callable[[], None]) -> None:
        if title not in self._done:
            step()
            self._done.append(title)
            self._notes.write_text(json.dumps(self._done))

    # -- the steps ------------------------------------------------------------------------------------------------

    def _sync(self) -> None:
        self._provider.set_days_back(DAYS_BACK)
        by = self._staff.email
        accounts.set_margins(by=by)
        for run in accounts.read_catalogues(by=by):
            self._say(f"  {run.account.name}: {run.added} plans ({run.get_state_display()})")
        activations.enter_plans(by=by)
        accounts.do_tasks(AccountTask.Kind.REGIONS, Capability.REGIONS, by=by)
        self._read_balances()

    def _welcome(self) -> None:
        for person in PEOPLE:
            try:
                create_customer(
                    name=person.name,
                    email=person.email,
                    phone=person.phone,
                    company=person.company,
                    country=person.country,
                    language=person.language,
                    note=person.note,
                    by=self._staff,
                )
            except CustomerExists:
                continue

    def _sell(self) -> None:
        self._wait_for_purchases([self._desk.place(sale) for sale in SALES])
        self._provider.buy_in_portal(self._desk.choose_plan(next(sale for sale in SALES if sale.account == ACCESS)))
        self._read_balances()

    def _travel(self) -> None:
        # Use by day is the growth between two readings where a wholesaler tells totals only.
        self._desk.read_again([esim for esim, _fate in self._told_lines() if esim.total_used_bytes is None])
        for days_back in range(DAYS_BACK, -1, -1):
            self._provider.set_days_back(days_back)
            self._once(f"day {days_back}", partial(self._live_a_day, DAYS_BACK - days_back))

    def _meet_trouble(self) -> None:
        """The purchases go on while the desk does other things."""
        for sale in TODAY:
            plan = self._desk.choose_plan(sale)
            if sale.trouble is not None and not Order.objects.filter(checkout_key=make_key(sale.name)).exists():
                kind, details = _FAULTS[sale.trouble]
                self._provider.order_fault(kind, plan, **details)
            self._desk.place(sale)
        activations.send_forms(self._desk, staff=self._staff)

    def _pay_by_card(self) -> None:
        self._wait_for_purchases(cards.pay_by_card(self._desk, self._provider, staff=self._staff))

    def _read_lines(self) -> None:
        # What the wholesalers told of by themselves is worked off before the desk asks.
        self._wait_for_webhooks()
        self._desk.read_again([esim for esim, _fate in self._told_lines()])

    def _look_after(self) -> None:
        top_ups = [self._desk.top_up(sale) for sale in SALES if sale.topped_up]
        replacing = [self._desk.replace_last(sale) for sale in SALES if sale.replaced]
        asked = [action for esim, fate in self._told_lines() if (action := self._desk.look_after(esim, fate))]
        simulated = [esim for esim, fate in self._told_lines() if fate is Fate.IS_SIMULATED]
        today = timezone.now().date()
        for esim in simulated:
            days = {today - timedelta(days=ago): (ago + 2) * 64 * MB for ago in range(4)}
            set_simulated_usage(esim=esim, days=days, by=self._staff.email)
        self._desk.read_again(simulated)
        actions = LineAction.objects.filter(pk__in=[action.pk for action in asked])
        wait_for("what was asked of the wholesalers", lambda: not actions.filter(state__in=LineAction.OPEN).exists())
        for action in actions.select_related("esim").order_by("pk"):
            self._say(f"  {action.esim}: {action.kind} – {action.get_state_display()}")
        self._wait_for_purchases([*top_ups, *replacing])
        # What was promised for lines that ended is owed as soon as they show it.
        wait_for("what customers get back", lambda: not ReturnWish.objects.filter(state="waiting").exists())
        report = activations.import_file(self._provider, by=self._staff.email)
        self._say(f"  {report}: {report.applied} rows applied, {report.unmatched} of others")

    def _take_money(self) -> None:
        account = money.open_credit(staff=self._staff)
        self._wait_for_purchases([self._desk.place(money.ON_CREDIT)])
        money.state_credit(account, staff=self._staff)
        for order in money.take_what_came(self._desk, staff=self._staff):
            self._say(f"  {order.number}: {order.get_state_display()}, and a payment to decide about")

    def _end_day(self) -> None:
        paid = [make_key(sale.name) for sale in TODAY if sale.paid]
        self._wait_for_purchases(list(Order.objects.filter(checkout_key__in=paid)))
        accounts.misdirect_webhook()
        accounts.set_low_marks(by=self._staff.email)
        self._read_balances()
        self._wait_for_webhooks()

    def _compare(self) -> None:
        """A line that somebody bought in the portal is not in our books, and a deposit is not explained by them."""
        by = self._staff.email
        accounts.compare((ACCESS, ESIMFX, FREEBIT), by=by)
        self._provider.deposit(250)
        for run in accounts.compare((ESIMFX,), by=by):
            self._say(f"  {run.account.name}: {run.found} new differences ({run.get_state_display()})")

    # -- their parts ----------------------------------------------------------------------------------------------

    def _live_a_day(self, day: int) -> None:
        for sale in SALES:
            for number, (esim, fate) in enumerate(zip(self._desk.list_lines(sale), sale.fates, strict=False)):
                days = sale.days if sale.by_day else esim.plan.validity_days or 1
                live_a_day(self._provider, esim, fate, days=days, day=day, number=number)

    def _told_lines(self) -> list[tuple[Esim, Fate]]:
        """The lines of which the story tells something."""
        return [pair for sale in SALES for pair in zip(self._desk.list_lines(sale), sale.fates, strict=False)]

    def _read_balances(self) -> None:
        accounts.do_tasks(AccountTask.Kind.BALANCE, Capability.BALANCE, by=self._staff.email)

    def _wait_for_purchases(self, orders: list[Order]) -> None:
        purchases = Purchase.objects.filter(order_line__order__in=orders).order_by("pk")
        open_ones = purchases.exclude(state__in=SETTLED)
        wait_for("the purchases", lambda: not open_ones.exists())
        for purchase in purchases.select_related("order_line__order"):
            line = purchase.order_line
            what = f"{purchase.quantity} × {line.plan_name}"
            self._say(f"  {line.order.number}: {what} – {purchase.get_state_display()}")

    def _wait_for_webhooks(self) -> None:
        waiting = WebhookDelivery.objects.filter(state=WebhookDelivery.State.NEW)
        calls = PaymentDelivery.objects.filter(state=PaymentDelivery.State.NEW)
        wait_for(
            "the wholesalers' calls",
            lambda: self._provider.count_waiting_webhooks() == 0 and not waiting.exists() and not calls.exists(),
        )
