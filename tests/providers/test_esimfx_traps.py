"""One test for each trap that the document sets; the numbers are those of ``docs/providers/esimfx.md``."""

import json
import re
import uuid
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from decimal import Decimal
from typing import Any
from urllib.parse import urlsplit

import pytest

from providers import registry, wire
from providers.base import Provider
from providers.errors import Mend, OutcomeUnknown, Rejected, Unavailable
from providers.esimfx import mapping
from providers.models import ProviderCall, ProviderToken
from providers.types import (
    Capability,
    ControlRequest,
    DataPeriod,
    LineState,
    OrderOutcome,
    OrderRequest,
    PackageStatus,
    PlanOffer,
    TopUpRequest,
)
from tests.providers import esimfx_samples
from tests.providers.scripted import answer, scripted
from tests.providers.test_conformance_esimfx import switch_on
from tests.simulator_client import Simulator
from tests.simulator_esimfx import LEGACY_PRODUCTS_PATH, ORDER_PATH, Esimfx

pytestmark = pytest.mark.django_db
DAY = timedelta(days=1)
GIB = 1024**3
ORDER_ID = re.compile(r"[0-9a-f-]{36}")


@pytest.fixture
def esimfx(simulator: Simulator, configure: Callable[..., None]) -> Esimfx:
    switch_on(configure, simulator)
    registry.ensure_accounts()
    return Esimfx(simulator)


@pytest.fixture
def provider(esimfx: Esimfx) -> Provider:
    return registry.get_provider("esimfx")


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, Mapping[str, str]]]:
    """(path, headers) of every call of ours, as it goes over the wire."""
    calls: list[tuple[str, Mapping[str, str]]] = []
    real = wire.exchange

    def exchange(**call: Any) -> wire.WireReply:
        calls.append((urlsplit(call["address"]).path.removeprefix("/esimfx"), call["headers"]))
        return real(**call)

    monkeypatch.setattr(wire, "exchange", exchange)
    return calls


def list_keys(sent: Sequence[tuple[str, Mapping[str, str]]]) -> list[str]:
    return [headers["X-Idempotency-Key"] for path, headers in sent if path == ORDER_PATH]


def make_request(plan_ref: str, key: str = "") -> OrderRequest:
    return OrderRequest(plan_ref=plan_ref, quantity=1, idempotency_key=key or str(uuid.uuid4()))


def buy(provider: Provider, request: OrderRequest) -> OrderOutcome:
    return provider.read_order_reply(provider.send_order(request), request)


def find_plan(esimfx: Esimfx, **wanted: Any) -> str:
    return str(esimfx.find_product(**{"is_unlimited": False, **wanted})["id"])


def buy_line(provider: Provider, esimfx: Esimfx, **wanted: Any) -> tuple[str, str]:
    """(ICCID, order id) of a new line."""
    outcome = buy(provider, make_request(find_plan(esimfx, **wanted)))
    return outcome.lines[0].iccid, outcome.order_ref


def control(provider: Provider, capability: Capability, iccid: str, order_id: str) -> bool | None:
    request = ControlRequest(provider_ref=iccid, capability=capability, iccid=iccid, package_ref=order_id)
    return provider.read_control_reply(provider.send_control(request), capability).refund


def list_plans(provider: Provider, *, country: str = "", region: str = "") -> list[PlanOffer]:
    return [offer for page in provider.list_plans(country=country, region=region) for offer in page.offers]


def test_trap_01_the_samples_are_repaired_before_they_are_used() -> None:
    samples = [value for name, value in vars(esimfx_samples).items() if name.isupper() and isinstance(value, dict)]
    assert len(samples) == 4
    assert all(json.loads(json.dumps(sample)) == sample for sample in samples)


@pytest.mark.parametrize("kind", ["reset_after", "close_after", "status_after", "cut_body"])
def test_trap_02_an_order_is_asked_again_with_its_own_key(
    kind: str, provider: Provider, esimfx: Esimfx, sent: list[tuple[str, Mapping[str, str]]]
) -> None:
    request = make_request(find_plan(esimfx))
    esimfx.simulator.order_fault(kind, "order", system="esimfx")
    with pytest.raises(OutcomeUnknown):
        buy(provider, request)
    outcome = buy(provider, request)
    assert [sale["reference"] for sale in esimfx.orders()] == [outcome.order_ref]
    assert list_keys(sent) == [request.idempotency_key] * 2
    assert provider.repeatable == {Capability.ORDER, Capability.TOP_UP}


@pytest.mark.parametrize("unit", ["Byte", "MB", "GB"])
def test_trap_03_the_unit_decides(unit: str, provider: Provider, esimfx: Esimfx) -> None:
    iccid, _order = buy_line(provider, esimfx, amount=10, amount_unit="GB")
    esimfx.use(iccid, 3 * GIB)
    esimfx.set_switches(unit=unit)
    line = provider.read_line(iccid)
    assert (line.total_used_bytes, line.total_data_bytes) == (3 * GIB, 10 * GIB)
    assert line.packages[0].allowance is not None
    assert line.packages[0].allowance.raw_unit == unit


def test_trap_03_days_have_no_bytes_and_no_percentage(provider: Provider, esimfx: Esimfx) -> None:
    iccid, _order = buy_line(provider, esimfx, is_unlimited=True)
    esimfx.use(iccid, 3 * GIB)
    line = provider.read_line(iccid)
    (package,) = line.packages
    assert package.allowance is not None
    assert (package.allowance.unlimited, package.allowance.data_bytes, package.used_bytes) == (True, None, None)
    assert package.allowance.period is DataPeriod.UNKNOWN
    assert (line.total_used_bytes, line.total_data_bytes) == (None, None)


def test_trap_04_what_waits_has_only_projected_times(provider: Provider, esimfx: Esimfx) -> None:
    iccid, _order = buy_line(provider, esimfx)
    line = provider.read_line(iccid)
    (package,) = line.packages
    assert package.is_projected
    assert package.starts_at is not None
    assert package.starts_at > line.state_as_of
    assert (line.activated_at, line.expires_at, line.state) == (None, None, LineState.READY)
    esimfx.connect(iccid)
    line = provider.read_line(iccid)
    assert not line.packages[0].is_projected
    assert (line.activated_at, line.expires_at) == (line.packages[0].starts_at, line.packages[0].ends_at)


def test_trap_05_the_deadline_is_told_and_nothing_is_promised_of_it(provider: Provider, esimfx: Esimfx) -> None:
    iccid, _order = buy_line(provider, esimfx)
    line = provider.read_line(iccid)
    assert line.activation_deadline == line.packages[0].activate_by
    assert line.activation_deadline is not None
    assert 59 * DAY < line.activation_deadline - line.state_as_of <= 60 * DAY
    (offer,) = [offer for offer in list_plans(provider) if offer.plan_ref == line.packages[0].plan_ref]
    assert (offer.unused_termination_days, offer.activation_info) == (None, "")


def test_trap_06_a_refund_is_the_providers_word(provider: Provider, esimfx: Esimfx) -> None:
    iccid, order = buy_line(provider, esimfx)
    assert control(provider, Capability.TERMINATE, iccid, order) is True
    assert provider.read_line(iccid).state is LineState.TERMINATED
    iccid, order = buy_line(provider, esimfx)
    esimfx.connect(iccid)
    assert control(provider, Capability.TERMINATE, iccid, order) is False
    # Not said is not "no".
    iccid, order = buy_line(provider, esimfx)
    esimfx.simulator.order_fault("drop_fields", "terminate", system="esimfx", fields=["refund"])
    assert control(provider, Capability.TERMINATE, iccid, order) is None


def test_trap_07_top_ups_are_those_that_the_provider_names_for_the_line(provider: Provider, esimfx: Esimfx) -> None:
    iccid, order = buy_line(provider, esimfx)
    plan_ref = provider.read_line(iccid).packages[0].plan_ref
    offers = provider.list_top_ups(provider_ref=iccid, iccid=iccid, plan_ref=plan_ref)
    profile = esimfx.product(plan_ref)["product"]["imsi_profile"]
    assert offers
    assert {(offer.top_up_profile, offer.top_up_supported, offer.coverage) for offer in offers} == {(profile, True, ())}
    asked = esimfx.requests("topups")[-1]["query"]
    assert (iccid in str(asked), "product_id" in str(asked)) == (True, False)
    request = TopUpRequest(provider_ref=iccid, iccid=iccid, plan_ref=offers[0].plan_ref, idempotency_key="top-up-1")
    outcome = provider.read_top_up_reply(provider.send_top_up(request), request)
    assert {package.package_ref for package in provider.read_line(iccid).packages} == {order, outcome.order_ref}


def test_trap_08_the_two_lists_are_never_mixed(
    provider: Provider, esimfx: Esimfx, configure: Callable[..., None]
) -> None:
    new = list_plans(provider)
    assert all(offer.plan_ref.startswith("esimfx_") and offer.alias for offer in new)
    assert not esimfx.requests("products_v1")
    configure("esimfx", products_version="1")
    legacy = list_plans(registry.get_provider("esimfx"))
    assert [offer.plan_ref for offer in legacy] == [offer.alias for offer in new]
    assert {offer.alias for offer in legacy} == {""}
    assert esimfx.requests("products_v1")[0]["method"] == "POST"
    # Both kinds of ids name the plan.
    for plan_ref in (new[0].plan_ref, new[0].alias):
        offer = provider.read_plan(plan_ref)
        assert (offer.plan_ref, offer.alias, offer.name) == (plan_ref, new[0].alias, new[0].name)


@pytest.mark.parametrize("end", ["empty", "null", "absent"])
def test_trap_09_pages_go_by_an_opaque_key(end: str, provider: Provider, esimfx: Esimfx) -> None:
    esimfx.set_switches(page_end=end)
    pages = list(provider.list_plans())
    assert [(page.page, len(page.offers), page.total, page.is_last) for page in pages] == [
        (1, 99, None, False),
        (2, 99, None, False),
        (3, 52, None, True),
    ]
    sent = [json.loads(call["body"]) for call in esimfx.requests("products")]
    assert sent[0] == {"page_start": {}, "page_size": 99}
    assert [body["page_start"] for body in sent[1:]] == [json.loads(page.cursor) for page in pages[:-1]]
    # To go on where a reading stopped.
    rest = list(provider.list_plans(first_page=3, cursor=pages[1].cursor))
    assert [(page.page, page.offers) for page in rest] == [(3, pages[2].offers)]


def test_trap_09_a_key_that_comes_again_ends_the_reading(
    provider: Provider, configure: Callable[..., None], esimfx: Esimfx
) -> None:
    provider.check()
    page = {"products": [esimfx_samples.PRODUCT], "last_evaluated_key": {"id": "x", "n": 1}}
    reply = answer(json.dumps({"code": 0, "message": "Success", "data": page}).encode())
    token = answer(b'{"code": 0, "data": {"access_token": "abcdefgh"}}')
    with scripted(token, reply) as server:
        configure("esimfx", url=server.url)
        pages = list(registry.get_provider("esimfx").list_plans())
        assert len(server.requests) == 3
    assert [(len(page.offers), page.is_last) for page in pages] == [(1, False), (0, False)]
    assert [fault.message for page in pages for fault in page.faults] == [
        "comes twice",
        "its key came before; the reading ends here",
    ]


def test_trap_10_a_region_is_sent_alone(provider: Provider, esimfx: Esimfx) -> None:
    assert {place.country for offer in list_plans(provider, country="JP") for place in offer.coverage} >= {"JP"}
    region = esimfx.product(esimfx.product_ids()[0])["region"]
    assert list_plans(provider, country="JP", region=region)
    first, last = (json.loads(esimfx.requests("products")[index]["body"]) for index in (0, -1))
    assert (first["countries"], "region" in first) == ("JP", False)
    assert (last["region"], "countries" in last) == (region, False)


def test_trap_11_ids_are_opaque_and_another_orders_answer_is_not_ours(provider: Provider, esimfx: Esimfx) -> None:
    outcome = buy(provider, make_request(find_plan(esimfx)))
    record = provider.read_transaction(outcome.transaction_id)
    assert (record.line_refs, record.order_ref, record.is_pending) == (
        (outcome.lines[0].iccid,),
        outcome.order_ref,
        False,
    )
    odd = "13bd78f-4a74-4873-87e2-d234y475xxxx"
    esimfx.simulator.order_fault("set_fields", "order_detail", system="esimfx", values={"id": odd})
    with pytest.raises(Unavailable):
        provider.read_transaction(outcome.transaction_id)
    data = {**esimfx_samples.ORDER, "id": odd}
    assert mapping.map_transaction(data, order_id=odd, account="esimfx").transaction_id == odd


def test_trap_12_prices_are_exact(provider: Provider, esimfx: Esimfx) -> None:
    plan_ref = esimfx.product_ids()[0]
    esimfx.change_product(plan_ref, price=4.35, price_unit="EUR")
    price = provider.read_plan(plan_ref).net_price
    assert price is not None
    assert (price.amount, price.currency) == (Decimal("4.35"), "EUR")
    assert provider.read_balance().money.currency == "USD"


def test_trap_13_an_order_is_one_esim(provider: Provider, esimfx: Esimfx) -> None:
    with pytest.raises(ValueError, match="1 to 1"):
        provider.send_order(OrderRequest(plan_ref=find_plan(esimfx), quantity=2, idempotency_key="k"))
    buy(provider, make_request(find_plan(esimfx)))
    body = json.loads(esimfx.requests("order")[0]["body"])
    assert body == {"operation_type": "NEW", "product": {"id": find_plan(esimfx)}}


@pytest.mark.parametrize("case", ["printed", "lower", "title"])
def test_trap_14_words_are_compared_in_any_case(case: str, provider: Provider, esimfx: Esimfx) -> None:
    esimfx.set_switches(case=case, misspelt=True, bare_orders=True)
    iccid, _order = buy_line(provider, esimfx)
    assert provider.read_line(iccid).state is LineState.READY
    esimfx.install(iccid)
    assert provider.read_line(iccid).state is LineState.INSTALLED
    esimfx.connect(iccid)
    line = provider.read_line(iccid)
    assert (line.state, line.packages[0].status) == (LineState.ACTIVE, PackageStatus.ACTIVE)
    assert line.total_data_bytes is not None


def test_trap_15_every_package_is_told_and_acted_on_by_itself(provider: Provider, esimfx: Esimfx) -> None:
    iccid, first = buy_line(provider, esimfx)
    plan_ref = provider.read_line(iccid).packages[0].plan_ref
    second, third = (str(esimfx.order_topup(iccid, plan_ref)["id"]) for _time in range(2))
    assert control(provider, Capability.ACTIVATE, iccid, second) is None
    assert control(provider, Capability.TERMINATE, iccid, third) is True
    assert {package.package_ref: package.status for package in provider.read_line(iccid).packages} == {
        first: PackageStatus.WAITING,
        second: PackageStatus.ACTIVE,
        third: PackageStatus.TERMINATED,
    }


def test_trap_16_an_end_does_not_say_why(provider: Provider, esimfx: Esimfx) -> None:
    iccid, _order = buy_line(provider, esimfx, amount=1, amount_unit="GB", duration=7)
    esimfx.use(iccid, GIB)
    line = provider.read_line(iccid)
    assert (line.state, line.packages[0].status) == (LineState.DEPLETED, PackageStatus.ENDED)
    iccid, _order = buy_line(provider, esimfx)
    esimfx.connect(iccid)
    esimfx.expire(iccid)
    line = provider.read_line(iccid)
    assert (line.state, line.packages[0].status) == (LineState.EXPIRED, PackageStatus.ENDED)


def test_trap_17_an_order_survives_the_end_of_its_token_with_one_key(
    provider: Provider, esimfx: Esimfx, sent: list[tuple[str, Mapping[str, str]]]
) -> None:
    provider.check()
    request = make_request(find_plan(esimfx))
    esimfx.revoke_tokens()
    assert buy(provider, request).final
    assert [call["endpoint"] for call in esimfx.requests()][-3:] == ["order", "auth", "order"]
    assert list_keys(sent) == [request.idempotency_key] * 2
    used = [headers["Authorization"] for path, headers in sent if path == ORDER_PATH]
    assert all(text.startswith("Bearer ey") for text in used)
    assert len(set(used)) == 2
    assert len(esimfx.orders()) == 1
    outcomes = list(ProviderCall.objects.order_by("pk").values_list("operation", "outcome"))
    assert outcomes[-3:] == [("order", "rejected"), ("auth", "ok"), ("order", "ok")]
    row = ProviderToken.objects.get()
    assert row.expires_at - row.renew_at == pytest.approx(timedelta(minutes=10), abs=timedelta(seconds=5))


def test_trap_17_a_token_may_go_without_bearer(
    esimfx: Esimfx, configure: Callable[..., None], sent: list[tuple[str, Mapping[str, str]]]
) -> None:
    esimfx.set_switches(bare_token=True)
    configure("esimfx", bare_token=True)
    registry.get_provider("esimfx").check()
    assert sent[-1][1]["Authorization"].startswith("ey")


def test_trap_18_wrong_keys_are_for_staff_and_in_no_log(
    provider: Provider, esimfx: Esimfx, configure: Callable[..., None]
) -> None:
    configure("esimfx", client_key="another-client-key")
    with pytest.raises(Rejected) as caught:
        buy(registry.get_provider("esimfx"), make_request(find_plan(esimfx)))
    assert (caught.value.mend, caught.value.operation) == (Mend.CREDENTIALS, "order")
    assert (esimfx.orders(), [call["endpoint"] for call in esimfx.requests()]) == ([], ["auth"])
    logged = " ".join(f"{call.request} {call.reply} {call.error}" for call in ProviderCall.objects.all())
    assert "another-client-key" not in logged


def test_a_line_may_be_blocked_for_good(provider: Provider, esimfx: Esimfx) -> None:
    iccid, order = buy_line(provider, esimfx)
    assert control(provider, Capability.BLOCK, iccid, order) is None
    assert json.loads(esimfx.requests("block")[0]["body"]) == {"iccid": iccid}
    assert provider.read_line(iccid).state is LineState.TERMINATED


def test_the_older_list_may_be_read_by_get(provider: Provider, esimfx: Esimfx, configure: Callable[..., None]) -> None:
    """As the quick start prints it: a body all the same."""
    configure("esimfx", products_version="1", paths={"products": f"GET {LEGACY_PRODUCTS_PATH}"})
    assert len(list_plans(registry.get_provider("esimfx"), country="JP")) >= 1
    assert esimfx.requests("products_v1")[0]["method"] == "GET"


@pytest.mark.parametrize("fields", [{"data": None}, {"data": {"orders": []}}])
def test_an_empty_list_of_orders_is_a_line_without_packages(
    fields: Mapping[str, Any], provider: Provider, esimfx: Esimfx
) -> None:
    iccid, _order = buy_line(provider, esimfx)
    esimfx.simulator.order_fault("set_fields", "esim_orders", system="esimfx", values=dict(fields))
    if fields["data"] is None:
        with pytest.raises(Unavailable):
            provider.read_line(iccid)
    else:
        assert provider.read_line(iccid).packages == ()
