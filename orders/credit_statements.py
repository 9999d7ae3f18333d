"""Statements of what a customer owes: numbered, and never changed once issued."""

from datetime import datetime, timedelta
from decimal import Decimal

from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import Exists, OuterRef, QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from customers.models import User
from orders.credit_accounts import CreditRefused
from orders.issuer import read_issuer
from orders.models import CreditAccount, CreditEntry, CreditStatement

BY = "schedule"


def issue_statement(*, account: CreditAccount, by: User) -> CreditStatement:
    """Write down what is owed now, with everything since the statement before. Wants ``orders.manage_credit``.

    Raises ``CreditRefused`` where nothing has moved since.
    """
    if not by.has_perm("orders.manage_credit"):
        raise PermissionDenied
    statement = _issue(account.pk, until=None, by=by.email)
    if statement is None:
        raise CreditRefused(_("Nothing has moved since the last statement."))
    return statement


def issue_monthly_statements() -> list[CreditStatement]:
    """A statement for every account that moved before this month and was not stated; may run at any time, twice too."""
    month = timezone.localtime().replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    open_ones = _unstated(month).filter(account=OuterRef("pk"))
    accounts = CreditAccount.objects.filter(Exists(open_ones)).order_by("pk").values_list("pk", flat=True)
    issued = [_issue(pk, until=month, by=BY) for pk in list(accounts)]
    return [statement for statement in issued if statement is not None]


def _unstated(until: datetime | None) -> QuerySet[CreditEntry]:
    entries = CreditEntry.objects.filter(statement=None).exclude(kind=CreditEntry.Kind.TERMS)
    return entries if until is None else entries.filter(at__lt=until)


def _issue(account_id: int, *, until: datetime | None, by: str) -> CreditStatement | None:
    """The statement; None where nothing has moved. No entry is written meanwhile: the account is locked."""
    with transaction.atomic():
        account = CreditAccount.objects.select_for_update(no_key=True).get(pk=account_id)
        entries = list(_unstated(until).filter(account=account).order_by("pk"))
        if not entries:
            return None
        last = account.statements.order_by("-pk").first()
        opening = last.closing if last is not None else Decimal(0)
        now, issuer = timezone.now(), read_issuer()
        statement = CreditStatement.objects.create(
            account=account,
            number=f"CS-{account.pk}-{account.statements.count() + 1:03d}",
            issued_at=now,
            issued_by=by,
            due_on=timezone.localdate(now) + timedelta(days=account.payment_days),
            opening=opening,
            closing=opening + sum((entry.amount for entry in entries), Decimal(0)),
            issuer_name=issuer.name[:200],
            issuer_address=issuer.address,
            issuer_registration=issuer.registration[:120],
        )
        CreditEntry.objects.filter(pk__in=[entry.pk for entry in entries]).update(statement=statement)
    return statement
