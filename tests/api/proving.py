"""What schemathesis asks the API about: a shop with something of everything, and who asks."""

import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any, TypeAlias
from zoneinfo import available_timezones

import schemathesis
from django.core.handlers.wsgi import WSGIHandler
from django.db import transaction
from django.test import Client
from drf_spectacular.generators import SchemaGenerator
from hypothesis import strategies
from schemathesis import BaseSchema, Case, Config, Response
from schemathesis.core.result import Ok
from schemathesis.generation.feedback import FeedbackSources
from schemathesis.generation.stateful import APIStateMachine
from schemathesis.pytest._test_builder import build_operation_test

from catalog.version import bump_version
from config.api.authentication import HEADER
from customers.countries import COUNTRIES
from customers.devices import remember_device
from customers.models import User
from customers.second_factor import METHODS
from esims.models import Esim
from orders.models import Notification, Order
from orders.receipts import issue_receipt
from orders.topups import find_top_ups
from providers.api import NEWEST_FIRST, cursor_page
from tests.api.buying import buy_all, give_credit, make_traveller
from tests.catalog.making import make_offer, make_plan
from tests.customers.making import make_staff
from tests.orders.fakes_lines import Allocator
from tests.orders.making import make_fake_account, order_plan, pay
from tests.orders.telling import tell

AnyCase: TypeAlias = Case[Any]
#: How often schemathesis tries each operation beside its lists of cases: ``make api-proof N=200``.
EXAMPLES = int(os.environ.get("SCHEMATHESIS_EXAMPLES", "10"))
#: From here on it is a proof: everybody tries as often, and goes through the lists of cases. In the suite the customer
#: alone does.
IS_PROOF = EXAMPLES >= 100
for kind, words in {"time-zone": available_timezones(), "country-code": COUNTRIES}.items():
    schemathesis.openapi.format(kind, strategies.sampled_from(sorted(words)))
#: Who asks. Nobody may see the catalogue alone.
CALLERS = ("customer", "staff", "nobody")
#: How often what exists is asked for, rather than what could.
_OFTEN = 0.9
#: What the description of an operation cannot say of its requests, and to whom: those may be well-formed and refused.
_UNSAID = {
    # The address to be typed is the caller's own.
    "deleteMe": ("customer", "staff"),
    # Staff are no customers: these have a name, a phone and a country.
    "changeMe": ("staff",),
}
_WELCOME = ["2xx", "3xx", "401", "403", "404", "409", "422", "429", "5xx"]


@dataclass(frozen=True, slots=True)
class Shop:
    """Who there is, and what there is to ask for: by the place in a request where its name belongs."""

    #: By the names of those who ask; nobody is none of them.
    people: Mapping[str, User]
    values: Mapping[str, Sequence[str | int]]

    def headers_of(self, caller: str) -> dict[str, str]:
        """Of somebody who has just entered a password, so that nothing is kept from them for that."""
        if caller == "nobody":
            return {}
        client = Client()
        client.force_login(self.people[caller])
        session = client.session
        # A run may take longer than such an entry counts.
        session[METHODS] = [{"method": "password", "at": time.time() + 3600}]
        session.save()
        return {HEADER: session.session_key or ""}


def open_shop(allocator: Allocator) -> Shop:
    """A traveller with an order of every kind, a line that takes top-ups, a device and news; a clerk who may do all."""
    user, clerk = make_traveller(), make_staff(email="clerk@desk.example")
    clerk.is_superuser = True
    clerk.save(update_fields=["is_superuser"])
    give_credit(user, "100000")
    plan = make_plan(make_fake_account("fake-slow"), plan_ref="slow-1", top_up_supported=True)
    daily = make_plan(make_fake_account(), plan_ref="daily", days_choice_max=30, validity_days=None)
    bump_version()
    paid, unpaid = (order_plan(plan, 2, customer=user.customer) for _ in range(2))
    pay(paid)
    for _step in range(4):
        buy_all()
    issue_receipt(order=paid, by=user)
    tell()
    allocator.offers = (make_offer("more-1"),)
    line = Esim.objects.filter(customer=user.customer).order_by("pk")[0]
    (option,) = find_top_ups(esim=line)
    devices = [
        remember_device(user=caller, session_key="", token=f"push-token-{caller.pk}", platform="ios", name="")[0]
        for caller in (user, clerk)
    ]
    order_page = cursor_page(Order.objects.all(), NEWEST_FIRST, limit=1)
    news = Notification.objects.filter(customer=user.customer)
    news_page = cursor_page(news, NEWEST_FIRST, limit=1)
    return Shop(
        people={"customer": user, "other": make_traveller("other@example.com"), "staff": clerk},
        values={
            "path.number": [unpaid.number, unpaid.number, paid.number],
            "path.esim_id": [line.pk],
            "path.plan_id": [plan.pk, daily.pk],
            "path.id": [device.pk for device in devices],
            "query.cursor": [cursor for cursor in (order_page.next, news_page.next) if cursor],
            "query.country": ["JP"],
            "body.plan_id": [plan.pk, option.plan.pk],
            "body.unit_price.amount": ["6.00"],
            "body.unit_price.currency": ["USD"],
            "body.amount.amount": ["12.00"],
            "body.amount.currency": ["USD"],
            "body.email": [user.email],
            "body.ids[*]": [row.pk for row in news],
        },
    )


def read_schema(shop: Shop, caller: str) -> BaseSchema:
    """The API as it describes itself, and as it answers in this process, without a network.

    The lists are those cases that schemathesis does not draw: each limit of each value, methods that are not there,
    other media types.
    """
    in_full = IS_PROOF or caller == "customer"
    examples = EXAMPLES if in_full else EXAMPLES // 2
    config = Config.from_dict(
        {
            "generation": {"max-examples": examples, "deterministic": True, "with-security-parameters": False},
            "phases": {"coverage": {"enabled": in_full}},
            "operations": [
                {"include-operation-id": name, "checks": {"positive_data_acceptance": {"expected-statuses": _WELCOME}}}
                for name, callers in _UNSAID.items()
                if caller in callers
            ],
            "dictionaries": {place: {"values": list(values)} for place, values in shop.values.items()},
            "parameters": {place: {"dictionary": place, "probability": _OFTEN} for place in shop.values},
        }
    )
    schema = schemathesis.openapi.from_dict(describe_api(), config=config)
    schema.app = WSGIHandler()
    return schema


def list_tests(schema: BaseSchema, ask: Callable[[AnyCase], None]) -> Iterator[tuple[str, Callable[[], None]]]:
    """For each operation a test that lets ``ask`` try all cases: what schemathesis's own decorator makes, which wants
    the schema, and so the shop, before there is a database.
    """
    feedback = FeedbackSources()
    for found in schema.get_all_operations():
        assert isinstance(found, Ok)
        operation = found.ok()
        test = build_operation_test(
            config=schema.config, operation=operation, test_func=ask, given_kwargs={}, feedback=feedback
        )
        yield operation.label, test


def make_journeys(schema: BaseSchema, headers: Mapping[str, str]) -> type[APIStateMachine]:
    """Requests one after the other, each with what the answers before have named; then all of it is undone."""

    class Journeys(schema.as_state_machine()):  # type: ignore[misc]
        def setup(self) -> None:
            self.mark = transaction.savepoint()

        def teardown(self) -> None:
            transaction.savepoint_rollback(self.mark)

        def get_call_kwargs(self, case: AnyCase) -> dict[str, Any]:
            return {"headers": dict(headers)}

        def validate_response(self, response: Response, case: AnyCase, *_more: Any, **how: Any) -> None:
            # Said once more, or the token is taken for one that was made up.
            case.validate_response(response, headers=dict(headers), transport_kwargs=how, recorder=self.recorder)

    return Journeys


@cache
def describe_api() -> dict[str, Any]:
    """The OpenAPI document."""
    found: dict[str, Any] = SchemaGenerator().get_schema(request=None, public=True)  # type: ignore[no-untyped-call]
    return found


@contextmanager
def left_as_it_was() -> Iterator[None]:
    """Whatever is done inside is undone at its end: each request finds the same shop."""
    mark = transaction.savepoint()
    try:
        yield
    finally:
        transaction.savepoint_rollback(mark)
