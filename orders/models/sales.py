"""What customers want and pay: orders, their lines, payments."""

import uuid
from decimal import Decimal

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

from catalog.models import Plan
from customers.indexed import LastSix
from customers.models import Customer
from esims.models import Esim


class Order(models.Model):
    """What a customer wants. All its lines are in one currency."""

    class State(models.TextChoices):
        UNPAID = "unpaid", _("waiting for payment")
        BUYING = "buying", _("being bought")
        COMPLETED = "completed", _("completed")
        PARTIAL = "partial", _("partly delivered")
        FAILED = "failed", _("not delivered")
        CANCELLED = "cancelled", _("cancelled")
        EXPIRED = "expired", _("expired unpaid")

    number = models.CharField(_("number"), max_length=20, unique=True)
    #: Made when the form is drawn: the same form sent twice gives one order.
    checkout_key = models.UUIDField(_("checkout key"), unique=True, default=uuid.uuid4)
    customer = models.ForeignKey(Customer, verbose_name=_("customer"), on_delete=models.PROTECT, related_name="orders")
    state = models.CharField(_("state"), max_length=10, choices=State.choices, default=State.UNPAID)
    currency = models.CharField(_("currency"), max_length=3)
    total = models.DecimalField(_("total"), max_digits=14, decimal_places=4)
    note = models.TextField(_("note"), blank=True)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, verbose_name=_("created by"), on_delete=models.SET_NULL, null=True, related_name="+"
    )
    created_at = models.DateTimeField(_("created"), auto_now_add=True)
    #: Unpaid until then it expires; null: it waits until somebody pays or cancels it.
    expires_at = models.DateTimeField(_("expires"), null=True, blank=True)
    paid_at = models.DateTimeField(_("paid"), null=True, blank=True)
    finished_at = models.DateTimeField(_("finished"), null=True, blank=True)

    class Meta:
        verbose_name = _("order")
        verbose_name_plural = _("orders")
        ordering = ("-created_at", "-pk")
        indexes = [
            models.Index(fields=("-created_at", "-id"), name="order_recent"),
            models.Index(fields=("state", "-created_at", "-id"), name="order_by_state"),
            models.Index(fields=("customer", "-created_at"), name="order_by_customer"),
            # People read only the end of a number.
            models.Index(LastSix("number"), name="order_by_number_end"),
            models.Index(fields=("expires_at",), name="order_expiring", condition=models.Q(state="unpaid")),
        ]
        permissions = [
            ("sell", "Can take orders and record payments"),
            ("reconcile", "Can decide about purchases whose outcome is not known"),
            ("refund", "Can record refunds"),
            ("replace", "Can replace faulty lines free of charge"),
            ("give_back", "Can decide that a customer gets money back for what was delivered"),
        ]

    def __str__(self) -> str:
        return self.number


class OrderLine(models.Model):
    """One plan × quantity, with names and prices frozen at checkout."""

    class Kind(models.TextChoices):
        ESIM = "esim", _("eSIM")
        TOP_UP = "top_up", _("top-up")
        ACTIVATION = "activation", _("line activation")
        BARE_ACTIVATION = "bare_activation", _("line activation without a plan")
        REISSUE = "reissue", _("reissue of a line")

    #: Kinds that need the activation form, and whose outcome comes by a completion file.
    BY_FORM = (Kind.ACTIVATION, Kind.BARE_ACTIVATION, Kind.REISSUE)

    order = models.ForeignKey(Order, verbose_name=_("order"), on_delete=models.CASCADE, related_name="lines")
    kind = models.CharField(_("kind"), max_length=16, choices=Kind.choices, default=Kind.ESIM)
    plan = models.ForeignKey(Plan, verbose_name=_("plan"), on_delete=models.PROTECT, related_name="order_lines")
    plan_name = models.CharField(_("plan"), max_length=300)
    quantity = models.PositiveIntegerField(_("quantity"))
    #: Days of a plan that is sold by the day; the prices are for all of them.
    period_days = models.PositiveSmallIntegerField(_("days"), null=True, blank=True)
    #: The line that a top-up is for, or that a reissue replaces.
    esim = models.ForeignKey(
        Esim, verbose_name=_("eSIM"), on_delete=models.PROTECT, null=True, blank=True, related_name="order_lines"
    )
    #: The faulty line in whose place this one is bought, free of charge.
    replaces = models.ForeignKey(
        Esim, verbose_name=_("replaces"), on_delete=models.PROTECT, null=True, blank=True, related_name="replacements"
    )
    unit_price = models.DecimalField(_("unit price"), max_digits=14, decimal_places=4)
    price_source = models.CharField(_("price comes from"), max_length=60, blank=True)
    unit_cost = models.DecimalField(_("unit cost"), max_digits=14, decimal_places=4, null=True, blank=True)
    cost_currency = models.CharField(_("cost currency"), max_length=3, blank=True)

    class Meta:
        verbose_name = _("order line")
        verbose_name_plural = _("order lines")
        ordering = ("order_id", "pk")
        constraints = [
            models.CheckConstraint(condition=models.Q(quantity__gte=1), name="order_line_quantity_positive"),
            models.CheckConstraint(condition=models.Q(unit_price__gte=0), name="order_line_price_not_negative"),
            models.CheckConstraint(
                condition=~models.Q(kind="top_up") | models.Q(esim__isnull=False, quantity=1),
                name="order_line_top_up_of_one_line",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.quantity} × {self.plan_name}"

    @property
    def whole_price(self) -> Decimal:
        """What all of it costs the customer."""
        return self.unit_price * self.quantity

    @property
    def is_by_form(self) -> bool:
        return self.kind in self.BY_FORM
