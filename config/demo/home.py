"""The demo's directory: its database, secrets, ports and logs, and the environment made of them."""

import fcntl
import json
import os
import secrets
import socket
from collections.abc import Callable, Mapping
from dataclasses import fields
from io import TextIOWrapper
from pathlib import Path
from urllib.parse import quote

from config.demo.wholesalers import Secrets, make_settings

LOGIN = "desk@roamdesk.example"
#: What a process needs of the machine; everything else in the environment stays outside the demo.
_PASSED_ON = ("PATH", "HOME", "USER", "LANG", "LANGUAGE", "TMPDIR", "VIRTUAL_ENV", "SYSTEMROOT", "TERM")
_PASSED_ON_PREFIXES = ("LC_", "PYTHON", "SSL_CERT_", "COVERAGE_")


class DemoRuns(Exception):
    """Another process already runs this demo office."""


class DemoHome:
    """Everything that the demo keeps between two runs."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory.resolve()
        self.logs = self.directory / "logs"
        self.database = self.directory / "roamdesk.sqlite3"
        self.simulator_state = self.directory / "simulator.sqlite3"
        #: Exists once the office has been filled.
        self.filled = self.directory / "filled"
        self._told_address = self.directory / "told-address"
        self._lock: TextIOWrapper | None = None

    def open(self) -> None:
        """Make the directory and take its lock until the process ends. Raises DemoRuns."""
        self.logs.mkdir(parents=True, exist_ok=True)
        self.directory.chmod(0o700)
        self._lock = (self.directory / "lock").open("w")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise DemoRuns(str(self.directory)) from error

    def read_secrets(self) -> Secrets:
        """The office's secrets, made at the first call; a home of an earlier release gets those that it lacks."""
        path = self.directory / "secrets"
        known: dict[str, str] = json.loads(path.read_text()) if path.exists() else {}
        names = [field.name for field in fields(Secrets)]
        if missing := [name for name in names if name not in known]:
            known |= {name: _MAKERS.get(name, _make_key)() for name in missing}
            # Complete or not there at all: a half file would lock the office's data away.
            draft = path.with_suffix(".new")
            with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
                json.dump(known, file, indent=1)
            draft.replace(path)
        return Secrets(**{name: known[name] for name in names})

    def choose_port(self, name: str, preferred: int) -> int:
        """The port of last time if it is free, else ``preferred`` or one of the next, else any; remembered."""
        path = self.directory / "ports"
        known: dict[str, int] = json.loads(path.read_text()) if path.exists() else {}
        taken = {port for other, port in known.items() if other != name}
        candidates = [*([known[name]] if name in known else []), *range(preferred, preferred + 20), 0]
        port = next(free for port in candidates if port not in taken and (free := find_free_port(port)))
        path.write_text(json.dumps({**known, name: port}))
        return port

    def read_told_address(self) -> str:
        """The address of the office that the wholesalers call; "" before they were told one."""
        return self._told_address.read_text() if self._told_address.exists() else ""

    def note_told_address(self, address: str) -> None:
        """The wholesalers have learned it."""
        self._told_address.write_text(address)

    def build_environment(self, *, web_port: int, simulator_port: int) -> dict[str, str]:
        """The environment of every process of the demo. The machine's own settings of Roamdesk are left outside."""
        keys = self.read_secrets()
        passed_on = {
            name: value
            for name, value in os.environ.items()
            if name in _PASSED_ON or name.startswith(_PASSED_ON_PREFIXES)
        }
        return {
            **passed_on,
            "PYTHONUNBUFFERED": "1",
            "DJANGO_SETTINGS_MODULE": "config.settings",
            "ROAMDESK_DEMO": "1",
            "ROAMDESK_ENV_FILE": os.devnull,
            "ROAMDESK_VAR": str(self.directory),
            "ROAMDESK_DEMO_PASSWORD": keys.password,
            "DATABASE_URL": f"sqlite:///{quote(str(self.database))}",
            "SECRET_KEY": keys.secret_key,
            "FIELD_ENCRYPTION_KEYS": keys.encryption_key,
            "ALLOWED_HOSTS": "127.0.0.1,localhost",
            "SITE_URL": f"http://127.0.0.1:{web_port}",
            "EMAIL_URL": f"filemail:///{quote(str(self.directory / 'mail'))}",
            "EMAIL_BACKEND": "config.demo.mail.DemoMailBackend",
            "BRAND_CONTACT": "help@roamdesk.example",
            "ISSUER_NAME": "Roamdesk Travel Ltd.",
            "ISSUER_ADDRESS": "1 Example Street\\nExample Town EX1 0AA",
            "ISSUER_REGISTRATION": "DEMO-0000000",
            "CURRENCY": "USD",
            "WORKERS": "2",
            **make_settings(keys, f"http://127.0.0.1:{simulator_port}"),
            # A person waits in front of it: the stand-in answers at once, so nothing is gained by long patience.
            "HTTP_CONNECT_TIMEOUT": "5",
            "HTTP_READ_TIMEOUT": "20",
            "HTTP_ORDER_READ_TIMEOUT": "30",
            "PURCHASE_INQUIRY_SPACING_SECONDS": "5",
            "JOB_FREEZE_SECONDS": "75",
        }


def _make_key() -> str:
    return secrets.token_hex(20)


#: How the secrets are made that are no keys of a wholesaler's.
_MAKERS: Mapping[str, Callable[[], str]] = {
    "secret_key": lambda: secrets.token_urlsafe(60),
    "encryption_key": lambda: secrets.token_urlsafe(48),
    "password": lambda: "-".join(secrets.token_hex(2) for _ in range(4)),
}


def find_free_port(port: int) -> int:
    """``port`` if nobody listens there, any free one for 0; 0 when it is taken."""
    with socket.socket() as probe:
        # As the servers do, so that connections of the last run that still linger do not count.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return 0
        found: int = probe.getsockname()[1]
        return found
