"""The message by which staff are invited: a stored row as every other, whose link is made when it is sent."""

from django.conf import settings
from django.utils import timezone, translation

from customers.inviting import invitation_address
from customers.models import StaffInvitation, User
from customers.roles import find_role
from esims.states import instant_words
from orders.models import Notification
from orders.notice_content import INVITATION_PLACE
from orders.notice_words import choose_language, compose

KIND = Notification.Kind.INVITATION
#: Stored in the row and retold by pages (config/retelling.py).
REPLACED = "A newer invitation has taken its place."


def write_invitation(invitation: StaffInvitation) -> Notification:
    """Write the message for this sending of the invitation, within the caller's transaction; those of before that wait
    are not sent any more.
    """
    user, language = invitation.user, choose_language(invitation.user.language)
    waiting = Notification.objects.filter(user=user, kind=KIND, state=Notification.State.PLANNED)
    waiting.update(state=Notification.State.SKIPPED, next_attempt_at=None, error=REPLACED)
    role = find_role(user)
    with translation.override(language), timezone.override(timezone.get_default_timezone()):
        words = {
            "by": invitation.invited_by,
            "address": user.email,
            "role": str(role.label) if role else "",
            "does": str(role.does) if role else "",
            "until": instant_words(invitation.expires_at),
            "second_factor": settings.STAFF_MFA_REQUIRED,
            "invitation": INVITATION_PLACE,
        }
    message = compose(KIND, words, language=language, receiver=user.get_full_name())
    return Notification.objects.create(
        audience=Notification.Audience.STAFF,
        kind=KIND,
        channel=Notification.Channel.EMAIL,
        key=f"invitation:{invitation.pk}:{invitation.round}",
        user=user,
        asked_by=invitation.invited_by,
        language=language,
        address=user.email,
        subject=message.subject,
        content=message.content.pack(),
        facts={"invitation": invitation.pk, "round": invitation.round},
        next_attempt_at=timezone.now(),
    )


def find_last_message(user: User) -> Notification | None:
    """The newest invitation by which this person was told; without its content."""
    return Notification.objects.filter(user=user, kind=KIND).defer("content").order_by("-pk").first()


def find_link_of(row: Notification) -> str:
    """The link that goes into the message; "" for one that is no invitation."""
    if row.kind != KIND:
        return ""
    return invitation_address(invitation_id=row.facts["invitation"], number=row.facts["round"])
