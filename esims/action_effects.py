"""Whether what was asked for a line has happened: the line is read until it shows that, or the time is over."""

from datetime import timedelta

from django.utils import timezone
from django.utils.translation import gettext as _

from esims.action_rules import RULES, ended_otherwise, shows_effect
from esims.action_steps import finish_action, move_action
from esims.events import EventKind
from esims.models import Esim, LineAction
from esims.refresh import refresh_line
from providers.errors import ProviderError, RateLimited
from providers.registry import configured_accounts
from providers.types import Priority

State = LineAction.State

#: How long we look for the effect after sending.
CONFIRM_WITHIN = timedelta(minutes=10)
LONGEST_WAIT = timedelta(minutes=1)


def start_looking(action: LineAction, *, code: str = "", error: str = "", refunded: bool | None = None) -> bool:
    """From now on the line is read until it shows the effect. Where nothing can be seen of it, nobody will know."""
    now = timezone.now()
    if not RULES[action.capability].shows:
        message = _("No answer came: it may have been sent.") + f" {error}"
        return finish_action(action, State.UNKNOWN, code=code, message=message.strip())
    return move_action(
        action,
        State.NOT_CONFIRMED,
        event=EventKind.ACTION_SENT,
        message=error,
        next_attempt_at=now + back_off(0),
        deadline_at=now + CONFIRM_WITHIN,
        checks=0,
        error_code=code[:60],
        error=error[:300],
        refunded=refunded,
    )


def give_up_waiting(action: LineAction) -> bool:
    """The worker that was sending died: whether the request left is not known."""
    return start_looking(action, code="worker_died", error=_("The worker stopped while sending."))


def look_for_effect(action: LineAction) -> None:
    """Read the line once: confirmed, or look again later, or the time is over."""
    esim, wait, trouble = action.esim, back_off(action.checks + 1), action.error
    if not _is_confirmed(action, esim) and action.esim.account.slug in configured_accounts():
        try:
            esim = refresh_line(esim_id=action.esim_id, priority=Priority.PEOPLE, by="actions")
        except RateLimited as error:
            wait = error.retry_after
        except ProviderError as error:
            trouble = error.message
    if _is_confirmed(action, esim):
        finish_action(action, State.CONFIRMED)
        return
    now = timezone.now()
    if action.deadline_at is not None and now >= action.deadline_at:
        message = _say_what_shows(action, esim)
        finish_action(action, State.UNKNOWN, code=action.error_code, message=f"{message} {trouble}".strip())
        return
    next_at = min(now + wait, action.deadline_at) if action.deadline_at else now + wait
    LineAction.objects.filter(pk=action.pk, state=State.NOT_CONFIRMED).update(
        checks=action.checks + 1, next_attempt_at=next_at, error=trouble[:300]
    )


def _say_what_shows(action: LineAction, esim: Esim) -> str:
    if not _is_newer(action, esim):
        return _("The provider has reported nothing newer about the line.")
    if ended_otherwise(action.capability, esim):
        return _("The line was ended in another way, not by this: nothing says that the provider gave its cost back.")
    return _("The provider's reports still show the line as before.")


def _is_newer(action: LineAction, esim: Esim) -> bool:
    """Whether the provider's stamp is later than its stamp at our look before sending: one clock, no skew."""
    mark = action.looked_as_of or action.sent_at
    return mark is not None and esim.state_as_of is not None and esim.state_as_of > mark


def _is_confirmed(action: LineAction, esim: Esim) -> bool:
    """The effect shows, and it did not at our look before sending: also under the same stamp that is a change since."""
    if action.package is not None:
        action.package.refresh_from_db()
    shown = shows_effect(action.capability, esim, action.package)
    same = action.looked_as_of is not None and esim.state_as_of == action.looked_as_of
    return shown and (same or _is_newer(action, esim))


def back_off(count: int) -> timedelta:
    """1, 2, 4, 8, … seconds, a minute at most."""
    return min(timedelta(seconds=2 ** min(count, 6)), LONGEST_WAIT)
