#!/usr/bin/env python
"""Roamdesk's command line."""

import os
import sys

from django.core.management import execute_from_command_line

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    if sys.argv[1:2] == ["demo"]:
        # The demo office makes its own environment; it neither needs nor reads anybody's secrets.
        os.environ.update({"ROAMDESK_DEMO": "1", "ROAMDESK_ENV_FILE": os.devnull})
    execute_from_command_line(sys.argv)
