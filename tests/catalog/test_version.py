"""The catalogue's version: another one after every change of what travellers are shown, the same one otherwise."""

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal

import pytest
from django.db import transaction
from pytest_django import Settings

from catalog.entering import change_entered_plan, enter_plan, retire_entered_plan, return_entered_plan
from catalog.models import Plan, PriceRule
from catalog.pricing import (
    delete_rule,
    hold_floor,
    publish_plans,
    reprice_plans,
    save_rule,
    set_own_price,
    set_published,
)
from catalog.sync import approve_retirement
from catalog.top_ups import keep_top_up_offers
from catalog.version import read_version
from providers.accounts import pause_account, resume_account
from providers.models import ProviderAccount
from providers.regions import record_regions
from providers.types import Money, Region
from tests.catalog.making import make_offer, make_rule
from tests.catalog.shelf import Shelf
from tests.catalog.syncing import read
from tests.catalog.test_entering import TERMS

pytestmark = pytest.mark.django_db
D = Decimal


def changes(work: Callable[[], object]) -> bool:
    before = read_version()
    work()
    return read_version() != before


def test_there_is_none_before_the_first_change(account: ProviderAccount) -> None:
    assert read_version() == ""


def test_prices_and_publication_change_it(account: ProviderAccount, ten: list[str], settings: Settings) -> None:
    plan = Plan.objects.order_by("pk")[0]
    everything = Plan.objects.all()

    assert changes(lambda: set_own_price(plan=plan, amount=D(9), by="a"))
    assert not changes(lambda: set_own_price(plan=plan, amount=D(9), by="a"))
    assert changes(lambda: set_published(plan=plan, is_published=False, by="a"))
    assert not changes(lambda: set_published(plan=plan, is_published=False, by="a"))
    assert changes(lambda: publish_plans(plans=everything, is_published=True, by="a"))
    assert not changes(lambda: publish_plans(plans=everything, is_published=True, by="a"))
    assert not changes(lambda: save_rule(rule=make_rule(is_active=False), by="a"))
    assert changes(lambda: save_rule(rule=make_rule(margin_percent=D(80), position=1), by="a"))
    assert changes(lambda: delete_rule(rule=PriceRule.objects.get(position=1), by="a"))
    assert not changes(lambda: reprice_plans(plans=None, by="a"))
    settings.PRICE_FLOOR_PERCENT = 90
    assert changes(lambda: hold_floor(account=account))
    assert not changes(lambda: hold_floor(account=account))


def test_a_sync_changes_it_by_what_it_writes(account: ProviderAccount, ten: list[str], shelf: Shelf) -> None:
    offers = [make_offer(ref) for ref in ten]
    assert not changes(lambda: read(account))
    shelf.put([*offers, make_offer("K")])
    assert changes(lambda: read(account))
    shelf.put([replace(offers[0], net_price=Money(amount=D(5), currency="USD")), *offers[1:], make_offer("K")])
    assert changes(lambda: read(account))
    shelf.put([*offers])
    assert changes(lambda: read(account))  # the price, and K is gone
    shelf.put([*offers, make_offer("K")])
    assert changes(lambda: read(account))  # K is back
    shelf.put(offers[:2])
    asked = []
    assert not changes(lambda: asked.append(read(account)))
    assert changes(lambda: approve_retirement(run=asked[0], by="a"))


def test_what_staff_enter_changes_it(carrier: ProviderAccount) -> None:
    plans: list[Plan] = []

    def enter() -> None:
        plans.append(enter_plan(account=carrier, kind=Plan.Kind.ACTIVATION, plan_ref="V5", terms=TERMS, by="a"))

    assert changes(enter)
    assert changes(lambda: change_entered_plan(plan=plans[0], terms=replace(TERMS, own_price=D(1600)), by="a"))
    assert changes(lambda: retire_entered_plan(plan=plans[0], by="a"))
    assert not changes(lambda: retire_entered_plan(plan=plans[0], by="a"))
    assert changes(lambda: return_entered_plan(plan=plans[0], by="a"))


def test_pauses_and_areas_change_it(account: ProviderAccount, ten: list[str]) -> None:
    def tell(*codes: str) -> None:
        areas = [Region(code=code, name=code, is_multi=True, members=("JP",)) for code in codes]
        record_regions(account=account, regions=areas)

    first = read_version()
    assert changes(lambda: pause_account(account=account, by="a", why="b"))
    assert changes(lambda: resume_account(account=account, by="a", why="b"))
    assert read_version() == first
    assert changes(lambda: tell("EU", "NA"))
    assert changes(lambda: tell("EU"))
    assert changes(tell)


def test_packages_for_one_line_leave_it(account: ProviderAccount, ten: list[str]) -> None:
    assert not changes(lambda: keep_top_up_offers(account=account, offers=[make_offer("TOPUP_A")]))
    assert Plan.objects.filter(kind=Plan.Kind.TOP_UP).count() == 1


def test_what_is_taken_back_leaves_it(account: ProviderAccount, ten: list[str]) -> None:
    def break_off() -> None:
        with pytest.raises(ZeroDivisionError), transaction.atomic():
            set_own_price(plan=Plan.objects.order_by("pk")[0], amount=D(9), by="a")
            raise ZeroDivisionError

    assert not changes(break_off)
