"""The documents' own samples, byte for byte where they print them."""

from typing import Any

#: ``Production API (1.0)``, eSIM status inquiry; the collapsed lists as the sandbox document prints them.
LINE: dict[str, Any] = {
    "iccid": "8981100000000000001",
    "homeCountry": "JP",
    "roamingCountries": ["KR", "CN", "TW"],
    "contractStatus": "ACTIVE",
    "profileProvisionStatus": "AVAILABLE",
    "profileInstallStatus": "READY",
    "isServiceRestricted": False,
    "qrCode": "LPA:1$smdp.example.com$CODE123",
    "smdpAddress": "smdp.example.com",
    "activationCode": "CODE123",
    "activationDeadline": "2026-06-05T00:00:00.000Z",
    "downloadedAt": "2025-07-15T00:46:09.816Z",
    "activatedOn": "2025-12-01",
    "terminatedOn": "2025-12-31",
    "expiresOn": "2025-12-07",
    "initialInsertionDevice": "123456789012345",
    "initialInsertionAt": "2025-12-01T10:00:00.000Z",
    "initialConnectionDevice": "123456789012345",
    "dataUsageDailyList": [{"day": "2025-12-10", "usage": "102400"}],
    "totalDataUsage": 307200,
    "lastUpdatedAt": "2026-01-22T10:30:00.000Z",
}

#: ``Sandbox API``, available data plans.
PLAN: dict[str, Any] = {
    "planCode": "KD0001",
    "planName": "1GB 7 Days Plan",
    "planType": "UNLIMITED",
    "providerCode": "KDDI",
    "coverages": [{"code": "JP", "networks": [{"name": "NTT Docomo", "types": ["4G", "5G"]}]}],
    "ipCountry": ["JP"],
    "dataCap": 1,
    "dataUnit": "GB",
    "dataCapPer": "DAY",
    "maxSpeed": 10000,
    "reducedSpeed": 128,
    "tethering": True,
    "validityDays": 7,
    "validityInfo": "Valid for 30 days from first use",
    "activationInfo": "Validity starts when the eSIM first connects to a network",
    "unusedTerminationDays": 180,
    "netPrice": "9.99",
    "suggestedRetailPrice": "12.99",
    "telephony": {
        "dialingCode": "+81",
        "voice": {"inbound": True, "outbound": False},
        "sms": {"inbound": True, "outbound": False},
    },
    "topUpSupported": False,
    "eKYC": False,
    "serviceRestrictions": "Unlimited on-device data. Tethering up to 3 GB total.",
}

#: A new line, as an order delivers it.
NEW_LINE: dict[str, Any] = {
    **LINE,
    "iccid": "8981100000000000002",
    "downloadedAt": None,
    "activatedOn": None,
    "terminatedOn": None,
    "expiresOn": None,
    "initialInsertionDevice": None,
    "initialInsertionAt": None,
    "initialConnectionDevice": None,
    "dataUsageDailyList": [],
    "totalDataUsage": 0,
}
