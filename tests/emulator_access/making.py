"""Orders and actions through our adapter's public door, as the house would make them."""

import uuid
from datetime import datetime
from decimal import Decimal

from providers.base import Provider
from providers.types import Capability, ControlOutcome, ControlRequest, Money, OrderOutcome, OrderRequest
from tests.emulator_access.books import Line
from tests.emulator_access.server import AccessHouse


def make_request(
    code: str = "CKH002", count: int = 1, *, key: str = "", days: int | None = None, price: str = ""
) -> OrderRequest:
    return OrderRequest(
        plan_ref=code,
        quantity=count,
        idempotency_key=key or str(uuid.uuid4()),
        expected_unit_price=Money(amount=Decimal(price), currency="USD") if price else None,
        period_days=days,
    )


def send(provider: Provider, request: OrderRequest) -> OrderOutcome:
    return provider.read_order_reply(provider.send_order(request), request)


def buy(provider: Provider, code: str, count: int = 1, *, days: int | None = None) -> list[str]:
    """Order, and ask until all of it is allocated."""
    request = make_request(code, count, days=days)
    return wait_for(provider, send(provider, request), count)


def wait_for(provider: Provider, outcome: OrderOutcome, count: int) -> list[str]:
    assert (outcome.lines, outcome.final) == ((), False)
    for _ in range(10):
        try:
            record = provider.read_transaction(outcome.transaction_id)
        except Exception as error:
            if type(error).__name__ not in ("StillAllocating", "Rejected"):
                raise
            continue
        if not record.is_pending:
            assert len(record.lines) == len(record.line_refs) == count
            assert all(line.lpa and line.iccid for line in record.lines)
            return list(record.line_refs)
    raise AssertionError("never allocated")


def control(provider: Provider, line: Line, word: str, message: str = "") -> ControlOutcome:
    capability = Capability(word)
    request = ControlRequest(
        provider_ref=line.tran_no, capability=capability, iccid=line.iccid, order_ref=line.order_no, message=message
    )
    return provider.read_control_reply(provider.send_control(request), capability)


def see(house: AccessHouse, moment: datetime) -> datetime:
    """A moment as exactly as this house writes it."""
    match house.quirks.instants:
        case "minutes":
            return moment.replace(second=0, microsecond=0)
        case "fraction":
            return moment.replace(microsecond=moment.microsecond // 1000 * 1000)
    return moment.replace(microsecond=0)
