"""Who may open the pages about people."""

import pytest
from django.http import HttpRequest, HttpResponse
from django.test import Client, RequestFactory
from django.views import View

from customers.access import MissingPermission, NotStaff, StaffPageMixin, staff_page
from customers.models import Customer, User
from tests.customers.making import make_staff, signed_in
from tests.pages import assert_clean_page

pytestmark = pytest.mark.django_db
HTMX = {"HX-Request": "true", "HX-Current-URL": "http://testserver/orders/?q=1"}

#: Address -> the permission that opens it ("" = every member of staff).
PAGES = {
    "/customers/": "customers.view_customer",
    "/customers/new/": "customers.add_customer",
    "/customers/1/edit/": "customers.change_customer",
    "/me/": "",
}


@pytest.fixture(autouse=True)
def customer() -> Customer:
    return Customer.objects.create(pk=1, name="Hana")


@pytest.mark.parametrize("address", PAGES)
def test_strangers_sign_in_first_and_come_back(client: Client, address: str) -> None:
    response = client.get(address)
    assert response.status_code == 302
    assert response.headers["Location"] == f"/accounts/login/?next={address}"


@pytest.mark.parametrize("address", PAGES)
def test_people_who_are_no_staff_are_told_so(address: str) -> None:
    response = signed_in(make_staff(is_staff=False)).get(address)
    assert_clean_page(response, status=403)
    assert "Nothing here for you" in response.content.decode()


@pytest.mark.parametrize(("address", "permission"), [pair for pair in PAGES.items() if pair[1]])
def test_the_missing_permission_is_named(address: str, permission: str) -> None:
    response = signed_in(make_staff()).get(address)
    assert_clean_page(response, status=403)
    assert permission in response.content.decode()
    assert f"Can {permission.split('.')[1].replace('_', ' ')}" in response.content.decode()


@pytest.mark.parametrize(("address", "permission"), PAGES.items())
def test_the_permission_opens_the_page(address: str, permission: str) -> None:
    response = signed_in(make_staff(*filter(None, [permission]))).get(address)
    assert_clean_page(response)
    assert "no-store" in response.headers["Cache-Control"]


@pytest.mark.parametrize("address", ["/customers/new/", "/customers/1/edit/"])
def test_nothing_is_written_without_permission(address: str) -> None:
    signed_in(make_staff("customers.view_customer")).post(address, {"name": "Changed"})
    assert [customer.name for customer in Customer.objects.all()] == ["Hana"]


@pytest.mark.parametrize("method", ["post", "put", "delete"])
def test_the_list_is_only_read(method: str) -> None:
    client = signed_in(make_staff("customers.view_customer"))
    assert getattr(client, method)("/customers/").status_code == 405


def test_inactive_staff_are_strangers(client: Client) -> None:
    user = make_staff("customers.view_customer")
    client.force_login(user)
    User.objects.filter(pk=user.pk).update(is_active=False)
    assert client.get("/customers/").status_code == 302


def test_htmx_sends_the_whole_page_to_sign_in(client: Client) -> None:
    response = client.get("/customers/", headers=HTMX)
    assert response.status_code == 401
    assert response.headers["HX-Redirect"] == "/accounts/login/?next=/orders/%3Fq%3D1"


def test_htmx_gets_a_fragment_that_names_the_permission() -> None:
    response = signed_in(make_staff()).get("/customers/", headers=HTMX)
    assert response.status_code == 403
    text = response.content.decode()
    assert "<html" not in text
    assert "“Can view customer”" in text


class _Page(StaffPageMixin, View):
    permission = "customers.view_customer"

    def get(self, request: HttpRequest) -> HttpResponse:
        return HttpResponse("in")


def test_class_views() -> None:
    request = RequestFactory().get("/x/")
    request.user = make_staff("customers.view_customer")
    assert _Page.as_view()(request).status_code == 200
    request.user = make_staff(email="other@example.com")
    with pytest.raises(MissingPermission, match=r"customers\.view_customer"):
        _Page.as_view()(request)
    request.user = make_staff(email="app@example.com", is_staff=False)
    with pytest.raises(NotStaff):
        _Page.as_view()(request)


def test_a_views_own_cache_rule_stays() -> None:
    @staff_page()
    def view(request: HttpRequest) -> HttpResponse:
        return HttpResponse(headers={"Cache-Control": "private, max-age=60"})

    request = RequestFactory().get("/x/")
    request.user = make_staff()
    assert view(request).headers["Cache-Control"] == "private, max-age=60"
