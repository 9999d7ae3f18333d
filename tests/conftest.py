"""Fixtures for all tests."""

import gc
import importlib.util
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from django.conf import settings
from django.core.cache import cache
from django.db import connection
from django.test import TransactionTestCase
from django.utils import timezone, translation

from providers.webhooks import forget_accounts
from tests.emptying import empty_tables
from tests.postgres import PostgresUnavailable, temporary_cluster
from tests.queue import ChildProcess, Queue, child_environment
from tests.settings import TEST_DIR

pytest_plugins = [
    name for name in ("tests.simulator_fixtures", "tests.browser") if importlib.util.find_spec(name) is not None
]
_services = pytest.StashKey[ExitStack]()


def pytest_configure(config: pytest.Config) -> None:
    """Make the run's directory and start its database server, once for all test workers."""
    # Looking for garbage took a fifth of the suite's time: what ten thousand collected tests hold is none.
    gc.set_threshold(50_000, 20, 100)
    if hasattr(config, "workerinput"):
        return
    services = config.stash[_services] = ExitStack()
    services.callback(shutil.rmtree, TEST_DIR, ignore_errors=True)
    _forget_killed_runs()
    (TEST_DIR / "static").mkdir(parents=True, exist_ok=True)
    if f"{TEST_DIR}/postgres/" in os.environ["DATABASE_URL"]:
        try:
            services.enter_context(temporary_cluster(TEST_DIR / "postgres"))
        except PostgresUnavailable as error:
            raise pytest.UsageError(str(error)) from error


def _forget_killed_runs() -> None:
    """A run that was killed leaves its directory; it is named after the process."""
    for directory in TEST_DIR.parent.glob("roamdesk-tests-*"):
        try:
            os.kill(int(directory.name.removeprefix("roamdesk-tests-")), 0)
        except ProcessLookupError:
            shutil.rmtree(directory, ignore_errors=True)
        except (PermissionError, ValueError):
            continue  # somebody else's


def pytest_unconfigure(config: pytest.Config) -> None:
    """Stop what pytest_configure started."""
    if _services in config.stash:
        config.stash[_services].close()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What opens a browser is marked so. What needs PostgreSQL is skipped on SQLite, with a word; what would only show
    the same pages once more is skipped on PostgreSQL. The longest come first.
    """
    for item in items:
        if "browser" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.browser)
    items[:] = _spread(items)
    name, reason = "postgres", "needs PostgreSQL: make test-postgres"
    if connection.vendor == "postgresql":
        name, reason = "looks", "looks the same on every database: make test-sqlite"
    for item in items:
        if item.get_closest_marker(name):
            item.add_marker(pytest.mark.skip(reason=reason))


def pytest_collection_finish() -> None:
    """What was collected stays until the end: nobody need look at it again."""
    gc.collect()
    gc.freeze()


#: About how many seconds a test takes, by its directory; see ``_guess``.
_LONG = {"demo": 40, "journeys": 8, "faults": 7}


def _guess(item: pytest.Item) -> int:
    """Whole demos and journeys take long, a browser or other processes take a while, nothing else is counted."""
    names = set(getattr(item, "fixturenames", ()))
    return _LONG.get(item.path.parent.name) or (5 if "browser" in names else 4 if {"spawn", "worker"} & names else 0)


def _spread(items: list[pytest.Item]) -> list[pytest.Item]:
    """Each test worker begins with long tests, whole modules of them, and ends with short ones.

    The workers are first given parts of equal length (``--dist worksteal``); who is ready takes over from another's
    end. Long tests at an end would keep one worker busy long after the others, and open an office in each.
    """
    workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    modules: dict[Path, list[pytest.Item]] = {}
    short = []
    for item in items:
        if _guess(item):
            modules.setdefault(item.path, []).append(item)
        else:
            short.append(item)
    parts: list[list[pytest.Item]] = [[] for _ in range(workers)]
    for module in sorted(modules.values(), key=lambda module: -sum(map(_guess, module))):
        min(parts, key=lambda part: sum(map(_guess, part))).extend(module)
    spread: list[pytest.Item] = []
    for place, part in enumerate(parts):
        length = (len(items) - len(spread)) // (workers - place)
        fill = max(0, length - len(part))
        spread += part + short[:fill]
        del short[:fill]
    return spread + short


@pytest.fixture(autouse=True, scope="session")
def _empty_quickly() -> Iterator[None]:
    """After tests with real commits only what they wrote is deleted."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TransactionTestCase, "_fixture_teardown", lambda _case: empty_tables())
        yield


@pytest.fixture(autouse=True)
def _forget_person() -> None:
    """A request leaves its person's language and time zone in the thread; the next test is another person, and its
    accounts have other rows.
    """
    forget_accounts()
    translation.activate(settings.LANGUAGE_CODE)
    timezone.deactivate()


@pytest.fixture(autouse=True)
def _clear_cache(request: pytest.FixtureRequest) -> Iterator[None]:
    """The cache table belongs to no model: after a test with real commits it is emptied here."""
    marker = request.node.get_closest_marker("django_db")
    commits = marker is not None and marker.kwargs.get("transaction", False)
    if commits or {"transactional_db", "live_server"} & set(request.fixturenames):
        # Asked for before the test, so that it is still there after it.
        request.getfixturevalue("transactional_db")
        yield
        cache.clear()
    else:
        yield


@pytest.fixture
def queue() -> Queue:
    """The jobs that wait in this test's database; ``queue.run()`` runs them here."""
    return Queue()


@pytest.fixture
def spawn(transactional_db: None, tmp_path: Path) -> Iterator[Callable[..., ChildProcess]]:
    """Start ``manage.py <arguments>`` on this test's database; ended, at the latest, when the test ends.

    Keywords are added to its environment: ``spawn("qcluster", WORKERS="1")``.
    """
    children: list[ChildProcess] = []

    def start(*arguments: str, **environment: str) -> ChildProcess:
        log = tmp_path / f"{len(children)}-{arguments[0]}.log"
        child = ChildProcess(["manage.py", *arguments], environment=child_environment(**environment), log=log)
        children.append(child)
        return child

    yield start
    for child in reversed(children):
        child.stop()


@pytest.fixture
def worker(spawn: Callable[..., ChildProcess]) -> ChildProcess:
    """A real ``qcluster`` with one worker, in processes of its own, on this test's database.

    It knows the providers by its environment only: a test that needs others starts its own with ``spawn``.
    """
    return spawn("qcluster", WORKERS="1")
