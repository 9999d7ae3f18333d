"""What was taken out of the lists, and what was done with many rows at once."""

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _


class ListExport(models.Model):
    """A file that somebody took from a list: the audit of it."""

    class Format(models.TextChoices):
        CSV = "csv", "CSV"
        XLSX = "xlsx", "XLSX"

    page = models.CharField(_("list"), max_length=20)
    kind = models.CharField(_("format"), max_length=4, choices=Format.choices)
    #: The words of the list's address, and the columns that the file has.
    query = models.TextField(_("filters"), blank=True)
    columns = models.JSONField(_("columns"), default=list)
    by = models.CharField(_("by"), max_length=254)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, verbose_name=_("user"), on_delete=models.SET_NULL, null=True, related_name="+"
    )
    started_at = models.DateTimeField(_("started"), auto_now_add=True)
    #: How many rows went out; without an end it was broken off after so many.
    rows = models.PositiveIntegerField(_("rows"), default=0)
    finished_at = models.DateTimeField(_("finished"), null=True, blank=True)

    class Meta:
        verbose_name = _("export of a list")
        verbose_name_plural = _("exports of lists")
        ordering = ("-started_at", "-pk")
        indexes = [models.Index(fields=("-started_at", "-id"), name="list_export_recent")]
        permissions = [("export_list", "Can take lists out as files")]

    def __str__(self) -> str:
        return f"{self.page} {self.kind} {self.rows}"


class BulkRun(models.Model):
    """One action on many rows: chosen, looked at, started, and reported."""

    class State(models.TextChoices):
        #: The preview: nothing happens until somebody starts it.
        CHOSEN = "chosen", _("to be confirmed")
        RUNNING = "running", _("running")
        DONE = "done", _("done")

    page = models.CharField(_("list"), max_length=20)
    action = models.CharField(_("action"), max_length=40)
    query = models.TextField(_("filters"), blank=True)
    reason = models.CharField(_("reason"), max_length=300, blank=True)
    state = models.CharField(_("state"), max_length=8, choices=State.choices, default=State.CHOSEN)
    by = models.ForeignKey(
        settings.AUTH_USER_MODEL, verbose_name=_("by"), on_delete=models.PROTECT, related_name="bulk_runs"
    )
    #: More rows matched than one run takes.
    is_cut = models.BooleanField(_("not all of them"), default=False)
    created_at = models.DateTimeField(_("created"), auto_now_add=True)
    started_at = models.DateTimeField(_("started"), null=True, blank=True)
    finished_at = models.DateTimeField(_("finished"), null=True, blank=True)
    #: When a worker is to go on with it; null: nobody is.
    next_attempt_at = models.DateTimeField(_("next attempt"), null=True, blank=True)

    class Meta:
        verbose_name = _("bulk run")
        verbose_name_plural = _("bulk runs")
        ordering = ("-created_at", "-pk")
        indexes = [
            models.Index(
                fields=("next_attempt_at",), name="bulk_run_due", condition=models.Q(next_attempt_at__isnull=False)
            )
        ]

    def __str__(self) -> str:
        return f"{self.page} {self.action} {self.state}"


class BulkItem(models.Model):
    """One row of a run. Its own claim: a job that runs twice does nothing twice."""

    class State(models.TextChoices):
        WAITING = "waiting", _("waiting")
        RUNNING = "running", _("running")
        DONE = "done", _("done")
        #: It may not be done with this row; ``note`` says why.
        REFUSED = "refused", _("not possible")
        #: Our own program failed, or its worker died: somebody may look.
        FAILED = "failed", _("failed")

    run = models.ForeignKey(BulkRun, verbose_name=_("bulk run"), on_delete=models.CASCADE, related_name="items")
    row = models.BigIntegerField(_("row"))
    title = models.CharField(_("title"), max_length=120)
    state = models.CharField(_("state"), max_length=8, choices=State.choices, default=State.WAITING)
    note = models.CharField(_("note"), max_length=300, blank=True)
    claimed_until = models.DateTimeField(_("claimed until"), null=True, blank=True)

    class Meta:
        verbose_name = _("row of a bulk run")
        verbose_name_plural = _("rows of bulk runs")
        ordering = ("run_id", "pk")
        constraints = [models.UniqueConstraint(fields=("run", "row"), name="bulk_item_once")]
        indexes = [models.Index(fields=("run", "state"), name="bulk_item_by_state")]

    def __str__(self) -> str:
        return f"{self.title} {self.state}"
