"""Accounts out of settings: the registry, the configuration and its checks."""

from collections.abc import Callable
from typing import Any

import pytest
from django.core.checks import run_checks
from django.core.exceptions import ImproperlyConfigured
from pytest_django.fixtures import Settings

from providers import checks
from providers.esim_commerce.config import DEFAULT_PATHS, EsimCommerceConfig
from providers.models import ProviderAccount
from providers.registry import configured_accounts, ensure_accounts, find_adapter, get_provider, offers
from providers.types import Capability, RateBudget

GOOD: dict[str, Any] = {
    "url": "https://api.wholesaler.example/reseller/",
    "key_id": "id",
    "key_secret": "secret",
    "currency": "eur",
}


def read(**changes: Any) -> EsimCommerceConfig:
    return EsimCommerceConfig.from_settings("esim-commerce", {**GOOD, **changes})


def test_defaults() -> None:
    config = read()
    assert (config.url, config.currency, config.is_sandbox) == ("https://api.wholesaler.example/reseller", "EUR", False)
    assert {
        name: f"{endpoint.method} {endpoint.template}" for name, endpoint in config.endpoints.items()
    } == DEFAULT_PATHS
    assert config.budgets["order"] == RateBudget(calls=10, seconds=60.0, reserve=0, margin=1.0)
    assert config.budgets["status"] == RateBudget(calls=60, seconds=60.0, reserve=10, margin=1.0)


def test_limits_are_settings() -> None:
    budgets = read(limits={"order": 5, "plans": None}).budgets
    assert budgets["order"].calls == 5
    assert "plans" not in budgets
    assert budgets["control"].calls == 10


def test_paths_are_settings() -> None:
    endpoints = read(paths={"plans": "/v2/plans", "transaction": "get /tx/{transactionId}"}).endpoints
    assert (endpoints["plans"].method, endpoints["plans"].path()) == ("GET", "/v2/plans")
    assert (endpoints["transaction"].method, endpoints["transaction"].path(id="a/b?c")) == ("GET", "/tx/a%2Fb%3Fc")


@pytest.mark.parametrize(
    ("changes", "variable"),
    [
        ({"url": ""}, "ESIM_COMMERCE_URL"),
        ({"url": "api.wholesaler.example"}, "ESIM_COMMERCE_URL"),
        ({"url": "ftp://wholesaler.example"}, "ESIM_COMMERCE_URL"),
        ({"url": "https://"}, "ESIM_COMMERCE_URL"),
        ({"url": "https://host:port"}, "ESIM_COMMERCE_URL"),
        ({"url": "https://host/?a=1"}, "ESIM_COMMERCE_URL"),
        ({"url": "https://user:pw@host"}, "ESIM_COMMERCE_URL"),
        ({"key_id": ""}, "ESIM_COMMERCE_KEY_ID"),
        ({"key_secret": ""}, "ESIM_COMMERCE_KEY_SECRET"),
        ({"key_secret": "line\nbreak"}, "ESIM_COMMERCE_KEY_SECRET"),
        ({"key_id": "schlüssel"}, "ESIM_COMMERCE_KEY_ID"),
        ({"currency": "euros"}, "ESIM_COMMERCE_CURRENCY"),
        ({"paths": "GET /plans"}, "ESIM_COMMERCE_PATHS"),
        ({"paths": {"plan": "GET /plans"}}, "ESIM_COMMERCE_PATHS"),
        ({"paths": {"plans": "FETCH /plans"}}, "ESIM_COMMERCE_PATHS"),
        ({"paths": {"plans": "GET plans"}}, "ESIM_COMMERCE_PATHS"),
        ({"paths": {"plans": 5}}, "ESIM_COMMERCE_PATHS"),
        ({"paths": {"status": "GET /esim"}}, "ESIM_COMMERCE_PATHS"),
        ({"paths": {"status": "GET /esim/{id}"}}, "ESIM_COMMERCE_PATHS"),
        ({"paths": {"status": "GET /esim/{iccid}/{iccid}"}}, "ESIM_COMMERCE_PATHS"),
        ({"paths": {"transaction": "GET /tx"}}, "ESIM_COMMERCE_PATHS"),
        ({"paths": {"plans": "GET /plans/{country}"}}, "ESIM_COMMERCE_PATHS"),
        ({"paths": {"order": "GET /orders"}}, "ESIM_COMMERCE_PATHS"),
        ({"limits": [10]}, "ESIM_COMMERCE_LIMITS"),
        ({"limits": {"orders": 10}}, "ESIM_COMMERCE_LIMITS"),
        ({"limits": {"order": 0}}, "ESIM_COMMERCE_LIMITS"),
        ({"limits": {"order": "10"}}, "ESIM_COMMERCE_LIMITS"),
        ({"limits": {"order": True}}, "ESIM_COMMERCE_LIMITS"),
        ({"refusals": ["409"]}, "ESIM_COMMERCE_REFUSALS"),
        ({"refusals": {"409": "perhaps"}}, "ESIM_COMMERCE_REFUSALS"),
    ],
)
def test_what_cannot_be_used_is_named(changes: dict[str, Any], variable: str) -> None:
    with pytest.raises(ImproperlyConfigured, match=variable) as caught:
        read(**changes)
    assert "secret" not in str(caught.value)


def test_the_variable_of_the_sandbox_is_named_for_the_sandbox() -> None:
    with pytest.raises(ImproperlyConfigured, match="ESIM_COMMERCE_SANDBOX_URL"):
        EsimCommerceConfig.from_settings("esim-commerce-sandbox", {**GOOD, "url": "?"})


# -- registry ---------------------------------------------------------------------------------------------------------


def test_nothing_is_on_by_itself() -> None:
    assert configured_accounts() == ()
    assert offers("esim-commerce", Capability.ORDER) is False
    with pytest.raises(ImproperlyConfigured, match="ESIM_COMMERCE_URL"):
        get_provider("esim-commerce")
    with pytest.raises(ImproperlyConfigured, match="No provider account is called 'nobody'"):
        get_provider("nobody")


def test_an_unknown_adapter(settings: Settings) -> None:
    with pytest.raises(ImproperlyConfigured, match="No provider adapter"):
        find_adapter("nobody")


def test_buttons_of_an_account(configure: Callable[..., None]) -> None:
    configure("esim-commerce", **GOOD)
    assert configured_accounts() == ("esim-commerce",)
    assert offers("esim-commerce", Capability.SUSPEND) is True
    assert offers("esim-commerce", Capability.SIMULATE_USAGE) is False
    assert offers("esim-commerce-sandbox", Capability.SUSPEND) is False
    configure("esim-commerce", paths={"plans": 5})
    assert offers("esim-commerce", Capability.SUSPEND) is False


@pytest.mark.django_db
def test_accounts_follow_the_settings(configure: Callable[..., None]) -> None:
    configure("esim-commerce", **GOOD)
    (account,) = ensure_accounts()
    assert (account.slug, account.adapter, account.name, account.is_sandbox) == (
        "esim-commerce",
        "esim_commerce",
        "eSIM Commerce",
        False,
    )
    ProviderAccount.objects.update(is_paused=True)
    configure("esim-commerce", name="Carrier")
    (again,) = ensure_accounts()
    again.refresh_from_db()
    assert (again.pk, again.name, again.is_paused) == (account.pk, "Carrier", True)
    assert ProviderAccount.objects.count() == 1


# -- checks -----------------------------------------------------------------------------------------------------------


def ids(**_options: Any) -> list[str | None]:
    return [message.id for message in run_checks() if (message.id or "").startswith("providers.")]


def test_good_settings_pass_without_a_word(configure: Callable[..., None]) -> None:
    assert ids() == []
    configure("esim-commerce", **GOOD)
    assert ids() == []
    configure("esim-commerce", url="http://127.0.0.1:8900/commerce")
    configure("esim-commerce-sandbox", **{**GOOD, "url": "http://localhost:8900/sandbox", "key_secret": "other"})
    assert ids() == []


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({"url": ""}, ["providers.E001"]),
        ({"key_id": ""}, ["providers.E001"]),
        ({"key_id": "", "key_secret": ""}, ["providers.E001"]),
        ({"paths": {"status": "GET /esim"}}, ["providers.E002"]),
        ({"url": "wholesaler.example"}, ["providers.E002"]),
        ({"adapter": "nobody"}, ["providers.E003"]),
        ({"currency": ""}, ["providers.W001"]),
        ({"url": "http://wholesaler.example"}, ["providers.W002"]),
        ({"url": "http://192.0.2.1"}, ["providers.W002"]),
    ],
)
def test_each_fault_has_its_number(configure: Callable[..., None], changes: dict[str, Any], found: list[str]) -> None:
    configure("esim-commerce", **{**GOOD, **changes})
    assert ids() == found


def test_a_half_configured_account_names_what_is_missing(configure: Callable[..., None]) -> None:
    configure("esim-commerce-sandbox", key_id="id")
    (message,) = checks.check_accounts(None)
    assert "ESIM_COMMERCE_SANDBOX_URL, ESIM_COMMERCE_SANDBOX_KEY_SECRET is not set" in message.msg


def test_production_and_sandbox_are_two_systems(configure: Callable[..., None]) -> None:
    configure("esim-commerce", **GOOD)
    configure("esim-commerce-sandbox", **{**GOOD, "url": GOOD["url"].rstrip("/")})
    assert ids() == ["providers.W003", "providers.W004"]
    assert "secret" not in " ".join(message.msg for message in checks.check_separation(None))


def test_without_a_key_nothing_can_be_encrypted(settings: Settings) -> None:
    settings.FIELD_ENCRYPTION_KEYS = []
    assert [message.id for message in checks.check_encryption(None)] == ["providers.E004"]
