"""Fixtures for tests of the demo."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from django.db import connection

from tests.demo.running import Demo


@pytest.fixture(autouse=True)
def _once_is_enough() -> None:
    """The demo brings its own database: the run on PostgreSQL would only repeat these tests."""
    if connection.vendor == "postgresql":
        pytest.skip("the demo has an SQLite file of its own: tested by make test")


@pytest.fixture
def start_demo(tmp_path: Path) -> Iterator[Callable[..., Demo]]:
    started: list[Demo] = []

    def start(*options: str) -> Demo:
        demo = Demo(tmp_path / "demo", *options)
        started.append(demo)
        return demo

    yield start
    for demo in started:
        demo.kill()
