"""The catalogue of Nomad eSIMfx: both versions of the list, paging, filters, single products, top-ups."""

import json
import re
import uuid
from decimal import Decimal
from typing import Any

import pytest

from tests.simulator_client import ControlRefused, Simulator
from tests.simulator_esimfx import LEGACY_PRODUCTS_PATH, PRODUCT_PATH, PRODUCTS_PATH, TOPUPS_PATH, Esimfx

DOCUMENTED = [
    *("id", "name", "duration", "duration_unit", "amount", "amount_unit", "coverage", "networks"),
    *("imsi_profile", "price", "price_unit"),
]


@pytest.fixture
def esimfx(simulator: Simulator) -> Esimfx:
    return Esimfx(simulator)


def page(esimfx: Esimfx, **body: Any) -> Any:
    return esimfx.post(PRODUCTS_PATH, body)


def ids_of(products: list[dict[str, Any]]) -> list[str]:
    return [product["id"] for product in products]


def refuse(esimfx: Esimfx, body: Any) -> int:
    response = esimfx.send("POST", PRODUCTS_PATH, json=body)
    assert (response.status_code, response.json()["data"]) == (200, None)
    return int(response.json()["code"])


def test_every_product_has_the_documented_fields(esimfx: Esimfx) -> None:
    products = esimfx.list_products()
    assert (len(products), len(set(ids_of(products)))) == (250, 250)
    for product in products:
        assert set(product) == {*DOCUMENTED, "meta_product_id", "is_unlimited"}
        assert re.fullmatch(r"esimfx_(\d+[GM]|UNL)_\d+D_[A-Z-]+", product["id"])
        assert str(uuid.UUID(product["meta_product_id"])) == product["meta_product_id"]
        assert product["duration_unit"] == "DAY"
        assert (product["amount_unit"] == "Days") == product["is_unlimited"]
        assert product["amount_unit"] in ("GB", "MB", "Days")
        assert product["coverage"] and all(
            set(network) == {"mccmnc", "name", "speed"} for network in product["networks"]
        )
    assert {product["price_unit"] for product in products} == {"USD", "EUR"}
    assert {product["imsi_profile"] for product in products} == {"Green", "Blue", "Orange", "Purple"}


def test_trap_12_prices_are_bare_numbers(esimfx: Esimfx) -> None:
    text = esimfx.send("POST", PRODUCTS_PATH, json={"page_start": {}, "page_size": 100}).text
    products = json.loads(text, parse_float=Decimal)["data"]["products"]
    assert {type(product["price"]) for product in products} == {int, Decimal}
    assert all(product["price"] == round(product["price"], 2) > 0 for product in products)


def test_the_same_seed_makes_the_same_catalogue(simulator: Simulator, esimfx: Esimfx) -> None:
    first = esimfx.list_products()
    simulator.reset(seed=2)
    other = esimfx.list_products()
    assert ids_of(other) == ids_of(first)
    assert [product["price"] for product in other] != [product["price"] for product in first]
    simulator.reset()
    assert esimfx.list_products() == first
    esimfx.generate_products(3000)
    assert len(set(ids_of(esimfx.list_products()))) == 3000


@pytest.mark.parametrize("first", [{}, {"id": ""}, None])
def test_trap_09_pages_follow_the_key_to_an_empty_one(esimfx: Esimfx, first: Any) -> None:
    found: list[str] = []
    body: dict[str, Any] = {"page_size": 99, **({} if first is None else {"page_start": first})}
    sizes = []
    for _ in range(3):
        data = page(esimfx, **body)
        found += ids_of(data["products"])
        sizes.append(len(data["products"]))
        body["page_start"] = data["last_evaluated_key"]
    assert (sizes, body["page_start"], found) == ([99, 99, 52], {}, esimfx.product_ids())


@pytest.mark.parametrize(
    ("end", "data"), [("empty", {"last_evaluated_key": {}}), ("null", {"last_evaluated_key": None}), ("absent", {})]
)
def test_trap_09_the_end_of_a_list_is_a_switch(esimfx: Esimfx, end: str, data: dict[str, Any]) -> None:
    esimfx.set_switches(page_end=end)
    assert page(esimfx, region="Japan", page_size=100) == {"products": esimfx.list_products(region="Japan"), **data}
    assert page(esimfx, page_size=1)["last_evaluated_key"]["id"] == esimfx.product_ids()[0]


def test_trap_09_a_key_is_passed_back_as_it_came(esimfx: Esimfx) -> None:
    key = page(esimfx, page_size=10)["last_evaluated_key"]
    assert ids_of(page(esimfx, page_start=key, page_size=1)["products"]) == [esimfx.product_ids()[10]]
    wrong: Any
    for wrong in ({"id": key["id"]}, {**key, "id": "x"}, {"cursor": key["cursor"]}, json.dumps(key), 2, "", [], None):
        assert refuse(esimfx, {"page_start": wrong}) == 40002


def test_a_key_outlives_the_product_that_it_names(esimfx: Esimfx) -> None:
    key = page(esimfx, page_size=10)["last_evaluated_key"]
    ids = esimfx.product_ids()
    esimfx.remove_products(ids[9], ids[10])
    assert ids_of(page(esimfx, page_start=key, page_size=1)["products"]) == [ids[11]]


@pytest.mark.parametrize("size", [0, -1, "10", True, 1.5, None])
def test_a_wrong_page_size_is_refused(esimfx: Esimfx, size: Any) -> None:
    assert refuse(esimfx, {"page_size": size}) == 40001


def test_a_page_has_20_products_unless_told_and_never_more_than_100(esimfx: Esimfx) -> None:
    assert (len(page(esimfx)["products"]), len(page(esimfx, page_size=500)["products"])) == (20, 100)


def test_countries_are_an_or(esimfx: Esimfx) -> None:
    everything = esimfx.list_products()
    for text, codes in (("JP", {"JP"}), ("US,CA", {"US", "CA"}), ("US, CA", {"US", "CA"})):
        wanted = [product["id"] for product in everything if codes & set(product["coverage"])]
        assert ids_of(esimfx.list_products(countries=text, page_size=7)) == wanted != []
    assert (esimfx.list_products(countries="ZZ"), len(esimfx.list_products(countries=""))) == ([], 250)
    for wrong in ("jp", "JPN", "JP,", ["JP"], 81):
        assert refuse(esimfx, {"countries": wrong}) == 40001


def test_trap_10_region_wins_over_countries(esimfx: Esimfx) -> None:
    europe = esimfx.list_products(region="Europe")
    assert europe and all(len(product["coverage"]) == 20 for product in europe)
    assert esimfx.list_products(region="Europe", countries="JP") == europe
    assert esimfx.list_products(region="Europe", countries="no list at all") == europe
    assert esimfx.list_products(region="europe") == europe
    assert esimfx.list_products(region="Atlantis", countries="JP") == []
    assert refuse(esimfx, {"region": ["Europe"]}) == 40001


@pytest.mark.parametrize("body", [[], "x", None])
def test_a_body_that_is_no_object_is_refused(esimfx: Esimfx, body: Any) -> None:
    assert refuse(esimfx, body) == 40001
    assert esimfx.send("POST", PRODUCTS_PATH, data=b"{").json()["code"] == 40001


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_trap_08_version_1_shows_the_same_goods_by_other_ids(esimfx: Esimfx, method: str) -> None:
    body = {"page_start": {}, "page_size": 10, "countries": "JP"}
    data = esimfx.send(method, LEGACY_PRODUCTS_PATH, json=body).json()["data"]
    newer = esimfx.post(PRODUCTS_PATH, body)
    assert ids_of(data["products"]) == [product["meta_product_id"] for product in newer["products"]]
    for old, new in zip(data["products"], newer["products"], strict=True):
        assert list(old) == DOCUMENTED
        assert {**new, "id": old["id"]} == {**old, **{name: new[name] for name in ("meta_product_id", "is_unlimited")}}
    follow = {**body, "page_start": data["last_evaluated_key"]}
    assert ids_of(esimfx.send(method, LEGACY_PRODUCTS_PATH, json=follow).json()["data"]["products"]) == [
        product["meta_product_id"] for product in esimfx.list_products(countries="JP")[10:]
    ]


def test_trap_08_a_product_is_found_by_both_ids(esimfx: Esimfx) -> None:
    product = esimfx.list_products(region="Japan")[0]
    assert esimfx.get(PRODUCT_PATH, id=product["id"]) == product
    assert esimfx.get(PRODUCT_PATH, id=product["meta_product_id"]) == {**product, "id": product["meta_product_id"]}
    assert esimfx.send("GET", PRODUCT_PATH, params={"id": "esimfx_0G_0D_ZZ"}).json()["code"] == 40401
    assert esimfx.send("GET", PRODUCT_PATH).json()["code"] == 40001


def test_a_removed_product_is_nowhere_and_comes_back_where_it_was(esimfx: Esimfx) -> None:
    ids = esimfx.product_ids()
    esimfx.remove_products(ids[3])
    assert ids_of(page(esimfx, page_size=5)["products"]) == [*ids[:3], *ids[4:6]]
    assert esimfx.send("GET", PRODUCT_PATH, params={"id": ids[3]}).json()["code"] == 40401
    order = esimfx.send_order({"operation_type": "NEW", "product": {"id": ids[3]}})
    assert (order.json()["code"], esimfx.orders()) == (40401, [])
    esimfx.restore_products(ids[3])
    assert esimfx.product_ids() == ids


def test_products_can_be_changed_and_added(esimfx: Esimfx) -> None:
    product = esimfx.list_products(region="Japan")[0]
    esimfx.change_product(product["id"], price=99.5, name="changed")
    assert esimfx.get(PRODUCT_PATH, id=product["id"]) == {**product, "price": 99.5, "name": "changed"}
    new = {**product, "id": "esimfx_1G_1D_XX", "meta_product_id": str(uuid.uuid4()), "coverage": ["XX"]}
    esimfx.add_product(new, region="Nowhere")
    assert (esimfx.list_products(countries="XX"), esimfx.list_products(region="nowhere")) == ([new], [new])
    with pytest.raises(ControlRefused):
        esimfx.add_product(new, region="Nowhere")
    with pytest.raises(ControlRefused):
        esimfx.change_product(product["id"], id="other")


def test_trap_07_topups_share_profile_and_region(esimfx: Esimfx) -> None:
    everything = esimfx.list_products(region="Japan")
    first = everything[0]
    wanted = [product["id"] for product in everything if product["imsi_profile"] == first["imsi_profile"]]
    assert 1 < len(wanted) < len(everything)
    products = esimfx.get(TOPUPS_PATH, product_id=first["id"])["products"]
    assert (ids_of(products), products[0]) == (wanted, {**first, "coverage": []})
    iccid = esimfx.order_new(first["id"])["esim"]["iccid"]
    assert esimfx.get(TOPUPS_PATH, iccid=iccid)["products"] == products
    assert esimfx.get(TOPUPS_PATH, iccid=iccid, product_id=everything[0]["meta_product_id"])["products"] == products
    legacy = esimfx.get(TOPUPS_PATH, product_id=first["meta_product_id"])["products"]
    assert legacy[0]["id"] == first["meta_product_id"]
    esimfx.set_switches(topup_coverage=True)
    assert esimfx.get(TOPUPS_PATH, iccid=iccid)["products"][0] == first


def test_topups_need_something_to_top_up(esimfx: Esimfx) -> None:
    for query, code in (({}, 40001), ({"iccid": "8944"}, 40403), ({"product_id": "x"}, 40401)):
        assert esimfx.send("GET", TOPUPS_PATH, params=query).json()["code"] == code
    iccid = esimfx.order_new(esimfx.product_ids()[0])["esim"]["iccid"]
    esimfx.deactivate(iccid)
    assert esimfx.send("GET", TOPUPS_PATH, params={"iccid": iccid}).json()["code"] == 40904
