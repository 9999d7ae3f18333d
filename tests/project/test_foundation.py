"""The tests' own ground: databases, queue and worker."""

import time
from pathlib import Path

import psycopg
import pytest
from django.core.cache import cache
from django.db import connection
from django_q.models import OrmQ
from django_q.tasks import async_task

from tests.postgres import find_binaries, temporary_cluster
from tests.queue import ChildProcess, Queue


def test_queue_runs_jobs_in_order(db: None, queue: Queue) -> None:
    async_task("django.core.cache.cache.set", "first", 1)
    async_task("django.core.cache.cache.set", "first", 2)
    assert [job.args for job in queue.waiting()] == [("first", 1), ("first", 2)]
    assert len(queue.run()) == 2
    assert cache.get("first") == 2
    assert queue.waiting() == []


@pytest.mark.django_db(transaction=True)
def test_worker_runs_a_job_of_this_database(worker: ChildProcess) -> None:
    async_task("django.core.cache.cache.set", "from-the-worker", "done")
    deadline = time.monotonic() + 20
    while (cache.get("from-the-worker") is None or OrmQ.objects.exists()) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert cache.get("from-the-worker") == "done", worker.output()
    assert not OrmQ.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_cache_is_empty_after_a_test_with_commits() -> None:
    assert cache.get("from-the-worker") is None


def test_sqlite_is_as_in_production(db: None) -> None:
    if connection.vendor != "sqlite":
        pytest.skip("runs on PostgreSQL now")
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA journal_mode")
        assert cursor.fetchone() == ("wal",)
    assert connection.settings_dict["OPTIONS"]["transaction_mode"] == "IMMEDIATE"


@pytest.mark.postgres
def test_postgres_tests_run_on_postgres(db: None) -> None:
    assert connection.vendor == "postgresql"


def test_temporary_cluster_leaves_nothing() -> None:
    if find_binaries() is None:
        pytest.skip("PostgreSQL is not installed")
    with temporary_cluster() as url:
        place = url.removeprefix("postgres://roamdesk@/").removesuffix("/postgres")
        with psycopg.connect(host=place, user="roamdesk", dbname="postgres") as database:
            assert database.execute("SELECT 1").fetchone() == (1,)
    assert not Path(place).exists()
