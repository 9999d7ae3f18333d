"""The way to the payment service: the only place that uses its library.

Nothing is repeated here (the library's own retries are off): who calls knows the idempotency key and the row behind it.
Every call has a connection of its own. The environment's proxies are used for https only, and ``.netrc`` is never read:
it would replace our key. What leaves are frozen values and three kinds of errors.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import requests
import stripe
import structlog
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from requests.utils import get_environ_proxies
from urllib3.exceptions import ConnectTimeoutError, NewConnectionError, SSLError

from orders.checkpoints import Checkpoint, pass_checkpoint

log = structlog.get_logger(__name__)
T = TypeVar("T")

#: A first answer is kept for this long with its idempotency key; the service promises 24 hours.
KEY_LIFE = timedelta(hours=23)
_MINUTE, _HOUR = timedelta(minutes=1), timedelta(hours=1)
#: Lists are read this far: no payment of ours has more refunds, nor an hour so many payments.
_PAGE = 100
_PAGES = 20

# The library tells its maker about our calls and our machine otherwise.
stripe.enable_telemetry = False


class CardServiceError(Exception):
    """The service did not do what was asked; the class says what may be done next."""

    def __init__(self, message: str, *, code: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.code = code


class Refused(CardServiceError):
    """It said no, and will say so again: nothing was done."""


class NotDone(CardServiceError):
    """Nothing was done, for a reason that passes: not reached, too many calls, our key is not taken."""


class OutcomeUnknown(CardServiceError):
    """Sent, and no usable answer came: it may have been done. A read that failed is this too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Intent:
    """A payment at the service, as it is now. ``key`` is our payment's form key, "" for one that is not ours."""

    id: str
    status: str
    amount: int
    received: int
    currency: str
    key: str
    #: Whoever has it can confirm the payment.
    client_secret: str = field(repr=False)
    error: str
    charged_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceRefund:
    """A refund at the service. ``key`` names our refund and its try, "" for one that was not asked for here."""

    id: str
    status: str
    amount: int
    currency: str
    intent_id: str
    key: str
    failure: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceDispute:
    """A dispute at the service; ``is_withdrawn`` by the movements of money that it lists."""

    id: str
    status: str
    reason: str
    amount: int
    currency: str
    intent_id: str
    is_withdrawn: bool
    due_at: datetime | None
    opened_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """A call of the service whose signature was right: what it is about, as it was then."""

    id: str
    kind: str
    object_kind: str
    object_id: str
    intent_id: str
    key: str


class EventRefused(Exception):
    """Not a call of the service, or one that is too old."""


def is_configured() -> bool:
    """Whether payments by card are offered at all."""
    return bool(settings.STRIPE_SECRET_KEY and settings.STRIPE_PUBLISHABLE_KEY and settings.STRIPE_WEBHOOK_SECRET)


# -- payments ---------------------------------------------------------------------------------------------------------


def create_intent(*, key: str, amount: int, currency: str, order: str) -> Intent:
    """Make the payment of this key, or find it made."""
    params: Any = {
        "amount": amount,
        "currency": currency.lower(),
        "automatic_payment_methods": {"enabled": True},
        "description": order,
        "metadata": {"order": order, "payment": key},
    }
    options: Any = {"idempotency_key": f"payment-{key}"}
    return _call(lambda client: client.v1.payment_intents.create(params, options), _read_intent)


def read_intent(intent_id: str) -> Intent:
    """The payment as it is now."""
    params: Any = {"expand": ["latest_charge"]}
    return _call(lambda client: client.v1.payment_intents.retrieve(intent_id, params), _read_intent)


def cancel_intent(intent_id: str) -> Intent:
    """Nobody can pay it any more. Raises ``Refused`` when it has succeeded, or was cancelled before."""
    params: Any = {"cancellation_reason": "abandoned"}
    return _call(lambda client: client.v1.payment_intents.cancel(intent_id, params), _read_intent)


def find_intent(*, key: str, since: datetime) -> Intent | None:
    """The payment of this key among those made since: for when no answer to its making came."""
    # It was made while the key was in use; the service's clock is its own.
    made = {"gte": int((since - _MINUTE).timestamp()), "lte": int((since + KEY_LIFE + _HOUR).timestamp())}
    rows = _list(lambda client, page: client.v1.payment_intents.list(page | {"created": made}), _read_intent)
    return next((row for row in rows if row.key == key), None)


# -- refunds ----------------------------------------------------------------------------------------------------------


def create_refund(*, key: str, intent_id: str, amount: int, order: str) -> ServiceRefund:
    """Pay back, or find it paid back under this key."""
    params: Any = {
        "payment_intent": intent_id,
        "amount": amount,
        "reason": "requested_by_customer",
        "metadata": {"order": order, "refund": key},
    }
    options: Any = {"idempotency_key": f"refund-{key}"}
    return _call(lambda client: client.v1.refunds.create(params, options), _read_refund)


def read_refund(refund_id: str) -> ServiceRefund:
    """The refund as it is now."""
    return _call(lambda client: client.v1.refunds.retrieve(refund_id), _read_refund)


def list_refunds(intent_id: str) -> list[ServiceRefund]:
    """Every refund of a payment, the newest first."""
    return _list(lambda client, page: client.v1.refunds.list(page | {"payment_intent": intent_id}), _read_refund)


# -- disputes ---------------------------------------------------------------------------------------------------------


def read_dispute(dispute_id: str) -> ServiceDispute:
    """The dispute as it is now."""
    return _call(lambda client: client.v1.disputes.retrieve(dispute_id), _read_dispute)


# -- its calls to us --------------------------------------------------------------------------------------------------


def read_signed_event(body: bytes, signature: str) -> Event:
    """Raises ``EventRefused`` for a wrong or old signature, and for what is no event."""
    if not settings.STRIPE_WEBHOOK_SECRET:
        raise EventRefused("not configured")
    try:
        event = stripe.Webhook.construct_event(body, signature, settings.STRIPE_WEBHOOK_SECRET)
        return _read_event(event.to_dict())
    except stripe.SignatureVerificationError as error:
        raise EventRefused("signature") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise EventRefused("no event") from error


def read_stored_event(body: bytes) -> Event:
    """An event that was verified when it came. Raises ``ValueError`` for what is none."""
    try:
        return _read_event(stripe.Webhook.construct_event_without_verification(body).to_dict())
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError("no event") from error


# -- calling ----------------------------------------------------------------------------------------------------------


@contextmanager
def _open_client() -> Iterator[stripe.StripeClient]:
    if not is_configured():
        raise ImproperlyConfigured("The payment service is not configured.")
    address = settings.STRIPE_URL.rstrip("/")
    with requests.Session() as session:
        session.trust_env = False
        session.max_redirects = 0
        session.proxies.update(get_environ_proxies(address) if address.startswith("https:") else {})
        timeouts = (settings.STRIPE_CONNECT_TIMEOUT, settings.STRIPE_READ_TIMEOUT)
        yield stripe.StripeClient(
            settings.STRIPE_SECRET_KEY,
            base_addresses={"api": address},
            http_client=stripe.RequestsClient(timeout=timeouts, session=session),
            max_network_retries=0,
        )


def _call(send: Callable[[stripe.StripeClient], Any], read: Callable[[Mapping[str, Any]], T]) -> T:
    """One call and what its answer says. Raises a ``CardServiceError``."""
    try:
        with _open_client() as client:
            answer = send(client).to_dict()
    except stripe.StripeError as error:
        pass_checkpoint(Checkpoint.TOLD, row_id=0)
        raise _explain(error) from error
    except (AttributeError, TypeError, ValueError, KeyError, RecursionError) as error:
        # The library takes every answer for an object.
        pass_checkpoint(Checkpoint.TOLD, row_id=0)
        raise OutcomeUnknown("The payment service answered nonsense") from error
    pass_checkpoint(Checkpoint.TOLD, row_id=0)
    return _read_answer(answer, read)


def _list(send: Callable[[stripe.StripeClient, Any], Any], read: Callable[[Mapping[str, Any]], T]) -> list[T]:
    """All rows of a list. One that does not end is no usable answer."""
    rows: list[T] = []
    after: Mapping[str, str] = {}
    for _number in range(_PAGES):
        page: Any = {"limit": _PAGE, **after}
        answer = _call(lambda client, page=page: send(client, page), lambda found: found)  # type: ignore[misc]
        found = _read_answer(answer, lambda given: [(row["id"], read(row)) for row in given["data"]])
        rows += [row for _id, row in found]
        if not answer.get("has_more") or not found:
            return rows
        after = {"starting_after": found[-1][0]}
    raise OutcomeUnknown("The payment service's list does not end")


def _read_answer(answer: Mapping[str, Any], read: Callable[[Mapping[str, Any]], T]) -> T:
    try:
        return read(answer)
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise OutcomeUnknown("The payment service answered nonsense") from error


def _explain(error: stripe.StripeError) -> CardServiceError:
    """What may be done after an error of the library."""
    code, said = error.code or "", (error.user_message or "").strip()[:200]
    status = error.http_status
    log.warning("card_service_failed", kind=type(error).__name__, status=status, code=code)
    if isinstance(error, stripe.APIConnectionError):
        return _explain_connection(error)
    if isinstance(error, stripe.InvalidRequestError | stripe.CardError | stripe.IdempotencyError):
        return Refused(f"The payment service refused ({f'{code}: ' if code else ''}{said or 'no reason'})", code=code)
    return _explain_passing(error, code, status)


def _explain_passing(error: stripe.StripeError, code: str, status: int | None) -> CardServiceError:
    if isinstance(error, stripe.RateLimitError):
        return NotDone("The payment service asks to wait: too many calls", code="rate_limit")
    if status == requests.codes.conflict:
        return NotDone("The payment service is carrying out the same request at this moment", code=code)
    if isinstance(error, stripe.AuthenticationError | stripe.PermissionError):
        return NotDone("The payment service does not take our key", code=code or "authentication")
    if status is not None and status >= requests.codes.server_error:
        return OutcomeUnknown(f"The payment service answered HTTP {status}; it may have been carried out", code=code)
    return OutcomeUnknown("The payment service answered nonsense", code=code)


def _explain_connection(error: stripe.APIConnectionError) -> CardServiceError:
    """What failed before the connection stood has certainly not left this machine."""
    cause = error.__cause__
    reasons = [getattr(argument, "reason", argument) for argument in getattr(cause, "args", ())]
    before = NewConnectionError | ConnectTimeoutError | SSLError
    if isinstance(cause, requests.exceptions.ConnectTimeout | requests.exceptions.SSLError) or any(
        isinstance(reason, before) for reason in reasons
    ):
        return NotDone("The payment service could not be reached", code="not_reached")
    return OutcomeUnknown("The payment service gave no usable answer", code="no_answer")


# -- reading ----------------------------------------------------------------------------------------------------------


def _read_intent(found: Mapping[str, Any]) -> Intent:
    charge, failed = found.get("latest_charge"), found.get("last_payment_error") or {}
    charged = charge.get("created") if isinstance(charge, Mapping) else None
    return Intent(
        id=_text(found, "id"),
        status=_text(found, "status"),
        amount=_number(found, "amount"),
        received=_number(found, "amount_received"),
        currency=_text(found, "currency").upper(),
        key=_our_key(found, "payment"),
        client_secret=str(found.get("client_secret") or ""),
        error=str(failed.get("message") or failed.get("code") or ""),
        charged_at=None if charged is None else _instant(charged),
    )


def _read_refund(found: Mapping[str, Any]) -> ServiceRefund:
    return ServiceRefund(
        id=_text(found, "id"),
        status=_text(found, "status"),
        amount=_number(found, "amount"),
        currency=_text(found, "currency").upper(),
        intent_id=_id_of(found.get("payment_intent")),
        key=_our_key(found, "refund"),
        failure=str(found.get("failure_reason") or ""),
    )


def _read_dispute(found: Mapping[str, Any]) -> ServiceDispute:
    due = (found.get("evidence_details") or {}).get("due_by")
    moves = [_number(row, "amount", negative=True) for row in found["balance_transactions"]]
    return ServiceDispute(
        id=_text(found, "id"),
        status=_text(found, "status"),
        reason=str(found.get("reason") or ""),
        amount=_number(found, "amount"),
        currency=_text(found, "currency").upper(),
        intent_id=_id_of(found.get("payment_intent")),
        # One movement takes it away, another brings it back, perhaps at another rate of exchange: they are counted.
        is_withdrawn=sum(1 if amount < 0 else -1 for amount in moves) > 0,
        due_at=None if not due else _instant(due),
        opened_at=_instant(found["created"]),
    )


def _read_event(found: Mapping[str, Any]) -> Event:
    about = found["data"]["object"]
    about = about if isinstance(about, Mapping) else {}
    kind, own_id = str(about.get("object") or ""), str(about.get("id") or "")
    is_intent = kind == "payment_intent"
    return Event(
        id=_text(found, "id"),
        kind=_text(found, "type"),
        object_kind=kind,
        object_id=own_id,
        intent_id=own_id if is_intent else _id_of(about.get("payment_intent")),
        key=_our_key(about, "payment") if is_intent else "",
    )


def _text(found: Mapping[str, Any], name: str) -> str:
    value = found[name]
    if not isinstance(value, str) or not value:
        raise ValueError(name)
    return value


def _number(found: Mapping[str, Any], name: str, *, negative: bool = False) -> int:
    value = found[name]
    if not isinstance(value, int) or isinstance(value, bool) or (value < 0 and not negative):
        raise ValueError(name)
    return value


def _instant(value: Any) -> datetime:
    return datetime.fromtimestamp(int(value), UTC)


def _id_of(value: Any) -> str:
    """An id, or that of an object that was sent whole."""
    return str(value.get("id") or "") if isinstance(value, Mapping) else str(value or "")


def _our_key(found: Mapping[str, Any], name: str) -> str:
    metadata = found.get("metadata")
    return str(metadata.get(name) or "") if isinstance(metadata, Mapping) else ""
