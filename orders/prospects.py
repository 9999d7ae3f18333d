"""What the system will do about a purchase by itself: which step, at which moment, and until when. For the queue."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.utils import timezone
from django.utils.translation import gettext as _

from orders.models import OrderLine, Purchase
from orders.requests import is_repeatable
from orders.settling import find_provider
from orders.waiting import Look, find_inquiry_end, find_look, has_unanswered_request, may_repeat
from providers.base import Provider
from providers.types import Capability

PS = Purchase.State


@dataclass(frozen=True, slots=True, kw_only=True)
class Prospect:
    """One step that happens by itself (``at`` None: at once, or when something comes), or a limit of it (``until``)."""

    text: str
    at: datetime | None = None
    until: datetime | None = None


def tell_prospects(purchase: Purchase) -> list[Prospect]:
    """The steps from here in their order; empty where nothing happens by itself. Comes with account and order line."""
    tell = _BY_STATE.get(purchase.state)
    if tell is None:
        return []
    provider = find_provider(purchase.account.slug)
    if provider is None:
        return [Prospect(text=_("Nothing: the provider's account is not set up."))]
    if purchase.account.is_paused:
        return [Prospect(text=_("Nothing is sent and nobody is asked while staff have paused this account."))]
    return tell(purchase, provider)


def _of_planned(purchase: Purchase, provider: Provider) -> list[Prospect]:
    steps = []
    if not has_unanswered_request(purchase):
        steps.append(Prospect(text=_("It is sent."), at=purchase.next_attempt_at))
    elif is_repeatable(purchase, provider) and may_repeat(purchase):
        steps.append(Prospect(text=_("It is sent again with the same key."), at=purchase.next_attempt_at))
        steps.append(_end_of_repeats(purchase, provider))
    if purchase.failures_in_row and not purchase.first_sent_at:
        left = settings.PURCHASE_NOT_SENT_LIMIT - purchase.failures_in_row
        steps.append(Prospect(text=_("After %(number)d more tries that do not go out it is held.") % {"number": left}))
    return steps


def _of_sending(purchase: Purchase, provider: Provider) -> list[Prospect]:
    steps = [Prospect(text=_("Without an answer by then the worker counts as lost."), at=purchase.claim_until)]
    if is_repeatable(purchase, provider):
        steps.append(Prospect(text=_("Then it is sent again with the same key.")))
        steps.append(_end_of_repeats(purchase, provider))
    elif Capability.ORDER_LOOKUP in provider.offered:
        steps.append(Prospect(text=_("Then the provider is searched for our key.")))
    else:
        steps.append(Prospect(text=_("Then its outcome is unknown: it is never sent again by itself.")))
    return steps


def _end_of_repeats(purchase: Purchase, provider: Provider) -> Prospect:
    """Until when the key is young enough, and what follows."""
    first = purchase.first_sent_at or timezone.now()
    until = first + timedelta(hours=settings.PURCHASE_REPEAT_HOURS)
    if Capability.ORDER_LOOKUP in provider.offered:
        return Prospect(text=_("From then on it is not repeated: the provider is searched for our key."), until=until)
    return Prospect(
        text=_("From then on it is not repeated: its outcome is unknown, and a person decides."), until=until
    )


def _of_allocating(purchase: Purchase, provider: Provider) -> list[Prospect]:
    if purchase.order_line.kind in OrderLine.BY_FORM:
        return [Prospect(text=_("It waits for its row in a completion file, which staff import."))]
    steps = []
    look = find_look(purchase, provider)
    if look is None:
        steps.append(Prospect(text=_("The provider can no longer be asked: it goes to a person."), at=_due(purchase)))
    else:
        steps.append(Prospect(text=_describe_look(purchase, look), at=_due(purchase)))
    if look is Look.INQUIRY:
        steps += _window(purchase, provider)
    patience = provider.allocation_patience
    since = purchase.allocating_since or purchase.created_at
    if since + patience > timezone.now():
        steps.append(Prospect(text=_("If it is not here by then, a person is told as well."), at=since + patience))
    return steps


def _describe_look(purchase: Purchase, look: Look) -> str:
    if look is Look.INQUIRY:
        return _("The provider is asked what it holds under the transaction %(id)s.") % {"id": purchase.transaction_id}
    if look is Look.LOOKUP:
        return _("Everything that the provider sold since the order was sent is searched for our key %(key)s.") % {
            "key": purchase.idempotency_key
        }
    return _("The line is read, and compared with what it held before the top-up.")


def _window(purchase: Purchase, provider: Provider) -> list[Prospect]:
    """Until when an inquiry by the transaction helps, where the provider forgets it."""
    end = find_inquiry_end(purchase, provider)
    if end is None:
        return []
    margin = timedelta(minutes=settings.PURCHASE_INQUIRY_MARGIN_MINUTES)
    return [
        Prospect(text=_("So long we ask; then a person decides."), until=end),
        Prospect(text=_("The provider's own window for inquiries closes."), until=end + margin),
    ]


def _of_unknown(purchase: Purchase, provider: Provider) -> list[Prospect]:
    """Nothing, and until when a decision can still make the provider be asked."""
    steps = [Prospect(text=_("Nothing: it is never sent again by itself. A late reply is applied all the same."))]
    if purchase.order_line.kind == OrderLine.Kind.TOP_UP and Capability.READ_LINE in provider.offered:
        steps.append(Prospect(text=_("Should any reading of its line show it under our key, it counts as delivered.")))
    if purchase.order_line.kind != OrderLine.Kind.ESIM:
        return steps
    if Capability.TRANSACTION_INQUIRY in provider.offered and provider.inquiry_window is not None:
        asked, *closes = _window(purchase, provider)
        if asked.until is not None and asked.until > timezone.now():
            text = _("So long the provider can be asked, once somebody enters its transaction id.")
            steps += [Prospect(text=text, until=asked.until), *closes]
        else:
            steps.append(Prospect(text=_("The provider's window for inquiries is over: enter the lines themselves.")))
    return steps


_BY_STATE: Mapping[str, Callable[[Purchase, Provider], list[Prospect]]] = {
    PS.PLANNED: _of_planned,
    PS.SENDING: _of_sending,
    PS.ALLOCATING: _of_allocating,
    PS.UNKNOWN: _of_unknown,
}


def _due(purchase: Purchase) -> datetime | None:
    due = purchase.next_attempt_at
    return due if due is not None and due > timezone.now() else None
