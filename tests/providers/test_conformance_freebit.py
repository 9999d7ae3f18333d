"""freebit in the suite for all adapters."""

import secrets
from collections.abc import Mapping
from typing import Any

from providers.errors import Mend, OutcomeUnknown
from providers.types import ActivationRequest
from tests.providers.conformance.answers import TOO_MANY, refuse_code
from tests.providers.conformance.ground import Configure
from tests.providers.conformance.operations import ACTIVATION, Operation, Stock
from tests.providers.conformance.suite import ProviderConformance
from tests.providers.conformance.tokens import TokenConformance
from tests.simulator_client import Simulator
from tests.simulator_freebit import OEM_ID, OEM_KEY, SYSTEM

KEY_REFUSED = refuse_code("205", text="", mend=Mend.CREDENTIALS)


class TestFreebit(TokenConformance, ProviderConformance):
    adapter = "freebit"
    account = "freebit"
    system = SYSTEM
    sign_in = "auth"
    # Its errors are business codes in a body of its own; nothing says which HTTP status they come with.
    refusals = (
        refuse_code("215", text="plan", mend=Mend.DATA),
        refuse_code("275", text="representative", mend=Mend.STOCK),
        refuse_code("374", text="next month", mend=Mend.TIME),
        refuse_code("371", text="EID"),
    )
    wrong_credentials = (KEY_REFUSED, refuse_code("228", text="", mend=Mend.CREDENTIALS))
    rate_limits = (TOO_MANY, refuse_code("230", text=""), refuse_code("284", text=""))
    sign_in_refused = KEY_REFUSED
    operations = (
        # Accepted is both codes, never one of them.
        ACTIVATION.at("activate", vital=frozenset({"resultCode", "status", "statusCode"})),
    )

    def switch_on(self, configure: Configure, simulator: Simulator, **changes: Any) -> None:
        values = {"url": f"{simulator.url}/{SYSTEM}", "oem_id": OEM_ID, "oem_key": OEM_KEY}
        configure(self.account, **{**values, **changes})

    def limit_to_one(self, name: str) -> Mapping[str, Any]:
        return {"limits": {name: 1}}

    def buy_stock(self, simulator: Simulator) -> Stock:
        """Nothing can be bought beforehand: each test has a device of its own."""
        del simulator
        eid = "8904903212345123451234" + f"{secrets.randbelow(10**10):010}"
        payload = {
            "eid": eid,
            "simKind": "E2",
            "addKind": "N",
            "createType": "new",
            "planCode": "100K_PLAN",
            "deliveryCode": secrets.token_hex(5),
        }
        request = ActivationRequest(eid=eid, delivery_code=payload["deliveryCode"], payload=payload)
        return Stock(activation=request, secrets=(eid, OEM_ID, OEM_KEY))

    def test_unknown_words_and_new_fields_never_raise(self, operation: Operation, stock: Stock) -> None:
        """Its only words are the codes themselves: new ones are no answer. New fields are welcome."""
        self.order_fault(operation, "extra_fields")
        operation.run(self.provider, stock)
        self.order_fault(operation, "unknown_words", word="SOMETHING_NEW")
        self.expect(operation, stock, OutcomeUnknown)
