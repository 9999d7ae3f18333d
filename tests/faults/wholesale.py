"""All wholesalers at one simulator: how an example begins, and what their books say of it."""

import time
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from functools import cached_property
from typing import Any, NamedTuple

import requests

from catalog.models import Plan
from orders.models import OrderLine, Purchase
from tests.catalog.making import make_account, make_plan
from tests.journeys.wholesalers import make_entries
from tests.simulator_access import Access
from tests.simulator_cards import NOWHERE as NO_DOOR
from tests.simulator_cards import CardService
from tests.simulator_client import PRODUCTION, SANDBOX, Simulator
from tests.simulator_esimfx import Esimfx
from tests.simulator_freebit import Freebit

#: Our account → the simulator's system.
SYSTEMS: Mapping[str, str] = {
    "esim-commerce": PRODUCTION,
    "esim-commerce-sandbox": SANDBOX,
    "esim-access": "access",
    "esimfx": "esimfx",
    "freebit": "freebit",
}
CURRENCIES: Mapping[str, str] = {
    "esim-commerce": "USD",
    "esim-commerce-sandbox": "EUR",
    "esim-access": "USD",
    "esimfx": "USD",
    "freebit": "JPY",
}
ADAPTERS: Mapping[str, str] = {
    "esim-commerce": "esim_commerce",
    "esim-commerce-sandbox": "esim_commerce",
    "esim-access": "esim_access",
    "esimfx": "esimfx",
    "freebit": "freebit",
}
#: Faults and books of the payment service: it sells nothing.
CARD_SERVICE = "stripe"
#: Small catalogues: a reset costs milliseconds.
OPTIONS = ("--plans", "20", "--access-packages", "20", "--esimfx-products", "20")
#: No webhook leaves the simulator by itself: the office fetches them, so that a schedule replays exactly.
NOWHERE = "http://127.0.0.1:9"

#: In an example sleeping moves the clock.
_pause = time.sleep

#: Calls that met these have no end.
_ENDLESS = frozenset({"hang", "hang_after", "crash_after"})


class Ware(NamedTuple):
    """What a wholesaler sells, as the catalogue would have it."""

    ref: str
    alias: str
    net_price: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Sale:
    """One entry of a wholesaler's books. ``key`` is what only one purchase of ours can have asked for."""

    account: str
    kind: str
    key: str
    reference: str
    refs: tuple[str, ...]
    request_id: int


class Wholesale:
    """The simulator with our five accounts. One for a test worker; ``reset`` begins an example."""

    def __init__(self, simulator: Simulator) -> None:
        self.simulator = simulator
        self.access = Access(simulator)
        self.esimfx = Esimfx(simulator)
        self.freebit = Freebit(simulator)
        self.cards = CardService(simulator)
        entries = make_entries(simulator)
        # Signatures go by real time, which stands still here.
        self.entries = {**entries, "esim-access": {**entries["esim-access"], "secret_key": ""}}

    @cached_property
    def shelf(self) -> Mapping[str, list[Ware]]:
        """What each account sells to an eSIM's buyer. At eSIM Access only what can be topped up."""
        packages = [self.access.package(code) for code in self.access.base_codes()]
        products = [self.esimfx.product(ref)["product"] for ref in self.esimfx.product_ids()]
        return {
            **{slug: self._list_commerce(SYSTEMS[slug]) for slug in ("esim-commerce", "esim-commerce-sandbox")},
            "esim-access": [
                Ware(package["packageCode"], package["slug"], Decimal(package["price"]) / 10_000)
                for package in packages
                if (package["dataType"], package["supportTopUpType"]) == (1, 2)
            ],
            "esimfx": [
                Ware(product["id"], "", Decimal(str(product["price"])))
                for product in products
                if product["price_unit"] == "USD"
            ],
        }

    def _list_commerce(self, system: str) -> list[Ware]:
        plans = (self.simulator.plan(code, system) for code in self.simulator.plan_codes(system))
        return [Ware(plan["planCode"], "", Decimal(plan["netPrice"])) for plan in plans]

    # -- the beginning ----------------------------------------------------------------------------------------------

    def reset(self, *, at: datetime, switches: Mapping[str, Any]) -> None:
        """Empty books, no faults, a clock that stands still at ``at``, webhooks that wait to be fetched."""
        self.ensure_alive()
        self.simulator.reset()
        self.simulator.set_limits(multiplier=0)
        self.simulator.move_clock(at=at.isoformat(), frozen=True)
        self.access.webhooks.pause()
        secret = self.entries["esim-access"]["webhook_secret"]
        self.access.set_account(webhook=f"{NOWHERE}/hooks/esim-access/{secret}/")
        self.esimfx.configure_webhooks(f"{NOWHERE}/hooks/esimfx/", thresholds=[50])
        self.access.set_switches(allocation_delay_s=0)
        self.cards.set_webhook(NO_DOOR)
        #: Lines from before the example, and requests for them, are no purchases of it.
        self.before: set[str] = set()
        self.first_request = 0
        self.sold_wares: Counter[str] = Counter()
        self._switches = dict(switches)

    def begin(self) -> None:
        """What came until now was before the example; its nature begins."""
        self.simulator.set_switches(**self._switches)
        requests_made = self.simulator.books("requests")["requests"]
        self.first_request = requests_made[-1]["id"] if requests_made else 0

    def ensure_alive(self) -> None:
        """Start it again after a fault killed it; its state is in its file."""
        if not self.is_alive():
            self.simulator.wait_for_death()
            self.simulator.start()

    def is_alive(self) -> bool:
        return not self.simulator.has_ended()

    def make_line(self, account: str) -> tuple[str, Ware]:
        """A line that was bought before the example: its reference in our books and what it is."""
        ware = self.shelf[account][0]
        if account == "esim-access":
            ref = str(self.access.buy(ware.ref)[0]["esimTranNo"])
        else:
            ref = str(self.esimfx.order_new(ware.ref)["esim"]["iccid"])
        self.before.add(ref)
        return ref, ware

    def make_plan(self, account: str) -> Plan:
        """The next ware of an account that no purchase of the example has asked for yet, for sale here."""
        shelf = self.shelf[account]
        # The first one is the ware of lines from before.
        ware = shelf[1 + self.sold_wares[account] % (len(shelf) - 1)]
        self.sold_wares[account] += 1
        return self.put_up(account, ware)

    def put_up(self, account: str, ware: Ware) -> Plan:
        """The plan of a ware, as a sync would leave it."""
        row = make_account(account, adapter=ADAPTERS[account])
        return Plan.objects.filter(account=row, plan_ref=ware.ref).first() or make_plan(
            row,
            plan_ref=ware.ref,
            alias=ware.alias,
            net_price=ware.net_price,
            currency=CURRENCIES[account],
        )

    # -- the books --------------------------------------------------------------------------------------------------

    def read_books(self) -> "Books":
        """What the wholesalers know now, of this example."""
        self.ensure_alive()
        return Books(self.simulator.books("orders", "effects", "requests"), self.first_request, self.before)

    def fetch_webhooks(self) -> list[dict[str, Any]]:
        """Every webhook of a wholesaler that was to be sent, the oldest first."""
        self.ensure_alive()
        found: list[dict[str, Any]] = self.simulator.books("webhooks")["webhooks"]
        return [one for one in found if one["system"] != CARD_SERVICE]

    def use_some(self, account: str, ref: str) -> None:
        """A customer uses most of a line: webhooks follow."""
        self.ensure_alive()
        try:
            if account == "esim-access":
                self.access.use_data(ref, 600 * 1024**2)
            else:
                self.esimfx.use(ref, 600 * 1024**2)
        except AssertionError:
            # Its provider says that it is not there (yet).
            return

    def wait_until_idle(self) -> None:
        """Until no call is under way: what a client gave up may still have its effect."""
        for _try in range(200):
            try:
                calls = self.simulator.books("requests")["requests"]
            except requests.ConnectionError:
                return
            pending = [one for one in calls if one["outcome"] == "pending"]
            if all(_ENDLESS & set(one["faults"]) for one in pending):
                return
            _pause(0.01)


class Books:
    """One reading of the wholesalers' books."""

    def __init__(self, parts: Mapping[str, Any], first_request: int, before: set[str]) -> None:
        self._parts = parts
        self._first = first_request
        self._before = before
        self.arrivals = [one for one in parts["requests"] if one["id"] > first_request]
        self.sales = [sale for sale in self._read_sales() if sale.request_id > first_request]

    def _read_sales(self) -> Iterator[Sale]:
        accounts = {system: account for account, system in SYSTEMS.items()}
        keys = {
            effect["request_id"]: effect["detail"] for effect in self._parts["effects"] if effect["kind"] == "charge"
        }
        for order in self._parts["orders"]:
            account, kind, key = accounts[order["system"]], "esim", order["reference"]
            if account.startswith("esim-commerce"):
                key = order["plan"]
            elif account == "esimfx":
                detail = keys[order["request_id"]]
                key, kind = detail["key"], "esim" if detail["operation"] == "NEW" else "top_up"
            elif account == "freebit":
                kind = "activation"
            yield Sale(
                account=account,
                kind=kind,
                key=key,
                reference=order["reference"],
                refs=tuple(order["refs"]),
                request_id=order["request_id"],
            )
        for effect in self._parts["effects"]:
            if (effect["system"], effect["kind"]) == ("access", "topup"):
                yield Sale(
                    account="esim-access",
                    kind="top_up",
                    key=effect["detail"]["transactionId"],
                    reference=effect["detail"]["topUpEsimTranNo"],
                    refs=(effect["ref"],),
                    request_id=effect["request_id"],
                )

    @cached_property
    def activated(self) -> Mapping[str, bool]:
        """Delivery code → whether the activation succeeded, of those that are finished."""
        done = [one for one in self._parts["effects"] if one["system"] == "freebit" and one["request_id"] > self._first]
        return {one["detail"]["deliveryCode"]: one["kind"] == "completed" for one in done}

    def find(self, purchase: Purchase) -> list[Sale]:
        """What was sold for a purchase."""
        wanted = make_key(purchase)
        return [sale for sale in self.sales if (sale.account, sale.key) == wanted]


def make_key(purchase: Purchase) -> tuple[str, str]:
    """Account and key under which the books hold a purchase. It comes with account and order line."""
    account = purchase.account.slug
    if account.startswith("esim-commerce"):
        # It takes no key: every order of an example is for another plan.
        return account, purchase.plan_ref
    if purchase.order_line.kind in OrderLine.BY_FORM:
        return account, purchase.order_line.activation.delivery_code
    return account, purchase.idempotency_key
