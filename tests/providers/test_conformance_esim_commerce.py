"""eSIM Commerce, production and sandbox, in the suite for all adapters."""

from collections.abc import Mapping
from datetime import date
from typing import Any

from providers.base import Provider
from providers.types import Capability
from tests.providers.conformance import (
    Configure,
    Operation,
    ProviderConformance,
    Stock,
    control,
    list_plans,
    order,
    read_line,
    read_transaction,
)
from tests.simulator_client import KEYS, PRODUCTION, SANDBOX, Simulator

IMEI = "356938035643809"

SHARED = (
    Operation(capability=Capability.LIST_PLANS, endpoint="plans", is_write=False, run=list_plans),
    Operation(capability=Capability.ORDER, endpoint="order", is_write=True, run=order),
    Operation(capability=Capability.READ_LINE, endpoint="status", is_write=False, run=read_line),
    Operation(capability=Capability.TRANSACTION_INQUIRY, endpoint="transaction", is_write=False, run=read_transaction),
    *(
        Operation(capability=capability, endpoint="control", is_write=True, run=control(capability), reads_body=False)
        for capability in (Capability.SUSPEND, Capability.RELEASE)
    ),
)


def set_usage(provider: Provider, stock: Stock) -> None:
    provider.simulate_usage(stock.line_ref, {date(2025, 12, 10): 102_400 * 1024})


class _EsimCommerce(ProviderConformance):
    adapter = "esim_commerce"

    def switch_on(self, configure: Configure, simulator: Simulator, **changes: Any) -> None:
        keys = KEYS[self.system]
        values = {
            "url": f"{simulator.url}/{self.system}",
            "key_id": keys.key_id,
            "key_secret": keys.key_secret,
            "currency": "EUR",
        }
        configure(self.account, **{**values, **changes})

    def limit_to(self, endpoint: str, calls: int) -> Mapping[str, Any]:
        return {"limits": {endpoint: calls}}

    def buy_stock(self, simulator: Simulator) -> Stock:
        plan_ref = simulator.plan_codes(self.system)[0]
        body = {"planCode": plan_ref, "quantity": 1}
        reply = simulator.call("POST", "/esim/orders", system=self.system, json=body).json()
        line = simulator.install_line(reply["esims"][0]["iccid"], self.system, imei=IMEI)
        keys = KEYS[self.system]
        return Stock(
            plan_ref=plan_ref,
            line_ref=line["iccid"],
            transaction_id=reply["transactionId"],
            secrets=(line["qrCode"], line["activationCode"], IMEI, keys.key_id, keys.key_secret),
        )


class TestEsimCommerce(_EsimCommerce):
    account = "esim-commerce"
    system = PRODUCTION
    operations = SHARED


class TestEsimCommerceSandbox(_EsimCommerce):
    account = "esim-commerce-sandbox"
    system = SANDBOX
    operations = (
        *SHARED,
        Operation(
            capability=Capability.SIMULATE_USAGE, endpoint="usage", is_write=True, run=set_usage, reads_body=False
        ),
    )
