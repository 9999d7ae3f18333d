"""What this floor remembers: accounts, the call log, the rate budget. Never a secret in clear."""

from django.db import models
from django.utils.translation import gettext_lazy as _

from providers.encryption import EncryptedBytesField


class ProviderAccount(models.Model):
    """Our contract with a provider: state only. Addresses and secrets are settings, found by ``slug``."""

    slug = models.SlugField(_("slug"), unique=True)
    adapter = models.CharField(_("adapter"), max_length=40)
    name = models.CharField(_("name"), max_length=80)
    is_sandbox = models.BooleanField(_("sandbox"), default=False)
    is_paused = models.BooleanField(_("paused by staff"), default=False)
    last_success_at = models.DateTimeField(_("last successful call"), null=True, blank=True)
    last_failure_at = models.DateTimeField(_("last failed call"), null=True, blank=True)
    last_failure = models.TextField(_("last failure"), blank=True)
    created_at = models.DateTimeField(_("created"), auto_now_add=True)

    class Meta:
        verbose_name = _("provider account")
        verbose_name_plural = _("provider accounts")
        ordering = ("slug",)

    def __str__(self) -> str:
        return self.name


class AccountEvent(models.Model):
    """One turn of an account's pause switch: who, when and why."""

    class Kind(models.TextChoices):
        PAUSED = "paused", _("Paused")
        RESUMED = "resumed", _("Resumed")

    account = models.ForeignKey(
        ProviderAccount, verbose_name=_("account"), on_delete=models.CASCADE, related_name="events"
    )
    kind = models.CharField(_("kind"), max_length=10, choices=Kind.choices)
    at = models.DateTimeField(_("at"))
    by = models.CharField(_("by"), max_length=254)
    why = models.CharField(_("reason"), max_length=300)

    class Meta:
        verbose_name = _("account event")
        verbose_name_plural = _("account events")
        ordering = ("-at", "-pk")

    def __str__(self) -> str:
        return f"{self.account_id} {self.kind} {self.at:%Y-%m-%d %H:%M}"


class ProviderToken(models.Model):
    """A short-lived token, encrypted, shared by all workers of an account."""

    account = models.OneToOneField(ProviderAccount, verbose_name=_("account"), on_delete=models.CASCADE)
    token = EncryptedBytesField(_("token"))
    expires_at = models.DateTimeField(_("expires"))

    class Meta:
        verbose_name = _("provider token")
        verbose_name_plural = _("provider tokens")

    def __str__(self) -> str:
        return f"{self.account_id} until {self.expires_at:%H:%M}"


class RateSlot(models.Model):
    """One call that a rate budget allows: it is free again when its window has passed since ``used_at``.

    A budget of N calls has N slots, so that no more than N calls fall into any window, on all machines together.
    """

    account = models.CharField(_("account"), max_length=50)
    operation = models.CharField(_("operation"), max_length=40)
    number = models.PositiveSmallIntegerField(_("number"))
    used_at = models.DateTimeField(_("used at"), null=True)

    class Meta:
        verbose_name = _("rate slot")
        verbose_name_plural = _("rate slots")
        constraints = [models.UniqueConstraint(fields=("account", "operation", "number"), name="rate_slot_once")]
        indexes = [models.Index(fields=("account", "operation", "used_at"), name="rate_slot_free")]

    def __str__(self) -> str:
        return f"{self.account} {self.operation} {self.number}"


class RatePause(models.Model):
    """Until when a provider asked us to wait (``Retry-After``, or its remaining count at 0), for all workers."""

    account = models.CharField(_("account"), max_length=50)
    operation = models.CharField(_("operation"), max_length=40)
    until = models.DateTimeField(_("until"))
    provider_limit = models.IntegerField(_("provider's limit"), null=True)
    provider_remaining = models.IntegerField(_("provider's remaining calls"), null=True)
    reported_at = models.DateTimeField(_("reported at"), null=True)

    class Meta:
        verbose_name = _("rate pause")
        verbose_name_plural = _("rate pauses")
        constraints = [models.UniqueConstraint(fields=("account", "operation"), name="rate_pause_once")]

    def __str__(self) -> str:
        return f"{self.account} {self.operation} until {self.until:%H:%M:%S}"


class ProviderCall(models.Model):
    """One HTTP call as staff may see it: redacted, trimmed, kept for ``CALL_LOG_DAYS``."""

    class Outcome(models.TextChoices):
        OK = "ok", _("answered")
        REJECTED = "rejected", _("refused")
        RATE_LIMITED = "rate_limited", _("rate limited")
        NOT_SENT = "not_sent", _("not sent")
        FAILED = "failed", _("failed")
        UNKNOWN = "unknown", _("outcome unknown")

    account = models.CharField(_("account"), max_length=50)
    operation = models.CharField(_("operation"), max_length=40)
    method = models.CharField(_("method"), max_length=8)
    path = models.CharField(_("path"), max_length=300)
    request = models.TextField(_("request"), blank=True)
    status = models.PositiveSmallIntegerField(_("status"), null=True)
    reply = models.TextField(_("reply"), blank=True)
    outcome = models.CharField(_("outcome"), max_length=12, choices=Outcome.choices)
    error = models.CharField(_("error"), max_length=300, blank=True)
    sent_at = models.DateTimeField(_("sent"))
    duration_ms = models.PositiveIntegerField(_("milliseconds"))
    request_id = models.CharField(_("request id"), max_length=64, blank=True)

    class Meta:
        verbose_name = _("provider call")
        verbose_name_plural = _("provider calls")
        ordering = ("-sent_at",)
        indexes = [
            models.Index(fields=("-sent_at",), name="call_recent"),
            models.Index(fields=("account", "-sent_at"), name="call_by_account"),
        ]

    def __str__(self) -> str:
        return f"{self.account} {self.operation} {self.outcome}"
