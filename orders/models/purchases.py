"""The requests by which eSIMs are bought, what came of them, and what is owed back (docs/purchase-protocol.md)."""

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

from esims.models import Esim, Package
from orders.models.payments import Payment
from orders.models.sales import Order, OrderLine
from providers.encryption import EncryptedBytesField
from providers.models import ProviderAccount


class Purchase(models.Model):
    """One request to one provider: the unit that is retried, parked and reconciled."""

    class State(models.TextChoices):
        PLANNED = "planned", _("waiting to be sent")
        SENDING = "sending", _("being sent")
        ALLOCATING = "allocating", _("waiting for the provider's lines")
        FULFILLED = "fulfilled", _("delivered")
        SHORT = "short", _("delivered in part")
        HELD = "held", _("held: staff can mend it")
        REJECTED = "rejected", _("refused: nothing was bought")
        UNKNOWN = "unknown", _("outcome unknown")
        CANCELLED = "cancelled", _("cancelled before sending")

    #: States in which the purchase is done for good (a late reply is applied all the same).
    ENDED = (State.FULFILLED, State.SHORT, State.REJECTED, State.CANCELLED)

    order_line = models.ForeignKey(
        OrderLine, verbose_name=_("order line"), on_delete=models.PROTECT, related_name="purchases"
    )
    account = models.ForeignKey(
        ProviderAccount, verbose_name=_("account"), on_delete=models.PROTECT, related_name="purchases"
    )
    plan_ref = models.CharField(_("plan code"), max_length=120)
    plan_alias = models.CharField(_("other plan code"), max_length=120, blank=True)
    quantity = models.PositiveIntegerField(_("quantity"))
    period_days = models.PositiveSmallIntegerField(_("days"), null=True, blank=True)
    #: Ours; committed before the first call and never changed.
    idempotency_key = models.CharField(_("our key"), max_length=50, unique=True)
    state = models.CharField(_("state"), max_length=10, choices=State.choices, default=State.PLANNED)
    attempts_made = models.PositiveIntegerField(_("attempts"), default=0)
    #: When the next step is due by itself; null: nothing happens by itself.
    next_attempt_at = models.DateTimeField(_("next attempt"), null=True, blank=True)
    #: Failed steps in a row: the waits grow with it. A step that works, or a person, sets it to 0.
    failures_in_row = models.PositiveIntegerField(_("failures in a row"), default=0)
    #: Who sent, or is sending, the newest order; the attempt has the same.
    claim = models.UUIDField(_("claim"), null=True, blank=True)
    #: While ``sending``: when that worker counts as dead.
    claim_until = models.DateTimeField(_("claimed until"), null=True, blank=True)
    #: The provider's handles, once known.
    transaction_id = models.CharField(_("provider's transaction"), max_length=80, blank=True)
    provider_order_ref = models.CharField(_("provider's order"), max_length=80, blank=True)
    #: How often an inquiry was made, how many lines the last one named, and how many in a row named as many.
    inquiries_made = models.PositiveIntegerField(_("inquiries"), default=0)
    last_line_count = models.PositiveIntegerField(_("lines at the last inquiry"), null=True, blank=True)
    #: Since when the provider has been allocating; its patience counts from here.
    allocating_since = models.DateTimeField(_("allocating since"), null=True, blank=True)
    #: The line's totals before a top-up was sent: a lost answer is judged by what has changed since.
    totals_before = models.JSONField(_("totals before"), default=dict, blank=True)
    inquiries_agreeing = models.PositiveIntegerField(_("inquiries that agree"), default=0)
    error_code = models.CharField(_("provider's code"), max_length=60, blank=True)
    error = models.TextField(_("error"), blank=True)
    #: What staff can mend while ``held``: a providers.errors.Mend.
    mend = models.CharField(_("to mend"), max_length=12, blank=True)
    #: What a person must look at although the state is settled ("" = nothing), e.g. lines after the money went back.
    attention = models.TextField(_("needs a look"), blank=True)
    created_at = models.DateTimeField(_("created"), auto_now_add=True)
    first_sent_at = models.DateTimeField(_("first sent"), null=True, blank=True)
    finished_at = models.DateTimeField(_("finished"), null=True, blank=True)

    class Meta:
        verbose_name = _("purchase")
        verbose_name_plural = _("purchases")
        ordering = ("pk",)
        constraints = [
            models.CheckConstraint(condition=models.Q(quantity__gte=1), name="purchase_quantity_positive"),
            models.CheckConstraint(
                condition=models.Q(claim__isnull=False, claim_until__isnull=False) | ~models.Q(state="sending"),
                name="purchase_sending_is_claimed",
            ),
        ]
        indexes = [
            models.Index(
                fields=("next_attempt_at",), name="purchase_due", condition=models.Q(next_attempt_at__isnull=False)
            ),
            models.Index(fields=("state", "created_at"), name="purchase_by_state"),
            models.Index(fields=("-created_at", "-id"), name="purchase_recent"),
            models.Index(fields=("account", "-created_at", "-id"), name="purchase_by_account"),
            models.Index(
                fields=("claim_until",), name="purchase_overdue", condition=models.Q(claim_until__isnull=False)
            ),
            models.Index(fields=("created_at",), name="purchase_attention", condition=~models.Q(attention="")),
            models.Index(fields=("transaction_id",), name="purchase_by_transaction"),
            models.Index(
                fields=("provider_order_ref",), name="purchase_by_order", condition=~models.Q(provider_order_ref="")
            ),
        ]

    def __str__(self) -> str:
        return f"{self.idempotency_key} {self.state}"


class PurchaseAttempt(models.Model):
    """One call made for a purchase, written before it is sent and kept as evidence."""

    class Kind(models.TextChoices):
        ORDER = "order", _("order")
        INQUIRY = "inquiry", _("inquiry")
        #: The order was looked for by our own key.
        LOOKUP = "lookup", _("look by our key")
        #: The line was read to see whether a top-up arrived.
        COMPARE = "compare", _("look at the line")

    #: Outcomes under which a reply that is stored still waits to be applied.
    NOT_JUDGED = ("", "no_answer")
    #: Outcomes of an order of which nobody knows whether it was bought.
    UNANSWERED = ("", "no_answer", "unknown", "unreadable")

    purchase = models.ForeignKey(
        Purchase, verbose_name=_("purchase"), on_delete=models.CASCADE, related_name="attempts"
    )
    number = models.PositiveIntegerField(_("number"))
    kind = models.CharField(_("kind"), max_length=8, choices=Kind.choices)
    #: The purchase's claim under which an order was sent.
    claim = models.UUIDField(_("claim"), null=True, blank=True)
    #: What was asked, without secrets.
    request = models.JSONField(_("request"), default=dict)
    started_at = models.DateTimeField(_("started"))
    sent_at = models.DateTimeField(_("sent"), null=True, blank=True)
    received_at = models.DateTimeField(_("answered"), null=True, blank=True)
    status = models.PositiveSmallIntegerField(_("HTTP status"), null=True, blank=True)
    headers = models.JSONField(_("headers"), default=dict, blank=True)
    #: The reply as it came, stored before it is parsed; erased after RAW_REPLY_DAYS.
    body = EncryptedBytesField(_("raw reply"), null=True, blank=True)
    is_complete = models.BooleanField(_("whole reply"), null=True, blank=True)
    #: fulfilled, allocating, rejected, rate_limited, not_sent, unknown, …: what came of this call.
    outcome = models.CharField(_("outcome"), max_length=20, blank=True)
    error_code = models.CharField(_("provider's code"), max_length=60, blank=True)
    error = models.TextField(_("error"), blank=True)

    class Meta:
        verbose_name = _("purchase attempt")
        verbose_name_plural = _("purchase attempts")
        ordering = ("purchase_id", "number")
        constraints = [models.UniqueConstraint(fields=("purchase", "number"), name="attempt_number_once")]
        indexes = [
            models.Index(
                fields=("received_at",),
                name="attempt_not_applied",
                condition=models.Q(outcome__in=("", "no_answer"), received_at__isnull=False),
            )
        ]

    def __str__(self) -> str:
        return f"{self.purchase_id} #{self.number} {self.outcome}"


class PurchasedEsim(models.Model):
    """Which purchase brought a line: each line came by exactly one."""

    purchase = models.ForeignKey(
        Purchase, verbose_name=_("purchase"), on_delete=models.PROTECT, related_name="delivered"
    )
    esim = models.OneToOneField(Esim, verbose_name=_("eSIM"), on_delete=models.PROTECT, related_name="purchased")

    class Meta:
        verbose_name = _("delivered eSIM")
        verbose_name_plural = _("delivered eSIMs")
        ordering = ("purchase_id", "pk")

    def __str__(self) -> str:
        return f"{self.purchase_id} → {self.esim_id}"


class PurchasedPackage(models.Model):
    """Which purchase topped a line up: each package that we bought came by exactly one."""

    purchase = models.OneToOneField(
        Purchase, verbose_name=_("purchase"), on_delete=models.PROTECT, related_name="topped_up"
    )
    esim = models.ForeignKey(Esim, verbose_name=_("eSIM"), on_delete=models.PROTECT, related_name="top_ups")
    package = models.OneToOneField(
        Package, verbose_name=_("package"), on_delete=models.PROTECT, null=True, blank=True, related_name="purchased"
    )
    at = models.DateTimeField(_("at"))

    class Meta:
        verbose_name = _("top-up that arrived")
        verbose_name_plural = _("top-ups that arrived")
        ordering = ("purchase_id",)

    def __str__(self) -> str:
        return f"{self.purchase_id} → {self.esim_id}"


class Refund(models.Model):
    """Money owed to a customer: it shows until it is made."""

    class Kind(models.TextChoices):
        #: Paid for and not delivered: follows from its purchase, by itself.
        MISSING = "missing", _("not delivered")
        #: A payment that its order does not need: too much, twice, too late, in another currency.
        SURPLUS = "surplus", _("paid too much")
        #: Delivered, and given back all the same: a line that ended unused, or goodwill.
        RETURNED = "returned", _("given back")

    class State(models.TextChoices):
        DUE = "due", _("due")
        #: The payment service is asked to pay it back; it may have done so.
        SENDING = "sending", _("on its way")
        MADE = "made", _("made")
        #: The provider delivered late after all, before the money went back.
        DROPPED = "dropped", _("no longer due")

    #: The money has not arrived, as far as anybody knows.
    OWED = (State.DUE, State.SENDING)
    #: Owed or paid back: it counts in the books.
    STANDING = (State.DUE, State.SENDING, State.MADE)
    #: It may have left: it can no longer be taken back by itself.
    GONE = (State.SENDING, State.MADE)

    kind = models.CharField(_("kind"), max_length=8, choices=Kind.choices, default=Kind.MISSING)
    order = models.ForeignKey(Order, verbose_name=_("order"), on_delete=models.PROTECT, related_name="refunds")
    #: What was not delivered, or is given back.
    purchase = models.ForeignKey(
        Purchase, verbose_name=_("purchase"), on_delete=models.PROTECT, null=True, blank=True, related_name="refunds"
    )
    #: The payment that was too much; of other kinds the card payment to which it goes back, once that is chosen.
    payment = models.ForeignKey(
        Payment, verbose_name=_("payment"), on_delete=models.PROTECT, null=True, blank=True, related_name="refunds"
    )
    #: The line for which money is given back.
    esim = models.ForeignKey(
        Esim, verbose_name=_("eSIM"), on_delete=models.PROTECT, null=True, blank=True, related_name="refunds"
    )
    #: Made when the form is drawn: the same form sent twice owes once. Only of what is given back.
    form_key = models.UUIDField(_("form key"), unique=True, null=True, blank=True)
    quantity = models.PositiveIntegerField(_("eSIMs"), default=0)
    amount = models.DecimalField(_("amount"), max_digits=14, decimal_places=4)
    currency = models.CharField(_("currency"), max_length=3)
    state = models.CharField(_("state"), max_length=8, choices=State.choices, default=State.DUE)
    reason = models.CharField(_("reason"), max_length=300, blank=True)
    method = models.CharField(_("method"), max_length=10, choices=Payment.Method.choices, blank=True)
    reference = models.CharField(_("reference"), max_length=120, blank=True)
    created_at = models.DateTimeField(_("due since"), auto_now_add=True)
    made_at = models.DateTimeField(_("made"), null=True, blank=True)
    made_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, verbose_name=_("made by"), on_delete=models.SET_NULL, null=True, related_name="+"
    )
    # -- at the payment service -------------------------------------------------------------------------------------
    #: The service's refund, once known.
    service_ref = models.CharField(_("service's refund"), max_length=80, blank=True)
    #: How often it was begun anew after the service said no: each has its own idempotency key.
    tries = models.PositiveSmallIntegerField(_("tries"), default=0)
    #: Since when it is on its way, whatever was begun anew meanwhile.
    sending_since = models.DateTimeField(_("on its way since"), null=True, blank=True)
    #: When this try was first sent: its idempotency key is good for a day.
    sent_at = models.DateTimeField(_("first sent"), null=True, blank=True)
    #: How often the service was called or asked for this try.
    calls = models.PositiveIntegerField(_("calls"), default=0)
    next_attempt_at = models.DateTimeField(_("next attempt"), null=True, blank=True)
    error = models.CharField(_("error"), max_length=300, blank=True)

    class Meta:
        verbose_name = _("refund")
        verbose_name_plural = _("refunds")
        ordering = ("-created_at", "-pk")
        constraints = [
            models.UniqueConstraint(
                fields=("purchase",), condition=models.Q(kind="missing"), name="refund_missing_once"
            ),
            models.UniqueConstraint(
                fields=("payment",), condition=models.Q(kind="surplus"), name="refund_surplus_once"
            ),
            # What is given back has none: one that had gone may come back from the card while another is due.
            models.CheckConstraint(
                condition=models.Q(kind="missing", purchase__isnull=False)
                | models.Q(kind="surplus", payment__isnull=False)
                | models.Q(kind="returned", purchase__isnull=False),
                name="refund_is_for_something",
            ),
        ]
        indexes = [
            models.Index(fields=("state", "-created_at"), name="refund_by_state"),
            models.Index(
                fields=("next_attempt_at",),
                name="refund_service_due",
                condition=models.Q(next_attempt_at__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.amount} {self.currency} {self.state}"
