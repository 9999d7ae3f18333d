"""Before a top-up is paid the page tells its rules, where the provider has such; eSIMfx at the simulator, over HTTP."""

import pytest
from pytest_django import Settings

from esims.lifecycle import register_lines
from esims.models import Esim
from providers.models import ProviderAccount
from providers.registry import ensure_accounts, get_provider
from tests.catalog.making import make_plan
from tests.esims.making import make_customer
from tests.orders.desk import SELLER, sign_in
from tests.pages import assert_clean_page
from tests.simulator_client import Simulator
from tests.simulator_esimfx import CLIENT_ID, CLIENT_KEY, Esimfx

RULES = (
    "The added data starts by itself",
    "counted from the moment when its own data is first used",
    "need not be installed again",
    "in use within 60 days of its purchase",
)
TITLE = "Tell the customer before they pay"


@pytest.fixture
def esimfx(db: None, settings: Settings, simulator: Simulator) -> Esimfx:
    served = Esimfx(simulator)
    entry = {**settings.PROVIDERS["esimfx"], "url": served.url, "client_id": CLIENT_ID, "client_key": CLIENT_KEY}
    settings.PROVIDERS = {"esimfx": entry}
    ensure_accounts()
    return served


@pytest.fixture
def line(esimfx: Esimfx) -> Esim:
    product = esimfx.find_product(is_unlimited=False)
    iccid = str(esimfx.order_new(str(product["id"]))["esim"]["iccid"])
    account = ProviderAccount.objects.get(slug="esimfx")
    (esim,) = register_lines(
        account=account,
        customer=make_customer(),
        plan=make_plan(account, plan_ref=str(product["id"])),
        snapshots=[get_provider("esimfx").read_line(iccid)],
        by="purchase",
    )
    return esim


def test_the_rules_are_told_before_the_payment(line: Esim) -> None:
    response = sign_in(*SELLER).get(f"/esims/{line.pk}/top-up/")
    assert_clean_page(response)
    page = response.content.decode()
    assert [rule for rule in (TITLE, *RULES) if rule not in page] == []
    assert page.index(TITLE) < page.index("A paid top-up is bought at the provider at once")


def test_where_nothing_is_known_the_page_promises_nothing(line: Esim, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr("providers.esimfx.client.EsimfxProvider.top_up_terms")
    page = sign_in(*SELLER).get(f"/esims/{line.pk}/top-up/").content.decode()
    assert [rule for rule in RULES if rule in page] == []
    assert "this provider does not say: promise nothing" in page
