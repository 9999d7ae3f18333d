"""The admin of this floor: to look at. Only the pause switch of an account can be changed."""

from typing import Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from providers.accounts import pause_account, resume_account
from providers.models import (
    AccountEvent,
    AccountTask,
    BalanceReading,
    ProviderAccount,
    ProviderCall,
    ProviderRegion,
    RatePause,
    RateSlot,
    WebhookDelivery,
)


class ReadOnlyAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    """Rows are made and deleted by the program alone."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class PauseForm(forms.ModelForm):  # type: ignore[type-arg]
    """The switch, and why it is turned."""

    why = forms.CharField(label=_("Reason"), max_length=300, help_text=_("It is kept with your name."))


class AccountEventInline(admin.TabularInline):  # type: ignore[type-arg]
    model = AccountEvent
    extra = 0
    fields = readonly_fields = ("at", "kind", "by", "why")

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(ProviderAccount)
class ProviderAccountAdmin(ReadOnlyAdmin):
    """Accounts come from the settings; staff may pause one: then nothing is sent there."""

    form = PauseForm
    inlines = (AccountEventInline,)
    list_display = ("name", "slug", "adapter", "is_sandbox", "is_paused", "last_success_at", "last_failure_at")
    readonly_fields = (
        "slug",
        "adapter",
        "name",
        "is_sandbox",
        "last_success_at",
        "last_failure_at",
        "last_failure",
        "created_at",
    )

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return admin.ModelAdmin.has_change_permission(self, request, obj)

    def save_model(self, request: HttpRequest, obj: ProviderAccount, form: Any, change: bool) -> None:
        verb = pause_account if obj.is_paused else resume_account
        verb(account=obj, by=str(request.user), why=form.cleaned_data["why"])


@admin.register(ProviderCall)
class ProviderCallAdmin(ReadOnlyAdmin):
    list_display = ("sent_at", "account", "operation", "method", "path", "status", "outcome", "duration_ms")
    list_filter = ("account", "operation", "outcome")
    search_fields = ("path", "request_id")
    date_hierarchy = "sent_at"
    show_full_result_count = False


@admin.register(RatePause)
class RatePauseAdmin(ReadOnlyAdmin):
    list_display = ("account", "operation", "until", "provider_limit", "provider_remaining", "reported_at")
    list_filter = ("account",)


@admin.register(RateSlot)
class RateSlotAdmin(ReadOnlyAdmin):
    list_display = ("account", "operation", "number", "used_at")
    list_filter = ("account", "operation")


@admin.register(AccountEvent)
class AccountEventAdmin(ReadOnlyAdmin):
    list_display = ("account", "at", "kind", "by", "why")
    list_filter = ("account", "kind")
    list_select_related = ("account",)


@admin.register(BalanceReading)
class BalanceReadingAdmin(ReadOnlyAdmin):
    list_display = ("account", "at", "amount", "currency")
    list_filter = ("account", "currency")
    list_select_related = ("account",)


@admin.register(AccountTask)
class AccountTaskAdmin(ReadOnlyAdmin):
    list_display = ("account", "kind", "state", "asked_by", "created_at", "finished_at", "result", "error")
    list_filter = ("account", "kind", "state")
    list_select_related = ("account",)


@admin.register(ProviderRegion)
class ProviderRegionAdmin(ReadOnlyAdmin):
    list_display = ("name", "code", "account", "is_multi", "seen_at")
    list_filter = ("account", "is_multi")
    search_fields = ("name", "code")
    list_select_related = ("account",)


@admin.register(WebhookDelivery)
class WebhookDeliveryAdmin(ReadOnlyAdmin):
    """Without the body: the console shows it redacted."""

    list_display = ("received_at", "account", "word", "state", "attempts", "repeats", "note")
    list_filter = ("account", "state", "kind")
    search_fields = ("=key",)
    list_select_related = ("account",)
    exclude = ("body",)
