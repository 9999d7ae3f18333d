"""What can be sold, where it works, for how much, and how it came to be known."""

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models.functions import Coalesce
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from catalog.codes import validate_country_code, validate_currency_code
from providers.models import ProviderAccount
from providers.types import AfterCap, CoverageKind, DataPeriod, StartsWith

PERIODS = {DataPeriod.TOTAL: _("in total"), DataPeriod.DAY: _("per day"), DataPeriod.UNKNOWN: _("not said")}
COVERAGE_KINDS = {
    CoverageKind.HOME: _("home"),
    CoverageKind.ROAMING: _("roaming"),
    CoverageKind.UNSPECIFIED: _("not said"),
}
AFTER_CAPS = {
    AfterCap.REDUCED: _("slower"),
    AfterCap.CUT_OFF: pgettext_lazy("when the data is used up", "ends"),
    AfterCap.NO_CAP: _("there is no cap"),
    AfterCap.UNKNOWN: _("not said"),
}
START_RULES = {
    StartsWith.INSTALLATION: _("with the installation"),
    StartsWith.CONNECTION: _("with the first connection"),
    StartsWith.UNKNOWN: _("not said"),
}


class SyncRun(models.Model):
    """One reading of an account's catalogue."""

    class State(models.TextChoices):
        WAITING = "waiting", _("waiting")
        RUNNING = "running", _("running")
        NEEDS_APPROVAL = "needs_approval", _("asks a person")
        SUCCEEDED = "succeeded", _("succeeded")
        INCOMPLETE = "incomplete", _("incomplete: nothing retired")
        FAILED = "failed", _("failed: nothing changed")

    account = models.ForeignKey(
        ProviderAccount, verbose_name=_("account"), on_delete=models.PROTECT, related_name="sync_runs"
    )
    state = models.CharField(_("state"), max_length=16, choices=State.choices, default=State.WAITING)
    #: Who asked: an e-mail address, or "schedule", "command".
    asked_by = models.CharField(_("asked by"), max_length=254)
    created_at = models.DateTimeField(_("asked at"), auto_now_add=True)
    started_at = models.DateTimeField(_("started"), null=True, blank=True)
    finished_at = models.DateTimeField(_("finished"), null=True, blank=True)
    #: Moves while the run is alive; a run whose heart stopped may be taken over.
    heartbeat_at = models.DateTimeField(_("last sign of life"), null=True, blank=True)
    step = models.CharField(_("step"), max_length=20, blank=True)
    pages_read = models.PositiveIntegerField(_("pages read"), default=0)
    pages_total = models.PositiveIntegerField(_("pages in total"), null=True, blank=True)
    offers_read = models.PositiveIntegerField(_("offers read"), default=0)
    offers_total = models.PositiveIntegerField(_("offers by the provider's count"), null=True, blank=True)
    added = models.PositiveIntegerField(_("added"), default=0)
    changed = models.PositiveIntegerField(_("changed"), default=0)
    unchanged = models.PositiveIntegerField(_("unchanged"), default=0)
    returned = models.PositiveIntegerField(_("returned"), default=0)
    retired = models.PositiveIntegerField(_("retired"), default=0)
    #: Plans that vanished and wait for a person's word: plan ids.
    would_retire = models.JSONField(_("would retire"), default=list, blank=True)
    faults = models.JSONField(_("faults"), default=list, blank=True)
    error = models.TextField(_("error"), blank=True)
    #: Who approved or declined what the run would retire; "" while nobody was asked.
    decided_by = models.CharField(_("decided by"), max_length=254, blank=True)
    decided_at = models.DateTimeField(_("decided at"), null=True, blank=True)

    class Meta:
        verbose_name = _("sync run")
        verbose_name_plural = _("sync runs")
        ordering = ("-created_at", "-pk")
        constraints = [
            models.UniqueConstraint(
                fields=("account",), condition=models.Q(state__in=("waiting", "running")), name="sync_run_one_open"
            )
        ]
        permissions = [("sync_catalog", "Can read a provider's catalogue and approve what it retires")]

    def __str__(self) -> str:
        return f"{self.account_id} {self.state} {self.created_at:%Y-%m-%d %H:%M}"


#: What a plan itself must be to be sold as a new eSIM; ``catalog.search.sellable_plans`` asks for its account, too.
FOR_SALE = models.Q(kind="esim", retired_at__isnull=True, is_published=True, retail_price__gt=0)
#: Days that a plan can be bought for at most, bytes that it has: what is not known comes last, no cap is the most.
SHORTEST_FIRST = Coalesce(
    "days_choice_max", "validity_days", models.Value(2**31 - 1), output_field=models.IntegerField()
)
LEAST_DATA_FIRST = models.Case(
    models.When(data_unlimited=True, then=models.Value(2**63 - 1)),
    default=Coalesce("data_bytes", models.Value(-1)),
    output_field=models.BigIntegerField(),
)


class Plan(models.Model):
    """A sellable offer of one account. Fields hold what the provider said; prices of ours are at the end."""

    class Kind(models.TextChoices):
        ESIM = "esim", _("eSIM")
        #: A package that only an existing line can take; kept as the provider offered it for a line.
        TOP_UP = "top_up", _("top-up")
        #: The line is activated for the customer's own device; the plan code stands in our contract.
        ACTIVATION = "activation", _("line activation")
        BARE_ACTIVATION = "bare_activation", _("line activation without a plan")
        REISSUE = "reissue", _("reissue of a line")

    #: Kinds that staff enter by hand: no provider lists them.
    ENTERED_KINDS = (Kind.ACTIVATION, Kind.BARE_ACTIVATION, Kind.REISSUE)

    account = models.ForeignKey(
        ProviderAccount, verbose_name=_("account"), on_delete=models.PROTECT, related_name="plans"
    )
    kind = models.CharField(_("kind"), max_length=16, choices=Kind.choices, default=Kind.ESIM)
    plan_ref = models.CharField(_("plan code"), max_length=120)
    name = models.CharField(_("name"), max_length=300)
    plan_type = models.CharField(_("plan type (provider's word)"), max_length=60, blank=True)
    carrier = models.CharField(_("carrier code"), max_length=80, blank=True)
    data_bytes = models.BigIntegerField(_("data, bytes"), null=True, blank=True)
    data_period = models.CharField(
        _("counted"), max_length=8, choices=[(key.value, label) for key, label in PERIODS.items()]
    )
    data_unlimited = models.BooleanField(_("no cap"), default=False)
    data_as_given = models.CharField(_("data as given"), max_length=60, blank=True)
    validity_days = models.PositiveIntegerField(_("days"), null=True, blank=True)
    validity_info = models.TextField(_("validity, provider's text"), blank=True)
    activation_info = models.TextField(_("activation rule, provider's text"), blank=True)
    unused_termination_days = models.PositiveIntegerField(_("ends unused after, days"), null=True, blank=True)
    max_speed = models.DecimalField(_("top speed"), max_digits=14, decimal_places=3, null=True, blank=True)
    reduced_speed = models.DecimalField(_("reduced speed"), max_digits=14, decimal_places=3, null=True, blank=True)
    speed_unit = models.CharField(_("speed unit"), max_length=12, blank=True)
    tethering = models.BooleanField(_("tethering"), null=True, blank=True)
    ip_countries = models.JSONField(_("IP countries"), default=list, blank=True)
    dialing_code = models.CharField(_("dialling code"), max_length=12, blank=True)
    voice_inbound = models.BooleanField(_("incoming calls"), null=True, blank=True)
    voice_outbound = models.BooleanField(_("outgoing calls"), null=True, blank=True)
    sms_inbound = models.BooleanField(_("incoming SMS"), null=True, blank=True)
    sms_outbound = models.BooleanField(_("outgoing SMS"), null=True, blank=True)
    top_up_supported = models.BooleanField(_("top-up"), null=True, blank=True)
    kyc_required = models.BooleanField(_("identity check (eKYC)"), null=True, blank=True)
    restrictions = models.TextField(_("restrictions"), blank=True)
    net_price = models.DecimalField(_("net price"), max_digits=14, decimal_places=4, null=True, blank=True)
    suggested_price = models.DecimalField(_("suggested price"), max_digits=14, decimal_places=4, null=True, blank=True)
    currency = models.CharField(_("currency"), max_length=3, blank=True)
    #: Another id under which the provider knows the same plan.
    alias = models.CharField(_("other plan code"), max_length=120, blank=True)
    region = models.CharField(_("provider's region"), max_length=60, blank=True)
    #: The number of days is chosen with the order, up to this; data, days and prices are then those of one day.
    days_choice_max = models.PositiveSmallIntegerField(_("days to choose, at most"), null=True, blank=True)
    after_cap = models.CharField(
        _("when the data is used up"),
        max_length=8,
        choices=[(key.value, label) for key, label in AFTER_CAPS.items()],
        default=AfterCap.UNKNOWN.value,
    )
    starts_with = models.CharField(
        _("time starts"),
        max_length=12,
        choices=[(key.value, label) for key, label in START_RULES.items()],
        default=StartsWith.UNKNOWN.value,
    )
    #: Top-ups fit to lines of the same group.
    top_up_profile = models.CharField(_("top-up group"), max_length=60, blank=True)
    api_sms = models.BooleanField(_("SMS by the provider's API"), null=True, blank=True)
    raw = models.JSONField(_("as received"), default=dict, blank=True)
    #: Digest of everything above: a sync writes only rows whose digest differs.
    digest = models.CharField(_("digest"), max_length=64)
    first_seen_at = models.DateTimeField(_("first seen"))
    changed_at = models.DateTimeField(_("changed by the provider"))
    retired_at = models.DateTimeField(_("retired"), null=True, blank=True)
    # -- ours -----------------------------------------------------------------------------------------------------
    is_published = models.BooleanField(_("for sale"), default=True)
    own_price = models.DecimalField(
        _("own price"), max_digits=14, decimal_places=4, null=True, blank=True, validators=[MinValueValidator(0)]
    )
    #: What the customer pays, in ``currency``; worked out by catalog/pricing.py from own price, rule or suggestion.
    retail_price = models.DecimalField(_("retail price"), max_digits=14, decimal_places=4, null=True, blank=True)
    price_source = models.CharField(_("price comes from"), max_length=60, blank=True)

    class Meta:
        verbose_name = _("plan")
        verbose_name_plural = _("plans")
        ordering = ("account_id", "plan_ref")
        constraints = [
            models.UniqueConstraint(fields=("account", "plan_ref"), name="plan_once_per_account"),
            models.CheckConstraint(
                condition=models.Q(retail_price__isnull=True) | models.Q(retail_price__gte=0),
                name="plan_price_not_negative",
            ),
        ]
        indexes = [
            models.Index(fields=("retired_at", "is_published", "retail_price"), name="plan_for_sale"),
            # The orders of the app's lists (catalog/offers.py), over what is for sale.
            models.Index(fields=("currency", "retail_price", "id"), name="plan_offer_by_price", condition=FOR_SALE),
            models.Index(fields=("name", "id"), name="plan_offer_by_name", condition=FOR_SALE),
            models.Index(SHORTEST_FIRST, "id", name="plan_offer_by_days", condition=FOR_SALE),
            models.Index(LEAST_DATA_FIRST, "id", name="plan_offer_by_data", condition=FOR_SALE),
            models.Index(fields=("plan_ref",), name="plan_by_ref"),
            models.Index(fields=("alias",), name="plan_by_alias", condition=~models.Q(alias="")),
        ]
        permissions = [("set_price", "Can set prices and publish plans")]

    def __str__(self) -> str:
        return f"{self.name} ({self.plan_ref})"


class PlanCoverage(models.Model):
    """One country of a plan, with the networks used there: ``[{"name": …, "types": […]}]``."""

    plan = models.ForeignKey(Plan, verbose_name=_("plan"), on_delete=models.CASCADE, related_name="coverage")
    country = models.CharField(_("country"), max_length=2)
    kind = models.CharField(
        _("coverage"), max_length=12, choices=[(key.value, label) for key, label in COVERAGE_KINDS.items()]
    )
    networks = models.JSONField(_("networks"), default=list, blank=True)

    class Meta:
        verbose_name = _("coverage")
        verbose_name_plural = _("coverage")
        ordering = ("plan_id", "country")
        constraints = [models.UniqueConstraint(fields=("plan", "country"), name="coverage_once_per_country")]
        indexes = [models.Index(fields=("country", "kind", "plan"), name="coverage_by_country")]

    def __str__(self) -> str:
        return f"{self.country} {self.kind}"


class CatalogueVersion(models.Model):
    """One row, whose word is another one after each change of the catalogue: see catalog/version.py."""

    word = models.CharField(_("version"), max_length=32)
    changed_at = models.DateTimeField(_("changed"))

    class Meta:
        verbose_name = _("catalogue version")
        verbose_name_plural = _("catalogue versions")

    def __str__(self) -> str:
        return self.word


class PlanChange(models.Model):
    """One change of a plan: ``changes`` holds field → [old, new]."""

    class Kind(models.TextChoices):
        ADDED = "added", _("added")
        CHANGED = "changed", _("changed")
        RETIRED = "retired", _("retired")
        RETURNED = "returned", _("returned")
        PRICED = "priced", _("priced by us")

    plan = models.ForeignKey(Plan, verbose_name=_("plan"), on_delete=models.CASCADE, related_name="history")
    run = models.ForeignKey(
        SyncRun,
        verbose_name=_("sync run"),
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="plan_changes",
    )
    kind = models.CharField(_("kind"), max_length=10, choices=Kind.choices)
    at = models.DateTimeField(_("at"))
    #: Who: an e-mail address for a person, "" for a sync.
    by = models.CharField(_("by"), max_length=254, blank=True)
    changes = models.JSONField(_("changes"), default=dict, blank=True)

    class Meta:
        verbose_name = _("plan change")
        verbose_name_plural = _("plan changes")
        ordering = ("-at", "-pk")
        indexes = [models.Index(fields=("plan", "-at"), name="plan_change_recent")]

    def __str__(self) -> str:
        return f"{self.plan_id} {self.kind}"


class PriceRule(models.Model):
    """How a net price becomes a retail price where a plan has no price of its own. The lowest ``position`` wins."""

    class Rounding(models.TextChoices):
        CENT = "cent", _("to the cent (yen: to the yen)")
        NINETY_NINE = "99", _("up to the next .99 (yen: to the next 99)")
        HALF = "half", _("up to the next half (yen: to the next 50)")
        WHOLE = "whole", _("up to the next whole unit")
        TEN = "ten", _("up to the next ten")

    name = models.CharField(_("name"), max_length=80)
    position = models.PositiveSmallIntegerField(_("position"), default=100)
    is_active = models.BooleanField(pgettext_lazy("price rule", "active"), default=True)
    account = models.ForeignKey(
        ProviderAccount,
        verbose_name=_("account"),
        on_delete=models.CASCADE,
        null=True,
        blank=True,
        related_name="price_rules",
    )
    country = models.CharField(
        _("only plans that cover this country"), max_length=2, blank=True, validators=[validate_country_code]
    )
    #: The fixed part is in this currency, so the rule speaks only for plans in it.
    currency = models.CharField(_("currency"), max_length=3, validators=[validate_currency_code])
    margin_percent = models.DecimalField(
        # Just a percent sign: xgettext:no-python-format
        _("margin, % on the net price"),
        max_digits=7,
        decimal_places=2,
        validators=[MinValueValidator(0), MaxValueValidator(1000)],
    )
    fixed_amount = models.DecimalField(
        _("plus a fixed amount"), max_digits=14, decimal_places=4, default=0, validators=[MinValueValidator(0)]
    )
    rounding = models.CharField(_("rounding"), max_length=6, choices=Rounding.choices, default=Rounding.CENT)

    class Meta:
        verbose_name = _("price rule")
        verbose_name_plural = _("price rules")
        ordering = ("position", "pk")

    def __str__(self) -> str:
        return self.name


class DeviceModel(models.Model):
    """A model of phone or tablet, and whether eSIMs can be installed on it: what a customer looks up before anything
    else. Kept by staff (catalog/devices.py); which phone somebody has is never written down.
    """

    class Ability(models.TextChoices):
        YES = "yes", _("takes eSIMs")
        NO = "no", _("takes no eSIMs")
        DEPENDS = "depends", _("depends on the version")

    maker = models.CharField(_("maker"), max_length=60)
    name = models.CharField(_("model"), max_length=120)
    #: Other names and the maker's codes, one on each line; a code that ends in * stands for all that begin with it.
    aliases = models.TextField(_("other names"), max_length=1000, blank=True)
    codes = models.TextField(_("model codes"), max_length=1000, blank=True)
    ability = models.CharField(_("eSIM"), max_length=8, choices=Ability.choices)
    #: Countries whose own version takes none, as their codes with spaces between them.
    none_in = models.CharField(_("versions without eSIM"), max_length=200, blank=True)
    note = models.CharField(_("note, English"), max_length=300, blank=True)
    note_ja = models.CharField(_("note, Japanese"), max_length=300, blank=True)
    source = models.CharField(_("source"), max_length=200)
    checked_on = models.DateField(_("checked on"))
    #: Maker and name, and everything that it is found by, without what people type differently.
    identity = models.CharField(_("identity"), max_length=400, unique=True, editable=False)
    search_key = models.TextField(_("found by"), editable=False)
    changed_by = models.CharField(_("changed by"), max_length=254, editable=False)
    changed_at = models.DateTimeField(_("changed"), editable=False)

    class Meta:
        verbose_name = _("device model")
        verbose_name_plural = _("device models")
        ordering = ("maker", "name")

    def __str__(self) -> str:
        return f"{self.maker} {self.name}"
