"""Listings of other shapes: without a total, and paged by a key that the provider hands on from page to page."""

from typing import Any

import pytest

from catalog.models import Plan, SyncRun
from providers.errors import NotSent, Unavailable
from providers.models import ProviderAccount
from providers.types import Fault
from tests.catalog.making import make_offer
from tests.catalog.shelf import Shelf
from tests.catalog.syncing import counts, history, live, read

pytestmark = pytest.mark.django_db
State = SyncRun.State


@pytest.fixture
def naps(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Instead of sleeping."""
    slept: list[float] = []
    monkeypatch.setattr("catalog.sync_read.sleep", slept.append)
    return slept


@pytest.fixture
def endless(shelf: Shelf) -> Shelf:
    """The shelf as a provider that counts nothing but says where its listing ends."""
    shelf.says_total, shelf.says_end = False, True
    return shelf


# -- no total ---------------------------------------------------------------------------------------------------------


def test_a_listing_without_a_total_is_complete_when_the_provider_says_so(
    account: ProviderAccount, endless: Shelf, ten: list[str]
) -> None:
    endless.page_size = 4
    endless.put(endless.offers[:9])

    run = read(account)

    assert (run.state, run.error, counts(run)) == (State.SUCCEEDED, "", {"unchanged": 9, "retired": 1})
    assert (run.pages_read, run.pages_total, run.offers_read, run.offers_total) == (3, None, 9, None)
    assert (live(), history("J")[-1]) == ("ABCDEFGHI", ("retired", {}))


def test_a_listing_that_just_stops_proves_nothing(account: ProviderAccount, endless: Shelf, ten: list[str]) -> None:
    endless.says_end = False
    endless.put(endless.offers[:9])

    run = read(account)

    assert (run.state, counts(run)) == (State.INCOMPLETE, {"unchanged": 9})
    assert run.error == "The provider did not say how many plans there are."
    assert live() == "ABCDEFGHIJ"


def test_the_end_proves_nothing_against_the_providers_own_total(
    account: ProviderAccount, shelf: Shelf, ten: list[str]
) -> None:
    shelf.says_end, shelf.total = True, 10
    shelf.put(shelf.offers[:9])

    run = read(account)

    assert (run.state, run.error) == (State.INCOMPLETE, "The provider counts 10 plans, 9 were read.")
    assert live() == "ABCDEFGHIJ"


@pytest.mark.parametrize(
    ("fault", "state", "left"),
    [
        (Fault(where="products[9]", message="nonsense"), State.INCOMPLETE, "ABCDEFGHIJ"),
        (Fault(where="products[9]", message="nonsense", ref="J"), State.SUCCEEDED, "ABCDEFGHIJ"),
        (Fault(where="products[9]", message="nonsense", ref="I"), State.SUCCEEDED, "ABCDEFGHI"),
    ],
)
def test_what_could_not_be_read_keeps_its_plan_here_too(  # noqa: PLR0917
    account: ProviderAccount, endless: Shelf, ten: list[str], fault: Fault, state: str, left: str
) -> None:
    endless.faults = [fault]
    endless.put(endless.offers[:9])

    run = read(account)

    assert (run.state, live()) == (state, left)


def test_an_empty_listing_that_ends_asks_a_person(account: ProviderAccount, endless: Shelf, ten: list[str]) -> None:
    endless.put([])

    run = read(account)

    assert (run.state, len(run.would_retire), live()) == (State.NEEDS_APPROVAL, 10, "ABCDEFGHIJ")


# -- a key instead of numbers -----------------------------------------------------------------------------------------


def test_pages_follow_the_providers_key(account: ProviderAccount, endless: Shelf) -> None:
    endless.by_cursor, endless.page_size = True, 2
    endless.put(make_offer(ref) for ref in "ABCDE")

    run = read(account)

    assert (run.state, counts(run), run.pages_read) == (State.SUCCEEDED, {"added": 5}, 3)
    assert (endless.asked, endless.cursors) == ([1, 2, 3], [""])


def test_after_a_failed_page_reading_goes_on_with_the_key_before_it(
    account: ProviderAccount, endless: Shelf, naps: list[float]
) -> None:
    endless.by_cursor, endless.page_size = True, 2
    endless.put(make_offer(ref) for ref in "ABCDE")
    endless.errors = {1: [NotSent("no name")], 3: [Unavailable("503"), Unavailable("503")]}

    run = read(account)

    assert (run.state, counts(run), run.pages_read) == (State.SUCCEEDED, {"added": 5}, 3)
    assert endless.asked == [1, 1, 2, 3, 3, 3]
    assert endless.cursors == ["", "", "after-2", "after-2"]
    assert naps == [5, 5, 10]


def test_a_key_that_leads_nowhere_fails_the_run_and_changes_nothing(
    account: ProviderAccount, endless: Shelf, naps: list[float], ten: list[str]
) -> None:
    endless.by_cursor, endless.page_size = True, 4
    endless.put([make_offer("A", name="Changed"), *endless.offers[1:5]])
    endless.errors = {2: [Unavailable("the key is too old")] * 5}

    run = read(account)

    assert (run.state, run.error) == (State.FAILED, "The provider could not be read: the key is too old")
    assert (live(), Plan.objects.get(plan_ref="A").name) == ("ABCDEFGHIJ", "Offer A")


def test_new_fields_are_kept_and_told(account: ProviderAccount, endless: Shelf) -> None:
    words: dict[str, Any] = {"alias": "jp-1gb", "region": "NA-3", "days_choice_max": 365, "top_up_profile": "G1"}
    endless.put([make_offer("A", **words, api_sms=True)])
    read(account)
    plan = Plan.objects.get()
    assert {name: getattr(plan, name) for name in words} == words
    assert (plan.api_sms, plan.after_cap, plan.starts_with) == (True, "unknown", "unknown")

    endless.put([make_offer("A", **{**words, "days_choice_max": 30}, api_sms=None)])

    assert counts(read(account)) == {"changed": 1}
    assert history("A")[-1] == ("changed", {"days_choice_max": [365, 30], "api_sms": [True, None]})
