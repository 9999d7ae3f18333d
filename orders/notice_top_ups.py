"""What is said of top-ups in notifications: whether data can be added to a line, by what rules, and some examples."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from functools import cached_property
from typing import Any

from django.db.models import F, Window
from django.db.models.functions import RowNumber

from catalog.search import sellable_plans
from esims.install import top_up_rules
from esims.models import Esim
from orders.replaced import find_replaced
from orders.topups import why_taken_by_no_provider

#: Name, price, currency.
Example = tuple[str, Decimal, str]
#: Examples of what can be added, the cheapest first.
_EXAMPLES = 3


class TopUpHints:
    """Of the lines of a batch (fetched with account and plan): what is read is read for all of them at once, by two
    queries, as soon as one of them asks.
    """

    def __init__(self, lines: Iterable[Esim]) -> None:
        self._lines = list(lines)

    def describe(self, line: Esim) -> dict[str, Any]:
        """The words' facts, in the language of the caller."""
        if line.plan.top_up_supported is False or why_taken_by_no_provider(line) or line.pk in self._replaced:
            return {"can_top_up": False}
        examples = self._examples.get((line.account_id, line.plan.top_up_profile), ())
        return {"can_top_up": True, "rules": top_up_rules(line), "offers": examples}

    @cached_property
    def _replaced(self) -> frozenset[int]:
        return find_replaced(line.pk for line in self._lines)

    @cached_property
    def _examples(self) -> Mapping[tuple[int, str], Sequence[Example]]:
        """Only of groups of top-ups that are known; of other lines the provider is asked when it is sold."""
        groups = {line.plan.top_up_profile for line in self._lines} - {""}
        found: dict[tuple[int, str], list[Example]] = defaultdict(list)
        if not groups:
            return found
        plans = sellable_plans().filter(
            account_id__in={line.account_id for line in self._lines},
            top_up_profile__in=groups,
            days_choice_max=None,
        )
        place = Window(
            RowNumber(),
            partition_by=[F("account_id"), F("top_up_profile")],
            order_by=[F("retail_price").asc(), F("pk").asc()],
        )
        rows = plans.order_by().annotate(place=place).filter(place__lte=_EXAMPLES).order_by("place")
        fields = rows.values_list("account_id", "top_up_profile", "name", "retail_price", "currency")
        for account, group, name, price, currency in fields:
            if price is not None:
                found[account, group].append((name, price, currency))
        return found
