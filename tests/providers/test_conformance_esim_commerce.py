"""eSIM Commerce, production and sandbox, in the suite for all adapters."""

from collections.abc import Mapping
from typing import Any

from providers.types import Capability
from tests.providers.conformance.ground import Configure
from tests.providers.conformance.operations import (
    LIST_PLANS,
    ORDER,
    READ_LINE,
    READ_TRANSACTION,
    SIMULATE_USAGE,
    Stock,
    control,
)
from tests.providers.conformance.suite import ProviderConformance
from tests.simulator_client import KEYS, PRODUCTION, SANDBOX, Simulator

IMEI = "356938035643809"

SHARED = (
    # 400 plans in pages of 200.
    LIST_PLANS.at("plans", then=("plans",), vital=frozenset({"items"})),
    ORDER.at("order", vital=frozenset({"esims"})),
    READ_LINE.at("status", vital=frozenset({"iccid"}), identity=frozenset({"iccid"})),
    READ_TRANSACTION.at("transaction", vital=frozenset({"iccids"}), identity=frozenset({"transactionId"})),
    *(control(capability).at("control") for capability in (Capability.SUSPEND, Capability.RELEASE)),
)


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

    def limit_to_one(self, name: str) -> Mapping[str, Any]:
        return {"limits": {name: 1}}

    def buy_stock(self, simulator: Simulator) -> Stock:
        plan_ref = simulator.plan_codes(self.system)[0]
        body = {"planCode": plan_ref, "quantity": 1}
        reply = simulator.call("POST", "/esim/orders", system=self.system, json=body).json()
        line = simulator.install_line(reply["esims"][0]["iccid"], self.system, imei=IMEI)
        keys = KEYS[self.system]
        return Stock(
            plan_ref=plan_ref,
            line_ref=line["iccid"],
            iccid=line["iccid"],
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
    operations = (*SHARED, SIMULATE_USAGE.at("usage", reads_body=False))
