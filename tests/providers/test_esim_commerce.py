"""eSIM Commerce's happy paths, over HTTP."""

import pytest

from providers.registry import configured_accounts, ensure_accounts, get_provider
from providers.types import Capability, ControlRequest, LineState, OrderRequest, Priority
from tests.simulator_client import Simulator

pytestmark = pytest.mark.django_db


def test_a_line_is_bought_read_suspended_and_released(accounts: Simulator) -> None:
    assert configured_accounts() == ("esim-commerce", "esim-commerce-sandbox")
    assert [account.slug for account in ensure_accounts()] == ["esim-commerce", "esim-commerce-sandbox"]
    provider = get_provider("esim-commerce")
    pages = list(provider.list_plans(include_roaming=True))
    assert [len(page.offers) for page in pages] == [200, 200]
    request = OrderRequest(plan_ref=pages[0].offers[0].plan_ref, quantity=2, idempotency_key="k")
    outcome = provider.read_order_reply(provider.send_order(request), request)
    assert (len(outcome.lines), outcome.final, outcome.faults) == (2, True, ())
    assert [line.iccid for line in outcome.lines] == accounts.sold_iccids()
    assert provider.read_transaction(outcome.transaction_id).line_refs == tuple(accounts.sold_iccids())
    iccid = outcome.lines[0].iccid
    line = provider.read_line(iccid, priority=Priority.PEOPLE)
    assert (line.state, line.lpa) == (LineState.READY, accounts.line(iccid)["qrCode"])
    for capability, state in ((Capability.SUSPEND, LineState.SUSPENDED), (Capability.RELEASE, LineState.READY)):
        provider.read_control_reply(
            provider.send_control(ControlRequest(provider_ref=iccid, capability=capability)), capability
        )
        assert provider.read_line(iccid).state is state
