"""What web servers log by themselves: gunicorn its accesses and failures, ``runserver`` its requests."""

import logging

from providers.redaction import mask_addresses

_SERVERS = ("gunicorn.access", "gunicorn.error", "django.server")


class MaskedAddresses(logging.Filter):
    """A line of the log in which no address opens anything."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.msg, record.args = mask_addresses(record.getMessage()), ()
        return True


def mask_server_logs() -> None:
    """Keep what opens something out of the servers' own logs, wherever they go. Twice is once."""
    for name in _SERVERS:
        logger = logging.getLogger(name)
        if not any(isinstance(known, MaskedAddresses) for known in logger.filters):
            logger.addFilter(MaskedAddresses())
