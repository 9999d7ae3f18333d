"""What a snapshot says of a line, taken into its row, and the timeline rows of what changed by that."""

from collections.abc import Mapping
from typing import Any

import structlog
from django.db import models

from esims.events import EventKind, make_event
from esims.models import Esim, LineEvent
from esims.states import ENDED
from providers.types import LineSnapshot, UsageSnapshot

log = structlog.get_logger(__name__)

#: What a snapshot says of the line, and our field for it. Not reported (None or "") never erases what is known.
_FACTS = {
    "iccid": "iccid",
    "restricted": "is_restricted",
    "home_country": "home_country",
    "roaming_countries": "roaming_countries",
    "activation_deadline": "activation_deadline",
    "downloaded_at": "downloaded_at",
    "installed_at": "installed_at",
    "activated_on": "activated_on",
    "activated_at": "activated_at",
    "expires_on": "expires_on",
    "expires_at": "expires_at",
    "terminated_on": "terminated_on",
    "apn": "apn",
    "api_sms": "api_sms",
}
#: The same for secrets and personal numbers: the timeline names the field, never the value.
_CODES = {
    "lpa": "lpa",
    "smdp_address": "smdp_address",
    "matching_id": "matching_id",
    "eid": "eid",
    "phone_number": "phone_number",
    "install_device_imei": "install_device_imei",
    "connection_device_imei": "connection_device_imei",
}
#: The same for handles that say nothing to people.
_HANDLES = {"order_ref": "order_ref", "order_key": "order_key"}
#: Everything that a report may change on the line.
STORED = (
    *_FACTS.values(),
    *_CODES.values(),
    *_HANDLES.values(),
    *("iccid_reversed", "state", "raw_states", "raw", "state_as_of"),
    *("total_used_bytes", "total_data_bytes", "usage_as_of"),
)
_MAX_LENGTH = {
    field.name: field.max_length
    for field in Esim._meta.concrete_fields  # noqa: SLF001 - Django's public API
    if isinstance(field, models.CharField) and field.max_length
}


def take_state(esim: Esim, snapshot: LineSnapshot) -> None:
    """Set on the line what the snapshot says of everything but usage."""
    for source, field in {**_FACTS, **_CODES, **_HANDLES}.items():
        value = getattr(snapshot, source)
        if value is None or value == "":
            continue
        if isinstance(value, str) and len(value) > _MAX_LENGTH.get(field, len(value)):
            log.warning("value too long, not taken", field=field, length=len(value), account=esim.account_id)
            continue
        setattr(esim, field, list(value) if isinstance(value, tuple) else value)
    if snapshot.state not in ENDED and snapshot.terminated_on is None:
        # The one date that may be taken back: a line that lives again has no end.
        esim.terminated_on = None
    esim.iccid_reversed = esim.iccid[::-1]
    esim.state = snapshot.state.value
    esim.raw_states = dict(snapshot.raw_states)
    esim.raw = dict(snapshot.raw)
    esim.state_as_of = snapshot.state_as_of


def take_usage(esim: Esim, snapshot: LineSnapshot) -> None:
    """Set the totals; not reported leaves the last one known, with its time."""
    _take_totals(esim, snapshot.total_used_bytes, snapshot.total_data_bytes)
    of_packages = any(package.used_bytes is not None for package in snapshot.packages)
    if snapshot.total_used_bytes is not None or snapshot.daily_usage is not None or of_packages:
        esim.usage_as_of = snapshot.usage_as_of


def take_usage_alone(esim: Esim, usage: UsageSnapshot) -> None:
    """The same for what the provider tells of the use by itself."""
    _take_totals(esim, usage.used_bytes, usage.total_data_bytes)
    if usage.used_bytes is not None:
        esim.usage_as_of = usage.as_of


def describe_changes(esim: Esim, before: Mapping[str, Any], *, by: str) -> list[LineEvent]:
    """One timeline row per visible change of what is not usage."""
    events = []
    words = {"old": before["raw_states"], "new": esim.raw_states}
    if esim.state != before["state"]:
        facts = {"old": before["state"], "new": esim.state, "words": esim.raw_states}
        events.append(make_event(esim, EventKind.STATE, by=by, facts=facts))
    elif words["old"] != words["new"]:
        events.append(make_event(esim, EventKind.PROVIDER_STATES, by=by, facts=words))
    for field in _FACTS.values():
        old, new = before[field], getattr(esim, field)
        if old != new:
            facts = {"field": field, "old": old, "new": new}
            events.append(make_event(esim, EventKind.FIELD, by=by, facts=facts))
    codes = [field for field in _CODES.values() if getattr(esim, field) != before[field]]
    first = [field for field in codes if not before[field]]
    changed = [field for field in codes if before[field]]
    if first:
        events.append(make_event(esim, EventKind.CODES_REPORTED, by=by, facts={"fields": first}))
    if changed:
        events.append(make_event(esim, EventKind.CODES_CHANGED, by=by, facts={"fields": changed}))
    return events


def _take_totals(esim: Esim, used: int | None, data: int | None) -> None:
    if used is not None:
        esim.total_used_bytes = used
    if data is not None:
        esim.total_data_bytes = data
