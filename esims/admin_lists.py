"""Lists of the admin over tables of any size: counted no further than needed, and searched by the indexes."""

from functools import cached_property
from typing import TYPE_CHECKING, Any, cast

from django.contrib import admin
from django.core.paginator import Paginator
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from esims.models import Package
from esims.search import count_up_to, find_lines

if TYPE_CHECKING:
    RowPaginator = Paginator[Any]
    RowModelAdmin = admin.ModelAdmin[Any]
else:
    RowPaginator = Paginator
    RowModelAdmin = admin.ModelAdmin

#: A list of the admin has no more rows than these; what lies beyond is found by searching.
MOST_ROWS = 10_000


class CappedPaginator(RowPaginator):
    """Counts no further than ``MOST_ROWS``: the whole of a large table would be counted for each page of it."""

    @cached_property
    def count(self) -> int:
        return self._counted[0]

    @property
    def there_are_more(self) -> bool:
        return self._counted[1]

    @cached_property
    def _counted(self) -> tuple[int, bool]:
        return count_up_to(cast("QuerySet[Any]", self.object_list), MOST_ROWS)


class LongList(RowModelAdmin):
    """For the admin of a table that grows with the lines."""

    paginator = CappedPaginator
    show_full_result_count = False


class FoundByLine(LongList):
    """A list whose rows belong to lines and are searched as lines are."""

    search_fields = ("esim__iccid",)
    search_help_text = _("ICCID or its last digits, customer, plan")

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        words = search_term.strip()
        return self.find_rows(queryset, words) if words else queryset, False

    def find_rows(self, rows: QuerySet[Any], words: str) -> QuerySet[Any]:
        """To be overridden where rows have names of their own."""
        return rows.filter(esim__in=find_lines(words).order_by().values("pk"))


class PackagesFound(FoundByLine):
    """Packages have references of their own, which are searched whole."""

    def find_rows(self, rows: QuerySet[Package], words: str) -> QuerySet[Package]:
        of_order = Q(order_ref=words) & ~Q(order_ref="")
        named = rows.filter(of_order | (Q(package_ref=words) & ~Q(package_ref="")))
        return named if named.exists() else super().find_rows(rows, words)
