"""The office's settings for the benchmark of the API, with the floors' addresses beside the project's own.

A rate that nobody reaches, counted all the same: each call reads and writes what it counts, ours and the floor's.
"""

import os

os.environ["API_RATE"] = "100000/s"

from config.settings import *  # noqa: F403

ROOT_URLCONF = "benchmarks.bare_api"
