"""What time does to a line of eSIMfx: the provider's own periods, an end that is none, a deadline for the first use."""

from dataclasses import replace
from datetime import timedelta

import pytest
from django.utils import timezone

from esims.action_words import money_words
from esims.models import Package
from esims.states import explain_state, instant_words
from orders.topups import find_top_ups, why_no_top_up
from providers.types import Capability
from tests.emulator_esimfx.books import GIB, Order
from tests.emulator_esimfx.conftest import OpenOffice
from tests.emulator_esimfx.office import Office
from tests.emulator_esimfx.quirks import VARIANTS


def only_order(office: Office) -> Order:
    (order,) = office.emulator.books.orders.values()
    return order


# -- money back within sixty days of the provider's order -------------------------------------------------------------


def test_money_back_is_reckoned_from_the_providers_order(office: Office) -> None:
    """We entered the line today; the provider has had its order for longer."""
    office.buy(1)
    (esim,) = office.lines()
    order = only_order(office)
    order.made_at -= timedelta(days=40)
    esim = office.refresh(esim)
    package = Package.objects.get()
    assert package.ordered_at is not None
    assert abs(package.ordered_at - order.made_at) < timedelta(seconds=61)
    assert package.created_at - package.ordered_at > timedelta(days=39)
    words = money_words(Capability.TERMINATE, esim, package, now=timezone.now())
    assert words.endswith(f"It does so until {instant_words(package.ordered_at + timedelta(days=60))}.")

    order.made_at -= timedelta(days=30)
    esim = office.refresh(esim)
    package.refresh_from_db()
    assert money_words(Capability.TERMINATE, esim, package, now=timezone.now()) == (
        "The provider gives us no money back: more than 60 days have passed since the order."
    )
    # So it is.
    action = office.act(esim, Capability.TERMINATE, package=package)
    assert (action.state, bool(action.refunded)) == ("confirmed", False)
    assert [item.kind for item in office.emulator.books.invoice].count("refund") == 0


# -- used up is not over ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("sparse", [False, True])
def test_used_up_line_is_no_ended_one(sparse: bool, open_office: OpenOffice) -> None:
    """Also where the list of orders names no product: our own plan knows how long it runs."""
    office = open_office(replace(VARIANTS["document"], sparse_orders=sparse))
    office.buy(1)
    (esim,) = office.lines()
    order = office.emulator.books.connect(esim.iccid)
    esim = office.refresh(esim)
    office.emulator.books.use(order, 10 * GIB)
    esim = office.refresh(esim)
    assert (order.status, esim.state, why_no_top_up(esim)) == ("EXPIRED", "depleted", "")
    assert esim.next_refresh_at is not None
    assert find_top_ups(esim=esim)
    office.check_books()


@pytest.mark.parametrize("why", ["days_over", "data_left", "days_chosen", "another_order"])
def test_what_is_not_surely_used_up_is_over(why: str, open_office: OpenOffice) -> None:
    office = open_office(replace(VARIANTS["document"], sparse_orders=True))
    office.buy(1)
    (esim,) = office.lines()
    books = office.emulator.books
    order = books.connect(esim.iccid)
    if why == "days_over":
        assert order.activated_at is not None
        order.activated_at -= timedelta(days=8)
    if why == "days_chosen":
        plan = Package.objects.get().plan
        assert plan is not None
        plan.days_choice_max = 30
        plan.save(update_fields=["days_choice_max"])
    if why == "another_order":
        Package.objects.update(plan=None)
    books.use(order, 9 * GIB if why == "data_left" else 10 * GIB)
    if why == "data_left":
        books.expire(order)
    assert office.refresh(esim).state == "expired"


# -- installed, and not in use ----------------------------------------------------------------------------------------


def test_deadline_is_for_the_first_use(office: Office) -> None:
    office.buy(1)
    (esim,) = office.lines()
    assert esim.notice_due_at is not None
    office.emulator.books.install(esim.iccid)
    esim = office.refresh(esim)
    assert esim.activation_deadline is not None
    assert (esim.state, esim.notice_due_at) == ("installed", esim.activation_deadline - timedelta(days=7))
    assert f"It must be in use before {instant_words(esim.activation_deadline)}." in explain_state(esim)
    # Once it is in use nobody is hurried.
    office.emulator.books.connect(esim.iccid)
    esim = office.refresh(esim)
    assert esim.state == "active"
    assert esim.notice_due_at is None or esim.expires_at is not None
    assert not [text for text in explain_state(esim) if "in use before" in text]
