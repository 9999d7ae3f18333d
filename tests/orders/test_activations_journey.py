"""From the form to the line over real HTTP, and that nothing personal stays behind on the way."""

import logging
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django_q.models import OrmQ
from pytest_django import Settings

from catalog.entering import EnteredTerms, enter_plan
from catalog.models import Plan
from customers.models import Customer
from esims.models import Esim, LineEvent
from orders.models import (
    Activation,
    CompletionImport,
    CompletionOutcome,
    Order,
    OrderEvent,
    Purchase,
    PurchaseAttempt,
    Refund,
)
from providers.models import ProviderCall
from tests.orders.activating import TRANSFER, make_eid, make_freebit, upload
from tests.orders.desk import SELLER, read_hidden, sign_in
from tests.orders.making import make_customer
from tests.pages import assert_clean_page
from tests.queue import Queue
from tests.simulator_freebit import Freebit

pytestmark = pytest.mark.django_db
CLERK = (*SELLER, "orders.import_completions", "orders.view_completionimport")
MASTER = {"masterAccount": "shop-4711@desk.example", "masterPassword": "pa55+word&x"}


@pytest.fixture
def ums(freebit: Freebit, settings: Settings) -> Freebit:
    """A contract with the User Management Service: its forms hold a password."""
    settings.PROVIDERS = {"freebit": {**settings.PROVIDERS["freebit"], "uses_ums": True}}
    return freebit


def enter_contract_plan() -> Plan:
    """The plan as staff enter it."""
    account = make_freebit()
    known = Plan.objects.filter(account=account, plan_ref="100K_PLAN").first()
    terms = EnteredTerms(name="100K plan", net_price=Decimal(300), currency="JPY", own_price=Decimal(980))
    return known or enter_plan(
        account=account, kind=Plan.Kind.ACTIVATION, plan_ref="100K_PLAN", terms=terms, by="mika@desk.example"
    )


def send_form(client: Client, customer: Customer, values: dict[str, str]) -> Any:
    address = f"/activations/new/?customer={customer.pk}&plan={enter_contract_plan().pk}"
    hidden = read_hidden(client.get(address), "checkout_key", "form_key", "unit_price")
    return client.post(address, {**hidden, "method": "cash", "reference": "", "note": "", **values})


def test_from_the_form_to_the_line(ums: Freebit, queue: Queue) -> None:
    client, customer, eid = sign_in(*CLERK), make_customer(), make_eid()
    assert send_form(client, customer, {**TRANSFER, **MASTER, "eid": eid}).status_code == 302
    order = Order.objects.get()
    queue.run()
    activation = Activation.objects.get()
    (accepted,) = ums.accepted()
    told = (accepted["eid"], accepted["delivery_code"], accepted["kind"], accepted["plan"], accepted["reserve_number"])
    assert told == (eid, activation.delivery_code, "M", "100K_PLAN", TRANSFER["mnp.reserveNumber"])
    waiting = client.get(f"/activations/{activation.pk}/")
    assert_clean_page(waiting)
    assert "its completion file will say what came of it" in waiting.content.decode()

    ums.complete(eid)
    file = ums.completion_file(encoding="cp932", strangers=2)
    report = upload(client, file.content, "eSIM依頼完了通知.csv")
    assert_clean_page(report)
    done = CompletionImport.objects.get()
    assert (done.applied, done.repeated, done.unmatched, done.faulty) == (1, 0, 2, 0)
    esim = Esim.objects.get()
    (line,) = [line for line in ums.lines() if line["eid"] == eid]
    assert (esim.customer, esim.eid, esim.phone_number, esim.iccid) == (customer, eid, line["account"], line["iccid"])
    order.refresh_from_db()
    assert (order.state, Purchase.objects.get().state, Refund.objects.count()) == ("completed", "fulfilled", 0)
    assert (order.total, order.currency) == (Decimal(980), "JPY")
    assert_clean_page(client.get(f"/orders/{order.pk}/"))
    assert ums.count_activations() == 1
    again = upload(client, ums.completion_file(encoding="utf-8", repeat=3).content)
    assert [row.outcome for row in again.context["page"].object_list] == ["repeated"] * 3


def test_from_the_form_to_the_refund(ums: Freebit, queue: Queue) -> None:
    client, eid = sign_in(*CLERK), make_eid()
    send_form(client, make_customer(), {**TRANSFER, **MASTER, "eid": eid})
    queue.run()
    ums.complete(eid, code="310")
    upload(client, ums.completion_file().content)
    purchase, refund = Purchase.objects.get(), Refund.objects.get()
    assert (purchase.state, purchase.error_code, refund.state) == ("rejected", "310", "due")
    assert Order.objects.get().state == "failed"
    assert Esim.objects.count() == 0


# -- what stays behind ------------------------------------------------------------------------------------------------

#: Who it is, the number, and what opens doors. The EID and the number stay in ``Activation`` and the line, by design.
SECRETS = (
    *(value for name, value in TRANSFER.items() if name.startswith("mnp.") and len(value) > 1),
    *MASTER.values(),
    *("%E9%AB%99%E6%A9%8B", "\\u9ad9", "pa55%2B"),
)


class _Collected(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(logging.Formatter("%(name)s %(message)s").format(record))


@pytest.fixture
def logged() -> Iterator[list[str]]:
    """Everything that any logger says, down to DEBUG, with tracebacks."""
    handler, root = _Collected(), logging.getLogger()
    loggers = [root, *(logging.getLogger(name) for name in list(logging.root.manager.loggerDict))]
    levels = [one.level for one in loggers]
    root.addHandler(handler)
    for one in loggers:
        one.setLevel(logging.DEBUG)
    yield handler.lines
    root.removeHandler(handler)
    for one, level in zip(loggers, levels, strict=True):
        one.setLevel(level)


def kept_rows() -> str:
    """All rows of all tables that may tell of an activation, as the database holds them."""
    models = (
        *(ProviderCall, OrmQ, OrderEvent, LineEvent, PurchaseAttempt, Purchase, Activation),
        *(CompletionImport, CompletionOutcome, Refund, Order),
    )
    found = []
    with connection.cursor() as cursor:
        for model in models:
            cursor.execute(f'SELECT * FROM "{model._meta.db_table}"')
            found.append(str(cursor.fetchall()))
    return "\n".join(found)


def leaks(text: str) -> list[str]:
    return [secret for secret in SECRETS if secret in text]


@pytest.mark.parametrize("fault", ["", "205", "255", "371", "900", "reset_before", "close_after", "html_body"])
def test_nothing_personal_stays_behind(ums: Freebit, queue: Queue, logged: list[str], fault: str) -> None:
    if fault.isdigit():
        ums.order_fault("refuse_code", code=fault, times=2)
    elif fault:
        ums.order_fault(fault)
    client, eid = sign_in(*CLERK), make_eid()
    send_form(client, make_customer(), {**TRANSFER, **MASTER, "eid": eid})
    assert leaks(str([(job.name, job.args, dict(job.kwargs)) for job in queue.waiting()])) == []
    queue.run()
    if ums.accepted():
        ums.complete(eid)
    upload(client, ums.completion_file().content)
    purchase = Purchase.objects.get()
    pages = [f"/purchases/{purchase.pk}/", f"/orders/{purchase.order_line.order_id}/", "/activations/", "/completions/"]
    seen = "\n".join(client.get(page).content.decode() for page in pages)
    assert leaks("\n".join(logged)) == []
    assert leaks(kept_rows()) == []
    assert leaks(seen) == []
    assert eid not in "\n".join(logged)
    assert eid not in "\n".join(str(row) for row in ProviderCall.objects.values())
    assert logged


def test_an_error_page_and_its_log_tell_nothing_of_the_form(
    ums: Freebit, settings: Settings, logged: list[str]
) -> None:
    client = sign_in(*CLERK)
    client.raise_request_exception = False
    customer, eid = make_customer(), make_eid()
    settings.FIELD_ENCRYPTION_KEYS = []
    broken = send_form(client, customer, {**TRANSFER, **MASTER, "eid": eid})
    assert broken.status_code == 500
    assert not Order.objects.exists()
    text = broken.content.decode() + "\n".join(logged)
    assert "Traceback" in text
    assert leaks(text) == []
    assert eid not in text


def test_the_form_is_never_in_an_address(ums: Freebit, queue: Queue) -> None:
    client = sign_in(*CLERK)
    answer = send_form(client, make_customer(), {**TRANSFER, **MASTER, "eid": "1"})
    assert_clean_page(answer, status=422)
    html = answer.content.decode()
    assert 'method="get"' not in html.split('<form class="grid', 1)[1].split("</form>", 1)[0]
    assert answer.headers["Cache-Control"].find("no-store") >= 0
