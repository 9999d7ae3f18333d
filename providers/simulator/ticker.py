"""The passing of time: what falls due by the clock alone happens without a call that asks for it."""

import threading
from collections.abc import Sequence

from providers.simulator.system import Core, System

STEP_S = 0.1


class Ticker:
    """Lets each system catch up with the clock, ten times a second and at once when the clock is moved."""

    def __init__(self, core: Core, systems: Sequence[System]) -> None:
        self._core = core
        self._systems = systems
        self._ended = threading.Event()

    def start(self) -> None:
        """Tick until `stop`."""
        threading.Thread(target=self._run, name="ticker", daemon=True).start()

    def stop(self) -> None:
        """No more ticks."""
        self._ended.set()

    def settle(self) -> None:
        """Catch up now; each system in a commit of its own."""
        for system in self._systems:
            with self._core.store.write():
                system.settle(self._core.clock.now())

    def _run(self) -> None:
        while not self._ended.wait(STEP_S):
            self.settle()
