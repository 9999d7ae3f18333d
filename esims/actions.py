"""Suspend and release: asked of the provider once, believed only when the line itself shows it.

planned ──look, claim──▶ sending ──▶ not_confirmed ──▶ confirmed
  ▲  │                     │  │            └─────────▶ unknown      nothing newer showed it in time
  │  └──▶ rejected         │  └──▶ rejected                         the provider said no
  └── not sent, 429 ◀──────┘

The line is read before anything is sent, and afterwards until the provider reports something newer than that look: the
reply of the action is not trusted (eSIM Commerce answers with the old state), and a status may be a cached copy. After
a lost answer, or a worker that died while sending, the line is read as well; nothing is ever sent a second time.
"""

from datetime import datetime, timedelta
from time import monotonic

import structlog
from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext as _
from django_q.tasks import async_task

from customers.models import User
from esims.action_rules import shows_effect, why_not
from esims.action_steps import finish_action, move_action, postpone_action, take_turn
from esims.events import EventKind, make_event
from esims.models import Esim, LineAction
from esims.refresh import refresh_line
from providers.errors import NotSent, OutcomeUnknown, ProviderError, RateLimited, Rejected
from providers.registry import configured_accounts, get_provider, offers
from providers.types import Capability, ControlRequest, Priority

log = structlog.get_logger(__name__)

State = LineAction.State

#: How long an action that cannot be sent is tried; then it ends, and nothing was sent.
SEND_WITHIN = timedelta(minutes=30)
#: How long we look for the effect after sending.
CONFIRM_WITHIN = timedelta(minutes=10)
_LONGEST_WAIT = timedelta(minutes=1)


class ActionRefused(Exception):
    """Nothing was asked of the provider; ``message`` says why, in the reader's language."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


def request_action(*, esim: Esim, capability: Capability, reason: str, by: User) -> LineAction:
    """Plan an action on a line and put its job into the queue, in one transaction.

    Permissions are the caller's business. Raises ``ActionRefused``: not offered, paused, not in this state, or another
    action of this line is under way. The worker looks at the line afresh before anything is sent.
    """
    why = why_refused(esim, capability)
    if why:
        raise ActionRefused(why)
    now = timezone.now()
    with transaction.atomic():
        try:
            with transaction.atomic():
                action = LineAction.objects.create(
                    esim=esim, kind=capability.value, reason=reason.strip()[:300], requested_by=by, next_attempt_at=now
                )
        except IntegrityError as error:
            raise ActionRefused(_("Something else is under way for this line: wait until it has ended.")) from error
        facts = {"action": capability.value}
        make_event(esim, EventKind.ACTION_ASKED, by=by.email, why=action.reason, facts=facts).save()
        async_task("esims.tasks.run_action", action.pk, cluster=settings.QUEUES["orders"])
    return action


def why_refused(esim: Esim, capability: Capability) -> str:
    """Why ``request_action`` would refuse, going by what is stored; in the reader's language, "" where it would not.

    Another action that is under way is not looked for.
    """
    if not offers(esim.account.slug, capability):
        return _("This provider does not offer that, or its account is not set up.")
    if esim.account.is_paused:
        return _("Calls to this provider are paused by staff.")
    return _why_not_now(esim, capability)


def _why_not_now(esim: Esim, capability: Capability) -> str:
    return why_not(capability, esim)


def run_action(*, action_id: int) -> LineAction:
    """Do the next step of an action if it is due; returns it as it then is. Safe to run at any time, any number of
    times, by any number of workers. Not to be called inside a transaction.
    """
    action = LineAction.objects.select_related("esim__account").get(pk=action_id)
    now = timezone.now()
    if action.state == State.SENDING:
        if action.deadline_at is not None and action.deadline_at <= now:
            _give_up_waiting(action)
    elif action.state in LineAction.OPEN and action.next_attempt_at is not None and action.next_attempt_at <= now:
        turn = take_turn(action)
        if turn is not None:
            if action.state == State.PLANNED:
                _look_and_send(action, turn)
            else:
                _look_for_effect(action)
    return LineAction.objects.select_related("esim__account").get(pk=action_id)


def run_due_actions(*, limit: int | None = None, seconds: float = 5.0) -> int:
    """Do the due steps of all actions, the longest due first, for at most ``seconds``. Returns how many were done."""
    end, done, tried = monotonic() + seconds, 0, set[int]()
    while limit is None or done < limit:
        now = timezone.now()
        due = Q(state__in=(State.PLANNED, State.NOT_CONFIRMED), next_attempt_at__lte=now) | Q(
            state=State.SENDING, deadline_at__lte=now
        )
        ids = (
            LineAction.objects.filter(due, state__in=LineAction.OPEN)
            .exclude(pk__in=tried)
            .order_by("next_attempt_at", "pk")
        )
        action_id = ids.values_list("pk", flat=True).first()
        if action_id is None or monotonic() >= end:
            break
        tried.add(action_id)
        run_action(action_id=action_id)
        done += 1
    return done


def sweep_actions() -> int:
    """Take over actions whose worker died while sending: from now on the line is looked at. Returns how many."""
    overdue = LineAction.objects.filter(state=State.SENDING, deadline_at__lte=timezone.now())
    return sum(_give_up_waiting(action) for action in overdue.select_related("esim"))


# -- before sending ---------------------------------------------------------------------------------------------------


def _look_and_send(action: LineAction, turn: datetime) -> None:
    """Read the line, see whether the action still makes sense, and send it, once."""
    now = timezone.now()
    slug, capability = action.esim.account.slug, action.capability
    if now - action.requested_at > SEND_WITHIN:
        last = f" {action.error}" if action.error else ""
        finish_action(
            action,
            State.REJECTED,
            code="not_sent",
            message=_("It could not be sent in time; nothing was sent.") + last,
        )
        return
    if slug not in configured_accounts() or action.esim.account.is_paused:
        postpone_action(action, wait=_LONGEST_WAIT, error=_("The provider account is paused or not set up."))
        return
    try:
        esim = refresh_line(esim_id=action.esim_id, priority=Priority.PEOPLE, by="actions")
    except RateLimited as error:
        postpone_action(action, wait=error.retry_after)
        return
    except Rejected as error:
        finish_action(action, State.REJECTED, code=error.code, message=error.message)
        return
    except ProviderError as error:
        postpone_action(action, wait=_backoff(action.attempts), error=error.message, attempted=True)
        return
    why = _why_not_now(esim, capability)
    if why:
        finish_action(action, State.REJECTED, code="state", message=_("Nothing was sent.") + f" {why}")
        return
    _send(action, turn, looked_as_of=esim.state_as_of)


def _send(action: LineAction, turn: datetime, *, looked_as_of: datetime | None) -> None:
    provider, capability = get_provider(action.esim.account.slug), action.capability
    lease = timedelta(seconds=settings.HTTP_CONNECT_TIMEOUT + settings.HTTP_READ_TIMEOUT + 30)
    now = timezone.now()
    claimed = LineAction.objects.filter(pk=action.pk, state=State.PLANNED, next_attempt_at=turn).update(
        state=State.SENDING,
        attempts=action.attempts + 1,
        looked_as_of=looked_as_of,
        sent_at=now,
        deadline_at=now + lease,
        next_attempt_at=None,
    )
    if not claimed:
        # Our turn ran out while we looked: somebody else has taken the action over.
        return
    action.refresh_from_db()
    try:
        request = ControlRequest(provider_ref=action.esim.provider_ref, capability=capability, iccid=action.esim.iccid)
        provider.read_control_reply(provider.send_control(request), capability)
    except NotSent as error:
        postpone_action(action, wait=_backoff(action.attempts - 1), error=error.message)
    except RateLimited as error:
        postpone_action(action, wait=error.retry_after, error=error.message)
    except Rejected as error:
        finish_action(action, State.REJECTED, code=error.code, message=error.message)
    except OutcomeUnknown as error:
        _start_looking(action, code=error.code, error=error.message)
    else:
        _start_looking(action)


def _start_looking(action: LineAction, *, code: str = "", error: str = "") -> bool:
    """From now on the line is read until it shows the effect."""
    now = timezone.now()
    return move_action(
        action,
        State.NOT_CONFIRMED,
        event=EventKind.ACTION_SENT,
        message=error,
        next_attempt_at=now + _backoff(0),
        deadline_at=now + CONFIRM_WITHIN,
        checks=0,
        error_code=code[:60],
        error=error[:300],
    )


def _give_up_waiting(action: LineAction) -> bool:
    """The worker that was sending died: whether the request left is not known."""
    return _start_looking(action, code="worker_died", error=_("The worker stopped while sending."))


# -- after sending ----------------------------------------------------------------------------------------------------


def _look_for_effect(action: LineAction) -> None:
    """Read the line once: confirmed, or look again later, or the time is over."""
    esim, wait, trouble = action.esim, _backoff(action.checks + 1), action.error
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
        message = (
            _("The provider's reports still show the line as before.")
            if _is_newer(action, esim)
            else _("The provider has reported nothing newer about the line.")
        )
        finish_action(action, State.UNKNOWN, code=action.error_code, message=f"{message} {trouble}".strip())
        return
    next_at = min(now + wait, action.deadline_at) if action.deadline_at else now + wait
    LineAction.objects.filter(pk=action.pk, state=State.NOT_CONFIRMED).update(
        checks=action.checks + 1, next_attempt_at=next_at, error=trouble[:300]
    )


def _is_newer(action: LineAction, esim: Esim) -> bool:
    """Whether the provider's stamp is later than its stamp at our look before sending: one clock, no skew."""
    mark = action.looked_as_of or action.sent_at
    return mark is not None and esim.state_as_of is not None and esim.state_as_of > mark


def _is_confirmed(action: LineAction, esim: Esim) -> bool:
    """The effect shows, and it did not at our look before sending: also under the same stamp that is a change since."""
    shown = shows_effect(action.capability, esim)
    same = action.looked_as_of is not None and esim.state_as_of == action.looked_as_of
    return shown and (same or _is_newer(action, esim))


def _backoff(count: int) -> timedelta:
    """1, 2, 4, 8, … seconds, a minute at most."""
    return min(timedelta(seconds=2 ** min(count, 6)), _LONGEST_WAIT)
