"""Receipts with tax: issued when the customer first asks for one, and never changed afterwards.

Prices include the tax. It is reckoned once for each rate of a document, rounded down, as Japan's qualified invoices
want it. One is such an invoice where the office's registration is a number for them, a rate is set and the sum is in
yen: the law wants the tax in yen.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime
from decimal import ROUND_DOWN, Decimal

from django.conf import settings
from django.db import IntegrityError, transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from catalog.currencies import quantum
from customers.models import User
from orders.issuer import read_issuer
from orders.models import Order, OrderLine, Receipt, Refund
from orders.states import lock_order

#: A number of Japan's register of issuers of qualified invoices.
_QUALIFIED = re.compile(r"(?<![A-Z0-9])T[0-9]{13}(?![0-9])")
_PAID = (Order.State.BUYING, Order.State.COMPLETED, Order.State.PARTIAL, Order.State.FAILED)


class ReceiptRefused(Exception):
    """No receipt can be issued; ``message`` says why, in the reader's language."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


@dataclass(frozen=True, slots=True, kw_only=True)
class TaxShare:
    """What of a document is taxed at one rate. ``gross`` holds the tax."""

    percent: Decimal
    gross: Decimal
    tax: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Returned:
    """What went back of the sale, with the tax in it: the document about it refers to the receipt."""

    refund: Refund
    made_on: date
    taxes: tuple[TaxShare, ...]


def issue_receipt(*, order: Order, by: User) -> tuple[Receipt, bool]:
    """The order's receipt, and whether it is new. Raises ``ReceiptRefused``."""
    known = Receipt.objects.filter(order=order).first()
    if known is not None:
        return known, False
    try:
        with transaction.atomic():
            return _write(lock_order(order.pk), by=by.email), True
    except IntegrityError:
        return Receipt.objects.get(order=order), False


def is_qualified(receipt: Receipt) -> bool:
    """Whether it has all that Japan's law wants of a (simplified) qualified invoice."""
    is_registered = _QUALIFIED.search(receipt.issuer_registration) is not None
    is_taxed = any(Decimal(rate) for rate in receipt.rates.values())
    return is_registered and is_taxed and receipt.currency == "JPY"


def share_tax(receipt: Receipt, lines: Iterable[OrderLine]) -> list[TaxShare]:
    """The receipt's sum by rates, the highest first; empty where nothing is said of tax. ``lines`` are the order's."""
    gross: dict[Decimal, Decimal] = {}
    for line in lines:
        percent = _find_rate(receipt, line.pk)
        if percent is not None:
            gross[percent] = gross.get(percent, Decimal(0)) + line.whole_price
    return [_share(percent, gross[percent], receipt.currency) for percent in sorted(gross, reverse=True)]


def list_returned(receipt: Receipt, refunds: Iterable[Refund]) -> list[Returned]:
    """What went back of what was sold; ``refunds`` of the order, with their purchases. A surplus was no sale."""
    return [
        Returned(refund=refund, made_on=_office_day(refund.made_at), taxes=_share_returned(receipt, refund))
        for refund in refunds
        if refund.state == Refund.State.MADE and refund.kind != Refund.Kind.SURPLUS and refund.made_at is not None
    ]


def _write(order: Order, *, by: str) -> Receipt:
    if order.state not in _PAID or order.paid_at is None:
        raise ReceiptRefused(_("There is a receipt once the order is paid."))
    if not order.total:
        raise ReceiptRefused(_("Nothing was to be paid for this order: there is no receipt."))
    issuer, customer = read_issuer(), order.customer
    return Receipt.objects.create(
        order=order,
        number=f"RC-{order.number.removeprefix('R-')}",
        issued_at=timezone.now(),
        issued_by=by,
        sold_on=_office_day(order.paid_at),
        recipient=", ".join(filter(None, (customer.company, customer.name))),
        currency=order.currency,
        total=order.total,
        rates=_read_rates(order.lines.select_related("plan").prefetch_related("plan__coverage")),
        issuer_name=issuer.name[:200],
        issuer_address=issuer.address,
        issuer_registration=issuer.registration[:120],
    )


def _office_day(moment: datetime) -> date:
    """The day that it was for the office, wherever the reader is."""
    return timezone.localdate(moment, timezone.get_default_timezone())


def _read_rates(lines: Iterable[OrderLine]) -> dict[str, str]:
    """The rate of each line as the settings say it today; empty where they say nothing."""
    percent: Decimal | None = settings.RECEIPT_TAX_PERCENT
    if percent is None:
        return {}
    return {str(line.pk): f"{percent if _is_taxed(line) else Decimal(0):f}" for line in lines}


def _is_taxed(line: OrderLine) -> bool:
    taxed = set(settings.RECEIPT_TAX_COUNTRIES)
    return not taxed or not taxed.isdisjoint(row.country for row in line.plan.coverage.all())


def _find_rate(receipt: Receipt, line_id: int) -> Decimal | None:
    rate = receipt.rates.get(str(line_id))
    return None if rate is None else Decimal(rate)


def _share(percent: Decimal, gross: Decimal, currency: str) -> TaxShare:
    tax = (gross * percent / (100 + percent)).quantize(quantum(currency), ROUND_DOWN)
    return TaxShare(percent=percent, gross=gross, tax=tax)


def _share_returned(receipt: Receipt, refund: Refund) -> tuple[TaxShare, ...]:
    percent = _find_rate(receipt, refund.purchase.order_line_id) if refund.purchase is not None else None
    return () if percent is None else (_share(percent, refund.amount, refund.currency),)
