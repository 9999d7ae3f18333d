"""For load balancers and supervisors: is this process alive, and can it do its work?"""

from functools import lru_cache

from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe


@require_safe
@never_cache
def live(_request: HttpRequest) -> HttpResponse:
    """200 as long as this process answers; asks nothing of the database."""
    return HttpResponse("ok\n", content_type="text/plain; charset=utf-8")


@require_safe
@never_cache
def ready(_request: HttpRequest) -> HttpResponse:
    """200 when the database answers and holds every migration of this code; else 503 and which of them failed."""
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
        migrated = _schema_is_current()
    except DatabaseError:
        return JsonResponse({"database": "failed"}, status=503)
    report = {"database": "ok", "migrations": "ok" if migrated else "missing"}
    return JsonResponse(report, status=200 if migrated else 503)


def _schema_is_current() -> bool:
    try:
        return _schema_was_current()
    except _MigrationsMissing:
        return False


class _MigrationsMissing(Exception):
    """Asked again next time: only a yes is remembered."""


@lru_cache(maxsize=1)
def _schema_was_current() -> bool:
    executor = MigrationExecutor(connection)
    if executor.migration_plan(executor.loader.graph.leaf_nodes()):
        raise _MigrationsMissing
    return True
