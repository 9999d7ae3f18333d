"""What every face of the API shares: strict reading, and pages by cursor over rows that tie (providers/api.py)."""

from decimal import Decimal
from typing import Any

import pytest
from django.db.models import F, Value
from django.db.models.functions import Coalesce
from rest_framework import serializers
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.test import APIRequestFactory

from catalog.currencies import as_money
from catalog.models import Plan
from providers.api import (
    AmountField,
    FlagField,
    NoSuchPage,
    PageParameters,
    PatternField,
    QueryParameters,
    RowOrder,
    StrictSerializer,
    TextField,
    WholeField,
    cursor_page,
    page_of,
    read_query,
)
from tests.catalog.making import make_plan


class Wanted(QueryParameters):
    country = PatternField(r"[A-Z]{2}", required=False)
    days = WholeField(required=False, min_value=1, max_value=365)
    unlimited = FlagField(required=False)
    price = AmountField(required=False)
    state = serializers.ListField(child=serializers.ChoiceField(choices=["new", "old"]), required=False)


class Inner(StrictSerializer):
    number = WholeField()


class Body(StrictSerializer):
    name = TextField()
    sure = FlagField()
    lines = Inner(many=True)


def _ask(query: str, parameters: type[QueryParameters] = Wanted) -> dict[str, Any]:
    return read_query(Request(APIRequestFactory().get(f"/?{query}")), parameters)


def _faults(error: ValidationError) -> dict[str, Any]:
    found: Any = error.detail
    return {name: [fault.code for fault in faults] for name, faults in found.items()}


def test_a_query_is_read_as_what_it_means() -> None:
    assert _ask("country=JP&days=7&unlimited=false&price=12.50&state=new&state=old") == {
        "country": "JP",
        "days": 7,
        "unlimited": False,
        "price": Decimal("12.50"),
        "state": ["new", "old"],
    }
    assert _ask("") == {}
    assert _ask("", PageParameters) == {"limit": 50}


@pytest.mark.parametrize(
    ("query", "place", "code"),
    [
        ("contry=JP", "contry", "unknown_parameter"),
        ("country=JP&country=FR", "country", "repeated"),
        ("country=jp", "country", "invalid"),
        ("country=JP%0A", "country", "invalid"),
        ("country=", "country", "blank"),
        ("days=0", "days", "min_value"),
        ("days=1.0", "days", "invalid"),
        ("days=1_0", "days", "invalid"),
        ("days=%D9%A3", "days", "invalid"),
        ("unlimited=yes", "unlimited", "invalid"),
        ("unlimited=", "unlimited", "invalid"),
        ("price=-1", "price", "invalid"),
        ("price=1e3", "price", "invalid"),
        ("price=NaN", "price", "invalid"),
    ],
)
def test_what_is_not_understood_in_a_query_is_refused(query: str, place: str, code: str) -> None:
    with pytest.raises(ValidationError) as refusal:
        _ask(query)
    assert _faults(refusal.value) == {place: [code]}
    assert vars(refusal.value)["place"] == "query"


@pytest.mark.parametrize("limit", ["0", "101", "x", ""])
def test_a_page_has_one_to_a_hundred_rows(limit: str) -> None:
    with pytest.raises(ValidationError):
        _ask(f"limit={limit}", PageParameters)


def test_a_body_is_refused_for_what_it_does_not_know_also_inside() -> None:
    body = Body(data={"name": 5, "sure": "true", "lines": [{"number": True}, {"number": 1, "price": 0}], "x": 1})
    assert not body.is_valid()
    assert {name: faults for name, faults in body.errors.items() if name != "lines"} == {
        "name": ["Not a valid string."],
        "sure": ["Must be a valid boolean."],
        "x": ["This is not known here."],
    }
    assert body.errors["lines"] == {
        0: {"number": ["A valid integer is required."]},
        1: {"price": ["This is not known here."]},
    }
    assert body.errors["x"][0].code == "unknown_field"
    assert Body(data={"name": "a", "sure": True, "lines": [{"number": 3}]}).is_valid()


@pytest.mark.parametrize(("text", "is_taken"), [("  12345678", True), ("   12345678", False), ("12345678   ", False)])
def test_a_text_is_as_long_as_it_was_sent(text: str, is_taken: bool) -> None:
    class Short(StrictSerializer):
        name = TextField(max_length=10)

    short = Short(data={"name": text})
    assert short.is_valid() is is_taken
    assert [fault.code for fault in short.errors.get("name", [])] == ([] if is_taken else ["max_length"])


@pytest.mark.parametrize(
    ("amount", "currency", "text"),
    [
        ("12.3400", "USD", "12.34"),
        ("12", "USD", "12.00"),
        ("0.1234", "USD", "0.1234"),
        ("1200.0000", "JPY", "1200"),
        ("1.5", "KWD", "1.500"),
        ("100", "JPY", "100"),
        ("1E+3", "JPY", "1000"),
    ],
)
def test_money_is_exact_text_with_its_currencys_decimals(amount: str, currency: str, text: str) -> None:
    assert as_money(Decimal(amount), currency) == {"amount": text, "currency": currency}


# -- pages ------------------------------------------------------------------------------------------------------------

DATA = RowOrder(name="data", keys=(Coalesce(F("data_bytes"), Value(-1)),))
PRICE_DOWN = RowOrder(name="-price", keys=("currency", "retail_price"), down=True)
NEWEST = RowOrder(name="newest", keys=("first_seen_at",), down=True)


@pytest.fixture
def plans(db: None) -> list[Plan]:
    """Seven plans that tie in every way."""
    del db
    shapes = [(5, "6.00", "USD"), (None, "6.00", "EUR"), (5, "6.00", "USD"), (None, "4.35", "USD")]
    return [
        make_plan(data_bytes=size, retail_price=Decimal(price), currency=currency)
        for size, price, currency in [*shapes, *shapes[:3]]
    ]


@pytest.mark.parametrize("as_dicts", [False, True])
@pytest.mark.parametrize("order", [DATA, PRICE_DOWN, NEWEST], ids=lambda order: order.name)
@pytest.mark.parametrize("limit", [1, 2, 3, 7])
def test_pages_neither_lose_nor_repeat_rows_that_tie(
    plans: list[Plan], order: RowOrder, limit: int, as_dicts: bool
) -> None:
    def key(row: Any) -> int:
        return int(row["pk"] if as_dicts else row.pk)

    rows: Any = Plan.objects.values("pk", "name") if as_dicts else Plan.objects.all()
    whole = [key(row) for row in cursor_page(rows, order, limit=100).rows]
    assert sorted(whole) == sorted(plan.pk for plan in plans)
    page = cursor_page(rows, order, limit=limit)
    assert page.previous is None
    seen, pages = [key(row) for row in page.rows], [[key(row) for row in page.rows]]
    while page.next:
        page = cursor_page(rows, order, cursor=page.next, limit=limit)
        pages.append([key(row) for row in page.rows])
        seen += pages[-1]
    assert seen == whole
    back = [pages[-1]]
    while page.previous:
        page = cursor_page(rows, order, cursor=page.previous, limit=limit)
        back.insert(0, [key(row) for row in page.rows])
        assert page.next
    assert [number for part in back for number in part] == whole


def test_orders_say_where_the_unknown_goes(plans: list[Plan]) -> None:
    found = cursor_page(Plan.objects.all(), DATA, limit=100)
    assert [plan.data_bytes for plan in found.rows] == [None, None, None, 5, 5, 5, 5]
    assert (found.next, found.previous) == (None, None)


def test_a_cursor_of_another_order_or_of_anybodys_making_is_refused(plans: list[Plan]) -> None:
    cursor = cursor_page(Plan.objects.all(), DATA, limit=2).next
    assert cursor
    for other, text in ((PRICE_DOWN, cursor), (DATA, cursor[:-1]), (DATA, "WyJkYXRhIixmYWxzZSwxLDJd"), (DATA, "\x00é")):
        with pytest.raises(NoSuchPage):
            cursor_page(Plan.objects.all(), other, cursor=text)


def test_a_page_is_one_query_whatever_the_number_of_rows(plans: list[Plan], django_assert_num_queries: Any) -> None:
    with django_assert_num_queries(1):
        page = cursor_page(Plan.objects.all(), DATA, limit=2)
    with django_assert_num_queries(1):
        cursor_page(Plan.objects.all(), DATA, cursor=page.next or "", limit=5)


def test_the_schema_names_pages_after_their_rows() -> None:
    assert page_of(Inner).__name__ == "InnerPageSerializer"
