"""One test for each trap that the documents set; the numbers are those of ``docs/providers/esim-commerce.md``."""

import inspect
import json
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from urllib.parse import parse_qs

import pytest

from providers.errors import OutcomeUnknown, Rejected
from providers.esim_commerce import mapping, plans
from providers.esim_commerce.client import EsimCommerceProvider
from providers.limits import read_reported_limit
from providers.models import ProviderCall
from providers.registry import get_provider
from providers.types import Capability, ControlRequest, DataPeriod, LineState, Money, OrderOutcome, OrderRequest
from tests.providers.samples import LINE, PLAN
from tests.simulator_client import SANDBOX, Simulator

pytestmark = pytest.mark.django_db
TODAY = date(2026, 1, 22)
SENT = datetime(2026, 1, 22, 11, tzinfo=UTC)


@pytest.fixture
def provider(accounts: Simulator) -> EsimCommerceProvider:
    found = get_provider("esim-commerce")
    assert isinstance(found, EsimCommerceProvider)
    return found


def make_request(simulator: Simulator, quantity: int = 1) -> OrderRequest:
    return OrderRequest(plan_ref=simulator.plan_codes()[0], quantity=quantity, idempotency_key="key")


def buy(provider: EsimCommerceProvider, simulator: Simulator, quantity: int = 1) -> OrderOutcome:
    request = make_request(simulator, quantity)
    return provider.read_order_reply(provider.send_order(request), request)


@pytest.mark.parametrize("kind", ["reset_after", "close_after", "status_after"])
def test_trap_01_an_order_is_never_sent_again_by_itself(
    kind: str, provider: EsimCommerceProvider, accounts: Simulator
) -> None:
    accounts.order_fault(kind, "order", times=None)
    with pytest.raises(OutcomeUnknown):
        buy(provider, accounts)
    assert len(accounts.orders()) == accounts.count_requests("order") == 1
    assert provider.repeatable == frozenset()


@pytest.mark.parametrize("fraction", [0.1, 0.5, 0.95])
def test_trap_02_a_cut_reply_still_gives_the_transaction_away(
    fraction: float, provider: EsimCommerceProvider, accounts: Simulator
) -> None:
    accounts.order_fault("cut_body", "order", fraction=fraction)
    with pytest.raises(OutcomeUnknown) as caught:
        buy(provider, accounts, quantity=3)
    assert caught.value.transaction_id == accounts.orders()[0]["reference"]
    record = provider.read_transaction(caught.value.transaction_id)
    assert record.line_refs == tuple(accounts.sold_iccids())


def test_trap_02_a_transaction_id_that_is_cut_itself_is_not_used(
    provider: EsimCommerceProvider, accounts: Simulator
) -> None:
    accounts.order_fault("cut_body", "order", at_byte=30)
    with pytest.raises(OutcomeUnknown) as caught:
        buy(provider, accounts)
    assert caught.value.transaction_id == ""


def test_trap_02_a_lost_reply_leaves_no_handle(provider: EsimCommerceProvider, accounts: Simulator) -> None:
    accounts.order_fault("reset_after", "order")
    with pytest.raises(OutcomeUnknown) as caught:
        buy(provider, accounts)
    assert caught.value.transaction_id == ""


def test_trap_03_a_thousand_esims_come_in_one_reply(provider: EsimCommerceProvider, accounts: Simulator) -> None:
    outcome = buy(provider, accounts, quantity=1000)
    assert [line.iccid for line in outcome.lines] == accounts.sold_iccids()
    assert (len(outcome.lines), outcome.final, outcome.faults) == (1000, True, ())


@pytest.mark.parametrize("kind", ["short_order", "short_reply"])
def test_trap_03_fewer_esims_than_ordered_are_not_the_end(
    kind: str, provider: EsimCommerceProvider, accounts: Simulator
) -> None:
    accounts.order_fault(kind, "order", by=2)
    outcome = buy(provider, accounts, quantity=5)
    assert (len(outcome.lines), outcome.final) == (3, False)
    assert [fault.message for fault in outcome.faults] == ["5 eSIMs were ordered and 3 could be read"]
    sold = 3 if kind == "short_order" else 5
    assert len(provider.read_transaction(outcome.transaction_id).line_refs) == sold


def test_trap_04_and_05_a_400_of_the_inquiry_proves_nothing(
    provider: EsimCommerceProvider, accounts: Simulator
) -> None:
    """Too old and never heard of look the same."""
    outcome = buy(provider, accounts)
    assert provider.inquiry_window == timedelta(hours=48)
    accounts.move_clock(hours=49)
    answers = []
    for transaction_id in (outcome.transaction_id, "00000000-0000-4000-8000-000000000000"):
        with pytest.raises(Rejected) as caught:
            provider.read_transaction(transaction_id)
        answers.append((caught.value.code, caught.value.mend, caught.value.message))
    assert answers[0] == answers[1]
    assert answers[0][:2] == ("400", None)
    assert "proves nothing" in " ".join((inspect.getdoc(EsimCommerceProvider._read_transaction) or "").split())


@pytest.mark.parametrize(
    ("iccid", "fits"),
    [
        ("8981100000000000001", False),
        ("8981100000000000002", True),
        ("8900100000000000001", False),
        ("8900100000000000002", True),
        ("8900123456789012345", False),
        ("8900123456789012340", True),
        ("8900000000000000001", False),
        ("8900000000000000003", True),
    ],
)
def test_trap_06_the_samples_check_digits_are_wrong_and_only_warn(iccid: str, fits: bool) -> None:
    assert mapping.passes_luhn(iccid) is fits
    line = mapping.map_line({**LINE, "iccid": iccid}, account="a", sent_at=SENT, today=TODAY)
    assert (line.iccid, line.faults) == (iccid, ())


def test_trap_07_the_samples_are_not_one_coherent_line(provider: EsimCommerceProvider, accounts: Simulator) -> None:
    """ACTIVE with an end date, READY with a download: the table decides, nothing is put right."""
    line = mapping.map_line(LINE, account="a", sent_at=SENT, today=TODAY)
    assert line.state is LineState.ACTIVE
    assert (line.terminated_on, line.expires_on) == (date(2025, 12, 31), date(2025, 12, 7))
    # The reply to a suspend still shows an unrestricted line; only reading the line again tells.
    iccid = buy(provider, accounts).lines[0].iccid
    reply = provider.send_control(ControlRequest(provider_ref=iccid, capability=Capability.SUSPEND))
    assert json.loads(reply.body)["isServiceRestricted"] is False
    provider.read_control_reply(reply, Capability.SUSPEND)
    assert provider.read_line(iccid).state is LineState.SUSPENDED


@pytest.mark.parametrize(
    ("now", "state"),
    [
        # 2025-12-07 in Japan ends at 15:00 UTC; that day is still usable.
        (datetime(2025, 12, 7, 14, 59, tzinfo=UTC), LineState.TERMINATED),
        (datetime(2025, 12, 7, 15, 0, tzinfo=UTC), LineState.EXPIRED),
    ],
)
def test_trap_08_the_last_day_is_a_day_in_japan(now: datetime, state: LineState) -> None:
    item = {**LINE, "contractStatus": "TERMINATED", "terminatedOn": None}
    today = now.astimezone(mapping.JAPAN).date()
    line = mapping.map_line(item, account="a", sent_at=now, today=today)
    assert (line.expires_on, line.activated_on, line.state) == (date(2025, 12, 7), date(2025, 12, 1), state)


def test_trap_09_unlimited_is_a_daily_cap_with_a_throttle() -> None:
    plan = plans.map_plan(PLAN, faults=[], account="a", currency="EUR", home_country="")
    assert plan.plan_type == "UNLIMITED"
    assert (plan.allowance.data_bytes, plan.allowance.period, plan.allowance.unlimited) == (
        1024**3,
        DataPeriod.DAY,
        False,
    )
    # 7 days by number, "30 days" by text: the text is kept and never read.
    assert (plan.validity_days, plan.validity_info) == (7, "Valid for 30 days from first use")


def test_trap_10_usage_is_kilobytes_and_days_need_not_sum_up() -> None:
    line = mapping.map_line(LINE, account="a", sent_at=SENT, today=TODAY)
    assert line.daily_usage is not None
    assert [day.used_bytes for day in line.daily_usage] == [100 * 1024 * 1024]
    assert line.total_used_bytes == 300 * 1024 * 1024


def test_trap_11_a_price_needs_the_contracts_currency(accounts: Simulator, configure: Callable[..., None]) -> None:
    plan = plans.map_plan(PLAN, faults=[], account="a", currency="JPY", home_country="")
    assert plan.net_price == Money(amount=Decimal("9.99"), currency="JPY")
    configure("esim-commerce", currency="")
    offers = next(iter(get_provider("esim-commerce").list_plans())).offers
    assert {(offer.net_price, offer.suggested_price) for offer in offers} == {(None, None)}
    assert all(offer.raw["netPrice"] for offer in offers)


def test_trap_12_rate_headers_may_be_quoted_and_too_large(provider: EsimCommerceProvider) -> None:
    headers = {"x-ratelimit-limit": '"60"', "x-ratelimit-remaining": '"59"', "x-ratelimit-reset": '"45"'}
    reported = read_reported_limit(headers)
    assert (reported.limit, reported.remaining, reported.reset) == (60, 59, 45)
    limits = {name: (budget.calls, budget.seconds) for name, budget in provider.budgets.items()}
    assert limits == {
        "plans": (60, 60.0),
        "order": (10, 60.0),
        "transaction": (10, 60.0),
        "control": (10, 60.0),
        "status": (60, 60.0),
        "usage": (60, 60.0),
    }


@pytest.mark.parametrize(("roaming", "word"), [(False, "false"), (True, "true")])
def test_trap_13_the_query_is_written_as_documented(
    roaming: bool, word: str, provider: EsimCommerceProvider, accounts: Simulator
) -> None:
    pages = list(provider.list_plans(include_roaming=roaming))
    assert len(pages) == 2
    sent = [parse_qs(request["query"]) for request in accounts.requests("plans")]
    assert sent == [{"includeRoaming": [word], "page": [str(page)], "limit": ["200"]} for page in (1, 2)]


def test_trap_14_a_control_that_the_line_does_not_allow_is_a_final_no(
    provider: EsimCommerceProvider, accounts: Simulator
) -> None:
    iccid = buy(provider, accounts).lines[0].iccid
    accounts.change_line(iccid, "terminate")
    with pytest.raises(Rejected) as caught:
        provider.read_control_reply(
            provider.send_control(ControlRequest(provider_ref=iccid, capability=Capability.SUSPEND)), Capability.SUSPEND
        )
    assert caught.value.mend is None
    assert accounts.effects() == []


def test_trap_15_the_carriers_internal_code_is_not_read() -> None:
    line = mapping.map_line({**LINE, "cmconMdlsts": "03"}, account="a", sent_at=SENT, today=TODAY)
    assert line.state is LineState.ACTIVE
    assert line.raw["cmconMdlsts"] == "03"


def test_trap_16_what_the_api_lacks_is_not_offered(accounts: Simulator) -> None:
    production = {
        Capability.LIST_PLANS,
        Capability.ORDER,
        Capability.READ_LINE,
        Capability.USAGE_BY_DAY,
        Capability.SUSPEND,
        Capability.RELEASE,
        Capability.TRANSACTION_INQUIRY,
    }
    assert get_provider("esim-commerce").offered == production
    assert get_provider("esim-commerce-sandbox").offered == production | {Capability.SIMULATE_USAGE}


def test_trap_17_a_cached_copy_carries_its_age(provider: EsimCommerceProvider, accounts: Simulator) -> None:
    iccid = buy(provider, accounts).lines[0].iccid
    accounts.serve_cached("now")
    accounts.move_clock(hours=3)
    accounts.install_line(iccid)
    cached = provider.read_line(iccid)
    accounts.serve_cached(None)
    live = provider.read_line(iccid)
    assert (cached.state, live.state) == (LineState.READY, LineState.INSTALLED)
    assert live.state_as_of - cached.state_as_of >= timedelta(hours=3)
    assert (cached.usage_as_of, live.usage_as_of) == (cached.state_as_of, live.state_as_of)


def test_trap_18_activation_codes_are_nowhere_but_in_their_fields(
    provider: EsimCommerceProvider, accounts: Simulator
) -> None:
    line = buy(provider, accounts).lines[0]
    read = provider.read_line(line.iccid)
    assert read.lpa == accounts.line(line.iccid)["qrCode"]
    logged = "".join(f"{row.request}{row.reply}{row.path}" for row in ProviderCall.objects.all())
    for text in (logged, json.dumps(dict(line.raw)), json.dumps(dict(read.raw))):
        assert line.iccid in text
        assert line.lpa not in text
        assert line.matching_id not in text


# -- the usage setter of the sandbox (1.5) ----------------------------------------------------------------------------


def test_usage_is_set_for_lines_of_the_sandbox_only(accounts: Simulator) -> None:
    sandbox = get_provider("esim-commerce-sandbox")
    plan_ref = accounts.plan_codes(SANDBOX)[0]
    request = OrderRequest(plan_ref=plan_ref, quantity=1, idempotency_key="key")
    iccid = sandbox.read_order_reply(sandbox.send_order(request), request).lines[0].iccid
    sandbox.simulate_usage(iccid, {date(2025, 12, 11): 0, date(2025, 12, 10): 102_400 * 1024})
    sent = accounts.requests("usage", SANDBOX)
    assert [json.loads(request["body"]) for request in sent] == [
        [{"day": "2025-12-10", "usage": "102400"}, {"day": "2025-12-11", "usage": "0"}]
    ]
    line = sandbox.read_line(iccid)
    assert line.daily_usage is not None
    assert [(day.day.isoformat(), day.used_bytes) for day in line.daily_usage] == [
        ("2025-12-10", 104_857_600),
        ("2025-12-11", 0),
    ]


@pytest.mark.parametrize(
    ("account", "iccid", "used", "code"),
    [
        ("esim-commerce", "8900100000000000002", 1024, "not_offered"),
        ("esim-commerce-sandbox", "8981100000000000002", 1024, "iccid"),
        ("esim-commerce-sandbox", "890010000000000000", 1024, "iccid"),
        ("esim-commerce-sandbox", "89001000000000000021", 1024, "iccid"),
        ("esim-commerce-sandbox", "8900/../8981100000", 1024, "iccid"),
        ("esim-commerce-sandbox", "8900100000000000002", 1000, "usage"),
        ("esim-commerce-sandbox", "8900100000000000002", -1024, "usage"),
        ("esim-commerce-sandbox", "8900100000000000002", None, "days"),
    ],
)
def test_usage_that_must_not_be_set_is_not_sent(
    account: str, iccid: str, used: int | None, code: str, accounts: Simulator
) -> None:
    days = {} if used is None else {date(2025, 12, 10): used}
    with pytest.raises(Rejected) as caught:
        get_provider(account).simulate_usage(iccid, days)
    assert caught.value.code == code
    assert accounts.books("requests")["requests"] == []


def test_production_never_sets_usage_whatever_it_claims_to_offer(
    accounts: Simulator, provider: EsimCommerceProvider
) -> None:
    with pytest.raises(Rejected):
        provider._simulate_usage("8900100000000000002", {date(2025, 12, 10): 1024})
    assert accounts.books("requests")["requests"] == []
