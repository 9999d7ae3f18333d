"""The one place where an action's row changes: which step may follow which, and what the timeline says of it."""

from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from esims.events import EventKind, make_event
from esims.models import Esim, LineAction

State = LineAction.State

#: Allowed steps of state.
STEPS: dict[str, frozenset[str]] = {
    State.PLANNED: frozenset({State.PLANNED, State.SENDING, State.REJECTED}),
    # At once confirmed or unknown: what leaves no trace on the line (an SMS).
    State.SENDING: frozenset({State.PLANNED, State.NOT_CONFIRMED, State.REJECTED, State.CONFIRMED, State.UNKNOWN}),
    State.NOT_CONFIRMED: frozenset({State.CONFIRMED, State.UNKNOWN}),
}
_FINAL_EVENTS = {
    State.CONFIRMED: EventKind.ACTION_CONFIRMED,
    State.REJECTED: EventKind.ACTION_REJECTED,
    State.UNKNOWN: EventKind.ACTION_UNKNOWN,
}


def take_turn(action: LineAction) -> datetime | None:
    """Claim the action's next step; None when another worker has it. The returned stamp is the proof."""
    # Two calls may fit into a turn: the look and what follows it.
    lease = timedelta(seconds=2 * (settings.HTTP_CONNECT_TIMEOUT + settings.HTTP_READ_TIMEOUT) + 30)
    until = timezone.now() + lease
    mine = LineAction.objects.filter(pk=action.pk, state=action.state, next_attempt_at=action.next_attempt_at)
    return until if mine.update(next_attempt_at=until) else None


def move_action(action: LineAction, to: str, *, event: EventKind | None, message: str = "", **fields: Any) -> bool:
    """Change the action's state as the table allows, with one timeline row. False when it has moved on meanwhile."""
    with transaction.atomic():
        row = LineAction.objects.select_for_update(of=("self",)).select_related("esim", "package").get(pk=action.pk)
        if row.state != action.state or to not in STEPS.get(row.state, frozenset()):
            return False
        row.state = to
        for name, value in fields.items():
            setattr(row, name, value)
        row.save(update_fields=["state", *fields])
        if event is not None:
            facts = {**action_facts(row), "message": message, "code": fields.get("error_code", "")}
            make_event(row.esim, event, by="actions", why=row.reason, facts=facts).save()
    return True


def action_facts(action: LineAction) -> dict[str, Any]:
    """What the timeline says of an action: never an SMS's text, which may be personal."""
    facts: dict[str, Any] = {"action": action.kind}
    if action.package is not None:
        facts["package"] = action.package.name
    if action.refunded is not None:
        facts["refunded"] = action.refunded
    return facts


def finish_action(
    action: LineAction, to: State, *, code: str = "", message: str = "", refunded: bool | None = None
) -> bool:
    """End the action for good; the line is read again soon, whatever came of it."""
    now = timezone.now()
    fields: dict[str, Any] = {
        "next_attempt_at": None,
        "finished_at": now,
        "error_code": code[:60],
        "error": message[:300],
    }
    if refunded is not None:
        fields["refunded"] = refunded
    moved = move_action(action, to, event=_FINAL_EVENTS[to], message=message[:300], **fields)
    if moved and to is not State.CONFIRMED and code != "not_sent":
        Esim.objects.filter(pk=action.esim_id, next_refresh_at__gt=now).update(next_refresh_at=now)
    return moved


def postpone_action(action: LineAction, *, wait: timedelta, error: str = "", attempted: bool = False) -> bool:
    """Nothing was sent: back to ``planned``, to be tried after ``wait``. ``attempted`` lengthens the next wait."""
    return move_action(
        action,
        State.PLANNED,
        event=None,
        next_attempt_at=timezone.now() + wait,
        sent_at=None,
        deadline_at=None,
        attempts=action.attempts + (1 if attempted else 0),
        error=error[:300],
    )


def settle_action(*, action: LineAction, by: str, why: str) -> bool:
    """A person has looked what came of an action without an answer: it waits for nobody more. Twice does nothing."""
    with transaction.atomic():
        row = LineAction.objects.select_for_update(of=("self",)).select_related("esim", "package").get(pk=action.pk)
        if row.state != State.UNKNOWN or row.settled_at is not None:
            return False
        row.settled_at, row.settled_by = timezone.now(), by
        row.save(update_fields=["settled_at", "settled_by"])
        make_event(row.esim, EventKind.ACTION_SETTLED, by=by, why=why.strip(), facts=action_facts(row)).save()
    return True
