"""Cards are configured whole or not at all; amounts are exact; one module alone uses the service's library."""

from decimal import Decimal

import pytest
from pytest_django import Settings

from orders.card.amounts import AmountRefused, from_minor, to_minor
from orders.checks import check_cards
from tests.project.sources import PROJECT_DIR

KEYS = ("STRIPE_SECRET_KEY", "STRIPE_PUBLISHABLE_KEY", "STRIPE_WEBHOOK_SECRET")


def found(settings: Settings, url: str = "https://api.stripe.com", **values: str) -> list[str | None]:
    settings.STRIPE_URL = url
    for name in KEYS:
        setattr(settings, name, values.get(name, ""))
    return [message.id for message in check_cards(None)]


ALL = dict.fromkeys(KEYS, "x" * 20)


def test_all_keys_or_none(settings: Settings) -> None:
    assert found(settings) == []
    assert found(settings, **ALL) == []
    for name in KEYS:
        assert found(settings, **{**ALL, name: ""}) == ["orders.E001"]
        assert found(settings, **{name: "x"}) == ["orders.E001"]


def test_the_address_is_one_and_secret(settings: Settings) -> None:
    assert found(settings, "api.stripe.com", **ALL) == ["orders.E002"]
    assert found(settings, "http://pay.example.com", **ALL) == ["orders.W001"]
    assert found(settings, "http://127.0.0.1:8900/stripe", **ALL) == []


def test_the_secret_key_is_not_handed_out(settings: Settings) -> None:
    assert found(settings, **{**ALL, "STRIPE_PUBLISHABLE_KEY": "sk_test_x"}) == ["orders.E003"]


@pytest.mark.parametrize(
    ("amount", "currency", "minor"),
    [
        ("12.50", "USD", 1250),
        ("0.01", "EUR", 1),
        ("750", "JPY", 750),
        ("1500", "MGA", 1500),
        ("1.230", "KWD", 1230),
        ("500", "ISK", 50000),
        ("3600", "UGX", 360000),
        ("99.9900", "HUF", 9999),
    ],
)
def test_amounts_are_counted_as_the_service_counts(amount: str, currency: str, minor: int) -> None:
    assert to_minor(Decimal(amount), currency) == minor
    assert from_minor(minor, currency) == Decimal(amount)


@pytest.mark.parametrize(
    ("amount", "currency"),
    [("12.505", "USD"), ("750.5", "JPY"), ("12.50", "MGA"), ("1.234", "KWD"), ("500.50", "ISK"), ("1.50", "UGX")],
)
def test_nothing_is_rounded(amount: str, currency: str) -> None:
    with pytest.raises(AmountRefused):
        to_minor(Decimal(amount), currency)


def test_one_module_uses_the_library() -> None:
    users = [
        path.relative_to(PROJECT_DIR).as_posix()
        for app in ("config", "providers", "catalog", "customers", "esims", "orders")
        for path in (PROJECT_DIR / app).rglob("*.py")
        if any(line.startswith(("import stripe", "from stripe")) for line in path.read_text().splitlines())
    ]
    assert users == ["orders/card/gateway.py"]
