"""The pages about customers and about one's own settings. A customer's page shows orders: it lives in ``orders``."""

from urllib.parse import urlencode

from django.contrib import messages
from django.contrib.auth import logout
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import check_for_language, ngettext
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe
from django.views.i18n import set_language

from customers.access import staff_page
from customers.customer_list import CUSTOMERS
from customers.customers import CustomerExists, change_personal_settings, create_customer, update_customer
from customers.devices import end_other_sessions, end_session, end_sessions
from customers.forms import CustomerForm, PersonalSettingsForm
from customers.lists import read_list
from customers.models import Customer, User
from customers.search import find_customers
from customers.staff_list import look_at_sessions


@require_safe
@staff_page("customers.view_customer")
def customer_list(request: HttpRequest) -> HttpResponse:
    text = request.GET.get("q", "").strip()
    state = read_list(CUSTOMERS, request)
    if state.first_address:
        return redirect(state.first_address)
    page = state.read_page(find_customers(text))
    return render(request, "customers/list.html", {"list": state, "page": page, "text": text})


@staff_page("customers.add_customer")
def customer_new(request: HttpRequest) -> HttpResponse:
    """``?next=`` (an address of ours) gets the new customer's number back as ``customer``."""
    form = CustomerForm(request.POST or None, initial={"name": request.GET.get("name", "")})
    next_url = _next(request)
    existing = None
    if request.method == "POST" and form.is_valid():
        try:
            customer = create_customer(**form.cleaned_data, by=_person(request))
        except CustomerExists as error:
            existing = error.existing
            form.add_error("email", str(error))
        except ValidationError as error:
            form.add_error(None, error)
        else:
            messages.success(request, _("%(name)s is now a customer.") % {"name": customer.name})
            return _after_writing(customer, next_url)
    context = {"form": form, "existing": existing, "next": next_url}
    return render(request, "customers/form.html", context)


@staff_page("customers.change_customer")
def customer_edit(request: HttpRequest, pk: int) -> HttpResponse:
    customer = get_object_or_404(Customer, pk=pk)
    form = CustomerForm(request.POST or None, initial=CustomerForm.values_of(customer))
    existing = None
    if request.method == "POST" and form.is_valid():
        try:
            customer = update_customer(customer=customer, by=_person(request), **form.cleaned_data)
        except CustomerExists as error:
            existing = error.existing
            form.add_error("email", str(error))
        except ValidationError as error:
            form.add_error(None, error)
        else:
            messages.success(request, _("%(name)s was saved.") % {"name": customer.name})
            return _after_writing(customer, "")
    context = {"form": form, "existing": existing, "customer": customer}
    return render(request, "customers/form.html", context)


def _after_writing(customer: Customer, next_url: str) -> HttpResponse:
    if not next_url:
        return redirect("customer-detail", customer.pk)
    glue = "&" if "?" in next_url else "?"
    return HttpResponseRedirect(f"{next_url}{glue}{urlencode({'customer': customer.pk})}")


def _next(request: HttpRequest) -> str:
    address = request.POST.get("next", request.GET.get("next", ""))
    safe = url_has_allowed_host_and_scheme(address, {request.get_host()}, require_https=request.is_secure())
    return address if safe else ""


@staff_page()
def me(request: HttpRequest) -> HttpResponse:
    """One's own language and time zone."""
    user = _person(request)
    form = PersonalSettingsForm(request.POST or None, initial=PersonalSettingsForm.values_of(user))
    if request.method == "POST" and form.is_valid():
        change_personal_settings(user=user, **form.cleaned_data)
        messages.success(request, _("Your settings were saved."))
        return redirect("me")
    return render(request, "customers/me.html", {"form": form})


@require_http_methods(["GET", "HEAD", "POST"])
@staff_page()
def my_sessions(request: HttpRequest) -> HttpResponse:
    """Where I am signed in; a POST ends one (``end``), all but this one ("others") or all ("all")."""
    user, here = _person(request), request.session.session_key or ""
    if request.method == "POST":
        asked = request.POST.get("end", "")
        if asked == "all":
            end_sessions(user=user, session_key=here)
            logout(request)
            messages.success(request, _("You are signed out everywhere."))
            return redirect("account_login")
        if asked == "others":
            count = end_other_sessions(user=user, session_key=here)
            words = ngettext("%(count)d sign-in has ended.", "%(count)d sign-ins have ended.", count)
            messages.success(request, words % {"count": count})
        elif asked.isascii() and asked.isdigit() and end_session(user=user, pk=int(asked[:18])):
            messages.success(request, _("The sign-in has ended."))
        return redirect("my-sessions")
    return render(request, "customers/sessions.html", {"sessions": look_at_sessions(user, here=here)})


@require_POST
def switch_language(request: HttpRequest) -> HttpResponseBase:
    """The switch in the top bar: a cookie for strangers, and the person's own setting once signed in."""
    response = set_language(request)
    language = request.POST.get("language", "")
    if request.user.is_authenticated and language and check_for_language(language):
        change_personal_settings(user=request.user, language=language)
    return response


def _person(request: HttpRequest) -> User:
    """The signed-in person: ``staff_page`` let nobody else in."""
    if not isinstance(request.user, User):
        raise TypeError("this view needs staff_page")
    return request.user
