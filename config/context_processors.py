"""What every page knows."""

from typing import Any

from django.conf import settings
from django.http import HttpRequest


def site(_request: HttpRequest) -> dict[str, Any]:
    """Whether this is the demo office: pages say so."""
    return {"demo_office": settings.DEMO}
