"""One state out of three status fields, a flag and three dates, in the order of the table below."""

from datetime import date

from providers.reading import note_unknown_word
from providers.types import LineState

_CONTRACT = frozenset({"ACTIVE", "SUSPENDED", "TERMINATED"})
_PROVISION = frozenset(
    {"RESERVATION_PENDING", "RESERVED", "FINALIZED", "AVAILABLE", "DOWNLOADED", "CANCELED", "CANCELLED", "ERROR"}
)
_INSTALL = frozenset({"READY", "CONFIRMATION_FAILED", "DOWNLOADED", "INSTALLED"})
_BEFORE_DOWNLOAD = frozenset({"RESERVATION_PENDING", "RESERVED", "FINALIZED"})


def derive_state(
    *,
    account: str,
    contract: str,
    provision: str,
    install: str,
    restricted: bool | None,
    activated_on: date | None,
    terminated_on: date | None,
    expires_on: date | None,
    today: date,
) -> LineState:
    """The line's state for people. Dates are dates in Japan, ``today`` too.

    A failed confirmation or provisioning needs a person, so it stands before all else but the end. A word that the
    documents do not know makes the state unknown, unless the end, a failure or a suspension is clear without it.
    """
    contract, provision, install = (word.strip().upper() for word in (contract, provision, install))
    is_known = _all_known(account, contract, provision, install)
    if contract == "TERMINATED":
        return _derive_end(provision, terminated_on, expires_on, today)
    if install == "CONFIRMATION_FAILED" or provision == "ERROR":
        return LineState.ERROR
    if provision in ("CANCELED", "CANCELLED"):
        return LineState.CANCELLED
    if contract == "SUSPENDED" or restricted:
        return LineState.SUSPENDED
    if not is_known or not contract:
        return LineState.UNKNOWN
    return _derive_progress(provision, install, activated_on)


def _all_known(account: str, contract: str, provision: str, install: str) -> bool:
    known = True
    for field, word, words in (
        ("contractStatus", contract, _CONTRACT),
        ("profileProvisionStatus", provision, _PROVISION),
        ("profileInstallStatus", install, _INSTALL),
    ):
        if word and word not in words:
            note_unknown_word(account=account, field=field, word=word)
            known = False
    return known


def _derive_end(provision: str, terminated_on: date | None, expires_on: date | None, today: date) -> LineState:
    """TERMINATED means "expired or canceled"; the dates tell which.

    ``expires_on`` is the last usable day: it has passed on the day after. A line that ended before that day did not
    expire, however long ago it was.
    """
    if expires_on and expires_on < today and not (terminated_on and terminated_on < expires_on):
        return LineState.EXPIRED
    return LineState.CANCELLED if provision in ("CANCELED", "CANCELLED") else LineState.TERMINATED


def _derive_progress(provision: str, install: str, activated_on: date | None) -> LineState:
    if activated_on:
        return LineState.ACTIVE
    if install == "INSTALLED":
        return LineState.INSTALLED
    if "DOWNLOADED" in (provision, install):
        return LineState.DOWNLOADED
    if provision == "AVAILABLE":
        return LineState.READY
    return LineState.PROVISIONING if provision in _BEFORE_DOWNLOAD else LineState.UNKNOWN
