"""Writing what has changed on many lines in one statement.

Django's ``bulk_update`` names every value of every row; most of what reading changes is the same on many lines (when
they were read, when they are read next), and naming a value once for all its lines is several times cheaper.
"""

from collections.abc import Mapping
from typing import Any

from django.db import connection
from django.db.models import Case, JSONField, Value, When
from django.db.models.functions import Cast

from esims.models import Esim

_FIELDS = {field.name: field for field in Esim._meta.concrete_fields}  # noqa: SLF001 - Django's public API


def write_changes(changes: Mapping[int, Mapping[str, Any]]) -> None:
    """``changes``: id of the line → field → new value. The caller holds the lines' locks."""
    by_field: dict[str, dict[int, Any]] = {}
    for pk, fields in changes.items():
        for name, value in fields.items():
            by_field.setdefault(name, {})[pk] = value
    ids = [pk for pk, fields in changes.items() if fields]
    if ids:
        values = {name: _choose(name, new, everybody=len(ids)) for name, new in by_field.items()}
        Esim.objects.filter(pk__in=ids).update(**values)


def _choose(name: str, new: Mapping[int, Any], *, everybody: int) -> Any:
    """The value itself where all lines get the same, else a choice by the line's id."""
    field = _FIELDS[name]
    groups = _group(new)
    if len(groups) == 1 and len(new) == everybody and not isinstance(field, JSONField):
        return groups[0][0]
    whens = [When(pk__in=pks, then=Value(value, output_field=field)) for value, pks in groups]
    chosen = Case(*whens, default=name, output_field=field)
    return Cast(chosen, output_field=field) if connection.features.requires_casted_case_in_updates else chosen


def _group(new: Mapping[int, Any]) -> list[tuple[Any, list[int]]]:
    """(value, its lines); what cannot be hashed (JSON) is not compared."""
    groups: dict[Any, tuple[Any, list[int]]] = {}
    for pk, value in new.items():
        key = (pk,) if isinstance(value, dict | list) else value
        groups.setdefault(key, (value, []))[1].append(pk)
    return list(groups.values())
