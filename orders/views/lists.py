"""What every list offers beside its page: saved views, files, and one action on many rows."""

import re
from typing import Any

from django.contrib import messages
from django.db.models import Count
from django.http import FileResponse, Http404, HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from customers.access import MissingPermission, is_partial, staff_page
from customers.lists import EXPORT, ListPage
from customers.models import SavedView
from customers.saved_views import ViewRefused, delete_view, save_view
from orders.bulk import MOST_ROWS, NotChosen, choose_rows, find_action, start_run
from orders.list_files import ExportRefused, begin_export
from orders.list_pages import LISTS
from orders.models import BulkItem, BulkRun, ListExport
from orders.views.requests import person, read_id

_SHEET = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
_LONGEST_QUERY = 2000
#: Of the rows with which it may not be done, so many are listed; the rest are counted.
ROWS_SHOWN = 100


@require_POST
@staff_page()
def view_save(request: HttpRequest, name: str) -> HttpResponse:
    """Keep the list as it is looked at under a name."""
    page = _find_list(request, name)
    query = request.POST.get("query", "")[:_LONGEST_QUERY]
    try:
        view = save_view(
            page=page,
            name=request.POST.get("name", ""),
            query=query,
            by=person(request),
            is_shared="is_shared" in request.POST,
            is_default="is_default" in request.POST,
        )
    except ViewRefused as refused:
        messages.error(request, refused.message)
        return _back_to(page, query)
    messages.success(request, _("The view “%(name)s” was saved.") % {"name": view.name})
    return redirect(f"{reverse(page.url_name)}?{view.query}{'&' if view.query else ''}view={view.pk}")


@require_POST
@staff_page()
def view_delete(request: HttpRequest, name: str, pk: int) -> HttpResponse:
    page = _find_list(request, name)
    view = get_object_or_404(SavedView, pk=pk, page=page.name)
    delete_view(view=view, by=person(request))
    messages.success(request, _("The view “%(name)s” was deleted.") % {"name": view.name})
    return redirect(f"{reverse(page.url_name)}?all=1")


@require_POST
@staff_page(EXPORT)
def list_export(request: HttpRequest, name: str) -> HttpResponseBase:
    """The list as a file. It is a POST, because it is written down who took what."""
    page = _find_list(request, name)
    query = request.POST.get("query", "")[:_LONGEST_QUERY]
    kind = request.POST.get("format", "")
    if kind not in ListExport.Format.values:
        raise Http404
    try:
        export = begin_export(
            page=page, query=query, secrets=request.POST.getlist("secret"), kind=kind, by=person(request)
        )
    except ExportRefused as refused:
        messages.error(request, refused.message)
        return _back_to(page, query)
    response: HttpResponseBase
    if kind == ListExport.Format.CSV:
        response = StreamingHttpResponse(export.write_csv(), content_type="text/csv; charset=utf-8")
    else:
        response = FileResponse(export.write_sheet(), content_type=_SHEET)
    day = timezone.localdate().isoformat()
    response["Content-Disposition"] = f'attachment; filename="roamdesk-{page.name}-{day}.{kind}"'
    response["Cache-Control"] = "no-store, private"
    response["X-Content-Type-Options"] = "nosniff"
    return response


@require_POST
@staff_page()
def bulk_choose(request: HttpRequest, name: str) -> HttpResponse:
    """Write down which rows are meant, and show with which of them it may be done."""
    page, user = _find_list(request, name), person(request)
    query = request.POST.get("query", "")[:_LONGEST_QUERY]
    action = page.find_action(request.POST.get("action", ""), user)
    if action is None:
        known = next((one for one in page.bulk if one.name == request.POST.get("action")), None)
        if known is None:
            raise Http404
        raise MissingPermission(known.permission)
    chosen = None if request.POST.get("which") == "all" else [read_id(row) for row in request.POST.getlist("row")]
    rows = None if chosen is None else [row for row in chosen if row is not None]
    try:
        run = choose_rows(page=page, action=action, rows=rows, query=query, by=user)
    except NotChosen as refused:
        messages.error(request, refused.message)
        return _back_to(page, query)
    return redirect("bulk-detail", run.pk)


@require_safe
@staff_page()
def bulk_detail(request: HttpRequest, pk: int) -> HttpResponse:
    """The preview of a run, then its progress, then its report."""
    run = _find_run(request, pk)
    context = _tell_run(request, run)
    if is_partial(request):
        return render(request, "lists/_bulk_live.html", context)
    return render(request, "lists/bulk.html", context)


@require_POST
@staff_page()
def bulk_start(request: HttpRequest, pk: int) -> HttpResponse:
    run = _find_run(request, pk)
    reason = request.POST.get("why", "").strip()
    if not reason:
        context = _tell_run(request, run) | {"error": _("Say why: it stands with each row, with your name.")}
        return render(request, "lists/bulk.html", context, status=422)
    if not start_run(run=run, reason=reason, by=person(request)):
        messages.info(request, _("This was started already."))
    return redirect("bulk-detail", run.pk)


def _tell_run(request: HttpRequest, run: BulkRun) -> dict[str, Any]:
    page, action = LISTS[run.page], find_action(run, person(request))
    states = BulkItem.State
    counted = run.items.order_by().values_list("state").annotate(number=Count("pk"))
    counts = dict.fromkeys(states.values, 0) | dict(counted)
    reasons = run.items.filter(state__in=(states.REFUSED, states.FAILED)).order_by()
    return {
        "run": run,
        "page": page,
        "action": action,
        "counts": counts,
        "total": sum(counts.values()),
        "over": sum(counts.values()) - counts[states.WAITING] - counts[states.RUNNING],
        "reasons": list(reasons.values("note").annotate(number=Count("pk")).order_by("-number", "note")),
        "items": list(run.items.exclude(note="")[:ROWS_SHOWN]),
        "most": MOST_ROWS,
        "address": f"{reverse(page.url_name)}?{run.query or 'all=1'}",
        "is_mine": run.by_id == person(request).pk,
    }


def _find_list(request: HttpRequest, name: str) -> ListPage:
    page = LISTS.get(name)
    if page is None:
        raise Http404
    if not person(request).has_perm(page.permission):
        raise MissingPermission(page.permission)
    return page


def _find_run(request: HttpRequest, pk: int) -> BulkRun:
    """A run, for those who may do what it does."""
    run = get_object_or_404(BulkRun.objects.select_related("by"), pk=pk)
    page = LISTS.get(run.page)
    if page is None:
        raise Http404
    if find_action(run, person(request)) is None:
        action = next((one for one in page.bulk if one.name == run.action), None)
        raise MissingPermission(action.permission if action is not None else page.permission)
    return run


def _back_to(page: ListPage, query: str) -> HttpResponse:
    return redirect(f"{reverse(page.url_name)}?{re.sub(r'[^ -~]', '', query) or 'all=1'}")
