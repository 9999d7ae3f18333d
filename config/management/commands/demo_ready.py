"""``manage.py demo_ready``: waits until the workers answer."""

import time
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone
from django_q.tasks import async_task

from orders.health import queue_names
from orders.models import WorkerBeat

WAIT_SECONDS = 60.0


class Command(BaseCommand):
    help = "Ask every queue's worker for a sign of life and wait for it. Exit status 1 when one is silent."

    def handle(self, *args: Any, **options: Any) -> None:
        asked_at = timezone.now()
        queues = queue_names()
        for queue in queues:
            WorkerBeat.objects.get_or_create(queue=queue)
            async_task("orders.tasks.beat", queue, cluster=queue)
        answered = WorkerBeat.objects.filter(queue__in=queues, beat_at__gte=asked_at)
        deadline = time.monotonic() + WAIT_SECONDS
        while answered.count() < len(queues):
            if time.monotonic() > deadline:
                raise CommandError(f"A worker did not answer within {WAIT_SECONDS:.0f} seconds.")
            time.sleep(0.1)
