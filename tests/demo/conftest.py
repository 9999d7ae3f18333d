"""Fixtures for tests of the demo."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.demo.running import Demo


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
