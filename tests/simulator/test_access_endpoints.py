"""eSIM Access: envelope, keys, catalogue, places, account, as the document and the field notes say."""

import hashlib
import hmac
import time
import uuid
from typing import Any

import pytest

from tests.simulator_access import ACCESS_CODE, SECRET_KEY, Access

# The document's table of package fields, and what is sent beside it today.
DOCUMENTED = {
    *("packageCode", "slug", "name", "price", "currencyCode", "volume", "smsStatus", "dataType", "unusedValidTime"),
    *("duration", "durationUnit", "location", "description", "activeType", "favorite", "retailPrice", "speed"),
    *("locationNetworkList", "ipExport", "supportTopUpType"),
}


def sign(*, timestamp: str, request_id: str, access_code: str, secret_key: str, body: bytes) -> str:
    """The documented recipe, written here once more: the simulator is tested from outside."""
    text = f"{timestamp}{request_id}{access_code}".encode() + body
    return hmac.new(secret_key.encode(), text, hashlib.sha256).hexdigest()


def signed(body: bytes, *, age_s: float = 0) -> dict[str, str]:
    timestamp = str(int((time.time() - age_s) * 1000))
    request_id = str(uuid.uuid4())
    signature = sign(
        timestamp=timestamp, request_id=request_id, access_code=ACCESS_CODE, secret_key=SECRET_KEY, body=body
    )
    headers = {"RT-AccessCode": ACCESS_CODE, "RT-RequestID": request_id, "RT-Timestamp": timestamp}
    return {**headers, "RT-Signature": signature}


def list_packages(access: Access, **filters: Any) -> list[dict[str, Any]]:
    packages: list[dict[str, Any]] = access.ask("/package/list", filters)["packageList"]
    return packages


# Keys


def test_the_documents_own_signature_comes_out() -> None:
    assert sign(
        timestamp="1628670421",
        request_id="4ce9d9cdac9e4e17b3a2c66c358c1ce2",
        access_code="11111",
        secret_key="1111",
        body=b'{"imsi":"326543826"}',
    ) == ("7eb765e27df5373dea2dbc8c41a7d9557743e46c8054750f3d851b3fd01d0835")


@pytest.mark.parametrize("body", [b"", b"{}", b'{ "locationCode" : "ES" }', '{"slug":"é"}'.encode()])
def test_trap_03_a_signature_covers_the_exact_bytes(access: Access, body: bytes) -> None:
    path = "/package/list"
    assert access.call(path, body, headers=signed(body)).json()["errorCode"] in ("0", "310241")
    mixed = {**signed(body), "RT-Signature": signed(body)["RT-Signature"]}
    headers = signed(body)
    capitals = {**headers, "RT-Signature": headers["RT-Signature"].upper()}
    assert access.call(path, body, headers=capitals).json()["errorCode"] in ("0", "310241")
    assert access.call(path, body + b" ", headers=headers).json()["errorCode"] == "101003"
    assert access.call(path, body, headers=mixed).json()["errorCode"] == "101003"


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"RT-AccessCode": ""}, "000101"),
        ({"RT-AccessCode": "somebody-else"}, "101003"),
        ({"RT-Signature": "0" * 64}, "101003"),
        ({"RT-RequestID": ""}, "000101"),
        ({"RT-Timestamp": ""}, "000101"),
        ({"RT-Timestamp": "today"}, "000102"),
    ],
)
def test_a_wrong_key_is_refused_by_its_code(access: Access, changes: dict[str, str], code: str) -> None:
    answer = access.call("/balance/query", b"{}", headers={**signed(b"{}"), **changes}).json()
    assert (answer["success"], answer["errorCode"], answer["obj"]) == (False, code, None)


def test_trap_04_a_timestamp_in_seconds_or_older_than_five_minutes_has_expired(access: Access) -> None:
    ages = {age: access.call("/balance/query", b"", headers=signed(b"", age_s=age)).json() for age in (290, 310, -310)}
    assert [ages[age]["errorCode"] for age in (290, 310, -310)] == ["0", "101001", "101001"]
    assert access.call("/balance/query", headers={}).json()["errorCode"] == "000101"
    headers = {**signed(b""), "RT-Timestamp": str(int(time.time()))}
    assert access.call("/balance/query", b"", headers=headers).json()["errorCode"] == "101001"


def test_a_signature_can_be_demanded(access: Access) -> None:
    access.set_switches(require_signature=True)
    assert access.refusal("/balance/query") == "000101"
    assert access.call("/balance/query", b"", headers=signed(b"")).json()["success"] is True


# Envelope


def test_the_envelope_as_it_is_live(access: Access) -> None:
    response = access.call("/balance/query")
    assert (response.status_code, response.json()) == (
        200,
        {"success": True, "errorCode": "0", "errorMsg": None, "obj": {"balance": 10_000_000}},
    )


def test_trap_05_the_envelope_has_other_readings(access: Access) -> None:
    access.set_switches(success_as_text=True, success_code="null", error_text_field="errorMessage", refusal_status=400)
    good = access.call("/balance/query").json()
    assert good == {"success": "true", "errorCode": None, "errorMessage": None, "obj": {"balance": 10_000_000}}
    access.set_switches(success_code="number")
    assert access.call("/balance/query").json()["errorCode"] == 0
    bad = access.call("/esim/query", {})
    assert (bad.status_code, bad.json()["success"], bad.json()["errorCode"]) == (400, "false", "000105")
    assert "mandatory" in bad.json()["errorMessage"]


def test_what_is_no_json_object_or_no_post_has_its_code(access: Access) -> None:
    assert [access.refusal("/esim/query", body) for body in (b"{", b"[]", b"")] == ["000104"] * 3
    got = access.call("/package/list", method="GET")
    assert (got.status_code, got.json()["errorCode"]) == (405, "000103")
    nowhere = access.call("/esim/list", {})
    assert (nowhere.status_code, nowhere.json()["success"]) == (404, False)


# Catalogue


def test_three_hundred_packages_of_every_kind(access: Access) -> None:
    packages = list_packages(access)
    assert (len(packages), len({package["packageCode"] for package in packages})) == (300, 300)
    assert len({package["slug"] for package in packages}) == 300
    assert {package["dataType"] for package in packages} == {1, 2, 3, 4}
    assert {package["supportTopUpType"] for package in packages} == {1, 2, 3}
    assert {package["activeType"] for package in packages} == {1, 2}
    assert {package["smsStatus"] for package in packages} == {0, 1, 2}
    daily = [package for package in packages if package["dataType"] != 1]
    assert {(package["duration"], package["supportTopUpType"]) for package in daily} == {(1, 3)}
    assert set(packages[0]) == DOCUMENTED | {"locationCode", "fupPolicy"}


def test_a_package_as_it_is_live_and_as_the_document_lists_it(access: Access) -> None:
    live = list_packages(access, slug="ES_1_7")[0]
    assert (live["packageCode"], live["volume"], live["durationUnit"]) == ("CKH001", 1_073_741_824, "DAY")
    assert live["locationNetworkList"] == [
        {
            "locationName": "Spain",
            "locationLogo": "/img/flags/es.png",
            "locationCode": "ES",
            "operatorList": [
                {"operatorName": "Vodafone", "networkType": "4G"},
                {"operatorName": "Orange", "networkType": "5G"},
            ],
        }
    ]
    assert live["retailPrice"] == 2 * live["price"]
    access.set_switches(live_fields=False)
    assert set(list_packages(access, slug="ES_1_7")[0]) == DOCUMENTED
    several = next(package for package in list_packages(access) if "," in package["location"])
    assert ", " in several["location"]


def test_filters(access: Access) -> None:
    spain = list_packages(access, locationCode="ES", type="BASE", slug="", packageCode="", iccid="")
    assert spain
    assert all("ES" in package["location"].split(",") for package in spain)
    regional, worldwide = (list_packages(access, locationCode=code) for code in ("!RG", "!GL"))
    assert {package["locationCode"][:3] for package in worldwide} == {"GL-"}
    assert all("," in package["location"] for package in regional)
    assert not {package["packageCode"] for package in regional} & {package["packageCode"] for package in worldwide}
    assert {package["locationCode"] for package in list_packages(access, locationCode="NA-3")} == {"NA-3"}
    assert [package["slug"] for package in list_packages(access, packageCode="CKH001")] == ["ES_1_7"]
    assert {package["dataType"] for package in list_packages(access, dataType=2)} == {2}
    assert list_packages(access, locationCode="XX") == []
    assert access.refusal("/package/list", {"type": "OTHER"}) == "200008"
    assert access.ask("/package/list") == access.ask("/package/list", {"locationCode": None, "type": None})


def test_trap_17_top_ups_fit_base_packages(access: Access) -> None:
    access.set_switches(allocation_delay_s=0)
    base = access.package("CKH001")
    by_code, by_slug = (
        list_packages(access, type="TOPUP", **{name: value})
        for name, value in (("packageCode", "CKH001"), ("slug", "ES_1_7"))
    )
    assert by_code == by_slug
    assert "TOPUP_CKH001" in [package["packageCode"] for package in by_code]
    assert {(package["locationCode"], package["dataType"]) for package in by_code} == {(base["locationCode"], 1)}
    [esim] = access.buy("CKH001")
    assert list_packages(access, type="TOPUP", iccid=esim["iccid"]) == by_code
    assert list_packages(access, type="TOPUP", esimTranNo=esim["esimTranNo"]) == by_code
    daily = access.find_package(dataType=2)
    assert [package["packageCode"] for package in list_packages(access, type="TOPUP", packageCode=daily)] == [
        f"TOPUP_{daily}"
    ]
    none = access.find_package(supportTopUpType=1)
    assert list_packages(access, type="TOPUP", packageCode=none) == []
    every = list_packages(access, type="TOPUP")
    assert (len(every) > 200, {package["packageCode"][:6] for package in every}) == (True, {"TOPUP_"})


def test_an_unknown_base_package_is_named(access: Access) -> None:
    answer = access.call("/package/list", {"type": "TOPUP", "packageCode": "NOPE"}).json()
    assert answer == {
        "success": False,
        "errorCode": "310241",
        "errorMsg": "base data plan code:[NOPE] doesn`t exist.",
        "obj": None,
    }
    assert access.refusal("/package/list", {"type": "TOPUP", "iccid": "8900000000000000000"}) == "310403"


def test_packages_can_be_changed_removed_restored_and_added(access: Access) -> None:
    access.change_package("CKH001", price=9_999, name="Renamed")
    access.remove_packages("CKH003")
    access.add_package({**access.package("CKH001"), "packageCode": "NEW1", "slug": "ES_NEW"})
    packages = {package["packageCode"]: package for package in list_packages(access)}
    assert (packages["CKH001"]["price"], packages["CKH001"]["name"]) == (9_999, "Renamed")
    assert ("CKH003" in packages, list(packages)[-1]) == (False, "NEW1")
    access.restore_packages("CKH003")
    assert [package["packageCode"] for package in list_packages(access)][2] == "CKH003"
    access.generate_packages(20, seed=2)
    assert len(list_packages(access)) == 20
    access.simulator.reset()
    assert access.package("CKH001")["name"] == "Spain 1GB 7Days"
    assert len(access.base_codes()) == 300


def test_trap_16_no_is_one_and_not_falsy(access: Access) -> None:
    assert access.package(access.find_package(supportTopUpType=1))["supportTopUpType"] == 1
    assert not {1} & {access.package(code)["supportTopUpType"] for code in access.topup_codes()[:20]}


# Places and account


def test_places(access: Access) -> None:
    places = {place["code"]: place for place in access.ask("/location/list", {})["locationList"]}
    assert places["ES"] == {"code": "ES", "name": "Spain", "type": 1, "subLocationList": None}
    assert places["NA-3"] == {
        "code": "NA-3",
        "name": "North America",
        "type": 2,
        "subLocationList": [
            {"code": "US", "name": "United States"},
            {"code": "CA", "name": "Canada"},
            {"code": "MX", "name": "Mexico"},
        ],
    }
    assert set(places) == {package["locationCode"] for package in list_packages(access)}
    access.set_switches(live_fields=False)
    places = {place["code"]: place for place in access.ask("/location/list", {})["locationList"]}
    assert places["ES"] == {"code": "ES", "name": "Spain", "type": 1}
    assert len(places["NA-3"]["subLocation"]) == 3


def test_the_balance_takes_an_empty_body_or_an_empty_object(access: Access) -> None:
    access.set_account(balance=123_456)
    assert access.ask("/balance/query") == access.ask("/balance/query", {}) == {"balance": 123_456}
