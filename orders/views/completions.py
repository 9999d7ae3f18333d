"""Completion files: the upload, the list of imports, and the report of one."""

from typing import Any

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe

from customers.access import MissingPermission, staff_page
from orders.completions import FileRefused, find_earlier, import_completions
from orders.forms_activation import CompletionUploadForm
from orders.models import CompletionImport, CompletionOutcome
from orders.selectors.activations import find_imports, find_rows, form_accounts
from orders.views.requests import person

#: OURS: what a page may import while somebody waits for it; larger files go by the command.
MOST_BYTES = 512 * 1024
IMPORTS_SHOWN = 50
ROWS_SHOWN = 100
TONES = {"applied": "ok", "repeated": "neutral", "unmatched": "warn", "faulty": "danger"}


@require_http_methods(["GET", "HEAD", "POST"])
@staff_page("orders.view_completionimport")
def completion_list(request: HttpRequest) -> HttpResponse:
    """The imports until now, and the form for one more, for who may import."""
    may_import = request.user.has_perm("orders.import_completions")
    if request.method == "POST" and not may_import:
        raise MissingPermission("orders.import_completions")
    accounts = [(account.slug, account.name) for account in form_accounts()]
    is_sent = request.method == "POST"
    form = CompletionUploadForm(
        request.POST if is_sent else None, request.FILES if is_sent else None, accounts=accounts, most_bytes=MOST_BYTES
    )
    if is_sent and form.is_valid() and (report := _import(request, form)):
        return redirect("completion-detail", report.pk)
    page = Paginator(find_imports(), IMPORTS_SHOWN).get_page(request.GET.get("page"))
    context: dict[str, Any] = {"form": form if accounts else None, "page": page, "may_import": may_import}
    return render(request, "activations/completions.html", context, status=422 if form.errors else 200)


@require_safe
@staff_page("orders.view_completionimport")
def completion_detail(request: HttpRequest, pk: int) -> HttpResponse:
    """What became of every row of one file."""
    report = get_object_or_404(CompletionImport.objects.select_related("account"), pk=pk)
    outcome = request.GET.get("outcome", "")
    outcome = outcome if outcome in CompletionOutcome.Outcome.values else ""
    context = {
        "report": report,
        "outcome": outcome,
        "earlier": find_earlier(report),
        "page": Paginator(find_rows(report, outcome), ROWS_SHOWN).get_page(request.GET.get("page")),
        "tones": TONES,
        "totals": [
            {"outcome": word, "label": label, "number": getattr(report, word), "tone": TONES[word]}
            for word, label in CompletionOutcome.Outcome.choices
        ],
    }
    return render(request, "activations/completion.html", context)


def _import(request: HttpRequest, form: CompletionUploadForm) -> CompletionImport | None:
    """The report; None where the file was refused, which the form then shows."""
    file = form.cleaned_data["file"]
    account = next(one for one in form_accounts() if one.slug == form.cleaned_data["account"])
    try:
        report = import_completions(account=account, data=file.read(), file_name=file.name, by=person(request).email)
    except FileRefused as error:
        form.add_error("file", error.message)
        return None
    if report.unmatched or report.faulty:
        messages.warning(request, _("Some rows need a look."))
    elif report.applied:
        messages.success(request, _("The file is imported."))
    else:
        messages.info(request, _("The file says nothing new."))
    return report
