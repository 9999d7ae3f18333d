"""Our adapter at four houses that word the same facts in four ways: catalogue, tokens, orders, lines, actions."""

import json
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from django.test import Client

from providers.base import Provider
from providers.errors import OutcomeUnknown, ProviderError, RateLimited, Rejected, Unavailable
from providers.models import ProviderToken, WebhookDelivery
from providers.registry import get_provider
from providers.types import Capability, LineState, PackageStatus, PlanOffer, StartsWith, WebhookKind
from tests.emulator.wire import Fault
from tests.emulator_esimfx.books import GIB
from tests.emulator_esimfx.conftest import HOOK_TOKEN, OpenOffice
from tests.emulator_esimfx.hooks import write_hook
from tests.emulator_esimfx.making import buy, control, make_request, send, top_up, usd
from tests.emulator_esimfx.office import Office
from tests.emulator_esimfx.quirks import VARIANTS, Quirks
from tests.emulator_esimfx.server import FxHouse
from tests.emulator_esimfx.wording import CODES

MIB = 1024**2


def read_offers(provider: Provider, **filters: str) -> dict[str, PlanOffer]:
    pages = list(provider.list_plans(**filters))  # type: ignore[arg-type]
    assert [fault for page in pages for fault in page.faults] == []
    assert [page.is_last for page in pages] == [False] * (len(pages) - 1) + [True]
    return {offer.plan_ref: offer for page in pages for offer in page.offers}


# -- the catalogue ----------------------------------------------------------------------------------------------------


def test_catalogue(provider: Provider, house: FxHouse) -> None:
    """Every page, by whatever key the house has; the key goes back as it came."""
    offers = read_offers(provider)
    assert list(offers) == [product.slug for product in house.books.products]
    assert house.count("products") == -(-5 // min(house.quirks.page_cap, 99))
    japan, small, unlimited, europe = (offers[house.books.products[place].slug] for place in (0, 1, 2, 4))
    assert (japan.net_price, small.net_price, japan.allowance.data_bytes) == (usd("12"), usd("2.35"), 10 * GIB)
    assert (small.allowance.data_bytes, small.validity_days, small.top_up_profile) == (500 * MIB, 3, "Green")
    assert (unlimited.allowance.data_bytes, unlimited.allowance.unlimited) == (None, True)
    assert (japan.alias, japan.starts_with) == (house.books.products[0].number, StartsWith.CONNECTION)
    assert [place.country for place in europe.coverage] == ["ES", "FR", "DE"]
    assert set(read_offers(provider, country="BR")) == {"esimfx_10G_7D_BR"}
    assert set(read_offers(provider, country="JP", region="Europe")) == {"esimfx_5G_30D_EU"}
    assert house.complaints == []


def test_catalogue_goes_on_where_it_stopped(open_office: OpenOffice) -> None:
    office = open_office(VARIANTS["portal"])
    provider = get_provider(office.account.slug)
    office.emulator.meet("products", None, Fault(kind="answer", status=503))
    pages = provider.list_plans()
    first = next(pages)
    with pytest.raises(Unavailable):
        next(pages)
    rest = list(provider.list_plans(first_page=first.page + 1, cursor=first.cursor))
    assert len([offer for page in (first, *rest) for offer in page.offers]) == 5


def test_key_that_repeats_does_not_run_for_ever(open_office: OpenOffice) -> None:
    office = open_office()
    rows = [office.emulator.wording.product(product, version=2) for product in office.emulator.books.products]
    data = {"products": rows, "last_evaluated_key": {"id": "k1"}}
    office.emulator.canned["products"] = lambda _: {"code": 0, "message": "", "data": data}
    pages = list(get_provider(office.account.slug).list_plans())
    assert (len(pages) <= 3, any(page.faults for page in pages), pages[-1].is_last) == (True, True, False)


def test_older_list_has_its_own_ids(open_office: OpenOffice) -> None:
    office = open_office(VARIANTS["live"], PRODUCTS_VERSION="1")
    offers = read_offers(get_provider(office.account.slug))
    assert set(offers) == {product.number for product in office.emulator.books.products}
    assert (office.emulator.count("products"), office.emulator.count("products_v1")) == (0, 2)


def test_one_product_by_either_id(provider: Provider, house: FxHouse) -> None:
    product = house.books.products[1]
    assert provider.read_plan(product.slug).net_price == usd("2.35")
    assert provider.read_plan(product.number).allowance.data_bytes == 500 * MIB
    with pytest.raises(ProviderError):
        provider.read_plan("esimfx_gone")


def test_one_bad_product_costs_only_itself(open_office: OpenOffice) -> None:
    office = open_office()
    good = [office.emulator.wording.product(product, version=2) for product in office.emulator.books.products]
    rows: list[object] = [
        None,
        7,
        {**good[0], "id": None},
        {**good[1], "price": "much", "amount": []},
        *good[2:],
        good[2],
    ]
    data = {"products": rows, "last_evaluated_key": None}
    office.emulator.canned["products"] = lambda _: {"code": 0, "data": data}
    (page,) = get_provider(office.account.slug).list_plans()
    assert {product["id"] for product in good[2:]} <= {offer.plan_ref for offer in page.offers}
    assert page.faults


# -- tokens -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("place", ["access_token", "token", "accessToken", "bare", "top"])
def test_token_wherever_it_stands(place: str, open_office: OpenOffice) -> None:
    office = open_office(Quirks(token_place=place))
    provider = get_provider(office.account.slug)
    assert provider.read_balance().money == usd("1000")
    provider.read_balance()
    assert office.emulator.count("auth") == 1
    stored = ProviderToken.objects.get()
    assert stored.token is not None
    assert stored.token.decode() in office.emulator.tokens
    assert timedelta(minutes=59) < stored.expires_at - stored.renew_at + timedelta(minutes=50) < timedelta(minutes=61)


def test_token_revoked_in_the_middle(provider: Provider, house: FxHouse) -> None:
    """Once more with another one: a read, an order with the same key, an action."""
    iccid = buy(provider)
    house.revoke_tokens()
    assert provider.read_line(iccid).iccid == iccid
    house.revoke_tokens()
    request = make_request()
    send(provider, request)
    assert [arrival.headers["x-idempotency-key"] for arrival in house.find("create")][1:] == [
        request.idempotency_key
    ] * 2
    house.revoke_tokens()
    control(provider, next(iter(house.books.orders.values())), Capability.ACTIVATE)
    assert (house.count("auth"), len(house.books.orders)) == (4, 2)


def test_token_that_is_always_refused_ends(provider: Provider, house: FxHouse) -> None:
    iccid = buy(provider)
    house.token_seconds = -1.0
    house.revoke_tokens()
    with pytest.raises(Rejected) as refusal:
        provider.read_line(iccid)
    assert (refusal.value.mend, house.count("status") + house.count("orders") <= 3) == ("credentials", True)
    with pytest.raises(Rejected) as refusal:
        send(provider, make_request())
    assert (refusal.value.mend, len(house.books.orders)) == ("credentials", 1)


@pytest.mark.parametrize("life", [0, -5, "0", "soon", None, 10**12, 1.5, {}])
def test_strange_lives_of_tokens_do_not_loop(life: object, open_office: OpenOffice) -> None:
    office = open_office(Quirks(token_kind="opaque"))
    provider, house = get_provider(office.account.slug), office.emulator
    token = "fxtok-strange"
    house.tokens[token] = float("inf")
    body = house.wording.success({"access_token": token, "expires_in": life})
    house.meet("auth", *[Fault(kind="answer", body=body)] * 6)
    for _ in range(2):
        try:
            assert provider.read_balance().money == usd("1000")
        except ProviderError:
            assert house.count("profile") == 0
    assert house.count("auth") <= 4


def test_wrong_keys(variant: Quirks, open_office: OpenOffice) -> None:
    office = open_office(variant, CLIENT_KEY="ckey-of-somebody")
    with pytest.raises(ProviderError) as refusal:
        get_provider(office.account.slug).check()
    assert "ckey-of-somebody" not in refusal.value.message
    assert office.emulator.count("create") == 0
    office.check_secrets()


def test_no_token_means_nothing_was_sent(open_office: OpenOffice) -> None:
    office = open_office()
    office.emulator.meet("auth", Fault(kind="answer", status=502))
    with pytest.raises(ProviderError) as refusal:
        send(get_provider(office.account.slug), make_request())
    assert (type(refusal.value).__name__, office.emulator.count("create")) == ("NotSent", 0)


# -- orders and lines -------------------------------------------------------------------------------------------------


def test_order_brings_its_line(provider: Provider, house: FxHouse) -> None:
    request = make_request()
    outcome = send(provider, request)
    (order,) = house.books.orders.values()
    (line,) = outcome.lines
    esim = house.books.esims[order.iccid]
    assert (line.iccid, line.provider_ref, line.lpa) == (esim.iccid, esim.iccid, esim.lpa)
    assert (outcome.order_ref or outcome.transaction_id, line.state, line.faults) == (order.number, LineState.READY, ())
    (arrival,) = house.find("create")
    assert arrival.body == {"operation_type": "NEW", "product": {"id": "esimfx_10G_7D_JP"}}
    assert (arrival.headers["x-idempotency-key"], order.key) == (request.idempotency_key,) * 2


def test_same_key_is_the_same_order(provider: Provider, house: FxHouse) -> None:
    request = make_request()
    for fault in (Fault(kind="reset_after"), Fault(kind="cut", cut=lambda body: 9), Fault(kind="answer", status=504)):
        house.meet("create", fault)
        with pytest.raises(OutcomeUnknown):
            send(provider, request)
    outcome = send(provider, request)
    assert [line.iccid for line in outcome.lines] == house.books.sold
    assert len(house.books.orders) == 1


def test_line_from_new_to_its_end(provider: Provider, house: FxHouse) -> None:
    iccid = buy(provider)
    line = provider.read_line(iccid)
    assert (line.state, line.total_data_bytes, line.total_used_bytes) == (LineState.READY, 10 * GIB, 0)
    (package,) = line.packages
    assert (package.status, package.plan_ref) == (PackageStatus.WAITING, "esimfx_10G_7D_JP")
    assert package.is_projected or package.starts_at is None
    house.books.install(iccid)
    assert provider.read_line(iccid).state is LineState.INSTALLED
    order = house.books.connect(iccid)
    house.books.use(order, 3 * GIB + GIB // 2)
    line = provider.read_line(iccid)
    assert (line.state, line.total_used_bytes) == (LineState.ACTIVE, 3 * GIB + GIB // 2)
    (package,) = line.packages
    assert (package.status, package.is_projected, package.used_bytes) == (
        PackageStatus.ACTIVE,
        False,
        3 * GIB + GIB // 2,
    )
    assert (package.starts_at, package.order_ref) == (_seen(house, order.activated_at), order.number)
    house.books.use(order, 10 * GIB)
    assert provider.read_line(iccid).state is LineState.DEPLETED
    house.books.esims[iccid].status = "BLOCKED"
    assert provider.read_line(iccid).state is LineState.TERMINATED
    house.books.esims[iccid].status = "DEACTIVATED"
    assert provider.read_line(iccid).state is LineState.ERROR
    house.books.esims[iccid].status = "DREAMING"
    assert provider.read_line(iccid).state is LineState.UNKNOWN


def _seen(house: FxHouse, moment: object) -> object:
    assert isinstance(moment, datetime)
    kept = moment.microsecond // 1000 * 1000 if house.quirks.instants == "fraction" else 0
    return moment.replace(microsecond=kept)


def test_unlimited_has_days_and_no_bytes(provider: Provider, house: FxHouse) -> None:
    iccid = buy(provider, "esimfx_UL_7D_JP")
    order = house.books.connect(iccid)
    order.used = 2
    line = provider.read_line(iccid)
    (package,) = line.packages
    assert (package.used_bytes, line.total_used_bytes, line.total_data_bytes) == (None, None, None)
    assert package.allowance is None or package.allowance.data_bytes is None


def test_several_packages_wait(provider: Provider, house: FxHouse) -> None:
    iccid = buy(provider)
    (offer, *_more) = provider.list_top_ups(provider_ref=iccid, iccid=iccid, plan_ref="esimfx_10G_7D_JP")
    assert offer.plan_ref == "esimfx_10G_7D_JP"
    for code in ("esimfx_500M_3D_JP", "esimfx_10G_7D_JP"):
        outcome = top_up(provider, iccid, code)
        assert outcome.order_ref or outcome.transaction_id
    line = provider.read_line(iccid)
    assert [package.status for package in line.packages] == [PackageStatus.WAITING] * 3
    assert {package.order_ref for package in line.packages} == set(house.books.orders)
    assert line.total_data_bytes == 20 * GIB + 500 * MIB
    first = house.books.connect(iccid)
    house.books.use(first, 10 * GIB)
    line = provider.read_line(iccid)
    assert [package.status for package in line.packages] == [
        PackageStatus.ENDED,
        PackageStatus.ACTIVE,
        PackageStatus.WAITING,
    ]
    assert (line.state, line.total_used_bytes) == (LineState.ACTIVE, 10 * GIB)


@pytest.mark.parametrize("name", sorted(VARIANTS))
def test_orders_with_nothing_but_their_subscriptions(name: str, open_office: OpenOffice) -> None:
    office = open_office(replace(VARIANTS[name], sparse_orders=True))
    provider, books = get_provider(office.account.slug), office.emulator.books
    iccid = buy(provider)
    books.use(books.connect(iccid), 5 * GIB)
    line = provider.read_line(iccid)
    assert (line.state, line.total_used_bytes, line.total_data_bytes) == (LineState.ACTIVE, 5 * GIB, 10 * GIB)
    assert [package.order_ref for package in line.packages] == list(books.orders)


def test_top_up_with_the_same_key_is_one(provider: Provider, house: FxHouse) -> None:
    iccid = buy(provider)
    house.meet("create", Fault(kind="reset_after"))
    with pytest.raises(OutcomeUnknown):
        top_up(provider, iccid, key="5f0c7d2e-0000-4000-8000-000000000001")
    top_up(provider, iccid, key="5f0c7d2e-0000-4000-8000-000000000001")
    assert len(house.books.orders_of(iccid)) == 2
    assert house.find("create")[-1].body == {
        "operation_type": "TOPUP",
        "iccid": iccid,
        "product": {"id": "esimfx_10G_7D_JP"},
    }


def test_terminate_and_its_refund(provider: Provider, house: FxHouse) -> None:
    """The package's price comes back for what is pending and young; the house's word counts, if there is one."""
    waiting, active = house.books.orders, buy(provider)
    first = next(iter(waiting.values()))
    told = control(provider, first, Capability.TERMINATE).refund
    assert told is (True if house.quirks.says_refund else None)
    assert (first.status, house.books.invoice[-1].amount) == ("TERMINATED", -first.product.price)
    assert provider.read_line(active).state is LineState.TERMINATED
    second = waiting[next(reversed(waiting))] if buy(provider) else first
    house.books.connect(second.iccid)
    assert control(provider, second, Capability.TERMINATE).refund is (False if house.quirks.says_refund else None)
    with pytest.raises(ProviderError):
        control(provider, second, Capability.TERMINATE)
    assert sum(item.kind == "refund" for item in house.books.invoice) == 1


def test_activate_and_block(provider: Provider, house: FxHouse) -> None:
    iccid = buy(provider)
    (order,) = house.books.orders.values()
    control(provider, order, Capability.ACTIVATE)
    assert order.status == "ACTIVE"
    control(provider, order, Capability.BLOCK)
    assert provider.read_line(iccid).state is LineState.TERMINATED
    assert house.complaints == []


def test_no_button_without_a_path(open_office: OpenOffice) -> None:
    office = open_office(BLOCK_PATH="")
    assert Capability.BLOCK not in get_provider(office.account.slug).offered


# -- refusals ---------------------------------------------------------------------------------------------------------


def test_house_that_really_refuses(provider: Provider, house: FxHouse) -> None:
    with pytest.raises(Rejected):
        send(provider, make_request("esimfx_gone"))
    iccid = buy(provider)
    with pytest.raises(Rejected):
        top_up(provider, iccid, "esimfx_10G_7D_BR")
    house.books.credit = sum((item.amount for item in house.books.invoice), start=house.books.credit * 0)
    with pytest.raises(Rejected) as refusal:
        send(provider, make_request())
    assert refusal.value.mend == "balance"
    assert (len(house.books.orders), house.complaints) == (1, [])


@pytest.mark.parametrize("status", [200, 500])
def test_code_that_nobody_explained_proves_nothing(status: int, open_office: OpenOffice) -> None:
    """HTTP 200 proves nothing either way, and no code is documented but 0."""
    office = open_office(replace(VARIANTS["document"], failure_status=status), REFUSALS="{}")
    provider = get_provider(office.account.slug)
    for code in (*(str(number) for number, _word in CODES.values()), 7, -1, "E_SOMETHING", None, True, 1.5):
        body = json.dumps({"code": code, "message": "no", "data": None}).encode()
        office.emulator.meet("create", Fault(kind="answer", status=status, effect=True, body=body))
        request = make_request()
        with pytest.raises(OutcomeUnknown):
            send(provider, request)
        assert send(provider, request).final
    assert len(office.emulator.books.orders) == len(CODES) + 6


@pytest.mark.parametrize(
    "body", [b"", b"null", b"{}", b'{"code":0}', b'{"code":0,"data":{}}', b"<html>", b'{"data":{"id":"1"}}']
)
def test_success_that_says_nothing_may_have_sold(body: bytes, open_office: OpenOffice) -> None:
    office = open_office()
    provider = get_provider(office.account.slug)
    office.emulator.meet("create", Fault(kind="answer", effect=True, body=body))
    request = make_request()
    with pytest.raises(OutcomeUnknown):
        send(provider, request)
    assert [line.iccid for line in send(provider, request).lines] == office.emulator.books.sold


def test_answer_about_another_order_is_not_believed(open_office: OpenOffice) -> None:
    """The document's own sample answers another id than asked for."""
    office = open_office()
    provider, house = get_provider(office.account.slug), office.emulator
    first, second = buy(provider), buy(provider)
    body = house.wording.success(house.wording.esim(house.books.esims[second]))
    house.meet("status", Fault(kind="answer", body=body))
    with pytest.raises((Unavailable, Rejected)):
        provider.read_line(first)


def test_limits_of_ours_are_kept_on_arrival(open_office: OpenOffice) -> None:
    office = open_office(LIMITS="{}")
    provider = get_provider(office.account.slug)
    for _ in range(9):
        try:
            provider.read_balance()
        except RateLimited:
            break
    assert office.emulator.most_in(0.9) <= 5
    assert len(office.emulator.arrivals) >= 5


# -- webhooks ---------------------------------------------------------------------------------------------------------


def test_deliveries_of_any_shape(office: Office) -> None:
    provider, house = get_provider(office.account.slug), office.emulator
    buy(provider)
    (order,) = house.books.orders.values()
    for event in ("DATA_USAGE", "ACTIVATION", "EXPIRATION"):
        body = write_hook(house, event, order)
        hints = provider.read_webhook(body)
        assert len(hints) == 1
        assert order.iccid == hints[0].iccid or order.number == hints[0].order_ref
        assert hints[0].kind is not WebhookKind.HEALTH_CHECK
        assert hints[0].kind is not WebhookKind.UNKNOWN
        assert provider.read_webhook_key(body) == provider.read_webhook_key(body) != ""


def test_token_header_is_the_only_proof(open_office: OpenOffice) -> None:
    office = open_office()
    buy(get_provider(office.account.slug))
    body = write_hook(office.emulator, "ACTIVATION", next(iter(office.emulator.books.orders.values())))

    def post(**headers: str) -> int:
        return Client().post("/hooks/esimfx/", body, content_type="application/json", headers=headers).status_code

    assert [post(), post(token=""), post(token=HOOK_TOKEN[:-1]), post(token=f"{HOOK_TOKEN}x")] == [404] * 4
    assert [post(token=HOOK_TOKEN), post(token=HOOK_TOKEN)] == [200, 200]
    assert WebhookDelivery.objects.get().repeats == 1
