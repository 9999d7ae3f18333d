"""Notifications: the list, one with its text, sending it again, and what a person wants to be told of."""

import uuid

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from customers.access import NothingHere, staff_page
from customers.keyset import keyset_page
from esims.links import count_usable_links, revoke_links
from esims.models import Esim
from orders.forms_notices import NoticeChoiceForm, ResendForm
from orders.models import NoticeChoice, Notification
from orders.notice_staff import kinds_for
from orders.notifications import (
    NotificationRefused,
    choose_notices,
    find_address,
    find_over_lines,
    resend_notification,
    why_not_resent,
)
from orders.selectors.notifications import (
    NotificationFilter,
    count_needing_look,
    find_notification,
    find_notifications,
    may_see,
    notifications_of,
    read_text,
)
from orders.views.requests import person

PAGE_SIZE = 50


@require_safe
@staff_page("orders.view_notification")
def notification_list(request: HttpRequest) -> HttpResponse:
    state, kind = request.GET.get("state", ""), request.GET.get("kind", "")
    wanted = NotificationFilter(
        state=state if state in Notification.State.values else "",
        kind=kind if kind in Notification.Kind.values else "",
    )
    page = keyset_page(
        find_notifications(wanted, reader=person(request)),
        after=request.GET.get("after", ""),
        before=request.GET.get("before", ""),
        size=PAGE_SIZE,
    )
    looks = count_needing_look(reader=person(request))
    context = {
        "page": page,
        "wanted": wanted,
        "states": [(value, label, looks.get(value)) for value, label in (("", _("all")), *Notification.State.choices)],
        "kinds": Notification.Kind.choices,
    }
    return render(request, "notifications/list.html", context)


@require_safe
@staff_page("orders.view_notification")
def notification_detail(request: HttpRequest, pk: int) -> HttpResponse:
    row = _find(request, pk)
    context = {
        "row": row,
        "text": read_text(row),
        "address_now": find_address(row),
        "why_not": why_not_resent(row),
        "over": find_over_lines(row),
        "again": Notification.objects.filter(resent_of=row.resent_of_id or row.pk).defer("content"),
        "form": ResendForm(initial={"form_key": uuid.uuid4()}),
    }
    return render(request, "notifications/detail.html", context)


@require_POST
@staff_page("orders.view_notification")
@staff_page("orders.resend_notification")
def notification_resend(request: HttpRequest, pk: int) -> HttpResponse:
    """The same once more; the form's key makes a double click one."""
    row = _find(request, pk)
    form = ResendForm(request.POST)
    if not form.is_valid():
        messages.error(request, _("Send it again from this page."))
        return redirect("notification-detail", row.pk)
    try:
        again = resend_notification(notification=row, form_key=form.cleaned_data["form_key"], by=person(request))
    except NotificationRefused as refused:
        messages.error(request, refused.message)
        return redirect("notification-detail", row.pk)
    messages.success(request, _("It is sent again, with the same words and fresh links."))
    return redirect("notification-detail", again.pk)


@require_safe
@staff_page("orders.view_notification")
def esim_notifications(request: HttpRequest, pk: int) -> HttpResponse:
    """What was told of a line, and the links to it."""
    esim = get_object_or_404(Esim.objects.select_related("customer", "account", "plan"), pk=pk)
    context = {
        "esim": esim,
        "rows": notifications_of(esim_id=esim.pk),
        "usable_links": count_usable_links(esim),
    }
    return render(request, "notifications/line.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@staff_page("esims.revoke_links")
def esim_links_revoke(request: HttpRequest, pk: int) -> HttpResponse:
    """Ask once more, then make every link to the line useless."""
    esim = get_object_or_404(Esim.objects.select_related("customer"), pk=pk)
    if request.method == "POST":
        count = revoke_links(esim=esim, by=person(request))
        words = ngettext("%(count)d link no longer works.", "%(count)d links no longer work.", count)
        messages.success(request, words % {"count": count})
        return redirect("esim-detail", esim.pk)
    count = count_usable_links(esim)
    words = ngettext("%(count)d link works now.", "%(count)d links work now.", count)
    context = {
        "esim": esim,
        "title": _("Revoke the links to this line?"),
        "consequences": [
            words % {"count": count},
            _("Whoever opens one of them is told that it does not work. The line itself is not touched."),
            _("A message that is sent again carries a fresh link."),
        ],
        "action": _("Revoke the links"),
        "danger": True,
        "cancel_url": reverse("esim-detail", args=[esim.pk]),
    }
    return render(request, "notifications/revoke.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@staff_page()
def notification_choices(request: HttpRequest) -> HttpResponse:
    """Of which kinds of trouble the person is told by e-mail."""
    user = person(request)
    kinds = list(kinds_for(user))
    choice = NoticeChoice.objects.filter(user=user).first()
    off = set(choice.off) if choice is not None else set()
    form = NoticeChoiceForm(
        request.POST if request.method == "POST" else None,
        kinds=kinds,
        initial={"wanted": [kind for kind in kinds if kind not in off]},
    )
    if request.method == "POST" and form.is_valid():
        choose_notices(user=user, off=set(kinds) - set(form.cleaned_data["wanted"]))
        messages.success(request, _("Your choice is saved."))
        return redirect("notification-choices")
    context = {"form": form, "kinds": kinds, "address": user.email}
    return render(request, "notifications/choices.html", context, status=422 if form.errors else 200)


def _find(request: HttpRequest, pk: int) -> Notification:
    row = find_notification(pk)
    if row is None or not may_see(person(request), row):
        raise NothingHere(_("There is no such notification."))
    return row
