"""The pause switch of an account: while it is off, nothing is sent to the provider."""

from django.db import transaction
from django.utils import timezone

from providers.models import AccountEvent, ProviderAccount


def pause_account(*, account: ProviderAccount, by: str, why: str) -> bool:
    """Let nothing be sent to this account any more: no order, no read, no sync. Calls on the wire are not cut.

    ``by`` is the person's e-mail address; both it and ``why`` stay on the account's timeline. False where the account
    is paused already; then nothing is written. Raises ``ValueError`` without a reason.
    """
    return _switch(account, paused=True, by=by, why=why)


def resume_account(*, account: ProviderAccount, by: str, why: str) -> bool:
    """Let calls go on; what waited meanwhile is due at once. Otherwise as ``pause_account``."""
    return _switch(account, paused=False, by=by, why=why)


def _switch(account: ProviderAccount, *, paused: bool, by: str, why: str) -> bool:
    if not why.strip():
        raise ValueError("a pause needs a reason")
    with transaction.atomic():
        locked = ProviderAccount.objects.select_for_update().get(pk=account.pk)
        account.is_paused = paused
        if locked.is_paused == paused:
            return False
        locked.is_paused = paused
        locked.save(update_fields=["is_paused"])
        AccountEvent.objects.create(
            account=locked,
            kind=AccountEvent.Kind.PAUSED if paused else AccountEvent.Kind.RESUMED,
            at=timezone.now(),
            by=by,
            why=why.strip(),
        )
    return True
