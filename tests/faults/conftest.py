"""What schedules start from."""

from collections.abc import Iterator

import pytest
from django.apps import apps
from django.db import connection, transaction

from tests.faults.wholesale import OPTIONS, Wholesale
from tests.simulator_client import Simulator

_KEPT_APPS = ("contenttypes", "auth", "sites")


@pytest.fixture(scope="session")
def wholesale(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Wholesale]:
    """One simulator for the whole run of this worker; faults kill it, so it is not shared with other tests."""
    state = tmp_path_factory.mktemp("faults") / "state.sqlite3"
    with Simulator(state=state, options=OPTIONS) as simulator:
        yield Wholesale(simulator)


def forget_everything() -> None:
    """No rows of the examples before; what migrations wrote stays."""
    models = [model for model in apps.get_models(include_auto_created=True) if model._meta.app_label not in _KEPT_APPS]
    tables = dict.fromkeys(model._meta.db_table for model in models if model._meta.managed)
    with transaction.atomic(), connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            # One way there and back.
            cursor.execute("; ".join(f'DELETE FROM "{table}"' for table in tables))
            return
        for table in tables:
            cursor.execute(f'DELETE FROM "{table}"')
