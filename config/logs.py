"""Lines of the log: what every process prints."""

from collections.abc import MutableMapping
from typing import Any

import structlog

from providers.redaction import mask_addresses, mask_keys, redact_text


def tell_exception(logger: Any, method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """A processor: the exception with its traceback as text, searched for secrets as every other text is."""
    told = structlog.processors.format_exc_info(logger, method, event)
    if isinstance(text := told.get("exception"), str):
        told["exception"] = mask_keys(redact_text(text))
    return told


def hide_addresses(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """A processor: paths are told without what opens something. Django logs the path of everything it refuses."""
    return {name: mask_addresses(value) if isinstance(value, str) else value for name, value in event.items()}
