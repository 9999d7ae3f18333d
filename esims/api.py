"""Travellers' eSIMs in the app. Staff may look, suspend and release, each by the console's permission."""

from http import HTTPStatus
from typing import Any, ClassVar, TypeVar

from django.http import HttpResponse
from django.utils import timezone
from django.utils.translation import gettext as _
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework.exceptions import NotFound, PermissionDenied, Throttled
from rest_framework.renderers import BaseRenderer, JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response

from customers.api_access import PersonalView, StaffMay, customer_of, find_customer, staff_may, user_of
from customers.api_idempotency import KEY_PARAMETER, IdempotentView
from customers.idempotency import Claim
from esims.actions import ActionRefused
from esims.api_answers import tell_action, tell_activation, tell_guide, tell_line, tell_row
from esims.api_serializers import (
    ActionReasonSerializer,
    ActivationSerializer,
    EsimActionSerializer,
    EsimChangeSerializer,
    EsimDetailSerializer,
    EsimParameters,
    EsimSerializer,
    GuideParameters,
    GuideSerializer,
    RefreshAskedSerializer,
)
from esims.app_lines import LineWish, list_app_lines
from esims.asked_once import request_action_once
from esims.codes import record_qr_shown, record_reveal
from esims.install import Platform
from esims.models import Esim
from esims.naming import rename_line
from esims.page import find_line
from esims.qr import qr_png, qr_svg
from esims.refresh import FRESH_FOR, AskedJustNow, RefreshRefused, request_refresh
from providers.api import Refused, page_of, read_body, read_query
from providers.types import Capability

Answer = TypeVar("Answer", bound=HttpResponse)
SEE, REVEAL, READ, SUSPEND = "esims.view_esim", "esims.reveal_codes", "esims.refresh_esim", "esims.suspend_esim"
_REFUSED = OpenApiResponse(description="It cannot be asked for now; nothing was. Or the key: see `code`.")
_REPLAYED = OpenApiParameter(
    "Idempotency-Replayed",
    {"type": "string", "enum": ["true"]},
    OpenApiParameter.HEADER,
    response=[202],
    description="The first answer to this key is given again.",
)
_NO_CODE = OpenApiResponse(description="There is no code: it has not come yet, or a device fetches the eSIM by itself.")


class Esims(PersonalView):
    """The caller's eSIMs."""

    @extend_schema(
        operation_id="listEsims", parameters=[EsimParameters], responses=page_of(EsimSerializer), tags=["esims"]
    )
    def get(self, request: Request) -> Response:
        """eSIMs, the newest first."""
        wanted = read_query(request, EsimParameters)
        sees_all = wanted["scope"] == "all"
        if sees_all and not staff_may(request, SEE):
            raise PermissionDenied
        wish = LineWish(
            customer=None if sees_all else customer_of(request),
            states=wanted.get("state", ()),
            text=wanted.get("q", ""),
            install_within_days=wanted.get("install_within_days"),
        )
        page, lines = list_app_lines(wish, cursor=wanted.get("cursor", ""), limit=wanted["limit"])
        return Response(page.answer([tell_row(line, customer=sees_all) for line in lines]))


class OneEsim(PersonalView):
    """One eSIM."""

    @extend_schema(operation_id="readEsim", responses=EsimDetailSerializer, tags=["esims"])
    def get(self, request: Request, esim_id: int) -> Response:
        """One eSIM: its state, packages, use by day and in total, dates and deadlines, and what can be added."""
        return _answer(request, *_find(request, esim_id, SEE))

    @extend_schema(
        operation_id="changeEsim", request=EsimChangeSerializer, responses=EsimDetailSerializer, tags=["esims"]
    )
    def patch(self, request: Request, esim_id: int) -> Response:
        """Give one's own eSIM a name."""
        esim = _find_own(request, esim_id)
        given = read_body(request, EsimChangeSerializer)
        if "label" in given:
            rename_line(esim=esim, label=given["label"], by=user_of(request).email)
        return _answer(request, *_find(request, esim_id, SEE))


# -- codes ------------------------------------------------------------------------------------------------------------


class _ImageRenderer(BaseRenderer):
    """A picture is answered as it is; a problem has the form that problems have everywhere."""

    charset = None
    render_style = "binary"

    def render(self, data: Any, accepted_media_type: str | None = None, renderer_context: Any = None) -> bytes:
        rendered: bytes = JSONRenderer().render(data, accepted_media_type, renderer_context)
        return rendered


class PngRenderer(_ImageRenderer):
    media_type = "image/png"
    format = "png"


class SvgRenderer(_ImageRenderer):
    media_type = "image/svg+xml"
    format = "svg"


class QrPng(PersonalView):
    """The QR code of one eSIM."""

    throttle_scopes: ClassVar = {"GET": "refresh"}
    renderer_classes = (PngRenderer,)

    @extend_schema(
        operation_id="readEsimQrPng",
        responses={(200, "image/png"): OpenApiTypes.BINARY, (409, "application/problem+json"): _NO_CODE},
        tags=["esims"],
    )
    def get(self, request: Request, esim_id: int) -> HttpResponse:
        """The QR code as a PNG, black on white. Whoever sees it can install the eSIM."""
        return _keep_private(HttpResponse(qr_png(_find_qr(request, esim_id)), content_type="image/png"))


class QrSvg(PersonalView):
    """The QR code of one eSIM."""

    throttle_scopes: ClassVar = {"GET": "refresh"}
    renderer_classes = (SvgRenderer,)

    @extend_schema(
        operation_id="readEsimQrSvg",
        responses={(200, "image/svg+xml"): OpenApiTypes.BINARY, (409, "application/problem+json"): _NO_CODE},
        tags=["esims"],
    )
    def get(self, request: Request, esim_id: int) -> HttpResponse:
        """The QR code as an SVG, black on white. Whoever sees it can install the eSIM."""
        return _keep_private(HttpResponse(qr_svg(_find_qr(request, esim_id)), content_type="image/svg+xml"))


class Activation(PersonalView):
    """The codes of one eSIM."""

    @extend_schema(
        operation_id="readEsimActivation", responses={200: ActivationSerializer, 409: _NO_CODE}, tags=["esims"]
    )
    def get(self, request: Request, esim_id: int) -> Response:
        """Codes to install by hand, and links that install with one tap. What staff see is written down."""
        esim, is_own = _find_with_code(request, esim_id)
        if not is_own:
            record_reveal(esim=esim, by=user_of(request).email)
        return _keep_private(Response(tell_activation(esim)))


class Guide(PersonalView):
    """How one eSIM gets onto a phone."""

    @extend_schema(
        operation_id="readInstallGuide", parameters=[GuideParameters], responses=GuideSerializer, tags=["esims"]
    )
    def get(self, request: Request, esim_id: int) -> Response:
        """The install guide in the language asked for, step by step, without codes."""
        esim, _is_own = _find(request, esim_id, SEE)
        platform = read_query(request, GuideParameters).get("platform")
        return Response(tell_guide(esim, Platform(platform) if platform else None))


# -- what is asked of the provider ------------------------------------------------------------------------------------


class Refresh(PersonalView):
    """Reading one eSIM anew."""

    throttle_scopes: ClassVar = {"POST": "refresh"}

    @extend_schema(
        operation_id="refreshEsim",
        request=None,
        responses={
            202: RefreshAskedSerializer,
            409: OpenApiResponse(description="Its provider cannot be asked about it now, or ever."),
        },
        tags=["esims"],
    )
    def post(self, request: Request, esim_id: int) -> Response:
        """Have the eSIM read from its provider. It answers at once; the eSIM has the news a moment later."""
        esim, is_own = _find(request, esim_id, READ)
        try:
            request_refresh(esim=esim, by=user_of(request).email, at_most_every=FRESH_FOR)
        except AskedJustNow as error:
            raise Throttled(error.wait.total_seconds()) from None
        except RefreshRefused as error:
            text = _("How this eSIM is doing cannot be asked now. What is shown is the last that we were told.")
            raise Refused(text if is_own else error.message) from None
        answer = {"last_read_at": esim.refreshed_at, "ask_again_at": timezone.now() + FRESH_FOR}
        return Response(answer, HTTPStatus.ACCEPTED)


class _LineAction(IdempotentView):
    """Something that staff ask for a line."""

    permission_classes = (StaffMay(SUSPEND),)
    capability: ClassVar[Capability]

    def ask(self, request: Request, esim_id: int) -> Response:
        esim = find_line(esim_id)
        if esim is None:
            raise NotFound
        reason: str = read_body(request, ActionReasonSerializer)["reason"]

        def work(claim: Claim) -> Response:
            try:
                action = request_action_once(
                    esim=esim, capability=self.capability, reason=reason, by=user_of(request), claim=claim
                )
            except ActionRefused as error:
                raise Refused(error.message) from None
            return Response(tell_action(action), HTTPStatus.ACCEPTED)

        return self.once(request, work)


class Suspension(_LineAction):
    """A suspension."""

    capability = Capability.SUSPEND

    @extend_schema(
        operation_id="suspendEsim",
        parameters=[KEY_PARAMETER, _REPLAYED],
        request=ActionReasonSerializer,
        responses={202: EsimActionSerializer, 409: _REFUSED},
        tags=["esims"],
    )
    def post(self, request: Request, esim_id: int) -> Response:
        """Ask the provider to block the line's network access. The eSIM's `staff.last_action` tells when it shows."""
        return self.ask(request, esim_id)


class Release(_LineAction):
    """The end of a suspension."""

    capability = Capability.RELEASE

    @extend_schema(
        operation_id="releaseEsim",
        parameters=[KEY_PARAMETER, _REPLAYED],
        request=ActionReasonSerializer,
        responses={202: EsimActionSerializer, 409: _REFUSED},
        tags=["esims"],
    )
    def post(self, request: Request, esim_id: int) -> Response:
        """Ask the provider to lift a suspension. The eSIM's `staff.last_action` tells when it shows."""
        return self.ask(request, esim_id)


# -- whose ------------------------------------------------------------------------------------------------------------


def _find(request: Request, esim_id: int, permission: str) -> tuple[Esim, bool]:
    """A line that the caller may do this with, and whether it is their own. Raises ``NotFound``, and 403 for staff who
    may see it and no more.
    """
    user_of(request)
    customer = find_customer(request)
    esim = find_line(esim_id)
    is_own = esim is not None and customer is not None and esim.customer_id == customer.pk
    if esim is None or not (is_own or staff_may(request, SEE) or staff_may(request, permission)):
        raise NotFound
    if not (is_own or staff_may(request, permission)):
        raise PermissionDenied
    return esim, is_own


def _find_own(request: Request, esim_id: int) -> Esim:
    customer = customer_of(request)
    esim = find_line(esim_id)
    if esim is None or esim.customer_id != customer.pk:
        raise NotFound
    return esim


def _find_with_code(request: Request, esim_id: int) -> tuple[Esim, bool]:
    """A line whose codes the caller may see. Raises ``Refused`` where it has none."""
    esim, is_own = _find(request, esim_id, REVEAL)
    if not esim.lpa:
        made_for_one = _("This eSIM was made for one device, which fetches it by itself: it has no code.")
        raise Refused(made_for_one if esim.eid else _("The code of this eSIM has not come yet."))
    return esim, is_own


def _find_qr(request: Request, esim_id: int) -> str:
    """What the QR code holds; that staff see it is written down."""
    esim, is_own = _find_with_code(request, esim_id)
    if not is_own:
        record_qr_shown(esim=esim, by=user_of(request).email)
    return esim.lpa


def _answer(request: Request, esim: Esim, is_own: bool) -> Response:
    staff = user_of(request) if staff_may(request, SEE) else None
    return Response(tell_line(esim, is_own=is_own, staff=staff))


def _keep_private(response: Answer) -> Answer:
    """Nobody may keep what this shows."""
    response["Cache-Control"] = "no-store, private"
    return response
