"""The system checks of the settings: silent when all is right, precise when not."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from django.core.checks import CheckMessage
from pytest_django import Settings

from config.checks import check_addresses, check_keys, check_numbers, check_production

PROJECT_DIR = Path(__file__).resolve().parent.parent.parent
PRODUCTION = {
    "PATH": os.environ["PATH"],
    "ROAMDESK_ENV_FILE": os.devnull,
    "SECRET_KEY": "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ",
    "FIELD_ENCRYPTION_KEYS": "zyxwvutsrqponmlkjihgfedcba9876543210",
    "ALLOWED_HOSTS": "desk.example.org",
    "SITE_URL": "https://desk.example.org",
    "DATABASE_URL": "postgres://roamdesk@127.0.0.1:1/roamdesk",
    "EMAIL_URL": "smtp://127.0.0.1:25",
}


@pytest.fixture
def production(settings: Settings) -> Settings:
    settings.DEMO = False
    settings.SECURE = True
    settings.SECRET_KEY = PRODUCTION["SECRET_KEY"]
    settings.FIELD_ENCRYPTION_KEYS = [PRODUCTION["FIELD_ENCRYPTION_KEYS"]]
    settings.ALLOWED_HOSTS = ["desk.example.org"]
    settings.SITE_URL = "https://desk.example.org"
    return settings


def run_checks() -> list[str | None]:
    found: list[CheckMessage] = [
        message for check in (check_addresses, check_keys, check_numbers, check_production) for message in check(None)
    ]
    return [message.id for message in found if message.id != "roamdesk.W002"]


def test_good_settings_are_silent(production: Settings) -> None:
    assert run_checks() == []


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("SITE_URL", "", "roamdesk.E001"),
        ("SITE_URL", "desk.example.org", "roamdesk.E002"),
        ("SITE_URL", "https://desk.example.org/office?x=1", "roamdesk.E002"),
        ("SITE_URL", "http://desk.example.org", "roamdesk.E003"),
        ("ALLOWED_HOSTS", ["other.example.org"], "roamdesk.E004"),
        ("ALLOWED_HOSTS", [], "roamdesk.E004"),
        ("SECRET_KEY", "short", "roamdesk.E005"),
        ("FIELD_ENCRYPTION_KEYS", ["0" * 40, "short"], "roamdesk.E005"),
        ("FIELD_ENCRYPTION_KEYS", ["demo-only-" + "x" * 40], "roamdesk.E006"),
        ("FIELD_ENCRYPTION_KEYS", ["0" * 40, PRODUCTION["SECRET_KEY"]], "roamdesk.E007"),
        ("SYNC_RETIRE_SHARE", 0.0, "roamdesk.E008"),
        ("SYNC_RETIRE_SHARE", 20.0, "roamdesk.E008"),
        ("CURRENCY", "usd", "roamdesk.E009"),
        ("JOB_TIMEOUT", 190, "roamdesk.E010"),
        ("DEMO", True, "roamdesk.W001"),
    ],
)
def test_one_wrong_setting_is_named(production: Settings, name: str, value: object, expected: str) -> None:
    setattr(production, name, value)
    assert run_checks() == [expected]


@pytest.mark.parametrize("pattern", ["*", ".example.org", "desk.example.org"])
def test_hosts_may_be_patterns(production: Settings, pattern: str) -> None:
    production.ALLOWED_HOSTS = [pattern]
    assert run_checks() == []


def check_deploy(**changes: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "manage.py", "check", "--deploy", "--fail-level", "WARNING"],
        cwd=PROJECT_DIR,
        env={**PRODUCTION, **changes},
        capture_output=True,
        text=True,
        check=False,
    )


def test_production_settings_pass_the_deployment_check() -> None:
    answer = check_deploy()
    assert answer.returncode == 0, answer.stderr


def test_a_missing_secret_stops_the_start_and_says_which() -> None:
    answer = check_deploy(FIELD_ENCRYPTION_KEYS="")
    assert answer.returncode != 0
    assert "Set FIELD_ENCRYPTION_KEYS in the environment" in answer.stderr
