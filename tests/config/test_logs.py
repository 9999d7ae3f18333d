"""A failure leaves its traceback in the log, and no secret with it."""

import io
import logging
import logging.config
import sys
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.conf import settings
from django.test import Client
from pytest_django.fixtures import Settings

from config.server_log import MaskedAddresses, mask_server_logs
from esims.links import make_links
from tests.orders.telling import make_told_line


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


def make_record(event: str, *arguments: str, failure: Any = None) -> logging.LogRecord:
    return logging.LogRecord("django.request", logging.ERROR, "views.py", 1, event, arguments, failure)


@pytest.fixture
def printed(formatter: Any) -> Iterator[io.StringIO]:
    """What a process prints of all that is logged."""
    text = io.StringIO()
    handler = logging.StreamHandler(text)
    handler.setFormatter(formatter)
    root = logging.getLogger()
    root.addHandler(handler)
    yield text
    root.removeHandler(handler)


@pytest.mark.django_db
def test_the_token_of_a_valid_link_is_in_no_line_of_the_log(
    printed: io.StringIO, client: Client, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.LINE_LINK_GUESSES = 3
    esim = make_told_line()
    path = urlsplit(make_links(esim_ids=[esim.pk], made_for="test")[esim.pk]).path
    token = path.split("/")[2]
    assert [client.get(path).status_code, client.post(path).status_code] == [200, 405]
    assert client.post(f"{path}qr.png").status_code == 405
    client.raise_request_exception = False
    with monkeypatch.context() as broken:
        broken.setattr("esims.links._digest", lambda _token: 1 / 0)
        assert client.get(path).status_code == 500
    for guess in range(3):
        client.get(f"/l/wrong{guess}/")
    assert client.get(path).status_code == 429
    text = printed.getvalue()
    assert token not in text
    for word in (
        "Method Not Allowed (POST): /l/[redacted]/",
        "/l/[redacted]/qr.png",
        "Too Many Requests: /l/[redacted]/",
    ):
        assert word in text
    assert "Internal Server Error: /l/[redacted]/" in text
    # Words that open nothing stay as they are.
    assert "/l/wrong0/" in text


def test_the_secret_part_of_a_webhooks_path_is_in_no_line_of_the_log(printed: io.StringIO, client: Client) -> None:
    assert client.get("/hooks/esim-access/the-secret-of-our-path/").status_code == 405
    assert "the-secret" not in printed.getvalue()
    assert "Method Not Allowed (GET): /hooks/esim-access/[redacted]/" in printed.getvalue()


@pytest.mark.parametrize("written", ["%s", "x%%41 %s"])
def test_what_gunicorn_logs_by_itself_opens_nothing(written: str) -> None:
    mask_server_logs()
    mask_server_logs()
    logger, text = logging.getLogger("gunicorn.access"), io.StringIO()
    assert len([known for known in logger.filters if isinstance(known, MaskedAddresses)]) == 1
    handler = logging.StreamHandler(text)
    logger.addHandler(handler)
    token = "-_aZ09" * 8
    try:
        logger.warning(written, f'"GET /l/{token}/ HTTP/1.1" 200 "https://x.example/hooks/esim-access/my-secret/"')
        # As a client may write it that escapes what needs no escape.
        logger.warning(written, f'"GET /l/%41{token[1:]}/ HTTP/1.1" 200')
    finally:
        logger.removeHandler(handler)
    first, second = text.getvalue().splitlines()
    said = written.replace("%%", "%").removesuffix("%s")
    assert first == f'{said}"GET /l/[redacted]/ HTTP/1.1" 200 "https://x.example/hooks/esim-access/[redacted]/"'
    assert second == f'{said}"GET /l/[redacted]/ HTTP/1.1" 200'
