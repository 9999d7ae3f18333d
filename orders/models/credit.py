"""Customers who pay later: an account with a limit, its entries, and the statements that are sent."""

from decimal import Decimal

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

from customers.models import Customer
from orders.models.payments import Payment
from orders.models.purchases import Refund


class CreditAccount(models.Model):
    """What one customer may owe us in one currency.

    ``owed`` is the sum of the entries and moves only with one, by a conditional update that keeps it within the limit.
    """

    customer = models.ForeignKey(
        Customer, verbose_name=_("customer"), on_delete=models.PROTECT, related_name="credit_accounts"
    )
    currency = models.CharField(_("currency"), max_length=3)
    credit_limit = models.DecimalField(_("limit"), max_digits=14, decimal_places=4)
    #: Negative: we owe the customer.
    owed = models.DecimalField(_("owed"), max_digits=14, decimal_places=4, default=0)
    is_open = models.BooleanField(_("open for new orders"), default=True)
    payment_days = models.PositiveSmallIntegerField(_("days to pay a statement"), default=30)
    created_at = models.DateTimeField(_("created"), auto_now_add=True)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, verbose_name=_("created by"), on_delete=models.SET_NULL, null=True, related_name="+"
    )

    class Meta:
        verbose_name = _("credit account")
        verbose_name_plural = _("credit accounts")
        ordering = ("customer_id", "currency")
        constraints = [
            models.UniqueConstraint(fields=("customer", "currency"), name="credit_account_once"),
            models.CheckConstraint(condition=models.Q(credit_limit__gte=0), name="credit_limit_not_negative"),
        ]
        permissions = [("manage_credit", "Can open credit accounts, set limits and enter payments on them")]

    def __str__(self) -> str:
        return f"{self.customer_id} {self.currency}"

    @property
    def free(self) -> Decimal:
        """What may still be ordered on credit."""
        return max(Decimal(0), self.credit_limit - self.owed) if self.is_open else Decimal(0)


class CreditStatement(models.Model):
    """What a customer owed at a moment, with the entries since the statement before; never changed once issued."""

    account = models.ForeignKey(
        CreditAccount, verbose_name=_("credit account"), on_delete=models.PROTECT, related_name="statements"
    )
    number = models.CharField(_("number"), max_length=24, unique=True)
    issued_at = models.DateTimeField(_("issued"))
    issued_by = models.CharField(_("issued by"), max_length=254, blank=True)
    due_on = models.DateField(_("to be paid by"))
    opening = models.DecimalField(_("owed before"), max_digits=14, decimal_places=4)
    closing = models.DecimalField(_("owed"), max_digits=14, decimal_places=4)
    #: The office as it was then; "" on statements from before it was kept.
    issuer_name = models.CharField(_("issuer"), max_length=200, blank=True)
    issuer_address = models.TextField(_("issuer's address"), blank=True)
    issuer_registration = models.CharField(_("issuer's registration number"), max_length=120, blank=True)

    class Meta:
        verbose_name = _("credit statement")
        verbose_name_plural = _("credit statements")
        ordering = ("-issued_at", "-pk")
        indexes = [
            models.Index(fields=("account", "-issued_at", "-id"), name="credit_statement_recent"),
            models.Index(fields=("due_on",), name="credit_statement_due"),
        ]

    def __str__(self) -> str:
        return self.number


class CreditEntry(models.Model):
    """One movement on a credit account: never changed, never deleted."""

    class Kind(models.TextChoices):
        CHARGE = "charge", _("order")
        PAYMENT = "payment", _("payment received")
        REFUND = "refund", _("refund")
        ADJUSTMENT = "adjustment", _("adjustment")
        #: No money: the limit, the days to pay, or whether it is open for new orders changed.
        TERMS = "terms", _("terms changed")

    account = models.ForeignKey(
        CreditAccount, verbose_name=_("credit account"), on_delete=models.PROTECT, related_name="entries"
    )
    kind = models.CharField(_("kind"), max_length=10, choices=Kind.choices)
    #: Positive: the customer owes more.
    amount = models.DecimalField(_("amount"), max_digits=14, decimal_places=4)
    owed_after = models.DecimalField(_("owed then"), max_digits=14, decimal_places=4)
    payment = models.OneToOneField(
        Payment, verbose_name=_("payment"), on_delete=models.PROTECT, null=True, blank=True, related_name="credit_entry"
    )
    refund = models.OneToOneField(
        Refund, verbose_name=_("refund"), on_delete=models.PROTECT, null=True, blank=True, related_name="credit_entry"
    )
    #: The same form sent twice makes one entry.
    form_key = models.UUIDField(_("form key"), unique=True, null=True, blank=True)
    statement = models.ForeignKey(
        CreditStatement,
        verbose_name=_("statement"),
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="entries",
    )
    #: How the customer paid what is owed, or which way a refund went.
    method = models.CharField(_("method"), max_length=10, choices=Payment.Method.choices, blank=True)
    reference = models.CharField(_("reference"), max_length=120, blank=True)
    why = models.CharField(_("why"), max_length=300, blank=True)
    by = models.CharField(_("by"), max_length=254)
    at = models.DateTimeField(_("at"), auto_now_add=True)

    class Meta:
        verbose_name = _("credit entry")
        verbose_name_plural = _("credit entries")
        ordering = ("account_id", "pk")
        indexes = [
            models.Index(fields=("account", "-at", "-id"), name="credit_entry_recent"),
            models.Index(fields=("account", "at"), name="credit_entry_open", condition=models.Q(statement=None)),
        ]

    def __str__(self) -> str:
        return f"{self.account_id} {self.kind} {self.amount}"
