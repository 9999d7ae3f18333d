"""The provider says no, or not now."""

import pytest
from django.utils import timezone

from providers.errors import RateLimited, Rejected
from providers.models import ProviderAccount, RatePause
from tests.providers.conformance.answers import Answer
from tests.providers.conformance.ground import SECOND, CallGround
from tests.providers.conformance.operations import Operation, Stock


class RefusedTests(CallGround):
    def test_a_refusal_is_final(self, operation: Operation, refusal: Answer, stock: Stock) -> None:
        self.order_fault(operation, refusal.fault, **refusal.parameters)
        error = self.expect(operation, stock, Rejected)
        assert (error.code, error.mend) == (refusal.code, refusal.mend)
        assert refusal.text in error.message
        assert self.list_outcomes()[-1] == (operation.name, "rejected")

    def test_wrong_credentials_can_be_mended(
        self, operation: Operation, wrong_credentials: Answer, stock: Stock
    ) -> None:
        self.order_fault(operation, wrong_credentials.fault, times=None, **wrong_credentials.parameters)
        # A refused token is replaced, once; after that it is a matter for staff.
        again = (self.sign_in, operation.name) if self.sign_in else ()
        error = self.expect(operation, stock, Rejected, calls=(*operation.first, operation.name, *again))
        assert (error.code, error.mend) == (wrong_credentials.code, wrong_credentials.mend)
        assert self.list_outcomes()[-1] == (operation.name, "rejected")
        assert ProviderAccount.objects.get(slug=self.account).last_failure_at is not None

    @pytest.mark.parametrize("style", ["seconds", "date"])
    def test_a_rate_limit_holds_everybody_back(self, style: str, operation: Operation, stock: Stock) -> None:
        self.order_fault(operation, "rate_limited", retry_after=30, style=style)
        error = self.expect(operation, stock, RateLimited)
        assert 28 * SECOND <= error.retry_after <= 31 * SECOND
        assert self.list_outcomes()[-1] == (operation.name, "rate_limited")
        # From now on it is known, and nothing is sent before the time has come.
        assert 20 * SECOND <= self.expect_held_back(operation, stock) <= 31 * SECOND

    def test_a_rate_limit_without_a_time_has_a_default(
        self, operation: Operation, rate_limit: Answer, stock: Stock
    ) -> None:
        self.order_fault(operation, rate_limit.fault, **rate_limit.parameters)
        error = self.expect(operation, stock, RateLimited)
        assert error.code == rate_limit.code
        assert error.retry_after >= SECOND
        assert self.list_outcomes()[-1] == (operation.name, "rate_limited")
        pauses = RatePause.objects.filter(account=self.account, until__gt=timezone.now())
        held = {self.scope_of(operation.name)} if rate_limit.holds_back else set()
        assert set(pauses.values_list("operation", flat=True)) == held
