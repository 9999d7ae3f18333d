"""Packages that a provider offers for a line: kept as plans of their own kind, so that the same rules price them."""

from collections.abc import Sequence

from django.db import transaction
from django.utils import timezone

from catalog.models import Plan
from catalog.pricing import lock_prices
from catalog.sync_bulk import write_plans
from catalog.sync_rows import PlanRow, make_row
from catalog.sync_write import Known, prepare_writes, read_known
from providers.models import ProviderAccount
from providers.types import PlanOffer


def keep_top_up_offers(*, account: ProviderAccount, offers: Sequence[PlanOffer]) -> list[Plan]:
    """The plans of what a provider offered for a line just now, in the order of the offers, each once.

    A package that the catalogue does not have is entered as a top-up, one that changed is brought up to date, with its
    history and its price. A plan that the catalogue lists is left to its sync, one that staff entered to them. Nothing
    is retired: what fits to one line says nothing about what fits to another.
    """
    rows = {offer.plan_ref: make_row(offer) for offer in offers if offer.plan_ref}
    if not rows:
        return []
    with transaction.atomic():
        lock_prices()
        known = read_known(account.pk, list(rows))
        fresh = [row for ref, row in rows.items() if ref not in known]
        touched = [row for ref, row in rows.items() if ref in known and _is_outdated(known[ref], row)]
        writes = prepare_writes(account.pk, fresh, touched, known, kind=Plan.Kind.TOP_UP)
        if writes:
            write_plans(account_id=account.pk, kind=Plan.Kind.TOP_UP, run=None, writes=writes, at=timezone.now())
    plans = {
        plan.plan_ref: plan
        for plan in Plan.objects.select_related("account").filter(account=account, plan_ref__in=list(rows))
    }
    return [plans[ref] for ref in rows if ref in plans]


def _is_outdated(known: Known, row: PlanRow) -> bool:
    return known.kind == Plan.Kind.TOP_UP and (known.digest != row.digest or known.is_retired)
