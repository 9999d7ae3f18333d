"""The lines: identity, lifecycle, packages, usage, and what was asked of the provider for them."""

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

from catalog.models import PERIODS, Plan
from customers.indexed import LastSix
from customers.models import Customer
from esims.link_places import fill_links, find_places
from providers.models import ProviderAccount
from providers.types import Capability, LineState, PackageStatus

STATE_LABELS = {
    LineState.PROVISIONING: _("being set up"),
    LineState.READY: _("ready to install"),
    LineState.DOWNLOADED: _("downloaded"),
    LineState.INSTALLED: _("installed"),
    LineState.ACTIVE: _("active"),
    LineState.SUSPENDED: _("suspended"),
    LineState.DEPLETED: _("data used up"),
    LineState.EXPIRED: _("expired"),
    LineState.CANCELLED: _("cancelled"),
    LineState.TERMINATED: _("ended"),
    LineState.ERROR: _("faulty"),
    LineState.UNKNOWN: _("not known"),
}
PACKAGE_LABELS = {
    PackageStatus.WAITING: _("waiting"),
    PackageStatus.ACTIVE: _("in use"),
    PackageStatus.ENDED: _("over"),
    PackageStatus.TERMINATED: _("terminated"),
    PackageStatus.UNKNOWN: _("not known"),
}
STATE_CHOICES = [(state.value, label) for state, label in STATE_LABELS.items()]


class Esim(models.Model):
    """One line. Unique by (account, provider_ref), never by ICCID: some providers re-use ICCIDs."""

    account = models.ForeignKey(
        ProviderAccount, verbose_name=_("account"), on_delete=models.PROTECT, related_name="esims"
    )
    provider_ref = models.CharField(_("provider's reference"), max_length=80)
    iccid = models.CharField(_("ICCID"), max_length=22, blank=True)
    #: The ICCID backwards, kept by esims/lifecycle.py: people ask for a line by its last digits.
    iccid_reversed = models.CharField(_("ICCID, reversed"), max_length=22, blank=True, editable=False)
    customer = models.ForeignKey(Customer, verbose_name=_("customer"), on_delete=models.PROTECT, related_name="esims")
    plan = models.ForeignKey(Plan, verbose_name=_("plan"), on_delete=models.PROTECT, related_name="esims")
    # Secrets: anybody who holds them can install the line. Shown by permission, masked in lists, never logged.
    lpa = models.CharField(_("activation code (LPA)"), max_length=300, blank=True)
    smdp_address = models.CharField(_("SM-DP+ address"), max_length=255, blank=True)
    matching_id = models.CharField(_("matching ID"), max_length=255, blank=True)
    confirmation_code = models.CharField(_("confirmation code"), max_length=64, blank=True)
    eid = models.CharField(_("EID"), max_length=32, blank=True)
    install_device_imei = models.CharField(_("IMEI at installation"), max_length=16, blank=True)
    connection_device_imei = models.CharField(_("IMEI at first connection"), max_length=16, blank=True)
    #: What its customer calls it; theirs alone, and gone with them.
    nickname = models.CharField(_("name given by the customer"), max_length=60, blank=True)
    state = models.CharField(_("state"), max_length=16, choices=STATE_CHOICES, default=LineState.PROVISIONING.value)
    #: The provider's own words by their field name.
    raw_states = models.JSONField(_("provider's states"), default=dict, blank=True)
    is_restricted = models.BooleanField(_("blocked by the provider"), null=True, blank=True)
    home_country = models.CharField(_("home country"), max_length=2, blank=True)
    roaming_countries = models.JSONField(_("roaming countries"), null=True, blank=True)
    activation_deadline = models.DateTimeField(_("install before"), null=True, blank=True)
    downloaded_at = models.DateTimeField(_("downloaded"), null=True, blank=True)
    installed_at = models.DateTimeField(_("first installed"), null=True, blank=True)
    # Business dates in Japan time: never converted.
    activated_on = models.DateField(_("activated (Japan date)"), null=True, blank=True)
    expires_on = models.DateField(_("last day (Japan date)"), null=True, blank=True)
    terminated_on = models.DateField(_("ended (Japan date)"), null=True, blank=True)
    #: Instants, from providers that give no business dates.
    activated_at = models.DateTimeField(_("activated"), null=True, blank=True)
    expires_at = models.DateTimeField(_("ends"), null=True, blank=True)
    #: The provider's order that brought the line, and our own key of it.
    order_ref = models.CharField(_("provider's order"), max_length=80, blank=True)
    order_key = models.CharField(_("our key of the order"), max_length=80, blank=True)
    #: The line's own phone number (personal: shown like the codes).
    phone_number = models.CharField(_("phone number of the line"), max_length=20, blank=True)
    apn = models.CharField(_("APN"), max_length=100, blank=True)
    api_sms = models.BooleanField(_("SMS by the provider's API"), null=True, blank=True)
    total_used_bytes = models.BigIntegerField(_("used in total, bytes"), null=True, blank=True)
    #: The whole allowance as the provider tells it, top-ups included; null: not told, or counted by day.
    total_data_bytes = models.BigIntegerField(_("allowance in total, bytes"), null=True, blank=True)
    #: The provider's stamps of what is stored: older never overwrites newer.
    state_as_of = models.DateTimeField(_("state as of"), null=True, blank=True)
    usage_as_of = models.DateTimeField(_("usage as of"), null=True, blank=True)
    raw = models.JSONField(_("as received, redacted"), default=dict, blank=True)
    # -- refresh by need ------------------------------------------------------------------------------------------
    refreshed_at = models.DateTimeField(_("last read"), null=True, blank=True)
    next_refresh_at = models.DateTimeField(_("next read"), null=True, blank=True)
    #: When only the use is read next, where the provider tells it by itself; null: it comes with the state.
    next_usage_at = models.DateTimeField(_("next read of the use"), null=True, blank=True)
    refresh_claimed_until = models.DateTimeField(_("read claimed until"), null=True, blank=True)
    refresh_failures = models.PositiveSmallIntegerField(_("failed reads in a row"), default=0)
    refresh_error = models.CharField(_("last read's error"), max_length=300, blank=True)
    watched_until = models.DateTimeField(_("a person is looking until"), null=True, blank=True)
    #: When the customer is next to be told something that only the clock brings (esims/notices.py).
    notice_due_at = models.DateTimeField(_("next notice"), null=True, blank=True, editable=False)
    created_at = models.DateTimeField(_("created"), auto_now_add=True)

    class Meta:
        verbose_name = _("eSIM")
        verbose_name_plural = _("eSIMs")
        ordering = ("-created_at", "-pk")
        constraints = [models.UniqueConstraint(fields=("account", "provider_ref"), name="esim_once_per_account")]
        indexes = [
            models.Index(fields=("-created_at", "-id"), name="esim_recent"),
            models.Index(fields=("iccid",), name="esim_by_iccid"),
            models.Index(fields=("iccid_reversed",), name="esim_by_iccid_end"),
            models.Index(fields=("provider_ref",), name="esim_by_ref"),
            models.Index(fields=("eid",), name="esim_by_eid", condition=~models.Q(eid="")),
            models.Index(fields=("account", "-created_at", "-id"), name="esim_by_account"),
            models.Index(
                fields=("watched_until",), name="esim_watched", condition=models.Q(watched_until__isnull=False)
            ),
            models.Index(fields=("state", "-created_at", "-id"), name="esim_by_state"),
            models.Index(fields=("customer", "-created_at"), name="esim_by_customer"),
            # By account: lines of one that cannot be asked now may be overdue by the thousand.
            models.Index(
                fields=("account", "next_refresh_at"),
                name="esim_due",
                condition=models.Q(next_refresh_at__isnull=False),
            ),
            models.Index(
                fields=("account", "next_usage_at"),
                name="esim_usage_due",
                condition=models.Q(next_usage_at__isnull=False),
            ),
            models.Index(
                fields=("notice_due_at",), name="esim_notice_due", condition=models.Q(notice_due_at__isnull=False)
            ),
            models.Index(fields=("phone_number",), name="esim_by_phone", condition=~models.Q(phone_number="")),
            models.Index(fields=("account", "order_ref"), name="esim_by_order", condition=~models.Q(order_ref="")),
            # What people read from a phone's screen: the end of its EID, and its IMEI.
            models.Index(LastSix("eid"), name="esim_by_eid_end", condition=~models.Q(eid="")),
            models.Index(
                fields=("install_device_imei",), name="esim_by_imei", condition=~models.Q(install_device_imei="")
            ),
            models.Index(
                fields=("connection_device_imei",),
                name="esim_by_other_imei",
                condition=~models.Q(connection_device_imei=""),
            ),
        ]
        permissions = [
            ("reveal_codes", "Can see activation codes, EIDs and IMEIs"),
            ("suspend_esim", "Can suspend and release lines"),
            ("refresh_esim", "Can read lines again from the provider"),
            ("simulate_usage", "Can set the usage of sandbox lines"),
            ("cancel_esim", "Can cancel unused lines and terminate packages"),
            ("revoke_esim", "Can end lines for good (revoke, block)"),
            ("activate_esim", "Can start packages by hand"),
            ("message_esim", "Can send SMS to lines"),
            ("revoke_links", "Can make links to lines useless"),
        ]

    def __str__(self) -> str:
        return self.label

    @property
    def label(self) -> str:
        """What the line is called on pages: its ICCID, else the provider's reference as it may be shown."""
        return self.iccid or self.shown_ref

    @property
    def shown_ref(self) -> str:
        """The provider's reference without the number of a device, which some references hold."""
        return self.provider_ref.replace(self.eid, f"••••{self.eid[-4:]}") if self.eid else self.provider_ref


class Package(models.Model):
    """One data package on a line, base or top-up, with its own allowance."""

    class Kind(models.TextChoices):
        BASE = "base", _("base")
        TOP_UP = "top_up", _("top-up")

    esim = models.ForeignKey(Esim, verbose_name=_("eSIM"), on_delete=models.CASCADE, related_name="packages")
    kind = models.CharField(_("kind"), max_length=6, choices=Kind.choices, default=Kind.BASE)
    package_ref = models.CharField(_("provider's reference"), max_length=120, blank=True)
    plan = models.ForeignKey(
        Plan, verbose_name=_("plan"), on_delete=models.PROTECT, null=True, blank=True, related_name="packages"
    )
    name = models.CharField(_("name"), max_length=300)
    data_bytes = models.BigIntegerField(_("data, bytes"), null=True, blank=True)
    data_period = models.CharField(
        _("counted"), max_length=8, choices=[(key.value, label) for key, label in PERIODS.items()]
    )
    data_unlimited = models.BooleanField(_("no cap"), default=False)
    used_bytes = models.BigIntegerField(_("used, bytes"), null=True, blank=True)
    status = models.CharField(
        _("state"),
        max_length=10,
        choices=[(key.value, label) for key, label in PACKAGE_LABELS.items()],
        blank=True,
    )
    raw_status = models.CharField(_("provider's state"), max_length=40, blank=True)
    #: The provider's order that brought it, and our own key of that order where it is told.
    order_ref = models.CharField(_("provider's order"), max_length=80, blank=True)
    order_key = models.CharField(_("our key of the order"), max_length=80, blank=True)
    starts_at = models.DateTimeField(_("starts"), null=True, blank=True)
    ends_at = models.DateTimeField(_("ends"), null=True, blank=True)
    activate_by = models.DateTimeField(_("start it before"), null=True, blank=True)
    #: When the provider entered the order that brought it; its periods for money back run from then.
    ordered_at = models.DateTimeField(_("ordered"), null=True, blank=True)
    #: The times above, but for the order's, have not happened: the provider tells what they would be.
    is_projected = models.BooleanField(_("times are projected"), default=False)
    #: A reading brought our key of the order, and a higher floor has not yet looked what that settles.
    awaits_order = models.BooleanField(_("waits for its order"), default=False, editable=False)
    created_at = models.DateTimeField(_("created"), auto_now_add=True)

    class Meta:
        verbose_name = _("package")
        verbose_name_plural = _("packages")
        ordering = ("esim_id", "pk")
        constraints = [
            # Several top-ups may wait for the provider to name them.
            models.UniqueConstraint(
                fields=("esim", "kind", "package_ref"),
                condition=~models.Q(package_ref=""),
                name="package_once_per_line",
            )
        ]
        # Webhooks name lines by the order that brought a package; people also by the package itself.
        indexes = [
            models.Index(fields=("order_ref",), name="package_by_order", condition=~models.Q(order_ref="")),
            models.Index(fields=("package_ref",), name="package_by_ref", condition=~models.Q(package_ref="")),
            models.Index(fields=("id",), name="package_awaits", condition=models.Q(awaits_order=True)),
        ]

    def __str__(self) -> str:
        return self.name


class UsageDay(models.Model):
    """Data used on one day as the provider cuts it; ``is_derived`` when we took it from differences of totals."""

    esim = models.ForeignKey(Esim, verbose_name=_("eSIM"), on_delete=models.CASCADE, related_name="usage_days")
    day = models.DateField(_("day"))
    used_bytes = models.BigIntegerField(_("used, bytes"))
    is_derived = models.BooleanField(_("derived"), default=False)

    class Meta:
        verbose_name = _("day's usage")
        verbose_name_plural = _("days' usage")
        ordering = ("esim_id", "day")
        constraints = [models.UniqueConstraint(fields=("esim", "day"), name="usage_day_once")]

    def __str__(self) -> str:
        return f"{self.day} {self.used_bytes}"


class UsageSample(models.Model):
    """A line's total use at a moment, from providers that report no days: days are derived from the differences."""

    esim = models.ForeignKey(Esim, verbose_name=_("eSIM"), on_delete=models.CASCADE, related_name="usage_samples")
    at = models.DateTimeField(_("as of"))
    total_used_bytes = models.BigIntegerField(_("used in total, bytes"))

    class Meta:
        verbose_name = _("usage sample")
        verbose_name_plural = _("usage samples")
        ordering = ("esim_id", "at")
        constraints = [models.UniqueConstraint(fields=("esim", "at"), name="usage_sample_once")]

    def __str__(self) -> str:
        return f"{self.at:%Y-%m-%d %H:%M} {self.total_used_bytes}"


class LineAction(models.Model):
    """One thing asked of the provider for a line, with a state of its own."""

    class State(models.TextChoices):
        PLANNED = "planned", _("waiting")
        SENDING = "sending", _("being sent")
        NOT_CONFIRMED = "not_confirmed", _("not confirmed yet")
        CONFIRMED = "confirmed", _("confirmed")
        REJECTED = "rejected", _("refused")
        UNKNOWN = "unknown", _("no answer: not known")

    OPEN = (State.PLANNED, State.SENDING, State.NOT_CONFIRMED)

    esim = models.ForeignKey(Esim, verbose_name=_("eSIM"), on_delete=models.CASCADE, related_name="actions")
    kind = models.CharField(_("action"), max_length=20)  # a providers.types.Capability; no choices: adapters may add
    #: The package that is acted on, where the provider acts on packages.
    package = models.ForeignKey(
        Package, verbose_name=_("package"), on_delete=models.PROTECT, null=True, blank=True, related_name="actions"
    )
    #: The text of an SMS.
    message = models.CharField(_("message"), max_length=500, blank=True)
    #: What the provider says about our money back; null: nothing.
    refunded = models.BooleanField(_("money back from the provider"), null=True, blank=True)
    state = models.CharField(_("state"), max_length=14, choices=State.choices, default=State.PLANNED)
    reason = models.CharField(_("reason"), max_length=300, blank=True)
    requested_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, verbose_name=_("asked by"), on_delete=models.SET_NULL, null=True, related_name="+"
    )
    requested_at = models.DateTimeField(_("asked at"), auto_now_add=True)
    attempts = models.PositiveSmallIntegerField(_("attempts"), default=0)
    #: How often the line was read to see whether it happened.
    checks = models.PositiveSmallIntegerField(_("looks at the line"), default=0)
    next_attempt_at = models.DateTimeField(_("next attempt"), null=True, blank=True)
    #: The provider's stamp of the last look before sending: only something newer can confirm.
    looked_as_of = models.DateTimeField(_("looked as of"), null=True, blank=True)
    sent_at = models.DateTimeField(_("sent"), null=True, blank=True)
    #: While ``sending``: when the worker counts as dead. While ``not_confirmed``: when we stop waiting for news.
    deadline_at = models.DateTimeField(_("deadline"), null=True, blank=True)
    finished_at = models.DateTimeField(_("finished"), null=True, blank=True)
    error_code = models.CharField(_("provider's code"), max_length=60, blank=True)
    error = models.CharField(_("error"), max_length=300, blank=True)
    #: Of an action without an answer: when somebody had looked, and who.
    settled_at = models.DateTimeField(_("looked at"), null=True, blank=True)
    settled_by = models.CharField(_("looked at by"), max_length=254, blank=True)

    class Meta:
        verbose_name = _("line action")
        verbose_name_plural = _("line actions")
        ordering = ("-requested_at", "-pk")
        constraints = [
            models.UniqueConstraint(
                fields=("esim",),
                condition=models.Q(state__in=("planned", "sending", "not_confirmed")) & ~models.Q(kind="sms"),
                name="line_action_one_open",
            ),
            # An SMS changes nothing on the line: it keeps nobody from suspending a stolen phone.
            models.UniqueConstraint(
                fields=("esim",),
                condition=models.Q(state__in=("planned", "sending", "not_confirmed"), kind="sms"),
                name="line_action_one_open_sms",
            ),
        ]
        indexes = [
            models.Index(
                fields=("next_attempt_at",), name="line_action_due", condition=models.Q(next_attempt_at__isnull=False)
            ),
            models.Index(
                fields=("requested_at",),
                name="line_action_for_people",
                condition=models.Q(state="unknown", settled_at__isnull=True),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.state}"

    @property
    def capability(self) -> Capability:
        return Capability(self.kind)

    @property
    def shown_message(self) -> str:
        """The text as staff see it: words where links went."""
        words = str(_("(a link that is made when it is sent)"))
        return fill_links(self.message, dict.fromkeys(find_places(self.message), words))


class LineEvent(models.Model):
    """The line's timeline: what happened, who did it and why. Higher floors read it, e.g. for notifications."""

    esim = models.ForeignKey(Esim, verbose_name=_("eSIM"), on_delete=models.CASCADE, related_name="events")
    at = models.DateTimeField(_("at"), auto_now_add=True)
    kind = models.CharField(_("kind"), max_length=40)
    #: An e-mail address for a person, a job's name otherwise.
    by = models.CharField(_("by"), max_length=254, blank=True)
    why = models.CharField(_("why"), max_length=300, blank=True)
    #: Facts to be shown, never secrets: {"old": …, "new": …, …}
    facts = models.JSONField(_("facts"), default=dict, blank=True)
    #: A higher floor has not yet looked whether somebody is to be told of it.
    awaits_notice = models.BooleanField(_("waits for a notice"), default=False, editable=False)

    class Meta:
        verbose_name = _("line event")
        verbose_name_plural = _("line events")
        ordering = ("-at", "-pk")
        indexes = [
            models.Index(fields=("esim", "-at"), name="line_event_recent"),
            models.Index(fields=("id",), name="line_event_awaits", condition=models.Q(awaits_notice=True)),
        ]

    def __str__(self) -> str:
        return f"{self.esim_id} {self.kind}"


class LineLink(models.Model):
    """An address under which the customer sees a line without signing in; whoever has it can install the line.

    Only the token's digest is kept: the address itself is in the message that it was made for.
    """

    esim = models.ForeignKey(Esim, verbose_name=_("eSIM"), on_delete=models.CASCADE, related_name="links")
    #: SHA-256, as hexadecimal digits.
    token_hash = models.CharField(_("digest of the token"), max_length=64, unique=True)
    #: What it was made for, in the words of whoever made it.
    made_for = models.CharField(_("made for"), max_length=60, blank=True)
    created_at = models.DateTimeField(_("created"), auto_now_add=True)
    expires_at = models.DateTimeField(_("expires"))
    revoked_at = models.DateTimeField(_("revoked"), null=True, blank=True)
    revoked_by = models.CharField(_("revoked by"), max_length=254, blank=True)

    class Meta:
        verbose_name = _("link to a line")
        verbose_name_plural = _("links to lines")
        ordering = ("-created_at", "-pk")
        indexes = [models.Index(fields=("made_for",), name="line_link_made_for")]

    def __str__(self) -> str:
        return f"{self.esim_id} {self.created_at:%Y-%m-%d}"
