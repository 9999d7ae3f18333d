"""From a notification to the e-mail that is sent, and what the mail server's answer means.

The Message-ID is made from the row: a mail that a server gets twice all the same is known as one.
"""

import hashlib
import smtplib
from collections.abc import Mapping
from dataclasses import dataclass
from email.mime.image import MIMEImage
from email.utils import parseaddr

from django.conf import settings
from django.core.mail import EmailMultiAlternatives, get_connection

from esims.link_places import fill_links
from esims.qr import qr_png
from orders.models import Notification
from orders.notice_content import INVITATION_PLACE, Content

_PERMANENT = range(500, 600)
#: Answers that are a no; smtplib makes −1 of what is no answer.
_REFUSALS = range(400, 600)


class MailRefused(Exception):
    """The mail server did not take it, for certain. ``is_final``: it never will."""

    def __init__(self, message: str, *, is_final: bool = False) -> None:
        super().__init__(message)
        self.message = message
        self.is_final = is_final


class MailUncertain(Exception):
    """The mail server may have taken it."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """A notification with its links."""

    notification: Notification
    content: Content
    links: Mapping[int, str]
    #: The link of an invitation to the staff; "" for every other message.
    invitation: str = ""

    def fill(self, text: str) -> str:
        filled = fill_links(text, self.links)
        return filled.replace(INVITATION_PLACE, self.invitation) if self.invitation else filled


def build_mail(letter: Letter) -> EmailMultiAlternatives:
    """Plain text and HTML, the codes as pictures in it and as files beside it; nothing in it is fetched."""
    row, content = letter.notification, letter.content
    mail = EmailMultiAlternatives(
        subject=row.subject,
        body=letter.fill(content.text),
        from_email=settings.DEFAULT_FROM_EMAIL,
        to=[row.address],
        reply_to=[settings.NOTIFICATION_REPLY_TO] if settings.NOTIFICATION_REPLY_TO else None,
        headers={
            "Message-ID": message_id(row),
            "Content-Language": row.language,
            # Nobody's holiday answers are wanted.
            "Auto-Submitted": "auto-generated",
            "X-Auto-Response-Suppress": "All",
        },
    )
    mail.attach_alternative(letter.fill(content.html), "text/html")
    for code in content.codes:
        picture = qr_png(code.lpa)
        inline = MIMEImage(picture, "png")
        inline.add_header("Content-ID", f"<{code.name}@roamdesk>")
        inline.add_header("Content-Disposition", "inline", filename=f"{code.name}-inline.png")
        mail.attach(inline)
        mail.attach(f"{code.name}.png", picture, "image/png")
    return mail


def message_id(row: Notification) -> str:
    """The same for the same row, whoever asks, and not to be guessed from its number."""
    domain = parseaddr(settings.DEFAULT_FROM_EMAIL)[1].rpartition("@")[2] or "roamdesk.invalid"
    mark = hashlib.sha256(f"{settings.SECRET_KEY}:{row.pk}:{row.key}".encode()).hexdigest()[:16]
    return f"<notification-{row.pk}-{mark}@{domain}>"


def send_mail(mail: EmailMultiAlternatives) -> None:
    """Hand it to the mail server. Raises ``MailRefused``, or ``MailUncertain`` where it may have been taken."""
    connection = get_connection()
    try:
        # Until the connection stands nothing can have been taken.
        connection.open()
    except (smtplib.SMTPException, OSError) as error:
        raise MailRefused(f"The mail server cannot be reached ({type(error).__name__}).") from error
    try:
        connection.send_messages([mail])
    except smtplib.SMTPRecipientsRefused as error:
        codes = [code for code, _words in error.recipients.values()]
        code = max(codes, default=0)
        words = f"The mail server refuses the address ({code})."
        raise MailRefused(words, is_final=code in _PERMANENT) from error
    except smtplib.SMTPResponseException as error:
        code = error.smtp_code
        if isinstance(error, smtplib.SMTPDataError) and code not in _REFUSALS:
            # It has the message, and says nothing that can be understood.
            raise MailUncertain(f"The mail server's answer to the message says nothing ({code}).") from error
        raise MailRefused(f"The mail server refuses the message ({code}).", is_final=code in _PERMANENT) from error
    except (smtplib.SMTPException, OSError) as error:
        words = f"The connection to the mail server ended before it answered ({type(error).__name__})."
        raise MailUncertain(words) from error
    finally:
        _close_quietly(connection)


def _close_quietly(connection: object) -> None:
    """What was taken is taken, whatever happens to the connection afterwards."""
    try:
        connection.close()  # type: ignore[attr-defined]
    except (smtplib.SMTPException, OSError):
        return
