"""It was sent, and no usable answer came: a read failed, a write may have happened."""

import pytest
from pytest_django.fixtures import Settings

from tests.providers.conformance.ground import SECOND, SHORT_WAIT, CallGround, Configure
from tests.providers.conformance.operations import Operation, Stock

#: Bodies that are no answer of any provider to anything.
NONSENSE = (
    "null",
    "[]",
    "{}",
    "17",
    '"text"',
    '{"items": 5, "esims": 5, "iccids": {}, "obj": 5, "data": [], "code": {}}',
)


class LostTests(CallGround):
    def test_a_broken_server(self, operation: Operation, stock: Stock, subtests: pytest.Subtests) -> None:
        for status in (500, 502, 503, 504):
            with subtests.test(str(status)):
                self.start_over()
                self.order_fault(operation, "status_before", status=status, code=str(status))
                assert self.expect(operation, stock, self.fail_on(operation)).code == str(status)

    def test_a_status_that_says_nothing_about_the_effect(
        self, operation: Operation, stock: Stock, subtests: pytest.Subtests
    ) -> None:
        headers = {"Location": f"{self.simulator.url}/{self.system}/elsewhere"}
        for status in (301, 307, 408):
            with subtests.test(str(status)):
                self.start_over()
                self.order_fault(operation, "status_before", times=None, status=status, headers=headers)
                # No redirect was followed and nothing was sent again.
                self.expect(operation, stock, self.fail_on(operation))

    def test_a_server_that_is_down_may_say_for_how_long(self, operation: Operation, stock: Stock) -> None:
        self.order_fault(operation, "status_before", status=503, code="503", headers={"Retry-After": "17"})
        error = self.expect(operation, stock, self.fail_on(operation))
        if not operation.is_write:
            assert error.retry_after == 17 * SECOND
        assert 7 * SECOND <= self.expect_held_back(operation, stock) <= 17 * SECOND

    @pytest.mark.parametrize("kind", ["reset_before", "close_before", "reset_after", "close_after"])
    def test_the_connection_ends(self, kind: str, operation: Operation, stock: Stock) -> None:
        self.order_fault(operation, kind)
        self.expect(operation, stock, self.fail_on(operation))
        lost = "unknown" if operation.is_write else "failed"
        assert self.list_outcomes() == [*((name, "ok") for name in operation.first), (operation.name, lost)]

    def test_no_answer_in_time(
        self, operation: Operation, stock: Stock, settings: Settings, configure: Configure
    ) -> None:
        settings.HTTP_READ_TIMEOUT = settings.HTTP_ORDER_READ_TIMEOUT = SHORT_WAIT
        self.switch_on(configure, self.simulator, **self.short_waits)
        self.order_fault(operation, "hang_after", seconds=60)
        assert "in time" in self.expect(operation, stock, self.fail_on(operation)).message

    def test_a_reply_that_is_cut_off(self, operation: Operation, stock: Stock) -> None:
        self.order_fault(operation, "cut_body")
        self.expect_unread(operation, stock)

    def test_a_reply_that_is_no_json(self, operation: Operation, stock: Stock, subtests: pytest.Subtests) -> None:
        for kind in ("wrong_json", "empty_body", "html_body"):
            with subtests.test(kind):
                self.start_over()
                self.order_fault(operation, kind)
                self.expect_unread(operation, stock)

    def test_a_reply_that_is_other_json(self, operation: Operation, stock: Stock, subtests: pytest.Subtests) -> None:
        for body in (*NONSENSE, *operation.nonsense):
            with subtests.test(body):
                self.start_over()
                self.order_fault(operation, "replace_body", body=body)
                self.expect_unread(operation, stock)
