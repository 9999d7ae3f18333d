"""`manage.py simulator`: hands over to the provider simulator, which is a program of its own."""

import os
import sys
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand

ROOT = Path(__file__).resolve().parents[3]


class Command(BaseCommand):
    """Replaces this process by `python -m providers.simulator` with the same options."""

    help = "Serve the providers' wire formats locally. Options: manage.py simulator --help"
    requires_system_checks: list[str] = []

    def run_from_argv(self, argv: list[str]) -> None:
        """Pass every option on as it is; the simulator parses and documents them itself."""
        path = os.pathsep.join(part for part in (str(ROOT), os.environ.get("PYTHONPATH", "")) if part)
        command = [sys.executable, "-m", "providers.simulator", *argv[2:]]
        sys.stdout.flush()
        os.execve(sys.executable, command, {**os.environ, "PYTHONPATH": path})  # noqa: S606 - no shell is wanted

    def handle(self, *args: Any, **options: Any) -> None:
        """`call_command` cannot serve for ever: say how to start it instead."""
        self.stderr.write("Start it as a process: manage.py simulator")
