"""The OpenAPI description as the page at ``/api/docs/`` shows it: operations by subject, and the bodies they share.

It is generated once in each process: the code does not change while it runs. Its words are those of the code, English.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from django.utils import translation
from django.utils.html import escape, format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe
from drf_spectacular.generators import SchemaGenerator

from config.api.schema import EVERYWHERE

JSON = "application/json"
_CHOICES = ("allOf", "oneOf", "anyOf")
_REF = "#/components/schemas/"
_CODE = re.compile(r"``(.+?)``|`(.+?)`")
#: Words of a body that say "nothing": they are written out where they stand.
_NOTHING = {"NullEnum": "null", "BlankEnum": '""'}
#: An enumeration of so many words is told where it is used; a longer one has its own place only.
_FEW_WORDS = 8
_LIMITS = {
    "minimum": "≥ {}",
    "maximum": "≤ {}",
    "minLength": "≥ {} characters",
    "maxLength": "≤ {} characters",
    "minItems": "≥ {} of them",
    "maxItems": "≤ {} of them",
}
#: What "any", "at least one" and "the largest number that there is" would only add to the noise.
_NOISE = {("minLength", 1), ("maximum", 2**63 - 1), ("minItems", 1)}
#: What members are called whose pattern or kind does not say what one may send.
_SAMPLES: Mapping[str, Any] = {
    "amount": "6.00",
    "currency": "USD",
    "country": "JP",
    "email": "hana@example.com",
    "name": "Hana Sato",
    "phone": "+81312345678",
    "language": "en",
    "time_zone": "Asia/Tokyo",
}

Schema = Mapping[str, Any]


@dataclass(frozen=True)
class Field:
    """A member of a body, a parameter, or a header."""

    name: str
    type: SafeString
    is_required: bool
    text: SafeString
    place: str = ""


@dataclass(frozen=True)
class Body:
    """A named part of the description, with its members, or its words."""

    name: str
    text: SafeString
    fields: Sequence[Field]
    words: Sequence[str]
    is_closed: bool

    def has(self, wish: str) -> bool:
        """Whether a person who looks for ``wish`` means this one."""
        return wish in " ".join([self.name, *(field.name for field in self.fields), *self.words]).lower()


@dataclass(frozen=True)
class Answer:
    """One status: what it means, and what comes with it."""

    status: str
    text: SafeString
    content: SafeString
    headers: Sequence[Field]


@dataclass(frozen=True)
class Operation:
    """One thing that a program can do."""

    id: str
    method: str
    path: str
    subject: str
    text: SafeString
    parameters: Sequence[Field]
    request: Body | None
    sample: str
    answers: Sequence[Answer]
    #: Problems that have nothing particular here.
    usual: Sequence[str]
    #: "token": only with one; "either": also without; "open": it makes no difference.
    caller: str
    is_deprecated: bool

    def has(self, wish: str) -> bool:
        """Whether a person who looks for ``wish`` means this one."""
        words = [self.id, self.method, self.path, self.text, *(field.name for field in self.parameters)]
        return wish in " ".join(words).lower()


@dataclass(frozen=True)
class Reference:
    """The whole of it."""

    subjects: Mapping[str, Sequence[Operation]]
    bodies: Sequence[Body]

    def find(self, wish: str) -> "Reference":
        """What a person means who looks for ``wish``; all of it for ""."""
        wanted = wish.strip().lower()
        if not wanted:
            return self
        found = {name: [one for one in group if one.has(wanted)] for name, group in self.subjects.items()}
        return Reference(
            {name: group for name, group in found.items() if group}, [body for body in self.bodies if body.has(wanted)]
        )


@cache
def read_reference() -> Reference:
    """The reference of this version."""
    with translation.override("en"):
        document = SchemaGenerator().get_schema(request=None, public=True)  # type: ignore[no-untyped-call]
    return _Reader(document).read()


class _Reader:
    def __init__(self, document: Schema) -> None:
        self._paths = document["paths"]
        self._schemas: Mapping[str, Schema] = document["components"]["schemas"]

    def read(self) -> Reference:
        subjects: dict[str, list[Operation]] = {}
        for path, operations in self._paths.items():
            for method, operation in operations.items():
                one = self._operation(path, method, operation)
                subjects.setdefault(one.subject, []).append(one)
        names = sorted((name for name in self._schemas if name not in _NOTHING), key=str.lower)
        return Reference(subjects, [self._body(name) for name in names])

    def _operation(self, path: str, method: str, given: Schema) -> Operation:
        schema = _content(given.get("requestBody", {})).get("schema")
        sample = "" if schema is None else json.dumps(self._sample(schema), indent=2, ensure_ascii=False)
        security: Sequence[Schema] = given.get("security", [])
        told = {status: answer for status, answer in given["responses"].items() if not _is_usual(status, answer)}
        return Operation(
            id=given["operationId"],
            method=method.upper(),
            path=path,
            subject=given.get("tags", [""])[0],
            text=_words(given.get("description", "")),
            parameters=[self._parameter(one) for one in given.get("parameters", ())],
            request=None if schema is None else self._body(_name_of(schema)),
            sample=sample,
            answers=[self._answer(status, told[status]) for status in sorted(told)],
            usual=sorted(set(given["responses"]) - set(told)),
            caller="open" if not security else "either" if {} in security else "token",
            is_deprecated=bool(given.get("deprecated")),
        )

    def _parameter(self, given: Schema) -> Field:
        schema = {**given.get("schema", {}), "description": given.get("description", "")}
        return self._field(given["name"], schema, given.get("required", False), place=given["in"])

    def _answer(self, status: str, given: Schema) -> Answer:
        kinds: Mapping[str, Schema] = given.get("content", {})
        content = format_html_join(
            " · ", "{}{}", ((self._type(kind.get("schema", {})), _media(name)) for name, kind in kinds.items())
        )
        headers = [
            self._field(name, {**header.get("schema", {}), "description": header.get("description", "")}, False)
            for name, header in given.get("headers", {}).items()
            if name != "X-Request-ID"
        ]
        return Answer(status, _words(given.get("description", "")), content, headers)

    def _body(self, name: str) -> Body:
        schema = self._schemas[name]
        required = set(schema.get("required", ()))
        fields = [
            self._field(member, inner, member in required) for member, inner in schema.get("properties", {}).items()
        ]
        return Body(
            name=name,
            text=_words(schema.get("description", "")),
            fields=fields,
            words=[json.dumps(word) for word in schema.get("enum", ())],
            is_closed=schema.get("additionalProperties") is False,
        )

    def _field(self, name: str, schema: Schema, is_required: bool, *, place: str = "") -> Field:
        return Field(name, self._type(schema), is_required, _words(schema.get("description", "")), place)

    def _type(self, schema: Schema) -> SafeString:
        """The kind of a value in words, with links to named bodies, and its limits."""
        if schema.get("maxLength") == 0:
            return _codes([""])
        if "$ref" in schema:
            return self._link(_name_of(schema))
        for choice in _CHOICES:
            if choice in schema:
                return _join(" or ", (self._type(inner) for inner in schema[choice]))
        if schema.get("type") == "array":
            limits = _join(" · ", (escape(text) for text in _limits(schema)))
            inner = format_html("array of {}", self._type(schema["items"]))
            return format_html("{} · {}", inner, limits) if limits else inner
        if schema.get("type") == "object" and "properties" in schema:
            rows = ((name, self._type(inner)) for name, inner in schema["properties"].items())
            return format_html("object: {}", format_html_join(", ", "<code>{}</code> {}", rows))
        return _join(" · ", [_kind(schema), *(escape(text) for text in _limits(schema))])

    def _link(self, name: str) -> SafeString:
        if name in _NOTHING:
            return format_html("<code>{}</code>", _NOTHING[name])
        words = self._schemas[name].get("enum", ())
        link = format_html('<a href="#schema-{0}">{0}</a>', name)
        return format_html("{}: {}", link, _codes(words)) if 0 < len(words) <= _FEW_WORDS else link

    def _sample(self, schema: Schema, name: str = "") -> Any:
        """A value that fits, for people to begin with."""
        while (inner := self._look_behind(schema)) is not None:
            schema = inner
        if "properties" in schema:
            return {member: self._sample(inner, member) for member, inner in schema["properties"].items()}
        if schema.get("type") == "array":
            return [self._sample(schema["items"])]
        return _plain_sample(schema, name)

    def _look_behind(self, schema: Schema) -> Schema | None:
        """What a reference, or a choice, stands for first; None where it stands for itself."""
        if "$ref" in schema:
            return self._schemas[_name_of(schema)]
        choices = [schema[choice] for choice in _CHOICES if choice in schema]
        return choices[0][0] if choices else None


def _plain_sample(schema: Schema, name: str) -> Any:
    if "default" in schema:
        return schema["default"]
    if "enum" in schema:
        return schema["enum"][0]
    return _SAMPLES.get(name, {"integer": schema.get("minimum", 1), "boolean": True}.get(_kinds(schema)[0], "…"))


def _is_usual(status: str, answer: Schema) -> bool:
    return EVERYWHERE.get(status) == answer.get("description")


def _content(given: Schema) -> Schema:
    found: Schema = given.get("content", {}).get(JSON, {})
    return found


def _name_of(schema: Schema) -> str:
    return str(schema["$ref"]).removeprefix(_REF)


def _media(name: str) -> str:
    return "" if name == JSON else f" ({name})"


def _kinds(schema: Schema) -> list[str]:
    kind = schema.get("type", "any")
    return list(kind) if isinstance(kind, list) else [kind]


def _kind(schema: Schema) -> SafeString:
    if "enum" in schema:
        return _codes(schema["enum"])
    return escape(" or ".join(schema.get("format", kind) if kind == "string" else kind for kind in _kinds(schema)))


def _limits(schema: Schema) -> Iterator[str]:
    for name, words in _LIMITS.items():
        if name in schema and (name, schema[name]) not in _NOISE:
            yield words.format(schema[name])
    if "pattern" in schema:
        yield schema["pattern"]
    if "default" in schema:
        yield f"default {json.dumps(schema['default'])}"


def _codes(words: Iterable[Any]) -> SafeString:
    return format_html_join(", ", "<code>{}</code>", ((word if word else json.dumps(word),) for word in words))


def _join(between: str, parts: Iterable[SafeString]) -> SafeString:
    return format_html_join(between, "{}", ((part,) for part in parts))


def _words(text: str) -> SafeString:
    """A description with its code words marked."""
    parts = _CODE.split(" ".join(text.split()))
    # Two groups: of each three parts one is plain, and one of the other two is the code.
    plain, double, single = parts[0::3], parts[1::3], parts[2::3]
    codes = [format_html("<code>{}</code>", one or other) for one, other in zip(double, single, strict=True)]
    return mark_safe("".join(escape(text) + code for text, code in zip(plain, [*codes, ""], strict=True)))  # noqa: S308
