"""Asking for something to be done to a line: one confirmation page per action, made from the table of actions.

What ends a line asks two things apart: what the provider gives us back (it says so), and what the customer gets back.
"""

from collections.abc import Callable

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from customers.access import NothingHere, staff_page
from esims.action_rules import RULES, ActionRule, action_label
from esims.action_words import action_words, money_words
from esims.actions import ActionRefused, why_refused
from esims.models import Esim, Package
from esims.page import find_line
from orders.ending import request_end
from orders.forms_returns import EndForm
from orders.giving_back import PERMISSION, Given, count_given, find_sold, has_due_return
from orders.notice_refunds import say_told_of_refunds
from orders.refunds import RefundRefused
from orders.replaced import find_replacement
from orders.views.requests import person


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
    given = _find_given(request, esim, rule, package)
    instead = find_replacement(esim) if given is not None else None
    form = EndForm(
        request.POST if request.method == "POST" else None,
        rule=rule,
        esim=esim,
        given=given,
        initial={
            "replaced_by": instead.order_id if instead else None,
            "left": given.left if given is not None else None,
        },
    )
    words = action_words(rule.capability, esim, package, customers_money=_say_customers_money(given))
    if request.method == "POST" and form.is_valid():
        try:
            request_end(
                esim=esim,
                capability=rule.capability,
                package=package,
                message=form.cleaned_data.get("message", ""),
                reason=form.cleaned_data["reason"],
                by=person(request),
                gives_back=form.cleaned_data["gives_back"],
                replaced_by=form.cleaned_data.get("replaced_by"),
                shown_left=form.cleaned_data.get("left"),
            )
        except (ActionRefused, RefundRefused) as error:
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
        "consequences": [*words.consequences, *(say_told_of_refunds() if given is not None else ())],
        "providers_money": money_words(rule.capability, esim, package, now=timezone.now()) if rule.is_final else "",
        "given": given,
        "instead": instead,
        "action": action_label(rule.capability),
        "danger": rule.is_danger,
        # "Cancel" beside "Cancel the line" would leave one guessing.
        "cancel_label": _("Leave it as it is"),
        "cancel_url": reverse("esim-detail", args=(esim.pk,)),
    }
    return render(request, "esims/confirm_action.html", context, status=422 if form.errors else 200)


def _find_given(request: HttpRequest, esim: Esim, rule: ActionRule, package: Package | None) -> Given | None:
    """What the customer may get back; None where nothing is left, or another person decides about it."""
    if not rule.is_final or not request.user.has_perm(PERMISSION):
        return None
    purchase = find_sold(esim, package)
    if purchase is None or has_due_return(purchase, esim):
        return None
    given = count_given(purchase, esim)
    return given if given.left else None


def _say_customers_money(given: Given | None) -> str:
    if given is None:
        return ""
    return _("What the customer gets back is asked below: it is owed only once the line confirms its end.")
