"""Settings of how the reseller looks to customers (docs/own-page.md); all of it ours."""

from typing import Any

from django.core.exceptions import ImproperlyConfigured

from config.environment import BASE_DIR, env

#: Pictures on this machine, served by ourselves; relative paths begin in the project's directory.
BRAND_LOGO = env.str("BRAND_LOGO", default="")
BRAND_LOGO_DARK = env.str("BRAND_LOGO_DARK", default="")
BRAND_BASE = BASE_DIR
#: Of buttons, links and bars, as #rrggbb: on light pages and on dark ones.
BRAND_COLOR = env.str("BRAND_COLOR", default="")
BRAND_COLOR_DARK = env.str("BRAND_COLOR_DARK", default="")
#: Where customers write; on their page an address to tap.
BRAND_SUPPORT_EMAIL = env.str("BRAND_SUPPORT_EMAIL", default="")


def brand_texts() -> Any:
    """``{"en": {"welcome": "…", "support": "…", "footer": "…"}, "ja": {…}}``"""
    try:
        return env.json("BRAND_TEXTS", default={})
    except ValueError as error:
        raise ImproperlyConfigured(f"BRAND_TEXTS is not JSON: {error}") from error


BRAND_TEXTS = brand_texts()
