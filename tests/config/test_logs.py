"""A failure leaves its traceback in the log, and no secret with it."""

import logging
import logging.config
import sys
from typing import Any

import pytest
from django.conf import settings
from pytest_django.fixtures import Settings


@pytest.fixture
def formatter() -> Any:
    """The formatter of every process's output."""
    configuration: dict[str, Any] = settings.LOGGING
    given = dict(configuration["formatters"]["line"])
    return logging.config.DictConfigurator({}).configure_formatter(given)


def test_a_failure_is_told_with_its_traceback(formatter: Any, settings: Settings) -> None:
    settings.PROVIDERS = {"one": {**settings.PROVIDERS["esim-commerce"], "key_secret": "key-of-ours"}}
    try:
        raise ValueError("no key-of-ours for LPA:1$smdp.example.com$ABCD-1234-EFGH")
    except ValueError:
        line = formatter.format(make_record("Internal Server Error: /x", failure=sys.exc_info()))
    assert "Traceback (most recent call last)" in line
    assert "test_logs.py" in line
    assert "ValueError: no" in line
    assert "key-of-ours" not in line
    assert "ABCD-1234" not in line


def test_a_line_without_a_failure(formatter: Any) -> None:
    line = formatter.format(make_record("something is slow"))
    assert "something is slow" in line
    assert "exception" not in line


def make_record(event: str, *, failure: Any = None) -> logging.LogRecord:
    return logging.LogRecord("django.request", logging.ERROR, "views.py", 1, event, (), failure)
