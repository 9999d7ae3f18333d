"""Push messages to phones with the app: what any service does, and which one is configured."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field

from django.conf import settings
from django.contrib.sessions.models import Session
from django.db.models import Q
from django.utils import timezone
from django.utils.module_loading import import_string

from customers.models import Customer, Device

#: Of one person, the newest: each may take as long as the service's time-out.
MOST_AT_ONCE = 10


class PushRefused(Exception):
    """The service did not take it, for certain. ``is_final``: it never will."""

    def __init__(self, message: str, *, is_final: bool = False) -> None:
        super().__init__(message)
        self.message = message
        self.is_final = is_final


class PushUncertain(Exception):
    """The service may have taken it."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class DeviceGone(Exception):
    """The token is of no use any more: the app was taken off the phone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PushMessage:
    """What a locked screen may show to anybody; ``data`` is for the app, and holds numbers and kinds only."""

    title: str
    body: str
    data: Mapping[str, str] = field(default_factory=dict)


class PushService(ABC):
    """A way to phones. ``PUSH_BACKEND`` names one by its dotted path."""

    @abstractmethod
    def send(self, *, token: str, message: PushMessage) -> None:
        """Hand over one message for one phone. Raises ``DeviceGone``, ``PushRefused`` or ``PushUncertain``."""


def find_service() -> PushService | None:
    """The configured service; None: nothing is pushed."""
    if not settings.PUSH_BACKEND:
        return None
    service: PushService = import_string(settings.PUSH_BACKEND)()
    return service


def find_devices(customer: Customer) -> list[Device]:
    """The customer's phones that are signed in."""
    signed_in = Session.objects.filter(expire_date__gt=timezone.now()).values("session_key")
    mine = Device.objects.filter(user__customer=customer, user__is_active=True, session_key__in=signed_in)
    return list(mine.order_by("-seen_at", "-pk")[:MOST_AT_ONCE])


def with_devices(customers: set[int]) -> set[int]:
    """Which of these customers (by number) have a phone with the app."""
    found = Device.objects.filter(Q(user__customer__in=customers)).values_list("user__customer", flat=True)
    return {pk for pk in found if pk is not None}
