"""A wholesaler made of a list: what the tests put on the shelf is what a sync reads, page by page."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Self

from providers.base import Provider
from providers.errors import ProviderError
from providers.types import Capability, Fault, PlanOffer, PlanPage, RateBudget

SLUG = "shelf"
CARRIER = "carrier"


@dataclass
class Shelf:
    """``errors`` are raised in turn when their page is asked for; ``before_page`` is called before each page."""

    offers: list[PlanOffer] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    #: What the provider says that it has; None: the right number.
    total: int | None = None
    says_total: bool = True
    #: It says of its last page that it is the last.
    says_end: bool = False
    #: Its pages are found by the key that stands on the page before, never by their number.
    by_cursor: bool = False
    page_size: int = 200
    errors: dict[int, list[ProviderError]] = field(default_factory=dict)
    before_page: Callable[[int], None] = lambda _page: None
    asked: list[int] = field(default_factory=list)
    #: The key with which each reading began.
    cursors: list[str] = field(default_factory=list)

    def put(self, offers: Iterable[PlanOffer]) -> None:
        self.offers = list(offers)

    def page(self, number: int, pages: int) -> PlanPage:
        total = len(self.offers) + len(self.faults) if self.total is None else self.total
        start = (number - 1) * self.page_size
        is_last = number == pages
        return PlanPage(
            offers=tuple(self.offers[start : start + self.page_size]),
            faults=tuple(self.faults) if is_last else (),
            page=number,
            total=total if self.says_total else None,
            total_pages=pages if self.says_total else None,
            cursor=f"after-{number}" if self.by_cursor and not is_last else "",
            is_last=self.says_end and is_last,
        )


class ShelfProvider(Provider):
    adapter = "shelf"
    capabilities: ClassVar[frozenset[Capability]] = frozenset({Capability.LIST_PLANS})
    shelf: ClassVar[Shelf] = Shelf()

    @classmethod
    def from_settings(cls, account: str, values: Mapping[str, Any]) -> Self:
        del values
        return cls(account)

    @classmethod
    def is_configured(cls, values: Mapping[str, Any]) -> bool:
        return bool(values["on"])

    @property
    def budgets(self) -> Mapping[str, RateBudget]:
        return {}

    def _list_plans(
        self, *, country: str, region: str, carrier: str, include_roaming: bool, first_page: int, cursor: str
    ) -> Iterator[PlanPage]:
        assert (country, region, carrier, include_roaming) == ("", "", "", True)
        shelf = self.shelf
        shelf.cursors.append(cursor)
        pages = max(1, -(-len(shelf.offers) // shelf.page_size))
        first = first_page
        if shelf.by_cursor:
            first = int(cursor.removeprefix("after-")) + 1 if cursor else 1
        for page in range(first, pages + 1):
            shelf.asked.append(page)
            shelf.before_page(page)
            if shelf.errors.get(page):
                raise shelf.errors[page].pop(0)
            yield shelf.page(page, pages)


class FormProvider(Provider):
    """A carrier that lists nothing: lines are activated by a form."""

    adapter = "form"
    capabilities: ClassVar[frozenset[Capability]] = frozenset({Capability.LINE_ACTIVATION})

    @classmethod
    def from_settings(cls, account: str, values: Mapping[str, Any]) -> Self:
        del values
        return cls(account)

    @classmethod
    def is_configured(cls, values: Mapping[str, Any]) -> bool:
        return bool(values["on"])

    @property
    def budgets(self) -> Mapping[str, RateBudget]:
        return {}
