"""A sync writes what changed and nothing else."""

from decimal import Decimal

import pytest
from pytest_django import Settings

from catalog.models import Plan, PlanCoverage, SyncRun
from catalog.pricing import active_rules, explain_price, save_rule, set_own_price, set_published
from catalog.sync_rows import LENGTHS, LONGEST_REF
from providers.models import ProviderAccount
from providers.types import Coverage, CoverageKind, Money, Network
from tests.catalog.making import make_offer, make_rule
from tests.catalog.shelf import Shelf
from tests.catalog.syncing import counts, history, read

D = Decimal
pytestmark = pytest.mark.django_db
State = SyncRun.State


def test_the_first_run_keeps_every_field(account: ProviderAccount, shelf: Shelf) -> None:
    shelf.put([make_offer("RB52"), make_offer("RB53", net_price=None)])

    run = read(account)

    assert (run.state, counts(run), run.error, run.step) == (State.SUCCEEDED, {"added": 2}, "", "done")
    assert (run.pages_read, run.pages_total, run.offers_read, run.offers_total) == (1, 1, 2, 2)
    plan = Plan.objects.get(plan_ref="RB52")
    assert {name: getattr(plan, name) for name in ("carrier", "data_bytes", "data_period", "data_as_given")} == {
        "carrier": "KDDI",
        "data_bytes": 1024**3,
        "data_period": "total",
        "data_as_given": "1 GB TOTAL",
    }
    assert (plan.max_speed, plan.reduced_speed, plan.speed_unit) == (D(10000), D(128), "")
    assert (plan.voice_inbound, plan.voice_outbound, plan.sms_inbound, plan.dialing_code) == (False, None, True, "81")
    assert (plan.validity_info, plan.activation_info) == ("Valid for 30 days", "Starts at first use")
    assert (plan.unused_termination_days, plan.tethering, plan.kyc_required) == (180, True, False)
    assert (plan.ip_countries, plan.raw) == (["JP"], {"planCode": "RB52", "netPrice": "4.00"})
    assert (plan.net_price, plan.suggested_price, plan.currency) == (D(4), D(6), "USD")
    assert (plan.retail_price, plan.price_source, plan.is_published) == (D(6), "suggested", True)
    assert list(plan.coverage.values_list("country", "kind", "networks")) == [
        ("JP", "unspecified", [{"name": "au", "types": ["4G", "5G"]}])
    ]
    assert history("RB52") == [("added", {})]
    # Kept, but not to be sold.
    unpriced = Plan.objects.get(plan_ref="RB53")
    assert (unpriced.net_price, unpriced.retail_price, unpriced.price_source) == (None, None, "")


def test_a_change_is_written_with_what_it_was(account: ProviderAccount, shelf: Shelf) -> None:
    shelf.put([make_offer("A"), make_offer("B")])
    read(account)
    before = Plan.objects.get(plan_ref="A")
    set_published(plan=before, is_published=False, by="a")
    abroad = Coverage(country="KR", kind=CoverageKind.ROAMING, networks=(Network(name="SKT"),))
    home = make_offer("A").coverage[0]
    shelf.put(
        [
            make_offer("A", net_price=Money(amount=D("4.5"), currency="USD"), coverage=(home, abroad), tethering=None),
            make_offer("B"),
        ]
    )

    run = read(account)

    assert (run.state, counts(run)) == (State.SUCCEEDED, {"changed": 1, "unchanged": 1})
    after = Plan.objects.get(plan_ref="A")
    assert (after.pk, after.net_price, after.tethering) == (before.pk, D("4.5"), None)
    assert (after.first_seen_at, after.is_published) == (before.first_seen_at, False)
    assert after.changed_at > before.changed_at
    assert list(after.coverage.values_list("country", flat=True)) == ["JP", "KR"]
    assert history("A")[-1] == (
        "changed",
        {
            "net_price": ["4", "4.5"],
            "tethering": [True, None],
            "coverage": [{}, {"KR": ["roaming", [{"name": "SKT", "types": []}]]}],
        },
    )
    assert history("B") == [("added", {})]


def test_coverage_that_did_not_change_is_left_alone(account: ProviderAccount, shelf: Shelf) -> None:
    shelf.put([make_offer("A")])
    read(account)
    row = PlanCoverage.objects.get()
    shelf.put([make_offer("A", name="New name")])

    read(account)

    assert PlanCoverage.objects.get().pk == row.pk
    assert history("A")[-1] == ("changed", {"name": ["Offer A", "New name"]})


def test_a_field_that_we_do_not_read_is_told_as_raw(account: ProviderAccount, shelf: Shelf) -> None:
    shelf.put([make_offer("A", raw={"planCode": "A", "new": 1})])
    read(account)
    shelf.put([make_offer("A", raw={"new": 2, "planCode": "A"})])

    assert counts(read(account)) == {"changed": 1}
    assert history("A")[-1] == ("changed", {"raw": [{"new": 1}, {"new": 2}]})
    # The order of the keys says nothing.
    shelf.put([make_offer("A", raw={"planCode": "A", "new": 2})])
    assert counts(read(account)) == {"unchanged": 1}


def test_prices_follow_the_provider_in_the_same_run(account: ProviderAccount, shelf: Shelf) -> None:
    rule = make_rule(margin_percent=D(25), country="JP")
    save_rule(rule=rule, by="a")
    shelf.put([make_offer("A"), make_offer("B")])
    read(account)
    set_own_price(plan=Plan.objects.get(plan_ref="B"), amount=D("4.20"), by="a")
    dearer = Money(amount=D(8), currency="USD")
    shelf.put([make_offer("A", net_price=dearer), make_offer("B", net_price=dearer)])

    read(account)

    prices = {plan.plan_ref: (plan.retail_price, plan.price_source) for plan in Plan.objects.all()}
    assert prices == {"A": (D(10), f"rule:{rule.pk}"), "B": (D(8), "own+floor")}
    assert history("B")[-1][1] == {
        "net_price": ["4", "8"],
        "retail_price": ["4.2", "8"],
        "price_source": ["own", "own+floor"],
    }
    for plan in Plan.objects.all():
        assert explain_price(plan, active_rules()).amount == plan.retail_price


def test_an_own_price_does_not_survive_a_change_of_currency(account: ProviderAccount, shelf: Shelf) -> None:
    shelf.put([make_offer("A")])
    read(account)
    set_own_price(plan=Plan.objects.get(), amount=D("9.50"), by="a")
    yen = {"net_price": Money(amount=D(600), currency="JPY"), "suggested_price": Money(amount=D(900), currency="JPY")}
    shelf.put([make_offer("A", **yen)])

    read(account)

    plan = Plan.objects.get()
    assert (plan.own_price, plan.retail_price, plan.currency) == (None, D(900), "JPY")
    assert history("A")[-1][1]["own_price"] == ["9.5", None]


def test_a_raised_floor_reaches_plans_that_did_not_change(
    account: ProviderAccount, shelf: Shelf, settings: Settings
) -> None:
    shelf.put([make_offer("A")])
    read(account)
    settings.PRICE_FLOOR_PERCENT = 100

    assert counts(read(account)) == {"unchanged": 1}

    plan = Plan.objects.get()
    assert (plan.retail_price, plan.price_source) == (D(8), "suggested+floor")


def test_what_a_column_cannot_hold_does_not_stop_the_run(account: ProviderAccount, shelf: Shelf) -> None:
    shelf.put(
        [
            make_offer(
                "A",
                name="x" * 301,
                net_price=Money(amount=D("1e30"), currency="USD"),
                validity_days=10**12,
                max_speed=D("NaN"),
                restrictions="a\x00b\ud800",
                coverage=(Coverage(country="Japan", kind=CoverageKind.HOME), *make_offer("A").coverage * 2),
                raw={"a": "\x00", "b": [D("1.5"), float("nan")]},
            ),
            make_offer("B" * 121),
            make_offer("C", suggested_price=Money(amount=D(6), currency="EUR")),
        ]
    )

    run = read(account)

    assert run.state == State.INCOMPLETE
    plan = Plan.objects.get(plan_ref="A")
    assert (plan.name, plan.net_price, plan.validity_days, plan.max_speed) == ("x" * 300, None, None, None)
    assert (plan.restrictions, plan.raw) == ("ab?", {"a": "", "b": ["1.5", "nan"]})
    assert [row.country for row in plan.coverage.all()] == ["JP"]
    assert [(fault["where"], fault["message"]) for fault in run.faults] == [
        ("page 1", "a plan code that cannot be kept"),
        ("A", "a price cannot be kept: 1E+30"),
        ("A", "not a country code: 'Japan'"),
        ("C", "net and suggested price are in two currencies"),
    ]
    assert counts(read(account)) == {"unchanged": 2}


def test_the_lengths_are_the_models() -> None:
    fields = {field.name: getattr(field, "max_length", None) for field in Plan._meta.get_fields()}
    assert {name: fields[name] for name in LENGTHS} == LENGTHS
    assert fields["plan_ref"] == LONGEST_REF


def test_a_net_price_is_rounded_up_so_that_the_floor_holds(account: ProviderAccount, shelf: Shelf) -> None:
    shelf.put([make_offer("A", net_price=Money(amount=D("4.00001"), currency="USD"), suggested_price=None)])

    read(account)

    assert Plan.objects.get().net_price == D("4.0001")
