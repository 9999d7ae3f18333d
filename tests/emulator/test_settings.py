"""What the environment may say of an account: addresses, methods, paths, limits, refusals; and what it may not."""

import json

import pytest
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from pytest_django import Settings

from orders.models import Purchase, Refund
from providers.errors import ProviderError
from providers.registry import configured_accounts, get_provider, offers
from providers.types import Capability
from tests.emulator.conftest import OpenOffice
from tests.emulator.quirks import CALLS, GUESSED, VERSIONED, Quirks
from tests.emulator.wire import Fault


@pytest.mark.parametrize("paths", [GUESSED, VERSIONED, CALLS], ids=["guessed", "versioned", "calls"])
@pytest.mark.parametrize("prefix", ["", "/a", "/a/b%20c"])
def test_paths_and_prefix(prefix: str, paths: dict[str, str], open_office: OpenOffice) -> None:
    office = open_office(Quirks(paths=paths, prefix=prefix), sandbox=True)
    assert office.buy(1).state == "fulfilled"
    provider = get_provider(office.account.slug)
    (esim,) = office.lines()
    assert provider.read_line(esim.provider_ref).lpa == esim.lpa
    told = office.emulator.books.sales[0]
    assert provider.read_transaction(told.transaction_id).line_refs == told.iccids
    assert office.act(esim, Capability.SUSPEND).state == "confirmed"
    assert office.emulator.count("NOWHERE") == 0


def test_transaction_id_that_needs_quoting(open_office: OpenOffice) -> None:
    """A cut reply may give away an id with any sign in it: it is asked for as it is, and nothing else."""
    office = open_office(Quirks())
    office.plan()
    asked = "a/b?c=d&e#f%20é"[:14]
    body = json.dumps({"transactionId": asked, "esims": []}).encode()[:-3]
    office.emulator.meet("order", Fault(kind="answer", effect=True, status=200, body=body))
    purchase = office.settle(office.buy(1), steps=3)
    assert (purchase.state, purchase.transaction_id) == ("unknown", asked)
    asked_for = [
        arrival.path for arrival in office.emulator.arrivals if arrival.operation in ("transaction", "NOWHERE")
    ]
    path = "/esim/transactions/a%2Fb%3Fc%3Dd%26e%23f%2520"[: len(asked_for[0])]
    assert asked_for == [path] * settings.PURCHASE_INQUIRY_REFUSALS
    assert (office.lines(), Refund.objects.count()) == ([], 0)


def test_wrong_path_setting_costs_no_sale(open_office: OpenOffice) -> None:
    """Nothing is known of the paths: a house that has nothing at ours answers 404, and nothing was bought."""
    office = open_office(Quirks(errors="text"))
    office.plan()
    office.emulator.quirks = Quirks(paths=VERSIONED)
    purchase = office.buy(1)
    assert (office.emulator.count("NOWHERE"), office.emulator.books.sales) == (1, [])
    assert purchase.state in ("held", "rejected")
    office.emulator.quirks = Quirks()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PATHS", '{"order": "GET /esim/orders"}'),
        ("PATHS", '{"status": "GET /esim/status"}'),
        ("PATHS", '{"status": "GET /esim/{iccid}/{other}"}'),
        ("PATHS", '{"orders": "POST /esim/orders"}'),
        ("PATHS", '{"order": "POST esim/orders"}'),
        ("PATHS", '{"order": "DELETE /esim/orders"}'),
        ("PATHS", '["POST /esim/orders"]'),
        ("LIMITS", '{"order": 0}'),
        ("LIMITS", '{"order": "ten"}'),
        ("LIMITS", '{"ordering": 10}'),
        ("REFUSALS", '{"409": "perhaps"}'),
        ("CURRENCY", "dollars"),
        ("URL", "ftp://127.0.0.1/"),
        ("URL", "http://user:word@127.0.0.1/"),
        ("KEY_SECRET", "two words"),
    ],
)
def test_setting_that_cannot_be_used(name: str, value: str, open_office: OpenOffice) -> None:
    office = open_office(Quirks(), **{name: value})
    with pytest.raises(ImproperlyConfigured, match=f"ESIM_COMMERCE_{name}"):
        get_provider(office.account.slug)
    assert not offers(office.account.slug, Capability.ORDER)
    assert (office.sync().state, office.emulator.arrivals) == ("failed", [])


@pytest.mark.parametrize("name", ["URL", "KEY_ID", "KEY_SECRET"])
def test_account_without_its_address_or_keys_is_off(
    name: str, open_office: OpenOffice, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.emulator.conftest.ensure_accounts", lambda: [None])
    open_office(Quirks(), **{name: ""})
    assert configured_accounts() == ()


def test_own_meaning_of_a_refusal(open_office: OpenOffice) -> None:
    """The contract says that PLAN_GONE is out of stock: held for a person instead of a refund."""
    office = open_office(Quirks(errors="code"), REFUSALS='{"PLAN_GONE": "stock"}')
    office.plan()
    office.emulator.books.plans.clear()
    purchase = office.buy(1)
    assert (purchase.state, purchase.mend, purchase.error_code) == ("held", "stock", "PLAN_GONE")
    assert Refund.objects.count() == 0


def test_house_that_is_not_there(settings: Settings, open_office: OpenOffice) -> None:
    """Nothing left this machine: the same order goes out when the house is back."""
    office = open_office(Quirks())
    office.plan()
    good = office.emulator.url
    settings.PROVIDERS["esim-commerce"]["url"] = "http://127.0.0.1:9"
    purchase = office.buy(1)
    assert (purchase.state, office.emulator.count("order")) == ("planned", 0)
    settings.PROVIDERS["esim-commerce"]["url"] = good
    purchase = office.step(purchase)
    assert (purchase.state, office.emulator.count("order")) == ("fulfilled", 1)
    office.check_books()


def test_sandbox_keys_do_not_open_production(open_office: OpenOffice) -> None:
    office = open_office(Quirks(), KEY_ID="sandbox-key-id")
    with pytest.raises(ProviderError):
        get_provider(office.account.slug).check()
    assert office.sync().state == "failed"
    assert Purchase.objects.count() == 0
