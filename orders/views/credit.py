"""Customers who pay later: their accounts, what moves them, and the statements that are sent."""

from collections.abc import Iterable, Mapping
from typing import Any

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe

from customers.access import staff_page
from customers.keyset import keyset_page
from customers.models import Customer
from orders.amounts import write_amount
from orders.credit_accounts import CreditRefused, open_account
from orders.csv_files import write_csv
from orders.forms import CustomerSearchForm
from orders.forms_money import OpenCreditForm
from orders.models import CreditAccount, CreditEntry, CreditStatement
from orders.selectors.credit import (
    STATEMENTS_SHOWN,
    find_accounts,
    find_entries,
    find_issuer,
    list_stated,
    name_order,
    sum_accounts,
)
from orders.selectors.overdue import find_overdue, look_at_accounts, look_at_statements
from orders.views.credit_changes import CHANGES
from orders.views.requests import person

PAGE_SIZE = 50


@require_safe
@staff_page("orders.view_creditaccount")
def credit_list(request: HttpRequest) -> HttpResponse:
    text = request.GET.get("find", "")[:120].strip()
    overdue_only = request.GET.get("overdue") == "1"
    accounts = find_accounts(text, overdue_only=overdue_only)
    page = Paginator(accounts, PAGE_SIZE).get_page(request.GET.get("page"))
    context = {
        "page": page,
        "rows": look_at_accounts(list(page.object_list)),
        "overdue_only": overdue_only,
        "totals": sum_accounts(),
        "text": text,
        "search": CustomerSearchForm({"find": text}) if text else CustomerSearchForm(),
    }
    return render(request, "credit/list.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@staff_page("orders.manage_credit")
def credit_new(request: HttpRequest, pk: int) -> HttpResponse:
    """A new account for a customer."""
    customer = get_object_or_404(Customer, pk=pk)
    form = OpenCreditForm(request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        try:
            account = open_account(customer=customer, by=person(request), **form.cleaned_data)
        except CreditRefused as error:
            form.add_error(error.field if error.field in form.fields else None, error.message)
        else:
            messages.success(request, _("The credit account is open."))
            return redirect("credit-detail", account.pk)
    context = {
        "form": form,
        "customer": customer,
        "title": _("Open a credit account for %(customer)s") % {"customer": customer.name},
        "consequences": [
            _("Orders in this currency may then be paid by credit, up to the limit, and are bought at once."),
            _("A statement is issued after each month in which something moved."),
        ],
        "action": _("Open the account"),
        "danger": False,
        "cancel_url": reverse("customer-detail", args=[customer.pk]),
    }
    return render(request, "credit/decide.html", context, status=422 if form.errors else 200)


@require_safe
@staff_page("orders.view_creditaccount")
def credit_detail(request: HttpRequest, pk: int) -> HttpResponse:
    account = _find_account(pk)
    page = keyset_page(
        find_entries(account),
        after=request.GET.get("after", ""),
        before=request.GET.get("before", ""),
        size=PAGE_SIZE,
        key="at",
    )
    context = {
        "account": account,
        "page": page,
        "rows": _rows(page.rows),
        "overdue": find_overdue([account]).get(account.pk),
        "statements": look_at_statements(account, limit=STATEMENTS_SHOWN),
        "statement_count": account.statements.count(),
        "changes": [
            {"change": change, "url": reverse("credit-change", args=[account.pk, name])}
            for name, change in CHANGES.items()
            if change.is_possible(account)
        ],
    }
    return render(request, "credit/detail.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@staff_page("orders.manage_credit")
def credit_change(request: HttpRequest, pk: int, change: str) -> HttpResponse:
    """What the change will do, its form, and the change itself."""
    chosen = CHANGES.get(change)
    if chosen is None:
        raise Http404
    account = _find_account(pk)
    limit = write_amount(account.credit_limit, account.currency)
    initial = {"credit_limit": limit, "payment_days": account.payment_days}
    form = chosen.form(request.POST) if request.method == "POST" else chosen.form(initial=dict(chosen.start(initial)))
    if request.method == "POST" and form.is_valid():
        try:
            chosen.verb(account=account, by=person(request), **form.cleaned_data)
        except CreditRefused as error:
            form.add_error(error.field if error.field in form.fields else None, error.message)
        else:
            messages.success(request, str(chosen.done))
            return redirect("credit-detail", account.pk)
    context = {
        "form": form,
        "account": account,
        "customer": account.customer,
        "title": chosen.title,
        "consequences": chosen.consequences,
        "action": chosen.label,
        "danger": chosen.danger,
        "cancel_url": reverse("credit-detail", args=[account.pk]),
    }
    return render(request, "credit/decide.html", context, status=422 if form.errors else 200)


@require_safe
@staff_page("orders.view_creditaccount")
def credit_csv(request: HttpRequest, pk: int) -> HttpResponse:
    """All entries of an account, the oldest first."""
    account = _find_account(pk)
    return _answer_csv(find_entries(account).order_by("pk").iterator(), f"credit-{account.pk}", account.currency)


@require_safe
@staff_page("orders.view_creditaccount")
def statement_detail(request: HttpRequest, pk: int) -> HttpResponse:
    statement = _find_statement(pk)
    context = {
        "statement": statement,
        "issuer": find_issuer(statement),
        "account": statement.account,
        "customer": statement.account.customer,
        "rows": _rows(list_stated(statement)),
    }
    return render(request, "credit/statement.html", context)


@require_safe
@staff_page("orders.view_creditaccount")
def statement_csv(request: HttpRequest, pk: int) -> HttpResponse:
    statement = _find_statement(pk)
    return _answer_csv(list_stated(statement), statement.number, statement.account.currency)


def _rows(entries: Iterable[CreditEntry]) -> list[Mapping[str, Any]]:
    return [{"entry": entry, "order": name_order(entry)} for entry in entries]


def _answer_csv(entries: Iterable[CreditEntry], name: str, currency: str) -> HttpResponse:
    header = (
        *(_("Date"), _("What"), _("Order"), _("Reference"), _("Why")),
        *(_("Amount"), _("Owed then"), _("Currency"), _("By")),
    )
    rows = (
        (
            entry.at.isoformat(timespec="seconds"),
            entry.get_kind_display(),
            order[1] if order else "",
            entry.reference,
            entry.why,
            entry.amount,
            entry.owed_after,
            currency,
            entry.by,
        )
        for entry in entries
        for order in [name_order(entry)]
    )
    response = HttpResponse(write_csv(header, rows), content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="{name}.csv"'
    return response


def _find_account(pk: int) -> CreditAccount:
    return get_object_or_404(CreditAccount.objects.select_related("customer"), pk=pk)


def _find_statement(pk: int) -> CreditStatement:
    return get_object_or_404(CreditStatement.objects.select_related("account__customer"), pk=pk)
