"""One state out of ``esimStatus``, ``smdpStatus`` and a device's traces, in the order of the table below."""

from collections.abc import Mapping
from enum import StrEnum

from providers.reading import note_unknown_word
from providers.types import LineState


class Stage(StrEnum):
    """What ``esimStatus`` says, in one spelling."""

    MAKING = "making"
    MADE = "made"
    IN_USE = "in_use"
    USED_UP = "used_up"
    EXPIRED = "expired"
    CANCELLED = "cancelled"
    SUSPENDED = "suspended"
    REVOKED = "revoked"
    UNKNOWN = "unknown"


#: The query's words and the webhooks' (REVOKE and REVOKED), and the spellings that others use for them.
_STAGES: Mapping[str, Stage] = {
    "CREATE": Stage.MAKING,
    "CREATED": Stage.MAKING,
    "PAYING": Stage.MAKING,
    "PAID": Stage.MAKING,
    "GETTING_RESOURCE": Stage.MAKING,
    "GOT_RESOURCE": Stage.MADE,
    "IN_USE": Stage.IN_USE,
    "USED_UP": Stage.USED_UP,
    # Defined differently in two places of the document; both times the line is at its end.
    "UNUSED_EXPIRED": Stage.EXPIRED,
    "USED_EXPIRED": Stage.EXPIRED,
    "EXPIRED": Stage.EXPIRED,
    "CANCEL": Stage.CANCELLED,
    "CANCELED": Stage.CANCELLED,
    "CANCELLED": Stage.CANCELLED,
    "SUSPEND": Stage.SUSPENDED,
    "SUSPENDED": Stage.SUSPENDED,
    "REVOKE": Stage.REVOKED,
    "REVOKED": Stage.REVOKED,
}
#: Where a profile is that was made and whose package is not in use yet. A disabled profile is on the device, switched
#: off; a deleted one is gone from it.
_PLACES: Mapping[str, LineState] = {
    "RELEASED": LineState.READY,
    "DOWNLOAD": LineState.DOWNLOADED,
    "DOWNLOADED": LineState.DOWNLOADED,
    "INSTALLATION": LineState.INSTALLED,
    "INSTALLED": LineState.INSTALLED,
    "ENABLED": LineState.INSTALLED,
    "DISABLED": LineState.INSTALLED,
    "DELETED": LineState.TERMINATED,
}
_DELETED = "DELETED"
_BY_STAGE: Mapping[Stage, LineState] = {
    Stage.MAKING: LineState.PROVISIONING,
    Stage.IN_USE: LineState.ACTIVE,
    Stage.USED_UP: LineState.DEPLETED,
    Stage.SUSPENDED: LineState.SUSPENDED,
}
_ENDS: Mapping[Stage, LineState] = {
    Stage.CANCELLED: LineState.CANCELLED,
    Stage.REVOKED: LineState.TERMINATED,
    Stage.EXPIRED: LineState.EXPIRED,
}


def read_stage(word: str, *, account: str) -> Stage:
    """``esimStatus`` in one spelling; "" and words that nobody knows are ``UNKNOWN``."""
    stage = _STAGES.get(word.strip().upper(), Stage.UNKNOWN)
    if word and stage is Stage.UNKNOWN:
        note_unknown_word(account=account, field="esimStatus", word=word)
    return stage


def derive_state(*, account: str, stage: Stage, smdp_status: str, has_eid: bool, is_installed: bool) -> LineState:
    """The line's state for people.

    ``has_eid`` and ``is_installed`` (an ``installationTime``) are traces of a device: a profile that shows one is not
    waiting for its first download, whatever ``smdpStatus`` still says. A package in use makes a line active even with
    no usage counted: usage lags by hours, so zero proves nothing.
    """
    place = smdp_status.strip().upper()
    if place and place not in _PLACES:
        note_unknown_word(account=account, field="smdpStatus", word=smdp_status)
    if stage in _ENDS:
        return _ENDS[stage]
    if place == _DELETED:
        return LineState.TERMINATED
    if stage is Stage.MADE:
        return _derive_place(place, has_eid=has_eid, is_installed=is_installed)
    return _BY_STAGE.get(stage, LineState.UNKNOWN)


def _derive_place(place: str, *, has_eid: bool, is_installed: bool) -> LineState:
    found = _PLACES.get(place, LineState.UNKNOWN) if place else LineState.READY
    if found is LineState.UNKNOWN:
        return found
    if is_installed:
        return LineState.INSTALLED
    return LineState.DOWNLOADED if has_eid and found is LineState.READY else found
