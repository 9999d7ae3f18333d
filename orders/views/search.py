"""Search everywhere, as a page and as the list below the palette's field."""

from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_safe

from customers.access import is_partial, staff_page
from orders.selectors.search import search_everything
from orders.selectors.search_words import LONGEST, read_typed
from orders.views.requests import person

#: Of each kind.
ON_THE_PAGE = 20
IN_THE_PALETTE = 5


@require_safe
def search(request: HttpRequest) -> HttpResponseBase:
    """What is typed may be personal: it goes into no other page's address, not even into the sign-in page's."""
    if not request.user.is_authenticated and not is_partial(request):
        return redirect_to_login(reverse("search"))
    return _search(request)


@staff_page()
def _search(request: HttpRequest) -> HttpResponse:
    typed = read_typed(request.GET.get("q", ""))
    if is_partial(request):
        found = search_everything(typed, user=person(request), limit=IN_THE_PALETTE)
        response = render(request, "search/_palette.html", {"typed": typed, "found": found})
    else:
        found = search_everything(typed, user=person(request), limit=ON_THE_PAGE)
        if found.only_exact is not None:
            response = redirect(found.only_exact.url)
        else:
            context = {"typed": typed, "found": found, "longest": LONGEST}
            response = render(request, "search/page.html", context)
    response["Cache-Control"] = "no-store, private"
    # Pages that are opened from here are not told what was looked for.
    response["Referrer-Policy"] = "strict-origin"
    return response
