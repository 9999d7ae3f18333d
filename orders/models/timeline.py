"""What happened to an order, when, by whom and why."""

from django.db import models
from django.utils.translation import gettext_lazy as _

from orders.models.purchases import Purchase
from orders.models.sales import Order


class OrderEvent(models.Model):
    """The order's timeline: every change of state, with who and why."""

    order = models.ForeignKey(Order, verbose_name=_("order"), on_delete=models.CASCADE, related_name="events")
    purchase = models.ForeignKey(
        Purchase, verbose_name=_("purchase"), on_delete=models.SET_NULL, null=True, blank=True, related_name="events"
    )
    at = models.DateTimeField(_("at"), auto_now_add=True)
    kind = models.CharField(_("kind"), max_length=40)
    #: An e-mail address for a person, a job's name otherwise.
    by = models.CharField(_("by"), max_length=254, blank=True)
    why = models.TextField(_("why"), blank=True)
    facts = models.JSONField(_("facts"), default=dict, blank=True)
    #: Nobody has looked yet whether the customer is to be told of it (orders/notice_planning.py).
    awaits_notice = models.BooleanField(_("waits for a notice"), default=False, editable=False)

    class Meta:
        verbose_name = _("order event")
        verbose_name_plural = _("order events")
        ordering = ("-at", "-pk")
        indexes = [
            models.Index(fields=("order", "-at"), name="order_event_recent"),
            models.Index(fields=("id",), name="order_event_awaits", condition=models.Q(awaits_notice=True)),
        ]

    def __str__(self) -> str:
        return f"{self.order_id} {self.kind}"
