"""The small loop that wakes every due row each second and watches the workers. More than one is harmless."""

import time
from threading import Event

import structlog
from django.db import Error as DatabaseFailure
from django.db import close_old_connections, connection

from orders.health import ask_for_beats, job_health
from orders.waking import wake_due_jobs

log = structlog.get_logger(__name__)

PERIOD_SECONDS = 1.0
#: The workers are looked after, and an alarm is repeated, this often.
WATCH_SECONDS = 15.0
ALARM_SECONDS = 60.0


class Dispatcher:
    """One loop. ``stop`` ends it within a period."""

    def __init__(self, *, stop: Event | None = None) -> None:
        self.stop = stop or Event()
        self._watched_at = float("-inf")
        self._alarmed_at: dict[str, float] = {}

    def run(self) -> None:
        """Step each second until ``stop`` is set. A database that is away for a while does not end the loop."""
        log.info("dispatch_started")
        while not self.stop.is_set():
            begun = time.monotonic()
            try:
                self.step()
            except DatabaseFailure as failure:
                log.warning("dispatch_database_failed", error=type(failure).__name__)
                connection.close()
            close_old_connections()
            self.stop.wait(max(0.0, PERIOD_SECONDS - (time.monotonic() - begun)))
        log.info("dispatch_stopped")

    def step(self) -> list[str]:
        """One look at everything; returns the names of the jobs that were asked for."""
        woken = wake_due_jobs()
        if time.monotonic() - self._watched_at >= WATCH_SECONDS:
            self._watched_at = time.monotonic()
            ask_for_beats()
            self._watch()
        return woken

    def _watch(self) -> None:
        for queue in job_health().queues:
            if queue.is_silent and queue.silent_for is not None:
                self._alarm("worker_silent", queue.queue, seconds=round(queue.silent_for.total_seconds()))
            if queue.is_late and queue.oldest_wait is not None:
                self._alarm("job_waits_too_long", queue.queue, seconds=round(queue.oldest_wait.total_seconds()))

    def _alarm(self, event: str, queue: str, *, seconds: int) -> None:
        now = time.monotonic()
        if now - self._alarmed_at.get(event + queue, float("-inf")) >= ALARM_SECONDS:
            self._alarmed_at[event + queue] = now
            log.error(event, queue=queue, seconds=seconds)
