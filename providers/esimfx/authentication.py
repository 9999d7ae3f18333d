"""The reply of the authentication call: a token that is "valid for exactly 1 hour".

The document names none of its fields; ``data.access_token``, a JSON Web Token, was seen in use.
"""

import base64
import binascii
import json
import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from providers.reading import UnreadableError, parse_document, to_decimal
from providers.tokens import IssuedToken

_NAMES = ("access_token", "accessToken", "token", "id_token", "jwt")
_LIFE_NAMES = ("expires_in", "expiresIn")
#: "Tokens are valid for exactly 1 hour": one that tells a longer life is not believed.
_LONGEST = timedelta(hours=1)
#: OURS: a token that tells a shorter life than this would be fetched all the time.
_SHORTEST = timedelta(minutes=1)
_TOKEN = re.compile(r"[\x21-\x7e]{8,8000}")


def read_issued_token(body: bytes, *, sent_at: datetime) -> IssuedToken:
    """The token of a successful authentication. Raises ``UnreadableError`` where there is none."""
    document = parse_document(body)
    envelope = document if isinstance(document, dict) else {}
    data = envelope.get("data")
    places = [place for place in (data, envelope) if isinstance(place, dict)]
    value = data if isinstance(data, str) else _find(places, _NAMES)
    text = str(value or "").strip().removeprefix("Bearer ")
    if not _TOKEN.fullmatch(text):
        raise UnreadableError("it has no token")
    told = to_decimal(_find(places, _LIFE_NAMES))
    life = timedelta(seconds=min(float(told), 10.0**6)) if told and told > 0 else _read_life(text)
    return IssuedToken(value=text, expires_at=sent_at + min(max(life or _LONGEST, _SHORTEST), _LONGEST))


def _find(places: list[dict[str, Any]], names: tuple[str, ...]) -> Any:
    return next((place[name] for place in places for name in names if place.get(name)), None)


def _read_life(token: str) -> timedelta | None:
    """How long a JSON Web Token says that it lives: its own two stamps, so that no clocks are compared."""
    claims = _read_claims(token)
    issued, expires = to_decimal(claims.get("iat")), to_decimal(claims.get("exp"))
    if issued is None or expires is None or not 0 < expires - issued < 10**9:
        return None
    return timedelta(seconds=float(expires - issued))


def _read_claims(token: str) -> Mapping[str, Any]:
    parts = token.split(".")
    if len(parts) != 3:
        return {}
    try:
        claims = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    except (ValueError, binascii.Error, RecursionError):
        return {}
    return claims if isinstance(claims, dict) else {}
