"""``manage.py drain_inbox``: work off what we were called about, in this process."""

import time
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from orders.card.inbox import drain_payment_inbox, due_payment_deliveries
from orders.inbox import drain_inbox, due_deliveries
from orders.models import PaymentDelivery
from providers.models import WebhookDelivery

NEEDS_PEOPLE, LEFT = 1, 3
#: Between two lines of progress.
_STEP_SECONDS = 5.0


class Command(BaseCommand):
    help = (
        "Works off the stored calls of wholesalers and of the payment service that are due: what they name is looked "
        "at again. No worker is needed; more than one at a time is harmless. Exit status: 0 nothing is due any more, "
        "1 nothing is, and calls wait for a person (parked, not understood), 3 calls are still due (time or limit)."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--limit", type=int, default=None, help="at most so many calls")
        parser.add_argument("--seconds", type=float, default=60.0, help="begin no call after so long (default 60)")

    def handle(self, *_args: Any, **options: Any) -> None:
        end, done, limit = time.monotonic() + options["seconds"], 0, options["limit"]
        for drain in (drain_inbox, drain_payment_inbox):
            while (rest := end - time.monotonic()) > 0 and (limit is None or done < limit):
                step = drain(limit=None if limit is None else limit - done, seconds=min(rest, _STEP_SECONDS))
                if not step:
                    break
                done += step
                self.stdout.write(f"{done} calls worked off, {_count_due()} due")
        if left := _count_due():
            raise CommandError(f"{done} calls worked off, {left} are still due", returncode=LEFT)
        later, waiting = _count_later(), _count_for_a_person()
        more = f", {later} wait for a later try" if later else ""
        self.stdout.write(f"{done} calls worked off, nothing is due{more}")
        if waiting:
            raise CommandError(f"{waiting} calls wait for a person", returncode=NEEDS_PEOPLE)


def _count_due() -> int:
    return due_deliveries().count() + due_payment_deliveries().count()


def _count_later() -> int:
    """How many failed and have their next try still before them."""
    now = timezone.now()
    calls, payment_calls = WebhookDelivery.objects, PaymentDelivery.objects
    return calls.filter(next_attempt_at__gt=now).count() + payment_calls.filter(next_attempt_at__gt=now).count()


def _count_for_a_person() -> int:
    calls = WebhookDelivery.objects.filter(state__in=WebhookDelivery.FOR_A_PERSON).count()
    return calls + PaymentDelivery.objects.filter(state=PaymentDelivery.State.PARKED).count()
