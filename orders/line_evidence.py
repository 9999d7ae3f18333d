"""What a provider says of lines that a person wants to enter into our books: read before, outside any transaction.

A portal shows numbers that look alike, and a listing is older than the click: what the provider does not know, what is
over, and what came by another order is no delivery. Where nobody can be asked about lines (the provider tells of none,
or its account is gone), a person's word has to do.
"""

from collections.abc import Iterable, Sequence
from time import monotonic

from django.db.models import Q
from django.utils.translation import gettext as _

from esims.models import STATE_LABELS
from esims.states import ENDED
from orders.models import Purchase
from providers.base import Provider
from providers.errors import NOT_TOLD, ProviderError, Rejected, Unavailable
from providers.types import Capability, LineSnapshot, Priority

#: So many lines are read for one click, and for so long: a page waits for it. The rest is entered with the next one.
MOST_AT_ONCE = 30
_SECONDS = 25.0


def is_denial(error: ProviderError) -> bool:
    """Whether a failed reading says that the provider does not know the line. A refusal of our keys says nothing."""
    if isinstance(error, Unavailable):
        return error.code == NOT_TOLD
    return isinstance(error, Rejected) and error.mend is None


def find_doubt(provider: Provider | None, refs: Sequence[str], purchase: Purchase | None = None) -> str:
    """Why these lines cannot be entered (for ``purchase``, if it is one), in the reader's language; "" when they can.

    Asks the provider of each: never inside a transaction.
    """
    if provider is None or Capability.READ_LINE not in provider.offered:
        return ""
    if len(refs) > MOST_AT_ONCE:
        return _("Each line is read from the provider first: enter at most %(number)d at once.") % {
            "number": MOST_AT_ONCE
        }
    order_ref = (purchase.provider_order_ref or purchase.transaction_id) if purchase is not None else ""
    ends_at = monotonic() + _SECONDS
    for ref in refs:
        if monotonic() > ends_at:
            return _("The provider takes long to answer: nothing was entered. Enter fewer at once.")
        try:
            line = provider.read_line(ref, priority=Priority.PEOPLE, order_ref=order_ref)
        except ProviderError as error:
            return _tell_failure(error, ref)
        if doubt := _doubt_line(line, ref, purchase):
            return doubt
    return ""


def _tell_failure(error: ProviderError, ref: str) -> str:
    if is_denial(error):
        return _("The provider does not know this line: %(line)s") % {"line": ref}
    return _(
        "The provider gave no usable answer about line %(line)s, and without one nothing is entered. Try again later."
    ) % {"line": ref}


def _doubt_line(line: LineSnapshot, ref: str, purchase: Purchase | None) -> str:
    if line.state in ENDED:
        words = {"line": ref, "state": STATE_LABELS[line.state]}
        return _("Line %(line)s is over: the provider calls it “%(state)s”. Nobody can be given it.") % words
    return _doubt_origin(line, ref, purchase) if purchase is not None else ""


def _doubt_origin(line: LineSnapshot, ref: str, purchase: Purchase) -> str:
    """Whether what the provider tells of the line's order is another one's. Our own key is certain."""
    keys = {line.order_key, *(package.order_key for package in line.packages)} - {""}
    if purchase.idempotency_key in keys:
        return ""
    orders = {line.order_ref, *(package.order_ref for package in line.packages)} - {""}
    if other := _find_other(purchase, keys | orders):
        words = {"line": ref, "number": other.order_line.order.number}
        return _("Line %(line)s came by order %(number)s of ours.") % words
    own = {purchase.transaction_id, purchase.provider_order_ref} - {""}
    if keys or (orders and own and not orders & own):
        words = {"line": ref, "named": _list(orders or keys)}
        return _("Line %(line)s came by another order at the provider (%(named)s), not by this purchase.") % words
    return ""


def _find_other(purchase: Purchase, handles: Iterable[str]) -> Purchase | None:
    """Another purchase of ours that goes by one of these."""
    named = list(handles)
    known = Q(transaction_id__in=named) | Q(provider_order_ref__in=named) | Q(idempotency_key__in=named)
    others = Purchase.objects.filter(known, account_id=purchase.account_id).exclude(pk=purchase.pk)
    return others.select_related("order_line__order").first()


def _list(words: Iterable[str]) -> str:
    return ", ".join(sorted(words)[:3])
