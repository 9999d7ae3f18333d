"""How a provider says no: a fault of the simulator, and what an adapter has to make of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from providers.errors import Mend


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One documented no. ``text`` must be found in the error's message."""

    code: str
    #: The simulator's fault and its parameters.
    fault: str = "status_before"
    parameters: Mapping[str, Any] = field(default_factory=dict)
    text: str = ""
    mend: Mend | None = None
    #: A rate limit: whether everybody is held back from then on (a 429 does that by itself).
    holds_back: bool = False

    def __str__(self) -> str:
        return self.code


#: A provider that speaks in HTTP statuses.
BAD_REQUEST = Answer(
    code="BAD", parameters={"status": 400, "code": "BAD", "message": "No such thing"}, text="No such thing"
)
UNAUTHORIZED = Answer(code="401", parameters={"status": 401, "code": "401"}, mend=Mend.CREDENTIALS)
FORBIDDEN = Answer(code="403", parameters={"status": 403, "code": "403"}, mend=Mend.CREDENTIALS)
TOO_MANY = Answer(code="429", parameters={"status": 429, "code": "429"}, holds_back=True)


def refuse_code(code: str, *, text: str = "No such thing", mend: Mend | None = None) -> Answer:
    """A business code in the provider's own envelope, with the HTTP status that it uses for those."""
    return Answer(code=code, fault="refuse_code", parameters={"code": code, "message": text}, text=text, mend=mend)
