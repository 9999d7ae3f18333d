"""Named places in the purchase protocol at which the machine may die.

In production ``pass_checkpoint`` does nothing. A test installs a hook in its own process to stop, kill or delay the
work there; no setting and no environment variable can.
"""

from collections.abc import Callable
from enum import StrEnum


class Checkpoint(StrEnum):
    """In the order in which one purchase passes them."""

    LOOKED = "looked"  # the line of a top-up is read, its totals are not kept yet
    CLAIMED = "claimed"  # attempt and claim are committed, nothing is sent
    ANSWERED = "answered"  # the reply is in memory only
    STORED = "stored"  # the raw reply is committed, not parsed
    PARSED = "parsed"  # parsed, nothing of it is written
    APPLYING = "applying"  # all rows are written, not committed
    APPLIED = "applied"  # committed
    ASKED = "asked"  # an inquiry came back, nothing of it is written; then APPLYING and APPLIED


Hook = Callable[[Checkpoint, int], None]


def _do_nothing(_checkpoint: Checkpoint, _purchase_id: int) -> None:
    return


_hook: Hook = _do_nothing


def pass_checkpoint(checkpoint: Checkpoint, *, purchase_id: int) -> None:
    """Called by the protocol at each place."""
    _hook(checkpoint, purchase_id)


def install_hook(hook: Hook | None) -> None:
    """Call ``hook(checkpoint, purchase id)`` at every place from now on; None takes it away. For tests."""
    global _hook  # noqa: PLW0603  (one per process, as a power cut is)
    _hook = hook or _do_nothing
