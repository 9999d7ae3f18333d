"""Suspending and releasing from a phone that may send its request twice."""

from django.db import transaction

from customers.idempotency import Claim
from customers.models import User
from esims.actions import request_action
from esims.models import Esim, LineAction
from providers.types import Capability


def request_action_once(*, esim: Esim, capability: Capability, reason: str, by: User, claim: Claim) -> LineAction:
    """``request_action``, and once for the claim's key: a request whose process died finds what it had asked for.

    Raises ``ActionRefused`` (nothing is written then) and ``KeyInFlight``. Permissions are the caller's business.
    """
    reached = claim.reached.get("action")
    if reached is not None:
        return LineAction.objects.select_related("requested_by").get(pk=reached)
    with transaction.atomic():
        action = request_action(esim=esim, capability=capability, reason=reason, by=by)
        claim.keep_reached(action=action.pk)
    return action
