"""The demo's accounts at the simulated wholesalers and payment service: one set of credentials, told to both sides."""

from collections.abc import Mapping
from dataclasses import dataclass

#: The document names the blocking of an eSIM and not its path: this is where the simulator has it.
_BLOCK_PATH = "/order/api/v1/block_esim"
#: Small enough that a few sales show on it. eSIM Access counts in ten-thousandths of a dollar.
_ACCESS_BALANCE = 100 * 10_000
_ESIMFX_BALANCE = "400.00"


@dataclass(frozen=True, kw_only=True)
class Secrets:
    """Made once, kept in a file that only its owner can read."""

    secret_key: str
    encryption_key: str
    password: str
    key_secret: str
    sandbox_key_secret: str
    access_secret: str
    access_webhook_secret: str
    esimfx_client_key: str
    esimfx_webhook_token: str
    freebit_oem_key: str
    card_secret_key: str
    card_publishable_key: str
    card_webhook_secret: str


def make_settings(keys: Secrets, simulator: str) -> Mapping[str, str]:
    """What Roamdesk is told, as variables of its environment; ``simulator`` is its address."""
    return {
        "ESIM_COMMERCE_URL": f"{simulator}/commerce",
        "ESIM_COMMERCE_KEY_ID": "demo-key",
        "ESIM_COMMERCE_KEY_SECRET": keys.key_secret,
        "ESIM_COMMERCE_CURRENCY": "USD",
        "ESIM_COMMERCE_SANDBOX_URL": f"{simulator}/commerce-sandbox",
        "ESIM_COMMERCE_SANDBOX_KEY_ID": "demo-sandbox-key",
        "ESIM_COMMERCE_SANDBOX_KEY_SECRET": keys.sandbox_key_secret,
        "ESIM_COMMERCE_SANDBOX_CURRENCY": "EUR",
        "ESIM_ACCESS_URL": f"{simulator}/access",
        "ESIM_ACCESS_CODE": "demo-access-code",
        "ESIM_ACCESS_SECRET_KEY": keys.access_secret,
        "ESIM_ACCESS_WEBHOOK_SECRET": keys.access_webhook_secret,
        "ESIMFX_URL": f"{simulator}/esimfx",
        "ESIMFX_CLIENT_ID": "demo-client",
        "ESIMFX_CLIENT_KEY": keys.esimfx_client_key,
        "ESIMFX_WEBHOOK_TOKEN": keys.esimfx_webhook_token,
        "ESIMFX_BLOCK_PATH": f"POST {_BLOCK_PATH}",
        "FREEBIT_URL": f"{simulator}/freebit",
        "FREEBIT_OEM_ID": "demo-oem",
        "FREEBIT_OEM_KEY": keys.freebit_oem_key,
        "FREEBIT_USES_UMS": "1",
        "STRIPE_URL": f"{simulator}/stripe",
        "STRIPE_SECRET_KEY": f"sk_test_{keys.card_secret_key}",
        "STRIPE_PUBLISHABLE_KEY": f"pk_test_{keys.card_publishable_key}",
        "STRIPE_WEBHOOK_SECRET": f"whsec_{keys.card_webhook_secret}",
    }


def make_options(keys: Secrets) -> tuple[str, ...]:
    """What the simulator is told, on its command line."""
    options = {
        "--key-secret": keys.key_secret,
        "--sandbox-key-secret": keys.sandbox_key_secret,
        "--access-secret": keys.access_secret,
        "--access-balance": str(_ACCESS_BALANCE),
        "--esimfx-client-key": keys.esimfx_client_key,
        "--esimfx-webhook-token": keys.esimfx_webhook_token,
        "--esimfx-block-path": _BLOCK_PATH,
        "--esimfx-balance": _ESIMFX_BALANCE,
        "--freebit-oem-key": keys.freebit_oem_key,
        "--stripe-secret-key": f"sk_test_{keys.card_secret_key}",
        "--stripe-publishable-key": f"pk_test_{keys.card_publishable_key}",
        "--stripe-webhook-secret": f"whsec_{keys.card_webhook_secret}",
    }
    return tuple(part for option in options.items() for part in option)
