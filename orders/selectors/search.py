"""Search everywhere: what a typed text may mean, looked for kind by kind, the exact hits first.

Each kind is a few queries that the indexes answer, whatever the length of the books; only the catalogue, which does not
grow with sales, is read through. Nobody finds what they may not open.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from django.utils.functional import Promise

from customers.models import User
from orders.selectors.search_kinds import KINDS, Hit, Looker
from orders.selectors.search_words import Typed
from providers.models import ProviderAccount


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    kind: str
    label: Promise
    hits: Sequence[Hit]
    #: More were found than are shown.
    has_more: bool

    @property
    def has_exact(self) -> bool:
        return any(hit.is_exact for hit in self.hits)


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    groups: Sequence[Group] = field(default_factory=tuple)

    @property
    def count(self) -> int:
        return sum(len(group.hits) for group in self.groups)

    @property
    def only_exact(self) -> Hit | None:
        """Where there is exactly one thing that is called just that."""
        exact = {hit.url: hit for group in self.groups for hit in group.hits if hit.is_exact}
        return next(iter(exact.values())) if len(exact) == 1 else None


def search_everything(typed: Typed, *, user: User, limit: int) -> Found:
    """At most ``limit`` hits of each kind that ``user`` may see; kinds with exact hits come first."""
    if typed.is_empty:
        return Found()
    # Indexes of what providers named begin with the account; there are a handful.
    accounts = list(ProviderAccount.objects.values_list("pk", flat=True))
    looker = Looker(user=user, accounts=accounts, limit=limit + 1)
    groups = []
    for kind in KINDS:
        if not user.has_perm(kind.permission):
            continue
        by_url: dict[str, Hit] = {}
        for hit in kind.find(typed, looker):
            by_url.setdefault(hit.url, hit)
        hits = sorted(by_url.values(), key=lambda hit: not hit.is_exact)
        if hits:
            groups.append(Group(kind=kind.name, label=kind.label, hits=hits[:limit], has_more=len(hits) > limit))
    return Found(groups=sorted(groups, key=lambda group: not group.has_exact))
