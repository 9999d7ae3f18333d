"""The console's guard, under the roof where people and permissions live (see ``providers/access.py``)."""

from providers.access import (
    MissingPermission,
    NothingHere,
    NotStaff,
    StaffPageMixin,
    is_partial,
    refuse_entry,
    staff_page,
)

__all__ = [
    "MissingPermission",
    "NotStaff",
    "NothingHere",
    "StaffPageMixin",
    "is_partial",
    "refuse_entry",
    "staff_page",
]
