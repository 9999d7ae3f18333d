"""Asking ``package/list``: everything at once, one package, or the top-ups of a line."""

from collections.abc import Mapping
from functools import partial

from providers.errors import Rejected
from providers.esim_access.envelope import Envelope
from providers.esim_access.gateway import Gateway
from providers.esim_access.plans import find_plan_ref, map_page
from providers.esim_access.queries import read_line
from providers.reading import UnreadableError
from providers.types import PlanOffer, PlanPage, Priority, ProviderReply

_AREAS = ("RG", "GL")
_TOP_UP = "TOPUP_"
#: "The packageCode does not exist", "The package does not exist".
_NO_PACKAGE = frozenset({"310241", "310243"})


def list_packages(gateway: Gateway, *, country: str, region: str) -> PlanPage:
    """The catalogue, of one country or area if asked for; it comes in one piece.

    Only one filter exists: a country goes before a region. "RG" and "GL" are all regional and all global plans; the
    code of a single area is sent as it is, which the document does not promise to be heeded.
    """
    place = country or (f"!{region.removeprefix('!')}" if region.removeprefix("!").upper() in _AREAS else region)
    return _ask(gateway, {"type": "BASE", "locationCode": place}, priority=Priority.BACKGROUND)


def read_package(gateway: Gateway, plan_ref: str) -> PlanOffer:
    """One package by its code or its slug. Raises ``Rejected`` where there is none.

    The document ties ``packageCode`` and ``slug`` to top-ups only: a provider that does not heed them for base packages
    sends the whole list, and the package is looked for in that. The likelier name is asked by first.
    """
    kind = "TOPUP" if plan_ref.startswith(_TOP_UP) else "BASE"
    names = ["slug", "packageCode"] if "_" in plan_ref and kind == "BASE" else ["packageCode", "slug"]
    for name in names:
        page = _ask(gateway, {"type": kind, name: plan_ref}, priority=Priority.PEOPLE, wanted=plan_ref)
        for offer in page.offers:
            if plan_ref in (offer.plan_ref, offer.alias):
                return offer
    raise Rejected(
        "The provider knows no package of this code",
        code="no_such_plan",
        operation="packages",
        account=gateway.account,
        field="plan_ref",
    )


def list_top_ups(gateway: Gateway, *, provider_ref: str, iccid: str, plan_ref: str) -> tuple[PlanOffer, ...]:
    """The top-ups that fit to a line, by the package that it was sold with.

    Not by its ICCID: that may be another line's today, whose top-ups would not fit. Where the package is not known
    here the line is asked for it, and only where that does not tell either does the ICCID decide.
    """
    query: Mapping[str, str] = {"packageCode": plan_ref}
    if not plan_ref:
        line = read_line(gateway, provider_ref, priority=Priority.PEOPLE)
        base = next((package.plan_ref for package in line.packages if package.plan_ref), "")
        query = {"packageCode": base} if base else {"iccid": line.iccid or iccid}
    page = _ask(gateway, {"type": "TOPUP", **query}, priority=Priority.PEOPLE, wanted="")
    return page.offers


def _ask(gateway: Gateway, filters: Mapping[str, str], *, priority: Priority, wanted: str | None = None) -> PlanPage:
    """One listing. ``wanted`` is None for the catalogue; a question about one package may be answered by "none"."""
    # The document's sample sends every filter, empty where it is not used.
    body = {"locationCode": "", "type": "", "slug": "", "packageCode": "", "iccid": "", **filters}
    return gateway.read(
        "packages",
        body,
        parse=partial(_parse, account=gateway.account, wanted=wanted),
        priority=priority,
        accepted=_NO_PACKAGE if wanted else frozenset(),
        read_timeout=gateway.config.packages_timeout,
    )


def _parse(envelope: Envelope, _reply: ProviderReply, *, account: str, wanted: str | None) -> PlanPage:
    items = envelope.find_list("packageList") if envelope.is_success else []
    if wanted:
        # Thousands of others may have come with it.
        items = [item for item in items if wanted in _find_names(item)]
    page = map_page(items, account=account)
    if items and not page.offers:
        raise UnreadableError("none of its packages can be read")
    return page


def _find_names(item: object) -> tuple[str, str]:
    slug = item.get("slug") if isinstance(item, dict) else None
    return find_plan_ref(item), slug.strip() if isinstance(slug, str) else ""
