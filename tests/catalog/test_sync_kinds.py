"""Packages for lines and plans that staff entered are no sync's business until the provider lists them."""

import pytest
from pytest_django import Settings

from catalog.history import describe_change
from catalog.models import Plan, PlanChange, SyncRun
from catalog.top_ups import keep_top_up_offers
from providers.models import ProviderAccount
from tests.catalog.making import make_offer, make_plan
from tests.catalog.shelf import Shelf
from tests.catalog.syncing import counts, history, read

pytestmark = pytest.mark.django_db
State = SyncRun.State
Kind = Plan.Kind


@pytest.fixture
def others(account: ProviderAccount) -> list[Plan]:
    """One plan of each kind that no catalogue lists."""
    [package] = keep_top_up_offers(account=account, offers=[make_offer("TOPUP_1")])
    entered = [make_plan(account, plan_ref=f"OWN-{kind}", kind=kind, digest="") for kind in Plan.ENTERED_KINDS]
    return [package, *entered]


def states() -> dict[str, tuple[str, bool]]:
    return {plan.plan_ref: (plan.kind, plan.retired_at is None) for plan in Plan.objects.all()}


def test_a_sync_neither_retires_nor_counts_them(
    account: ProviderAccount, shelf: Shelf, settings: Settings, ten: list[str], others: list[Plan]
) -> None:
    before = states()
    shelf.put(shelf.offers[:8])

    run = read(account)

    assert (run.state, counts(run)) == (State.SUCCEEDED, {"unchanged": 8, "retired": 2})
    assert states() == {**before, "I": ("esim", False), "J": ("esim", False)}
    shelf.put(shelf.offers[:6])
    asks = read(account)
    # Two of eight are too many; with the other four among the live ones they would have gone unasked.
    assert (asks.state, len(asks.would_retire)) == (State.NEEDS_APPROVAL, 2)


def test_an_empty_catalogue_beside_them_has_nothing_to_ask(
    account: ProviderAccount, shelf: Shelf, others: list[Plan]
) -> None:
    run = read(account)

    assert (run.state, run.would_retire, counts(run)) == (State.SUCCEEDED, [], {})
    assert all(is_live for _, is_live in states().values())


def test_a_package_becomes_a_plan_when_a_sync_lists_it(
    account: ProviderAccount, shelf: Shelf, others: list[Plan]
) -> None:
    shelf.put([make_offer("TOPUP_1"), make_offer("B")])

    run = read(account)

    assert (run.state, counts(run)) == (State.SUCCEEDED, {"added": 1, "changed": 1})
    plan = Plan.objects.get(pk=others[0].pk)
    assert (plan.kind, plan.plan_ref) == (Kind.ESIM, "TOPUP_1")
    assert history("TOPUP_1") == [("added", {}), ("changed", {"kind": ["top_up", "esim"]})]
    told = PlanChange.objects.get(plan=plan, kind=PlanChange.Kind.CHANGED)
    assert (describe_change(told), told.run) == ("kind: top-up → eSIM", run)
    # From now on it is one of the catalogue.
    assert counts(read(account)) == {"unchanged": 2}


def test_a_retired_package_that_is_listed_returns_as_a_plan(
    account: ProviderAccount, shelf: Shelf, others: list[Plan]
) -> None:
    Plan.objects.filter(pk=others[0].pk).update(retired_at=others[0].first_seen_at)
    shelf.put([make_offer("TOPUP_1", name="Anew")])

    run = read(account)

    assert counts(run) == {"returned": 1}
    assert states()["TOPUP_1"] == ("esim", True)
    assert history("TOPUP_1")[-1] == ("returned", {"name": ["Offer TOPUP_1", "Anew"], "kind": ["top_up", "esim"]})


def test_an_entered_plan_becomes_the_providers_when_it_is_listed(
    account: ProviderAccount, shelf: Shelf, others: list[Plan]
) -> None:
    shelf.put([make_offer("OWN-activation")])

    assert counts(read(account)) == {"changed": 1}

    plan = Plan.objects.get(plan_ref="OWN-activation")
    assert (plan.kind, plan.name, plan.raw["planCode"]) == (Kind.ESIM, "Offer OWN-activation", "OWN-activation")
    assert plan.digest != ""
