"""Providers' calls as staff see them."""

from collections.abc import Sequence
from dataclasses import dataclass

from django.core.exceptions import ImproperlyConfigured
from django.db.models import Count, Exists, OuterRef, QuerySet
from django.utils.translation import gettext

from providers.models import ProviderAccount, WebhookDelivery
from providers.redaction import redact_text

BODY_SHOWN = 6_000


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryFilter:
    """What is asked for; the defaults ask for everything."""

    state: str = ""
    account: str = ""


def find_deliveries(wanted: DeliveryFilter) -> QuerySet[WebhookDelivery]:
    """Deliveries that fit, the newest first, without their bodies."""
    rows = WebhookDelivery.objects.select_related("account").defer("body").order_by("-received_at", "-pk")
    if wanted.state:
        rows = rows.filter(state=wanted.state)
    if wanted.account:
        rows = rows.filter(account__slug=wanted.account)
    return rows


def count_waiting() -> dict[str, int]:
    """How many deliveries wait for a person, or for their turn, by state: only states that are few are counted."""
    few = (
        WebhookDelivery.State.NEW,
        WebhookDelivery.State.PARKED,
        WebhookDelivery.State.NOT_UNDERSTOOD,
    )
    rows = WebhookDelivery.objects.filter(state__in=few).order_by().values_list("state").annotate(number=Count("pk"))
    return dict(rows)


def read_body(delivery: WebhookDelivery) -> str:
    """The body as it may be shown: redacted first, then cut. Of a row whose body was deferred."""
    try:
        body = bytes(delivery.body or b"")
    except ImproperlyConfigured:
        return gettext("Its key is gone from FIELD_ENCRYPTION_KEYS: the body cannot be read.")
    # Half a secret is a secret, so the cut comes last.
    text = redact_text(body.decode("utf-8", "replace"))
    return text if len(text) <= BODY_SHOWN else text[: BODY_SHOWN - 1] + "…"


def account_choices() -> Sequence[tuple[str, str]]:
    """Accounts that have called us, for the filter."""
    called = Exists(WebhookDelivery.objects.filter(account=OuterRef("pk")))
    return list(ProviderAccount.objects.filter(called).order_by("name").values_list("slug", "name"))
