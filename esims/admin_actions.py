"""What may be asked for lines from the admin: the console's verbs, behind addresses of their own.

The admin's forms run inside a transaction, in which nobody may be asked; these do not. What cannot be taken back is
asked for one line at a time.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from customers.models import User
from esims.action_rules import RULES, ActionRule
from esims.action_words import action_words
from esims.actions import ActionRefused, request_action, why_refused
from esims.forms import ActionForm
from esims.models import Esim, Package
from esims.page import find_line
from esims.refresh import RefreshRefused, request_refresh
from providers.registry import offers
from providers.types import Capability

if TYPE_CHECKING:
    LineModelAdmin = admin.ModelAdmin[Any]
else:
    LineModelAdmin = object

#: A selection of more lines than this is not acted on at once.
MOST_SELECTED = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Tool:
    """One link above the line's form."""

    label: str
    url: str


class LineActionsMixin(LineModelAdmin):
    """Addresses and actions; the class beside it is the lines' ``ModelAdmin``."""

    def has_suspend_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("esims.suspend_esim")

    def has_refresh_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("esims.refresh_esim")

    def list_tools(self, request: HttpRequest, esim: Esim, packages: Sequence[Package]) -> list[Tool]:
        """What this person may ask for this line now."""
        tools = []
        for rule in RULES.values():
            if not request.user.has_perm(rule.permission) or not offers(esim.account.slug, rule.capability):
                continue
            for package in packages if rule.on_package else (None,):
                if why_refused(esim, rule.capability, package):
                    continue
                address = (esim.pk, package.pk) if package else (esim.pk,)
                label = f"{rule.label}: {package.name}" if package else str(rule.label)
                tools.append(Tool(label=label, url=reverse(f"admin:esims_{rule.url_name}", args=address)))
        return tools

    # -- one line -----------------------------------------------------------------------------------------------------

    def get_urls(self) -> list[URLPattern]:
        own = [path("<int:pk>/refresh/", self.admin_site.admin_view(self.refresh_view), name="esims_esim_refresh")]
        for rule in RULES.values():
            place = "<int:pk>/packages/<int:package_id>" if rule.on_package else "<int:pk>"
            view = self.admin_site.admin_view(self.action_view)
            own.append(path(f"{place}/{rule.slug}/", view, {"rule": rule}, name=f"esims_{rule.url_name}"))
        return own + super().get_urls()

    def refresh_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Read the line now (POST)."""
        esim = self._find(pk)
        if not self.has_refresh_permission(request):
            raise PermissionDenied
        if request.method == "POST":
            self._refresh(request, [esim])
        return redirect("admin:esims_esim_change", pk)

    def action_view(
        self, request: HttpRequest, pk: int, rule: ActionRule, package_id: int | None = None
    ) -> HttpResponse:
        """Ask for the reason, and for what else the action needs, then do it."""
        esim = self._find(pk)
        if not request.user.has_perm(rule.permission):
            raise PermissionDenied
        package = Package.objects.filter(pk=package_id, esim=esim).first() if package_id is not None else None
        if rule.on_package and package is None:
            raise Http404
        form = ActionForm(request.POST if request.method == "POST" else None, rule=rule, esim=esim)
        if request.method == "POST" and form.is_valid():
            self._ask(request, [esim], rule.capability, form.cleaned_data, package=package)
            return redirect("admin:esims_esim_change", pk)
        words = action_words(rule.capability, esim, package).consequences
        return self._confirm(request, [esim], rule, form, package=package, consequences=words)

    # -- a selection --------------------------------------------------------------------------------------------------

    @admin.action(description=_("Read the selected lines from their provider"), permissions=["refresh"])
    def refresh_selected(self, request: HttpRequest, queryset: QuerySet[Esim]) -> None:
        self._refresh(request, list(queryset.select_related("account")[:MOST_SELECTED]))

    @admin.action(description=_("Suspend the selected lines"), permissions=["suspend"])
    def suspend_selected(self, request: HttpRequest, queryset: QuerySet[Esim]) -> HttpResponse | None:
        return self._act_on_many(request, queryset, RULES[Capability.SUSPEND], "suspend_selected")

    @admin.action(description=_("Release the selected lines"), permissions=["suspend"])
    def release_selected(self, request: HttpRequest, queryset: QuerySet[Esim]) -> HttpResponse | None:
        return self._act_on_many(request, queryset, RULES[Capability.RELEASE], "release_selected")

    def _act_on_many(
        self, request: HttpRequest, queryset: QuerySet[Esim], rule: ActionRule, action: str
    ) -> HttpResponse | None:
        lines = list(queryset.select_related("account")[: MOST_SELECTED + 1])
        if len(lines) > MOST_SELECTED:
            self.message_user(request, _("Select at most %(count)s lines.") % {"count": MOST_SELECTED}, messages.ERROR)
            return None
        form = ActionForm(request.POST if "confirmed" in request.POST else None, rule=rule)
        if form.is_bound and form.is_valid():
            self._ask(request, lines, rule.capability, form.cleaned_data)
            return None
        return self._confirm(request, lines, rule, form, action=action)

    # -- shared -------------------------------------------------------------------------------------------------------

    def _find(self, pk: int) -> Esim:
        esim = find_line(pk)
        if esim is None:
            raise Http404
        return esim

    def _confirm(
        self,
        request: HttpRequest,
        lines: list[Esim],
        rule: ActionRule,
        form: forms.Form,
        *,
        action: str = "",
        package: Package | None = None,
        consequences: Sequence[str] = (),
    ) -> HttpResponse:
        """Ask once more, with the reason. ``action`` names the list's action, "" for one line's own address."""
        context = {
            **self.admin_site.each_context(request),
            "title": rule.label,
            "opts": self.model._meta,  # noqa: SLF001 - Django's public API
            "lines": [(line, why_refused(line, rule.capability, package)) for line in lines],
            "package": package,
            "consequences": consequences,
            "form": form,
            "action": action,
        }
        return TemplateResponse(request, "admin/esims/confirm_action.html", context, status=422 if form.errors else 200)

    def _ask(
        self,
        request: HttpRequest,
        lines: list[Esim],
        capability: Capability,
        said: dict[str, Any],
        *,
        package: Package | None = None,
    ) -> None:
        asked = 0
        for line in lines:
            try:
                request_action(
                    esim=line,
                    capability=capability,
                    package=package,
                    message=said.get("message", ""),
                    reason=said["reason"],
                    by=_person(request),
                )
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


def _person(request: HttpRequest) -> User:
    """The signed-in person: the admin let nobody else in."""
    if not isinstance(request.user, User):
        raise PermissionDenied
    return request.user
