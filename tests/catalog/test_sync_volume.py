"""Twenty thousand offers: the second, unchanged run writes no plan, coverage or history row."""

import re

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from catalog.models import Plan, PlanChange, PlanCoverage, SyncRun
from catalog.sync import request_sync, run_sync
from providers.models import ProviderAccount
from tests.catalog.making import make_offer
from tests.catalog.shelf import Shelf
from tests.catalog.syncing import counts, read

COUNT = 20_000
_WRITES = re.compile(r"^\s*(INSERT INTO|UPDATE|DELETE FROM|COPY|CREATE)\s+(TEMPORARY TABLE )?\"?(\w+)", re.IGNORECASE)


def stored() -> list[tuple[object, ...]]:
    """Counts and, on PostgreSQL, a fingerprint of every stored version of every row."""
    found: list[tuple[object, ...]] = []
    with connection.cursor() as cursor:
        for model in (Plan, PlanCoverage, PlanChange):
            table = model._meta.db_table
            version = "md5(string_agg(xmin::text || ctid::text, ',' ORDER BY id))"
            cursor.execute(f"SELECT count(*), {version if connection.vendor == 'postgresql' else 0} FROM {table}")
            found.append(cursor.fetchone())
    return found


@pytest.mark.django_db
def test_an_unchanged_catalogue_is_not_written_again(account: ProviderAccount, shelf: Shelf) -> None:
    shelf.put(make_offer(f"P{number:05d}") for number in range(COUNT))
    first = read(account)
    assert (first.state, counts(first), first.pages_read) == (SyncRun.State.SUCCEEDED, {"added": COUNT}, 100)
    before = stored()
    assert [row[0] for row in before] == [COUNT] * 3
    run = request_sync(account=account, asked_by="a")

    with CaptureQueriesContext(
        connection,
    ) as captured:
        second = run_sync(run_id=run.pk)

    assert (second.state, counts(second)) == (SyncRun.State.SUCCEEDED, {"unchanged": COUNT})
    written = {match[3] for query in captured.captured_queries if (match := _WRITES.match(query["sql"]))}
    assert written == {"catalog_syncrun"}
    assert stored() == before
    # One for each page of progress, and a constant number around them.
    assert len(captured) < 100 + 20
