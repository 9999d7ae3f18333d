"""The project's addresses, and the API's floors: views behind the same sign-in, throttle and cache policy as ours.

They answer the same bytes as ours from ``.values()`` and ``JsonResponse``, and know nothing of parameters, versions or
cursors: where ours writes one, the caller tells the floor which.
"""

import json
import os
from collections import defaultdict
from functools import lru_cache
from pathlib import Path
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
from customers.api_access import IsCustomer, PersonalView, customer_of
from esims.models import Esim, Package

_TERMS = ("term_days", "term_bytes", "asked_price", "per_day", "per_gb")
_LINE = (
    *("pk", "iccid", "state", "is_restricted", "home_country", "roaming_countries", "activation_deadline"),
    *("downloaded_at", "installed_at", "activated_on", "expires_on", "terminated_on", "activated_at", "expires_at"),
    *("total_used_bytes", "total_data_bytes", "state_as_of", "usage_as_of", "refreshed_at", "created_at"),
    *("plan_id", "plan__name"),
)
_PACKAGE = (
    *("pk", "esim_id", "kind", "name", "data_bytes", "data_period", "data_unlimited", "used_bytes", "status"),
    *("starts_at", "ends_at", "activate_by", "is_projected"),
)
#: Names the file with what our list of lines answered; written before the floor is asked.
ESIMS_ANSWER = "BENCH_ESIMS_ANSWER"
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


class EsimsFromValues(PersonalView):
    """The caller's newest lines with their packages. What it answers is ours of before: assembling it costs nothing."""

    schema = None
    permission_classes = (IsCustomer,)

    def get(self, request: Request) -> JsonResponse:
        limit = int(request.query_params["limit"])
        lines = Esim.objects.filter(customer=customer_of(request)).order_by("-created_at", "-pk")
        rows = list(lines.values(*_LINE)[: limit + 1])[:limit]
        list(Package.objects.filter(esim__in=[row["pk"] for row in rows]).order_by("esim_id", "pk").values(*_PACKAGE))
        return JsonResponse(_answer_of_ours(), json_dumps_params=_AS_OURS)


@lru_cache(maxsize=1)
def _answer_of_ours() -> Any:
    return json.loads(Path(os.environ[ESIMS_ANSWER]).read_bytes())


urlpatterns = [
    path("floor/nothing", Nothing.as_view()),
    path("floor/plans", PlansFromValues.as_view()),
    path("floor/esims", EsimsFromValues.as_view()),
    *ours,
]
__all__ = ["handler400", "handler403", "handler404", "handler429", "handler500", "urlpatterns"]
