"""What the provider lists a plan for against what our catalogue says, and against what open orders were reckoned with.

What was bought is charged at the price of its day; whether that was the price that we froze shows in the balance.
"""

from decimal import Decimal

from catalog.models import Plan
from catalog.sync import has_catalogue
from catalog.sync_read import Reading, ReadingTooSlow, read_catalogue
from orders.findings import Finding, OutOfTime, Pace, Part, PartState
from orders.models import Difference, OrderLine, Purchase
from providers.base import Provider
from providers.models import ProviderAccount
from providers.types import Capability, PlanOffer

Kind = Difference.Kind
#: Not bought yet: the customer has a price, and what we will be charged may be another than the one it came from.
_NOT_BOUGHT = (Purchase.State.PLANNED, Purchase.State.HELD)
#: As the columns keep it.
_CENT = Decimal("0.0001")


def compare_prices(account: ProviderAccount, provider: Provider, pace: Pace) -> Part:
    """Every plan that both sides have, and the frozen cost of what is still to be bought."""
    if Capability.LIST_PLANS not in provider.offered or not has_catalogue(account.slug):
        note = "The provider lists no plans: their prices stand in our contract, and staff enter them."
        return Part(state=PartState.IMPOSSIBLE, note=note)

    def show(reading: Reading) -> None:
        pace.done, pace.total = len(reading.offers), reading.total
        pace.beat(pace.done, pace.total)

    try:
        reading = read_catalogue(provider, seconds=pace.seconds_left, on_progress=show)
    except ReadingTooSlow as error:
        raise OutOfTime from error
    offers = reading.offers
    rows = Plan.objects.filter(account=account, retired_at=None).values_list(
        "plan_ref", "name", "net_price", "currency"
    )
    plans = {ref: (name, net, currency) for ref, name, net, currency in rows}
    findings = [
        finding
        for ref, (name, net, currency) in plans.items()
        if (offer := offers.get(ref)) is not None and (finding := _compare_list(ref, name, net, currency, offer))
    ]
    findings += _compare_frozen(account, offers)
    return Part(
        state=PartState.COMPARED,
        looked=len(offers),
        findings=tuple(findings),
        covers={Kind.LIST_PRICE: None, Kind.FROZEN_COST: None},
    )


def _compare_list(ref: str, name: str, net: Decimal | None, currency: str, offer: PlanOffer) -> Finding | None:
    theirs = offer.net_price
    if theirs is None or (net is not None and _round(theirs.amount) == net and theirs.currency == currency):
        return None
    return Finding(
        kind=Kind.LIST_PRICE,
        key=ref,
        ours={"plan": ref, "price": _write(net), "currency": currency},
        theirs={"plan": ref, "price": _write(theirs.amount), "currency": theirs.currency},
        details={"name": name},
        amount=None if net is None or theirs.currency != currency else _round(theirs.amount) - net,
        currency=theirs.currency,
    )


def _compare_frozen(account: ProviderAccount, offers: dict[str, PlanOffer]) -> list[Finding]:
    """Orders that are paid and not bought yet, reckoned with another price than the provider lists now."""
    waiting = (
        Purchase.objects.filter(account=account, state__in=_NOT_BOUGHT, order_line__unit_cost__isnull=False)
        .exclude(order_line__kind=OrderLine.Kind.TOP_UP)
        .select_related("order_line__order")
        .order_by("pk")
    )
    findings = []
    for purchase in waiting:
        line, offer = purchase.order_line, offers.get(purchase.plan_ref)
        if offer is None or offer.net_price is None or line.unit_cost is None:
            continue
        now = _round(offer.net_price.amount * (line.period_days or 1))
        if now == line.unit_cost and offer.net_price.currency == line.cost_currency:
            continue
        order = {"number": line.order.number, "plan": purchase.plan_ref}
        findings.append(
            Finding(
                kind=Kind.FROZEN_COST,
                key=str(purchase.pk),
                ours={**order, "price": _write(line.unit_cost), "currency": line.cost_currency},
                theirs={"plan": purchase.plan_ref, "price": _write(now), "currency": offer.net_price.currency},
                details={"quantity": purchase.quantity},
                amount=(now - line.unit_cost) * purchase.quantity
                if offer.net_price.currency == line.cost_currency
                else None,
                currency=offer.net_price.currency,
                purchase_id=purchase.pk,
            )
        )
    return findings


def _round(amount: Decimal) -> Decimal:
    return amount.quantize(_CENT)


def _write(amount: Decimal | None) -> str | None:
    return None if amount is None else f"{_round(amount).normalize():f}"
