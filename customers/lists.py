"""Long lists, each described once: its columns, orders, filters, files and bulk actions. Pages read the description.

The address holds everything that a person chose: filters, ``sort`` and ``col``. A saved view is such an address.
"""

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from django.db.models import Q, QuerySet
from django.http import HttpRequest, QueryDict
from django.urls import reverse
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from customers.keyset import KeysetPage, keyset_page
from customers.models import SavedView, User

PAGE_SIZE = 50
#: Words of an address that say where in the list one is, not what it shows.
_PLACE = ("after", "before", "page", "view", "all")


class BulkRefused(Exception):
    """Nothing was done with this row; ``message`` says why, in the reader's language."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One column. ``value`` gives what a file says of a prepared row: plain values, instants as such."""

    name: str
    label: str | Promise
    value: Callable[[Any], object]
    #: Who lacks it neither sees the column nor gets it in a file.
    permission: str = ""
    #: Shown unless somebody chooses otherwise.
    is_usual: bool = True
    #: Only for files; its rows are told to ``ListPage.note_secrets``.
    is_secret: bool = False
    #: Only for files, beside the column of this name: the currency of an amount.
    beside: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sort:
    """An order that an index carries: by ``key``, a column that is never null, and the primary key."""

    name: str
    label: str | Promise
    key: str
    descending: bool = True
    is_text: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """Who wants something done with many rows, why, and since when."""

    by: User
    reason: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class BulkAction:
    """What may be done with many rows at once. ``run`` is the verb that a single row's button calls.

    ``why_not`` goes by what is stored ("" where it may be done); ``run`` looks again and raises ``BulkRefused``.
    """

    name: str
    label: str | Promise
    permission: str
    consequences: Sequence[str | Promise]
    why_not: Callable[[Any], str]
    run: Callable[[Any, Asked], None]
    danger: bool = False


def _as_they_are(rows: Sequence[Any]) -> Sequence[Any]:
    return rows


@dataclass(frozen=True, slots=True, kw_only=True)
class ListPage:
    name: str
    label: str | Promise
    url_name: str
    permission: str
    columns: Sequence[Column]
    #: The first is the usual one.
    sorts: Sequence[Sort]
    #: The rows that an address asks for, with what a row shows, in no order.
    narrow: Callable[[QueryDict], QuerySet[Any]]
    #: What the columns' values are read from; a number of queries that does not grow with the rows.
    prepare: Callable[[Sequence[Any]], Sequence[Any]] = _as_they_are
    #: Rows of these keys for bulk actions, and what one is called.
    load: Callable[[Sequence[int]], QuerySet[Any]] | None = None
    title: Callable[[Any], str] = str
    bulk: Sequence[BulkAction] = ()
    #: The same rows with their secrets loaded, and the word on their timelines that somebody took them.
    with_secrets: Callable[[QuerySet[Any]], QuerySet[Any]] | None = None
    note_secrets: Callable[[Sequence[Any], str], None] | None = None

    def sort_of(self, words: QueryDict) -> Sort:
        return next((sort for sort in self.sorts if sort.name == words.get("sort")), self.sorts[0])

    def columns_of(self, words: QueryDict, user: User) -> list[Column]:
        """The columns that the address chooses, of those that the person may see; the usual ones where none is."""
        chosen = set(words.getlist("col"))
        allowed = [
            one for one in self.columns if not one.beside and (not one.permission or user.has_perm(one.permission))
        ]
        if not any(one.name in chosen for one in allowed):
            return [one for one in allowed if one.is_usual and not one.is_secret]
        # The first leads to the row: it is always there.
        return [one for one in allowed if one.name in chosen or one is self.columns[0]]

    def file_columns_of(self, words: QueryDict, user: User, *, secrets: Collection[str]) -> list[Column]:
        """What a file of this address holds, in the list's order; ``secrets`` are chosen for each file anew."""
        shown = {column.name for column in self.columns_of(words, user) if not column.is_secret}
        return [
            one
            for one in self.columns
            if (not one.permission or user.has_perm(one.permission))
            and (one.name in secrets if one.is_secret else (one.beside or one.name) in shown)
        ]

    def find_action(self, name: str, user: User) -> BulkAction | None:
        return next((one for one in self.bulk if one.name == name and user.has_perm(one.permission)), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class ListState:
    """A list as one person looks at it now."""

    page: ListPage
    words: QueryDict
    user: User
    sort: Sort
    shown: frozenset[str]
    views: Sequence[SavedView] = field(default_factory=list)

    @property
    def query(self) -> str:
        """The address without the place in the list."""
        return keep_words(self.words).urlencode()

    @property
    def view(self) -> SavedView | None:
        return next((view for view in self.views if str(view.pk) == self.words.get("view")), None)

    @property
    def first_address(self) -> str:
        """Where the list opens for this person instead; "" where it does here."""
        view = next((one for one in self.views if one.is_default and one.owner_id == self.user.pk), None)
        return "" if self.words or view is None else self.address_of(view)

    @property
    def tabs(self) -> list[tuple[SavedView, str, bool]]:
        return [(view, self.address_of(view), view == self.view) for view in self.views]

    def address_of(self, view: SavedView) -> str:
        return f"{reverse(self.page.url_name)}?{view.query}{'&' if view.query else ''}view={view.pk}"

    @property
    def sorts(self) -> list[tuple[Sort, str, bool]]:
        """Every order with its address and whether it is this one."""
        rest = [(name, value) for name, value in pairs_of(keep_words(self.words)) if name != "sort"]
        return [(sort, f"?{urlencode([*rest, ('sort', sort.name)])}", sort is self.sort) for sort in self.page.sorts]

    @property
    def choices(self) -> list[tuple[Column, bool]]:
        """The columns that may be shown beside the first, and which are."""
        return [
            (column, column.name in self.shown)
            for column in self.page.columns[1:]
            if not (column.is_secret or column.beside)
            and (not column.permission or self.user.has_perm(column.permission))
        ]

    @property
    def first_column(self) -> str:
        return self.page.columns[0].name

    @property
    def secrets(self) -> list[Column]:
        """What only files hold, for those who may have it."""
        return [one for one in self.page.columns if one.is_secret and self.user.has_perm(one.permission)]

    @property
    def kept(self) -> list[tuple[str, str]]:
        """What the filters' form must keep."""
        return [(name, value) for name, value in pairs_of(self.words) if name in ("sort", "col")]

    @property
    def kept_query(self) -> str:
        """The same behind a link's own words."""
        return f"&{urlencode(self.kept)}" if self.kept else ""

    @property
    def filters(self) -> list[tuple[str, str]]:
        """What the columns' form must keep."""
        return [(name, value) for name, value in pairs_of(keep_words(self.words)) if name != "col"]

    @property
    def actions(self) -> list[BulkAction]:
        return [action for action in self.page.bulk if self.user.has_perm(action.permission)]

    @property
    def may_export(self) -> bool:
        return self.user.has_perm(EXPORT)

    @property
    def may_delete(self) -> bool:
        """The view that is open: one's own, or a shared one for those who share."""
        view = self.view
        return view is not None and (view.owner_id == self.user.pk or (view.is_shared and self.may_share))

    @property
    def may_share(self) -> bool:
        return self.user.has_perm(SHARE)

    def read_page(self, rows: QuerySet[Any], *, size: int = PAGE_SIZE) -> KeysetPage[Any]:
        return keyset_page(
            rows,
            after=self.words.get("after", ""),
            before=self.words.get("before", ""),
            size=size,
            key=self.sort.key,
            descending=self.sort.descending,
            is_text=self.sort.is_text,
        )


EXPORT = "orders.export_list"
SHARE = "customers.share_view"
NEWEST, OLDEST = _("the newest first"), _("the oldest first")


def by_time(key: str = "created_at") -> tuple[Sort, Sort]:
    """The two orders that every list has; one index carries both."""
    return (
        Sort(name="newest", label=NEWEST, key=key),
        Sort(name="oldest", label=OLDEST, key=key, descending=False),
    )


def read_list(page: ListPage, request: HttpRequest) -> ListState:
    """What the address and the person's saved views say; one query."""
    user = request.user
    if not isinstance(user, User):
        raise TypeError("this view needs staff_page")
    seen = SavedView.objects.filter(Q(owner=user) | Q(is_shared=True), page=page.name).select_related("owner")
    return ListState(
        page=page,
        words=request.GET,
        user=user,
        sort=page.sort_of(request.GET),
        shown=frozenset(column.name for column in page.columns_of(request.GET, user)),
        views=list(seen),
    )


def keep_words(words: QueryDict) -> QueryDict:
    """The words without those that say where in the list one is, and without empty ones."""
    kept = QueryDict(mutable=True)
    for name, value in pairs_of(words):
        if value and name not in _PLACE:
            kept.appendlist(name, value)
    return kept


def pairs_of(words: QueryDict) -> list[tuple[str, str]]:
    return [(name, str(value)) for name, values in words.lists() for value in values]


def walk(rows: QuerySet[Any], sort: Sort, *, size: int) -> Iterator[list[Any]]:
    """All rows in batches by key: the last costs what the first does."""
    after = ""
    while True:
        batch = keyset_page(
            rows, after=after, size=size, key=sort.key, descending=sort.descending, is_text=sort.is_text
        )
        found = list(batch.rows)
        if found:
            yield found
        if len(found) < size or not batch.after:
            return
        after = batch.after
