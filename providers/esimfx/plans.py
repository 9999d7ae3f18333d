"""From eSIMfx's product objects, of both lists, to our offers; and the reading of a list page by page."""

import json
from collections.abc import Mapping
from typing import Any

from providers.esimfx.amounts import map_allowance
from providers.listing import map_each
from providers.reading import FieldReader, UnreadableError, make_plain, note_unknown_word
from providers.types import (
    AfterCap,
    Allowance,
    Coverage,
    CoverageKind,
    Fault,
    Money,
    Network,
    PlanOffer,
    PlanPage,
    StartsWith,
    Telephony,
)

_DAY_WORDS = frozenset({"day", "days", "d"})
#: OURS: a million products; a listing that is longer has no end.
_LONGEST = 10_000


def map_plan(
    item: object, *, faults: list[Fault], account: str, top_up: bool | None = None, asked_for: str = ""
) -> PlanOffer:
    """One product. Only its id is vital, and ``asked_for`` stands in for it. Raises ``UnreadableError``.

    ``top_up``: whether it is known to fit as a top-up. The ids of the two lists name the same goods: ``plan_ref`` is
    the one that the provider gave, ``alias`` the other one where it is told.
    """
    if not isinstance(item, dict):
        raise UnreadableError("is not an object")
    reader = FieldReader(item, where="", faults=faults)
    plan_ref = reader.text("id", limit=1000) or asked_for
    if not 1 <= len(plan_ref) <= 120:
        raise UnreadableError("has no usable id")
    unlimited = bool(reader.boolean("is_unlimited"))
    allowance = map_allowance(reader, ("amount",), unlimited=unlimited, account=account)
    return PlanOffer(
        plan_ref=plan_ref,
        name=reader.text("name") or plan_ref,
        plan_type="",
        carrier="",
        allowance=allowance,
        coverage=_map_coverage(reader),
        net_price=_map_price(reader),
        suggested_price=None,
        validity_days=map_days(reader, account=account),
        max_speed=None,
        reduced_speed=None,
        speed_unit="",
        tethering=None,
        ip_countries=(),
        validity_info="",
        activation_info="",
        unused_termination_days=None,
        telephony=Telephony(),
        top_up_supported=top_up,
        kyc_required=None,
        restrictions="",
        alias=reader.text("meta_product_id", limit=120),
        region=reader.text("region", limit=80),
        after_cap=_find_after_cap(allowance),
        # "All eSIM packages will be automatically activated when the user first connects to a local network."
        starts_with=StartsWith.CONNECTION,
        top_up_profile=reader.text("imsi_profile", limit=80),
        raw=make_plain(item),
    )


def map_days(reader: FieldReader, *, account: str) -> int | None:
    """``duration`` in days; None where its unit is another one."""
    unit = reader.text("duration_unit", limit=20)
    if unit and unit.casefold() not in _DAY_WORDS:
        note_unknown_word(account=account, field="duration_unit", word=unit)
        return None
    return reader.integer("duration", limit=100_000)


def _find_after_cap(allowance: Allowance) -> AfterCap:
    """A subscription is EXPIRED once its data is exhausted: nothing is throttled, nothing charged on top."""
    if allowance.unlimited:
        return AfterCap.NO_CAP
    return AfterCap.CUT_OFF if allowance.data_bytes else AfterCap.UNKNOWN


def _map_coverage(reader: FieldReader) -> tuple[Coverage, ...]:
    """The countries. Networks come without theirs: only for a plan of one country they are known to be there."""
    countries = reader.countries("coverage") or ()
    networks = _map_networks(reader) if len(countries) == 1 else ()
    return tuple(Coverage(country=country, kind=CoverageKind.UNSPECIFIED, networks=networks) for country in countries)


def _map_networks(reader: FieldReader) -> tuple[Network, ...]:
    networks = []
    for item in reader.array("networks") or ():
        if not isinstance(item, dict):
            continue
        part = FieldReader(item, where="networks", faults=reader.faults)
        speeds = part.text("speed", limit=40).replace(",", "/").split("/")
        types = tuple(speed.strip()[:20] for speed in speeds if speed.strip())
        networks.append(Network(name=part.text("name", limit=120) or part.text("mccmnc", limit=20), types=types))
    return tuple(networks)


def _map_price(reader: FieldReader) -> Money | None:
    """A bare number beside its currency; without one it is no price."""
    amount = reader.decimal("price")
    currency = reader.text("price_unit", limit=20).upper()
    if amount is None:
        return None
    if not (len(currency) == 3 and currency.isascii() and currency.isalpha()) or amount >= 10**10:
        reader.fault("price_unit", "is not a currency, so there is no price")
        return None
    return Money(amount=amount, currency=currency)


def read_products(data: object) -> list[Any]:
    """The products of a reply. Raises ``UnreadableError`` where there is no list of them."""
    products = data.get("products") if isinstance(data, dict) else data
    if not isinstance(products, list):
        raise UnreadableError("it has no list of products")
    return products


class ProductListing:
    """One reading of a list: from a key to the end that the provider tells.

    The key is the provider's own object: it goes back as it came. One that comes again would never end: the reading
    stops there, and no page of it is the last.
    """

    def __init__(self, *, account: str, first_page: int, cursor: str) -> None:
        self.next_page = first_page
        self.is_finished = False
        self._account = account
        self._cursor = cursor
        self._cursors = {cursor}
        self._seen: set[str] = set()

    @property
    def page_start(self) -> Any:
        """What the next request says; {} for the first page."""
        return json.loads(self._cursor) if self._cursor else {}

    def add(self, data: object) -> PlanPage:
        """The next page as our values. Raises ``UnreadableError``."""
        items = read_products(data)
        faults: list[Fault] = []
        offers = map_each(
            items,
            lambda item, found: map_plan(item, faults=found, account=self._account),
            where=f"page {self.next_page} products",
            faults=faults,
            seen=self._seen,
        )
        key = data.get("last_evaluated_key") if isinstance(data, dict) else None
        is_last = _is_end(key)
        cursor = "" if is_last else json.dumps(make_plain(key), separators=(",", ":"), ensure_ascii=False)
        is_stuck = not is_last and (cursor in self._cursors or self.next_page >= _LONGEST)
        if is_stuck:
            faults.append(Fault(where=f"page {self.next_page}", message="its key came before; the reading ends here"))
        page = PlanPage(
            offers=tuple(offers),
            faults=tuple(faults),
            page=self.next_page,
            total=None,
            total_pages=None,
            cursor="" if is_stuck else cursor,
            is_last=is_last,
        )
        self._cursors.add(cursor)
        self._cursor = cursor
        self.is_finished = is_last or is_stuck
        self.next_page += 1
        return page


def _is_end(key: object) -> bool:
    """ "If the last_evaluated_key is not an empty object, a next page exists": {}, null, "" and a missing one end it.

    So does an object with nothing in its fields: it is where a list begins (field notes).
    """
    if isinstance(key, dict):
        return not any(key.values())
    return not key


def map_offers(data: object, *, account: str) -> tuple[tuple[PlanOffer, ...], tuple[Fault, ...]]:
    """The products that fit as top-ups, each once, and what was wrong with the rest. Raises ``UnreadableError``."""
    offers: dict[str, PlanOffer] = {}
    faults: list[Fault] = []
    for index, item in enumerate(read_products(data)):
        try:
            offer = map_plan(item, faults=faults, account=account, top_up=True)
        except UnreadableError as error:
            faults.append(Fault(where=f"products[{index}]", message=str(error)))
            continue
        offers.setdefault(offer.plan_ref, offer)
    return tuple(offers.values()), tuple(faults)


def map_product(data: object, *, account: str, asked_for: str) -> PlanOffer:
    """The reply of get_product. Raises ``UnreadableError``."""
    product: Mapping[str, Any] | object = data
    if isinstance(data, dict) and isinstance(data.get("product"), dict):
        product = data["product"]
    if not isinstance(product, dict) or not product:
        raise UnreadableError("it has no product")
    return map_plan(product, faults=[], account=account, asked_for=asked_for)
