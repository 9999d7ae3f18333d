"""Lines in the admin: read-only facts, and buttons that call the same verbs as the console.

The buttons have addresses of their own: the admin's forms run inside a transaction, in which nobody may be asked.
"""

from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Model, QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from customers.models import User
from esims.action_rules import action_label
from esims.actions import ActionRefused, request_action, why_refused
from esims.events import describe_event
from esims.forms import ActionForm
from esims.models import Esim, LineAction, LineEvent, Package, UsageDay
from esims.page import find_line, read_usage
from esims.refresh import RefreshRefused, request_refresh
from esims.search import find_lines
from providers.types import Capability

if TYPE_CHECKING:
    LineModelAdmin = admin.ModelAdmin[Any]
    LineInline = admin.TabularInline[Any, Any]
else:
    LineModelAdmin = admin.ModelAdmin
    LineInline = admin.TabularInline

#: A selection of more lines than this is not acted on at once.
MOST_SELECTED = 200


class _ReadOnly:
    """What providers report is not edited here."""

    def has_add_permission(self, _request: HttpRequest, _obj: Model | None = None) -> bool:
        return False

    def has_change_permission(self, _request: HttpRequest, _obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, _request: HttpRequest, _obj: Model | None = None) -> bool:
        return False


class PackageInline(_ReadOnly, LineInline):
    model = Package
    extra = 0


class UsageDayInline(_ReadOnly, LineInline):
    model = UsageDay
    extra = 0


class LineActionInline(_ReadOnly, LineInline):
    model = LineAction
    extra = 0
    fields = readonly_fields = (
        *("kind", "state", "reason", "requested_by", "requested_at", "sent_at", "finished_at", "error"),
    )


class LineEventInline(_ReadOnly, LineInline):
    model = LineEvent
    extra = 0
    fields = readonly_fields = ("at", "what", "by", "why", "facts")

    @admin.display(description=_("what"))
    def what(self, event: LineEvent) -> str:
        return describe_event(event)


@admin.register(Esim)
class EsimAdmin(_ReadOnly, LineModelAdmin):
    list_display = ("iccid", "state", "customer", "plan", "account", "expires_on", "state_as_of", "refresh_failures")
    list_filter = ("state", "account")
    list_select_related = ("customer", "plan", "account")
    search_fields = ("iccid",)
    search_help_text = _("ICCID or its last digits, customer, plan")
    show_full_result_count = False
    list_per_page = 50
    inlines = (PackageInline, UsageDayInline, LineActionInline, LineEventInline)
    actions = ("refresh_selected", "suspend_selected", "release_selected")
    change_form_template = "admin/esims/esim/change_form.html"
    #: Secrets and device numbers: the console's page shows them, and writes down to whom.
    exclude = (
        *("lpa", "matching_id", "confirmation_code", "eid", "install_device_imei", "connection_device_imei"),
        "refresh_claimed_until",
    )
    readonly_fields = ("console_page",)

    @admin.display(description=_("page in the console"))
    def console_page(self, esim: Esim) -> str:
        """The console's page has the codes, the guide and the timeline in words."""
        return format_html('<a href="{}">{}</a>', reverse("esim-detail", args=(esim.pk,)), esim)

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Esim], search_term: str
    ) -> tuple[QuerySet[Esim], bool]:
        if not search_term.strip():
            return queryset, False
        return queryset.filter(pk__in=find_lines(search_term).order_by().values("pk")), False

    # -- who may press what -------------------------------------------------------------------------------------------

    def has_suspend_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("esims.suspend_esim")

    def has_refresh_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("esims.refresh_esim")

    # -- one line -----------------------------------------------------------------------------------------------------

    def get_urls(self) -> list[URLPattern]:
        own = [
            path("<int:pk>/refresh/", self.admin_site.admin_view(self.refresh_view), name="esims_esim_refresh"),
            path("<int:pk>/suspend/", self.admin_site.admin_view(self.suspend_view), name="esims_esim_suspend"),
            path("<int:pk>/release/", self.admin_site.admin_view(self.release_view), name="esims_esim_release"),
        ]
        return own + super().get_urls()

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        esim = find_line(int(object_id)) if object_id.isascii() and object_id.isdecimal() else None
        context: dict[str, Any] = dict(extra_context or {})
        if esim is not None and self.has_view_permission(request, esim):
            may_suspend = self.has_suspend_permission(request)
            context |= {
                "esim": esim,
                "may_refresh": self.has_refresh_permission(request),
                "may_suspend": may_suspend and not why_refused(esim, Capability.SUSPEND),
                "may_release": may_suspend and not why_refused(esim, Capability.RELEASE),
                "shows_qr": bool(esim.lpa) and request.user.has_perm("esims.reveal_codes"),
                **read_usage(esim),
            }
        return super().change_view(request, object_id, form_url, context)

    def refresh_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Read the line now (POST)."""
        esim = self._find(pk)
        if not self.has_refresh_permission(request):
            raise PermissionDenied
        if request.method == "POST":
            self._refresh(request, [esim])
        return redirect("admin:esims_esim_change", pk)

    def suspend_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Ask for the reason, then suspend."""
        return self._act_on_one(request, pk, Capability.SUSPEND)

    def release_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Ask for the reason, then release."""
        return self._act_on_one(request, pk, Capability.RELEASE)

    def _act_on_one(self, request: HttpRequest, pk: int, capability: Capability) -> HttpResponse:
        esim = self._find(pk)
        if not self.has_suspend_permission(request):
            raise PermissionDenied
        form = ActionForm(request.POST if request.method == "POST" else None)
        if request.method == "POST" and form.is_valid():
            self._ask(request, [esim], capability, form.cleaned_data["reason"])
            return redirect("admin:esims_esim_change", pk)
        return self._confirm(request, [esim], capability, form, action="")

    # -- a selection --------------------------------------------------------------------------------------------------

    @admin.action(description=_("Read the selected lines from their provider"), permissions=["refresh"])
    def refresh_selected(self, request: HttpRequest, queryset: QuerySet[Esim]) -> None:
        self._refresh(request, list(queryset.select_related("account")[:MOST_SELECTED]))

    @admin.action(description=_("Suspend the selected lines"), permissions=["suspend"])
    def suspend_selected(self, request: HttpRequest, queryset: QuerySet[Esim]) -> HttpResponse | None:
        return self._act_on_many(request, queryset, Capability.SUSPEND, "suspend_selected")

    @admin.action(description=_("Release the selected lines"), permissions=["suspend"])
    def release_selected(self, request: HttpRequest, queryset: QuerySet[Esim]) -> HttpResponse | None:
        return self._act_on_many(request, queryset, Capability.RELEASE, "release_selected")

    def _act_on_many(
        self, request: HttpRequest, queryset: QuerySet[Esim], capability: Capability, action: str
    ) -> HttpResponse | None:
        lines = list(queryset.select_related("account")[: MOST_SELECTED + 1])
        if len(lines) > MOST_SELECTED:
            self.message_user(request, _("Select at most %(count)s lines.") % {"count": MOST_SELECTED}, messages.ERROR)
            return None
        form = ActionForm(request.POST if "confirmed" in request.POST else None)
        if form.is_bound and form.is_valid():
            self._ask(request, lines, capability, form.cleaned_data["reason"])
            return None
        return self._confirm(request, lines, capability, form, action=action)

    # -- shared -------------------------------------------------------------------------------------------------------

    def _find(self, pk: int) -> Esim:
        esim = find_line(pk)
        if esim is None:
            raise Http404
        return esim

    def _confirm(
        self, request: HttpRequest, lines: list[Esim], capability: Capability, form: forms.Form, *, action: str
    ) -> HttpResponse:
        """Ask once more, with the reason. ``action`` names the list's action, "" for one line's own address."""
        context = {
            **self.admin_site.each_context(request),
            "title": action_label(capability),
            "opts": self.model._meta,  # noqa: SLF001 - Django's public API
            "lines": [(line, why_refused(line, capability)) for line in lines],
            "form": form,
            "action": action,
        }
        return TemplateResponse(request, "admin/esims/confirm_action.html", context, status=422 if form.errors else 200)

    def _ask(self, request: HttpRequest, lines: list[Esim], capability: Capability, reason: str) -> None:
        asked = 0
        for line in lines:
            try:
                request_action(esim=line, capability=capability, reason=reason, by=_person(request))
            except ActionRefused as error:
                self.message_user(request, f"{line}: {error.message}", messages.ERROR)
            else:
                asked += 1
        if asked:
            text = ngettext("Asked for on %(count)s line.", "Asked for on %(count)s lines.", asked)
            self.message_user(request, text % {"count": asked}, messages.SUCCESS)

    def _refresh(self, request: HttpRequest, lines: list[Esim]) -> None:
        asked = 0
        for line in lines:
            try:
                request_refresh(esim=line, by=_person(request).email)
            except RefreshRefused as error:
                self.message_user(request, f"{line}: {error.message}", messages.ERROR)
            else:
                asked += 1
        if asked:
            text = ngettext("%(count)s line is being read.", "%(count)s lines are being read.", asked)
            self.message_user(request, text % {"count": asked}, messages.SUCCESS)


@admin.register(Package)
class PackageAdmin(_ReadOnly, LineModelAdmin):
    list_display = ("esim", "kind", "name", "data_bytes", "data_period", "used_bytes", "ends_at")
    list_filter = ("kind",)
    list_select_related = ("esim",)
    search_fields = ("=esim__iccid", "package_ref")
    show_full_result_count = False


@admin.register(UsageDay)
class UsageDayAdmin(_ReadOnly, LineModelAdmin):
    list_display = ("esim", "day", "used_bytes", "is_derived")
    list_select_related = ("esim",)
    search_fields = ("=esim__iccid",)
    show_full_result_count = False


@admin.register(LineAction)
class LineActionAdmin(_ReadOnly, LineModelAdmin):
    list_display = ("esim", "kind", "state", "requested_by", "requested_at", "finished_at", "error")
    list_filter = ("state", "kind")
    list_select_related = ("esim", "requested_by")
    search_fields = ("=esim__iccid", "reason")
    show_full_result_count = False


@admin.register(LineEvent)
class LineEventAdmin(_ReadOnly, LineModelAdmin):
    list_display = ("esim", "at", "what", "by", "why")
    list_filter = ("kind",)
    list_select_related = ("esim",)
    search_fields = ("=esim__iccid", "by")
    show_full_result_count = False

    @admin.display(description=_("what"), ordering="kind")
    def what(self, event: LineEvent) -> str:
        return describe_event(event)


def _person(request: HttpRequest) -> User:
    """The signed-in person: the admin let nobody else in."""
    if not isinstance(request.user, User):
        raise PermissionDenied
    return request.user
