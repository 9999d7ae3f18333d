"""The stand-in's JSON, worded as one variant words it."""

import json
from datetime import datetime
from typing import Any

from tests.emulator.books import Line
from tests.emulator.phrasing import write_json
from tests.emulator.quirks import Quirks

#: The sandbox document's plan, verbatim.
SAMPLE_PLAN: dict[str, Any] = {
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
#: The documents' eSIM, verbatim: not a coherent state, and its ICCID fails the Luhn check.
SAMPLE_LINE: dict[str, Any] = {
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
_SPARSE = ("planCode", "planName", "netPrice", "suggestedRetailPrice")
_ARRAYS = ("coverages", "ipCountry")


class Wording:
    """Writes values of the books as JSON."""

    def __init__(self, quirks: Quirks) -> None:
        self.quirks = quirks

    def encode(self, document: Any) -> bytes:
        return write_json(document, self.quirks)

    def plan(self, plan: dict[str, Any]) -> dict[str, Any]:
        quirks = self.quirks
        shown = dict(plan)
        if quirks.plan_fields == "sparse":
            shown = {name: plan[name] for name in _SPARSE}
        elif quirks.plan_fields == "nulls":
            shown |= dict.fromkeys((*_ARRAYS, "telephony", "maxSpeed", "serviceRestrictions"))
        if quirks.price_as_number:
            shown |= {name: float(str(plan[name])) for name in ("netPrice", "suggestedRetailPrice")}
        return shown

    def meta(self, *, total: int, page: int, limit: int) -> dict[str, Any]:
        meta: dict[str, Any] = {"total": total, "page": page, "limit": limit}
        if self.quirks.total_pages:
            meta["totalPages"] = -(-total // limit)
        return {name: str(value) for name, value in meta.items()} if self.quirks.meta_as_text else meta

    def line(self, line: Line) -> dict[str, Any]:
        quirks = self.quirks
        return {
            "iccid": line.iccid,
            "homeCountry": "JP",
            "roamingCountries": ["KR", "TW"],
            "contractStatus": line.contract,
            "profileProvisionStatus": line.provision,
            "profileInstallStatus": line.install,
            "isServiceRestricted": line.restricted,
            "qrCode": line.lpa,
            "smdpAddress": line.host,
            "activationCode": line.matching_id,
            "activationDeadline": "2031-06-05T00:00:00.000Z",
            "downloadedAt": self.instant(line.installed_at),
            "activatedOn": line.activated_on,
            "terminatedOn": line.terminated_on,
            "expiresOn": line.expires_on,
            "initialInsertionDevice": line.insertion_device,
            "initialInsertionAt": self.instant(line.installed_at),
            "initialConnectionDevice": line.connection_device,
            "dataUsageDailyList": [
                {"day": day, "usage": used if quirks.usage_as_number else str(used)} for day, used in line.days.items()
            ],
            "totalDataUsage": str(line.total) if quirks.total_as_text else line.total,
            "lastUpdatedAt": self.instant(line.updated_at),
        }

    def instant(self, moment: datetime | None) -> str | None:
        if moment is None:
            return None
        text = moment.strftime("%Y-%m-%dT%H:%M:%S")
        if self.quirks.instants == "seconds":
            return f"{text}Z"
        text += f".{moment.microsecond // 1000:03d}"
        return f"{text}+00:00" if self.quirks.instants == "offset" else f"{text}Z"

    def error(self, status: int, *words: str) -> tuple[bytes, str]:
        """(body, content type); ``words`` say what is wrong."""
        match self.quirks.errors:
            case "nest":
                body = {"statusCode": status, "message": list(words), "error": "Bad Request"}
            case "nested":
                body = {"error": {"message": words[0]}}
            case "code":
                body = {"code": "PLAN_GONE", "message": words[0]}
            case "text":
                return "; ".join(words).encode(), "text/plain"
            case _:
                return b"", ""
        return json.dumps(body).encode(), "application/json; charset=utf-8"
