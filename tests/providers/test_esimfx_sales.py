"""What the replies to orders, top-ups and controls may say. Replies are stored ones: reading them needs no network."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured

from providers.base import Provider
from providers.errors import Mend, OutcomeUnknown, ProviderError, RateLimited, Rejected
from providers.registry import get_provider
from providers.types import (
    Capability,
    ControlRequest,
    IncomingWebhook,
    LineState,
    OrderOutcome,
    OrderRequest,
    PackageStatus,
    ProviderReply,
    TopUpOutcome,
    TopUpRequest,
)
from tests.providers.esimfx_samples import CREATED, ICCID, LPA, PRODUCT_ID, TOPPED_UP, make_reply

ON = {"url": "https://wholesaler.invalid", "client_id": "client", "client_key": "key"}
REQUEST = OrderRequest(plan_ref=PRODUCT_ID, quantity=1, idempotency_key="k")
TOP_UP = TopUpRequest(provider_ref=ICCID, iccid=ICCID, plan_ref=PRODUCT_ID, idempotency_key="k")
GIB = 1024**3


@pytest.fixture
def provider(configure: Callable[..., None]) -> Provider:
    configure("esimfx", **ON)
    return get_provider("esimfx")


def read(provider: Provider, reply: ProviderReply) -> OrderOutcome:
    return provider.read_order_reply(reply, REQUEST)


def read_top_up(provider: Provider, reply: ProviderReply) -> TopUpOutcome:
    return provider.read_top_up_reply(reply, TOP_UP)


def refuse(provider: Provider, reply: ProviderReply) -> ProviderError:
    with pytest.raises(ProviderError) as caught:
        read(provider, reply)
    return caught.value


# -- orders -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("code", "status"), [(0, 200), ("0", 200), ("000", 201), (0.0, 202)])
def test_the_documents_order(provider: Provider, code: Any, status: int) -> None:
    outcome = read(provider, make_reply(CREATED, code=code, status=status))
    assert (outcome.transaction_id, outcome.order_ref, outcome.final) == (CREATED["id"], CREATED["id"], True)
    assert outcome.faults == ()
    (line,) = outcome.lines
    assert (line.iccid, line.lpa, line.state, line.order_ref) == (ICCID, LPA, LineState.READY, CREATED["id"])
    assert (line.total_used_bytes, line.total_data_bytes) == (None, 10 * GIB)
    (package,) = line.packages
    assert (package.package_ref, package.plan_ref) == (CREATED["id"], PRODUCT_ID)
    assert (package.status, package.used_bytes, package.is_projected) == (PackageStatus.WAITING, None, True)


def test_what_was_seen_beside_it(provider: Provider) -> None:
    data = {**CREATED, "esim": {**CREATED["esim"], "apn": "data.esim"}, "status": "completed"}
    data["subscription"] = {**CREATED["subscription"], "external_id": "SUB-1"}
    assert read(provider, make_reply(data)).lines[0].apn == "data.esim"


def test_the_iccid_may_stand_beside_the_order(provider: Provider) -> None:
    outcome = read(provider, make_reply({**CREATED, "esim": None, "iccid": ICCID}))
    assert [line.iccid for line in outcome.lines] == [ICCID]


def test_an_order_without_its_esim_is_asked_for(provider: Provider) -> None:
    outcome = read(provider, make_reply({**CREATED, "esim": None}))
    assert (outcome.lines, outcome.final, outcome.transaction_id) == ((), False, CREATED["id"])
    assert [fault.where for fault in outcome.faults] == ["esim.iccid"]


def test_an_esim_without_its_order_is_delivered(provider: Provider) -> None:
    outcome = read(provider, make_reply({**CREATED, "id": None}))
    assert (outcome.transaction_id, outcome.final) == ("", True)
    assert [(line.iccid, line.packages) for line in outcome.lines] == [(ICCID, ())]
    assert [fault.message for fault in outcome.faults] == ["has no usable id"]


@pytest.mark.parametrize("data", [None, {}, [], "text", {"status": "COMPLETED"}])
def test_neither_is_an_unknown_outcome(provider: Provider, data: Any) -> None:
    assert isinstance(refuse(provider, make_reply(data)), OutcomeUnknown)


def test_a_reply_that_was_cut_off_gives_its_order_away(provider: Provider) -> None:
    whole = make_reply(CREATED)
    cut = replace(whole, body=whole.body[:-40], complete=False)
    error = refuse(provider, cut)
    assert isinstance(error, OutcomeUnknown)
    assert error.transaction_id == CREATED["id"]
    # Cut inside the id: a part of it would be another order's.
    at = whole.body.index(CREATED["id"].encode()) + 20
    error = refuse(provider, replace(whole, body=whole.body[:at], complete=False))
    assert isinstance(error, OutcomeUnknown)
    assert error.transaction_id == ""


# -- refusals -----------------------------------------------------------------------------------------------------


def test_a_code_without_a_table_leaves_the_outcome_open(provider: Provider) -> None:
    error = refuse(provider, make_reply(None, code=10023))
    assert isinstance(error, OutcomeUnknown)
    assert error.code == "10023"
    assert "10023: No such thing" in error.message


@pytest.mark.parametrize(
    ("word", "mend"),
    [
        *(("balance", Mend.BALANCE), ("stock", Mend.STOCK), ("price", Mend.PRICE)),
        *(("credentials", Mend.CREDENTIALS), ("final", None)),
    ],
)
@pytest.mark.parametrize("status", [200, 409])
def test_a_placed_code_is_a_refusal(configure: Callable[..., None], word: str, mend: Mend | None, status: int) -> None:
    configure("esimfx", **ON, refusals={"10023": word})
    error = refuse(get_provider("esimfx"), make_reply(None, code=10023, status=status))
    assert isinstance(error, Rejected)
    assert (error.code, error.mend) == ("10023", mend)


def test_a_status_may_be_placed_and_displaced(configure: Callable[..., None]) -> None:
    configure("esimfx", **ON, refusals={"HTTP 409": "price", "http 400": "unknown", "7": "unknown"})
    provider = get_provider("esimfx")
    error = refuse(provider, make_reply(None, code=9, status=409))
    assert isinstance(error, Rejected)
    assert error.mend is Mend.PRICE
    assert isinstance(refuse(provider, make_reply(None, code=9, status=400)), OutcomeUnknown)
    assert isinstance(refuse(provider, make_reply(None, code=7)), OutcomeUnknown)


@pytest.mark.parametrize("status", [301, 408, 499, 500, 503])
def test_a_placed_code_means_nothing_where_the_status_says_nothing(configure: Callable[..., None], status: int) -> None:
    configure("esimfx", **ON, refusals={"10023": "final"})
    assert isinstance(refuse(get_provider("esimfx"), make_reply(None, code=10023, status=status)), OutcomeUnknown)


def test_a_rate_limit_is_one_whatever_the_code(provider: Provider) -> None:
    assert isinstance(refuse(provider, make_reply(None, code=10023, status=429)), RateLimited)


@pytest.mark.parametrize("status", [400, 404, 500])
def test_success_with_a_refusing_status_is_open(provider: Provider, status: int) -> None:
    error = refuse(provider, make_reply(CREATED, status=status))
    assert isinstance(error, OutcomeUnknown)
    assert error.transaction_id == CREATED["id"]


@pytest.mark.parametrize(
    "body", [b"", b"{}", b'{"data": {}}', b'{"code": true, "data": {}}', b'{"code": "", "data": 1}']
)
def test_a_reply_without_a_code_is_open(provider: Provider, body: bytes) -> None:
    assert isinstance(refuse(provider, make_reply(body)), OutcomeUnknown)


# -- top-ups ------------------------------------------------------------------------------------------------------


def test_the_documents_top_up(provider: Provider) -> None:
    outcome = read_top_up(provider, make_reply(TOPPED_UP))
    assert (outcome.transaction_id, outcome.order_ref) == (TOPPED_UP["id"], TOPPED_UP["id"])
    assert outcome.package is not None
    assert (outcome.package.package_ref, outcome.package.plan_ref) == (TOPPED_UP["id"], PRODUCT_ID)
    # The reply tells of this package: of the line's totals it says nothing.
    assert (outcome.total_data_bytes, outcome.used_bytes, outcome.expires_at) == (None, None, None)


@pytest.mark.parametrize(
    "data", [None, {"esim": {"iccid": ICCID}}, {**TOPPED_UP, "esim": {"iccid": "89440000000000000018"}}]
)
def test_a_top_up_of_nothing_or_of_another_esim_is_open(provider: Provider, data: Any) -> None:
    with pytest.raises(OutcomeUnknown):
        read_top_up(provider, make_reply(data))


# -- controls -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("capability", [Capability.TERMINATE, Capability.ACTIVATE])
@pytest.mark.parametrize(
    ("data", "refund"),
    [({"refund": {"need_refund": True}}, True), ({"refund": {"need_refund": False}}, False), ({}, None)],
)
def test_a_control_says_whether_money_comes_back(
    provider: Provider, capability: Capability, data: Any, refund: bool | None
) -> None:
    assert provider.read_control_reply(make_reply(data), capability).refund is refund


def test_a_control_that_the_provider_refuses_in_no_known_word_is_open(provider: Provider) -> None:
    with pytest.raises(OutcomeUnknown):
        provider.read_control_reply(make_reply(None, code=40905), Capability.TERMINATE)


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("request_", "field"),
    [
        (ControlRequest(provider_ref=ICCID, capability=Capability.TERMINATE), "order_id"),
        (ControlRequest(provider_ref=ICCID, capability=Capability.ACTIVATE, package_ref="two words"), "order_id"),
        (ControlRequest(provider_ref="x", capability=Capability.BLOCK), "iccid"),
    ],
)
def test_a_control_that_names_nothing_is_not_sent(
    configure: Callable[..., None], request_: ControlRequest, field: str
) -> None:
    configure("esimfx", **ON, block_path="/block")
    with pytest.raises(Rejected) as caught:
        get_provider("esimfx").send_control(request_)
    assert (caught.value.field, caught.value.code) == (field, field)


# -- settings -----------------------------------------------------------------------------------------------------


def test_what_a_setting_switches_off_is_not_offered(configure: Callable[..., None]) -> None:
    configure("esimfx", **ON)
    offered = get_provider("esimfx").offered
    assert {Capability.BLOCK, Capability.WEBHOOKS} & offered == set()
    configure("esimfx", block_path="/order/api/v1/block", webhook_token="secret")
    assert get_provider("esimfx").offered == offered | {Capability.BLOCK, Capability.WEBHOOKS}


@pytest.mark.parametrize(
    ("values", "variable"),
    [
        ({"url": "ftp://x"}, "ESIMFX_URL"),
        ({"products_version": "3"}, "ESIMFX_PRODUCTS_VERSION"),
        ({"page_size": "many"}, "ESIMFX_PAGE_SIZE"),
        ({"balance_currency": "dollars"}, "ESIMFX_BALANCE_CURRENCY"),
        ({"webhook_token": "two words"}, "ESIMFX_WEBHOOK_TOKEN"),
        ({"block_path": "block"}, "ESIMFX_BLOCK_PATH"),
        ({"paths": {"nothing": "GET /x"}}, "ESIMFX_PATHS"),
        ({"paths": {"order": "GET /x"}}, "ESIMFX_PATHS"),
        ({"paths": {"order": "POST x"}}, "ESIMFX_PATHS"),
        ({"paths": [1]}, "ESIMFX_PATHS"),
        ({"limits": {"calls": 0}}, "ESIMFX_LIMITS"),
        ({"limits": {"order": 5}}, "ESIMFX_LIMITS"),
        ({"limits": 5}, "ESIMFX_LIMITS"),
        ({"refusals": {"1": "perhaps"}}, "ESIMFX_REFUSALS"),
        ({"refusals": []}, None),
    ],
)
def test_a_wrong_setting_is_named(configure: Callable[..., None], values: dict[str, Any], variable: str | None) -> None:
    configure("esimfx", **{**ON, **values})
    if variable is None:
        assert get_provider("esimfx")
        return
    with pytest.raises(ImproperlyConfigured, match=variable):
        get_provider("esimfx")


def test_keys_are_in_no_repr(configure: Callable[..., None]) -> None:
    configure("esimfx", **ON, webhook_token="webhook-token", webhook_secret="path-secret")
    text = repr(get_provider("esimfx").config)  # type: ignore[attr-defined]
    assert [word for word in ("client_id='client", "client_key", "webhook-token", "path-secret") if word in text] == []


def test_the_address_of_webhooks_may_have_a_secret_part(configure: Callable[..., None]) -> None:
    configure("esimfx", **ON, webhook_token="token", webhook_secret="secret")
    provider = get_provider("esimfx")

    def bring(path_secret: str) -> IncomingWebhook:
        return IncomingWebhook(path_secret=path_secret, address="", headers={"token": "token"}, body=b"{}")

    provider.authenticate_webhook(bring("secret"))
    for wrong in ("", "another"):
        with pytest.raises(ProviderError):
            provider.authenticate_webhook(bring(wrong))
