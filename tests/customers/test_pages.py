"""The pages about customers, as a browser sends and sees them."""

from datetime import UTC, datetime, timedelta

import pytest
from django.test import Client

from customers.models import Customer
from tests.customers.making import make_staff, signed_in
from tests.pages import assert_clean_page

pytestmark = pytest.mark.django_db


@pytest.fixture
def clerk() -> Client:
    return signed_in(
        make_staff(
            "customers.view_customer", "customers.add_customer", "customers.change_customer", "orders.view_order"
        )
    )


def test_empty_list(clerk: Client) -> None:
    response = clerk.get("/customers/")
    assert_clean_page(response)
    assert "No customers yet" in response.content.decode()


def test_nobody_matches(clerk: Client) -> None:
    Customer.objects.create(name="Hana")
    response = clerk.get("/customers/", {"q": "<script>alert(1)</script>"})
    assert_clean_page(response)
    text = response.content.decode()
    assert "Nobody matches this" in text
    assert "<script>alert" not in text


def test_list_finds_and_pages(clerk: Client) -> None:
    Customer.objects.bulk_create(Customer(name=f"Traveller {number}") for number in range(60))
    start = datetime(2025, 12, 1, tzinfo=UTC)
    for number, customer in enumerate(Customer.objects.order_by("pk")):
        Customer.objects.filter(pk=customer.pk).update(created_at=start + timedelta(minutes=number))
    first = clerk.get("/customers/", {"q": "Traveller"})
    assert_clean_page(first)
    page = first.context["page"]
    assert [page.rows[0].name, page.rows[-1].name, len(page.rows)] == ["Traveller 59", "Traveller 10", 50]
    assert f'href="?q=Traveller&amp;after={page.after}"' in first.content.decode()
    second = clerk.get("/customers/", {"q": "Traveller", "after": page.after}).context["page"]
    assert [customer.name for customer in second.rows] == [f"Traveller {number}" for number in range(9, -1, -1)]


def test_list_needs_as_many_queries_for_many(
    clerk: Client, django_assert_max_num_queries: pytest.FixtureRequest
) -> None:
    Customer.objects.bulk_create(Customer(name=f"Traveller {number}") for number in range(60))
    with django_assert_max_num_queries(6):  # type: ignore[operator]
        clerk.get("/customers/")


def test_new_customer(clerk: Client) -> None:
    assert_clean_page(clerk.get("/customers/new/"))
    response = clerk.post("/customers/new/", {"name": "Hana Suzuki", "email": "Hana@Example.com", "country": "JP"})
    made = Customer.objects.get()
    assert (made.name, made.email, made.country) == ("Hana Suzuki", "hana@example.com", "JP")
    assert made.created_by is not None
    assert made.created_by.email == "clerk@example.com"
    assert response.headers["Location"] == f"/customers/{made.pk}/"


def test_new_customer_goes_back_to_who_asked(clerk: Client) -> None:
    response = clerk.post("/customers/new/", {"name": "Hana", "next": "/orders/new/?plan=7"})
    assert response.headers["Location"] == f"/orders/new/?plan=7&customer={Customer.objects.get().pk}"


def test_new_customer_never_goes_to_another_host(clerk: Client) -> None:
    response = clerk.post("/customers/new/", {"name": "Hana", "next": "https://evil.example/"})
    assert response.headers["Location"] == f"/customers/{Customer.objects.get().pk}/"


def test_a_name_is_needed(clerk: Client) -> None:
    response = clerk.post("/customers/new/", {"name": "", "email": "hana@example.com"})
    assert_clean_page(response)
    text = response.content.decode()
    assert '<a href="#id_name">Name: This field is required.</a>' in text
    assert 'aria-describedby="id_name_error"' in text
    assert 'value="hana@example.com"' in text
    assert not Customer.objects.exists()


def test_a_taken_address_points_to_its_customer(clerk: Client) -> None:
    hana = Customer.objects.create(name="Hana", email="hana@example.com")
    response = clerk.post("/customers/new/", {"name": "Other", "email": "HANA@example.com"})
    assert_clean_page(response)
    text = response.content.decode()
    assert "A customer with this e-mail address is there already." in text
    assert f'<a href="/customers/{hana.pk}/">Open this customer</a>' in text
    assert Customer.objects.count() == 1


def test_edit(clerk: Client) -> None:
    hana = Customer.objects.create(name="Hana", email="hana@example.com", note="old")
    assert_clean_page(clerk.get(f"/customers/{hana.pk}/edit/"))
    response = clerk.post(f"/customers/{hana.pk}/edit/", {"name": "Hana S.", "email": "hana@example.com", "note": ""})
    assert response.headers["Location"] == f"/customers/{hana.pk}/"
    hana.refresh_from_db()
    assert (hana.name, hana.note) == ("Hana S.", "")


def test_edit_to_a_taken_address_changes_nothing(clerk: Client) -> None:
    Customer.objects.create(name="Ole", email="ole@example.com")
    hana = Customer.objects.create(name="Hana", email="hana@example.com")
    response = clerk.post(f"/customers/{hana.pk}/edit/", {"name": "Changed", "email": "ole@example.com"})
    assert_clean_page(response)
    hana.refresh_from_db()
    assert (hana.name, hana.email) == ("Hana", "hana@example.com")


def test_edit_of_nobody(clerk: Client) -> None:
    assert_clean_page(clerk.get("/customers/999/edit/"), status=404)


def test_own_language_and_zone() -> None:
    user = make_staff()
    client = signed_in(user)
    assert_clean_page(client.get("/me/"))
    assert client.post("/me/", {"language": "ja", "time_zone": "Asia/Tokyo"}).status_code == 302
    user.refresh_from_db()
    assert (user.language, user.time_zone) == ("ja", "Asia/Tokyo")
    page = client.get("/me/")
    assert_clean_page(page, language="ja")
    assert "Asia/Tokyo" in page.content.decode()


@pytest.mark.parametrize("sent", [{"time_zone": "Mars/Base"}, {"language": "xx"}])
def test_own_settings_refuse_what_there_is_not(sent: dict[str, str]) -> None:
    user = make_staff()
    assert_clean_page(signed_in(user).post("/me/", sent))
    user.refresh_from_db()
    assert (user.language, user.time_zone) == ("", "")
