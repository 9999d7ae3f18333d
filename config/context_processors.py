"""What every page knows."""

from typing import Any

from django.conf import settings
from django.http import HttpRequest

#: The cookie that holds a person's choice of colours; without it the device decides.
THEME_COOKIE = "theme"
THEMES = ("light", "dark")


def site(request: HttpRequest) -> dict[str, Any]:
    """Whether this is the demo office (pages say so), and the chosen colours ("" = as the device)."""
    chosen = request.COOKIES.get(THEME_COOKIE, "")
    return {"demo_office": settings.DEMO, "theme": chosen if chosen in THEMES else ""}
