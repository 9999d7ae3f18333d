"""Which calls of the log belong to which attempt: their request id is the attempt's."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from structlog.contextvars import bound_contextvars

from orders.models import PurchaseAttempt
from providers.models import ProviderCall


def name_calls(attempt_id: int) -> str:
    """The request id of every call that is made for an attempt."""
    return f"attempt-{attempt_id}"


@contextmanager
def log_calls_of(attempt_id: int) -> Iterator[None]:
    """What is called inside is logged as the attempt's."""
    with bound_contextvars(request_id=name_calls(attempt_id)):
        yield


def find_calls(slug: str, attempts: Sequence[PurchaseAttempt]) -> dict[int, list[ProviderCall]]:
    """The log's rows of each attempt (by its id), the first first; one query."""
    if not attempts:
        return {}
    names = {name_calls(attempt.pk): attempt.pk for attempt in attempts}
    since = min(attempt.started_at for attempt in attempts)
    rows = ProviderCall.objects.filter(account=slug, sent_at__gte=since, request_id__in=names).order_by("sent_at", "pk")
    calls: dict[int, list[ProviderCall]] = {}
    for row in rows:
        calls.setdefault(names[row.request_id], []).append(row)
    return calls
