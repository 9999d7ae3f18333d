"""Roamdesk's staff at a contract with freebit, and the comparison of the two books."""

import re
import uuid
from collections.abc import Mapping
from decimal import Decimal

from catalog.models import Plan
from customers.customers import create_customer
from orders.activations import place_activation
from orders.books import read_balances
from orders.completions import import_completions
from orders.models import Activation, CompletionImport, Payment, Purchase
from orders.selling import PaymentTaken
from tests.catalog.making import make_plan
from tests.emulator.desk import Desk
from tests.emulator_freebit.books import Activation as Taken
from tests.emulator_freebit.files import Layout
from tests.emulator_freebit.making import EID_START
from tests.emulator_freebit.server import KEY_MARK, OEM_ID, OEM_KEY, FreebitHouse

_REFS = {Plan.Kind.ACTIVATION: "100K_PLAN", Plan.Kind.BARE_ACTIVATION: "NO-PLAN", Plan.Kind.REISSUE: "REISSUE"}


class Office(Desk[FreebitHouse]):
    """One account at one stand-in."""

    #: Names, the master password and EIDs are people's, keys are secrets.
    secret = re.compile(f"{OEM_ID}|{OEM_KEY}|{KEY_MARK}|{EID_START}|mpw-|髙橋|ヤマダ")

    def plan_for(self, kind: Plan.Kind) -> Plan:
        """A plan as staff enter it: there is no catalogue to read."""
        known = Plan.objects.filter(account=self.account, plan_ref=_REFS[kind]).first()
        return known or make_plan(self.account, covers=("JP:home",), kind=kind, plan_ref=_REFS[kind], net_price=None)

    def place(self, values: Mapping[str, str], kind: Plan.Kind = Plan.Kind.ACTIVATION) -> Purchase:
        """The form, the order and its payment; nothing is sent yet."""
        plan = self.plan_for(kind)
        assert plan.retail_price is not None
        order = place_activation(
            customer=create_customer(name="Aiko Tanaka", by=self.user),
            plan=plan,
            values=values,
            checkout_key=uuid.uuid4(),
            expected_price=plan.retail_price,
            by=self.user,
            payment=PaymentTaken(method=Payment.Method.CASH, reference="", form_key=uuid.uuid4()),
        )
        return Purchase.objects.get(order_line__order=order)

    def code_of(self, purchase: Purchase) -> str:
        return Activation.objects.get(order_line=purchase.order_line_id).delivery_code

    def taken(self, purchase: Purchase) -> Taken:
        """What the house took in for a purchase."""
        (found,) = [taken for taken in self.emulator.books.taken if taken.delivery_code == self.code_of(purchase)]
        return found

    def read_file(self, layout: Layout, *taken: Taken) -> CompletionImport:
        """A file about what has ended of these."""
        data = layout.write([activation for activation in taken if activation.state != "waiting"])
        return import_completions(account=self.account, data=data, file_name="completed.csv", by="command")

    def check_books(self) -> None:
        """What the house opened is on exactly one line here, or its purchase is still open; nothing was sent twice."""
        books = self.emulator.books
        codes = [taken.delivery_code for taken in books.taken]
        assert len(codes) == len(set(codes)), "sent twice"
        done = {f"{taken.eid}:{taken.delivery_code}" for taken in books.taken if taken.state == "done"}
        refs = [esim.provider_ref for esim in self.lines()]
        assert len(refs) == len(set(refs))
        assert set(refs) <= done
        assert self.emulator.complaints == []
        assert "CRASH" not in {arrival.operation for arrival in self.emulator.arrivals}
        assert [balance.difference for balance in read_balances()] in ([Decimal(0)], [])
        self.check_secrets()
