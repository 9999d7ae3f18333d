"""Sign-ins that are locked for a while: after too many wrong passwords or codes nobody comes in, with the right one
either. django-allauth counts, in the shared cache; here one reads how long it will last, and staff's locks are noted.
"""

import math
import time
from collections.abc import Iterable
from dataclasses import dataclass

from allauth.core.internal.ratelimit import Rate, get_cache_key, get_rates
from django.core.cache import cache
from django.http import HttpRequest
from django.utils.translation import ngettext

from customers.models import StaffEvent, User
from customers.staffing import StaffRefused, check_administrator, note_staff_event, why_not_touched

_COUNTED = {"app": "allauth.account", "action": "login_failed"}
#: Where a request keeps that it was refused so (``customers.middleware.LockOutMiddleware``).
REFUSED_FOR = "sign_in_refused_for"


@dataclass(frozen=True, slots=True)
class Counter:
    """Where attempts are counted, and how many are let through in how long."""

    cache_key: str
    rate: Rate


def password_key(email: str) -> str:
    """Under which wrong passwords are counted: of the account, whichever of our hosts was asked."""
    return f"sign-in:{email.strip().lower()}"


def code_key(user: User) -> str:
    """Under which wrong codes of a second factor are counted; allauth's own word."""
    return f"mfa-auth-user-{user.pk}"


def seconds_left(request: HttpRequest, *keys: str) -> int:
    """How long the account with these ``keys``, or everybody from the caller's address, is refused; 0: not."""
    per_address = [counter for counter in _counters(request, "") if counter.rate.per == "ip"]
    return max(_read([*per_address, *(one for key in keys for one in _of_account(request, key))]).values(), default=0)


def find_locked(request: HttpRequest, users: Iterable[User]) -> dict[int, int]:
    """Accounts that are locked now: id → for how many seconds yet. One look into the cache for all."""
    counters = {
        user.pk: [one for key in (password_key(user.email), code_key(user)) for one in _of_account(request, key)]
        for user in users
    }
    left = _read([one for some in counters.values() for one in some])
    longest = {pk: max((left[one.cache_key] for one in some), default=0) for pk, some in counters.items()}
    return {pk: seconds for pk, seconds in longest.items() if seconds}


def unlock(request: HttpRequest, user: User, *, by: User) -> None:
    """Forget what was counted against the account. What was counted against addresses stays.

    Raises ``StaffRefused``, and ``PermissionDenied`` for who may not.
    """
    check_administrator(by)
    if refusal := why_not_touched(user, by):
        raise StaffRefused(refusal)
    if find_locked(request, [user]):
        note_staff_event(user, StaffEvent.Kind.UNLOCKED, by=by.email)
    keys = (password_key(user.email), code_key(user))
    cache.delete_many([one.cache_key for key in keys for one in _of_account(request, key)])
    cache.delete(_noted_key(user))


def note_refusal(request: HttpRequest, *, seconds: int, user: User | None) -> str:
    """Keep on the request that it was refused, write once for each lock that staff's account is locked, and return
    what the person is told.
    """
    setattr(request, REFUSED_FOR, seconds)
    if user is not None and user.is_staff and find_locked(request, [user]) and cache.add(_noted_key(user), 1, seconds):
        note_staff_event(user, StaffEvent.Kind.LOCKED, by="sign-in")
    minutes = max(1, math.ceil(seconds / 60))
    return ngettext(
        "Too many failed attempts: nobody can sign in here for now, with the right password either. Try again in "
        "%(minutes)d minute.",
        "Too many failed attempts: nobody can sign in here for now, with the right password either. Try again in "
        "%(minutes)d minutes.",
        minutes,
    ) % {"minutes": minutes}


def _noted_key(user: User) -> str:
    return f"staff-locked:{user.pk}"


def _of_account(request: HttpRequest, key: str) -> list[Counter]:
    return [counter for counter in _counters(request, key) if counter.rate.per == "key"]


def _counters(request: HttpRequest, key: str) -> list[Counter]:
    rates: list[Rate] = get_rates(**_COUNTED)
    return [Counter(get_cache_key(request, rate=rate, key=key, **_COUNTED), rate) for rate in rates]


def _read(counters: list[Counter]) -> dict[str, int]:
    """Where nothing is let through any more: in how many seconds it is again. Times stand the newest first."""
    times = cache.get_many([counter.cache_key for counter in counters])
    now, left = time.time(), {}
    for counter in counters:
        kept = [moment for moment in times.get(counter.cache_key, []) if moment > now - counter.rate.duration]
        is_full = len(kept) >= counter.rate.amount
        left[counter.cache_key] = (
            max(1, math.ceil(kept[counter.rate.amount - 1] + counter.rate.duration - now)) if is_full else 0
        )
    return left
