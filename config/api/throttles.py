"""How often: by person where somebody is signed in, else by address (docs/api.md). Counted in the shared cache."""

from typing import Any

from django.conf import settings
from rest_framework.request import Request
from rest_framework.throttling import SimpleRateThrottle


class CallerThrottle(SimpleRateThrottle):
    """Every call counts once for its person or address: among all, or among those of its ``throttle_scopes``.

    A view names there, by method, the rate of ``settings.API_RATES`` that its calls have instead of "api".
    """

    scope = "api"

    def allow_request(self, request: Request, view: Any) -> bool:
        self.scope = getattr(view, "throttle_scopes", {}).get(request.method, "api")
        self.rate = self.get_rate()
        self.num_requests, self.duration = self.parse_rate(self.rate)
        return bool(super().allow_request(request, view))

    def get_rate(self) -> str | None:
        rate: str = settings.API_RATES[str(self.scope)]
        return rate or None

    def get_cache_key(self, request: Request, view: Any) -> str:
        user = request.user
        who = f"user-{user.pk}" if user and user.is_authenticated else f"address-{self.get_ident(request)}"
        return f"throttle-{self.scope}-{who}"
