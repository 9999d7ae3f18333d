"""A plan is retired only where that is certain, and many only when a person says so."""

from dataclasses import replace
from typing import Any

import pytest
from pytest_django import Settings

from catalog.models import Plan, PlanChange, SyncRun
from catalog.sync import AlreadyDecided, approve_retirement, decline_retirement
from providers.models import ProviderAccount
from providers.types import Fault
from tests.catalog.making import make_offer
from tests.catalog.shelf import Shelf
from tests.catalog.syncing import counts, history, live, read

pytestmark = pytest.mark.django_db
State = SyncRun.State


def test_what_vanished_is_retired_and_comes_back(account: ProviderAccount, shelf: Shelf, ten: list[str]) -> None:
    full = shelf.offers
    shelf.put(full[:8])

    run = read(account)

    assert (run.state, counts(run), live()) == (State.SUCCEEDED, {"unchanged": 8, "retired": 2}, "ABCDEFGH")
    assert history("I")[-1] == ("retired", {})
    shelf.put([*full[:9], replace(full[9], name="Again")])
    back = read(account)
    assert (back.state, counts(back), live()) == (State.SUCCEEDED, {"unchanged": 8, "returned": 2}, "ABCDEFGHIJ")
    assert history("I")[-1] == ("returned", {})
    assert history("J")[-1] == ("returned", {"name": ["Offer J", "Again"]})


@pytest.mark.parametrize(
    ("stock", "error"),
    [
        ({"total": 10}, "The provider counts 10 plans, 9 were read."),
        ({"total": 8}, "The provider counts 8 plans, 9 were read."),
        ({"says_total": False}, "The provider did not say how many plans there are."),
        ({"faults": [Fault(where="items[3]", message="nonsense")]}, "1 plans could not be read, not even their codes."),
    ],
)
def test_nothing_is_retired_without_a_complete_reading(
    account: ProviderAccount, shelf: Shelf, ten: list[str], stock: dict[str, Any], error: str
) -> None:
    shelf.put([*shelf.offers[:8], make_offer("NEW")])
    for name, value in stock.items():
        setattr(shelf, name, value)

    run = read(account)

    assert (run.state, counts(run), run.error) == (State.INCOMPLETE, {"added": 1, "unchanged": 8}, error)
    assert live() == "ABCDEFGHIJNEW"


def test_an_offer_that_comes_twice_is_no_proof_of_another(
    account: ProviderAccount, shelf: Shelf, ten: list[str]
) -> None:
    shelf.put([*shelf.offers[:9], replace(shelf.offers[0], name="Later")])

    run = read(account)

    assert (run.state, run.error) == (State.INCOMPLETE, "The provider counts 10 plans, 9 were read.")
    assert live() == "ABCDEFGHIJ"
    assert Plan.objects.get(plan_ref="A").name == "Later"


def test_an_unreadable_offer_does_not_retire_its_plan(account: ProviderAccount, shelf: Shelf, ten: list[str]) -> None:
    shelf.put(shelf.offers[:8])
    shelf.faults = [Fault(where="items[8]", message="nonsense", ref="I")]

    run = read(account)

    assert (run.state, counts(run), live()) == (State.SUCCEEDED, {"unchanged": 8, "retired": 1}, "ABCDEFGHI")
    assert run.faults == [{"where": "I", "message": "items[8] nonsense"}]


def test_retiring_many_asks_a_person_and_applies_the_rest(
    account: ProviderAccount, shelf: Shelf, ten: list[str]
) -> None:
    shelf.put([*shelf.offers[:7], make_offer("NEW")])

    run = read(account)

    assert (run.state, counts(run)) == (State.NEEDS_APPROVAL, {"added": 1, "unchanged": 7})
    assert Plan.objects.filter(pk__in=run.would_retire).count() == 3
    assert live() == "ABCDEFGHIJNEW"

    approved = approve_retirement(run=run, by="mia@example.com")
    assert (approved.state, approved.retired, approved.decided_by) == (State.SUCCEEDED, 3, "mia@example.com")
    assert live() == "ABCDEFGNEW"
    assert PlanChange.objects.filter(kind="retired", by="mia@example.com", run=run).count() == 3
    with pytest.raises(AlreadyDecided):
        approve_retirement(run=run, by="b")
    with pytest.raises(AlreadyDecided):
        decline_retirement(run=run, by="b")
    assert PlanChange.objects.filter(kind="retired").count() == 3


def test_declining_keeps_the_plans(account: ProviderAccount, shelf: Shelf, ten: list[str]) -> None:
    shelf.put(shelf.offers[:5])
    run = read(account)

    declined = decline_retirement(run=run, by="mia@example.com")

    assert (declined.state, declined.retired, declined.decided_by) == (State.SUCCEEDED, 0, "mia@example.com")
    assert live() == "ABCDEFGHIJ"
    assert not PlanChange.objects.filter(kind="retired").exists()


@pytest.mark.parametrize("share", [0.2, 1.0])
def test_an_empty_catalogue_always_asks(
    account: ProviderAccount, shelf: Shelf, settings: Settings, ten: list[str], share: float
) -> None:
    settings.SYNC_RETIRE_SHARE = share
    shelf.put([])

    run = read(account)

    assert (run.state, counts(run), len(run.would_retire), live()) == (State.NEEDS_APPROVAL, {}, 10, "ABCDEFGHIJ")


def test_an_empty_catalogue_with_nothing_to_lose_is_fine(account: ProviderAccount, shelf: Shelf) -> None:
    assert read(account).state == State.SUCCEEDED


def test_a_newer_complete_run_answers_an_older_question(account: ProviderAccount, shelf: Shelf, ten: list[str]) -> None:
    full = shelf.offers
    shelf.put(full[:5])
    first = read(account)
    shelf.put(full[:9])

    second = read(account)

    first.refresh_from_db()
    assert (first.state, first.decided_by) == (State.SUCCEEDED, f"run {second.pk}")
    assert (second.state, live()) == (State.SUCCEEDED, "ABCDEFGHI")
    with pytest.raises(AlreadyDecided):
        approve_retirement(run=first, by="mia@example.com")
    assert live() == "ABCDEFGHI"


def test_a_newer_partial_run_takes_back_the_plans_that_it_saw(
    account: ProviderAccount, shelf: Shelf, ten: list[str]
) -> None:
    full = shelf.offers
    shelf.put(full[:5])
    question = read(account)
    shelf.put(full[:9])
    shelf.total = 10
    assert read(account).state == State.INCOMPLETE

    approve_retirement(run=question, by="mia@example.com")

    assert live() == "ABCDEFGHI"


def test_plans_of_another_account_are_never_touched(account: ProviderAccount, shelf: Shelf, ten: list[str]) -> None:
    Plan.objects.filter(plan_ref="A").update(account=ProviderAccount.objects.create(slug="o", adapter="x", name="O"))

    run = read(account)

    assert counts(run) == {"added": 1, "unchanged": 9}
    assert Plan.objects.filter(plan_ref="A").count() == 2
