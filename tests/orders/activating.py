"""Activations as tests need them: plans of the contract, forms, orders on their way, and completion files."""

import csv
import io
import itertools
import uuid
from collections.abc import Mapping
from typing import Any

from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from catalog.models import Plan
from orders.activations import place_activation
from orders.models import Activation, Order, Payment, Purchase
from orders.purchasing import run_purchase
from orders.selling import PaymentTaken
from providers.models import ProviderAccount
from tests.catalog.making import make_account, make_plan
from tests.orders.making import make_customer, make_due, make_user
from tests.simulator_freebit import Freebit

_numbers = itertools.count(1)
COLUMNS = ("eid", "deliveryCode", "account", "result", "code", "message", "iccid", "completedAt")

NEW: Mapping[str, str] = {"addKind": "N", "simKind": "E2", "createType": "new"}
#: Somebody who takes a number along. Every value is one that nothing else in the tests has.
TRANSFER: Mapping[str, str] = {
    "addKind": "M",
    "simKind": "E0",
    "createType": "new",
    "account": "08077776666",
    "contractLine": "5G",
    "mnp.reserveNumber": "1109998887",
    "mnp.gender": "W",
    "mnp.lastnameKanji": "髙橋",
    "mnp.firstnameKanji": "美咲",
    "mnp.lastnameZenKana": "タカハシ",
    "mnp.firstnameZenKana": "ミサキ",
    "mnp.birthday": "19870605",
}
REISSUE: Mapping[str, str] = {"addKind": "R", "account": "08011112225", "reissue.oldProductNumber": "CD0009999999004"}


def make_eid() -> str:
    """A new EID whose check digits fit."""
    body = f"89049032{next(_numbers):022d}"
    return f"{body}{98 - int(body + '00') % 97:02d}"


def make_freebit() -> ProviderAccount:
    return make_account("freebit", adapter="freebit", name="freebit")


def make_activation_plan(kind: str = Plan.Kind.ACTIVATION, **fields: Any) -> Plan:
    """A plan as staff enter it."""
    code = {"activation": "100K_PLAN", "bare_activation": "NO-PLAN", "reissue": "REISSUE"}[str(kind)]
    known = Plan.objects.filter(account__slug="freebit", plan_ref=fields.get("plan_ref", code)).first()
    return known or make_plan(
        make_freebit(), covers=("JP:home",), **{"kind": kind, "plan_ref": code, "net_price": None, **fields}
    )


def place(values: Mapping[str, str] = NEW, *, paid: bool = True, **changes: Any) -> Order:
    """An order for an activation through the verb; the EID is a new one where none is given."""
    plan = changes.get("plan") or make_activation_plan()
    words: dict[str, Any] = {
        "customer": changes.get("customer") or make_customer(),
        "plan": plan,
        "values": {"eid": make_eid(), **values},
        "checkout_key": uuid.uuid4(),
        "expected_price": plan.retail_price,
        "by": make_user(),
        "payment": pay_cash() if paid else None,
        **changes,
    }
    return place_activation(**words)


def pay_cash() -> PaymentTaken:
    return PaymentTaken(method=Payment.Method.CASH, reference="", form_key=uuid.uuid4())


def purchase_for(order: Order) -> Purchase:
    return Purchase.objects.select_related("order_line__order").get(order_line__order=order)


def activation_of(order: Order | Purchase) -> Activation:
    if isinstance(order, Purchase):
        return Activation.objects.get(order_line=order.order_line_id)
    return Activation.objects.get(order_line__order=order)


def send(order: Order) -> Purchase:
    """Take the order's next step over the wire."""
    run_purchase(purchase_id=make_due(purchase_for(order)).pk)
    return purchase_for(order)


def make_row(activation: Activation, **changes: str) -> dict[str, str]:
    """A row of success for an activation, with the columns' default headings."""
    row = {
        "eid": activation.eid,
        "deliveryCode": activation.delivery_code,
        "account": "09011110000",
        "result": "OK",
        "code": "100",
        "message": "OK",
        "iccid": f"8981100{activation.pk:012d}",
        "completedAt": "2026/02/03 10:11:12",
    }
    return {**row, **changes}


def fail(code: str) -> dict[str, str]:
    """What a row of failure has instead."""
    return {"result": "NG", "code": code, "message": "NG", "iccid": "", "account": ""}


def make_file(*rows: Mapping[str, str], encoding: str = "cp932") -> bytes:
    """A completion file."""
    out = io.StringIO()
    writer = csv.DictWriter(out, COLUMNS, lineterminator="\r\n")
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue().encode(encoding)


def hold(freebit: Freebit, code: str, changes: Mapping[str, str] | None = None) -> Activation:
    """An activation that freebit refused with a code that lets it be put right."""
    freebit.order_fault("refuse_code", code=code)
    order = place({**TRANSFER, **(changes or {})})
    assert send(order).state == Purchase.State.HELD
    return activation_of(order)


def upload(client: Client, data: bytes, name: str = "done.csv") -> Any:
    """Import a file by its page; the answer is the report, or the page with what was wrong."""
    return client.post("/completions/", {"account": "freebit", "file": SimpleUploadedFile(name, data)}, follow=True)
