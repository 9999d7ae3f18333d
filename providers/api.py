"""What all faces of the API share: reading what was sent, strictly; money; pages of long lists.

What is sent is refused (422, with the place of every fault) rather than read with goodwill: a misspelt filter that is
ignored shows a traveller plans that they did not ask for.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from http import HTTPStatus
from typing import Any
from uuid import UUID

from django.core.exceptions import ValidationError as BadValue
from django.core.signing import BadSignature, Signer
from django.db.models import BooleanField, F, Func, QuerySet, Value
from django.db.models.expressions import Combinable
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from drf_spectacular.drainage import set_override
from rest_framework import serializers
from rest_framework.exceptions import APIException, ErrorDetail, NotFound, ValidationError
from rest_framework.request import Request

#: Rows of a page where the caller names no number, and the most that may be asked for.
DEFAULT_LIMIT, MOST = 50, 100


# -- reading ----------------------------------------------------------------------------------------------------------


class StrictSerializer(serializers.Serializer[Any]):
    """A body, or a part of one. Members that it does not know are refused, also within its parts."""

    unknown_code = "unknown_field"

    def to_internal_value(self, data: Any) -> Any:
        known = {name for name, field in self.fields.items() if not field.read_only}
        unknown = {
            str(name): [ErrorDetail(_("This is not known here."), code=self.unknown_code)]
            for name in (data if isinstance(data, Mapping) else ())
            if name not in known
        }
        try:
            values = super().to_internal_value(data)
        except ValidationError as error:
            if unknown and isinstance(error.detail, dict):
                raise ValidationError({**error.detail, **unknown}) from error
            raise
        if unknown:
            raise ValidationError(unknown)
        return values


class QueryParameters(StrictSerializer):
    """The part of an address behind "?". Everything in it is text; a parameter that is no list may stand there once."""

    unknown_code = "unknown_parameter"
    is_text = True


def read_query(request: Request, parameters: type[QueryParameters]) -> dict[str, Any]:
    """The validated parameters of an address. Raises ``ValidationError`` with ``place`` "query"."""
    given: dict[str, Any] = {}
    repeated: dict[str, Any] = {}
    form = parameters()
    for name, values in request.query_params.lists():
        if isinstance(form.fields.get(name), serializers.ListField):
            given[name] = values
        else:
            given[name] = values[-1]
            if len(values) > 1:
                repeated[name] = [ErrorDetail(_("This may be given once."), code="repeated")]
    try:
        values = form.run_validation(given)
        if repeated:
            raise ValidationError(repeated)
    except ValidationError as error:
        raise in_query(error) from None
    return dict(values)


def in_query(error: ValidationError) -> ValidationError:
    """Says of an error that it is about the address, not the body."""
    error.place = "query"  # type: ignore[attr-defined]
    return error


def read_body(request: Request, body: type[StrictSerializer], **context: Any) -> dict[str, Any]:
    """The validated body. Raises ``ValidationError``."""
    form = body(data=request.data, context={"request": request, **context})
    form.is_valid(raise_exception=True)
    return dict(form.validated_data)


def _is_text(field: serializers.Field[Any, Any, Any, Any]) -> bool:
    return bool(getattr(field.root, "is_text", False))


class TextField(serializers.CharField):
    """Text, and nothing that could be taken for it: JSON's numbers are refused."""

    def to_internal_value(self, data: Any) -> Any:
        if not isinstance(data, str):
            self.fail("invalid")
        # As the description counts it: before blanks at the ends are taken off.
        if self.max_length is not None and len(data) > self.max_length:
            self.fail("max_length", max_length=self.max_length)
        return super().to_internal_value(data)


class PatternField(TextField):
    """Text of a fixed form. ``pattern`` has to fit as a whole; the schema shows it."""

    def __init__(self, pattern: str, **options: Any) -> None:
        super().__init__(trim_whitespace=False, **options)
        self.pattern = re.compile(pattern)
        set_override(self, "field", {"type": "string", "pattern": f"^{pattern}$"})

    def to_internal_value(self, data: Any) -> Any:
        text = super().to_internal_value(data)
        if not self.pattern.fullmatch(text):
            self.fail("invalid")
        return text


class AmountField(PatternField):
    """An amount of money as text, read as an exact ``Decimal``; never negative."""

    def __init__(self, **options: Any) -> None:
        super().__init__(r"[0-9]{1,10}(\.[0-9]{1,4})?", **options)

    def to_internal_value(self, data: Any) -> Any:
        return Decimal(super().to_internal_value(data))


class WholeField(serializers.IntegerField):
    """A whole number: in a body JSON's own, in an address its digits; true is none, nor "1_000"."""

    def to_internal_value(self, data: Any) -> int:
        if _is_text(self):
            if not (isinstance(data, str) and re.fullmatch(r"-?[0-9]{1,20}", data)):
                self.fail("invalid")
        elif isinstance(data, float) and data.is_integer():
            # JSON has one kind of numbers: 3.0 is the whole number 3 there.
            data = int(data)
        elif not isinstance(data, int) or isinstance(data, bool):
            self.fail("invalid")
        return super().to_internal_value(data)


class FlagField(serializers.BooleanField):
    """Yes or no: in a body JSON's own words, in an address the same ones as text."""

    def to_internal_value(self, data: Any) -> bool:
        words: dict[Any, bool] = {"true": True, "false": False} if _is_text(self) else {}
        if isinstance(data, bool):
            return data
        if not isinstance(data, str) or data not in words:
            self.fail("invalid", input=data)
        return words[data]


class PageParameters(QueryParameters):
    """Which page of a long list."""

    cursor = TextField(
        required=False,
        max_length=2000,
        trim_whitespace=False,
        help_text="`next` or `previous` of the page before; nothing else is valid.",
    )
    limit = WholeField(required=False, default=DEFAULT_LIMIT, min_value=1, max_value=MOST, help_text="Rows of a page.")


# -- refusing ---------------------------------------------------------------------------------------------------------


class Refused(APIException):
    """Not now. ``field`` is the member of the body that it is about, where there is one."""

    status_code = HTTPStatus.CONFLICT
    default_code = "refused"

    def __init__(self, detail: str, code: str = "", field: str = "") -> None:
        super().__init__(detail, code or None)
        self.field = field


# -- money and data ---------------------------------------------------------------------------------------------------


class MoneySerializer(serializers.Serializer[Any]):
    """An exact amount of money. Made by ``catalog.currencies.as_money``."""

    amount = serializers.CharField(help_text='Exact, with the decimals of its currency: "12.34", "1200" of yen.')
    currency = serializers.CharField(help_text="ISO 4217.")


class DataAmountSerializer(serializers.Serializer[Any]):
    """An amount of data. ``bytes`` null: there is no cap where ``unlimited`` is true, else nobody has reported it."""

    bytes = serializers.IntegerField(allow_null=True)
    unlimited = serializers.BooleanField()


def as_data(number: int | None, *, unlimited: bool = False) -> dict[str, Any]:
    """An amount of data as the API writes it."""
    return {"bytes": number, "unlimited": unlimited}


# -- pages ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class RowOrder:
    """How a list is ordered: by ``keys``, all up or all ``down``, and by the primary key where they are equal.

    No key may be null: ``Coalesce`` says where the unknown goes. An index over the keys and the primary key makes
    page one thousand cost what page one costs. ``name`` stands in the cursors: that of another order is refused.
    """

    name: str
    keys: Sequence[str | Combinable]
    down: bool = False


NEWEST_FIRST = RowOrder(name="newest", keys=("created_at",), down=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class CursorPage:
    """One page: model instances, or dicts where ``values()`` asked for them."""

    rows: Sequence[Any]
    next: str | None
    previous: str | None

    def answer(self, results: Sequence[Any]) -> dict[str, Any]:
        """The page as it is answered; ``results`` are its rows, rendered."""
        return {"results": results, "next": self.next, "previous": self.previous}


def cursor_page(
    rows: QuerySet[Any, Any], order: RowOrder, *, cursor: str = "", limit: int = DEFAULT_LIMIT
) -> CursorPage:
    """A page of ``rows`` by one query; nothing is counted, and rows with equal keys are neither lost nor repeated.

    Raises ``NoSuchPage`` for a cursor that was not made for this order.
    """
    names = [f"cursor_{number}" for number in range(len(order.keys))]
    keys = [F(key) if isinstance(key, str) else key for key in order.keys]
    rows = rows.order_by().annotate(**dict(zip(names, keys, strict=True)))
    fields = [*(rows.query.annotations[name].output_field for name in names), rows.model._meta.pk]  # noqa: SLF001
    backwards, mark = False, None
    if cursor:
        backwards, *mark = _read_cursor(cursor, order, fields)
    down = order.down != backwards
    if mark:
        marks = [Value(value, output_field=field) for value, field in zip(mark, fields, strict=True)]
        rows = rows.filter(_Beyond(*names, "pk", *marks, sign="<" if down else ">"))
    steps = [F(name) for name in (*names, "pk")]
    found = list(rows.order_by(*(step.desc() if down else step.asc() for step in steps))[: limit + 1])
    more, found = len(found) > limit, found[:limit]
    if backwards:
        found.reverse()

    def write(row: Any, *, back: bool) -> str:
        at = [row[name] if isinstance(row, dict) else getattr(row, name) for name in names]
        key = row["pk" if "pk" in row else "id"] if isinstance(row, dict) else row.pk
        return _SIGNER.sign_object([order.name, back, *map(_plain, at), _plain(key)])

    return CursorPage(
        rows=found,
        next=write(found[-1], back=False) if found and (more or backwards) else None,
        previous=write(found[0], back=True) if found and (more if backwards else mark) else None,
    )


def page_of(row: type[serializers.BaseSerializer[Any]]) -> type[serializers.Serializer[Any]]:
    """The serializer of a page of such rows, for the schema: "PlanSerializer" → "PlanPage"."""
    name = f"{row.__name__.removesuffix('Serializer')}PageSerializer"
    cursor = "Give it as `cursor` for the {} page; null where there is none."
    return type(
        name,
        (serializers.Serializer,),
        {
            "results": row(many=True),
            "next": serializers.CharField(allow_null=True, help_text=cursor.format("next")),
            "previous": serializers.CharField(allow_null=True, help_text=cursor.format("previous")),
        },
    )


class NoSuchPage(NotFound):
    """No page of this list has such a cursor: it is another list's, or nobody's. The first page is still there."""

    default_detail = gettext_lazy("This cursor was not made for this list.")


class _Beyond(Func):
    """``(key, …, pk) > (mark, …, mark)``: both databases find the place in an index over these columns."""

    output_field = BooleanField()
    conditional = True

    def as_sql(self, compiler: Any, connection: Any, *_args: Any, **_context: Any) -> tuple[str, tuple[str | int, ...]]:
        parts: list[str] = []
        values: list[Any] = []
        for expression in self.get_source_expressions():
            sql, of_it = compiler.compile(expression)
            parts.append(sql)
            values += of_it
        half = len(parts) // 2
        return f"({', '.join(parts[:half])}) {self.extra['sign']} ({', '.join(parts[half:])})", tuple(values)


#: A cursor is ours or it is none: nobody tries out numbers on the database by it.
_SIGNER = Signer(salt="api-cursor")


def _read_cursor(cursor: str, order: RowOrder, fields: Sequence[Any]) -> list[Any]:
    try:
        name, backwards, *values = _SIGNER.unsign_object(cursor)
        if name != order.name:
            raise ValueError(name)
        return [backwards, *(field.to_python(value) for field, value in zip(fields, values, strict=True))]
    except (BadSignature, BadValue, ValueError, TypeError):
        raise NoSuchPage from None


def _plain(value: Any) -> Any:
    if isinstance(value, date):
        return value.isoformat()
    return str(value) if isinstance(value, Decimal | UUID) else value
