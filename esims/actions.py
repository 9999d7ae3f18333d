"""What is asked of a provider for a line (suspend, cancel, an SMS, …): once, and believed only when the line shows it.

planned ──look, claim──▶ sending ──▶ not_confirmed ──▶ confirmed
  ▲  │                     │ │ │           └─────────▶ unknown      nothing newer showed it in time
  │  └──▶ rejected         │ │ └──▶ confirmed | unknown              an SMS: there is nothing to look for
  └── not sent, 429 ◀──────┘ └──▶ rejected                           the provider said no

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
from esims.action_effects import LONGEST_WAIT, back_off, give_up_waiting, look_for_effect, start_looking
from esims.action_rules import LONGEST_MESSAGE, RULES, is_suspended, why_not
from esims.action_steps import action_facts, finish_action, postpone_action, take_turn
from esims.events import EventKind, make_event
from esims.link_places import fill_links, find_places
from esims.links import forget_links, make_links
from esims.models import Esim, LineAction, Package
from esims.refresh import refresh_line
from providers.errors import NotSent, OutcomeUnknown, ProviderError, RateLimited, Rejected
from providers.registry import configured_accounts, get_provider, offers
from providers.types import Capability, ControlRequest, Priority

log = structlog.get_logger(__name__)

State = LineAction.State

#: How long an action that cannot be sent is tried; then it ends, and nothing was sent.
SEND_WITHIN = timedelta(minutes=30)


class ActionRefused(Exception):
    """Nothing was asked of the provider; ``message`` says why, in the reader's language."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


def request_action(
    *,
    esim: Esim,
    capability: Capability,
    reason: str,
    by: User | str,
    package: Package | None = None,
    message: str = "",
) -> LineAction:
    """Plan an action on a line (on its ``package``, where the provider acts on packages; ``message`` is an SMS's
    text) and put its job into the queue, in one transaction. A text of ours may hold places (``esims.link_places``).

    ``by``: a person, or the name of a job of ours. Permissions are the caller's business. Raises ``ActionRefused``:
    not offered, paused, not in this state, or another action of this line is under way (an SMS holds up an SMS alone).
    The worker looks at the line afresh before anything is sent.
    """
    why = why_refused(esim, capability, package) or _why_not_text(capability, message)
    if why:
        raise ActionRefused(why)
    if capability is Capability.SMS and isinstance(by, str) and esim.actions.filter(state__in=LineAction.OPEN).exists():
        # A job's message waits for whatever a person has asked for.
        raise ActionRefused(say_under_way())
    now = timezone.now()
    with transaction.atomic():
        try:
            with transaction.atomic():
                action = LineAction.objects.create(
                    esim=esim,
                    kind=capability.value,
                    package=package if RULES[capability].on_package else None,
                    message=message.strip(),
                    reason=reason.strip()[:300],
                    requested_by=by if isinstance(by, User) else None,
                    next_attempt_at=now,
                )
        except IntegrityError as error:
            raise ActionRefused(say_under_way()) from error
        who = by.email if isinstance(by, User) else by
        make_event(esim, EventKind.ACTION_ASKED, by=who, why=action.reason, facts=action_facts(action)).save()
        async_task("esims.tasks.run_action", action.pk, cluster=settings.QUEUES["orders"])
    return action


def why_refused(esim: Esim, capability: Capability, package: Package | None = None) -> str:
    """Why ``request_action`` would refuse, going by what is stored; in the reader's language, "" where it would not.

    Another action that is under way is not looked for.
    """
    if capability not in RULES or not offers(esim.account.slug, capability):
        return _("This provider does not offer that, or its account is not set up.")
    if esim.account.is_paused:
        return _("Calls to this provider are paused by staff.")
    return why_not(capability, esim, package)


def _why_not_text(capability: Capability, message: str) -> str:
    if capability is not Capability.SMS:
        return ""
    if not message.strip():
        return _("Write what the SMS is to say.")
    if len(message.strip()) > LONGEST_MESSAGE:
        return _("An SMS has at most %(count)s characters.") % {"count": LONGEST_MESSAGE}
    return ""


def run_action(*, action_id: int) -> LineAction:
    """Do the next step of an action if it is due; returns it as it then is. Safe to run at any time, any number of
    times, by any number of workers. Not to be called inside a transaction.
    """
    action = _find_action(action_id)
    now = timezone.now()
    if action.state == State.SENDING:
        if action.deadline_at is not None and action.deadline_at <= now:
            give_up_waiting(action)
    elif action.state in LineAction.OPEN and action.next_attempt_at is not None and action.next_attempt_at <= now:
        turn = take_turn(action)
        if turn is not None:
            if action.state == State.PLANNED:
                _look_and_send(action, turn)
            else:
                look_for_effect(action)
    return _find_action(action_id)


def _find_action(action_id: int) -> LineAction:
    return LineAction.objects.select_related("esim__account", "package").get(pk=action_id)


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
    return sum(give_up_waiting(action) for action in overdue.select_related("esim", "package"))


# -- before sending ---------------------------------------------------------------------------------------------------


def _look_and_send(action: LineAction, turn: datetime) -> None:
    """Read the line, see whether the action still makes sense, and send it, once."""
    now = timezone.now()
    if now - action.requested_at > SEND_WITHIN:
        last = f" {action.error}" if action.error else ""
        finish_action(
            action,
            State.REJECTED,
            code="not_sent",
            message=_("It could not be sent in time; nothing was sent.") + last,
        )
        return
    if later := _why_later(action):
        postpone_action(action, wait=LONGEST_WAIT, error=later)
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
        postpone_action(action, wait=back_off(action.attempts), error=error.message, attempted=True)
        return
    if action.package is not None:
        action.package.refresh_from_db()
    why = why_not(action.capability, esim, action.package)
    if not why and _is_notice(action) and is_suspended(esim):
        # The phone may be in other hands.
        why = _("The line is suspended.")
    if why:
        finish_action(action, State.REJECTED, code="state", message=_("Nothing was sent.") + f" {why}")
        return
    _send(action, turn, looked_as_of=esim.state_as_of)


def _why_later(action: LineAction) -> str:
    """Why nothing is sent now; "" where it can be."""
    if action.esim.account.slug not in configured_accounts() or action.esim.account.is_paused:
        return _("The provider account is paused or not set up.")
    if not _is_notice(action):
        return ""
    # What a person has asked for first: it may be a suspension.
    others = LineAction.objects.filter(esim=action.esim_id, state__in=LineAction.OPEN).exclude(pk=action.pk)
    return say_under_way() if others.exists() else ""


def say_under_way() -> str:
    """Why nothing more is asked for a line while an action of it is open."""
    return _("Something else is under way for this line: wait until it has ended.")


def _is_notice(action: LineAction) -> bool:
    """Whether it is a message that a job has written."""
    return action.capability is Capability.SMS and action.requested_by_id is None


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
    made_for = f"action:{action.pk}:{action.attempts}"
    request = _write_request(action, made_for)
    try:
        outcome = provider.read_control_reply(provider.send_control(request), capability)
    except NotSent as error:
        forget_links(made_for=made_for)
        postpone_action(action, wait=back_off(action.attempts - 1), error=error.message)
    except RateLimited as error:
        forget_links(made_for=made_for)
        postpone_action(action, wait=error.retry_after, error=error.message)
    except Rejected as error:
        forget_links(made_for=made_for)
        finish_action(action, State.REJECTED, code=error.code, message=error.message)
    except OutcomeUnknown as error:
        start_looking(action, code=error.code, error=error.message)
    else:
        if RULES[capability].shows:
            start_looking(action, refunded=outcome.refund)
        else:
            # It was taken, and nothing else is ever to be seen of it.
            finish_action(action, State.CONFIRMED, refunded=outcome.refund)


def _write_request(action: LineAction, made_for: str) -> ControlRequest:
    """Fresh links are made here, for what a job writes alone: what a person wrote is sent as it reads."""
    package, message = action.package, action.message
    if action.requested_by_id is None and (places := find_places(message)):
        with transaction.atomic():
            message = fill_links(message, make_links(esim_ids=places, made_for=made_for))
    return ControlRequest(
        provider_ref=action.esim.provider_ref,
        capability=action.capability,
        iccid=action.esim.iccid,
        package_ref=package.package_ref if package else "",
        order_ref=package.order_ref if package else action.esim.order_ref,
        message=message,
    )
