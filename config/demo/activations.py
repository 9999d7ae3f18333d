"""freebit in the demo office: plans that staff entered, forms that were sent, and a completion file that came."""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from catalog.entering import EnteredTerms, enter_plan
from catalog.models import Plan
from config.demo.desk import DemoDesk, make_key
from config.demo.provider import DemoProvider
from config.demo.story import FREEBIT
from config.demo.travels import GB
from config.demo.waiting import FillingStuck, wait_for
from customers.models import Customer, User
from orders.activations import place_activation
from orders.completions import import_completions
from orders.models import CompletionImport, Order, Purchase
from providers.models import ProviderAccount
from providers.types import DataPeriod

_MONTH = "Renews every month until it is cancelled."
_PLANS: tuple[tuple[str, str, EnteredTerms], ...] = (
    (
        Plan.Kind.ACTIVATION,
        "3GB_PLAN",
        EnteredTerms(
            name="Japan line 3GB",
            net_price=Decimal(980),
            currency="JPY",
            validity_days=30,
            data_bytes=3 * GB,
            data_period=DataPeriod.TOTAL,
            countries=("JP",),
            notes=_MONTH,
        ),
    ),
    (
        Plan.Kind.ACTIVATION,
        "20GB_PLAN",
        EnteredTerms(
            name="Japan line 20GB",
            net_price=Decimal(2480),
            currency="JPY",
            validity_days=30,
            data_bytes=20 * GB,
            data_period=DataPeriod.TOTAL,
            countries=("JP",),
            notes=_MONTH,
        ),
    ),
    (
        Plan.Kind.REISSUE,
        "REISSUE",
        EnteredTerms(name="Move a line to another device", net_price=Decimal(400), currency="JPY", countries=("JP",)),
    ),
)


class Outcome(StrEnum):
    """What becomes of a form."""

    WAITS = "waits for the file"
    COMPLETES = "is in the file as done"
    FAILS = "is in the file as failed"
    IS_REFUSED = "is refused at once"


@dataclass(frozen=True, kw_only=True)
class Form:
    """One activation: who, which plan, what the form says beside the device and the master account."""

    customer: str
    plan: str
    eid: str
    values: Mapping[str, str]
    outcome: Outcome
    method: str = "terminal"

    @property
    def name(self) -> str:
        return f"line of {self.customer}"


_NEW = {"aladinOperated": "20", "addKind": "N", "createType": "new", "simKind": "E3", "contractLine": "5G"}
_MOVES = {**_NEW, "addKind": "M", "simKind": "E0"}
_FORMS = (
    Form(
        customer="hanako.sato@example.jp",
        plan="20GB_PLAN",
        eid="89049032007108882600112233440122",
        values={
            **_MOVES,
            "account": "08055550101",
            "mnp.reserveNumber": "1155550101",
            "mnp.gender": "W",
            "mnp.lastnameKanji": "佐藤",
            "mnp.firstnameKanji": "花子",
            "mnp.lastnameZenKana": "サトウ",
            "mnp.firstnameZenKana": "ハナコ",
            "mnp.birthday": "19880312",
        },
        outcome=Outcome.COMPLETES,
    ),
    Form(
        customer="yuki.tanaka@example.jp",
        plan="3GB_PLAN",
        eid="89049032007108882600112233440219",
        values={**_NEW, "repAccount": "08000001111"},
        outcome=Outcome.WAITS,
        method="cash",
    ),
    Form(
        customer="lukas.weber@example.de",
        plan="20GB_PLAN",
        eid="89049032007108882600112233440316",
        values={
            **_MOVES,
            "account": "08055550103",
            "mnp.reserveNumber": "1155550103",
            "mnp.gender": "M",
            "mnp.lastnameKanji": "ウェーバー",
            "mnp.firstnameKanji": "ルーカス",
            "mnp.lastnameZenKana": "ウェーバー",
            "mnp.firstnameZenKana": "ルーカス",
            "mnp.birthday": "19910704",
        },
        outcome=Outcome.FAILS,
    ),
    Form(
        customer="priya.shah@example.in",
        plan="3GB_PLAN",
        eid="89049032007108882600112233440413",
        # There is no such representative number: the provider says so, and staff correct the form.
        values={**_NEW, "repAccount": "08000009999"},
        outcome=Outcome.IS_REFUSED,
    ),
)
#: The provider's codes in the file: done, and "the reservation number has a problem".
_CODES = {Outcome.COMPLETES: "100", Outcome.FAILS: "310"}
_STATES = {
    Outcome.WAITS: Purchase.State.ALLOCATING,
    Outcome.COMPLETES: Purchase.State.FULFILLED,
    Outcome.FAILS: Purchase.State.REJECTED,
    Outcome.IS_REFUSED: Purchase.State.HELD,
}


def enter_plans(*, by: str) -> None:
    """What the contract lists and no API does."""
    account = ProviderAccount.objects.get(slug=FREEBIT)
    for kind, plan_ref, terms in _PLANS:
        if not Plan.objects.filter(account=account, plan_ref=plan_ref).exists():
            enter_plan(account=account, kind=kind, plan_ref=plan_ref, terms=terms, by=by)


def send_forms(desk: DemoDesk, *, staff: User) -> None:
    """Take the orders with their forms and payments; workers send them."""
    for form in _FORMS:
        if Order.objects.filter(checkout_key=make_key(form.name)).exists():
            continue
        plan = Plan.objects.get(account__slug=FREEBIT, plan_ref=form.plan)
        if plan.retail_price is None:
            raise FillingStuck(f"{plan} has no price")
        master = {"masterAccount": form.customer, "masterPassword": secrets.token_urlsafe(9)}
        place_activation(
            customer=Customer.objects.get(email=form.customer),
            plan=plan,
            values={"eid": form.eid, **form.values, **master},
            checkout_key=make_key(form.name),
            expected_price=plan.retail_price,
            by=staff,
            payment=desk.take_payment(form.name, method=form.method),
        )


def import_file(provider: DemoProvider, *, by: str) -> CompletionImport:
    """The file with what became of the accepted forms, and with a row of somebody else. Raises FillingStuck."""
    under_way = (Purchase.State.PLANNED, Purchase.State.SENDING)
    sent = Purchase.objects.filter(order_line__order__checkout_key__in=[make_key(form.name) for form in _FORMS])
    wait_for("the activation forms", lambda: not sent.filter(state__in=under_way).exists())
    for form in _FORMS:
        if form.outcome in _CODES:
            provider.complete_activation(form.eid, code=_CODES[form.outcome])
    account = ProviderAccount.objects.get(slug=FREEBIT)
    data = provider.read_completions(strangers=1)
    report = import_completions(account=account, data=data, file_name="completions-1.csv", by=by)
    for form in _FORMS:
        purchase = sent.get(order_line__order__checkout_key=make_key(form.name))
        if purchase.state != _STATES[form.outcome]:
            raise FillingStuck(f"the {form.name} is {purchase.state}: {purchase.error}")
    return report
