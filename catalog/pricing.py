"""Verbs that set prices and put plans on sale. The stored retail price is always the one that the quote gives.

Every writer of prices, the sync included, takes ``lock_prices`` first: a rule saved while a sync writes would
otherwise miss the plans that the sync adds.
"""

from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal
from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import connection, transaction
from django.db.models import F, Q, QuerySet
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from catalog.currencies import is_payable
from catalog.models import Plan, PlanChange, PriceRule
from catalog.quotes import OWN, RAISED, RULE, SUGGESTED, PriceBasis, PriceQuote, quote_price
from catalog.version import bump_version
from providers.models import ProviderAccount

BATCH = 500
#: Any number that no other advisory lock of the project uses.
_PRICES_LOCK = 7_204_001


def lock_prices() -> None:
    """Let one writer of prices work at a time, until the transaction ends. SQLite has one writer anyway."""
    if not connection.in_atomic_block:
        raise RuntimeError("lock_prices() needs a transaction")
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_PRICES_LOCK])


def floor_percent() -> Decimal:
    """``PRICE_FLOOR_PERCENT`` as it was typed: 7.1 is 7.1, not its nearest float."""
    return Decimal(str(settings.PRICE_FLOOR_PERCENT))


def active_rules() -> list[PriceRule]:
    """The rules that count, the first match first."""
    return list(PriceRule.objects.filter(is_active=True).order_by("position", "pk"))


def explain_price(plan: Plan, rules: Sequence[PriceRule]) -> PriceQuote:
    """The retail price of a plan with its reasons; it reads the plan's coverage when a rule names a country."""
    needs_countries = any(rule.country for rule in rules)
    countries = {row.country for row in plan.coverage.all()} if needs_countries else ()
    basis = PriceBasis(
        account_id=plan.account_id,
        currency=plan.currency,
        net_price=plan.net_price,
        suggested_price=plan.suggested_price,
        own_price=plan.own_price,
        countries=countries,
    )
    return quote_price(basis, rules, floor_percent=floor_percent())


def describe_source(source: str, *, rule: PriceRule | None = None) -> str:
    """``Plan.price_source`` in the reader's language."""
    base, raised = source.removesuffix(RAISED), source.endswith(RAISED)
    if base == OWN:
        text = gettext("own price")
    elif base == SUGGESTED:
        text = gettext("provider's suggestion")
    elif base.startswith(RULE):
        text = gettext("rule “%(name)s”") % {"name": rule.name} if rule else gettext("price rule")
    else:
        return gettext("no price")
    return gettext("%(source)s, raised to the floor") % {"source": text} if raised else text


# -- verbs ------------------------------------------------------------------------------------------------------------


def reprice_plans(*, plans: QuerySet[Plan] | None, by: str) -> int:
    """Work out the retail prices of ``plans`` (None: all) and write those that differ; returns how many did."""
    with transaction.atomic():
        lock_prices()
        return _write_prices(Plan.objects.all() if plans is None else plans, by=by)


def hold_floor(*, account: ProviderAccount) -> int:
    """Raise the prices that a raised ``PRICE_FLOOR_PERCENT`` has overtaken; a sync does it with its plans.

    Returns how many changed.
    """
    with transaction.atomic():
        lock_prices()
        return raise_to_floor(account_id=account.pk)


def set_own_price(*, plan: Plan, amount: Decimal | None, by: str) -> Plan:
    """Give a plan its own price, in the plan's currency, or take it away (None).

    Raises ``ValidationError`` for a negative amount, for one that the currency cannot express, and for a plan
    whose currency is not known. A price below the floor is kept; the retail price is the floor then.
    """
    require_price(amount, plan.currency)
    with transaction.atomic():
        lock_prices()
        current = Plan.objects.select_for_update().get(pk=plan.pk)
        require_price(amount, current.currency)
        if current.own_price == amount:
            return current
        old, current.own_price = current.own_price, amount
        quote = explain_price(current, active_rules())
        changes: dict[str, list[Any]] = {"own_price": [_text(old), _text(amount)], **_price_changes(current, quote)}
        current.retail_price, current.price_source = quote.amount, quote.source
        current.save(update_fields=["own_price", "retail_price", "price_source"])
        _record([(current.pk, changes)], by=by)
    return current


def set_published(*, plan: Plan, is_published: bool, by: str) -> Plan:
    """Offer a plan for sale, or stop offering it. What was sold stays sold."""
    with transaction.atomic():
        lock_prices()
        current = Plan.objects.select_for_update().get(pk=plan.pk)
        if current.is_published != is_published:
            current.is_published = is_published
            current.save(update_fields=["is_published"])
            _record([(current.pk, {"is_published": [not is_published, is_published]})], by=by)
    return current


def publish_plans(*, plans: QuerySet[Plan], is_published: bool, by: str) -> int:
    """``set_published`` for many at once; returns how many changed."""
    with transaction.atomic():
        lock_prices()
        ids = list(
            plans.filter(is_published=not is_published).order_by("pk").select_for_update().values_list("pk", flat=True)
        )
        for some in _slices(ids):
            Plan.objects.filter(pk__in=some).update(is_published=is_published)
        _record([(pk, {"is_published": [not is_published, is_published]}) for pk in ids], by=by)
    return len(ids)


def save_rule(*, rule: PriceRule, by: str) -> int:
    """Keep a new or changed rule and reprice the plans that it may touch; returns how many prices changed.

    Raises ``ValidationError`` for a rule that cannot be.
    """
    rule.full_clean()
    with transaction.atomic():
        lock_prices()
        before = PriceRule.objects.filter(pk=rule.pk).first() if rule.pk else None
        rule.save()
        return _write_prices(_plans_under([rule, *([before] if before else [])]), by=by)


def delete_rule(*, rule: PriceRule, by: str) -> int:
    """Drop a rule and reprice the plans that it spoke for; returns how many prices changed."""
    with transaction.atomic():
        lock_prices()
        before = PriceRule.objects.filter(pk=rule.pk).first()
        if before is None:
            return 0
        PriceRule.objects.filter(pk=before.pk).delete()
        return _write_prices(_plans_under([before]), by=by)


# -- below the verbs --------------------------------------------------------------------------------------------------


def raise_to_floor(*, account_id: int) -> int:
    """Reprice the plans that a raised ``PRICE_FLOOR_PERCENT`` has overtaken. The caller holds ``lock_prices``."""
    floor = F("net_price") * (1 + floor_percent() / 100)
    return _write_prices(Plan.objects.filter(account=account_id, retail_price__lt=floor), by="")


def _plans_under(rules: Iterable[PriceRule]) -> QuerySet[Plan]:
    touched = Q()
    for rule in rules:
        spoken_for = Q(currency=rule.currency)
        if rule.account_id:
            spoken_for &= Q(account_id=rule.account_id)
        touched |= spoken_for
    return Plan.objects.filter(touched)


def _write_prices(plans: QuerySet[Plan], *, by: str) -> int:
    """One UPDATE and one INSERT of history per batch. The caller holds ``lock_prices``."""
    rules = active_rules()
    wanted = Plan.objects.only(
        "account_id", "currency", "net_price", "suggested_price", "own_price", "retail_price", "price_source"
    )
    if any(rule.country for rule in rules):
        wanted = wanted.prefetch_related("coverage")
    written = 0
    for some in _slices(list(plans.order_by("pk").values_list("pk", flat=True))):
        changed: list[Plan] = []
        history: list[tuple[int, dict[str, Any]]] = []
        for plan in wanted.filter(pk__in=some):
            quote = explain_price(plan, rules)
            changes = _price_changes(plan, quote)
            if changes:
                plan.retail_price, plan.price_source = quote.amount, quote.source
                changed.append(plan)
                history.append((plan.pk, changes))
        if changed:
            Plan.objects.bulk_update(changed, ["retail_price", "price_source"])
            _record(history, by=by)
            written += len(changed)
    return written


def _price_changes(plan: Plan, quote: PriceQuote) -> dict[str, list[Any]]:
    changes: dict[str, list[Any]] = {}
    if plan.retail_price != quote.amount:
        changes["retail_price"] = [_text(plan.retail_price), _text(quote.amount)]
    if plan.price_source != quote.source:
        changes["price_source"] = [plan.price_source, quote.source]
    return changes


def _record(rows: Sequence[tuple[int, dict[str, Any]]], *, by: str) -> None:
    if not rows:
        return
    bump_version()
    now = timezone.now()
    PlanChange.objects.bulk_create(
        [PlanChange(plan_id=pk, kind=PlanChange.Kind.PRICED, at=now, by=by, changes=changes) for pk, changes in rows],
        batch_size=BATCH,
    )


def require_price(amount: Decimal | None, currency: str) -> None:
    """Raise ``ValidationError`` for ``amount`` unless it can be an own price in the currency; None always can."""
    if amount is None:
        return
    message: str | Promise = ""
    if not currency:
        message = _("The plan's currency is not known, so it can have no price.")
    elif not amount.is_finite() or amount < 0:
        message = _("A price is a number of zero or more.")
    elif amount >= Decimal("1e10"):
        message = _("The price is too high to be kept.")
    elif not is_payable(amount, currency):
        message = _("The price has more decimals than its currency.")
    if message:
        raise ValidationError({"amount": message})


def _text(amount: Decimal | None) -> str | None:
    """As history keeps it: "4.5" and "4.5000" are the same price."""
    return None if amount is None else f"{amount.normalize():f}"


def _slices(ids: Sequence[int]) -> Iterator[Sequence[int]]:
    return (ids[at : at + BATCH] for at in range(0, len(ids), BATCH))
