"""What a provider holds against what we hold: the nightly comparison, and each difference that somebody closes."""

from django.db import models
from django.utils.translation import gettext_lazy as _

from esims.models import Esim
from orders.models.purchases import Purchase
from providers.models import ProviderAccount


class Comparison(models.Model):
    """One run: one account looked through. Every part (lines, prices, balance) tells by itself how far it came."""

    class State(models.TextChoices):
        WAITING = "waiting", _("waiting")
        RUNNING = "running", _("running")
        SUCCEEDED = "succeeded", _("succeeded")
        #: A part could not be looked through; the others stand.
        INCOMPLETE = "incomplete", _("incomplete")
        FAILED = "failed", _("failed")

    OPEN = (State.WAITING, State.RUNNING)

    account = models.ForeignKey(
        ProviderAccount, verbose_name=_("account"), on_delete=models.PROTECT, related_name="comparisons"
    )
    state = models.CharField(_("state"), max_length=10, choices=State.choices, default=State.WAITING)
    #: Who asked: an e-mail address, or "schedule", "command".
    asked_by = models.CharField(_("asked by"), max_length=254)
    created_at = models.DateTimeField(_("asked at"), auto_now_add=True)
    started_at = models.DateTimeField(_("started"), null=True, blank=True)
    finished_at = models.DateTimeField(_("finished"), null=True, blank=True)
    #: Moves while the run is alive; a run whose heart stopped may be taken over.
    heartbeat_at = models.DateTimeField(_("last sign of life"), null=True, blank=True)
    step = models.CharField(_("step"), max_length=10, blank=True)
    #: Of the step that is under way: how much of how much.
    done = models.PositiveIntegerField(_("done"), default=0)
    total = models.PositiveIntegerField(_("of"), null=True, blank=True)
    #: Part → {"state": "compared" | "partly" | "impossible" | "failed", "looked": number, "note": sentence}.
    parts = models.JSONField(_("parts"), default=dict, blank=True)
    found = models.PositiveIntegerField(_("new differences"), default=0)
    reopened = models.PositiveIntegerField(_("reopened"), default=0)
    changed = models.PositiveIntegerField(_("changed"), default=0)
    gone = models.PositiveIntegerField(_("gone"), default=0)
    still = models.PositiveIntegerField(_("as before"), default=0)
    error = models.TextField(_("error"), blank=True)

    class Meta:
        verbose_name = _("comparison")
        verbose_name_plural = _("comparisons")
        ordering = ("-created_at", "-pk")
        constraints = [
            models.UniqueConstraint(
                fields=("account",), condition=models.Q(state__in=("waiting", "running")), name="comparison_one_open"
            )
        ]
        indexes = [models.Index(fields=("account", "-created_at"), name="comparison_recent")]

    def __str__(self) -> str:
        return f"{self.account_id} {self.state} {self.created_at:%Y-%m-%d %H:%M}"


class Difference(models.Model):
    """Something that the provider and we do not hold alike. One row for each, however often it is seen."""

    class Kind(models.TextChoices):
        UNKNOWN_LINE = "unknown_line", _("line that we do not know")
        MISSING_LINE = "missing_line", _("line that the provider does not know")
        LIST_PRICE = "list_price", _("net price that differs")
        FROZEN_COST = "frozen_cost", _("cost of an open order that differs")
        BALANCE = "balance", _("balance that our purchases do not explain")

    class State(models.TextChoices):
        OPEN = "open", _("open")
        CLOSED = "closed", _("closed")
        #: It no longer differs; nobody had to close it.
        GONE = "gone", _("gone by itself")

    class Verdict(models.TextChoices):
        DEPOSIT = "deposit", _("deposit or invoice of ours")
        KNOWN = "known", _("known, stays as it is")
        MENDED = "mended", _("mended")
        ATTACHED = "attached", _("entered into our books")

    account = models.ForeignKey(
        ProviderAccount, verbose_name=_("account"), on_delete=models.PROTECT, related_name="differences"
    )
    kind = models.CharField(_("kind"), max_length=12, choices=Kind.choices)
    #: What differs: a line's reference, a plan's code, an order line, the point from which a balance is reckoned.
    key = models.CharField(_("key"), max_length=160)
    #: {"ours": {…}, "theirs": {…}}: while these stay as they are it is the same difference.
    facts = models.JSONField(_("facts"), default=dict)
    #: What helps to decide and may move without making another difference of it.
    details = models.JSONField(_("details"), default=dict, blank=True)
    #: The money at stake, where it can be told.
    amount = models.DecimalField(_("amount"), max_digits=16, decimal_places=4, null=True, blank=True)
    currency = models.CharField(_("currency"), max_length=3, blank=True)
    state = models.CharField(_("state"), max_length=6, choices=State.choices, default=State.OPEN)
    first_seen_at = models.DateTimeField(_("first seen"))
    last_seen_at = models.DateTimeField(_("last seen"))
    run = models.ForeignKey(
        Comparison, verbose_name=_("seen by"), on_delete=models.SET_NULL, null=True, related_name="differences"
    )
    esim = models.ForeignKey(
        Esim, verbose_name=_("eSIM"), on_delete=models.SET_NULL, null=True, blank=True, related_name="differences"
    )
    purchase = models.ForeignKey(
        Purchase,
        verbose_name=_("purchase"),
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="differences",
    )
    verdict = models.CharField(_("decision"), max_length=10, choices=Verdict.choices, blank=True)
    closed_at = models.DateTimeField(_("closed"), null=True, blank=True)
    closed_by = models.CharField(_("closed by"), max_length=254, blank=True)
    why = models.TextField(_("why"), blank=True)

    class Meta:
        verbose_name = _("difference")
        verbose_name_plural = _("differences")
        ordering = ("-first_seen_at", "-pk")
        constraints = [models.UniqueConstraint(fields=("account", "kind", "key"), name="difference_once")]
        indexes = [models.Index(fields=("state", "first_seen_at", "id"), name="difference_by_state")]

    def __str__(self) -> str:
        return f"{self.account_id} {self.kind} {self.key} {self.state}"


class DifferenceEvent(models.Model):
    """The difference's timeline."""

    class Kind(models.TextChoices):
        FOUND = "found", _("Found")
        CHANGED = "changed", _("Its facts changed")
        REOPENED = "reopened", _("Open again: its facts changed")
        RETURNED = "returned", _("Seen again")
        GONE = "gone", _("It no longer differs")
        CLOSED = "closed", _("Closed")
        OPENED = "opened", _("Opened again by hand")

    difference = models.ForeignKey(
        Difference, verbose_name=_("difference"), on_delete=models.CASCADE, related_name="events"
    )
    at = models.DateTimeField(_("at"))
    kind = models.CharField(_("kind"), max_length=10, choices=Kind.choices)
    #: An e-mail address for a person, a job's name otherwise.
    by = models.CharField(_("by"), max_length=254)
    why = models.TextField(_("why"), blank=True)
    facts = models.JSONField(_("facts"), default=dict, blank=True)

    class Meta:
        verbose_name = _("difference event")
        verbose_name_plural = _("difference events")
        ordering = ("-at", "-pk")
        indexes = [models.Index(fields=("difference", "-at"), name="difference_event_recent")]

    def __str__(self) -> str:
        return f"{self.difference_id} {self.kind}"


class LedgerMark(models.Model):
    """A moment at which our purchases and the provider's balance agreed, or somebody said why not.

    What a balance ought to be is reckoned from the account's newest mark. Kept as history.
    """

    account = models.ForeignKey(
        ProviderAccount, verbose_name=_("account"), on_delete=models.CASCADE, related_name="ledger_marks"
    )
    at = models.DateTimeField(_("at"))
    amount = models.DecimalField(_("amount"), max_digits=16, decimal_places=4)
    currency = models.CharField(_("currency"), max_length=3)
    #: An e-mail address for a person, "comparison" where the two agreed.
    by = models.CharField(_("by"), max_length=254)

    class Meta:
        verbose_name = _("ledger mark")
        verbose_name_plural = _("ledger marks")
        ordering = ("-at", "-pk")
        constraints = [models.UniqueConstraint(fields=("account", "at"), name="ledger_mark_once")]

    def __str__(self) -> str:
        return f"{self.account_id} {self.amount} {self.currency} {self.at:%Y-%m-%d %H:%M}"
