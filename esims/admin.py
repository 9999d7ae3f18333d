"""Lines in the admin: read-only facts, and buttons that call the same verbs as the console.

The buttons have addresses of their own: the admin's forms run inside a transaction, in which nobody may be asked.
"""

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _

from esims.admin_actions import LineActionsMixin
from esims.admin_lists import FoundByLine, LongList, PackagesFound
from esims.events import describe_event
from esims.models import Esim, LineAction, LineEvent, LineLink, Package, UsageDay, UsageSample
from esims.page import find_line, read_packages, read_usage
from esims.search import find_lines
from providers.registry import offers
from providers.types import Capability

if TYPE_CHECKING:
    LineInline = admin.TabularInline[Any, Any]
else:
    LineInline = admin.TabularInline


class _ReadOnly:
    """What providers report is not edited here."""

    def has_add_permission(self, _request: HttpRequest, _obj: Model | None = None) -> bool:
        return False

    def has_change_permission(self, _request: HttpRequest, _obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, _request: HttpRequest, _obj: Model | None = None) -> bool:
        return False


class PackageInline(_ReadOnly, LineInline):
    """The rest stands on the package's own page: all of it would not fit beside one another."""

    model = Package
    extra = 0
    show_change_link = True
    fields = readonly_fields = ("kind", "plan", "data_bytes", "data_period", "used_bytes", "status", "ends_at")


class UsageDayInline(_ReadOnly, LineInline):
    model = UsageDay
    extra = 0


class LineActionInline(_ReadOnly, LineInline):
    model = LineAction
    extra = 0
    fields = readonly_fields = (
        *("kind", "package", "state", "reason", "requested_by", "requested_at", "sent_at", "finished_at"),
        *("refunded", "error_code", "error"),
    )


class LineEventInline(_ReadOnly, LineInline):
    model = LineEvent
    extra = 0
    fields = readonly_fields = ("at", "what", "by", "why", "facts")

    @admin.display(description=_("what"))
    def what(self, event: LineEvent) -> str:
        return describe_event(event)


@admin.register(Esim)
class EsimAdmin(LineActionsMixin, _ReadOnly, LongList):
    list_display = ("iccid", "state", "customer", "plan", "account", "expires_on", "state_as_of", "refresh_failures")
    list_filter = ("state", "account")
    list_select_related = ("customer", "plan", "account")
    search_fields = ("iccid",)
    search_help_text = _("ICCID or its last digits, customer, plan")
    list_per_page = 50
    inlines = (PackageInline, UsageDayInline, LineActionInline, LineEventInline)
    actions = ("refresh_selected", "suspend_selected", "release_selected")
    change_form_template = "admin/esims/esim/change_form.html"
    #: Secrets and device numbers: the console's page shows them, and writes down to whom. A provider's reference may
    #: hold a device's number.
    exclude = (
        *("lpa", "matching_id", "confirmation_code", "eid", "install_device_imei", "connection_device_imei"),
        *("phone_number", "iccid_reversed", "refresh_claimed_until", "provider_ref"),
    )
    readonly_fields = ("console_page", "reference")

    @admin.display(description=_("page in the console"))
    def console_page(self, esim: Esim) -> str:
        """The console's page has the codes, the guide and the timeline in words."""
        return format_html('<a href="{}">{}</a>', reverse("esim-detail", args=(esim.pk,)), esim)

    @admin.display(description=_("Provider's reference"))
    def reference(self, esim: Esim) -> str:
        """As the console shows it, without the number of a device."""
        return esim.shown_ref

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Esim], search_term: str
    ) -> tuple[QuerySet[Esim], bool]:
        if not search_term.strip():
            return queryset, False
        return queryset.filter(pk__in=find_lines(search_term).order_by().values("pk")), False

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        esim = find_line(int(object_id)) if object_id.isascii() and object_id.isdecimal() else None
        context: dict[str, Any] = dict(extra_context or {})
        if esim is not None and self.has_view_permission(request, esim):
            packages = read_packages(esim)
            context |= {
                "esim": esim,
                "may_refresh": self.has_refresh_permission(request) and offers(esim.account.slug, Capability.READ_LINE),
                "tools": self.list_tools(request, esim, packages),
                "shows_qr": bool(esim.lpa) and request.user.has_perm("esims.reveal_codes"),
                **read_usage(esim, packages),
            }
        return super().change_view(request, object_id, form_url, context)


@admin.register(Package)
class PackageAdmin(_ReadOnly, PackagesFound):
    list_display = ("esim", "kind", "name", "status", "data_bytes", "data_period", "used_bytes", "ends_at")
    list_filter = ("kind", "status")
    list_select_related = ("esim",)


@admin.register(UsageDay)
class UsageDayAdmin(_ReadOnly, FoundByLine):
    list_display = ("esim", "day", "used_bytes", "is_derived")
    list_select_related = ("esim",)


@admin.register(UsageSample)
class UsageSampleAdmin(_ReadOnly, FoundByLine):
    list_display = ("esim", "at", "total_used_bytes")
    list_select_related = ("esim",)


@admin.register(LineAction)
class LineActionAdmin(_ReadOnly, LongList):
    #: What was written to a customer's phone is shown in the console, to those who may write it.
    exclude = ("message",)
    list_display = ("esim", "kind", "state", "requested_by", "requested_at", "finished_at", "refunded", "error")
    list_filter = ("state", "kind")
    list_select_related = ("esim", "requested_by")
    search_fields = ("=esim__iccid", "reason")


@admin.register(LineLink)
class LineLinkAdmin(_ReadOnly, LongList):
    list_display = ("esim", "made_for", "created_at", "expires_at", "revoked_at", "revoked_by")
    list_select_related = ("esim",)
    exclude = ("token_hash",)


@admin.register(LineEvent)
class LineEventAdmin(_ReadOnly, LongList):
    list_display = ("esim", "at", "what", "by", "why")
    list_filter = ("kind",)
    list_select_related = ("esim",)
    search_fields = ("=esim__iccid", "by")

    @admin.display(description=_("what"), ordering="kind")
    def what(self, event: LineEvent) -> str:
        return describe_event(event)
