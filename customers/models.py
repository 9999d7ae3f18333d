"""People: those who sign in, and those who travel."""

from typing import Any, ClassVar

from django.contrib.auth.models import AbstractUser, BaseUserManager
from django.db import models
from django.db.models.functions import Lower
from django.utils.translation import gettext_lazy as _

from providers.encryption import EncryptedBytesField


class UserManager(BaseUserManager["User"]):
    """Users are found by their e-mail address."""

    def create_user(self, email: str, password: str | None = None, **fields: Any) -> "User":
        user = self.model(email=self.normalize_email(email).lower(), **fields)
        user.set_password(password)
        user.save(using=self._db)
        return user

    def create_superuser(self, email: str, password: str | None = None, **fields: Any) -> "User":
        return self.create_user(email, password, **{"is_staff": True, "is_superuser": True, **fields})


class User(AbstractUser):
    """Somebody who signs in, staff or customer. Sign-up never yields staff."""

    username = None  # type: ignore[assignment]
    email = models.EmailField(_("e-mail address"), unique=True)
    language = models.CharField(_("language"), max_length=8, blank=True)
    time_zone = models.CharField(_("time zone"), max_length=60, blank=True)

    USERNAME_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = []
    objects = UserManager()  # type: ignore[misc,assignment]

    class Meta:
        verbose_name = _("user")
        verbose_name_plural = _("users")
        ordering = ("email",)
        permissions = [("manage_staff", "Can invite staff, give roles and end sign-ins")]

    def __str__(self) -> str:
        return self.get_full_name() or self.email


class Customer(models.Model):
    """A traveller, or the firm that pays. Made by staff; linked to a sign-up only after its address is verified."""

    user = models.OneToOneField(
        User, verbose_name=_("user"), on_delete=models.SET_NULL, null=True, blank=True, related_name="customer"
    )
    name = models.CharField(_("name"), max_length=150)
    email = models.EmailField(_("e-mail address"), blank=True)
    phone = models.CharField(_("phone"), max_length=32, blank=True)
    company = models.CharField(_("company"), max_length=150, blank=True)
    country = models.CharField(_("country"), max_length=2, blank=True)
    language = models.CharField(_("language"), max_length=8, blank=True)
    note = models.TextField(_("note"), blank=True)
    #: Kinds of notifications (those of ``orders``) of which they want no e-mail, or nothing on their phones' screens.
    email_off = models.JSONField(_("without e-mail"), default=list, blank=True)
    push_off = models.JSONField(_("without push"), default=list, blank=True)
    #: When they had their account deleted: who they were is not kept.
    erased_at = models.DateTimeField(_("erased"), null=True, blank=True, editable=False)
    created_at = models.DateTimeField(_("created"), auto_now_add=True)
    created_by = models.ForeignKey(
        User, verbose_name=_("created by"), on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )

    class Meta:
        verbose_name = _("customer")
        verbose_name_plural = _("customers")
        ordering = ("-created_at", "-pk")
        constraints = [
            models.UniqueConstraint(Lower("email"), condition=~models.Q(email=""), name="customer_email_once")
        ]
        indexes = [
            models.Index(fields=("name",), name="customer_by_name"),
            models.Index(fields=("-created_at", "-id"), name="customer_recent"),
        ]

    def __str__(self) -> str:
        return self.name


class CustomerTerm(models.Model):
    """A beginning by which a customer is found (customers/terms.py): the verbs that write customers keep it."""

    customer = models.ForeignKey(
        Customer, verbose_name=_("customer"), on_delete=models.CASCADE, related_name="terms", db_index=False
    )
    term = models.CharField(_("term"), max_length=160, db_index=True)

    class Meta:
        verbose_name = _("search term")
        verbose_name_plural = _("search terms")
        ordering = ("pk",)
        constraints = [models.UniqueConstraint(fields=("customer", "term"), name="customer_term_once")]

    def __str__(self) -> str:
        return self.term


class SavedView(models.Model):
    """A way in which somebody looks at a list: its filters, order and columns, under a name."""

    page = models.CharField(_("list"), max_length=20)
    owner = models.ForeignKey(User, verbose_name=_("owner"), on_delete=models.CASCADE, related_name="views")
    name = models.CharField(_("name"), max_length=60)
    #: The words of the list's address.
    query = models.CharField(_("filters"), max_length=1000, blank=True)
    is_shared = models.BooleanField(_("for everybody"), default=False)
    #: The list opens with it for its owner.
    is_default = models.BooleanField(_("opens first"), default=False)
    created_at = models.DateTimeField(_("created"), auto_now_add=True)

    class Meta:
        verbose_name = _("saved view")
        verbose_name_plural = _("saved views")
        ordering = ("name", "pk")
        constraints = [
            models.UniqueConstraint(fields=("owner", "page", "name"), name="saved_view_once"),
            models.UniqueConstraint(
                fields=("owner", "page"), condition=models.Q(is_default=True), name="saved_view_one_default"
            ),
        ]
        indexes = [models.Index(fields=("page",), name="saved_view_shared", condition=models.Q(is_shared=True))]
        permissions = [("share_view", "Can share saved views with everybody")]

    def __str__(self) -> str:
        return self.name


class IdempotencyKey(models.Model):
    """What a person asked for under one ``Idempotency-Key``, and the first answer to it (customers/idempotency.py)."""

    user = models.ForeignKey(User, verbose_name=_("user"), on_delete=models.CASCADE, related_name="idempotency_keys")
    key = models.CharField(_("key"), max_length=255)
    digest = models.CharField(_("digest of the request"), max_length=64)
    #: Who is at work: counted up at each claim, so that a claim that was taken over writes nothing more.
    turn = models.PositiveIntegerField(_("turn"), default=1)
    #: Since when somebody is at work; None: nobody is.
    claimed_at = models.DateTimeField(_("claimed"), null=True, blank=True)
    #: What the work has reached, in the same transaction as that: ids only.
    reached = models.JSONField(_("reached"), default=dict, blank=True)
    status = models.PositiveSmallIntegerField(_("status"), null=True, blank=True)
    headers = models.JSONField(_("headers"), default=dict, blank=True)
    answer = EncryptedBytesField(_("answer"), null=True, blank=True)
    created_at = models.DateTimeField(_("created"), auto_now_add=True)

    class Meta:
        verbose_name = _("idempotency key")
        verbose_name_plural = _("idempotency keys")
        ordering = ("-created_at", "-pk")
        constraints = [models.UniqueConstraint(fields=("user", "key"), name="idempotency_key_once")]
        indexes = [models.Index(fields=("created_at",), name="idempotency_by_age")]

    def __str__(self) -> str:
        return self.key


class Device(models.Model):
    """A phone with the app, which may be sent push messages while it is signed in (customers/push.py)."""

    class Platform(models.TextChoices):
        IOS = "ios", "iOS"
        ANDROID = "android", "Android"
        WEB = "web", "Web"

    user = models.ForeignKey(User, verbose_name=_("user"), on_delete=models.CASCADE, related_name="devices")
    #: Given by the push service to this installation of the app: it has one owner at a time.
    token = models.CharField(_("token"), max_length=500, unique=True)
    platform = models.CharField(_("platform"), max_length=7, choices=Platform.choices)
    name = models.CharField(_("name"), max_length=80, blank=True)
    #: Of the sign-in by which it came: when that has ended, nothing more is sent.
    session_key = models.CharField(_("session"), max_length=40, editable=False)
    created_at = models.DateTimeField(_("created"), auto_now_add=True)
    seen_at = models.DateTimeField(_("last seen"))

    class Meta:
        verbose_name = _("device")
        verbose_name_plural = _("devices")
        ordering = ("-seen_at", "-pk")

    def __str__(self) -> str:
        return self.name or self.get_platform_display()


class StaffInvitation(models.Model):
    """Somebody was asked by e-mail to join the staff (customers/inviting.py); their account sleeps until they do."""

    user = models.OneToOneField(User, verbose_name=_("user"), on_delete=models.CASCADE, related_name="invitation")
    #: Counted up whenever it is sent anew: a link holds the number, and only that of the last one opens.
    round = models.PositiveSmallIntegerField(_("round"), default=1)
    invited_by = models.CharField(_("invited by"), max_length=254)
    created_at = models.DateTimeField(_("created"), auto_now_add=True)
    expires_at = models.DateTimeField(_("expires"))
    accepted_at = models.DateTimeField(_("accepted"), null=True, blank=True)

    class Meta:
        verbose_name = _("invitation of staff")
        verbose_name_plural = _("invitations of staff")
        ordering = ("-created_at", "-pk")

    def __str__(self) -> str:
        return self.user.email


class StaffEvent(models.Model):
    """One row of what happened to the account of a member of staff: written once, changed by nobody."""

    class Kind(models.TextChoices):
        INVITED = "invited", _("Invited")
        INVITED_AGAIN = "invited_again", _("Invited again")
        WITHDRAWN = "withdrawn", _("Invitation withdrawn")
        JOINED = "joined", _("Accepted the invitation")
        ROLE = "role", _("Role changed")
        RIGHTS = "rights", _("Rights changed in the admin")
        DEACTIVATED = "deactivated", _("Deactivated")
        REACTIVATED = "reactivated", _("Reactivated")
        SIGNED_OUT = "signed_out", _("Signed out by an administrator")
        FACTOR_REMOVED = "factor_removed", _("Second factor removed")
        LOCKED = "locked", _("Sign-in locked after failed attempts")
        UNLOCKED = "unlocked", _("Sign-in unlocked")

    kind = models.CharField(_("kind"), max_length=14, choices=Kind.choices)
    #: The row outlives the account, and the address says whose it was.
    user = models.ForeignKey(
        User, verbose_name=_("user"), on_delete=models.SET_NULL, null=True, blank=True, related_name="staff_events"
    )
    email = models.CharField(_("e-mail address"), max_length=254)
    by = models.CharField(_("by"), max_length=254)
    why = models.CharField(_("reason"), max_length=300, blank=True)
    facts = models.JSONField(_("facts"), default=dict, blank=True)
    at = models.DateTimeField(_("at"), auto_now_add=True)

    class Meta:
        verbose_name = _("event of staff")
        verbose_name_plural = _("events of staff")
        ordering = ("-at", "-pk")
        indexes = [models.Index(fields=("user", "-at", "-id"), name="staff_event_by_user")]

    def __str__(self) -> str:
        return f"{self.email}: {self.get_kind_display()}"
