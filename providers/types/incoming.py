"""What comes to us without being asked for: webhooks and completion files."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime

from providers.types.values import Fault
from providers.types.words import WebhookKind


@dataclass(frozen=True, slots=True, kw_only=True)
class IncomingWebhook:
    """A delivery as it came, before anybody believes it. Header names are in lower case.

    ``address`` is the sender's by the trusted proxy setting; ``path_secret`` the unguessable part of the path.
    """

    path_secret: str = field(repr=False)
    address: str
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookHint:
    """What a delivery names; whatever it does not name is "". ``word`` is the provider's own word for the event."""

    kind: WebhookKind
    word: str = ""
    provider_ref: str = ""
    iccid: str = ""
    order_ref: str = ""
    order_key: str = ""
    event_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CompletionRow:
    """One row of a file that says what became of activations. ``succeeded`` None: the row does not say.

    ``eid`` is personal: never log it. ``number`` is the row's line in the file, from 1.
    """

    number: int
    eid: str = field(repr=False)
    delivery_code: str
    account_number: str = field(repr=False)
    succeeded: bool | None
    code: str = ""
    message: str = ""
    iccid: str = ""
    completed_at: datetime | None = None
    completed_on: date | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CompletionFile:
    """The readable rows of a completion file, and what could not be read (``where`` names the line)."""

    rows: tuple[CompletionRow, ...]
    faults: tuple[Fault, ...]
