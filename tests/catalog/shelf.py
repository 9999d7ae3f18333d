"""A wholesaler made of a list: what the tests put on the shelf is what a sync reads, page by page."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Self

from providers.base import Provider
from providers.errors import ProviderError
from providers.types import Capability, Fault, PlanOffer, PlanPage, RateBudget

SLUG = "shelf"


@dataclass
class Shelf:
    """``errors`` are raised in turn when their page is asked for; ``before_page`` is called before each page."""

    offers: list[PlanOffer] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    #: What the provider says that it has; None: the right number.
    total: int | None = None
    says_total: bool = True
    page_size: int = 200
    errors: dict[int, list[ProviderError]] = field(default_factory=dict)
    before_page: Callable[[int], None] = lambda _page: None
    asked: list[int] = field(default_factory=list)

    def put(self, offers: Iterable[PlanOffer]) -> None:
        self.offers = list(offers)


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
        assert (country, carrier, include_roaming) == ("", "", True)
        shelf = self.shelf
        total = len(shelf.offers) + len(shelf.faults) if shelf.total is None else shelf.total
        pages = max(1, -(-len(shelf.offers) // shelf.page_size))
        for page in range(first_page, pages + 1):
            shelf.asked.append(page)
            shelf.before_page(page)
            if shelf.errors.get(page):
                raise shelf.errors[page].pop(0)
            start = (page - 1) * shelf.page_size
            yield PlanPage(
                offers=tuple(shelf.offers[start : start + shelf.page_size]),
                faults=tuple(shelf.faults) if page == pages else (),
                page=page,
                total=total if shelf.says_total else None,
                total_pages=pages,
            )
