"""Waiting for what workers, wholesalers and their calls to us bring about."""

import time
from collections.abc import Callable

#: One order call in six seconds is what the slowest provider allows; the whole story fits well into this.
WAIT_SECONDS = 180.0
_LOOK_EVERY_SECONDS = 0.1


class FillingStuck(Exception):
    """Something did not come within its time, or not as it should; the message says what."""


def wait_for(what: str, is_there: Callable[[], bool]) -> None:
    """Raises FillingStuck."""
    deadline = time.monotonic() + WAIT_SECONDS
    while not is_there():
        if time.monotonic() > deadline:
            raise FillingStuck(f"{what} did not come within {WAIT_SECONDS:.0f} seconds")
        time.sleep(_LOOK_EVERY_SECONDS)
