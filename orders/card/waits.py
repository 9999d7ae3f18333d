"""When the payment service is asked again, and for how long at a time."""

from collections.abc import Callable
from datetime import timedelta

from django.conf import settings

#: What nobody could settle within this hangs, and a person may decide about it: longer than an idempotency key lives.
HANGS_AFTER = timedelta(hours=24)
#: Whether a job is to end now, because its worker is needed for something else.
GiveWay = Callable[[], bool]


def never() -> bool:
    """For who waits for nobody."""
    return False


def wait_after(asked: int) -> timedelta:
    """The wait after so many questions: it doubles, up to the cap, so that a lost webhook costs in proportion."""
    first, cap = settings.CARD_CHECK_SECONDS, settings.CARD_CHECK_CAP_SECONDS
    return timedelta(seconds=min(cap, first * 2 ** min(asked, 20)))


def lease() -> timedelta:
    """How long one worker has a row to itself: longer than the calls that it may make for it."""
    return timedelta(seconds=3 * (settings.STRIPE_CONNECT_TIMEOUT + settings.STRIPE_READ_TIMEOUT) + 10)
