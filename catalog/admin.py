"""The catalogue in the admin. Prices and publication change by their verbs; the rest is the providers'."""

from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from catalog.devices import TERMS as DEVICE_TERMS
from catalog.devices import delete_device, save_device
from catalog.entering import change_entered_plan, enter_plan, retire_entered_plan, return_entered_plan
from catalog.forms_devices import DeviceForm
from catalog.forms_entering import IDENTITY, EnteredPlanForm
from catalog.history import describe_change
from catalog.models import CatalogueVersion, DeviceModel, Plan, PlanChange, PlanCoverage, PriceRule, SyncRun
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
#: What staff type of a plan that they enter.
TERMS = tuple(name for name in EnteredPlanForm.field_order if name not in IDENTITY)
#: The columns behind those that have no field of their own name.
BEHIND_TERMS = ("data_bytes", "data_period", "data_unlimited", "restrictions")


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
        "kind",
        "data_as_given",
        "validity_days",
        "days_choice_max",
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
        "kind",
        "is_published",
        ("retired_at", admin.EmptyFieldListFilter),
        ("retail_price", admin.EmptyFieldListFilter),
        ("own_price", admin.EmptyFieldListFilter),
        "currency",
        "data_period",
        ("days_choice_max", admin.EmptyFieldListFilter),
        "after_cap",
        "carrier",
    )
    list_select_related = ("account",)
    list_per_page = 50
    show_full_result_count = False
    search_fields = ("plan_ref", "alias", "name", "=region", "coverage__country")
    search_help_text = _("Code, name, region or country code")
    inlines = (CoverageInline, ChangeInline)
    actions = ("publish", "unpublish", "reprice", "retire", "bring_back")

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Only plans that no provider lists are added: see catalog/entering.py."""
        return request.user.has_perms(("catalog.set_price", "catalog.add_plan"))

    def has_delete_permission(self, _request: HttpRequest, _obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, _obj: Any = None) -> bool:
        return self.has_set_price_permission(request)

    def has_set_price_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("catalog.set_price")

    def has_enter_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perms(("catalog.set_price", "catalog.change_plan"))

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        if obj is None or self._takes_terms(request, obj):
            kwargs["form"] = EnteredPlanForm
        return super().get_form(request, obj, change, **kwargs)

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        if obj is None:
            return []
        typed = (*TERMS, *BEHIND_TERMS, "is_published") if self._takes_terms(request, obj) else OURS
        return [field.name for field in self.opts.concrete_fields if field.name not in (*typed, "id", "digest")]

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        if obj is None:
            return [*IDENTITY, *TERMS]
        typed = (*TERMS, "is_published") if self._takes_terms(request, obj) else OURS
        return [*typed, *self.get_readonly_fields(request, obj)]

    def _takes_terms(self, request: HttpRequest, plan: Plan) -> bool:
        return plan.kind in Plan.ENTERED_KINDS and self.has_enter_permission(request)

    def changeform_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        try:
            return super().changeform_view(request, *args, **kwargs)
        except ValidationError as error:
            # The form found nothing wrong: somebody was faster.
            self.message_user(request, " ".join(error.messages), messages.ERROR)
            return redirect("admin:catalog_plan_changelist")

    def get_changelist_form(self, request: HttpRequest, **kwargs: Any) -> type[PlanForm]:
        del request, kwargs
        return PlanForm

    def save_model(self, request: HttpRequest, obj: Plan, form: Any, change: bool) -> None:
        by = request.user.get_username()
        if isinstance(form, EnteredPlanForm) and not change:
            given = form.cleaned_data
            plan = enter_plan(
                account=given["account"], kind=given["kind"], plan_ref=given["plan_ref"], terms=form.read_terms(), by=by
            )
            # The admin goes on with its own object: log, address of the page.
            obj.pk = plan.pk
            return
        if isinstance(form, EnteredPlanForm):
            change_entered_plan(plan=obj, terms=form.read_terms(), by=by)
        elif "own_price" in form.changed_data:
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

    @admin.action(description=_("Retire (plans that staff entered)"), permissions=["enter"])
    def retire(self, request: HttpRequest, plans: QuerySet[Plan]) -> None:
        entered = plans.filter(kind__in=Plan.ENTERED_KINDS, retired_at=None)
        found = [retire_entered_plan(plan=plan, by=request.user.get_username()) for plan in entered.order_by("pk")]
        self._say(request, len(found))

    @admin.action(description=_("Bring back (plans that staff entered)"), permissions=["enter"])
    def bring_back(self, request: HttpRequest, plans: QuerySet[Plan]) -> None:
        entered = plans.filter(kind__in=Plan.ENTERED_KINDS, retired_at__isnull=False)
        found = [return_entered_plan(plan=plan, by=request.user.get_username()) for plan in entered.order_by("pk")]
        self._say(request, len(found))

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


@admin.register(CatalogueVersion)
class CatalogueVersionAdmin(ReadOnly, _Admin):
    list_display = ("word", "changed_at")


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


@admin.register(DeviceModel)
class DeviceModelAdmin(_Admin):
    form = DeviceForm
    fields = (*DEVICE_TERMS, "changed_by", "changed_at")
    readonly_fields = ("changed_by", "changed_at")
    list_display = ("name", "maker", "ability", "none_in", "note", "source", "checked_on")
    list_filter = ("ability", "maker", "checked_on")
    search_fields = ("maker", "name", "aliases", "codes")

    def save_model(self, request: HttpRequest, obj: DeviceModel, form: Any, change: bool) -> None:
        save_device(device=obj, by=request.user.get_username())

    def delete_model(self, request: HttpRequest, obj: DeviceModel) -> None:
        delete_device(device=obj, by=request.user.get_username())

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[DeviceModel]) -> None:
        for device in queryset:
            delete_device(device=device, by=request.user.get_username())
