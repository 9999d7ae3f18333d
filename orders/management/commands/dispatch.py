"""``manage.py dispatch``: wakes what is due, each second, until it is stopped."""

import signal
from argparse import ArgumentParser
from threading import Event
from types import FrameType
from typing import Any

from django.core.management.base import BaseCommand

from orders.dispatch import Dispatcher


class Command(BaseCommand):
    help = (
        "Wakes the workers for every row that is due, each second, and watches them. More than one is harmless. "
        "Ends with status 0 on SIGTERM or Ctrl-C."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--once", action="store_true", help="look once, say what was woken, and end")

    def handle(self, *_args: Any, **options: Any) -> None:
        stop = Event()
        dispatcher = Dispatcher(stop=stop)
        if options["once"]:
            self.stdout.write(" ".join(dispatcher.step()) or "nothing is due")
            return

        def end(_number: int, _frame: FrameType | None) -> None:
            stop.set()

        signal.signal(signal.SIGTERM, end)
        signal.signal(signal.SIGINT, end)
        dispatcher.run()
