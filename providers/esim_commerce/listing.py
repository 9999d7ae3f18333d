"""Reading the catalogue page by page, and noticing when the pages do not belong together."""

from collections.abc import Mapping
from typing import Any

from providers.esim_commerce.plans import map_plan
from providers.listing import map_each
from providers.reading import FieldReader, UnreadableError
from providers.types import Fault, PlanOffer, PlanPage

#: OURS: two million plans; a listing that is longer has no end.
_LONGEST = 10_000


class PlanListing:
    """One reading of the catalogue, from page 1 to its end.

    It ends at ``totalPages`` or at an empty page, whichever comes first, and at a page that only repeats others: a
    provider that does not turn the page would never end. Where the total says that more plans exist (a provider may cap
    the page and count its pages by the limit that was asked for) it goes on to the empty page. Every page carries the
    total as it was told with it; a total that moves means that plans may have been skipped, and the reader sees that.
    """

    def __init__(self, *, account: str, currency: str, home_country: str, first_page: int) -> None:
        self.next_page = first_page
        self.is_finished = False
        self._account = account
        self._currency = currency
        self._home_country = home_country
        self._seen: set[str] = set()
        #: Plans on the pages so far; unknown when the reading began in the middle.
        self._read = 0 if first_page == 1 else _LONGEST * 1000

    def add(self, document: Mapping[str, Any]) -> PlanPage:
        """The next page as our values. Raises ``UnreadableError`` when another page came than was asked for."""
        number = self.next_page
        faults: list[Fault] = []
        given = document.get("meta")
        meta = FieldReader(given if isinstance(given, dict) else {}, where="meta", faults=faults)
        total, told, total_pages = meta.integer("total"), meta.integer("page"), meta.integer("totalPages")
        if told is not None and told != number:
            raise UnreadableError(f"page {number} was asked for and page {told} came")
        items = document["items"]
        offers = map_each(items, self._map, where=f"page {number} items", faults=faults, seen=self._seen)
        is_repeated = bool(items) and all(_find_ref(item) in self._seen for item in items) and not offers
        if is_repeated:
            faults.append(Fault(where=f"page {number}", message="repeats the pages before it; the reading ends here"))
        self.next_page += 1
        self._read += len(items)
        is_last = total_pages is not None and number >= total_pages and not (total is not None and self._read < total)
        self.is_finished = is_last or not items or is_repeated or number >= _LONGEST
        return PlanPage(offers=tuple(offers), faults=tuple(faults), page=number, total=total, total_pages=total_pages)

    def _map(self, item: object, faults: list[Fault]) -> PlanOffer:
        return map_plan(
            item, faults=faults, account=self._account, currency=self._currency, home_country=self._home_country
        )


def _find_ref(item: object) -> str:
    return str(item.get("planCode", "")).strip() if isinstance(item, dict) else ""
