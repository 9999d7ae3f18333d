"""What a person asks about an account, done by a worker: one row each, asked for once at a time.

Setting the webhook address is the reason for this: the provider calls that address before it answers, and a request of
ours that waited for it would wait for itself.
"""

from collections.abc import Callable, Mapping
from datetime import timedelta

import structlog
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db import IntegrityError, transaction
from django.db.models import Q
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django_q.tasks import async_task

from providers.balances import record_balance
from providers.base import Provider
from providers.errors import ProviderError
from providers.models import AccountTask, ProviderAccount
from providers.redaction import MASK, mask_hook_secrets
from providers.regions import record_regions
from providers.registry import get_provider, offers
from providers.types import Capability

log = structlog.get_logger(__name__)
Kind, State = AccountTask.Kind, AccountTask.State

#: What an account has to offer for each; None: nothing special.
NEEDS: Mapping[str, Capability | None] = {
    Kind.CHECK: None,
    Kind.BALANCE: Capability.BALANCE,
    Kind.REGIONS: Capability.REGIONS,
    Kind.WEBHOOK_READ: Capability.WEBHOOK_SETUP,
    Kind.WEBHOOK_SAVE: Capability.WEBHOOK_SETUP,
}
#: A task whose worker died counts as failed after so long.
STALE_AFTER = timedelta(minutes=15)


class TaskRefused(Exception):
    """Nothing was asked; ``message`` says why, in the reader's language."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


def request_task(*, account: ProviderAccount, kind: str, asked_by: str) -> AccountTask:
    """Have a worker do it; the open task of the same kind where there is one. Raises ``TaskRefused``."""
    if refusal := why_refused(account, kind):
        raise TaskRefused(refusal)
    _fail_stale(account)
    try:
        with transaction.atomic():
            task = AccountTask.objects.create(account=account, kind=kind, asked_by=asked_by)
            async_task("providers.tasks.run_account_task", task.pk, cluster=settings.QUEUES["catalogue"])
    except IntegrityError:
        # It waits or runs already.
        return AccountTask.objects.filter(account=account, kind=kind).order_by("-pk")[0]
    return task


def why_refused(account: ProviderAccount, kind: str) -> str:
    """Why ``request_task`` would refuse, in the reader's language; "" where it would not."""
    needed = NEEDS[kind]
    if needed is not None and not offers(account.slug, needed):
        return _("This is not offered by this provider, or its account is not set up.")
    if account.is_paused:
        return _("Calls to this provider are paused by staff.")
    return ""


def run_account_task(*, task_id: int) -> AccountTask:
    """Do a waiting task and record what came of it. Safe to run twice: it is claimed once."""
    claimed = AccountTask.objects.filter(pk=task_id, state=State.WAITING).update(
        state=State.RUNNING, started_at=timezone.now()
    )
    task = AccountTask.objects.select_related("account").get(pk=task_id)
    if not claimed:
        return task
    try:
        provider = get_provider(task.account.slug)
        task.result = _WORK[task.kind](provider, task.account)[:500]
        task.state = State.DONE
    except ProviderError as error:
        task.state, task.error, task.error_code = State.FAILED, error.message[:300], error.code[:60]
    except ImproperlyConfigured as error:
        task.state, task.error = State.FAILED, str(error)[:300]
    except Exception as error:
        task.state, task.error = State.FAILED, f"our program failed ({type(error).__name__})"
        _close(task)
        raise
    _close(task)
    return task


def find_webhook_address(provider: Provider) -> str:
    """The address at which this provider should call us. Its secret part makes it a secret."""
    secret = provider.webhook_secret
    path = (
        reverse("webhook-secret", args=[provider.account, secret])
        if secret
        else reverse("webhook", args=[provider.account])
    )
    return f"{settings.SITE_URL.rstrip('/')}{path}"


def mask_webhook_address(provider: Provider, address: str) -> str:
    """An address as it may be shown and kept: also where it is another office's, or holds a secret of yesterday."""
    own = address.replace(provider.webhook_secret, MASK) if provider.webhook_secret else address
    return mask_hook_secrets(own)


def _close(task: AccountTask) -> None:
    task.finished_at = timezone.now()
    task.save(update_fields=["state", "result", "error", "error_code", "finished_at"])


def _fail_stale(account: ProviderAccount) -> None:
    old = timezone.now() - STALE_AFTER
    dead = Q(state=State.RUNNING, started_at__lt=old) | Q(state=State.WAITING, created_at__lt=old)
    AccountTask.objects.filter(dead, account=account).update(
        state=State.FAILED, error="the worker stopped", finished_at=timezone.now()
    )


# -- the work ---------------------------------------------------------------------------------------------------------
# Results are English here; pages retell them in the reader's language.


def _check(provider: Provider, account: ProviderAccount) -> str:
    del account
    provider.check()
    return "it answers"


def _read_balance(provider: Provider, account: ProviderAccount) -> str:
    reading = record_balance(account=account, balance=provider.read_balance())
    return f"{reading.amount.normalize():f} {reading.currency}"


def _read_regions(provider: Provider, account: ProviderAccount) -> str:
    return f"{record_regions(account=account, regions=provider.read_regions())} regions"


def _read_webhook(provider: Provider, account: ProviderAccount) -> str:
    address = provider.read_webhook_address()
    shown = mask_webhook_address(provider, address)
    ProviderAccount.objects.filter(pk=account.pk).update(webhook_address=shown[:500], webhook_address_at=timezone.now())
    if not address:
        return "no address is set"
    return "our address is set" if address == find_webhook_address(provider) else "another address is set"


def _save_webhook(provider: Provider, account: ProviderAccount) -> str:
    provider.save_webhook_address(find_webhook_address(provider))
    return _read_webhook(provider, account)


_WORK: Mapping[str, Callable[[Provider, ProviderAccount], str]] = {
    Kind.CHECK: _check,
    Kind.BALANCE: _read_balance,
    Kind.REGIONS: _read_regions,
    Kind.WEBHOOK_READ: _read_webhook,
    Kind.WEBHOOK_SAVE: _save_webhook,
}
