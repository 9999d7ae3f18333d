"""Links to a customer's own page, at the desk: made and shown once, or renewed. Revoking is with the notifications."""

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_http_methods, require_POST

from customers.access import NothingHere, staff_page
from customers.models import User
from esims.links import count_usable_links, make_link_by_hand, renew_links
from esims.models import Esim
from esims.page import find_line


@require_POST
@staff_page("esims.reveal_codes")
def esim_link_make(request: HttpRequest, pk: int) -> HttpResponse:
    """A fresh link beside those that work; its address is on this answer and nowhere else."""
    esim = _find(pk)
    return _show(request, esim, make_link_by_hand(esim=esim, by=_person(request)))


@require_http_methods(["GET", "HEAD", "POST"])
@staff_page("esims.reveal_codes")
@staff_page("esims.revoke_links")
def esim_links_renew(request: HttpRequest, pk: int) -> HttpResponse:
    """Ask once more, then put one fresh link in place of all others."""
    esim = _find(pk)
    if request.method == "POST":
        return _show(request, esim, renew_links(esim=esim, by=_person(request)))
    count = count_usable_links(esim)
    words = ngettext("%(count)d link stops working.", "%(count)d links stop working.", count)
    context = {
        "esim": esim,
        "title": _("Renew the link to this line?"),
        "consequences": [
            words % {"count": count},
            _("One fresh link is made and shown once: you give it to the customer."),
            _("The line itself is not touched."),
        ],
        "action": _("Renew the link"),
        "danger": True,
        "cancel_url": reverse("esim-detail", args=[esim.pk]),
    }
    return render(request, "esims/renew_links.html", context)


def _show(request: HttpRequest, esim: Esim, address: str) -> HttpResponse:
    context = {"esim": esim, "address": address, "days": settings.LINE_LINK_DAYS}
    response = render(request, "esims/link_made.html", context)
    response["Cache-Control"] = "no-store, private"
    # Who follows it from here must not tell the page where it stood.
    response["Referrer-Policy"] = "no-referrer"
    return response


def _find(pk: int) -> Esim:
    esim = find_line(pk)
    if esim is None:
        raise NothingHere(_("No such line is in our books."))
    return esim


def _person(request: HttpRequest) -> User:
    """The signed-in person: ``staff_page`` let nobody else in."""
    if not isinstance(request.user, User):
        raise TypeError("this view needs staff_page")
    return request.user
