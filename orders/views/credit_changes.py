"""What staff can change about a credit account, in words; the verbs are in ``orders/credit_accounts.py``."""

import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django import forms
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from orders import credit_accounts, credit_statements
from orders.forms_money import AccountReasonForm, AdjustmentForm, CreditPaymentForm, NothingForm, TermsForm
from orders.models import CreditAccount


def _always(_account: CreditAccount) -> bool:
    return True


def _begin_anew(_initial: Mapping[str, Any]) -> Mapping[str, Any]:
    return {"form_key": uuid.uuid4()}


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One change. The verb looks again whether it is possible."""

    label: Promise
    title: Promise
    consequences: Sequence[Promise]
    form: type[forms.Form]
    verb: Callable[..., Any]
    done: Promise
    is_possible: Callable[[CreditAccount], bool] = _always
    #: What the form begins with, of what the account is now.
    start: Callable[[Mapping[str, Any]], Mapping[str, Any]] = _begin_anew
    danger: bool = False


CHANGES: Mapping[str, Change] = {
    "payment": Change(
        label=_("Enter a payment"),
        title=_("Enter what the customer paid"),
        consequences=(
            _("What is owed becomes less by it; more than that is owed to the customer then."),
            _("Roamdesk moves no money: enter what you hold, or see on the bank's statement."),
        ),
        form=CreditPaymentForm,
        verb=credit_accounts.receive_payment,
        done=_("The payment is entered."),
    ),
    "statement": Change(
        label=_("Issue a statement"),
        title=_("Issue a statement now?"),
        consequences=(
            _("Everything since the last statement stands on it. Once issued it is never changed."),
            _("The next one begins where this one ends."),
        ),
        form=NothingForm,
        verb=credit_statements.issue_statement,
        done=_("The statement is issued."),
    ),
    "terms": Change(
        label=_("Change limit and days"),
        title=_("Change the terms"),
        consequences=(
            _("New orders go by the new limit at once; what is owed beyond a lower one stays owed."),
            _("The days to pay count for the statements to come."),
        ),
        form=TermsForm,
        verb=credit_accounts.set_terms,
        start=lambda initial: initial,
        done=_("The terms are changed."),
    ),
    "adjust": Change(
        label=_("Adjust what is owed"),
        title=_("Adjust what is owed"),
        consequences=(
            _("For corrections and agreements only: orders, payments and refunds enter themselves."),
            _("No limit holds it, and it cannot be taken back but by another adjustment."),
        ),
        form=AdjustmentForm,
        verb=credit_accounts.adjust_account,
        done=_("The adjustment is entered."),
        danger=True,
    ),
    "close": Change(
        label=_("Close for new orders"),
        title=_("Close the account for new orders?"),
        consequences=(_("No order is sold on this account any more; what is owed stays owed."),),
        form=AccountReasonForm,
        verb=credit_accounts.close_account,
        is_possible=lambda account: account.is_open,
        done=_("The account is closed for new orders."),
        danger=True,
    ),
    "open": Change(
        label=_("Open for new orders"),
        title=_("Open the account for new orders again?"),
        consequences=(_("Orders may be paid by credit again, up to the limit."),),
        form=AccountReasonForm,
        verb=credit_accounts.reopen_account,
        is_possible=lambda account: not account.is_open,
        done=_("The account is open for new orders."),
    ),
}
