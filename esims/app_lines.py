"""What the app reads of lines: a page of them in a fixed number of queries, and one with all that a phone shows."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, cast

from django.db.models import F, QuerySet
from django.utils import timezone

from catalog.models import PlanCoverage
from customers.models import Customer
from esims.models import Esim, Package
from esims.refresh import FRESH_FOR, WATCHED_FOR
from esims.search import find_lines, must_be_installed_within, showing_states
from providers.api import NEWEST_FIRST, CursorPage, cursor_page
from providers.registry import offers
from providers.types import Capability

#: What a row of the list is made of; none of the secrets.
_LISTED = (
    *("pk", "iccid", "nickname", "state", "state_as_of", "home_country", "roaming_countries", "activation_deadline"),
    *("downloaded_at", "installed_at", "activated_at", "activated_on", "expires_at", "expires_on", "terminated_on"),
    *("total_used_bytes", "total_data_bytes", "usage_as_of", "created_at", "plan_id", "customer_id"),
)
_COUNTED = ("pk", "esim_id", "status", "data_bytes", "data_period", "data_unlimited", "used_bytes")


@dataclass(frozen=True, slots=True, kw_only=True)
class LineWish:
    """What the list is narrowed by; an empty value narrows nothing. ``customer`` None: everybody's."""

    customer: Customer | None
    states: Collection[str] = ()
    text: str = ""
    install_within_days: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedLine:
    """A line with what is counted of it; ``countries`` as the line reports them, else as its plan covers them."""

    esim: Esim
    packages: Sequence[Package]
    countries: Sequence[str]


def list_app_lines(wanted: LineWish, *, cursor: str, limit: int) -> tuple[CursorPage, list[ListedLine]]:
    """A page of lines, the newest first, by three queries at most."""
    page = cursor_page(_find(wanted), NEWEST_FIRST, cursor=cursor, limit=limit)
    packages: dict[int, list[Package]] = defaultdict(list)
    rows = Package.objects.filter(esim__in=[values["pk"] for values in page.rows]).order_by("esim_id", "pk")
    for values in rows.values(*_COUNTED):
        packages[values["esim_id"]].append(cast("Package", SimpleNamespace(**values)))
    lines = [_line(values) for values in page.rows]
    covered = _read_coverage(lines)
    return page, [
        ListedLine(esim=line, packages=packages[line.pk], countries=_countries(line, covered)) for line in lines
    ]


def _line(values: dict[str, Any]) -> Esim:
    """Columns with the names that readers of a line know: to make a model instance of each row costs more than the
    query does.
    """
    plan = SimpleNamespace(name=values["plan_name"], starts_with=values["plan_starts_with"])
    customer = SimpleNamespace(name=values.get("customer_name"))
    return cast("Esim", SimpleNamespace(**values, plan=plan, customer=customer))


def _find(wanted: LineWish) -> QuerySet[Esim, dict[str, Any]]:
    lines = find_lines(wanted.text) if wanted.text.strip() else Esim.objects.all()
    if wanted.customer is not None:
        lines = lines.filter(customer=wanted.customer)
    if wanted.states:
        lines = showing_states(lines, wanted.states)
    if wanted.install_within_days is not None:
        lines = lines.filter(must_be_installed_within(wanted.install_within_days))
    names: dict[str, Any] = {"plan_name": F("plan__name"), "plan_starts_with": F("plan__starts_with")}
    if wanted.customer is None:
        names["customer_name"] = F("customer__name")
    found: QuerySet[Esim, dict[str, Any]] = lines.values(*_LISTED, **names)
    return found


def find_countries(esim: Esim) -> Sequence[str]:
    """Where the line works."""
    return _countries(esim, _read_coverage([esim]))


def _countries(esim: Esim, covered: Mapping[int, Sequence[str]]) -> Sequence[str]:
    own = _reported_countries(esim)
    return own or covered.get(esim.plan_id, ())


def _reported_countries(esim: Esim) -> list[str]:
    return sorted({*filter(None, [esim.home_country]), *(esim.roaming_countries or ())})


def _read_coverage(lines: Sequence[Esim]) -> Mapping[int, Sequence[str]]:
    """Countries of the plans of those lines that report none themselves."""
    plans = {line.plan_id for line in lines if not _reported_countries(line)}
    covered: dict[int, list[str]] = defaultdict(list)
    rows = PlanCoverage.objects.filter(plan__in=plans).order_by("plan_id", "country")
    for plan_id, country in rows.values_list("plan_id", "country"):
        covered[plan_id].append(country)
    return covered


def can_be_read(esim: Esim) -> bool:
    """Whether its provider tells of single lines, and can be asked now."""
    return offers(esim.account.slug, Capability.READ_LINE) and not esim.account.is_paused


def wait_to_ask(esim: Esim) -> float:
    """Seconds until the line may be asked for again; 0: now. See ``request_refresh``."""
    if esim.watched_until is None:
        return 0.0
    return max(0.0, (esim.watched_until - (timezone.now() + WATCHED_FOR - FRESH_FOR)).total_seconds())
