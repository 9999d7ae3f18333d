"""Lines about which there is something to tell, and what was told."""

from datetime import timedelta
from typing import Any

from django.utils import timezone

from esims.lifecycle import apply_snapshot
from esims.models import Esim
from orders.models import Notification
from orders.notice_planning import plan_notifications
from orders.notice_sending import send_due_notifications
from providers.types import LineState
from tests.catalog.making import make_plan
from tests.esims.making import GB, MB, make_customer, make_line, make_snapshot

__all__ = ["GB", "MB"]


def make_told_line(
    *, plan: dict[str, Any] | None = None, customer: dict[str, Any] | None = None, **fields: Any
) -> Esim:
    """A line in use with 1 GB in all, of a customer with an address; nothing waits to be told."""
    told: dict[str, Any] = {"email": "aiko@example.jp", **(customer or {})}
    known = {"state": LineState.ACTIVE, "total_used_bytes": 0, **fields}
    esim = make_line(
        make_snapshot(**known), plan=make_plan(**{"data_bytes": GB, **(plan or {})}), customer=make_customer(**told)
    )
    plan_notifications()
    return esim


def report(esim: Esim, **fields: Any) -> Esim:
    """The provider says something new of the line, now."""
    now = timezone.now()
    known = {"state": LineState(esim.state), "state_as_of": now, "usage_as_of": now, **fields}
    snapshot = make_snapshot(esim.provider_ref, activation_deadline=None, **known)
    return apply_snapshot(esim_id=esim.pk, snapshot=snapshot, by="refresh")


def tell() -> list[str]:
    """Plan everything that waits, twice, and send it; the keys of all rows, in the order of their keys."""
    plan_notifications()
    plan_notifications()
    send_due_notifications(seconds=30)
    return sorted(Notification.objects.values_list("key", flat=True))


def subjects() -> list[str]:
    return list(Notification.objects.order_by("pk").values_list("subject", flat=True))


def move_clock(esim: Esim, by: timedelta) -> None:
    """As if so much time had passed for the line's own moments."""
    line = Esim.objects.get(pk=esim.pk)
    fields: dict[str, Any] = {"created_at": line.created_at - by}
    for name in ("activation_deadline", "expires_at", "notice_due_at"):
        moment = getattr(line, name)
        if moment is not None:
            fields[name] = moment - by
    Esim.objects.filter(pk=esim.pk).update(**fields)
