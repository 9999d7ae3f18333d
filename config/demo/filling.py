"""Fills the demo office through the real flows: the desk's own verbs, the real worker, HTTP to the simulator.

Every step may run again: orders, payments and customers are found by keys that are made of the story's names, and
what was done is noted, so that a filling that was interrupted goes on where it stopped.
"""

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid5

from django.db.models import Count, Q, QuerySet
from django.utils import timezone

from catalog.models import Plan, SyncRun
from catalog.search import PlanFilter, search_plans, sellable_plans
from catalog.sync import request_sync
from config.demo.provider import DemoProvider, find_system
from config.demo.story import DAYS_BACK, PEOPLE, SALES, TODAY, Fate, Sale, Trouble
from customers.customers import CustomerExists, create_customer
from customers.models import Customer, User
from esims.actions import request_action
from esims.models import Esim, LineAction
from esims.refresh import request_refresh
from esims.usage import set_simulated_usage
from orders.checkout import place_order
from orders.models import Order, Purchase
from orders.payments import count_outstanding, record_payment
from providers.registry import ensure_accounts
from providers.types import Capability, DataPeriod, LineState

_NAMESPACE = UUID("1c1de9f6-6f0c-4f2e-9d0f-3f8f9b1a7c52")
#: One order call in six seconds is what the provider allows; the whole story fits well into this.
WAIT_SECONDS = 180.0
#: Nothing more happens to these by itself.
SETTLED = (*Purchase.ENDED, Purchase.State.HELD, Purchase.State.UNKNOWN)
#: The simulator's fault behind each trouble.
_FAULTS: Mapping[Trouble, tuple[str, Mapping[str, Any]]] = {
    Trouble.NO_BALANCE: ("refuse", {"reason": "insufficient_balance"}),
    Trouble.NO_ANSWER: ("reset_after", {}),
    Trouble.ONE_MISSING: ("short_order", {"by": 1}),
    Trouble.REFUSED: ("status_before", {"status": 400, "code": "PLAN_SUSPENDED", "message": "Plan suspended"}),
}
KB = 1024
MB = 1024 * KB
GB = 1024 * MB


class FillingStuck(Exception):
    """Something did not come within its time; the message says what was waited for."""


class Filling:
    """One filling of the office. ``say`` tells the person in front of it how it goes."""

    def __init__(self, *, staff: User, notes: Path, say: Callable[[str], None]) -> None:
        self._staff = staff
        self._notes = notes
        self._say = say
        self._provider = DemoProvider()

    def run(self) -> None:
        """Everything, step by step. Raises FillingStuck."""
        steps: tuple[tuple[str, Callable[[], None]], ...] = (
            ("The catalogues are read", self._sync),
            ("Customers come in", self._welcome),
            ("They buy", self._sell),
            ("They travel", self._travel),
            ("The desk looks after their lines", self._look_after),
            ("Today's purchases meet trouble", self._meet_trouble),
        )
        done: list[str] = json.loads(self._notes.read_text()) if self._notes.exists() else []
        for title, step in steps:
            if title not in done:
                self._say(f"{title} …")
                step()
                done.append(title)
                self._notes.write_text(json.dumps(done))

    # -- the steps ------------------------------------------------------------------------------------------------

    def _sync(self) -> None:
        self._provider.set_days_back(DAYS_BACK)
        runs = [request_sync(account=account, asked_by=self._staff.email).pk for account in ensure_accounts()]
        ended = ~Q(state__in=(SyncRun.State.WAITING, SyncRun.State.RUNNING))
        self._wait("the catalogues", lambda: SyncRun.objects.filter(ended, pk__in=runs).count() == len(runs))
        for run in SyncRun.objects.filter(pk__in=runs).select_related("account"):
            self._say(f"  {run.account.name}: {run.added} plans ({run.get_state_display()})")

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
        orders = [self._place(sale) for sale in SALES]
        self._wait_for_purchases(orders)

    def _travel(self) -> None:
        """Day by day, so that every stamp of the provider is what it would have been."""
        for days_back in range(DAYS_BACK, -1, -1):
            self._provider.set_days_back(days_back)
            for sale in SALES:
                for number, (esim, fate) in enumerate(zip(self._lines(sale), sale.fates, strict=False)):
                    self._live_a_day(esim, fate, day=DAYS_BACK - days_back, number=number)
        lines = [esim for sale in SALES for esim in self._lines(sale) if sale.fates]
        self._read_again(lines)

    def _look_after(self) -> None:
        for sale in SALES:
            for esim, fate in zip(self._lines(sale), sale.fates, strict=False):
                if fate is Fate.IS_SUSPENDED and esim.state != LineState.SUSPENDED:
                    self._suspend(esim)
                if fate is Fate.IS_SIMULATED:
                    today = timezone.now().date()
                    days = {today - timedelta(days=ago): (ago + 2) * 64 * MB for ago in range(4)}
                    set_simulated_usage(esim=esim, days=days, by=self._staff.email)
                    self._read_again([esim])

    def _meet_trouble(self) -> None:
        for sale in TODAY:
            plan = self._choose_plan(sale)
            if sale.trouble is not None and not Order.objects.filter(checkout_key=_key(sale)).exists():
                self._order_trouble(sale.trouble, plan)
            order = self._place(sale)
            if sale.paid:
                self._wait_for_purchases([order])

    # -- their parts ----------------------------------------------------------------------------------------------

    def _place(self, sale: Sale) -> Order:
        order = Order.objects.filter(checkout_key=_key(sale)).first() or self._order(sale)
        if sale.paid and order.state == Order.State.UNPAID:
            record_payment(
                order=order,
                method=sale.method,
                amount=count_outstanding(order),
                currency=order.currency,
                reference=f"DEMO-{order.number}",
                form_key=uuid5(_NAMESPACE, f"payment of {sale.name}"),
                by=self._staff,
            )
        return order

    def _order(self, sale: Sale) -> Order:
        plan = self._choose_plan(sale)
        if plan.retail_price is None:
            raise FillingStuck(f"{plan} has no price")
        return place_order(
            customer=Customer.objects.get(email=sale.customer),
            plan=plan,
            quantity=sale.quantity,
            checkout_key=_key(sale),
            expected_unit_price=plan.retail_price,
            by=self._staff,
            note=sale.note,
        )

    def _choose_plan(self, sale: Sale) -> Plan:
        known = Plan.objects.filter(order_lines__order__checkout_key=_key(sale)).first()
        if known is not None:
            return known
        total_cap = {Fate.USES_UP, Fate.STREAMS} & set(sale.fates)
        wanted = PlanFilter(
            country=sale.country,
            account=sale.account,
            min_days=sale.days,
            data_period=DataPeriod.TOTAL if total_cap else None,
            published=True,
        )
        # What is sold once is not sold twice: every trouble is ordered for a plan of its own.
        taken = Plan.objects.filter(order_lines__isnull=False)
        for choice in (wanted, replace(wanted, data_period=None), replace(wanted, data_period=None, min_days=None)):
            found = search_plans(choice).filter(pk__in=sellable_plans()).exclude(pk__in=taken)
            # The plan that is most for this country, and the shortest that lasts long enough.
            best = found.annotate(countries=Count("coverage")).order_by("countries", "validity_days", "pk").first()
            if best is not None:
                return best
        raise FillingStuck(f"no plan for {sale.country} at {sale.account}")

    def _order_trouble(self, trouble: Trouble, plan: Plan) -> None:
        system = find_system(plan.account)
        kind, details = _FAULTS[trouble]
        self._provider.order_fault(kind, plan_code=plan.plan_ref, system=system, **details)

    def _live_a_day(self, esim: Esim, fate: Fate, *, day: int, number: int) -> None:
        """One day of the traveller, ``day`` days after buying."""
        system = find_system(esim.account)
        first_steps = {Fate.DOWNLOADS: "download", Fate.INSTALLS: "install", Fate.IS_SIMULATED: "connect"}
        if day == 1 and fate in first_steps:
            self._provider.happen(first_steps[fate], iccid=esim.iccid, system=system)
        if 1 <= day <= (esim.plan.validity_days or 1) and (
            used := _day_of_use(esim.plan, fate, day=day, number=number)
        ):
            self._provider.happen("use", iccid=esim.iccid, system=system, kb=used // KB)

    def _lines(self, sale: Sale) -> QuerySet[Esim]:
        lines = Esim.objects.filter(purchased__purchase__order_line__order__checkout_key=_key(sale))
        return lines.select_related("account", "plan").order_by("pk")

    def _read_again(self, lines: list[Esim]) -> None:
        since = timezone.now()
        for esim in lines:
            request_refresh(esim=esim, by=self._staff.email)
        ids = [esim.pk for esim in lines]
        fresh = Esim.objects.filter(pk__in=ids, refreshed_at__gte=since)
        self._wait("the lines' numbers", lambda: fresh.count() == len(ids))

    def _suspend(self, esim: Esim) -> None:
        reason = "Phone reported lost; the customer asked for it."
        action = request_action(esim=esim, capability=Capability.SUSPEND, reason=reason, by=self._staff)
        ended = LineAction.objects.filter(pk=action.pk).exclude(state__in=LineAction.OPEN)
        self._wait("the suspension", ended.exists)

    def _wait_for_purchases(self, orders: list[Order]) -> None:
        purchases = Purchase.objects.filter(order_line__order__in=orders).order_by("pk")
        open_ones = purchases.exclude(state__in=SETTLED)
        self._wait("the purchases", lambda: not open_ones.exists())
        for purchase in purchases.select_related("order_line__order"):
            line = purchase.order_line
            self._say(f"  {line.order.number}: {line} – {purchase.get_state_display()}")

    def _wait(self, what: str, is_there: Callable[[], bool]) -> None:
        deadline = time.monotonic() + WAIT_SECONDS
        while not is_there():
            if time.monotonic() > deadline:
                raise FillingStuck(f"{what} did not come within {WAIT_SECONDS:.0f} seconds")
            time.sleep(0.2)


def _day_of_use(plan: Plan, fate: Fate, *, day: int, number: int) -> int:
    """Bytes that a traveller uses on a day: a part of what the plan gives, never the same two days running."""
    cap = plan.data_bytes or GB
    usual = cap * 2 // 3 if plan.data_period == DataPeriod.DAY else cap // 9
    return {
        Fate.TRAVELS: usual * (3 + (2 * day + number) % 4) // 6,
        Fate.STREAMS: usual * (2 + day % 5) // 4,
        Fate.IS_SUSPENDED: usual if day < 3 else 0,
        Fate.USES_UP: cap // 4 + MB if day < 5 else 0,
    }.get(fate, 0)


def _key(sale: Sale) -> UUID:
    return uuid5(_NAMESPACE, sale.name)
