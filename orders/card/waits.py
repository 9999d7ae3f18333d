"""When the payment service is asked again."""

from datetime import timedelta

from django.conf import settings


def wait_after(asked: int) -> timedelta:
    """The wait after so many questions: it doubles, up to the cap, so that a lost webhook costs in proportion."""
    first, cap = settings.CARD_CHECK_SECONDS, settings.CARD_CHECK_CAP_SECONDS
    return timedelta(seconds=min(cap, first * 2 ** min(asked, 20)))


def lease() -> timedelta:
    """How long one worker has a row to itself: longer than the calls that it may make for it."""
    return timedelta(seconds=3 * (settings.STRIPE_CONNECT_TIMEOUT + settings.STRIPE_READ_TIMEOUT) + 10)
