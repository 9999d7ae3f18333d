"""Doing once what is asked for more than once: the keys that callers give their requests (docs/api.md).

The claim is committed before the work begins, so that a second request with the key is told to wait. The work says, in
its own transaction, what it has reached: when its process dies, the next request with the key goes on from there.
"""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import F, Q
from django.utils import timezone

from customers.models import IdempotencyKey, User


class KeyReused(Exception):
    """The key belongs to another request of the same person."""


class KeyInFlight(Exception):
    """The first request with the key is still being worked on; ``wait`` seconds are a good time to ask again."""

    def __init__(self, wait: float = 2.0) -> None:
        super().__init__()
        self.wait = wait


@dataclass(frozen=True)
class Answer:
    """What is answered to a request; ``body`` is JSON."""

    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)
    is_repeated: bool = False


@dataclass(frozen=True)
class Claim:
    """The right to do the work of one key. ``reached`` is what an earlier claim, whose process died, had reached."""

    pk: int
    turn: int
    reached: Mapping[str, Any]

    def keep_reached(self, **ids: Any) -> None:
        """Call it in the transaction that reaches something, such as the making of an order: both or neither happen.

        Raises :class:`KeyInFlight` where another has taken the claim over: the transaction must be rolled back.
        """
        _write(self, reached={**self.reached, **ids})


def digest_request(*, method: str, path: str, data: Any) -> str:
    """Requests with the same digest ask for the same thing, whatever the spaces and the order in their JSON."""
    body = json.dumps(data, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(f"{method}\n{path}\n{body}".encode()).hexdigest()


def answer_once(
    *, user: User, key: str, digest: str, work: Callable[[Claim], Answer], is_final: Callable[[Answer], bool]
) -> Answer:
    """Do ``work`` unless it is done; its answer is kept where ``is_final`` says so, and given to all who ask again.

    An answer that is not final, or an exception, leaves the key free: the next request with it works again, from what
    was reached. Must not be called inside a transaction. Raises :class:`KeyReused`, :class:`KeyInFlight`.
    """
    claimed = _claim(user=user, key=key, digest=digest)
    if isinstance(claimed, Answer):
        return claimed
    try:
        answer = work(claimed)
    except BaseException:
        _release(claimed)
        raise
    if not is_final(answer):
        _release(claimed)
        return answer
    _write(claimed, status=answer.status, headers=dict(answer.headers), answer=answer.body, claimed_at=None)
    return answer


def delete_old_keys() -> int:
    """Delete what is older than ``IDEMPOTENCY_DAYS``; returns how many."""
    oldest = timezone.now() - timedelta(days=settings.IDEMPOTENCY_DAYS)
    deleted: int = IdempotencyKey.objects.filter(created_at__lt=oldest).delete()[0]
    return deleted


def _claim(*, user: User, key: str, digest: str) -> Claim | Answer:
    now = timezone.now()
    try:
        with transaction.atomic():
            row = IdempotencyKey.objects.create(user=user, key=key, digest=digest, claimed_at=now)
    except IntegrityError:
        return _claim_again(user=user, key=key, digest=digest)
    return Claim(row.pk, row.turn, {})


def _claim_again(*, user: User, key: str, digest: str) -> Claim | Answer:
    """The key is there: its answer, or the claim of somebody who left or died."""
    row = IdempotencyKey.objects.filter(user=user, key=key).first()
    if row is None:
        raise KeyInFlight  # it was given back this moment
    if row.digest != digest:
        raise KeyReused
    if row.status is not None:
        return Answer(row.status, row.answer or b"", row.headers, is_repeated=True)
    now = timezone.now()
    dead = Q(claimed_at__isnull=True) | Q(claimed_at__lt=now - timedelta(seconds=settings.IDEMPOTENCY_CLAIM_SECONDS))
    taken = IdempotencyKey.objects.filter(dead, pk=row.pk, turn=row.turn, status__isnull=True).update(
        claimed_at=now, turn=F("turn") + 1
    )
    if not taken:
        raise KeyInFlight
    # What was reached is read after the claim: the one before may have gone further meanwhile.
    reached = IdempotencyKey.objects.values_list("reached", flat=True).get(pk=row.pk)
    return Claim(row.pk, row.turn + 1, reached)


def _write(claim: Claim, **values: Any) -> None:
    if not IdempotencyKey.objects.filter(pk=claim.pk, turn=claim.turn, status__isnull=True).update(**values):
        raise KeyInFlight


def _release(claim: Claim) -> None:
    """Nothing was reached: the key is as if it had never been used. Else only who goes on with the same may use it."""
    mine = IdempotencyKey.objects.filter(pk=claim.pk, turn=claim.turn, status__isnull=True)
    if not mine.filter(reached={}).delete()[0]:
        mine.update(claimed_at=None)
