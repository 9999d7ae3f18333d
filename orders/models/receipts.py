"""Receipts for what customers paid: numbered, and never changed once issued."""

from django.db import models
from django.utils.translation import gettext_lazy as _

from orders.models.sales import Order


class Receipt(models.Model):
    """The receipt of one order, with its tax and its issuer as they were on that day."""

    order = models.OneToOneField(Order, verbose_name=_("order"), on_delete=models.PROTECT, related_name="receipt")
    number = models.CharField(_("number"), max_length=24, unique=True)
    issued_at = models.DateTimeField(_("issued"))
    issued_by = models.CharField(_("issued by"), max_length=254, blank=True)
    #: The day of the sale, in the office's time zone.
    sold_on = models.DateField(_("sold on"))
    #: Erased with the customer's account.
    recipient = models.CharField(_("recipient"), max_length=310, blank=True)
    currency = models.CharField(_("currency"), max_length=3)
    total = models.DecimalField(_("total"), max_digits=14, decimal_places=4)
    #: The tax's rate for each line of the order, by its id: text; null where the office says nothing of tax.
    rates = models.JSONField(_("tax rates"), default=dict, blank=True)
    issuer_name = models.CharField(_("issuer"), max_length=200, blank=True)
    issuer_address = models.TextField(_("issuer's address"), blank=True)
    issuer_registration = models.CharField(_("issuer's registration number"), max_length=120, blank=True)

    class Meta:
        verbose_name = _("receipt")
        verbose_name_plural = _("receipts")
        ordering = ("-issued_at", "-pk")

    def __str__(self) -> str:
        return self.number
