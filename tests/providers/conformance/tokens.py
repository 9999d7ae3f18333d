"""Adapters that sign in: a token is fetched when it is needed, and whatever goes wrong then, nothing was sent."""

from typing import Any

import pytest

from providers.errors import Mend, NotSent, RateLimited, Rejected
from providers.models import ProviderToken
from tests.providers.conformance.answers import UNAUTHORIZED, Answer
from tests.providers.conformance.ground import SECOND, CallGround
from tests.providers.conformance.operations import Operation, Stock


class TokenConformance(CallGround):
    """Stands beside ``ProviderConformance`` in the bases of a suite that names its ``sign_in`` call."""

    #: How the provider says that it does not know us, when it is asked for a token.
    sign_in_refused: Answer = UNAUTHORIZED

    def fault_sign_in(self, kind: str, **parameters: Any) -> None:
        endpoint = self.endpoints.get(self.sign_in, self.sign_in)
        self.simulator.order_fault(kind, endpoint, system=self.system, times=None, **parameters)

    def forget_token(self) -> None:
        ProviderToken.objects.all().delete()

    def test_without_a_token_it_signs_in_once(self, operation: Operation, stock: Stock) -> None:
        self.forget_token()
        before = len(self.list_arrivals())
        operation.run(self.provider, stock)
        assert self.list_arrivals()[before:] == self.to_endpoints((self.sign_in, *operation.calls))

    def test_a_token_that_is_refused_is_replaced_once(
        self, operation: Operation, wrong_credentials: Answer, stock: Stock
    ) -> None:
        self.order_fault(operation, wrong_credentials.fault, **wrong_credentials.parameters)
        before = len(self.list_arrivals())
        operation.run(self.provider, stock)
        calls = (*operation.first, operation.name, self.sign_in, operation.name, *operation.then)
        assert self.list_arrivals()[before:] == self.to_endpoints(calls)

    @pytest.mark.parametrize("kind", ["status_before", "reset_before", "html_body", "cut_body"])
    def test_when_no_token_can_be_had_nothing_is_sent(self, kind: str, operation: Operation, stock: Stock) -> None:
        self.forget_token()
        self.fault_sign_in(kind)
        self.expect(operation, stock, NotSent, calls=(self.sign_in,), name=operation.calls[0])

    def test_when_the_keys_are_wrong_nothing_is_sent(self, operation: Operation, stock: Stock) -> None:
        self.forget_token()
        self.fault_sign_in(self.sign_in_refused.fault, **self.sign_in_refused.parameters)
        error = self.expect(operation, stock, Rejected, calls=(self.sign_in,), name=operation.calls[0])
        assert (error.code, error.mend) == (self.sign_in_refused.code, Mend.CREDENTIALS)

    def test_when_signing_in_is_limited_nothing_is_sent(self, operation: Operation, stock: Stock) -> None:
        self.forget_token()
        self.fault_sign_in("rate_limited", retry_after=30)
        error = self.expect(operation, stock, RateLimited, calls=(self.sign_in,), name=operation.calls[0])
        assert 28 * SECOND <= error.retry_after <= 31 * SECOND
