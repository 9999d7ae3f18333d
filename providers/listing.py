"""What all listings of plans share: one bad plan costs only itself, one that comes twice counts once."""

from collections.abc import Callable, Iterable
from typing import Any

from providers.reading import UnreadableError
from providers.types import Fault, PlanOffer


def map_each(
    items: Iterable[Any],
    map_item: Callable[[Any, list[Fault]], PlanOffer],
    *,
    where: str,
    faults: list[Fault],
    seen: set[str],
    find_ref: Callable[[Any], str] = lambda _item: "",
) -> list[PlanOffer]:
    """The offers of a page that are not in ``seen`` yet, which grows by them; what is wrong goes to ``faults``.

    ``map_item`` may raise ``UnreadableError`` and tells of single fields in the list that it is given; ``find_ref``
    names an item all the same. ``where`` is the list's place, as in "page 2 items".
    """
    offers = []
    for index, item in enumerate(items):
        place = f"{where}[{index}]"
        found: list[Fault] = []
        try:
            offer = map_item(item, found)
        except UnreadableError as error:
            faults.append(Fault(where=place, message=str(error), ref=find_ref(item)))
            continue
        if offer.plan_ref in seen:
            faults.append(Fault(where=place, message="comes twice", ref=offer.plan_ref))
            continue
        seen.add(offer.plan_ref)
        offers.append(offer)
        faults += [Fault(where=f"{place}.{fault.where}", message=fault.message, ref=offer.plan_ref) for fault in found]
    return offers
