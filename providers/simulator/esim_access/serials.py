"""Numbers that are never given twice, not even after a reset."""

import secrets
import time

from providers.simulator.store import Store


class Serials:
    """Counters kept in the state. A new state starts elsewhere than the one before, so that two states differ."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def take(self, name: str, step: int = 1) -> int:
        """The next number; `step` leaves out some behind it."""
        first = int(time.time()) * 100 if name == "profile" else 1 + secrets.randbelow(5000)
        number = int(self._store.read_setting(f"access.serial.{name}", first))
        self._store.write_setting(f"access.serial.{name}", number + step)
        return number
