"""Orders for many customers from one list: what was checked is what is run."""

import uuid

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from catalog.models import Plan
from customers.models import Customer
from orders.models.payments import Payment
from orders.models.sales import Order


class BulkOrder(models.Model):
    """A list as it was checked. Nothing is written but this before somebody confirms it."""

    class State(models.TextChoices):
        CHECKED = "checked", pgettext_lazy("list", "checked, not started")
        RUNNING = "running", pgettext_lazy("list", "running")
        PAUSED = "paused", pgettext_lazy("list", "paused")
        DONE = "done", pgettext_lazy("list", "done")
        DROPPED = "dropped", pgettext_lazy("list", "dropped")

    #: Every row's order and payment take their keys from it: run again, a row gives the same ones.
    key = models.UUIDField(_("key"), unique=True, default=uuid.uuid4, editable=False)
    state = models.CharField(_("state"), max_length=8, choices=State.choices, default=State.CHECKED)
    name = models.CharField(_("name"), max_length=200, blank=True)
    #: Of its rows, whatever their order and spelling.
    digest = models.CharField(_("digest of the rows"), max_length=64)
    #: The digest once it was confirmed, with a number behind it where the list is repeated on purpose: the database
    #: lets a list run once.
    run_key = models.CharField(_("key of the run"), max_length=80, unique=True, null=True, editable=False)  # noqa: DJ001
    method = models.CharField(_("method"), max_length=10, choices=Payment.Method.choices)
    reference = models.CharField(_("reference"), max_length=120, blank=True)
    repeat_reason = models.CharField(_("why it is repeated"), max_length=300, blank=True)
    #: Why it pauses or was dropped (English, or what somebody typed).
    why = models.TextField(_("why"), blank=True)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, verbose_name=_("checked by"), on_delete=models.SET_NULL, null=True, related_name="+"
    )
    created_at = models.DateTimeField(_("checked"), auto_now_add=True)
    #: The orders are taken in this person's name.
    confirmed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, verbose_name=_("confirmed by"), on_delete=models.SET_NULL, null=True, related_name="+"
    )
    confirmed_at = models.DateTimeField(_("confirmed"), null=True, blank=True)
    finished_at = models.DateTimeField(_("finished"), null=True, blank=True)
    #: A worker is at it; a dead one is taken over afterwards.
    claimed_until = models.DateTimeField(_("claimed until"), null=True, blank=True)

    class Meta:
        verbose_name = _("bulk order")
        verbose_name_plural = _("bulk orders")
        ordering = ("-created_at", "-pk")
        indexes = [
            models.Index(fields=("digest",), name="bulk_by_digest"),
            models.Index(fields=("id",), name="bulk_running", condition=models.Q(state="running")),
        ]
        permissions = [
            ("bulk_sell", "Can order for many customers from a list"),
            ("repeat_bulk", "Can run a list that has run already once more"),
        ]

    def __str__(self) -> str:
        return f"{self.pk}"


class BulkOrderRow(models.Model):
    """One row of a list: who, what, how many, at which price; and the order that it became."""

    class State(models.TextChoices):
        FAULTY = "faulty", pgettext_lazy("row", "faulty")
        WAITING = "waiting", pgettext_lazy("row", "waits")
        ORDERED = "ordered", pgettext_lazy("row", "ordered")
        REFUSED = "refused", pgettext_lazy("row", "refused")

    bulk = models.ForeignKey(BulkOrder, verbose_name=_("bulk order"), on_delete=models.CASCADE, related_name="rows")
    #: Where it stands in the file; its first row is 1.
    number = models.PositiveIntegerField(_("row"))
    state = models.CharField(_("state"), max_length=8, choices=State.choices)
    #: Of who, what and how many.
    digest = models.CharField(_("digest"), max_length=64)
    #: None until the customer is made, with the order.
    customer = models.ForeignKey(
        Customer, verbose_name=_("customer"), on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    # As the list says; emptied once the order knows its customer.
    name = models.CharField(_("name"), max_length=200, blank=True)
    email = models.CharField(_("e-mail address"), max_length=254, blank=True)
    phone = models.CharField(_("phone"), max_length=60, blank=True)
    language = models.CharField(_("language"), max_length=8, blank=True)
    plan_code = models.CharField(_("plan as given"), max_length=200, blank=True)
    plan = models.ForeignKey(
        Plan, verbose_name=_("plan"), on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    quantity = models.PositiveIntegerField(_("quantity"), default=0)
    period_days = models.PositiveSmallIntegerField(_("days"), null=True, blank=True)
    note = models.TextField(_("note"), blank=True)
    unit_price = models.DecimalField(_("unit price"), max_digits=14, decimal_places=4, null=True, blank=True)
    unit_cost = models.DecimalField(_("unit cost"), max_digits=14, decimal_places=4, null=True, blank=True)
    currency = models.CharField(_("currency"), max_length=3, blank=True)
    #: What keeps it from being ordered, and what only deserves a look: English sentences.
    faults = models.JSONField(_("faults"), default=list, blank=True)
    remarks = models.JSONField(_("remarks"), default=list, blank=True)
    order = models.OneToOneField(
        Order, verbose_name=_("order"), on_delete=models.PROTECT, null=True, blank=True, related_name="bulk_row"
    )

    class Meta:
        verbose_name = _("row of a bulk order")
        verbose_name_plural = _("rows of bulk orders")
        ordering = ("bulk_id", "number")
        constraints = [
            models.UniqueConstraint(fields=("bulk", "number"), name="bulk_row_once"),
            models.CheckConstraint(
                condition=models.Q(state="ordered", order__isnull=False)
                | (~models.Q(state="ordered") & models.Q(order__isnull=True)),
                name="bulk_row_ordered_has_order",
            ),
        ]
        indexes = [models.Index(fields=("digest",), name="bulk_row_by_digest", condition=models.Q(state="ordered"))]

    def __str__(self) -> str:
        return f"{self.bulk_id}/{self.number}"
