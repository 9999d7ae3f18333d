"""What people at the demo's desk do: they sell, top lines up, and ask wholesalers for something, by the desk's verbs.

Everything may be done again: orders, payments and actions that are there already are found.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid5

from django.db.models import Count, Q, QuerySet
from django.utils import timezone

from catalog.models import Plan
from catalog.search import PlanFilter, search_plans, sellable_plans
from config.demo.story import Fate, Sale
from config.demo.waiting import FillingStuck, wait_for
from customers.models import Customer, User
from esims.models import Esim, LineAction, Package
from esims.refresh import request_refresh
from orders.capturing import count_outstanding
from orders.checkout import place_order, price_for
from orders.ending import request_end
from orders.giving_back import count_given, find_sold
from orders.models import Order
from orders.replacing import replace_line
from orders.selling import PaymentTaken, pay_order
from orders.topups import find_top_ups, sell_top_up
from providers.registry import offers
from providers.types import Capability, DataPeriod

_NAMESPACE = UUID("1c1de9f6-6f0c-4f2e-9d0f-3f8f9b1a7c52")
#: What is asked of the wholesaler (the first that it offers), and why.
_WISHES: Mapping[Fate, tuple[Sequence[Capability], str]] = {
    Fate.IS_SUSPENDED: ([Capability.SUSPEND], "Phone reported lost; the customer asked for it."),
    Fate.IS_CANCELLED: ([Capability.CANCEL, Capability.TERMINATE], "Stays at home; never installed."),
    Fate.IS_REVOKED: ([Capability.REVOKE], "Ordered twice by the customer's office."),
    Fate.IS_BLOCKED: ([Capability.BLOCK], "Phone sold with the eSIM on it."),
    Fate.IS_WRITTEN_TO: ([Capability.SMS], "Asked for by the organiser."),
}
_SMS = "The shuttle leaves at 9:30 from the north exit."


def make_key(name: str) -> UUID:
    """The key of something in the story: the same in every run."""
    return uuid5(_NAMESPACE, name)


class DemoDesk:
    """The desk, in the name of one member of staff."""

    def __init__(self, staff: User) -> None:
        self._staff = staff

    def place(self, sale: Sale) -> Order:
        """Take the order, and the money where it is paid."""
        order = Order.objects.filter(checkout_key=make_key(sale.name)).first() or self._order(sale)
        if sale.paid and order.state == Order.State.UNPAID:
            pay_order(
                order=order,
                method=sale.method,
                amount=count_outstanding(order),
                currency=order.currency,
                reference=f"DEMO-{order.number}",
                form_key=make_key(f"payment of {sale.name}"),
                by=self._staff,
            )
        return order

    def take_payment(self, name: str, *, method: str) -> PaymentTaken:
        """The money for something that is sold together with its payment."""
        return PaymentTaken(method=method, reference=f"DEMO-{name}", form_key=make_key(f"payment of {name}"))

    def choose_plan(self, sale: Sale) -> Plan:
        """The plan of the order, or the one that fits best to what the customer wants. Raises FillingStuck."""
        known = Plan.objects.filter(order_lines__order__checkout_key=make_key(sale.name)).first()
        if known is not None:
            return known
        wanted = PlanFilter(
            country=sale.country,
            account=sale.account,
            min_days=sale.days,
            max_days=sale.days if sale.is_short else None,
            data_period=DataPeriod.TOTAL if sale.counts_total else None,
            unlimited=sale.unlimited,
            top_up=True if sale.topped_up else None,
            published=True,
        )
        possible = sellable_plans().filter(days_choice_max__isnull=not sale.by_day)
        if Fate.IS_WRITTEN_TO in sale.fates:
            possible = possible.filter(api_sms=True)
        # What is sold once is not sold twice: every trouble is ordered for a plan of its own.
        taken = Plan.objects.filter(order_lines__isnull=False)
        # Not every wholesaler says of its plans whether they can be topped up.
        wishes: tuple[dict[str, Any], ...] = ({}, {"top_up": None}, {"data_period": None}, {"min_days": None})
        for wish in wishes:
            wanted = replace(wanted, **wish)
            found = search_plans(wanted).filter(pk__in=possible).exclude(pk__in=taken)
            # The plan that is most for this country, and the shortest that lasts long enough.
            best = found.annotate(countries=Count("coverage")).order_by("countries", "validity_days", "pk").first()
            if best is not None:
                return best
        raise FillingStuck(f"no plan for {sale.country} at {sale.account}")

    def list_lines(self, sale: Sale) -> QuerySet[Esim]:
        """What the order brought."""
        lines = Esim.objects.filter(purchased__purchase__order_line__order__checkout_key=make_key(sale.name))
        return lines.select_related("account", "plan").order_by("pk")

    def top_up(self, sale: Sale) -> Order:
        """The cheapest package that fits to the order's first line, asked for and paid now."""
        name = f"top-up of {sale.name}"
        known = Order.objects.filter(checkout_key=make_key(name)).first()
        if known is not None:
            return known
        esim = self.list_lines(sale).select_related("customer")[0]
        choice = next((choice for choice in find_top_ups(esim=esim) if not choice.refusal), None)
        if choice is None:
            raise FillingStuck(f"nothing fits to the line of {sale.name}")
        days = None if choice.plan.days_choice_max is None else 3
        price = price_for(choice.plan, days)
        if price is None:
            raise FillingStuck(f"{choice.plan} has no price")
        return sell_top_up(
            esim=esim,
            plan=choice.plan,
            checkout_key=make_key(name),
            expected_price=price,
            by=self._staff,
            period_days=days,
            payment=self.take_payment(name, method=sale.method),
        )

    def look_after(self, esim: Esim, fate: Fate) -> LineAction | None:
        """Ask the wholesaler for what this line's story needs; None where it needs nothing."""
        if fate not in _WISHES:
            return None
        capabilities, reason = _WISHES[fate]
        capability = next(one for one in capabilities if offers(esim.account.slug, one))
        known = LineAction.objects.filter(esim=esim, kind=capability.value).first()
        if known is not None:
            return known
        on_package = capability is Capability.TERMINATE
        return request_end(
            esim=esim,
            capability=capability,
            reason=reason,
            by=self._staff,
            package=Package.objects.filter(esim=esim).first() if on_package else None,
            message=_SMS if capability is Capability.SMS else "",
            gives_back=self._find_price(esim) if fate is Fate.IS_CANCELLED else None,
        )

    def replace_last(self, sale: Sale) -> Order:
        """Another eSIM in the place of the order's last line."""
        *_others, esim = self.list_lines(sale)
        return replace_line(
            esim=esim,
            plan=esim.plan,
            reason="The phone does not take the profile; tried twice with our help.",
            checkout_key=make_key(f"replacement of {sale.name}"),
            by=self._staff,
        )

    def read_again(self, lines: Sequence[Esim]) -> None:
        """Have lines read from their wholesalers, and wait for it."""
        since = timezone.now()
        for esim in lines:
            request_refresh(esim=esim, by=self._staff.email)
        ids = [esim.pk for esim in lines]
        fresh = Esim.objects.filter(pk__in=ids, refreshed_at__gte=since)
        wait_for("the lines' numbers", lambda: fresh.count() == len(ids))

    def _find_price(self, esim: Esim) -> Decimal | None:
        """What the customer paid for the line and has not got back."""
        purchase = find_sold(esim)
        return (count_given(purchase, esim).left or None) if purchase is not None else None

    def _order(self, sale: Sale) -> Order:
        plan = self.choose_plan(sale)
        days = sale.days if sale.by_day else None
        price = price_for(plan, days)
        if price is None:
            raise FillingStuck(f"{plan} has no price")
        return place_order(
            customer=Customer.objects.get(Q(email=sale.customer) | Q(email="", name=sale.customer)),
            plan=plan,
            quantity=sale.quantity,
            checkout_key=make_key(sale.name),
            expected_unit_price=price,
            period_days=days,
            by=self._staff,
            note=sale.note,
        )
