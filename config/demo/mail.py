"""The demo's mail server: it writes what it takes to files, and has its bad days with some receivers."""

import smtplib
from collections.abc import Callable, Mapping, Sequence

from django.core.mail.backends.filebased import EmailBackend
from django.core.mail.message import EmailMessage


def _refuse(address: str) -> Exception:
    return smtplib.SMTPRecipientsRefused({address: (550, b"5.1.1 No such user here")})


def _put_off(address: str) -> Exception:
    return smtplib.SMTPRecipientsRefused({address: (450, b"4.2.0 Greylisted, try again later")})


def _fall_silent(_address: str) -> Exception:
    return smtplib.SMTPServerDisconnected("Connection unexpectedly closed")


#: What becomes of mail to these hosts of the demo's story.
_BAD_DAYS: Mapping[str, Callable[[str], Exception]] = {
    "example.de": _refuse,
    "example.fr": _put_off,
    "meridian.example": _fall_silent,
}


class DemoMailBackend(EmailBackend):
    """Takes everything but what goes to the hosts above, as a mail server would say it."""

    def send_messages(self, email_messages: Sequence[EmailMessage]) -> int:
        for message in email_messages:
            for address in message.to:
                fault = _BAD_DAYS.get(address.rpartition("@")[2])
                if fault is not None:
                    raise fault(address)
        return int(super().send_messages(email_messages) or 0)
