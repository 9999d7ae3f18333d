"""Requests as the document's patterns have them, and the adapter's door for them."""

import itertools
from collections.abc import Mapping
from typing import Any

from providers.base import Provider
from providers.types import ActivationRequest, OrderOutcome

EID_START = "8904903277"
_numbers = itertools.count(1)

#: The document's examples, verbatim but for the key.
EXAMPLES: Mapping[str, Mapping[str, Any]] = {
    "new, plan": {
        "createType": "new",
        "eid": "11112222333344445555666677778888",
        "simKind": "E2",
        "contractLine": "4G",
        "addKind": "N",
        "planCode": "100K_PLAN",
        "deliveryCode": "XXXX",
    },
    "new, parent": {
        "eid": "11112222333344445555666677778888",
        "simKind": "E0",
        "repAccount": "08000001111",
        "addKind": "N",
        "deliveryCode": "XXXX",
    },
    "operated MNP, UMS": {
        "aladinOperated": "10",
        "masterAccount": "testAccount@test.ne.jp",
        "masterPassword": "testPass",
        "createType": "new",
        "eid": "11112222333344445555666677778888",
        "account": "08011112222",
        "simKind": "E0",
        "contractLine": "4G",
        "addKind": "M",
        "shipDate": "20170301",
        "planCode": "100K_PLAN",
        "deliveryCode": "XXXX",
    },
    "operated MNP, parent": {
        "aladinOperated": "10",
        "createType": "new",
        "eid": "11112222333344445555666677778888",
        "account": "08011112223",
        "simKind": "E3",
        "repAccount": "08000001111",
        "addKind": "M",
        "shipDate": "20170301",
        "planCode": "100K_PLAN",
    },
    "MNP, UMS, person": {
        "masterAccount": "testAccount@test.ne.jp",
        "masterPassword": "testPass",
        "createType": "new",
        "eid": "11112222333344445555666677778888",
        "account": "08011112222",
        "simKind": "E0",
        "contractLine": "5G",
        "addKind": "M",
        "mnp": {
            "reserveNumber": "1101201234",
            "lastnameKanji": "山田",
            "firstnameKanji": "太郎",
            "lastnameZenKana": "ヤマダ",
            "firstnameZenKana": "タロウ",
            "gender": "M",
            "birthday": "19900101",
        },
        "planCode": "100K_PLAN",
        "deliveryCode": "XXXX",
    },
    "MNP, company": {
        "createType": "new",
        "eid": "11112222333344445555666677778888",
        "account": "08011112223",
        "simKind": "E0",
        "repAccount": "08000001111",
        "addKind": "M",
        "mnp": {
            "reserveNumber": "1101201235",
            "lastnameKanji": "フリービット 株式会社",
            "lastnameZenKana": "フリービット カブシキカイシャ",
            "gender": "C",
        },
        "planCode": "100K_PLAN",
    },
    "reissue": {
        "account": "08011112225",
        "eid": "11112222333344445555666677778888",
        "addKind": "R",
        "reissue": {"oldProductNumber": "CD0009999999004"},
    },
}


def make_eid() -> str:
    """A new EID whose check digits fit."""
    body = f"{EID_START}{next(_numbers):020d}"
    return f"{body}{98 - int(body + '00') % 97:02d}"


def make_payload(**changes: Any) -> dict[str, Any]:
    """A new line with a plan; None takes a field away."""
    whole = {"addKind": "N", "simKind": "E2", "createType": "new", "planCode": "100K_PLAN", **changes}
    return {name: value for name, value in whole.items() if value is not None}


def make_transfer(**mnp: Any) -> dict[str, Any]:
    """A person who takes a number along."""
    person = {
        "reserveNumber": f"11{next(_numbers):08d}",
        "lastnameKanji": "髙橋",
        "firstnameKanji": "美咲",
        "lastnameZenKana": "タカハシ",
        "firstnameZenKana": "ミサキ",
        "gender": "W",
        "birthday": "19870605",
        **mnp,
    }
    kept = {name: value for name, value in person.items() if value is not None}
    return make_payload(addKind="M", simKind="E0", account="08077776666", contractLine="5G", mnp=kept)


def make_request(payload: Mapping[str, Any], *, eid: str = "", code: str = "") -> ActivationRequest:
    return ActivationRequest(eid=eid or make_eid(), delivery_code=code or f"T{next(_numbers):07d}", payload=payload)


def send(provider: Provider, request: ActivationRequest) -> OrderOutcome:
    return provider.read_activation_reply(provider.send_activation(request), request)
