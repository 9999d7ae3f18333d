"""The settings of the test run: the project's own, under an environment that is the same on every machine.

``TEST_DATABASE=postgres`` runs everything on a throw-away PostgreSQL server; ``DATABASE_URL`` names one that exists
already. Otherwise the tests use an SQLite file, as the embedded mode does.
"""

import os
import tempfile
from pathlib import Path

#: Set by the first process; its children (test workers, servers, job workers) keep the environment that they are given.
_MARK = "ROAMDESK_TEST_DIR"


def _prepare_environment() -> None:
    """Forget what this machine's environment says about Roamdesk and say what tests need."""
    database_url = os.environ.get("DATABASE_URL", "")
    for name in list(os.environ):
        if name.startswith(("ESIM_COMMERCE_", "ESIM_ACCESS_", "ESIMFX_", "FREEBIT_", "STRIPE_")):
            del os.environ[name]
    # Test workers and the processes of tests would each compile everything again, thousands of assertions with it.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    # A Unix socket's path holds at most 107 characters: a long TMPDIR is of no use.
    base = tempfile.gettempdir() if len(tempfile.gettempdir()) < 50 else "/tmp"
    directory = Path(base) / f"roamdesk-tests-{os.getpid()}"
    if not database_url:
        on_postgres = os.environ.get("TEST_DATABASE") == "postgres"
        database_url = (
            f"postgres://roamdesk@/{directory}/postgres/postgres"
            if on_postgres
            else f"sqlite:///{directory}/default.sqlite3"
        )
    os.environ.update(
        {
            _MARK: str(directory),
            "ROAMDESK_DEMO": "1",
            "ROAMDESK_ENV_FILE": os.devnull,
            "ROAMDESK_VAR": str(directory),
            "DATABASE_URL": database_url,
            "TEST_SQLITE_NAME": str(directory / "test.sqlite3"),
            "CACHE_URL": "",
            "EMAIL_URL": "memorymail://",
            "SECRET_KEY": "tests-only-" + "0123456789abcdef" * 4,
            "FIELD_ENCRYPTION_KEYS": "tests-only-" + "fedcba9876543210" * 4,
            "SITE_URL": "http://127.0.0.1:8000",
            "ALLOWED_HOSTS": "127.0.0.1,localhost,testserver",
            "TIME_ZONE": "UTC",
            "CURRENCY": "USD",
            "LOG_LEVEL": "WARNING",
            "DEBUG": "0",
            "SEPARATE_QUEUES": "0",
        }
    )


if _MARK not in os.environ:
    _prepare_environment()

TEST_DIR = Path(os.environ[_MARK])

from config.settings import *  # noqa: E402, F403

PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
# No test collects static files: an empty directory stands for them.
STATIC_ROOT = TEST_DIR / "static"
