"""The catalogue in the admin. Prices and publication change by their verbs; the rest is the providers'."""

from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from catalog.history import describe_change
from catalog.models import Plan, PlanChange, PlanCoverage, PriceRule, SyncRun
from catalog.pricing import (
    delete_rule,
    describe_source,
    publish_plans,
    reprice_plans,
    require_price,
    save_rule,
    set_own_price,
    set_published,
)

if TYPE_CHECKING:
    _Admin = admin.ModelAdmin[Any]
    _Inline = admin.TabularInline[Any, Any]
    _PlanModelForm = forms.ModelForm[Plan]
else:
    # Not subscriptable at run time.
    _Admin = admin.ModelAdmin
    _Inline = admin.TabularInline
    _PlanModelForm = forms.ModelForm

OURS = ("own_price", "is_published")


class ReadOnly:
    """Nobody adds, changes or deletes here, whatever their permissions."""

    def has_add_permission(self, _request: HttpRequest, _obj: Any = None) -> bool:
        return False

    def has_change_permission(self, _request: HttpRequest, _obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, _request: HttpRequest, _obj: Any = None) -> bool:
        return False


class CoverageInline(ReadOnly, _Inline):
    model = PlanCoverage
    fields = ("country", "kind", "networks")
    extra = 0


class ChangeInline(ReadOnly, _Inline):
    model = PlanChange
    fields = ("at", "kind", "by", "what", "run")
    readonly_fields = ("what",)
    extra = 0

    @admin.display(description=_("what"))
    def what(self, change: PlanChange) -> str:
        return describe_change(change)


class PlanForm(_PlanModelForm):
    """What staff may set; also the rows of the editable list."""

    class Meta:
        model = Plan
        fields = OURS

    def clean(self) -> dict[str, Any]:
        given = super().clean() or self.cleaned_data
        try:
            require_price(given.get("own_price"), self.instance.currency)
        except ValidationError as error:
            self.add_error("own_price", error.message_dict["amount"])
        return given


@admin.register(Plan)
class PlanAdmin(_Admin):
    form = PlanForm
    list_display = (
        "plan_ref",
        "name",
        "account",
        "data_as_given",
        "validity_days",
        "net_price",
        "currency",
        "own_price",
        "retail_price",
        "source",
        "is_published",
        "retired_at",
    )
    list_editable = OURS
    list_filter = (
        "account",
        "is_published",
        ("retired_at", admin.EmptyFieldListFilter),
        ("retail_price", admin.EmptyFieldListFilter),
        ("own_price", admin.EmptyFieldListFilter),
        "currency",
        "data_period",
        "carrier",
    )
    list_select_related = ("account",)
    list_per_page = 50
    show_full_result_count = False
    search_fields = ("plan_ref", "name", "coverage__country")
    search_help_text = _("Code, name or country code")
    inlines = (CoverageInline, ChangeInline)
    actions = ("publish", "unpublish", "reprice")

    def has_add_permission(self, _request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, _request: HttpRequest, _obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, _obj: Any = None) -> bool:
        return self.has_set_price_permission(request)

    def has_set_price_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("catalog.set_price")

    def get_readonly_fields(self, _request: HttpRequest, _obj: Any = None) -> list[str]:
        return [field.name for field in self.opts.concrete_fields if field.name not in (*OURS, "id", "digest")]

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return [*OURS, *self.get_readonly_fields(request, obj)]

    def get_changelist_form(self, request: HttpRequest, **kwargs: Any) -> type[PlanForm]:
        del request, kwargs
        return PlanForm

    def save_model(self, request: HttpRequest, obj: Plan, form: Any, change: bool) -> None:
        by = request.user.get_username()
        if "own_price" in form.changed_data:
            set_own_price(plan=obj, amount=form.cleaned_data["own_price"], by=by)
        if "is_published" in form.changed_data:
            set_published(plan=obj, is_published=form.cleaned_data["is_published"], by=by)

    @admin.display(description=_("price comes from"), ordering="price_source")
    def source(self, plan: Plan) -> str:
        return describe_source(plan.price_source)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Plan]:
        plans: QuerySet[Plan] = super().get_queryset(request).defer("raw")
        return plans

    @admin.action(description=_("Put on sale"), permissions=["set_price"])
    def publish(self, request: HttpRequest, plans: QuerySet[Plan]) -> None:
        self._say(request, publish_plans(plans=plans, is_published=True, by=request.user.get_username()))

    @admin.action(description=_("Take off sale"), permissions=["set_price"])
    def unpublish(self, request: HttpRequest, plans: QuerySet[Plan]) -> None:
        self._say(request, publish_plans(plans=plans, is_published=False, by=request.user.get_username()))

    @admin.action(description=_("Work out the prices again"), permissions=["set_price"])
    def reprice(self, request: HttpRequest, plans: QuerySet[Plan]) -> None:
        self._say(request, reprice_plans(plans=plans, by=request.user.get_username()))

    def _say(self, request: HttpRequest, count: int) -> None:
        text = ngettext("%(count)s plan changed.", "%(count)s plans changed.", count) % {"count": count}
        self.message_user(request, text, messages.SUCCESS)


@admin.register(PlanCoverage)
class PlanCoverageAdmin(ReadOnly, _Admin):
    list_display = ("country", "kind", "plan")
    list_filter = ("kind",)
    list_select_related = ("plan",)
    search_fields = ("=country", "plan__plan_ref")
    show_full_result_count = False


@admin.register(PlanChange)
class PlanChangeAdmin(ReadOnly, _Admin):
    list_display = ("at", "plan", "kind", "by", "what")
    list_filter = ("kind", "at")
    list_select_related = ("plan",)
    search_fields = ("plan__plan_ref", "by")
    show_full_result_count = False

    @admin.display(description=_("what"))
    def what(self, change: PlanChange) -> str:
        return describe_change(change)


@admin.register(SyncRun)
class SyncRunAdmin(ReadOnly, _Admin):
    list_display = (
        "created_at",
        "account",
        "state",
        "asked_by",
        "added",
        "changed",
        "unchanged",
        "returned",
        "retired",
        "page",
    )
    list_filter = ("account", "state")
    list_select_related = ("account",)
    readonly_fields = ("page",)

    @admin.display(description=_("page"))
    def page(self, run: SyncRun) -> SafeString:
        asks = run.state == SyncRun.State.NEEDS_APPROVAL
        words = _("Approve or decline") if asks else _("Open")
        return format_html('<a href="{}">{}</a>', reverse("sync-run-detail", args=[run.pk]), words)


@admin.register(PriceRule)
class PriceRuleAdmin(_Admin):
    list_display = (
        "name",
        "position",
        "is_active",
        "account",
        "country",
        "currency",
        "margin_percent",
        "fixed_amount",
        "rounding",
    )
    list_editable = ("position", "is_active", "margin_percent", "fixed_amount", "rounding")
    list_filter = ("is_active", "account", "currency")
    list_select_related = ("account",)
    search_fields = ("name", "country")

    def save_model(self, request: HttpRequest, obj: PriceRule, form: Any, change: bool) -> None:
        self._say(request, save_rule(rule=obj, by=request.user.get_username()))

    def delete_model(self, request: HttpRequest, obj: PriceRule) -> None:
        self._say(request, delete_rule(rule=obj, by=request.user.get_username()))

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[PriceRule]) -> None:
        self._say(request, sum(delete_rule(rule=rule, by=request.user.get_username()) for rule in queryset))

    def _say(self, request: HttpRequest, count: int) -> None:
        text = ngettext("%(count)s price changed.", "%(count)s prices changed.", count) % {"count": count}
        self.message_user(request, text, messages.INFO)
