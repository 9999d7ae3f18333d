"""The stand-in's JSON, worded as one variant words it."""

from datetime import datetime
from typing import Any

from tests.emulator.phrasing import write_json
from tests.emulator_access.books import REGIONS, Held, Json, Line, Package
from tests.emulator_access.quirks import ABSENT, Quirks

TEXTS = {
    "000001": "Server error",
    "000101": "Request header (mandatory) is null",
    "000102": "Wrong request header format",
    "000103": "This https request method (get/post ) is not supported",
    "000104": "Request in invalid JSON format",
    "000105": "Request parameters (mandatory) are not contained",
    "000106": "Request parameter (mandatory) is null",
    "000107": "The length of the request parameter does not meet the requirement.",
    "101001": "The timestamp of the request has expired.",
    "101002": "This IP is in the blocklist.",
    "101003": "Request signature mismatch.",
    "200002": "This operation is not allowed due to the order status.",
    "200005": "Package price error. Check price.",
    "200006": "Total order price amount is wrong. Check prices.",
    "200007": "Insufficient account balance",
    "200008": "Order parameters error, please contact customer service.",
    "200009": "Abnormal order status",
    "200010": "Profile is being downloaded for the order.",
    "200011": "Insufficient available Profiles for the package, please contact the customer service.",
    "310201": "The bundle.code does not exist.",
    "310211": "The data_plan_location.id does not exist.",
    "310221": "The currencyId does not exist.",
    "310231": "The carrierId does not exist.",
    "310241": "The packageCode does not exist.",
    "310243": "The package does not exist.",
    "310251": "The vendor does not exist.",
    "310272": "The orderNo does not exist.",
    "310403": "The ICCID does not exist in the order.",
    "900001": "The system is busy, please try again later.",
}
_SPARSE = ("packageCode", "name", "price", "currencyCode", "volume", "dataType", "duration", "durationUnit", "location")


class Wording:
    """Writes values of the books as JSON."""

    def __init__(self, quirks: Quirks) -> None:
        self.quirks = quirks

    def success(self, obj: Any) -> bytes:
        return self._envelope(ok=True, code=self.quirks.ok_code, text=None, obj=obj)

    def failure(self, code: str, text: str = "") -> bytes:
        return self._envelope(ok=False, code=code, text=text or TEXTS.get(code, "no"), obj=self.quirks.failure_obj)

    def _envelope(self, *, ok: bool, code: Any, text: str | None, obj: Any) -> bytes:
        success: Any = str(ok).lower() if self.quirks.success_as_text else ok
        document = {"success": success, "errorCode": code, self.quirks.message_name: text, "obj": obj}
        return write_json({name: value for name, value in document.items() if value is not ABSENT}, self.quirks)

    def number(self, value: int) -> int | str:
        return str(value) if self.quirks.numbers_as_text else value

    def instant(self, moment: datetime | None) -> str | None:
        if moment is None:
            return None
        text = moment.strftime("%Y-%m-%dT%H:%M:%S")
        match self.quirks.instants:
            case "Z":
                return f"{text}Z"
            case "fraction":
                return f"{text}.{moment.microsecond // 1000:03d}+0000"
            case "minutes":
                return f"{text[:16]}+00:00"
        return f"{text}+0000"

    def package(self, package: Package) -> Json:
        number, live = self.number, self.quirks.packages == "live"
        flag: Any = {
            "numbers": package.top_ups,
            "booleans": package.top_ups != 1,
            "text": str(package.top_ups),
        }[self.quirks.top_up_flag]
        shown: Json = {
            "packageCode": package.code,
            "slug": package.slug,
            "name": package.name,
            "price": number(package.price),
            "currencyCode": "USD",
            "volume": number(package.volume),
            "smsStatus": number(package.sms),
            "dataType": number(package.data_type),
            "unusedValidTime": number(package.unused_days),
            "duration": number(package.days),
            "durationUnit": "DAY",
            "location": self.quirks.location_separator.join(package.location),
            "description": package.name,
            "activeType": number(package.starts),
            "favorite": False,
            "retailPrice": number(package.retail),
            "speed": "3G/4G/5G",
            "locationNetworkList": [
                {
                    "locationName": f"Land of {code}",
                    "locationLogo": f"/img/{code.lower()}.png",
                    **({"locationCode": code} if live else {}),
                    "operatorList": [{"operatorName": "T-Mobile", "networkType": "4G/5G"}],
                }
                for code in package.location
            ],
            "ipExport": "HK",
            "supportTopUpType": flag,
        }
        if live:
            shown |= {"locationCode": package.location_code, "fupPolicy": "1 Mbps" if package.data_type == 2 else ""}
        if self.quirks.packages == "sparse":
            shown = {name: shown[name] for name in _SPARSE} | {"supportTopUpType": flag, "locationNetworkList": None}
        return shown

    def line(self, line: Line, *, allocated: bool = True) -> Json:
        number, first = self.number, line.held[0].package
        shown: Json = {
            "esimTranNo": line.tran_no,
            "orderNo": line.order_no,
            "imsi": line.imsi,
            "iccid": line.iccid,
            "msisdn": "",
            "smsStatus": number(first.sms),
            "dataType": number(first.data_type),
            "ac": line.lpa,
            "qrCodeUrl": f"https://static.access.example/{line.matching_id.lower()}.png",
            "smdpStatus": line.smdp,
            "eid": line.eid,
            "activeType": str(first.starts),
            "expiredTime": self.instant(line.expires_at),
            "totalVolume": number(line.volume),
            "totalDuration": number(line.days),
            "durationUnit": "DAY",
            "orderUsage": number(line.used),
            "pin": "329393",
            "puk": "84410236",
            "apn": "drei.at",
            "esimStatus": line.status,
            "packageList": [self.held(held) for held in line.held],
        }
        if self.quirks.tells_key:
            shown |= {"transactionId": line.transaction_id, "shortUrl": "https://p.access.example/x1"}
        if self.quirks.packages == "live":
            shown |= {"activateTime": self.instant(line.activated_at), "fupPolicy": "", "ipExport": "FR/NL"}
            shown |= {"installationTime": self.instant(line.installed_at), "supportTopUpType": first.top_ups}
        if not allocated:
            shown |= {"iccid": "", "ac": None, "qrCodeUrl": "", "imsi": None, "esimStatus": "GETTING_RESOURCE"}
        return shown

    def held(self, held: Held) -> Json:
        shown: Json = {
            "packageCode": held.package.code,
            "duration": self.number(held.days),
            "volume": self.number(held.package.volume),
            "locationCode": held.package.location_code,
        }
        if self.quirks.tells_key:
            shown |= {"packageName": held.package.name, "slug": held.package.slug, "esimTranNo": held.tran_no}
            shown |= {"createTime": self.instant(held.at), "transactionId": held.transaction_id}
        return shown

    def usage(self, line: Line) -> Json:
        return {
            "esimTranNo": line.tran_no,
            "dataUsage": self.number(line.used),
            "totalData": self.number(line.volume),
            "lastUpdateTime": self.instant(line.used_at or line.made_at),
        }

    def top_up(self, line: Line) -> Json:
        millis = int(line.expires_at.timestamp() * 1000)
        held = line.held[-1]
        shown: Json = {
            "transactionId": "THEIRS-1747191693771" if self.quirks.own_top_up_key else held.transaction_id,
            "iccid": line.iccid,
            "expiredTime": millis if self.quirks.top_up_expiry == "millis" else self.instant(line.expires_at),
            "totalVolume": self.number(line.volume),
            "totalDuration": self.number(line.days),
            "orderUsage": self.number(line.used),
        }
        if self.quirks.tells_key:
            shown["topUpEsimTranNo"] = held.tran_no
        return shown

    def regions(self) -> list[Json]:
        rows = []
        for code, name, kind, members in REGIONS:
            row: Json = {"code": code, "name": name, "type": self.number(kind)}
            if members or self.quirks.sub_regions == "subLocationList":
                row[self.quirks.sub_regions] = [{"code": sub, "name": word} for sub, word in members] or None
            rows.append(row)
        return rows
