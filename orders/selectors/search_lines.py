"""Lines for the search: by what stands on a phone's screen, in a provider's portal, or on the customer's paper.

``matched`` of each line says by what it was found. Codes and IMEIs are compared in the database, never loaded.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from django.db.models import Case, CharField, Q, QuerySet, Value, When
from django.db.models.lookups import Exact
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from customers.indexed import LastSix, is_filled
from esims.models import Esim, Package
from orders.selectors.search_words import LEAST_OF_EID

_LONGEST_ICCID = 22
#: By what a line was found, in words.
REASONS: Mapping[str, Promise] = {
    "iccid": _("ICCID"),
    "ref": _("provider's reference"),
    "eid": _("EID"),
    "imei": _("IMEI of its device"),
    "phone": _("phone number of the line"),
    "order": _("provider's order"),
    "package": _("reference of a package on it"),
    "iccid_end": _("the ICCID ends so"),
    "eid_end": _("the EID ends so"),
}


def find_lines_by_number(digits: str, accounts: Sequence[int]) -> QuerySet[Any]:
    """Lines that have exactly this number, the newest first."""
    reasons = {
        "iccid": Q(iccid=digits),
        "eid": is_filled("eid") & Q(eid=digits),
        "imei": is_filled("install_device_imei") & Q(install_device_imei=digits)
        | is_filled("connection_device_imei") & Q(connection_device_imei=digits),
        "phone": is_filled("phone_number") & Q(phone_number__in=[digits, f"+{digits}"]),
    }
    return _match({**reasons, **_references([digits], accounts)})


def find_lines_by_end(digits: str, *, with_devices: bool) -> QuerySet[Any]:
    """Lines whose ICCID ends so, or (only for who may see it) whose EID does."""
    end = digits[::-1]
    # A range instead of LIKE: every database answers it from the index. No digit sorts after 9.
    reasons = {"iccid_end": Q(iccid_reversed__gte=end, iccid_reversed__lte=end.ljust(_LONGEST_ICCID, "9"))}
    if with_devices and len(digits) >= LEAST_OF_EID:
        ends = Exact(LastSix("eid"), digits[-LEAST_OF_EID:])
        reasons["eid_end"] = is_filled("eid") & Q(ends, eid__endswith=digits)
    return _match(reasons).exclude(iccid=digits)


def find_lines_by_reference(spellings: Sequence[str], accounts: Sequence[int], *, limit: int) -> QuerySet[Any]:
    """Lines that a provider calls so, or that came or were topped up by this order of theirs."""
    packages = Package.objects.filter(
        is_filled("order_ref") & Q(order_ref__in=spellings) | is_filled("package_ref") & Q(package_ref__in=spellings)
    )
    # Asked first: within an OR, PostgreSQL would compare every line with a subquery's rows.
    topped_up = list(packages.order_by("-pk").values_list("esim", flat=True)[:limit])
    return _match({**_references(spellings, accounts), "package": Q(pk__in=topped_up)})


def _references(spellings: Sequence[str], accounts: Sequence[int]) -> dict[str, Q]:
    return {
        "ref": Q(provider_ref__in=spellings),
        "order": is_filled("order_ref") & Q(account__in=accounts, order_ref__in=spellings),
    }


def _match(reasons: Mapping[str, Q]) -> QuerySet[Any]:
    condition = Q()
    for reason in reasons.values():
        condition |= reason
    matched = Case(
        *(When(reason, then=Value(name)) for name, reason in reasons.items()),
        output_field=CharField(),
        default=Value(""),
    )
    lines = Esim.objects.filter(condition).select_related("customer", "plan").annotate(matched=matched)
    # The EID is loaded for lines without an ICCID: their label must hide it.
    return lines.only("iccid", "provider_ref", "eid", "state", "created_at", "customer__name", "plan__name").order_by(
        "-created_at", "-pk"
    )
