"""Plans of all providers side by side for one destination, on equal terms. Readers only; a constant number of queries.

Plans are equal when they work in the same countries, with the same data, counted in the same way, for the same days:
they stand together, the cheapest first. Nothing is called equal where one of these is not known.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any

from django.db.models import Count, F, OuterRef, Prefetch, Q, QuerySet, Subquery, Window
from django.db.models.expressions import OrderBy
from django.db.models.functions import RowNumber

from catalog.models import Plan, PlanCoverage
from catalog.places import Place, covers_all, covers_country, covers_region
from catalog.search import Sort, sellable_plans
from catalog.terms import Terms, read_terms, with_equal_terms
from providers.types import DataPeriod

#: Plans shown in each currency; more are counted.
MOST = 60
#: Equal plans shown of one that is asked about.
MOST_EQUAL = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Need:
    """What a traveller needs. ``min_bytes`` is the data of all days together; ``like`` a plan that must be matched."""

    place: Place = field(default_factory=Place)
    days: int | None = None
    min_bytes: int | None = None
    like: Plan | None = None
    sort: Sort = Sort.PRICE


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One plan. ``difference``: by how much it is dearer than the first of its group, None where that says nothing."""

    plan: Plan
    terms: Terms
    #: Networks in the destination, where that is one country.
    networks: Sequence[Any] = ()
    difference: Decimal | None = None
    difference_percent: Decimal | None = None

    @property
    def saving(self) -> Decimal | None:
        """By how much it is cheaper."""
        return None if self.difference is None else -self.difference


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Equal plans, the cheapest first, those of sandboxes last; mostly one plan alone."""

    entries: Sequence[Entry]


@dataclass(frozen=True, slots=True, kw_only=True)
class Best:
    """Measure → primary keys of the plans with the lowest one, where more than one plan of the currency has it."""

    price: frozenset[int] = frozenset()
    per_day: frozenset[int] = frozenset()
    per_gb: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Shelf:
    """The plans of one currency: amounts of two currencies are never compared."""

    currency: str
    groups: Sequence[Group]
    best: Best
    shown: int
    total: int

    @property
    def left_out(self) -> int:
        return self.total - self.shown


def compare_plans(need: Need, *, without: Iterable[int] = (), most: int = MOST) -> list[Shelf]:
    """The sellable plans that meet the need, by currency; up to ``most`` in each, the best ones by ``need.sort``.

    ``without``: plans (by primary key) that are shown elsewhere.
    """
    plans = with_equal_terms(sellable_plans().defer("raw").select_related("account"), days=need.days)
    plans = (
        plans.filter(_meets(need))
        .exclude(pk__in=list(without))
        .annotate(
            place_in_currency=Window(RowNumber(), partition_by="currency", order_by=_ordering(need.sort)),
            number_in_currency=Window(Count("*"), partition_by="currency"),
        )
    )
    found = plans.filter(place_in_currency__lte=most).order_by("currency", "place_in_currency")
    entries = _read_entries(found, place=need.place)
    shelves: dict[str, list[Entry]] = {}
    for entry in entries:
        shelves.setdefault(entry.plan.currency, []).append(entry)
    return [
        Shelf(
            currency=currency,
            groups=_group(some, is_open=need.days is None),
            best=find_best(some, is_open=need.days is None),
            shown=len(some),
            total=vars(some[0].plan)["number_in_currency"],
        )
        for currency, some in shelves.items()
    ]


def find_equal(plan: Plan, *, days: int | None = None, place: Place | None = None) -> Group:
    """The plan (whatever its state) and the sellable plans that are equal to it; only itself where none are.

    ``place``: where their networks are told.
    """
    same = Q(pk=plan.pk)
    terms = _equal_terms(plan)
    countries = list(plan.coverage.values_list("country", flat=True))
    if terms is not None and countries and plan.kind == Plan.Kind.ESIM:
        number = PlanCoverage.objects.filter(plan=OuterRef("pk")).order_by().values("plan").annotate(all=Count("pk"))
        others = sellable_plans().filter(terms, covers_all(countries), currency=plan.currency)
        others = others.annotate(places=Subquery(number.values("all"))).filter(places=len(countries))
        same |= Q(pk__in=others.values("pk"))
    plans = with_equal_terms(Plan.objects.filter(same).defer("raw"), days=days)
    found = plans.select_related("account").order_by(*_ordering(Sort.PRICE))[:MOST_EQUAL]
    return _compare_in_group(_read_entries(found, place=place or Place()))


def find_cheaper(group: Group, plan: Plan) -> Entry | None:
    """The cheapest plan that is equal to ``plan`` and costs less, with what it saves as its (negative) difference."""
    own = next((entry for entry in group.entries if entry.plan.pk == plan.pk), None)
    first = group.entries[0]
    found = None if own is None else _tell_difference(replace(first, difference=None), own)
    return found if found is not None and found.difference is not None and found.difference < 0 else None


def compare_marked(plans: Sequence[Plan]) -> Best:
    """What is lowest among marked plans, in each currency for itself."""
    by_currency: dict[str, list[Entry]] = {}
    for plan in plans:
        by_currency.setdefault(plan.currency, []).append(Entry(plan=plan, terms=read_terms(plan)))
    parts = [find_best(entries, is_open=True) for entries in by_currency.values()]
    return Best(
        price=frozenset().union(*(part.price for part in parts)),
        per_day=frozenset().union(*(part.per_day for part in parts)),
        per_gb=frozenset().union(*(part.per_gb for part in parts)),
    )


def find_best(entries: Iterable[Entry], *, is_open: bool) -> Best:
    """What is lowest among plans of one currency. A sandbox's plans win nothing.

    ``is_open``: nobody said for how many days, so the price of a single day is no plan's price.
    """
    real = [entry for entry in entries if not entry.plan.account.is_sandbox]
    whole = [entry for entry in real if not is_open or entry.plan.days_choice_max is None]
    best: dict[str, frozenset[int]] = {}
    for measure, some in (("price", whole), ("per_day", real), ("per_gb", real)):
        known = [(amount, entry.plan.pk) for entry in some if (amount := getattr(entry.terms, measure)) is not None]
        lowest = min(known, default=(Decimal(0), 0))[0]
        best[measure] = frozenset(pk for amount, pk in known if amount == lowest) if len(known) > 1 else frozenset()
    return Best(**best)


# -- which ones -------------------------------------------------------------------------------------------------------


def _meets(need: Need) -> Q:
    condition = Q()
    if need.place.country:
        condition &= Q(covers_country(need.place.country))
    if need.place.region:
        condition &= covers_region(need.place.region)
    if need.like is not None:
        condition &= covers_all(list(need.like.coverage.values_list("country", flat=True)))
        condition &= Q(data_unlimited=True) if need.like.data_unlimited else Q()
    if need.days is not None:
        condition &= Q(days_choice_max=None, validity_days__gte=need.days) | Q(days_choice_max__gte=need.days)
    if need.min_bytes is not None:
        condition &= Q(term_bytes__gte=need.min_bytes) | Q(data_unlimited=True)
    return condition


def _ordering(sort: Sort) -> list[OrderBy]:
    """Sandboxes last; then by choice; of equal ones the cheapest first."""
    keys = {
        Sort.PER_DAY: [F("per_day").asc(nulls_last=True)],
        Sort.PER_GB: [F("per_gb").asc(nulls_last=True)],
        Sort.DATA: [F("data_unlimited").desc(), F("term_bytes").desc(nulls_last=True)],
        Sort.DAYS_DOWN: [F("most_days").desc(nulls_last=True)],
    }
    return [F("account__is_sandbox").asc(), *keys.get(sort, []), F("asked_price").asc(nulls_last=True), F("pk").asc()]


def _equal_terms(plan: Plan) -> Q | None:
    """The condition of being equal in data and time; None where the plan does not tell enough."""
    is_by_day = plan.days_choice_max is not None
    is_told = plan.data_unlimited or (plan.data_bytes is not None and plan.data_period != DataPeriod.UNKNOWN)
    if not is_told or not (is_by_day or plan.validity_days):
        return None
    days = Q(days_choice_max__isnull=False) if is_by_day else Q(days_choice_max=None, validity_days=plan.validity_days)
    if plan.data_unlimited:
        return days & Q(data_unlimited=True)
    # What is sold by the day is counted by the day, whatever its provider calls it.
    period = Q() if is_by_day else Q(data_period=plan.data_period)
    return days & period & ~Q(data_period=DataPeriod.UNKNOWN) & Q(data_unlimited=False, data_bytes=plan.data_bytes)


# -- side by side -----------------------------------------------------------------------------------------------------


def _read_entries(plans: QuerySet[Plan], *, place: Place) -> list[Entry]:
    """The plans with their countries, and their networks in one of them: three queries at most."""
    found = list(plans.prefetch_related(Prefetch("coverage", PlanCoverage.objects.defer("networks"))))
    networks: dict[int, Sequence[Any]] = {}
    if place.country and found:
        rows = PlanCoverage.objects.filter(plan__in=[plan.pk for plan in found], country=place.country)
        networks = dict(rows.order_by().values_list("plan_id", "networks"))
    return [Entry(plan=plan, terms=read_terms(plan), networks=networks.get(plan.pk, ())) for plan in found]


def _group(entries: Sequence[Entry], *, is_open: bool) -> list[Group]:
    """Equal plans together, each group where its first plan stands."""
    groups: dict[object, list[Entry]] = {}
    for entry in entries:
        groups.setdefault(_find_key(entry, is_open=is_open) or entry.plan.pk, []).append(entry)
    return [_compare_in_group(some) for some in groups.values()]


def _find_key(entry: Entry, *, is_open: bool) -> tuple[object, ...] | None:
    """What equal plans have in common; None for a plan that does not tell enough.

    ``is_open``: nobody said for how many days, so what is sold by the day is equal only to its like.
    """
    plan, days = entry.plan, entry.terms.days
    countries = frozenset(row.country for row in plan.coverage.all())
    is_by_day = plan.days_choice_max is not None
    if not countries or days is None:
        return None
    if plan.data_unlimited:
        data: tuple[object, ...] = ("no cap",)
    elif plan.data_bytes is None or plan.data_period == DataPeriod.UNKNOWN:
        return None
    else:
        data = (plan.data_bytes, DataPeriod.DAY.value if is_by_day else plan.data_period)
    return (countries, *data, days, is_open and is_by_day)


def _compare_in_group(entries: Sequence[Entry]) -> Group:
    """Tell by how much each plan is dearer than the first; a sandbox's is only compared with its like."""
    ordered = sorted(entries, key=_rank_in_group)
    first = ordered[0]
    return Group(entries=[first, *(_tell_difference(entry, first) for entry in ordered[1:])])


def _rank_in_group(entry: Entry) -> tuple[bool, bool, Decimal, int]:
    price = entry.terms.price
    return entry.plan.account.is_sandbox, price is None, price or Decimal(0), entry.plan.pk


def _tell_difference(entry: Entry, first: Entry) -> Entry:
    price, lowest = entry.terms.price, first.terms.price
    is_like = entry.plan.account.is_sandbox == first.plan.account.is_sandbox
    if price is None or lowest is None or not is_like or entry.plan.currency != first.plan.currency:
        return entry
    percent = ((price - lowest) / lowest * 100).quantize(Decimal("0.1")) if lowest else None
    return replace(entry, difference=price - lowest, difference_percent=percent)
