"""The project's addresses, and the API's floors: views behind the same sign-in, throttle and cache policy as ours.

They answer the same bytes as ours from ``.values()`` and ``JsonResponse``, and know nothing of parameters, versions or
cursors: where ours writes one, the caller tells the floor which.
"""

from collections import defaultdict
from typing import Any

from django.http import JsonResponse
from django.urls import path
from django.utils.cache import patch_cache_control, patch_vary_headers
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.views import APIView

from catalog.api_answers import tell_plan
from catalog.models import PlanCoverage
from catalog.offers import LISTED, Offer
from catalog.search import offered_plans
from catalog.terms import with_equal_terms
from config.urls import handler400, handler403, handler404, handler429, handler500
from config.urls import urlpatterns as ours

_TERMS = ("term_days", "term_bytes", "asked_price", "per_day", "per_gb")
_AS_OURS = {"ensure_ascii": False, "separators": (",", ":")}


class Public(APIView):
    """What the catalogue's views have around them."""

    permission_classes = (AllowAny,)

    def finalize_response(self, request: Request, response: Any, *args: Any, **kwargs: Any) -> Any:
        patch_cache_control(response, public=True, no_cache=True)
        patch_vary_headers(response, ("Accept-Language", "X-Session-Token"))
        return super().finalize_response(request, response, *args, **kwargs)


class Nothing(Public):
    """No query, no content."""

    schema = None

    def get(self, _request: Request) -> JsonResponse:
        return JsonResponse({})


class PlansFromValues(Public):
    """The first page of the plans, in the order that ours has by itself."""

    schema = None

    def get(self, request: Request) -> JsonResponse:
        limit = int(request.query_params["limit"])
        plans = with_equal_terms(offered_plans()).order_by("currency", "retail_price", "pk")
        rows = list(plans.values(*LISTED, *_TERMS)[: limit + 1])[:limit]
        countries = defaultdict(list)
        coverage = PlanCoverage.objects.filter(plan__in=[row["pk"] for row in rows]).order_by("plan_id", "country")
        for pk, country in coverage.values_list("plan_id", "country"):
            countries[pk].append(country)
        answer = {
            "results": [tell_plan(Offer(row, countries[row["pk"]])) for row in rows],
            "next": request.query_params["next"],
            "previous": None,
        }
        return JsonResponse(answer, json_dumps_params=_AS_OURS)


urlpatterns = [path("floor/nothing", Nothing.as_view()), path("floor/plans", PlansFromValues.as_view()), *ours]
__all__ = ["handler400", "handler403", "handler404", "handler429", "handler500", "urlpatterns"]
