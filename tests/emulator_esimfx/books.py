"""What this stand-in of eSIMfx really sold, added and ended, and the invoice of it."""

import itertools
import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

Json = dict[str, Any]
GIB = 1024**3
#: Secrets and personal things begin in their own way, so that a search finds where one went.
FIRST_CODE = "JQ-FXMATCH-"
FIRST_ICCID = 89440000000000007000
HOST = "rsp.nomad.example"
#: For the eSIM itself: "the eSIM fee will not be refunded".
ESIM_FEE = Decimal("0.50")
SIXTY_DAYS = timedelta(days=60)


@dataclass(frozen=True, slots=True, kw_only=True)
class Product:
    number: str
    slug: str
    name: str
    days: int
    amount: int
    unit: str
    coverage: tuple[str, ...]
    profile: str
    price: Decimal
    region: str = ""
    is_unlimited: bool = False


@dataclass(slots=True)
class Esim:
    iccid: str
    matching_id: str
    status: str = "PROVISIONED"

    @property
    def lpa(self) -> str:
        return f"LPA:1${HOST}${self.matching_id}"


@dataclass(slots=True)
class Order:
    number: str
    key: str
    kind: str
    iccid: str
    product: Product
    made_at: datetime
    status: str = "PENDING"
    used: int = 0
    activated_at: datetime | None = None
    expires_at: datetime | None = None
    #: What stood in the request, to tell a repetition from another order.
    asked: Json = field(default_factory=dict)

    @property
    def limit(self) -> int:
        return self.product.amount * {"GB": GIB, "MB": 1024**2}.get(self.product.unit, 1)

    @property
    def activate_by(self) -> datetime:
        return self.made_at + SIXTY_DAYS


@dataclass(frozen=True, slots=True)
class Item:
    """One line of the invoice."""

    kind: str
    ref: str
    amount: Decimal


class RefusedError(Exception):
    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Books:
    """The house's lock guards it."""

    def __init__(self) -> None:
        self.products: list[Product] = list(PRODUCTS)
        self.esims: dict[str, Esim] = {}
        self.orders: dict[str, Order] = {}
        self.invoice: list[Item] = []
        self.credit = Decimal(1000)
        self.now = datetime.now(UTC).replace(microsecond=0) - timedelta(minutes=5)
        self._numbers = itertools.count(1)

    @property
    def sold(self) -> list[str]:
        return sorted(self.esims)

    @property
    def balance(self) -> Decimal:
        return self.credit - sum((item.amount for item in self.invoice), Decimal(0))

    def tick(self) -> datetime:
        self.now += timedelta(seconds=1, milliseconds=313)
        return self.now

    def find_product(self, ref: str) -> Product:
        found = next((product for product in self.products if ref in (product.number, product.slug)), None)
        if found is None:
            raise RefusedError("product")
        return found

    def find_order(self, number: str) -> Order:
        if number not in self.orders:
            raise RefusedError("order")
        return self.orders[number]

    def find_esim(self, iccid: str) -> Esim:
        if iccid not in self.esims:
            raise RefusedError("iccid")
        return self.esims[iccid]

    def find_key(self, key: str) -> Order | None:
        return next((order for order in self.orders.values() if order.key == key), None)

    def orders_of(self, iccid: str) -> list[Order]:
        return [order for order in self.orders.values() if order.iccid == iccid]

    def fitting(self, profile: str, product: Product) -> list[Product]:
        """ "the exact same imsi_profile in the same region" """
        return [p for p in self.products if p.profile == profile and set(p.coverage) & set(product.coverage)]

    def sell(self, key: str, product: Product, asked: Json) -> Order:
        self._charge_or_refuse(product.price + ESIM_FEE)
        iccid = str(FIRST_ICCID + next(self._numbers))
        self.esims[iccid] = Esim(iccid, f"{FIRST_CODE}{uuid.uuid4().hex[:12].upper()}")
        order = self._write(key, "NEW", iccid, product, asked)
        self.invoice.append(Item("esim", iccid, ESIM_FEE))
        return order

    def add(self, key: str, iccid: str, product: Product, asked: Json) -> Order:
        esim = self.find_esim(iccid)
        first = self.orders_of(iccid)[0].product
        if esim.status in ("BLOCKED", "DEACTIVATED") or product not in self.fitting(first.profile, first):
            raise RefusedError("topup")
        self._charge_or_refuse(product.price)
        if esim.status == "EXPIRED":
            esim.status = "ACTIVE"
        return self._write(key, "TOPUP", iccid, product, asked)

    def _charge_or_refuse(self, amount: Decimal) -> None:
        if amount > self.balance:
            raise RefusedError("balance")

    def _write(self, key: str, kind: str, iccid: str, product: Product, asked: Json) -> Order:
        # Like the samples' ids: not always a UUID.
        number = f"{uuid.uuid4().hex[:7]}-4a74-4873-87e2-y{next(self._numbers):05d}"
        order = Order(number, key, kind, iccid, product, self.tick(), asked=asked)
        self.orders[number] = order
        self.invoice.append(Item("package", number, product.price))
        return order

    # -- what our calls change ----------------------------------------------------------------------------------------

    def terminate(self, order: Order) -> bool:
        """Whether the package fee comes back."""
        if order.status not in ("PENDING", "ACTIVE"):
            raise RefusedError("state")
        refund = order.status == "PENDING" and self.now < order.activate_by
        order.status, order.expires_at = "TERMINATED", self.tick()
        if refund:
            self.invoice.append(Item("refund", order.number, -order.product.price))
        self._settle(order.iccid)
        return refund

    def activate(self, order: Order) -> None:
        if order.status != "PENDING":
            raise RefusedError("state")
        order.status, order.activated_at = "ACTIVE", self.tick()
        order.expires_at = self.now + timedelta(days=order.product.days)

    def block(self, iccid: str) -> None:
        esim = self.find_esim(iccid)
        if esim.status == "BLOCKED":
            raise RefusedError("state")
        esim.status = "BLOCKED"

    # -- what customers and time change -------------------------------------------------------------------------------

    def install(self, iccid: str) -> None:
        self.esims[iccid].status = "Installed"

    def connect(self, iccid: str) -> Order:
        """The first package in the queue begins by itself."""
        self.esims[iccid].status = "ACTIVE"
        order = next(order for order in self.orders_of(iccid) if order.status == "PENDING")
        self.activate(order)
        return order

    def use(self, order: Order, amount: int) -> None:
        order.used += amount
        if order.used >= order.limit and not order.product.is_unlimited:
            self.expire(order)

    def expire(self, order: Order) -> None:
        order.status, order.expires_at = "EXPIRED", self.tick()
        waiting = [other for other in self.orders_of(order.iccid) if other.status == "PENDING"]
        if waiting:
            self.activate(waiting[0])
        self._settle(order.iccid)

    def _settle(self, iccid: str) -> None:
        if all(order.status in ("EXPIRED", "TERMINATED") for order in self.orders_of(iccid)):
            self.esims[iccid].status = "EXPIRED"


PRODUCTS = (
    Product(
        number="ca7e9da3-ca97-47cc-9d40-a77610c20001",
        slug="esimfx_10G_7D_JP",
        name="japan_10GB_7Day",
        days=7,
        amount=10,
        unit="GB",
        coverage=("JP",),
        profile="Green",
        price=Decimal(12),
    ),
    Product(
        number="ca7e9da3-ca97-47cc-9d40-a77610c20002",
        slug="esimfx_500M_3D_JP",
        name="japan_500MB_3Day",
        days=3,
        amount=500,
        unit="MB",
        coverage=("JP",),
        profile="Green",
        price=Decimal("2.35"),
    ),
    Product(
        number="ca7e9da3-ca97-47cc-9d40-a77610c20003",
        slug="esimfx_UL_7D_JP",
        name="japan_unlimited_7Day",
        days=7,
        amount=7,
        unit="Days",
        coverage=("JP",),
        profile="Green",
        price=Decimal("21.10"),
        is_unlimited=True,
    ),
    Product(
        number="ca7e9da3-ca97-47cc-9d40-a77610c20004",
        slug="esimfx_10G_7D_BR",
        name="brazil_10GB_7Day",
        days=7,
        amount=10,
        unit="GB",
        coverage=("BR",),
        profile="Purple",
        price=Decimal("18.05"),
    ),
    Product(
        number="ca7e9da3-ca97-47cc-9d40-a77610c20005",
        slug="esimfx_5G_30D_EU",
        name="europe_5GB_30Day",
        days=30,
        amount=5,
        unit="GB",
        coverage=("ES", "FR", "DE"),
        profile="Blue",
        price=Decimal("9.99"),
        region="Europe",
    ),
)
