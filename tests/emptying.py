"""The database after a test with real commits: emptied table by table, and only those that hold something.

Django's own way empties every table and then makes all permissions and content types anew, which takes longer than most
tests. Those two, and the groups of the roles, are rows of the code: they stay.
"""

from functools import lru_cache

from django.contrib.auth.models import Group, Permission
from django.contrib.contenttypes.models import ContentType
from django.db import connection, transaction
from django.db.migrations.recorder import MigrationRecorder

from customers.roles import role_groups

_ROWS_OF_THE_CODE = (Permission, ContentType, MigrationRecorder.Migration, Group, Group.permissions.through)
_KEPT = frozenset(model._meta.db_table for model in _ROWS_OF_THE_CODE)


def empty_tables() -> None:
    """Delete every row but those of the code, in one transaction: foreign keys are looked at when it ends."""
    quote = connection.ops.quote_name
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(
            " UNION ALL ".join(f"SELECT '{name}' WHERE EXISTS (SELECT 1 FROM {quote(name)})" for name in _tables())
        )
        for (name,) in cursor.fetchall():
            cursor.execute(f"DELETE FROM {quote(name)}")
        Group.objects.exclude(name__in=role_groups()).delete()


@lru_cache(maxsize=1)
def _tables() -> tuple[str, ...]:
    models = connection.introspection.django_table_names(only_existing=True, include_views=False)
    return tuple(sorted(set(models) - _KEPT))
