"""What one write to a wholesaler of these tests may meet, from the wire to the reading of its reply."""

import json
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

from django.utils import timezone

from providers.errors import KeyTaken, Mend, NotSent, OutcomeUnknown, ProviderError, RateLimited, Rejected
from providers.errors import StillAllocating as Allocating
from providers.types import ProviderReply

#: Nothing leaves this machine.
UNSENT = ("not_sent", "own_limit")
#: It arrives, and has no effect.
BEFORE = ("limited", "lost_before", "500_before", "nonsense_before", "refused", "no_balance")
#: It arrives, and has its effect.
AFTER = ("ok", "lost_after", "500_after", "nonsense_after", "cut", "cut_early", "crash_parse")
WRITES = (*UNSENT, *BEFORE, *AFTER)
#: After these the provider has certainly done nothing, so that even a request without a key may be sent again.
HARMLESS = frozenset({"limited", "no_balance", "refused"})
#: What a read may meet.
READS = ("ok", "limited", "unavailable", "unknown_id", "crash")


def write(
    operation: str, behaviour: str, *, arrive: Callable[[], None], effect: Callable[[], Mapping[str, Any]]
) -> ProviderReply:
    """Send as ``behaviour`` says; ``effect`` is what the provider does, and what it answers then."""
    if behaviour == "not_sent":
        raise NotSent("no connection", code="connect")
    if behaviour == "own_limit":
        raise RateLimited("our budget is spent", retry_after=timedelta(seconds=6))
    arrive()
    document: dict[str, Any] = {"behaviour": behaviour}
    if behaviour not in BEFORE:
        document |= effect()
    if behaviour in ("lost_before", "lost_after"):
        raise OutcomeUnknown("the connection was reset")
    now = timezone.now()
    return ProviderReply(
        operation=operation,
        status=429 if behaviour == "limited" else 500 if behaviour.startswith("500") else 200,
        headers={"Content-Type": "application/json"},
        body=json.dumps(document).encode(),
        complete=behaviour not in ("cut", "cut_early"),
        sent_at=now,
        received_at=now,
    )


def read(reply: ProviderReply) -> dict[str, Any]:
    """The document of a reply, or what its behaviour makes of it."""
    document: dict[str, Any] = json.loads(reply.body)
    behaviour = document["behaviour"]
    unreadable = OutcomeUnknown("not readable", transaction_id=document.get("order", "") if behaviour == "cut" else "")
    failures: dict[str, ProviderError] = {
        **dict.fromkeys(("500_before", "500_after", "nonsense_before", "nonsense_after", "cut_early"), unreadable),
        "cut": unreadable,
        "limited": RateLimited("too many requests", retry_after=timedelta(seconds=9), code="429"),
        "refused": Rejected("the line has expired", code="200002"),
        "no_balance": Rejected("balance too low", code="BALANCE", mend=Mend.BALANCE),
        "key_taken": KeyTaken("this transaction exists", code="310402"),
        "allocating": Allocating("not yet"),
    }
    if behaviour == "crash_parse":
        raise KeyError("LPA:1$smdp.example$SECRET")
    if behaviour in failures:
        raise failures[behaviour]
    return document
