"""Topping a line up: what fits is asked of the provider at that moment, then it is an order like any other."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from uuid import UUID

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from catalog.models import Plan
from catalog.top_ups import keep_top_up_offers
from customers.models import User
from esims.models import Esim
from esims.top_up_words import why_not_topped_up
from orders.checkout import CheckoutRefused, Wish, take_order, why_not_sellable
from orders.models import Order, OrderLine, TopUpOffer
from orders.replaced import find_replacement
from orders.selling import PaymentTaken, take_payment
from providers.errors import ProviderError
from providers.registry import get_provider, offers
from providers.types import Capability


@dataclass(frozen=True, slots=True, kw_only=True)
class TopUpChoice:
    """A package that fits to the line now; ``refusal`` says why it cannot be sold all the same ("" when it can)."""

    plan: Plan
    refusal: str


class TopUpsUnknown(Exception):
    """What fits could not be found out; ``message`` says why, in the reader's language.

    ``said``: what came back from the provider, or on the way to it, in English: pages retell it.
    """

    def __init__(self, message: str, *, said: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.said = said


def why_no_top_up(esim: Esim) -> str:
    """Why the line cannot be topped up, going by what is stored; in the reader's language, "" where it can."""
    if refusal := why_taken_by_no_provider(esim):
        return refusal
    if (line := find_replacement(esim)) is not None:
        message = _("The line is replaced by order %(number)s: top up the eSIM that came in its place.")
        return message % {"number": line.order.number}
    return ""


def why_taken_by_no_provider(esim: Esim) -> str:
    """The part of it that the line's provider decides; costs no query."""
    if not offers(esim.account.slug, Capability.TOP_UP):
        return _("This provider does not offer top-ups, or its account is not set up.")
    if esim.account.is_paused:
        return _("Calls to this provider are paused by staff.")
    return why_not_topped_up(esim)


def find_top_ups(*, esim: Esim) -> list[TopUpChoice]:
    """Ask the provider which packages fit to the line now (one call, outside transactions); cheapest first.

    Packages that the catalogue does not have are entered there with their prices; that they fit is kept for a while,
    for ``sell_top_up``. Raises ``TopUpsUnknown``.
    """
    if refusal := why_no_top_up(esim):
        raise TopUpsUnknown(refusal)
    try:
        found = get_provider(esim.account.slug).list_top_ups(
            provider_ref=esim.provider_ref, iccid=esim.iccid, plan_ref=esim.plan.plan_ref
        )
    except ProviderError as error:
        code = f" ({error.code})" if error.code else ""
        raise TopUpsUnknown(_("The provider could not be asked what fits."), said=error.message + code) from error
    except ImproperlyConfigured as error:
        raise TopUpsUnknown(_("The provider's account is not configured.")) from error
    plans = keep_top_up_offers(account=esim.account, offers=found)
    _keep_offers(esim, plans)
    choices = [TopUpChoice(plan=plan, refusal=why_not_sellable(plan, kind=OrderLine.Kind.TOP_UP)) for plan in plans]
    return sorted(choices, key=lambda choice: (bool(choice.refusal), choice.plan.retail_price or Decimal(0)))


def sell_top_up(
    *,
    esim: Esim,
    plan: Plan,
    checkout_key: UUID,
    expected_price: Decimal,
    by: User,
    period_days: int | None = None,
    payment: PaymentTaken | None = None,
    note: str = "",
) -> Order:
    """Take an order for one package on a line of its customer, with the money for it where ``payment`` says so.

    The package must be one that ``find_top_ups`` named for this line in the last ``TOP_UP_OFFER_MINUTES``, at the price
    that it has now: that one is frozen. The same keys give the same order and payment, whatever fits by then. Raises
    ``CheckoutRefused`` and ``PaymentRefused``; nothing new is written then.
    """
    is_new = not Order.objects.filter(checkout_key=checkout_key).exists()
    if refusal := why_no_top_up(esim):
        raise CheckoutRefused(refusal)
    if plan.account_id != esim.account_id:
        raise CheckoutRefused(_("This package is another provider's."), "plan")
    if is_new and not _is_offered(esim, plan):
        raise CheckoutRefused(_("The provider has not named this package for the line just now: ask again."), "plan")
    wish = Wish(plan=plan, quantity=1, unit_price=expected_price, period_days=period_days, esim=esim)
    with transaction.atomic():
        order = take_order(customer=esim.customer, wish=wish, checkout_key=checkout_key, by=by, note=note)
        take_payment(order=order, payment=payment, by=by)
    return order


def forget_old_offers(*, older_than: timedelta) -> int:
    """Delete what providers named so long ago that nothing can be sold by it."""
    deleted: int = TopUpOffer.objects.filter(asked_at__lt=timezone.now() - older_than).delete()[0]
    return deleted


def _keep_offers(esim: Esim, plans: Sequence[Plan]) -> None:
    """What fits to the line as of now; what was not named again no longer does."""
    now = timezone.now()
    with transaction.atomic():
        TopUpOffer.objects.bulk_create(
            [TopUpOffer(esim=esim, plan=plan, asked_at=now) for plan in sorted(plans, key=lambda plan: plan.pk)],
            update_conflicts=True,
            unique_fields=["esim", "plan"],
            update_fields=["asked_at"],
        )
        TopUpOffer.objects.filter(esim=esim).exclude(plan__in=plans).delete()


def _is_offered(esim: Esim, plan: Plan) -> bool:
    since = timezone.now() - timedelta(minutes=settings.TOP_UP_OFFER_MINUTES)
    return TopUpOffer.objects.filter(esim=esim, plan=plan, asked_at__gte=since).exists()
