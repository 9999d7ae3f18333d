"""eSIMfx's words, compared in any case, and the one state of a line."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta

from providers.reading import note_unknown_word
from providers.types import LineState, PackageSnapshot, PackageStatus

#: A subscription's words: "You will see 1 of 4 values".
_SUBSCRIPTION: Mapping[str, PackageStatus] = {
    "pending": PackageStatus.WAITING,
    "active": PackageStatus.ACTIVE,
    # "Data exhausted or validity period ended": the word does not tell which.
    "expired": PackageStatus.ENDED,
    "terminated": PackageStatus.TERMINATED,
}
#: An eSIM's words. BLOCKED is "permanently deactivated", DEACTIVATED an "unexpected error".
_ESIM: Mapping[str, LineState] = {
    "provisioned": LineState.READY,
    "installed": LineState.INSTALLED,
    "active": LineState.ACTIVE,
    "expired": LineState.EXPIRED,
    "blocked": LineState.TERMINATED,
    "deactivated": LineState.ERROR,
}
#: States that the packages on a line may still explain further.
_OPEN = frozenset({LineState.READY, LineState.INSTALLED, LineState.ACTIVE, LineState.EXPIRED})
_NEVER = datetime(1970, 1, 1, tzinfo=UTC)


def read_package_status(word: str, *, account: str) -> PackageStatus | None:
    """Our word for a subscription's; None where there is none."""
    if not word:
        return None
    status = _SUBSCRIPTION.get(word.casefold())
    if status is None:
        note_unknown_word(account=account, field="subscription.status", word=word)
    return status or PackageStatus.UNKNOWN


def derive_state(
    word: str,
    *,
    account: str,
    packages: Sequence[PackageSnapshot],
    days: Mapping[str, int],
    now: datetime,
) -> LineState:
    """The line's state for people: the eSIM's word, unless its packages say more.

    All packages terminated by hand: the line was ended, whatever the eSIM's word still is. EXPIRED means "time over or
    data used up": depleted only where the numbers tell so, that is where the data of the package that ended last is
    used up while its days (``days``, by package) are not over at ``now``.
    """
    state = _ESIM.get(word.casefold(), LineState.UNKNOWN)
    if word and state is LineState.UNKNOWN:
        note_unknown_word(account=account, field="status", word=word)
    if state in _OPEN and packages and all(package.status is PackageStatus.TERMINATED for package in packages):
        return LineState.TERMINATED
    if state is LineState.EXPIRED and (last := _find_last_ended(packages)) and _is_used_up(last, days, now):
        return LineState.DEPLETED
    return state


def _find_last_ended(packages: Sequence[PackageSnapshot]) -> PackageSnapshot | None:
    """The package whose end ended the line: one that was used up before it says nothing about why."""
    ended = [package for package in packages if package.status is PackageStatus.ENDED]
    return max(ended, key=lambda package: package.starts_at or _NEVER, default=None)


def _is_used_up(package: PackageSnapshot, days: Mapping[str, int], now: datetime) -> bool:
    limit = package.allowance.data_bytes if package.allowance else None
    if not limit or package.used_bytes is None:
        return False
    if package.used_bytes < limit or package.starts_at is None or package.package_ref not in days:
        return False
    return package.starts_at + timedelta(days=days[package.package_ref]) > now
