"""Asking for something to be done to a line: one confirmation page per action, made from the table of actions."""

from collections.abc import Callable

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from customers.access import NothingHere, staff_page
from customers.models import User
from esims.action_rules import RULES, ActionRule, action_label
from esims.action_words import action_words
from esims.actions import ActionRefused, request_action, why_refused
from esims.forms import ActionForm
from esims.models import Esim, Package
from esims.page import find_line


def action_urls() -> list[URLPattern]:
    """``esims/7/suspend/`` (``esim-suspend``) and ``esims/7/packages/3/terminate/`` (``esim-terminate``), and so on."""
    urls = []
    for rule in RULES.values():
        place = "esims/<int:pk>/packages/<int:package_id>" if rule.on_package else "esims/<int:pk>"
        urls.append(path(f"{place}/{rule.slug}/", _make_view(rule), name=rule.url_name))
    return urls


def _make_view(rule: ActionRule) -> Callable[..., HttpResponseBase]:
    """Ask whether to do it, then ask the provider for it."""

    @require_http_methods(["GET", "HEAD", "POST"])
    @staff_page(rule.permission)
    def view(request: HttpRequest, pk: int, package_id: int | None = None) -> HttpResponse:
        esim = find_line(pk)
        if esim is None:
            raise NothingHere(_("No such line is in our books."))
        package = None
        if package_id is not None:
            package = Package.objects.filter(pk=package_id, esim=esim).first()
            if package is None:
                raise NothingHere(_("No such package is on this line."))
        return _act(request, esim, rule, package)

    return view


def _act(request: HttpRequest, esim: Esim, rule: ActionRule, package: Package | None) -> HttpResponse:
    """Confirmation page, and the asking itself. Whatever is refused is said on the line's page."""
    form = ActionForm(request.POST if request.method == "POST" else None, rule=rule, esim=esim)
    words = action_words(rule.capability, esim, package)
    if request.method == "POST" and form.is_valid():
        try:
            request_action(
                esim=esim,
                capability=rule.capability,
                package=package,
                message=form.cleaned_data.get("message", ""),
                reason=form.cleaned_data["reason"],
                by=_person(request),
            )
        except ActionRefused as error:
            messages.error(request, error.message)
        else:
            messages.info(request, words.asked)
        return redirect("esim-detail", esim.pk)
    why = why_refused(esim, rule.capability, package)
    if why:
        messages.error(request, why)
        return redirect("esim-detail", esim.pk)
    context = {
        "esim": esim,
        "package": package,
        "form": form,
        "title": words.title,
        "consequences": words.consequences,
        "action": action_label(rule.capability),
        "danger": rule.is_danger,
        # "Cancel" beside "Cancel the line" would leave one guessing.
        "cancel_label": _("Leave it as it is"),
        "cancel_url": reverse("esim-detail", args=(esim.pk,)),
    }
    return render(request, "esims/confirm_action.html", context, status=422 if form.errors else 200)


def _person(request: HttpRequest) -> User:
    """The signed-in person: ``staff_page`` let nobody else in."""
    if not isinstance(request.user, User):
        raise TypeError("this view needs staff_page")
    return request.user
