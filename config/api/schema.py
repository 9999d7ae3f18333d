"""The OpenAPI description (drf-spectacular): who signs in how, and the problems that every operation may answer."""

from collections.abc import Mapping
from typing import Any

from drf_spectacular.extensions import (
    OpenApiAuthenticationExtension,
    OpenApiSerializerExtension,
    OpenApiSerializerFieldExtension,
)

from config.api.authentication import HEADER
from config.api.problems import CONTENT_TYPE, TITLES

_METHODS = frozenset({"get", "post", "put", "patch", "delete"})
#: Problems that any operation may answer, whatever it does.
_ALWAYS = {
    "400": "The request could not be read.",
    "404": "There is nothing here, or it is not yours.",
    "406": "No such representation exists.",
    "422": "Something in the request is not valid.",
    "429": "Too many requests; `Retry-After` says how many seconds to wait.",
    "500": "Something went wrong at our side.",
}
_SIGNED_IN = {"401": "Sign in first.", "403": "You may not do this."}
_WITH_BODY = {"415": "The body is in a form that is not understood."}
#: What a status means where an operation says nothing else of it.
EVERYWHERE: Mapping[str, str] = {**_ALWAYS, **_SIGNED_IN, **_WITH_BODY}

_NO_NUL = r"^[^\u0000]+$"
#: What Python takes for a blank, which other languages do not in all places.
_MORE_THAN_BLANKS = r"^\s*[^\s\u0000\u001c-\u001f\u0085][^\u0000]*$"

PROBLEM_SCHEMA: Mapping[str, Any] = {
    "type": "object",
    "description": "RFC 9457 problem details.",
    "required": ["type", "title", "status", "code", "request_id"],
    "properties": {
        "type": {"type": "string", "format": "uri", "description": "Where the code is explained."},
        "title": {"type": "string", "description": "For people, in the language asked for."},
        "status": {"type": "integer"},
        "code": {"type": "string", "enum": sorted(TITLES), "description": "Stable; for programs."},
        "request_id": {"type": "string", "description": "The same as the header X-Request-ID."},
        "detail": {"type": "string"},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["in", "path", "code", "message"],
                "properties": {
                    "in": {"type": "string", "enum": ["body", "query", "header"]},
                    "path": {"type": "string", "description": "Dotted, e.g. `lines.0.quantity`; empty for the whole."},
                    "code": {"type": "string"},
                    "message": {"type": "string"},
                },
            },
        },
    },
}


class SessionTokenScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """The token that the sign-in at ``/_allauth/app/v1/`` gives."""

    target_class = "config.api.authentication.SessionTokenAuthentication"
    name = "sessionToken"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        return {
            "type": "apiKey",
            "in": "header",
            "name": HEADER,
            "description": "`meta.session_token` of the sign-in at `/_allauth/app/v1/auth/login`.",
        }


class StrictSerializerSchema(OpenApiSerializerExtension):  # type: ignore[no-untyped-call]
    """Bodies take nothing that the description does not name."""

    target_class = "providers.api.StrictSerializer"
    match_subclasses = True

    def map_serializer(self, auto_schema: Any, direction: Any) -> dict[str, Any]:
        schema: dict[str, Any] = auto_schema._map_serializer(self.target, direction, bypass_extensions=True)  # noqa: SLF001
        return {**schema, "additionalProperties": False}


class TextFieldSchema(OpenApiSerializerFieldExtension):  # type: ignore[no-untyped-call]
    """Texts hold no NUL, which PostgreSQL cannot store; and more than blanks, where those are cut off."""

    target_class = "providers.api.TextField"
    match_subclasses = True

    def map_serializer_field(self, auto_schema: Any, direction: Any) -> dict[str, Any]:
        field = self.target
        schema: dict[str, Any] = auto_schema._map_serializer_field(field, direction, bypass_extensions=True)  # noqa: SLF001
        more_than_blanks = field.trim_whitespace and not field.allow_blank
        return {**schema, "pattern": _MORE_THAN_BLANKS if more_than_blanks else _NO_NUL}


def add_problems(result: dict[str, Any], generator: Any, request: Any, public: bool) -> dict[str, Any]:
    """Each operation says which problems it answers, and is summed up; ``X-Request-ID`` is on every answer."""
    schemas = result.setdefault("components", {}).setdefault("schemas", {})
    schemas["Problem"] = dict(PROBLEM_SCHEMA)
    content = {CONTENT_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    for operations in result["paths"].values():
        for method, operation in operations.items():
            if method in _METHODS:
                _sum_up(operation)
                _add_to(operation, content)
    return result


def _sum_up(operation: dict[str, Any]) -> None:
    """The first sentence of what is said of an operation is its summary, too."""
    first, _point, _rest = operation.get("description", "").partition(". ")
    if first:
        operation.setdefault("summary", f"{' '.join(first.split()).removesuffix('.')}.")


def _add_to(operation: dict[str, Any], content: Mapping[str, Any]) -> None:
    known = dict(_ALWAYS)
    if operation.get("security"):
        known |= _SIGNED_IN
    if "requestBody" in operation:
        known |= _WITH_BODY
    responses = operation["responses"]
    for status, words in known.items():
        responses.setdefault(status, {"description": words, "content": dict(content)})
    for status, response in responses.items():
        if int(status) >= 400:
            response.setdefault("content", dict(content))
            if not response["content"]:
                response["content"] = dict(content)
        headers = response.setdefault("headers", {})
        headers["X-Request-ID"] = {"schema": {"type": "string"}, "description": "The id of this request in our log."}
        if status == "429":
            headers["Retry-After"] = {"schema": {"type": "integer"}, "description": "Seconds."}
