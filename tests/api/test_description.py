"""The description of the API for programs: every operation says all that a program has to know."""

from collections.abc import Iterator
from typing import Any

import pytest
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]

from customers.api import MeChangeSerializer, NewDeviceSerializer
from providers.api import StrictSerializer
from tests.api.proving import describe_api

PROBLEM = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
FOR_ALL = {"400", "404", "406", "422", "429", "500"}
TOKEN: dict[str, list[str]] = {"sessionToken": []}
SIGNED_IN, SEEN_BY_ALL = [TOKEN], [TOKEN, {}]
OPERATIONS = [
    pytest.param(operation, id=operation["operationId"])
    for operations in describe_api()["paths"].values()
    for operation in operations.values()
]


def _inside(value: Any) -> Iterator[dict[str, Any]]:
    """Every object of a document."""
    if isinstance(value, dict):
        yield value
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from _inside(inner)


def test_names_are_there_once() -> None:
    names = [parameter.id for parameter in OPERATIONS]
    assert len(set(names)) == len(names)


def test_it_holds_no_examples() -> None:
    """They would be kept true by nobody."""
    assert [part for part in _inside(describe_api()) if {"example", "examples"} & set(part)] == []


@pytest.mark.parametrize("operation", OPERATIONS)
def test_an_operation_is_told_in_full(operation: dict[str, Any]) -> None:
    assert operation["summary"].endswith(".")
    assert operation["description"].replace("\n", " ").startswith(operation["summary"].removesuffix("."))
    assert len(operation["tags"]) == 1
    assert operation["security"] == (SEEN_BY_ALL if operation["tags"] == ["catalogue"] else SIGNED_IN)


@pytest.mark.parametrize("operation", OPERATIONS)
def test_an_operation_names_every_error(operation: dict[str, Any]) -> None:
    errors = {status: answer for status, answer in operation["responses"].items() if int(status) >= 400}
    also = {"401", "403"} | ({"415"} if "requestBody" in operation else set())
    keyed = any(parameter["name"] == "Idempotency-Key" for parameter in operation.get("parameters", ()))
    assert set(errors) >= FOR_ALL | also | ({"409"} if keyed else set())
    for answer in errors.values():
        assert answer["description"]
        assert answer["content"] == PROBLEM
    assert "Retry-After" in errors["429"]["headers"]
    assert all("X-Request-ID" in answer["headers"] for answer in operation["responses"].values())


@pytest.mark.parametrize("operation", OPERATIONS)
def test_an_operation_tells_what_it_answers(operation: dict[str, Any]) -> None:
    done = {status: answer for status, answer in operation["responses"].items() if status.startswith("2")}
    assert done
    for status, answer in done.items():
        assert ("content" in answer) == (status != "204")


@pytest.mark.parametrize(
    ("form", "name", "schema", "good", "bad"),
    [
        (MeChangeSerializer, "name", "PatchedMeChangeRequest", ["a", " a", "b\n", "\u3000é"], ["", " ", "\x1f", "a\0"]),
        (NewDeviceSerializer, "name", "NewDeviceRequest", ["", " ", "a", "é"], ["a\0", "\0", 1]),
    ],
)
def test_texts_are_described_as_they_are_taken(
    form: type[StrictSerializer], name: str, schema: str, good: list[Any], bad: list[Any]
) -> None:
    said = Draft202012Validator(describe_api()["components"]["schemas"][schema]["properties"][name])
    for text in [*good, *bad]:
        taken = form(data={name: text}, partial=True).is_valid()
        assert (said.is_valid(text), taken) == ((True, True) if text in good else (False, False)), text
