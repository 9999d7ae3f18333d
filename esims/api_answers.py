"""Writes what the lines' part of the API answers; ``api_serializers`` describes it."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from django.urls import NoReverseMatch, reverse
from django.utils import timezone
from django.utils.translation import get_language
from django.utils.translation import gettext as _

from catalog.countries import country_flag, country_name
from customers.models import User
from esims.action_rules import RULES, action_label
from esims.action_words import action_words
from esims.actions import say_under_way, why_refused
from esims.app_lines import ListedLine, can_be_read, find_countries, wait_to_ask
from esims.evidence import install_evidence
from esims.install import (
    PHONES,
    InvalidActivationCode,
    Platform,
    install_guide,
    install_links,
    needs_confirmation_code,
    parse_activation_code,
    top_up_rules,
)
from esims.link_page import SHOWS_CODE, describe_line, describe_time
from esims.models import Esim, LineAction, Package
from esims.notices import measure_total_use
from esims.page import find_last_action, is_being_read, read_packages
from esims.states import (
    ENDED,
    JAPAN,
    explain_state,
    explain_waiting,
    promised_until,
    shown_state,
    state_label,
    surely_over_from,
    use_deadline,
)
from esims.top_up_words import why_not_topped_up
from esims.usage import DayPoint, find_caps, read_usage_series
from providers.api import as_data
from providers.registry import offers
from providers.types import Capability, DataPeriod, LineState, PackageStatus

#: The options for a line; of a higher floor, which may not be there.
_TOP_UPS = "api-top-ups"
_ON_PHONES = (Capability.SUSPEND, Capability.RELEASE)
_ENDED_PACKAGES = frozenset({PackageStatus.ENDED.value, PackageStatus.TERMINATED.value})


def tell_row(line: ListedLine, *, customer: bool = False) -> dict[str, Any]:
    """One line of a list; ``customer``: whose it is."""
    esim = line.esim
    return {
        **_tell(esim, shown_state(esim), line.packages, line.countries),
        "customer": _customer(esim) if customer else None,
    }


def tell_line(esim: Esim, *, is_own: bool, staff: User | None) -> dict[str, Any]:
    """One line with all that a phone shows; ``staff``: who may see what customers do not."""
    now = timezone.now()
    state = shown_state(esim, now)
    packages = read_packages(esim)
    evidence = install_evidence(esim)
    series = read_usage_series(esim, packages=packages)
    wait = wait_to_ask(esim)
    return {
        **_tell(esim, state, packages, find_countries(esim)),
        "customer": None if is_own else _customer(esim),
        "sentences": list(filter(None, [describe_line(esim, state), describe_time(esim, now)])),
        "installed": {"verdict": evidence.verdict, "text": evidence.summary},
        "shows_code": bool(esim.lpa) and state in SHOWS_CODE,
        "ends": {"promised_until": promised_until(esim), "surely_over_from": surely_over_from(esim)},
        "packages": [_package(package) for package in packages],
        "usage_by_day": {
            "days": [_day(point) for point in series.points],
            "is_cut": series.is_cut,
            "is_reported": bool(series.points),
        },
        "refresh": {
            "is_possible": can_be_read(esim),
            "is_under_way": is_being_read(esim, now),
            "has_failed": esim.refresh_failures > 0,
            "last_read_at": esim.refreshed_at,
            "ask_again_at": now + timedelta(seconds=wait) if wait else None,
        },
        "top_ups": _top_ups(esim, state, is_own=is_own),
        "staff": _for_staff(esim, packages, staff) if staff is not None else None,
    }


def tell_activation(esim: Esim) -> dict[str, Any]:
    """The codes of a line that has some."""
    address, matching_id = esim.smdp_address, esim.matching_id
    try:
        code = parse_activation_code(esim.lpa)
    except InvalidActivationCode:
        pass
    else:
        address, matching_id = address or code.smdp_address, matching_id or code.matching_id
    links = install_links(esim.lpa)
    return {
        "lpa": esim.lpa,
        "smdp_address": address,
        "matching_id": matching_id,
        "confirmation_code": esim.confirmation_code,
        "needs_confirmation_code": needs_confirmation_code(esim),
        "links": {"apple": links.apple, "android": links.android},
    }


def tell_guide(esim: Esim, platform: Platform | None) -> dict[str, Any]:
    """The install guide in the reader's language, and what is to be known of packages that are added."""
    is_over = shown_state(esim) in ENDED
    guide = () if is_over else install_guide(esim, (platform,) if platform else PHONES)
    return {
        "language": get_language() or "",
        "stages": [
            {
                "code": stage.code,
                "title": str(stage.title),
                "note": str(stage.note),
                "parts": [
                    {"code": part.code, "title": str(part.title), "steps": [str(step) for step in part.steps]}
                    for part in stage.parts
                ],
            }
            for stage in guide
        ],
        "add_on_rules": [] if is_over else [str(rule) for rule in top_up_rules(esim)],
    }


def tell_action(action: LineAction) -> dict[str, Any]:
    """What was asked for a line, and how far it is."""
    return {
        "id": action.pk,
        "action": action.kind,
        "action_text": action_label(action.capability),
        "state": action.state,
        "state_text": action.get_state_display(),
        "is_open": action.state in LineAction.OPEN,
        "reason": action.reason,
        "requested_by": action.requested_by.email if action.requested_by else "",
        "requested_at": action.requested_at,
        "finished_at": action.finished_at,
        "error": action.error,
    }


def _tell(esim: Esim, state: LineState, packages: Sequence[Package], countries: Sequence[str]) -> dict[str, Any]:
    only = countries[0] if len(countries) == 1 else ""
    statuses = [package.status for package in packages]
    return {
        "id": esim.pk,
        "label": esim.nickname,
        "plan_name": esim.plan.name,
        "iccid": esim.iccid,
        "state": state.value,
        "state_text": state_label(state),
        "destination": {
            "countries": list(countries),
            "name": country_name(only) if only else None,
            "flag": country_flag(only) if only else None,
        },
        "package_counts": {
            "count": len(statuses),
            "waiting": statuses.count(PackageStatus.WAITING.value),
            "active": statuses.count(PackageStatus.ACTIVE.value),
            "ended": sum(status in _ENDED_PACKAGES for status in statuses),
        },
        "usage": _usage(esim, packages),
        "dates": {
            "added_at": esim.created_at,
            "downloaded_at": esim.downloaded_at,
            "installed_at": esim.installed_at,
            "activated_at": esim.activated_at,
            "activated_on": esim.activated_on,
            "expires_at": esim.expires_at,
            "expires_on": esim.expires_on,
            "terminated_on": esim.terminated_on,
            "install_before": esim.activation_deadline,
            "use_before": use_deadline(esim),
            "date_zone": JAPAN.key,
        },
    }


def _usage(esim: Esim, packages: Sequence[Package]) -> dict[str, Any]:
    caps = find_caps(esim, packages)
    period = DataPeriod.DAY.value if caps.daily_bytes is not None else None
    if caps.total_bytes is not None:
        period = DataPeriod.TOTAL.value
    use = measure_total_use(esim, packages, caps=caps)
    used = esim.total_used_bytes
    return {
        "used_bytes": used,
        "is_reported": used is not None,
        "allowance": as_data(
            caps.total_bytes if caps.daily_bytes is None else caps.daily_bytes, unlimited=caps.is_unlimited
        ),
        "period": period,
        "in_hand": {"used_bytes": use.used, "total_bytes": use.total} if use else None,
        "as_of": esim.usage_as_of if used is not None or use else None,
    }


def _customer(esim: Esim) -> dict[str, Any]:
    return {"id": esim.customer_id, "name": esim.customer.name}


def _package(package: Package) -> dict[str, Any]:
    period = package.data_period
    return {
        "id": package.pk,
        "kind": package.kind,
        "name": package.name,
        "state": package.status or None,
        "state_text": package.get_status_display() if package.status else "",
        "data": {
            **as_data(package.data_bytes, unlimited=package.data_unlimited),
            "period": None if period == DataPeriod.UNKNOWN else period,
        },
        "used_bytes": package.used_bytes,
        "starts_at": package.starts_at,
        "ends_at": package.ends_at,
        "start_before": package.activate_by,
        "is_projected": package.is_projected,
        "sentences": explain_waiting(package, timezone.now()),
    }


def _day(point: DayPoint) -> dict[str, Any]:
    zone = "UTC" if point.is_derived else JAPAN.key
    return {
        "day": point.day,
        "used_bytes": point.used_bytes,
        "is_derived": point.is_derived,
        "zone": None if point.used_bytes is None else zone,
    }


def _top_ups(esim: Esim, state: LineState, *, is_own: bool) -> dict[str, Any]:
    why_not = _why_nothing_added(esim, state)
    address = None
    if is_own and not why_not:
        try:
            address = reverse(_TOP_UPS, args=(esim.pk,))
        except NoReverseMatch:
            address = None
    return {"address": address, "rules": [str(rule) for rule in top_up_rules(esim)], "why_not": why_not}


def _why_nothing_added(esim: Esim, state: LineState) -> str:
    if state in ENDED:
        return _("The line has ended: it can no longer be topped up.")
    if not offers(esim.account.slug, Capability.TOP_UP) or esim.account.is_paused:
        return _("Nothing can be added to this eSIM now.")
    return why_not_topped_up(esim)


def _for_staff(esim: Esim, packages: Sequence[Package], staff: User) -> dict[str, Any]:
    last = find_last_action(esim)
    is_busy = last is not None and last.state in LineAction.OPEN and last.capability is not Capability.SMS
    may = [rule for rule in _ON_PHONES if staff.has_perm(RULES[rule].permission) and offers(esim.account.slug, rule)]
    return {
        "provider": esim.account.name,
        "sentences": explain_state(esim, packages=packages),
        "read_error": esim.refresh_error,
        "evidence": [
            {"label": fact.label, "value": fact.value, "source": fact.source, "as_of": fact.as_of}
            for fact in install_evidence(esim).facts
        ],
        "last_action": tell_action(last) if last else None,
        "may": [
            {
                "action": capability.value,
                "why_not": say_under_way() if is_busy else why_refused(esim, capability),
                "consequences": action_words(capability, esim).consequences,
            }
            for capability in may
        ],
    }
