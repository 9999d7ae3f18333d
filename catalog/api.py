"""The catalogue's part of the API: for everybody, signed in or not."""

import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from django.http import Http404, HttpResponse
from django.utils.cache import patch_cache_control, patch_vary_headers
from django.utils.http import parse_etags
from django.utils.translation import get_language
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.views import APIView

from catalog.api_answers import tell_destinations, tell_plan, tell_regions, tell_whole_plan
from catalog.api_serializers import (
    DestinationsSerializer,
    PlanDays,
    PlanDetailSerializer,
    PlanFilters,
    PlanPageSerializer,
    RegionsSerializer,
)
from catalog.areas import offered_areas
from catalog.kept import KeptAnswers, make_tag
from catalog.offers import OfferSort, list_offers, read_offer
from catalog.search import PlanFilter, destinations, offered_plans
from catalog.version import read_version
from providers.api import QueryParameters, read_query
from providers.types import DataPeriod

Method = TypeVar("Method", bound=Callable[..., HttpResponse])

ANSWERS = KeptAnswers()
_HEADERS = [
    OpenApiParameter(
        "If-None-Match", str, OpenApiParameter.HEADER, description="`ETag` of an earlier answer: 304 while it holds."
    ),
    OpenApiParameter("Accept-Language", str, OpenApiParameter.HEADER, description="`en` or `ja`: names of countries."),
    OpenApiParameter("ETag", str, OpenApiParameter.HEADER, response=[200, 304], description="Of this very answer."),
]
_UNCHANGED = OpenApiResponse(description="Nothing has changed since the answer with this tag.")


def _describe(operation_id: str, answer: Any, *parameters: Any) -> Callable[[Method], Method]:
    return extend_schema(
        operation_id=operation_id,
        parameters=[*parameters, *_HEADERS],
        responses={200: answer, 304: _UNCHANGED},
        tags=["catalogue"],
    )


class CatalogueView(APIView, ABC):
    """An answer that is the same for everybody who asks in one language, until the catalogue changes."""

    permission_classes = (AllowAny,)
    parameters: type[QueryParameters] = QueryParameters

    @abstractmethod
    def answer(self, wanted: Mapping[str, Any], **address: Any) -> Mapping[str, Any]:
        """What is answered to the validated parameters; ``Http404`` where there is nothing."""

    def respond(self, request: Request, **address: Any) -> HttpResponse:
        # Before anything is read of the catalogue: see read_version.
        version = read_version()
        tag = make_tag(version, get_language() or "", request.get_full_path()) if version else ""
        if tag and tag in parse_etags(request.headers.get("If-None-Match", "")):
            response = HttpResponse(status=304)
        else:
            response = HttpResponse(self._body(request, tag, address), content_type="application/json")
        if tag:
            response["ETag"] = tag
        # Kept by apps and proxies, and asked about each time: a price that has changed is never shown again.
        patch_cache_control(response, public=True, no_cache=True)
        # Who is signed in and asks for no language is answered in their own.
        patch_vary_headers(response, ("Accept-Language", "X-Session-Token"))
        return response

    def _body(self, request: Request, tag: str, address: Mapping[str, Any]) -> bytes:
        body = ANSWERS.find(tag) if tag else None
        if body is None:
            found = self.answer(read_query(request, self.parameters), **address)
            body = json.dumps(found, ensure_ascii=False, separators=(",", ":")).encode()
            if tag:
                ANSWERS.keep(tag, body)
        return body


class Destinations(CatalogueView):
    """Countries that plans are offered for."""

    @_describe("listDestinations", DestinationsSerializer)
    def get(self, request: Request) -> HttpResponse:
        return self.respond(request)

    def answer(self, wanted: Mapping[str, Any], **address: Any) -> Mapping[str, Any]:
        return tell_destinations(destinations(offered_plans()))


class Regions(CatalogueView):
    """Areas of several countries that plans are offered for."""

    @_describe("listRegions", RegionsSerializer)
    def get(self, request: Request) -> HttpResponse:
        return self.respond(request)

    def answer(self, wanted: Mapping[str, Any], **address: Any) -> Mapping[str, Any]:
        return tell_regions(offered_areas())


class Plans(CatalogueView):
    """Plans that can be bought now."""

    parameters = PlanFilters

    @_describe("listPlans", PlanPageSerializer, PlanFilters)
    def get(self, request: Request) -> HttpResponse:
        return self.respond(request)

    def answer(self, wanted: Mapping[str, Any], **address: Any) -> Mapping[str, Any]:
        page, offers = list_offers(
            PlanFilter(
                country=wanted.get("country", ""),
                region=wanted.get("region", ""),
                min_bytes=wanted.get("min_bytes"),
                data_period=DataPeriod(wanted["data_period"]) if "data_period" in wanted else None,
                unlimited=wanted.get("unlimited"),
                min_days=wanted.get("days"),
                max_days=wanted.get("max_days"),
                top_up=wanted.get("top_up"),
                max_price=wanted.get("max_price"),
                currency=wanted.get("currency", ""),
            ),
            sort=OfferSort(wanted["sort"]),
            cursor=wanted.get("cursor", ""),
            limit=wanted["limit"],
        )
        return page.answer([tell_plan(offer) for offer in offers])


class OnePlan(CatalogueView):
    """One plan that can be bought now, with its networks and rules."""

    parameters = PlanDays

    @_describe("readPlan", PlanDetailSerializer, PlanDays)
    def get(self, request: Request, plan_id: int) -> HttpResponse:
        return self.respond(request, plan_id=plan_id)

    def answer(self, wanted: Mapping[str, Any], **address: Any) -> Mapping[str, Any]:
        found = read_offer(address["plan_id"], days=wanted.get("days"))
        if found is None:
            raise Http404
        return tell_whole_plan(*found)
