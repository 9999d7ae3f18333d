"""What ``dispatch`` remembers: which jobs it woke, and which workers answer."""

from django.db import models
from django.utils.translation import gettext_lazy as _


class Wake(models.Model):
    """A job that ``dispatch`` wakes: at most one of each name waits in the queue at a time."""

    name = models.CharField(_("name"), max_length=40, unique=True)
    queued_at = models.DateTimeField(_("queued"), null=True, blank=True)
    started_at = models.DateTimeField(_("started"), null=True, blank=True)
    finished_at = models.DateTimeField(_("finished"), null=True, blank=True)

    class Meta:
        verbose_name = _("wake")
        verbose_name_plural = _("wakes")

    def __str__(self) -> str:
        return self.name


class WorkerBeat(models.Model):
    """When a worker of a queue last did a job of ours, and when one was last asked for: their gap is the alarm."""

    queue = models.CharField(_("queue"), max_length=40, unique=True)
    asked_at = models.DateTimeField(_("asked"), null=True, blank=True)
    beat_at = models.DateTimeField(_("answered"), null=True, blank=True)

    class Meta:
        verbose_name = _("worker beat")
        verbose_name_plural = _("worker beats")

    def __str__(self) -> str:
        return self.queue
