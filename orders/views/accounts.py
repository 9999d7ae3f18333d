"""Provider accounts: what they can do, and how they are."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from customers.access import staff_page
from orders.forms_account import LowMarkForm
from orders.forms_decisions import PauseForm
from orders.selectors.accounts import list_accounts, read_account_page
from orders.views.requests import person
from providers.account_tasks import NEEDS, TaskRefused, request_task
from providers.accounts import pause_account, resume_account
from providers.balances import set_low_mark
from providers.models import ProviderAccount


@require_safe
@staff_page("providers.view_provideraccount")
def provider_list(request: HttpRequest) -> HttpResponse:
    return render(request, "providers/list.html", {"rows": list_accounts()})


@require_safe
@staff_page("providers.view_provideraccount")
def provider_detail(request: HttpRequest, slug: str) -> HttpResponse:
    account = get_object_or_404(ProviderAccount, slug=slug)
    return _show(request, account, LowMarkForm(initial={"amount": account.low_balance}))


@require_POST
@staff_page("providers.change_provideraccount")
def provider_task(request: HttpRequest, slug: str) -> HttpResponse:
    """Have a worker do something about the account; the page shows what came of it."""
    account = get_object_or_404(ProviderAccount, slug=slug)
    kind = request.POST.get("kind", "")
    if kind not in NEEDS:
        return HttpResponse(status=400)
    try:
        request_task(account=account, kind=kind, asked_by=person(request).email)
    except TaskRefused as refused:
        messages.error(request, refused.message)
    else:
        messages.success(request, _("It is asked for; what came of it shows on this page."))
    return redirect("provider-detail", slug)


@require_POST
@staff_page("providers.change_provideraccount")
def provider_low_mark(request: HttpRequest, slug: str) -> HttpResponse:
    """Set the amount below which staff are told."""
    account = get_object_or_404(ProviderAccount, slug=slug)
    form = LowMarkForm(request.POST)
    if not form.is_valid():
        return _show(request, account, form, status=422)
    set_low_mark(account=account, amount=form.cleaned_data["amount"], by=person(request).email)
    messages.success(request, _("The mark is set."))
    return redirect("provider-detail", slug)


def _show(request: HttpRequest, account: ProviderAccount, form: LowMarkForm, *, status: int = 200) -> HttpResponse:
    page = read_account_page(account)
    context = {"account": account, "page": page, "sync_url": reverse("sync-start"), "mark_form": form}
    return render(request, "providers/detail.html", context, status=status)


@require_http_methods(["GET", "HEAD", "POST"])
@staff_page("providers.change_provideraccount")
def provider_pause(request: HttpRequest, slug: str) -> HttpResponse:
    """Ask why, then let nothing be sent there any more."""
    return _switch(request, slug, pauses=True)


@require_http_methods(["GET", "HEAD", "POST"])
@staff_page("providers.change_provideraccount")
def provider_resume(request: HttpRequest, slug: str) -> HttpResponse:
    """Ask why, then let calls go on."""
    return _switch(request, slug, pauses=False)


def _switch(request: HttpRequest, slug: str, *, pauses: bool) -> HttpResponse:
    account = get_object_or_404(ProviderAccount, slug=slug)
    names = {"account": account.name}
    already = _("%(account)s is paused already.") if pauses else _("%(account)s is not paused.")
    form = PauseForm(request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        verb = pause_account if pauses else resume_account
        done = _("%(account)s is paused: nothing is sent there.") if pauses else _("%(account)s goes on.")
        if verb(account=account, by=person(request).email, why=form.cleaned_data["why"]):
            messages.success(request, done % names)
        else:
            messages.info(request, already % names)
        return redirect("provider-detail", slug)
    if request.method != "POST" and account.is_paused == pauses:
        messages.info(request, already % names)
        return redirect("provider-detail", slug)
    context = {
        "form": form,
        "title": (_("Pause %(account)s?") if pauses else _("Let %(account)s go on?")) % names,
        "consequences": _consequences(pauses=pauses),
        "action": _("Pause") if pauses else _("Go on"),
        "danger": pauses,
        "cancel_url": reverse("provider-detail", args=[slug]),
    }
    return render(request, "components/confirm.html", context, status=422 if form.errors else 200)


def _consequences(*, pauses: bool) -> list[str]:
    if pauses:
        return [
            _("Nothing is sent to the provider any more: no order, no reading of lines, no suspension, no sync."),
            _("Its plans cannot be sold meanwhile; paid orders wait and are bought when it goes on."),
            _("A call that is already on its way is not cut."),
        ]
    return [
        _("What waits is due at once: paid orders are bought, lines are read."),
        _("Its plans can be sold again."),
    ]
