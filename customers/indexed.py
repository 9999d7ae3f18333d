"""Conditions that every database answers from an index, however long the list is."""

from typing import Any

from django.db import connection
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import CharField, F, Func, Lookup, Q
from django.db.models.sql.compiler import SQLCompiler

#: Sorts behind every text, compared by bytes.
_LAST = "\U0010ffff"


def begins_with(field: str, text: str) -> Q:
    """Values of ``field`` (unique, or with ``db_index``) that begin with ``text``, written as it is stored.

    PostgreSQL has an index for LIKE beside the one that sorts; SQLite has one that compares bytes.
    """
    found = Q(**{f"{field}__startswith": text})
    if connection.vendor == "postgresql":
        return found
    return found & Q(**{f"{field}__gte": text, f"{field}__lt": text + _LAST})


def is_filled(field: str) -> Q:
    """What an index over filled columns is restricted to (``condition=~Q(field="")``).

    With the empty text written out: SQLite does not take it from a parameter that ``~Q(field="")`` would pass.
    """
    return Q(_IsFilled(F(field), True))


class LastSix(Func):
    """The last six signs of a text. ``Right`` passes the 6 as a parameter, for which SQLite uses no index."""

    arity = 1
    template = "RIGHT(%(expressions)s, 6)"
    output_field = CharField()

    def as_sqlite(self, compiler: SQLCompiler, connection: BaseDatabaseWrapper, **extra: Any) -> tuple[str, Any]:
        return self.as_sql(compiler, connection, template="SUBSTR(%(expressions)s, -6)", **extra)


class _IsFilled(Lookup):
    lookup_name = "filled"
    prepare_rhs = False

    def as_sql(self, compiler: SQLCompiler, connection: BaseDatabaseWrapper) -> tuple[str, tuple[Any, ...]]:
        column, params = self.process_lhs(compiler, connection)
        return f"NOT ({column} = '')", tuple(params)
