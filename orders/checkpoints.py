"""Named places at which the machine may die: before and after each commit and each call to a provider.

In production ``pass_checkpoint`` does nothing. A test installs a hook in its own process to stop, kill or delay the
work there; no setting and no environment variable can.
"""

from collections.abc import Callable
from enum import StrEnum


class Checkpoint(StrEnum):
    """In the order in which the work passes them; the row is the purchase's where nothing else is said.

    What ends in -ING is written and not committed (RULING excepted): dying there, nothing of it has happened.
    """

    # -- an order and its money: the row is the order's, the payment's, the refund's
    PLACING = "placing"
    PLACED = "placed"
    CAPTURING = "capturing"
    CAPTURED = "captured"
    REFUNDING = "refunding"
    REFUNDED = "refunded"
    OPENED = "opened"  # a card payment is committed, the payment service is not asked
    TOLD = "told"  # the payment service's answer, or that none came, is in memory only; no row
    # -- buying
    LOOKED = "looked"  # the line of a top-up is read, its totals are not kept yet
    KEEPING = "keeping"  # its totals are written
    POSTPONING = "postponing"  # it could not be read: the top-up waits
    HOLDING = "holding"  # it cannot be sent: staff are asked
    CLAIMING = "claiming"  # attempt and claim are written
    CLAIMED = "claimed"  # they are committed, nothing is sent
    ANSWERED = "answered"  # the reply is in memory only
    UNANSWERED = "unanswered"  # that no reply came, or nothing was sent, is in memory only; then APPLYING
    STORING = "storing"  # the raw reply is written
    STORED = "stored"  # it is committed, not parsed
    PARSED = "parsed"  # parsed, nothing of it is written
    APPLYING = "applying"
    APPLIED = "applied"
    # -- looking for what was bought
    ASKING = "asking"  # the right to ask is committed, nothing is asked
    ASKED = "asked"  # the answer is in memory only; then APPLYING and APPLIED
    # -- others come by
    RULING = "ruling"  # the sweeper found an order without a reply beyond its deadline; nothing is written
    DECIDING = "deciding"  # what staff decided
    DECIDED = "decided"
    DRAINING = "draining"  # what a webhook means; the row is the delivery's
    DRAINED = "drained"


Hook = Callable[[Checkpoint, int], None]


def _do_nothing(_checkpoint: Checkpoint, _row_id: int) -> None:
    return


_hook: Hook = _do_nothing


def pass_checkpoint(checkpoint: Checkpoint, *, row_id: int) -> None:
    """Called by the protocol at each place."""
    _hook(checkpoint, row_id)


def install_hook(hook: Hook | None) -> None:
    """Call ``hook(checkpoint, row id)`` at every place from now on; None takes it away. For tests."""
    global _hook  # noqa: PLW0603  (one per process, as a power cut is)
    _hook = hook or _do_nothing
