"""What a customer is to get back once a line has ended, and which packages fitted to a line when it was last asked."""

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from catalog.models import Plan
from esims.models import Esim, LineAction
from orders.models.purchases import Purchase, Refund


class ReturnWish(models.Model):
    """What staff promised the customer when they asked for a line's end: owed once the line confirms that end."""

    class State(models.TextChoices):
        WAITING = "waiting", pgettext_lazy("money back", "waits for the line's end")
        OWED = "owed", pgettext_lazy("money back", "owed to the customer")
        #: The end did not come, or nobody knows whether it did; or nothing was left to give back.
        VOID = "void", pgettext_lazy("money back", "nothing is owed by it")

    action = models.OneToOneField(
        LineAction, verbose_name=_("line action"), on_delete=models.PROTECT, related_name="return_wish"
    )
    #: What the customer paid for.
    purchase = models.ForeignKey(
        Purchase, verbose_name=_("purchase"), on_delete=models.PROTECT, related_name="return_wishes"
    )
    amount = models.DecimalField(_("amount"), max_digits=14, decimal_places=4)
    currency = models.CharField(_("currency"), max_length=3)
    reason = models.CharField(_("reason"), max_length=300)
    state = models.CharField(_("state"), max_length=7, choices=State.choices, default=State.WAITING)
    #: Why nothing is owed by it, or less than was promised.
    note = models.CharField(_("note"), max_length=300, blank=True)
    refund = models.OneToOneField(
        Refund, verbose_name=_("refund"), on_delete=models.PROTECT, null=True, blank=True, related_name="return_wish"
    )
    asked_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, verbose_name=_("asked by"), on_delete=models.SET_NULL, null=True, related_name="+"
    )
    created_at = models.DateTimeField(_("created"), auto_now_add=True)
    settled_at = models.DateTimeField(_("settled"), null=True, blank=True)

    class Meta:
        verbose_name = _("promised refund")
        verbose_name_plural = _("promised refunds")
        ordering = ("-created_at", "-pk")
        constraints = [models.CheckConstraint(condition=models.Q(amount__gt=0), name="return_wish_is_something")]
        indexes = [
            models.Index(fields=("created_at",), name="return_wish_waiting", condition=models.Q(state="waiting"))
        ]

    def __str__(self) -> str:
        return f"{self.amount} {self.currency} {self.state}"


class TopUpOffer(models.Model):
    """A package that the provider named for a line when it was asked: one that is not named again is not renewed."""

    esim = models.ForeignKey(Esim, verbose_name=_("eSIM"), on_delete=models.CASCADE, related_name="top_up_offers")
    plan = models.ForeignKey(Plan, verbose_name=_("plan"), on_delete=models.CASCADE, related_name="top_up_offers")
    asked_at = models.DateTimeField(_("asked at"))

    class Meta:
        verbose_name = _("offered top-up")
        verbose_name_plural = _("offered top-ups")
        ordering = ("esim_id", "plan_id")
        constraints = [models.UniqueConstraint(fields=("esim", "plan"), name="top_up_offer_once")]
        indexes = [models.Index(fields=("asked_at",), name="top_up_offer_age")]

    def __str__(self) -> str:
        return f"{self.esim_id} {self.plan_id}"
