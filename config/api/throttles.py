"""How often: by person where somebody is signed in, else by address (docs/api.md). Counted in the shared cache."""

from typing import Any

from django.conf import settings
from rest_framework.request import Request
from rest_framework.throttling import SimpleRateThrottle


class CallerThrottle(SimpleRateThrottle):
    """Every call counts once for its person or address."""

    scope = "api"

    def get_rate(self) -> str | None:
        rate: str = settings.API_RATES[self.scope]
        return rate or None

    def get_cache_key(self, request: Request, view: Any) -> str:
        user = request.user
        who = f"user-{user.pk}" if user and user.is_authenticated else f"address-{self.get_ident(request)}"
        return f"throttle-{self.scope}-{who}"
