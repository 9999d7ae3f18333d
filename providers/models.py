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
    #: Below this, in the currency of the balance, staff are told; null: nobody asked to be told.
    low_balance = models.DecimalField(
        _("low mark of the balance"), max_digits=16, decimal_places=4, null=True, blank=True
    )
    #: The address for webhooks as the provider named it last, and when; null: never asked.
    webhook_address = models.CharField(_("webhook address at the provider"), max_length=500, blank=True)
    webhook_address_at = models.DateTimeField(_("webhook address asked for"), null=True, blank=True)
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
    #: From then on one worker fetches another while the rest still use this one.
    renew_at = models.DateTimeField(_("renewed from"))
    #: A digest of the address and the keys that the token was issued for.
    issued_for = models.CharField(_("issued for"), max_length=64, blank=True)
    #: Until when one worker has the right to renew it.
    renewing_until = models.DateTimeField(_("being renewed until"), null=True)

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


class BalanceReading(models.Model):
    """Our prepaid money at a provider, as it said at a moment: the balance's history."""

    account = models.ForeignKey(
        ProviderAccount, verbose_name=_("account"), on_delete=models.CASCADE, related_name="balances"
    )
    at = models.DateTimeField(_("at"))
    amount = models.DecimalField(_("amount"), max_digits=16, decimal_places=4)
    currency = models.CharField(_("currency"), max_length=3)

    class Meta:
        verbose_name = _("balance reading")
        verbose_name_plural = _("balance readings")
        ordering = ("-at", "-pk")
        indexes = [models.Index(fields=("account", "-at"), name="balance_recent")]

    def __str__(self) -> str:
        return f"{self.account_id} {self.amount} {self.currency}"


class AccountTask(models.Model):
    """Something that a person asked about an account and that a worker does: never inside a request."""

    class Kind(models.TextChoices):
        CHECK = "check", _("Try the connection")
        BALANCE = "balance", _("Read the balance")
        REGIONS = "regions", _("Read the regions")
        WEBHOOK_READ = "webhook_read", _("Read the webhook address")
        WEBHOOK_SAVE = "webhook_save", _("Set the webhook address")

    class State(models.TextChoices):
        WAITING = "waiting", _("waiting")
        RUNNING = "running", _("running")
        DONE = "done", _("done")
        FAILED = "failed", _("failed")

    account = models.ForeignKey(
        ProviderAccount, verbose_name=_("account"), on_delete=models.CASCADE, related_name="tasks"
    )
    kind = models.CharField(_("kind"), max_length=14, choices=Kind.choices)
    state = models.CharField(_("state"), max_length=8, choices=State.choices, default=State.WAITING)
    #: Who asked: an e-mail address, or a job's name.
    asked_by = models.CharField(_("asked by"), max_length=254)
    created_at = models.DateTimeField(_("asked at"), auto_now_add=True)
    started_at = models.DateTimeField(_("started"), null=True, blank=True)
    finished_at = models.DateTimeField(_("finished"), null=True, blank=True)
    #: What came of it, in words for staff; never a secret.
    result = models.CharField(_("result"), max_length=500, blank=True)
    error = models.CharField(_("error"), max_length=300, blank=True)
    error_code = models.CharField(_("provider's code"), max_length=60, blank=True)

    class Meta:
        verbose_name = _("account task")
        verbose_name_plural = _("account tasks")
        ordering = ("-created_at", "-pk")
        constraints = [
            models.UniqueConstraint(
                fields=("account", "kind"),
                condition=models.Q(state__in=("waiting", "running")),
                name="account_task_one_open",
            )
        ]

    def __str__(self) -> str:
        return f"{self.account_id} {self.kind} {self.state}"


class ProviderRegion(models.Model):
    """An area that a provider sells plans for, as it told last."""

    account = models.ForeignKey(
        ProviderAccount, verbose_name=_("account"), on_delete=models.CASCADE, related_name="regions"
    )
    code = models.CharField(_("code"), max_length=40)
    name = models.CharField(_("name"), max_length=200)
    is_multi = models.BooleanField(_("several countries"))
    members = models.JSONField(_("countries"), default=list, blank=True)
    seen_at = models.DateTimeField(_("last told"))

    class Meta:
        verbose_name = _("region")
        verbose_name_plural = _("regions")
        ordering = ("account_id", "name")
        constraints = [models.UniqueConstraint(fields=("account", "code"), name="region_once_per_account")]

    def __str__(self) -> str:
        return f"{self.name} ({self.code})"


class WebhookDelivery(models.Model):
    """A call that a provider made to us: stored before anything is done with it; higher floors drain it.

    The content is a hint: the line or the order is read again, and only the provider's answer to that counts.
    """

    class State(models.TextChoices):
        NEW = "new", _("waiting")
        APPLIED = "applied", _("done")
        #: It names nothing of ours, or asks for nothing.
        IGNORED = "ignored", _("nothing to do")
        #: Its shape or its words are not known: a person may look.
        NOT_UNDERSTOOD = "not_understood", _("not understood")
        #: It failed again and again: it waits for a person.
        PARKED = "parked", _("parked")

    #: Nothing more happens by itself.
    FOR_A_PERSON = (State.PARKED, State.NOT_UNDERSTOOD)

    account = models.ForeignKey(
        ProviderAccount,
        verbose_name=_("account"),
        on_delete=models.PROTECT,
        related_name="deliveries",
        # ``delivery_once`` begins with it: one index less to be written while the provider waits.
        db_index=False,
    )
    #: The provider's id of the delivery, or a digest of its body: a repetition has the same.
    key = models.CharField(_("key"), max_length=128)
    received_at = models.DateTimeField(_("received"))
    address = models.CharField(_("sender"), max_length=45, blank=True)
    #: As it came; it may hold activation codes and personal numbers.
    body = EncryptedBytesField(_("body"))
    kind = models.CharField(_("kind"), max_length=14, blank=True)
    word = models.CharField(_("provider's word"), max_length=60, blank=True)
    state = models.CharField(_("state"), max_length=14, choices=State.choices, default=State.NEW)
    attempts = models.PositiveSmallIntegerField(_("attempts"), default=0)
    next_attempt_at = models.DateTimeField(_("next attempt"), null=True, blank=True)
    handled_at = models.DateTimeField(_("handled"), null=True, blank=True)
    repeats = models.PositiveIntegerField(_("repeated"), default=0)
    #: What came of it, or why it failed; in words for staff.
    note = models.CharField(_("note"), max_length=300, blank=True)

    class Meta:
        verbose_name = _("webhook delivery")
        verbose_name_plural = _("webhook deliveries")
        ordering = ("-received_at", "-pk")
        constraints = [models.UniqueConstraint(fields=("account", "key"), name="delivery_once")]
        indexes = [
            # Account by account: the flood of one must not keep the others waiting.
            models.Index(
                fields=("account", "next_attempt_at", "id"),
                name="delivery_due",
                condition=models.Q(next_attempt_at__isnull=False),
            ),
            models.Index(fields=("-received_at", "-id"), name="delivery_recent"),
            models.Index(fields=("state", "-received_at", "-id"), name="delivery_by_state"),
        ]
        permissions = [("handle_delivery", "Can try webhook deliveries again")]

    def __str__(self) -> str:
        return f"{self.account_id} {self.word or self.kind} {self.state}"
