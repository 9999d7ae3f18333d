"""The demo's directory and environment."""

import json
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from config.demo.home import DemoHome, DemoRuns, find_free_port
from config.demo.wholesalers import make_options, make_settings


@pytest.fixture
def home(tmp_path: Path) -> DemoHome:
    made = DemoHome(tmp_path / "demo")
    made.open()
    return made


def test_secrets_are_made_once_and_kept_private(home: DemoHome) -> None:
    first = home.read_secrets()
    assert DemoHome(home.directory).read_secrets() == first
    assert (home.directory / "secrets").stat().st_mode & 0o777 == 0o600
    assert home.directory.stat().st_mode & 0o777 == 0o700
    assert len({first.secret_key, first.encryption_key, first.password, first.key_secret}) == 4


def test_a_home_of_an_earlier_release_gets_the_secrets_that_it_lacks(home: DemoHome) -> None:
    known = {"secret_key": "s", "encryption_key": "e", "password": "p", "key_secret": "k", "sandbox_key_secret": "b"}
    path = home.directory / "secrets"
    path.write_text(json.dumps(known))
    keys = home.read_secrets()
    assert {name: getattr(keys, name) for name in known} == known
    assert len({keys.access_secret, keys.access_webhook_secret, keys.esimfx_client_key, keys.freebit_oem_key}) == 4
    assert DemoHome(home.directory).read_secrets() == keys
    assert path.stat().st_mode & 0o777 == 0o600


def test_both_sides_are_told_the_same_credentials(home: DemoHome) -> None:
    keys = home.read_secrets()
    options = make_options(keys)
    told = dict(zip(options[::2], options[1::2], strict=True))
    settings = make_settings(keys, "http://127.0.0.1:8790")
    systems = ("commerce", "commerce-sandbox", "access", "esimfx", "freebit", "stripe")
    assert {address for name, address in settings.items() if name.endswith("_URL")} == {
        f"http://127.0.0.1:8790/{system}" for system in systems
    }
    for option, name in {
        "--key-secret": "ESIM_COMMERCE_KEY_SECRET",
        "--sandbox-key-secret": "ESIM_COMMERCE_SANDBOX_KEY_SECRET",
        "--access-secret": "ESIM_ACCESS_SECRET_KEY",
        "--esimfx-client-key": "ESIMFX_CLIENT_KEY",
        "--esimfx-webhook-token": "ESIMFX_WEBHOOK_TOKEN",
        "--freebit-oem-key": "FREEBIT_OEM_KEY",
    }.items():
        assert told[option] == settings[name]


def test_two_demos_do_not_share_a_home(home: DemoHome) -> None:
    with pytest.raises(DemoRuns):
        DemoHome(home.directory).open()


def test_ports_are_remembered_and_given_up_when_taken(home: DemoHome) -> None:
    first = home.choose_port("web", find_free_port(0))
    assert home.choose_port("web", 1) == first
    with socket.socket() as other:
        other.bind(("127.0.0.1", first))
        other.listen()
        second = home.choose_port("web", first)
    assert second != first
    assert json.loads((home.directory / "ports").read_text()) == {"web": second}


def test_environment_holds_nothing_of_the_machines_own_office(home: DemoHome, monkeypatch: pytest.MonkeyPatch) -> None:
    """A shell with the production office's settings must not lead the demo to it."""
    for name, value in {
        "DATABASE_URL": "postgres://production/office",
        "CACHE_URL": "rediscache://production",
        "ESIM_COMMERCE_KEY_ID": "a real key",
        "ESIM_ACCESS_CODE": "a real code",
        "ESIMFX_PATHS": '{"order": "POST /real"}',
        "FREEBIT_URL": "https://production.example",
        "ESIM_COMMERCE_PATHS": '{"order": "POST /real"}',
        "EMAIL_URL": "smtp://production",
        "SEPARATE_QUEUES": "1",
    }.items():
        monkeypatch.setenv(name, value)
    environment = home.build_environment(web_port=8000, simulator_port=8790)
    assert environment["DATABASE_URL"] == f"sqlite:///{home.directory}/roamdesk.sqlite3"
    assert environment["ESIM_COMMERCE_URL"] == "http://127.0.0.1:8790/commerce"
    assert environment["ESIM_COMMERCE_KEY_ID"] == "demo-key"
    assert environment["ESIM_ACCESS_CODE"] == "demo-access-code"
    assert environment["FREEBIT_URL"] == "http://127.0.0.1:8790/freebit"
    assert environment["EMAIL_URL"].endswith("/demo/mail")
    assert environment["EMAIL_BACKEND"] == "config.demo.mail.DemoMailBackend"
    assert not {"CACHE_URL", "ESIM_COMMERCE_PATHS", "ESIMFX_PATHS", "SEPARATE_QUEUES"} & set(environment)


def test_settings_load_in_the_demo_environment(home: DemoHome) -> None:
    code = "from django.conf import settings as s; print(s.DATABASES['default']['NAME'], s.DEMO, s.SECURE, sep='|')"
    environment = home.build_environment(web_port=8000, simulator_port=8790)
    answer = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True, cwd=Path.cwd()
    )
    assert answer.stdout.strip() == f"{home.database}|True|False"
