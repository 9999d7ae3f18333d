"""The pages of the lines. A GET calls no provider: it marks the line as watched, and a worker reads it."""

import re
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from customers.access import NothingHere, is_partial, staff_page
from customers.lists import read_list
from customers.models import Customer, User
from esims.codes import record_qr_shown, record_reveal
from esims.forms import LineFilterForm, SimulatedUsageForm
from esims.install import install_links
from esims.lists import LINES
from esims.models import Esim
from esims.page import find_line, is_by_eid, read_line_view, read_packages, read_page, read_parts
from esims.qr import qr_png, qr_svg
from esims.refresh import RefreshRefused, request_refresh, watch_line
from esims.search import LineFilter, count_up_to, load_labels, search_lines
from esims.usage import UsageRefused, set_simulated_usage
from providers.errors import OutcomeUnknown, ProviderError

#: A list counts its lines no further than this.
COUNTED = 1000
_ICCID = re.compile(r"[0-9]{18,22}", re.ASCII)


@require_safe
@staff_page("esims.view_esim")
def esim_list(request: HttpRequest) -> HttpResponse:
    """All lines, the newest first."""
    state = read_list(LINES, request)
    if state.first_address:
        return redirect(state.first_address)
    form = LineFilterForm(request.GET or None)
    wanted = form.wanted() if form.is_bound else LineFilterForm({}).wanted()
    lines = search_lines(wanted)
    count, there_are_more = count_up_to(lines, COUNTED)
    page = state.read_page(lines)
    load_labels(page.rows)
    context = {
        "list": state,
        "form": form,
        "customer": Customer.objects.filter(pk=wanted.customer_id).first() if wanted.customer_id else None,
        "is_filtered": wanted != LineFilter(),
        "shows_deadline": wanted.install_within_days is not None,
        "count": count,
        "there_are_more": there_are_more,
        "page": page,
    }
    return render(request, "esims/list.html", context)


@require_safe
@staff_page("esims.view_esim")
def esim_by_iccid(request: HttpRequest, iccid: str) -> HttpResponse:
    """A line by the number that is printed on it: its page, or the list where several share the number."""
    if not _ICCID.fullmatch(iccid):
        raise NothingHere(_("An ICCID has 18 to 22 digits."))
    ids = list(Esim.objects.filter(iccid=iccid).values_list("pk", flat=True)[:2])
    if not ids:
        raise NothingHere(_("No line with this ICCID is in our books."))
    if len(ids) == 1:
        return redirect("esim-detail", ids[0])
    return redirect(f"{reverse('esim-list')}?q={iccid}")


@require_safe
@staff_page("esims.view_esim")
def esim_detail(request: HttpRequest, pk: int) -> HttpResponse:
    """One line's page. Opening it has the line read, unless that has just happened."""
    esim = _find(pk)
    watch_line(esim=esim)
    return render(request, "esims/detail.html", read_page(_find(pk), _person(request)))


@require_safe
@staff_page("esims.view_esim")
def esim_live(request: HttpRequest, pk: int) -> HttpResponse:
    """The changing part of the page; with it, once the line has been read anew, the parts that may have changed."""
    esim, person = _find(pk), _person(request)
    if not is_partial(request):
        return redirect("esim-detail", pk)
    packages = read_packages(esim)
    view = read_line_view(esim, person, packages)
    context: dict[str, Any] = {"esim": esim, "view": view}
    if request.GET.get("seen", "") != view.seen or not view.is_live:
        context |= {"oob": True, **read_parts(esim, person, view, packages)}
    return render(request, "esims/_live_answer.html", context)


@require_POST
@staff_page("esims.refresh_esim")
def esim_refresh(request: HttpRequest, pk: int) -> HttpResponse:
    """Read the line now."""
    esim = _find(pk)
    try:
        request_refresh(esim=esim, by=_person(request).email)
    except RefreshRefused as error:
        messages.error(request, error.message)
    else:
        messages.info(request, _("The line is being read from the provider."))
    return redirect("esim-detail", pk)


@require_POST
@staff_page("esims.reveal_codes")
def esim_reveal(request: HttpRequest, pk: int) -> HttpResponse:
    """Show codes and device numbers in clear, and write down who saw them."""
    esim = _find(pk)
    person = _person(request)
    record_reveal(esim=esim, by=person.email)
    shown = {"revealed": True, "links": install_links(esim.lpa) if esim.lpa else None}
    if is_partial(request):
        response = render(
            request, "esims/_codes.html", {"esim": esim, "may_see_codes": True, "is_by_eid": is_by_eid(esim), **shown}
        )
    else:
        response = render(request, "esims/detail.html", {**read_page(esim, person), **shown})
    return _keep_private(response)


@require_safe
@staff_page("esims.reveal_codes")
def esim_qr_png(request: HttpRequest, pk: int) -> HttpResponse:
    """The QR code as a PNG."""
    return _keep_private(HttpResponse(qr_png(_lpa_to_show(request, pk)), content_type="image/png"))


@require_safe
@staff_page("esims.reveal_codes")
def esim_qr_svg(request: HttpRequest, pk: int) -> HttpResponse:
    """The QR code as an SVG."""
    return _keep_private(HttpResponse(qr_svg(_lpa_to_show(request, pk)), content_type="image/svg+xml"))


@require_http_methods(["GET", "HEAD", "POST"])
@staff_page("esims.simulate_usage")
def esim_simulate_usage(request: HttpRequest, pk: int) -> HttpResponse:
    """Set the usage of a sandbox line; the line is read again afterwards."""
    esim = _find(pk)
    person = _person(request)
    form = SimulatedUsageForm(request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        try:
            set_simulated_usage(esim=esim, days=form.usage(), by=person.email)
            request_refresh(esim=esim, by=person.email)
        except (UsageRefused, RefreshRefused) as error:
            form.add_error(None, error.message)
        except OutcomeUnknown as error:
            form.add_error(None, _("No answer came; the usage may have been set. %(error)s") % {"error": error.message})
        except ProviderError as error:
            form.add_error(None, _("The usage was not set. %(error)s") % {"error": error.message})
        else:
            messages.success(request, _("The usage was set; the line is being read again."))
            return redirect("esim-detail", pk)
    context = {"form": form, "esim": esim}
    return render(request, "esims/simulate_usage.html", context, status=422 if form.errors else 200)


# -- shared -----------------------------------------------------------------------------------------------------------


def _find(pk: int) -> Esim:
    esim = find_line(pk)
    if esim is None:
        raise NothingHere(_("No such line is in our books."))
    return esim


def _lpa_to_show(request: HttpRequest, pk: int) -> str:
    """The line's activation string; showing it is written down."""
    esim = _find(pk)
    if not esim.lpa:
        raise NothingHere(_("This line has no activation code (yet): there is nothing to draw."))
    record_qr_shown(esim=esim, by=_person(request).email)
    return esim.lpa


def _keep_private(response: HttpResponse) -> HttpResponse:
    """Nobody may keep what this shows, and nobody may take it for something else."""
    response["Cache-Control"] = "no-store, private"
    response["X-Content-Type-Options"] = "nosniff"
    return response


def _person(request: HttpRequest) -> User:
    """The signed-in person: ``staff_page`` let nobody else in."""
    if not isinstance(request.user, User):
        raise TypeError("this view needs staff_page")
    return request.user
