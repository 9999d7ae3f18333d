"""A throw-away PostgreSQL server for tests and benchmarks.

It listens on a Unix socket in its own directory only, trusts whoever reaches that directory, and never syncs to disk.
A guardian process holds it: when its pipe is closed, by ``stop`` or by the death of the test run however it
came, the server is stopped and the directory removed.
"""

import os
import pwd
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

START_SECONDS = 60.0
#: $1 is the server's program, $2 its directory. The background server must not hold the guardian's pipe.
_GUARDIAN = """
trap '' INT TERM HUP
"$1" -D "$2/data" -k "$2" </dev/null >"$2/log" 2>&1 &
server=$!
while read -r _; do :; done
kill -QUIT "$server" 2>/dev/null
wait "$server"
rm -rf "$2/data" "$2/log" "$2"/.s.PGSQL.*
"""
_CONFIGURATION = """
listen_addresses = ''
unix_socket_permissions = 0777
fsync = off
synchronous_commit = off
full_page_writes = off
max_connections = 200
shared_buffers = 128MB
log_min_messages = warning
timezone = 'UTC'
lc_messages = 'C'
"""


class PostgresUnavailable(Exception):
    """There is no PostgreSQL server program on this machine, or it does not start; the message says which."""


def find_binaries() -> Path | None:
    """The directory with ``initdb`` and ``postgres``, the newest version first, or None."""
    candidates = [
        *sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: _version(path.parent.name), reverse=True),
        *(Path(found).parent for name in ("initdb", "postgres") if (found := shutil.which(name))),
    ]
    if pg_config := shutil.which("pg_config"):
        answer = subprocess.run([pg_config, "--bindir"], capture_output=True, text=True, check=False)
        candidates.append(Path(answer.stdout.strip() or "/nonexistent"))
    for candidate in candidates:
        if (candidate / "initdb").exists() and (candidate / "postgres").exists():
            return candidate
    return None


@contextmanager
def temporary_cluster(directory: Path | None = None) -> Iterator[str]:
    """A running server; yields a database URL whose user may create databases.

    ``directory`` (made if missing, short: it holds the socket) is chosen if not given, and removed at the end.
    Raises PostgresUnavailable.
    """
    home = directory or Path(tempfile.mkdtemp(prefix="roamdesk-pg-", dir="/tmp"))
    home.mkdir(parents=True, exist_ok=True)
    try:
        guardian = _start(home)
        try:
            _wait_until_ready(home, guardian)
            yield f"postgres://roamdesk@/{home}/postgres"
        finally:
            _stop(guardian)
    finally:
        shutil.rmtree(home, ignore_errors=True)


def _start(home: Path) -> "subprocess.Popen[bytes]":
    binaries = find_binaries()
    if binaries is None:
        raise PostgresUnavailable("PostgreSQL's initdb and postgres were not found on this machine.")
    owner = _server_user()
    home.chmod(0o755)
    if owner is not None:
        os.chown(home, owner.pw_uid, owner.pw_gid)
    user = None if owner is None else owner.pw_uid
    group = None if owner is None else owner.pw_gid
    extra_groups: list[int] | None = None if owner is None else []
    command = [str(binaries / "initdb"), "-D", str(home / "data"), "-U", "roamdesk", "-A", "trust", "-E", "UTF8"]
    made = subprocess.run(
        [*command, "--locale=C", "--no-sync"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        cwd="/",
        user=user,
        group=group,
        extra_groups=extra_groups,
    )
    if made.returncode != 0:
        raise PostgresUnavailable(f"initdb failed: {made.stderr.strip()}")
    with (home / "data" / "postgresql.conf").open("a") as configuration:
        configuration.write(_CONFIGURATION)
    return subprocess.Popen(
        ["/bin/sh", "-c", _GUARDIAN, "guardian", binaries / "postgres", home],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd="/",
        user=user,
        group=group,
        extra_groups=extra_groups,
        # A Ctrl-C in the terminal is for the tests; the guardian follows when they end.
        start_new_session=True,
    )


def _server_user() -> pwd.struct_passwd | None:
    """Root may not run PostgreSQL: whose name it takes then; None for anybody else."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise PostgresUnavailable("PostgreSQL does not run as root, and there is no user postgres or nobody.")


def _wait_until_ready(home: Path, guardian: "subprocess.Popen[bytes]") -> None:
    log = home / "log"
    # The server writes "ready" into this file only when it takes connections.
    status = home / "data" / "postmaster.pid"
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if "ready" in _read(status):
            return
        if guardian.poll() is not None or "FATAL" in _read(log):
            break
        time.sleep(0.05)
    raise PostgresUnavailable(f"PostgreSQL did not start: {_read(log).strip() or 'it left no word'}")


def _stop(guardian: "subprocess.Popen[bytes]") -> None:
    if guardian.stdin is not None:
        guardian.stdin.close()
    guardian.wait(timeout=30)


def _read(path: Path) -> str:
    return path.read_text() if path.exists() else ""


def _version(name: str) -> float:
    try:
        return float(name)
    except ValueError:
        return 0.0


if __name__ == "__main__":
    # For the Makefile: does this machine have PostgreSQL?
    raise SystemExit(0 if find_binaries() else 1)
