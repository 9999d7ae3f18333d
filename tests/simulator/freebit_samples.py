"""The document's examples, and one request for each pattern that it allows."""

from collections.abc import Mapping
from typing import Any

Document = dict[str, Any]

EID = "11112222333344445555666677778888"
OTHER_EID = "89049032123451234512345678901235"

PERSON: Mapping[str, str] = {
    "reserveNumber": "1101201234",
    "lastnameKanji": "山田",
    "firstnameKanji": "太郎",
    "lastnameZenKana": "ヤマダ",
    "firstnameZenKana": "タロウ",
    "gender": "M",
    "birthday": "19900101",
}
COMPANY: Mapping[str, str] = {
    "reserveNumber": "1101201235",
    "lastnameKanji": "フリービット\u3000株式会社",
    "lastnameZenKana": "フリービット\u3000カブシキカイシャ",
    "gender": "C",
}

# The seven examples as printed, without their keys.
EXAMPLES: Mapping[str, Document] = {
    "new_with_plan": {
        "createType": "new",
        "eid": EID,
        "simKind": "E2",
        "contractLine": "4G",
        "addKind": "N",
        "planCode": "100K_PLAN",
        "deliveryCode": "XXXX",
    },
    "new_under_representative": {
        "eid": EID,
        "simKind": "E0",
        "repAccount": "08000001111",
        "addKind": "N",
        "deliveryCode": "XXXX",
    },
    "operated_mnp": {
        "aladinOperated": "10",
        "masterAccount": "testAccount@test.ne.jp",
        "masterPassword": "testPass",
        "createType": "new",
        "eid": EID,
        "account": "08011112222",
        "simKind": "E0",
        "contractLine": "4G",
        "addKind": "M",
        "shipDate": "20170301",
        "planCode": "100K_PLAN",
        "deliveryCode": "XXXX",
    },
    "operated_mnp_under_representative": {
        "aladinOperated": "10",
        "createType": "new",
        "eid": EID,
        "account": "08011112223",
        "simKind": "E3",
        "repAccount": "08000001111",
        "addKind": "M",
        "shipDate": "20170301",
        "planCode": "100K_PLAN",
    },
    "mnp_of_a_person": {
        "masterAccount": "testAccount@test.ne.jp",
        "masterPassword": "testPass",
        "createType": "new",
        "eid": EID,
        "account": "08011112222",
        "simKind": "E0",
        "contractLine": "5G",
        "addKind": "M",
        "mnp": dict(PERSON),
        "planCode": "100K_PLAN",
        "deliveryCode": "XXXX",
    },
    "mnp_of_a_company": {
        "createType": "new",
        "eid": EID,
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
        "eid": EID,
        "addKind": "R",
        "reissue": {"oldProductNumber": "CD0009999999004"},
    },
}

# One request for each allowed pattern, the name being aladinOperated and addKind.
PATTERNS: Mapping[str, Document] = {
    "20N": EXAMPLES["new_with_plan"],
    "20M": EXAMPLES["mnp_of_a_person"],
    "20M_company": {**EXAMPLES["mnp_of_a_company"], "mnp": dict(COMPANY)},
    "20R": EXAMPLES["reissue"],
    "10N": {
        "aladinOperated": "10",
        "createType": "new",
        "eid": EID,
        "account": "08011112224",
        "simKind": "E3",
        "repAccount": "08000001111",
        "addKind": "N",
        "shipDate": "20170301",
        "planCode": "100K_PLAN",
        "deliveryCode": "XXXX",
    },
}


def change(document: Mapping[str, Any], path: str, value: Any) -> Document:
    """The document with one field changed, `mnp.gender` for one inside; None leaves it out."""
    outer, _, inner = path.partition(".")
    if inner:
        return {**document, outer: change(document.get(outer, {}), inner, value)}
    return {name: kept for name, kept in {**document, outer: value}.items() if kept is not None}
