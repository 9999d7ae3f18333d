"""The project's addresses, and one more: a view that does nothing but insert one row, behind the same middleware."""

from typing import Any

from django.db import connection
from django.http import HttpRequest, HttpResponse
from django.urls import path
from django.views.decorators.csrf import csrf_exempt

from config.urls import handler400, handler403, handler404, handler429, handler500
from config.urls import urlpatterns as ours
from providers.models import WebhookDelivery

#: The deliveries' columns, without an index, a constraint or a foreign key.
TABLE = "bench_bare_row"
COLUMNS = tuple(field.attname for field in WebhookDelivery._meta.concrete_fields if not field.primary_key)  # noqa: SLF001
_INSERT = f"INSERT INTO {TABLE} ({', '.join(COLUMNS)}) VALUES ({', '.join(['%s'] * len(COLUMNS))})"

#: The values of a stored delivery; set before the first call.
row: list[Any] = []


def make_table() -> None:
    """Empty, in the place of an older one."""
    with connection.cursor() as cursor:
        cursor.execute(f"DROP TABLE IF EXISTS {TABLE}")
        cursor.execute(f"CREATE TABLE {TABLE} (LIKE {WebhookDelivery._meta.db_table} INCLUDING IDENTITY)")  # noqa: SLF001
        cursor.execute(f"ALTER TABLE {TABLE} ADD PRIMARY KEY (id)")


@csrf_exempt
def insert_one(request: HttpRequest) -> HttpResponse:
    """Read the body, as ours must, and insert the row."""
    assert request.body
    with connection.cursor() as cursor:
        cursor.execute(_INSERT, row)
    return HttpResponse(status=200)


urlpatterns = [path("bare/", insert_one), *ours]
__all__ = ["handler400", "handler403", "handler404", "handler429", "handler500", "urlpatterns"]
