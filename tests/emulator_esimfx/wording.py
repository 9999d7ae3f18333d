"""The stand-in's JSON, worded as one variant words it."""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from tests.emulator.phrasing import write_json
from tests.emulator_esimfx.books import GIB, Esim, Json, Order, Product
from tests.emulator_esimfx.quirks import ABSENT, Quirks

#: Reason -> (number, word): every house makes up its own, for the document has none.
CODES = {
    "auth": (40100, "BAD_CREDENTIALS"),
    "parameter": (40001, "INVALID_PARAMETER"),
    "key": (40002, "IDEMPOTENCY_KEY_REQUIRED"),
    "other_body": (40901, "IDEMPOTENCY_CONFLICT"),
    "product": (40401, "PRODUCT_NOT_FOUND"),
    "order": (40402, "ORDER_NOT_FOUND"),
    "iccid": (40403, "ESIM_NOT_FOUND"),
    "topup": (42201, "TOPUP_NOT_ALLOWED"),
    "state": (42202, "STATE_NOT_ALLOWED"),
    "balance": (40201, "INSUFFICIENT_BALANCE"),
    "server": (50000, "SERVER_ERROR"),
}


class Wording:
    """Writes values of the books as JSON."""

    def __init__(self, quirks: Quirks) -> None:
        self.quirks = quirks

    def success(self, data: Any) -> bytes:
        return self._envelope(0, "Success", data)

    def failure(self, reason: str) -> bytes:
        number, word = CODES[reason]
        return self.refusal(number if self.quirks.codes == "numbers" else word, word.lower().replace("_", " "))

    def refusal(self, code: Any, text: str) -> bytes:
        return self._envelope(code, text, self.quirks.failure_data)

    def _envelope(self, code: Any, text: str, data: Any) -> bytes:
        document = {"code": code, "message": text if self.quirks.says_message else ABSENT, "data": data}
        return write_json({name: value for name, value in document.items() if value is not ABSENT}, self.quirks)

    def token(self, token: str) -> bytes:
        life: dict[str, Json] = {"expires_in": {"expires_in": 3600}, "expires_in_text": {"expires_in": "3600"}}
        told = life.get(self.quirks.token_life, {})
        match self.quirks.token_place:
            case "bare":
                return self.success(token)
            case "top":
                document = {"code": 0, "message": "Success", "access_token": token, **told}
                return write_json(document, self.quirks)
        return self.success({self.quirks.token_place: token, "token_type": "Bearer", **told})

    def word(self, word: str) -> str:
        return {"upper": word, "lower": word.lower(), "title": word.title()}[self.quirks.case]

    def instant(self, moment: datetime | None) -> str | None:
        if moment is None:
            return None
        text = moment.strftime("%Y-%m-%dT%H:%M:%S")
        return (
            text
            + {"Z": "Z", "fraction": f".{moment.microsecond // 1000:03d}Z", "offset": "+00:00"}[self.quirks.instants]
        )

    def product(self, product: Product, *, version: int, coverage: bool = True) -> Json:
        price: Any = str(product.price) if self.quirks.price == "text" else _plain(product.price)
        shown: Json = {
            "id": product.slug if version == 2 else product.number,
            "name": product.name,
            "duration": product.days,
            "duration_unit": "DAY",
            "amount": product.amount,
            "amount_unit": product.unit,
            "coverage": list(product.coverage) if coverage else [],
            "networks": [{"mccmnc": "44020", "name": "SOFTBANK", "speed": "5G"}],
            "imsi_profile": product.profile,
            "price": price,
            "price_unit": "USD",
        }
        if version == 2:
            shown |= {"meta_product_id": product.number, "is_unlimited": product.is_unlimited}
        return shown

    def created(self, order: Order, esim: Esim) -> Json:
        subscription = self.subscription(order)
        told: Json = {"iccid": esim.iccid, "esim_qr": esim.lpa, "status": self.word(esim.status)}
        if self.quirks.order_extras:
            subscription["external_id"] = "ext-991"
            told["apn"] = "data.esim"
        return {
            "id": order.number,
            "status": self.word("COMPLETED"),
            "subscription": subscription,
            "creation_time": self.instant(order.made_at),
            "esim": told,
        }

    def order(self, order: Order) -> Json:
        product = order.product
        return {
            "id": order.number,
            "iccid": order.iccid,
            "product": {
                "id": product.slug,
                "name": product.name,
                "duration": product.days,
                "duration_unit": "DAY",
                "imsi_profile": product.profile,
            },
            "subscription": {**self.subscription(order), "used_amount": self._amount(order, order.used)},
            "status": self.word("COMPLETED"),
            "creation_time": self.instant(order.made_at),
        }

    def esim(self, esim: Esim) -> Json:
        return {"iccid": esim.iccid, "esim_qr": esim.lpa, "status": self.word(esim.status)}

    def subscription(self, order: Order) -> Json:
        starts, ends = order.activated_at, order.expires_at
        if starts is None and self.quirks.projects:
            # The examples' projections: it would begin on the last day, and end so many days later.
            starts = order.activate_by
            ends = ends or starts + timedelta(days=order.product.days)
        return {
            self.quirks.limit_name: self._amount(order, order.limit),
            "amount_unit": self._unit(order),
            "status": self.word(order.status),
            "activation_time": self.instant(starts),
            "expiry": self.instant(ends),
            "activate_by": self.instant(order.activate_by),
        }

    def _unit(self, order: Order) -> str:
        return "Days" if order.product.is_unlimited else self.quirks.usage_unit

    def _amount(self, order: Order, amount: int) -> Any:
        if order.product.is_unlimited:
            return amount
        divided = Decimal(amount) / {"Byte": 1, "MB": 1024**2, "GB": GIB}[self.quirks.usage_unit]
        return str(divided) if self.quirks.amounts_as_text else _plain(divided)

    def balance(self, balance: Decimal) -> Json:
        match self.quirks.balance:
            case "text":
                return {"balance": str(balance), "currency": "USD"}
            case _:
                return {"balance": _plain(balance), "name": "Roamdesk"}


def _plain(number: Decimal) -> int | float:
    return int(number) if number == number.to_integral_value() else float(number)
