"""Activations of lines for a device that is named beforehand, and the files that say what became of them."""

from django.db import models
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from orders.models.purchases import Purchase
from orders.models.sales import OrderLine
from providers.encryption import EncryptedBytesField
from providers.models import ProviderAccount


class Activation(models.Model):
    """What an order line by form asks the provider for; written with the order.

    ``eid`` and ``delivery_code`` are its only handles until the provider says what came of it.
    """

    order_line = models.OneToOneField(
        OrderLine, verbose_name=_("order line"), on_delete=models.CASCADE, related_name="activation"
    )
    account = models.ForeignKey(
        ProviderAccount, verbose_name=_("account"), on_delete=models.PROTECT, related_name="activations"
    )
    #: Personal: shown by permission, never logged.
    eid = models.CharField(_("EID"), max_length=32)
    #: Ours: short, unique, and in the completion file.
    delivery_code = models.CharField(_("our delivery code"), max_length=10)
    #: Not a name of ours: the provider's own words of the form.
    add_kind = models.CharField(_("kind of activation"), max_length=4)
    aladin_operated = models.CharField(_("ALADIN operated"), max_length=2)
    #: The line's phone number where it is known: given with the form, or told by the completion file.
    account_number = models.CharField(_("phone number of the line"), max_length=14, blank=True)
    #: The form as it is sent, with names, birthday and passwords: erased as soon as it is not needed to send again.
    payload = EncryptedBytesField(_("form"), null=True, blank=True)
    payload_erased_at = models.DateTimeField(_("form erased"), null=True, blank=True)
    #: Until the outcome is known; one EID has one open activation.
    is_open = models.BooleanField(_("open"), default=True)
    created_at = models.DateTimeField(_("created"), auto_now_add=True)

    class Meta:
        verbose_name = _("activation")
        verbose_name_plural = _("activations")
        ordering = ("-created_at", "-pk")
        constraints = [
            models.UniqueConstraint(
                fields=("account", "eid"), condition=models.Q(is_open=True), name="activation_one_open_per_eid"
            ),
            models.UniqueConstraint(fields=("account", "delivery_code"), name="activation_delivery_code_once"),
        ]
        indexes = [
            models.Index(fields=("account_number",), name="activation_by_number"),
            models.Index(fields=("account", "eid"), name="activation_by_eid"),
            models.Index(fields=("is_open", "-created_at", "-id"), name="activation_recent"),
        ]

    def __str__(self) -> str:
        return self.delivery_code


class CompletionImport(models.Model):
    """One completion file that was read, and what became of its rows."""

    account = models.ForeignKey(
        ProviderAccount, verbose_name=_("account"), on_delete=models.PROTECT, related_name="completion_imports"
    )
    file_name = models.CharField(_("file"), max_length=200)
    #: SHA-256 of the file: the same one twice is told.
    digest = models.CharField(_("digest"), max_length=64)
    #: An e-mail address for a person, "command" otherwise.
    imported_by = models.CharField(_("imported by"), max_length=254)
    imported_at = models.DateTimeField(_("imported"), auto_now_add=True)
    applied = models.PositiveIntegerField(_("applied"), default=0)
    repeated = models.PositiveIntegerField(_("repeated"), default=0)
    unmatched = models.PositiveIntegerField(_("unmatched"), default=0)
    faulty = models.PositiveIntegerField(pgettext_lazy("completion file", "faulty"), default=0)

    class Meta:
        verbose_name = _("completion import")
        verbose_name_plural = _("completion imports")
        ordering = ("-imported_at", "-pk")
        indexes = [models.Index(fields=("account", "digest"), name="completion_by_digest")]
        permissions = [("import_completions", "Can import completion files")]

    def __str__(self) -> str:
        return self.file_name


class CompletionOutcome(models.Model):
    """What became of one row of a completion file: the report that is kept."""

    class Outcome(models.TextChoices):
        APPLIED = "applied", _("applied")
        REPEATED = "repeated", _("repeated: nothing changed")
        UNMATCHED = "unmatched", _("matches no open activation")
        FAULTY = "faulty", _("cannot be read")

    report = models.ForeignKey(
        CompletionImport, verbose_name=_("import"), on_delete=models.CASCADE, related_name="outcomes"
    )
    number = models.PositiveIntegerField(_("row"))
    outcome = models.CharField(_("outcome"), max_length=10, choices=Outcome.choices)
    delivery_code = models.CharField(_("delivery code"), max_length=40, blank=True)
    #: The last digits only.
    eid_end = models.CharField(_("EID, end"), max_length=6, blank=True)
    code = models.CharField(_("provider's code"), max_length=60, blank=True)
    note = models.CharField(_("note"), max_length=300, blank=True)
    purchase = models.ForeignKey(
        Purchase, verbose_name=_("purchase"), on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )

    class Meta:
        verbose_name = _("row of a completion import")
        verbose_name_plural = _("rows of completion imports")
        ordering = ("report_id", "number")
        constraints = [models.UniqueConstraint(fields=("report", "number"), name="completion_row_once")]

    def __str__(self) -> str:
        return f"{self.report_id} #{self.number} {self.outcome}"
