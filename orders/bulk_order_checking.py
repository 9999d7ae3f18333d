"""Looking a list of orders through before anything is written: who, which plan, at which price, and what is wrong.

The result is kept as a ``BulkOrder`` with its rows: what is run later is what was shown here. Sentences about rows are
stored, so they are English, and retold on pages. The number of statements does not grow with the rows, but for the
pieces in which many of them are looked up and written.
"""

import hashlib
import json
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TypeVar

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import transaction
from django.db.models import Q
from django.db.models.functions import Lower
from django.utils import translation

from catalog.models import Plan
from customers.customers import normalise_email, normalise_phone
from customers.models import Customer, User
from customers.terms import fold, phone_term
from orders.bulk_order_files import ListRow, read_list
from orders.checkout import price_for, why_not_sellable
from orders.models import BulkOrder, BulkOrderRow, CreditAccount, Payment

_AT_ONCE = 500
_LANGUAGES = {
    "en": "en",
    "english": "en",
    "英語": "en",
    "ja": "ja",
    "jp": "ja",
    "japanese": "ja",
    "日本語": "ja",
}
State = BulkOrderRow.State
_Key = TypeVar("_Key")


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """A list that was looked through."""

    bulk: BulkOrder
    #: Headers of columns that were not read.
    ignored: Sequence[str]


@dataclass(slots=True)
class _Books:
    """What our books know of whom and what the list names."""

    by_email: dict[str, Customer] = field(default_factory=dict)
    by_phone: dict[str, list[Customer]] = field(default_factory=lambda: defaultdict(list))
    plans: dict[str, list[Plan]] = field(default_factory=lambda: defaultdict(list))
    #: Why a plan cannot be sold, by its key.
    refusals: dict[int, str] = field(default_factory=dict)
    ordered: set[str] = field(default_factory=set)


def check_list(*, data: bytes, name: str, method: str, reference: str, by: User) -> Checked:
    """Look a list through and keep what was found; nothing else is written.

    ``method`` is how all of it is paid. Raises ``bulk_order_files.ListRefused``.
    """
    read = read_list(data)
    rows = [_read_row(row) for row in read.rows]
    books = _open_books(rows)
    for row in rows:
        _find_customer(row, books)
        _find_plan(row, books)
        row.digest = _digest_row(row)
    books.ordered = _find_ordered(rows)
    _find_repeats(rows, books)
    if method == Payment.Method.CREDIT:
        _check_credit(rows)
    for row in rows:
        row.state = State.FAULTY if row.faults else State.WAITING
    digest = hashlib.sha256("\n".join(sorted(row.digest for row in rows)).encode()).hexdigest()
    with transaction.atomic():
        bulk = BulkOrder.objects.create(
            name=name[:200], digest=digest, method=method, reference=reference[:120], created_by=by
        )
        for row in rows:
            row.bulk = bulk
        BulkOrderRow.objects.bulk_create(rows, batch_size=_AT_ONCE)
    return Checked(bulk=bulk, ignored=read.ignored)


def find_earlier(bulk: BulkOrder) -> BulkOrder | None:
    """The last run of the same list before this one."""
    same = BulkOrder.objects.filter(digest=bulk.digest, run_key__isnull=False).exclude(pk=bulk.pk)
    return same.select_related("confirmed_by").order_by("-confirmed_at", "-pk").first()


# -- one row by itself ------------------------------------------------------------------------------------------------


def _read_row(read: ListRow) -> BulkOrderRow:
    given = {name: unicodedata.normalize("NFKC", cell) for name, cell in read.cells.items()}
    row = BulkOrderRow(
        number=read.number,
        # Names and notes stay as they were written.
        name=" ".join(read.cells.get("name", "").split())[:200],
        email=normalise_email(given.get("email", ""))[:254],
        phone=normalise_phone(given.get("phone", ""))[:60],
        plan_code=given.get("plan", "").strip()[:200],
        note=read.cells.get("note", "")[:2000],
        faults=[],
        remarks=[],
    )
    _check_person(row)
    _read_language(row, given.get("language", "").strip())
    quantity = _read_number(given.get("quantity", "") or "1")
    if quantity is None or not 1 <= quantity <= settings.ORDER_MAX_QUANTITY:
        row.faults.append(f"The quantity is no whole number from 1 to {settings.ORDER_MAX_QUANTITY}.")
    else:
        row.quantity = quantity
    if given.get("days", ""):
        days = _read_number(given["days"])
        if days is None or not 1 <= days <= 3650:
            row.faults.append("The days are no whole number.")
        else:
            row.period_days = days
    return row


def _check_person(row: BulkOrderRow) -> None:
    if not row.name:
        row.faults.append("The customer's name is missing.")
    elif len(row.name) > 150:
        row.faults.append("The customer's name is longer than 150 characters.")
    if row.email:
        try:
            validate_email(row.email)
        except ValidationError:
            row.faults.append("The e-mail address is not valid.")
    if len(row.phone) > 32:
        row.faults.append("The phone number is longer than 32 characters.")
    if not row.email and not row.phone:
        row.faults.append("Neither an e-mail address nor a phone number tells who the customer is.")


def _read_language(row: BulkOrderRow, text: str) -> None:
    if not text:
        return
    row.language = _LANGUAGES.get(text.casefold(), "")
    if row.language not in dict(settings.LANGUAGES):
        row.language = ""
        row.faults.append("The language is none that we speak.")


def _read_number(text: str) -> int | None:
    text = text.strip()
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 6 else None


# -- against our books ------------------------------------------------------------------------------------------------


def _open_books(rows: Sequence[BulkOrderRow]) -> _Books:
    books = _Books()
    for part in _parts({row.email for row in rows if row.email}):
        found = Customer.objects.annotate(small=Lower("email")).filter(small__in=part).exclude(email="")
        books.by_email |= {customer.email.lower(): customer for customer in found}
    for part in _parts({row.phone for row in rows if row.phone and not row.email}):
        # By the index of the terms: phones have none of their own.
        terms = [term for term in map(phone_term, part) if term]
        known = Customer.objects.filter(terms__term__in=terms, phone__in=part, erased_at=None)
        for customer in known.distinct().order_by("pk"):
            books.by_phone[customer.phone].append(customer)
    for part in _parts({_bare_code(row.plan_code) for row in rows if row.plan_code}):
        ids = [int(code) for code in part if _read_number(code) is not None]
        named = Q(plan_ref__in=part) | Q(alias__in=part) | Q(pk__in=ids)
        for plan in Plan.objects.filter(named).select_related("account").order_by("pk"):
            for code in {plan.plan_ref, plan.alias, str(plan.pk)} & set(part):
                books.plans[code].append(plan)
    with translation.override("en"):
        plans = {plan.pk: plan for found in books.plans.values() for plan in found}
        books.refusals = {pk: _why_not(plan) for pk, plan in plans.items()}
    return books


def _why_not(plan: Plan) -> str:
    """As the checkout will say it, in English."""
    return "This plan is not sold as a new eSIM." if plan.kind != Plan.Kind.ESIM else why_not_sellable(plan)


def _bare_code(code: str) -> str:
    """``account:CODE`` names the account where several have the same code."""
    account, colon, bare = code.partition(":")
    return bare.strip() if colon and account else code


def _find_customer(row: BulkOrderRow, books: _Books) -> None:
    if row.email:
        row.customer = books.by_email.get(row.email)
    elif row.phone:
        same = [customer for customer in books.by_phone.get(row.phone, []) if fold(customer.name) == fold(row.name)]
        if len(same) > 1:
            row.faults.append("Several customers have this name and phone number: give an e-mail address.")
        row.customer = same[0] if len(same) == 1 else None
    if row.customer is None:
        return
    if row.customer.erased_at is not None:
        row.faults.append("This customer had their account deleted: nothing more can be ordered.")
    elif row.name and fold(row.customer.name) != fold(row.name):
        row.remarks.append(f"Our books know this customer as “{row.customer.name}”.")


def _find_plan(row: BulkOrderRow, books: _Books) -> None:
    code = row.plan_code
    if not code:
        row.faults.append("The plan is missing.")
        return
    bare = _bare_code(code)
    account = code.partition(":")[0].strip() if bare != code else ""
    found = [plan for plan in books.plans.get(bare, []) if not account or plan.account.slug == account]
    # A plan's own code comes before the number that it has here.
    found = [plan for plan in found if bare in (plan.plan_ref, plan.alias)] or found
    sellable = [plan for plan in found if not books.refusals[plan.pk]]
    if len(sellable) > 1:
        row.faults.append("Several plans have this code: give its number, or write account:code.")
    elif sellable:
        _take_plan(row, sellable[0])
    elif found:
        row.faults.append(books.refusals[found[0].pk])
    else:
        row.faults.append("No plan has this code or number.")


def _take_plan(row: BulkOrderRow, plan: Plan) -> None:
    row.plan = plan
    most = plan.days_choice_max
    if most is None and row.period_days is not None:
        if row.period_days != plan.validity_days:
            row.faults.append("The days of this plan are fixed.")
        row.period_days = None
    if most is not None and not 1 <= (row.period_days or 0) <= most:
        row.faults.append(f"This plan is sold by the day: give 1 to {most} days.")
    row.unit_price = price_for(plan, row.period_days)
    row.unit_cost = None if plan.net_price is None else plan.net_price * (row.period_days or 1)
    row.currency = plan.currency


def _digest_row(row: BulkOrderRow) -> str:
    """Who, what and how many. Language and note may be mended without it being another row."""
    person = row.email or f"{row.phone} {fold(row.name)}"
    what = [person, row.plan_id or row.plan_code, row.quantity, row.period_days]
    return hashlib.sha256(json.dumps(what, ensure_ascii=False).encode()).hexdigest()


def _find_ordered(rows: Sequence[BulkOrderRow]) -> set[str]:
    found: set[str] = set()
    for part in _parts({row.digest for row in rows}):
        ordered = BulkOrderRow.objects.filter(state=State.ORDERED, digest__in=part)
        found |= set(ordered.values_list("digest", flat=True))
    return found


def _find_repeats(rows: Sequence[BulkOrderRow], books: _Books) -> None:
    """What stands twice in the list, who has two names in it, and what an earlier list has ordered already."""
    first: dict[str, int] = {}
    names: dict[str, tuple[str, int]] = {}
    for row in rows:
        if (earlier := first.setdefault(row.digest, row.number)) != row.number:
            row.faults.append(f"The same stands in row {earlier}: add the quantities up.")
        if row.digest in books.ordered:
            row.remarks.append("An earlier list has ordered the same for this customer.")
        if row.email and row.customer is None:
            name, number = names.setdefault(row.email, (row.name, row.number))
            if fold(name) != fold(row.name):
                row.faults.append(f"Row {number} has another name for this e-mail address.")


def _check_credit(rows: Sequence[BulkOrderRow]) -> None:
    """Whether each customer's credit covers all their rows."""
    accounts: dict[tuple[int, str], CreditAccount] = {}
    mine = [row for row in rows if row.customer_id is not None]
    for part in _parts({row.customer_id for row in mine}):
        for account in CreditAccount.objects.filter(customer__in=part, is_open=True):
            accounts[account.customer_id, account.currency] = account
    needed: dict[tuple[int, str], Decimal] = defaultdict(Decimal)
    for row in mine:
        needed[row.customer_id or 0, row.currency] += (row.unit_price or Decimal(0)) * row.quantity
    for row in rows:
        if row.plan is None:
            continue
        key = (row.customer_id or 0, row.currency)
        account_or_none = accounts.get(key)
        if account_or_none is None:
            row.faults.append(f"This customer has no open credit account in {row.currency}.")
        elif needed[key] > account_or_none.credit_limit - account_or_none.owed:
            row.faults.append("The customer's credit does not cover their rows of this list.")


def _parts(keys: Iterable[_Key]) -> Iterator[list[_Key]]:
    whole = sorted(keys, key=str)
    for start in range(0, len(whole), _AT_ONCE):
        yield whole[start : start + _AT_ONCE]
