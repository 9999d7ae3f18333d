"""schemathesis asks every operation of the schema, as a customer, as staff and as nobody (docs/api.md)."""

from collections import defaultdict
from collections.abc import Iterator

import pytest
from django.core.signals import request_finished, request_started
from django.db import close_old_connections
from hypothesis import Phase
from hypothesis import settings as how_to_try
from pytest_django.fixtures import Settings
from schemathesis import CheckContext, Response

from tests.api.proving import (
    CALLERS,
    EXAMPLES,
    IS_PROOF,
    AnyCase,
    Shop,
    left_as_it_was,
    list_tests,
    make_journeys,
    open_shop,
    read_schema,
)
from tests.orders.fakes import Wholesaler
from tests.orders.fakes_lines import Allocator

pytestmark = pytest.mark.django_db

DONE = {200, 201, 202, 204}
#: What a customer of this shop cannot get done; other tests show it done.
NEVER_DONE = {
    # Who has an unpaid order cannot leave: test_account.
    "POST /api/v1/me/deletion",
    # For staff: test_esim_actions.
    "POST /api/v1/esims/{esim_id}/suspension",
    "POST /api/v1/esims/{esim_id}/release",
}


@pytest.fixture
def shop(settings: Settings, wholesaler: Wholesaler, allocator: Allocator) -> Iterator[Shop]:
    # Calls that are told to wait show nothing: throttles have tests of their own.
    settings.API_RATES = dict.fromkeys(settings.API_RATES, "")
    # The requests are part of the test's transaction, as those of Django's own test client.
    for signal in (request_started, request_finished):
        signal.disconnect(close_old_connections)
    yield open_shop(allocator)
    for signal in (request_started, request_finished):
        signal.connect(close_old_connections)


@pytest.mark.parametrize("caller", CALLERS)
def test_every_operation_keeps_to_its_description(shop: Shop, caller: str, subtests: pytest.Subtests) -> None:
    headers, others = shop.headers_of(caller), shop.headers_of("other")
    answered: dict[str, set[int]] = defaultdict(set)

    def for_nobody_else(_context: CheckContext, response: Response, case: AnyCase) -> None:
        """What belongs to one customer is not there for another one."""
        is_own = caller == "customer" and case.path_parameters and case.operation.tags != ["catalogue"]
        if is_own and case.method == "GET" and response.status_code == 200:
            assert case.call(headers=others).status_code == 404

    def ask(case: AnyCase) -> None:
        with left_as_it_was():
            response = case.call_and_validate(headers=headers, additional_checks=[for_nobody_else])
        if case.method.lower() == case.operation.method:
            answered[case.operation.label].add(response.status_code)

    for label, test in list_tests(read_schema(shop, caller), ask):
        with subtests.test(label):
            test()
    if caller == "customer" and IS_PROOF:
        # Where nothing gets done nothing was looked at but refusals.
        assert {label for label, statuses in answered.items() if not DONE & statuses} == NEVER_DONE


@pytest.mark.parametrize("caller", ["customer", "staff"])
def test_journeys_keep_to_the_description_too(shop: Shop, caller: str) -> None:
    make_journeys(read_schema(shop, caller), shop.headers_of(caller)).run(
        settings=how_to_try(
            max_examples=EXAMPLES, derandomize=True, deadline=None, phases=[Phase.generate], stateful_step_count=8
        )
    )
