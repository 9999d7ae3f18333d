"""``Idempotency-Key`` for operations of the API that must not happen twice."""

import json
import re
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

import structlog
from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import OpenApiParameter
from rest_framework.exceptions import APIException
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response

from customers import idempotency
from customers.api_access import PersonalView, user_of
from customers.idempotency import Answer, Claim, answer_once, digest_request

HEADER = "Idempotency-Key"
_KEY = re.compile(r"[\x21-\x7e]{1,255}")
#: Put it into ``parameters`` of ``extend_schema``.
KEY_PARAMETER = OpenApiParameter(
    HEADER,
    {"type": "string", "pattern": "^[!-~]{1,255}$", "minLength": 1, "maxLength": 255},
    OpenApiParameter.HEADER,
    required=True,
    description="Made by the app for this one wish, e.g. a UUID; the same when the request is sent again.",
)
#: Refusals that say nothing about the work itself: the same key may be used again, for a mended request too.
_NOT_FINAL = frozenset({400, 401, 403, 404, 415, 422, 429})


class KeyMissing(APIException):
    status_code = HTTPStatus.BAD_REQUEST
    default_code = "key_missing"
    default_detail = _("Send the header Idempotency-Key with 1 to 255 visible ASCII characters.")


class KeyReused(APIException):
    status_code = HTTPStatus.CONFLICT
    default_code = "key_reused"
    default_detail = _("Make a new key for another request.")


class KeyInFlight(APIException):
    status_code = HTTPStatus.CONFLICT
    default_code = "key_in_flight"
    default_detail = _("Ask again in a moment, with the same key.")

    def __init__(self, wait: float) -> None:
        super().__init__()
        self.wait = wait


class IdempotentView(PersonalView):
    """``return self.once(request, work)`` in ``post``: ``work`` gets the claim and returns the response, or raises."""

    def once(self, request: Request, work: Callable[[Claim], Response]) -> Response:
        """The first answer again, where there is one; ``Idempotency-Replayed: true`` tells it."""
        key = request.headers.get(HEADER, "")
        if not _KEY.fullmatch(key):
            raise KeyMissing
        digest = digest_request(method=str(request.method), path=request.get_full_path(), data=request.data)
        first: list[Response] = []

        def do(claim: Claim) -> Answer:
            try:
                response = work(claim)
            except APIException as error:
                response = self.handle_exception(error)
            first.append(response)
            return _to_answer(response)

        try:
            answer = answer_once(user=user_of(request), key=key, digest=digest, work=do, is_final=_is_final)
        except idempotency.KeyReused:
            raise KeyReused from None
        except idempotency.KeyInFlight as error:
            raise KeyInFlight(error.wait) from None
        return first[0] if first and not answer.is_repeated else _to_response(answer)


def _is_final(answer: Answer) -> bool:
    return answer.status < HTTPStatus.INTERNAL_SERVER_ERROR and answer.status not in _NOT_FINAL


def _to_answer(response: Response) -> Answer:
    headers = dict(response.headers.items())
    if response.content_type:
        headers["Content-Type"] = response.content_type
    return Answer(response.status_code, JSONRenderer().render(response.data), headers)


def _to_response(answer: Answer) -> Response:
    data: Any = json.loads(answer.body) if answer.body else None
    if isinstance(data, dict) and "request_id" in data:
        # A problem names the request that it answers.
        data["request_id"] = structlog.contextvars.get_contextvars().get("request_id", "")
    headers = dict(answer.headers)
    content_type = headers.pop("Content-Type", None)
    return Response(data, answer.status, headers={**headers, "Idempotency-Replayed": "true"}, content_type=content_type)
