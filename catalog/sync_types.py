"""What passes between the parts of a sync."""

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from catalog.models import PlanChange
from catalog.sync_rows import PlanRow


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanWrite:
    """One plan to be written, with its price and its line of history. ``pk`` None: it is new."""

    row: PlanRow
    pk: int | None
    own_price: Decimal | None
    retail_price: Decimal | None
    price_source: str
    coverage_moved: bool
    kind: str = PlanChange.Kind.ADDED
    changes: dict[str, list[Any]] = field(default_factory=dict)
