"""What staff do with a customer's credit account: open it, set its limit, close it, and enter what was paid.

Every verb wants ``orders.manage_credit`` (``PermissionDenied`` otherwise). Who changed what, and why, stands in the
account's entries, also where no money moved.
"""

from decimal import Decimal
from uuid import UUID

from django.core.exceptions import PermissionDenied
from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

from catalog.currencies import is_currency, is_payable
from customers.models import Customer, User
from orders.amounts import say_amount
from orders.credit import Note, move_account
from orders.models import CreditAccount, CreditEntry, Payment

#: Nobody waits longer for the payment of a statement.
MOST_PAYMENT_DAYS = 365


class CreditRefused(Exception):
    """The change cannot be made; nothing was written. ``field`` names what to mend."""

    def __init__(self, message: str, field: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.field = field


def open_account(
    *, customer: Customer, currency: str, credit_limit: Decimal, by: User, payment_days: int = 30
) -> CreditAccount:
    """Open a customer's account in a currency; opened twice with the same terms it is one account."""
    _require_permission(by)
    if not is_currency(currency):
        raise CreditRefused(_("A currency has three capital letters, such as USD."), "currency")
    _require_terms(credit_limit, currency, payment_days)
    terms = {"credit_limit": credit_limit, "payment_days": payment_days}
    try:
        with transaction.atomic():
            account, is_new = CreditAccount.objects.get_or_create(
                customer=customer, currency=currency, defaults={**terms, "created_by": by}
            )
    except IntegrityError:
        account, is_new = CreditAccount.objects.get(customer=customer, currency=currency), False
    if not is_new and any(getattr(account, name) != value for name, value in terms.items()):
        message = _("This customer has a credit account in %(currency)s already.")
        raise CreditRefused(message % {"currency": currency}, "currency")
    return account


def set_terms(*, account: CreditAccount, credit_limit: Decimal, payment_days: int, why: str, by: User) -> CreditAccount:
    """Change the limit, or the days to pay; what is owed beyond a lower limit stays owed. Repeated it is no change."""
    _require_permission(by)
    _require_terms(credit_limit, account.currency, payment_days)
    with transaction.atomic():
        locked = _lock(account)
        if (locked.credit_limit, locked.payment_days) == (credit_limit, payment_days):
            return locked
        old = say_amount(locked.credit_limit, locked.currency)
        new = say_amount(credit_limit, locked.currency)
        what = f"limit {old} → {new}; days to pay {locked.payment_days} → {payment_days}"
        locked.credit_limit, locked.payment_days = credit_limit, payment_days
        locked.save(update_fields=["credit_limit", "payment_days"])
        _note_terms(locked, what, why, by)
    return locked


def close_account(*, account: CreditAccount, why: str, by: User) -> CreditAccount:
    """Take no new orders on credit; what is owed stays owed."""
    return _set_open(account, False, why, by)


def reopen_account(*, account: CreditAccount, why: str, by: User) -> CreditAccount:
    """Take orders on credit again."""
    return _set_open(account, True, why, by)


def receive_payment(
    *, account: CreditAccount, amount: Decimal, method: str, reference: str, form_key: UUID, by: User
) -> CreditEntry:
    """Enter that the customer paid of what is owed; more than that is owed to the customer then."""
    _require_permission(by)
    if method not in Payment.BY_HAND:
        raise CreditRefused(_("Choose how the customer paid."), "method")
    if amount <= 0:
        raise CreditRefused(_("%(amount)s is no amount that can be paid.") % {"amount": amount}, "amount")
    note = Note(kind=CreditEntry.Kind.PAYMENT, by=by.email, method=method, reference=reference, form_key=form_key)
    return _enter(account, -amount, note)


def adjust_account(*, account: CreditAccount, amount: Decimal, why: str, form_key: UUID, by: User) -> CreditEntry:
    """Enter a correction: positive amounts are owed more, negative less. It needs a reason; no limit holds it."""
    _require_permission(by)
    if not why.strip():
        raise CreditRefused(_("Say why: the next person will ask."), "why")
    if amount == 0:
        raise CreditRefused(_("An adjustment of nothing changes nothing."), "amount")
    return _enter(account, amount, Note(kind=CreditEntry.Kind.ADJUSTMENT, by=by.email, why=why, form_key=form_key))


def _enter(account: CreditAccount, amount: Decimal, note: Note) -> CreditEntry:
    if not is_payable(amount, account.currency):
        message = _("%(amount)s is no amount that can be paid.")
        raise CreditRefused(message % {"amount": say_amount(amount, account.currency)}, "amount")
    entry, is_new = move_account(account=account, amount=amount, note=note)
    if not is_new and (entry.account_id, entry.amount, entry.kind) != (account.pk, amount, note.kind):
        raise CreditRefused(_("This form was sent before, with other contents. Open the account again."))
    return entry


def _set_open(account: CreditAccount, is_open: bool, why: str, by: User) -> CreditAccount:
    _require_permission(by)
    with transaction.atomic():
        locked = _lock(account)
        if locked.is_open != is_open:
            locked.is_open = is_open
            locked.save(update_fields=["is_open"])
            _note_terms(locked, "open for new orders" if is_open else "closed for new orders", why, by)
    return locked


def _note_terms(account: CreditAccount, what: str, why: str, by: User) -> None:
    CreditEntry.objects.create(
        account=account,
        kind=CreditEntry.Kind.TERMS,
        amount=0,
        owed_after=account.owed,
        reference=what[:120],
        why=why[:300],
        by=by.email,
    )


def _lock(account: CreditAccount) -> CreditAccount:
    return CreditAccount.objects.select_for_update(no_key=True).get(pk=account.pk)


def _require_terms(credit_limit: Decimal, currency: str, payment_days: int) -> None:
    if credit_limit < 0 or not is_payable(credit_limit, currency):
        message = _("%(amount)s is no amount that can be paid.")
        raise CreditRefused(message % {"amount": say_amount(credit_limit, currency)}, "credit_limit")
    if not 0 <= payment_days <= MOST_PAYMENT_DAYS:
        raise CreditRefused(_("At most %(most)d days.") % {"most": MOST_PAYMENT_DAYS}, "payment_days")


def _require_permission(by: User) -> None:
    if not by.has_perm("orders.manage_credit"):
        raise PermissionDenied
