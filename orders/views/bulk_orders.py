"""Orders for many customers from a list: check it, run it, see what became of it."""

from collections.abc import Callable, Mapping
from typing import Any

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from customers.access import is_partial, staff_page
from orders.bulk_order_checking import check_list
from orders.bulk_order_files import LABELS, MOST_ROWS, NEEDED, ListRefused, name_columns
from orders.bulk_order_report import FORMS, write_report
from orders.bulk_order_running import BulkRefused, confirm_bulk, drop_bulk, pause_bulk, resume_bulk, retry_refused
from orders.forms_bulk_order import BulkForm, RepeatForm
from orders.models import BulkOrder, BulkOrderRow
from orders.selectors.bulk_order_page import find_rows, list_bulks, read_bulk_page
from orders.views.requests import person

ROWS_SHOWN = 50
STEPS: Mapping[str, Callable[..., BulkOrder]] = {
    "pause": pause_bulk,
    "resume": resume_bulk,
    "drop": drop_bulk,
    "retry": retry_refused,
}


@require_safe
@staff_page("orders.view_bulkorder")
def bulk_list(request: HttpRequest) -> HttpResponse:
    page = Paginator(list_bulks(), ROWS_SHOWN).get_page(request.GET.get("page"))
    return render(request, "bulk_orders/list.html", {"page": page})


@require_http_methods(["GET", "HEAD", "POST"])
@staff_page("orders.bulk_sell")
def bulk_new(request: HttpRequest) -> HttpResponse:
    """Give a list; it is looked through, and nothing is bought yet."""
    form = BulkForm(request.POST, request.FILES) if request.method == "POST" else BulkForm()
    if request.method == "POST" and form.is_valid():
        data, name = form.read_data()
        given = form.cleaned_data
        try:
            checked = check_list(
                data=data, name=name, method=given["method"], reference=given["reference"], by=person(request)
            )
        except ListRefused as refused:
            form.add_error("file" if given.get("file") else "text", refused.message)
        else:
            if checked.ignored:
                words = _("These columns were not read: %(columns)s.") % {"columns": ", ".join(checked.ignored)}
                messages.info(request, words)
            return redirect("bulk-order-detail", checked.bulk.pk)
    context = {"form": form, "columns": name_columns(LABELS), "needed": name_columns(NEEDED), "most": MOST_ROWS}
    return render(request, "bulk_orders/new.html", context, status=422 if form.errors else 200)


@require_safe
@staff_page("orders.view_bulkorder")
def bulk_detail(request: HttpRequest, pk: int) -> HttpResponse:
    """The check, the progress and the report: whichever it has come to."""
    return _show(request, _find(pk))


@require_safe
@staff_page("orders.view_bulkorder")
def bulk_live(request: HttpRequest, pk: int) -> HttpResponse:
    """The part that changes while the list runs."""
    if not is_partial(request):
        return redirect("bulk-order-detail", pk)
    return render(request, "bulk_orders/_live.html", _context(request, _find(pk)))


@require_POST
@staff_page("orders.bulk_sell")
def bulk_confirm(request: HttpRequest, pk: int) -> HttpResponse:
    """Start the list. A second click finds it started."""
    bulk = _find(pk)
    form = RepeatForm(request.POST)
    try:
        confirm_bulk(bulk=bulk, by=person(request), repeat_reason=form.read_reason())
    except BulkRefused as refused:
        form.errors.clear()
        form.add_error(refused.field or None, refused.message)
        return _show(request, _find(pk), form=form, status=422)
    return redirect("bulk-order-detail", pk)


@require_POST
@staff_page("orders.bulk_sell")
def bulk_step(request: HttpRequest, pk: int, step: str) -> HttpResponse:
    """Pause, go on, try again, drop."""
    if step not in STEPS:
        raise Http404
    try:
        STEPS[step](bulk=_find(pk), by=person(request))
    except BulkRefused as refused:
        messages.error(request, refused.message)
    return redirect("bulk-order-detail", pk)


@require_safe
@staff_page("orders.view_bulkorder")
def bulk_report(request: HttpRequest, pk: int, form: str) -> HttpResponse:
    """Every row with its order as a file."""
    if form not in FORMS:
        raise Http404
    response = HttpResponse(write_report(bulk=_find(pk), form=form), content_type=FORMS[form])
    response["Content-Disposition"] = f'attachment; filename="list-{pk}.{form}"'
    response["X-Content-Type-Options"] = "nosniff"
    return response


def _find(pk: int) -> BulkOrder:
    return get_object_or_404(BulkOrder.objects.select_related("created_by", "confirmed_by"), pk=pk)


def _show(request: HttpRequest, bulk: BulkOrder, *, form: RepeatForm | None = None, status: int = 200) -> HttpResponse:
    return render(request, "bulk_orders/detail.html", _context(request, bulk, form), status=status)


def _context(request: HttpRequest, bulk: BulkOrder, form: RepeatForm | None = None) -> dict[str, Any]:
    page = read_bulk_page(bulk)
    only = request.GET.get("only", "")
    if not only and bulk.state == BulkOrder.State.CHECKED and page.faulty:
        # What is wrong comes first.
        only = BulkOrderRow.State.FAULTY.value
    return {
        "page": page,
        "bulk": bulk,
        "form": form or RepeatForm(),
        "rows": Paginator(find_rows(bulk, state=only), ROWS_SHOWN).get_page(request.GET.get("page")),
        "only": only,
        "filters": [
            {"state": state.value, "label": state.label, "count": page.counts[state.value]}
            for state in BulkOrderRow.State
            if page.counts.get(state.value)
        ],
        "sees_cost": request.user.has_perm("catalog.set_price"),
    }
