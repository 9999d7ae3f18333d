"""``manage.py qcluster``: django-q2's worker, which starts itself again when it is frozen."""

import os
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import structlog
from django.db import Error as DatabaseFailure
from django.db import close_old_connections
from django_q.cluster import Cluster
from django_q.conf import Conf
from django_q.management.commands import qcluster

from orders.health import is_frozen

log = structlog.get_logger(__name__)

#: How often the worker looks at itself, and how long it must look frozen (by a clock that nobody sets), in seconds.
LOOK_SECONDS = 5.0
SURE_SECONDS = 12.0


class Command(qcluster.Command):  # type: ignore[misc]
    """A worker process that is killed while it waits takes the lock of the cluster's own queue with it: no other gets a
    job any more, nothing notices, and SIGTERM hangs. So the cluster's main process, which has nothing else to do,
    watches the signs of life that ``dispatch`` asks for.
    """

    def handle(self, *_args: Any, **options: Any) -> None:
        if options.get("cluster_name"):
            os.environ["Q_CLUSTER_NAME"] = options["cluster_name"]
        cluster = Cluster()
        cluster.start()
        if options.get("run_once"):
            cluster.stop()
            return
        looked_at, frozen_since = time.monotonic(), None
        while cluster.sentinel.is_alive():
            cluster.sentinel.join(1.0)
            if time.monotonic() - looked_at < LOOK_SECONDS:
                continue
            looked_at = time.monotonic()
            frozen_since = (frozen_since or looked_at) if _looks_frozen() else None
            if frozen_since is not None and looked_at - frozen_since >= SURE_SECONDS:
                _start_again(cluster)


def _looks_frozen() -> bool:
    try:
        return is_frozen(Conf.CLUSTER_NAME)
    except DatabaseFailure as failure:
        log.warning("worker_cannot_look", error=type(failure).__name__)
        return False
    finally:
        close_old_connections()


def _start_again(cluster: Cluster) -> None:
    """End every process of the cluster and become a new one, under the same process id for whoever supervises it."""
    log.critical("worker_frozen", queue=Conf.CLUSTER_NAME)
    for pid in _find_descendants(os.getpid()):
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    cluster.sentinel.kill()
    cluster.sentinel.join()
    sys.stdout.flush()
    sys.stderr.flush()
    os.execv(sys.executable, sys.orig_argv)  # noqa: S606  (our own command line)


def _find_descendants(root: int) -> list[int]:
    """By Linux's process table; elsewhere none are found, and only the cluster's sentinel is ended."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError, ValueError, IndexError):
            # The name in brackets may hold anything; the parent's id is the second field behind it.
            parent = int(entry.read_text().rpartition(")")[2].split()[1])
            children.setdefault(parent, []).append(int(entry.parent.name))
    found, todo = [], [root]
    while todo:
        below = children.get(todo.pop(), [])
        found += below
        todo += below
    return found
