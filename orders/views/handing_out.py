"""The codes of an order's eSIMs: to print, to download, to copy. Asked for by a POST, and written down."""

from typing import TypeVar

from django.http import Http404, HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_http_methods, require_POST

from customers.access import staff_page
from orders.handing_out import FORMS, hand_out_codes, show_codes
from orders.models import Order
from orders.selectors.order_page import count_codes
from orders.views.requests import person

Response = TypeVar("Response", bound=HttpResponseBase)


@require_http_methods(["GET", "HEAD", "POST"])
@staff_page("esims.reveal_codes")
def order_codes(request: HttpRequest, pk: int) -> HttpResponse:
    """What there is to hand out; a POST shows the codes in clear, to copy all of them."""
    order = _find_order(pk)
    text = show_codes(order=order, by=person(request)) if request.method == "POST" else ""
    context = {"order": order, "counted": count_codes(order), "text": text, "rows": min(20, text.count("\n") + 1)}
    return _keep_private(render(request, "orders/codes.html", context))


@require_POST
@staff_page("esims.reveal_codes")
def order_codes_file(request: HttpRequest, pk: int, form: str) -> HttpResponseBase:
    """All codes as a file."""
    if form not in FORMS:
        raise Http404
    file = hand_out_codes(order=_find_order(pk), form=form, by=person(request))
    response = StreamingHttpResponse(file.parts, content_type=file.content_type)
    response["Content-Disposition"] = f'attachment; filename="{file.name}"'
    return _keep_private(response)


def _find_order(pk: int) -> Order:
    return get_object_or_404(Order.objects.select_related("customer"), pk=pk)


def _keep_private(response: Response) -> Response:
    response["Cache-Control"] = "no-store, private"
    response["X-Content-Type-Options"] = "nosniff"
    return response
