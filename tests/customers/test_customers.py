"""Writing and finding customers."""

import pytest
from django.core.exceptions import ValidationError

from customers.customers import CustomerExists, change_personal_settings, create_customer, update_customer
from customers.models import Customer, User
from customers.search import find_customers
from tests.customers.making import make_staff

pytestmark = pytest.mark.django_db


@pytest.fixture
def clerk() -> User:
    return make_staff()


def test_new_customer_is_stored_tidily(clerk: User) -> None:
    made = create_customer(
        name="  Hana   Suzuki ",
        email=" Hana@Example.COM ",
        phone="+81 (90) 1234-5678",
        company=" Suzuki  KK ",
        country="jp",
        language="ja",
        note=" likes\n  window seats ",
        by=clerk,
    )
    stored = Customer.objects.get(pk=made.pk)
    assert (stored.name, stored.email, stored.phone) == ("Hana Suzuki", "hana@example.com", "+819012345678")
    assert (stored.company, stored.country, stored.language) == ("Suzuki KK", "JP", "ja")
    assert stored.note == "likes\n  window seats"
    assert stored.created_by == clerk


def test_second_customer_with_the_address_is_refused_and_named(clerk: User) -> None:
    first = create_customer(name="Hana", email="hana@example.com", by=clerk)
    with pytest.raises(CustomerExists) as refusal:
        create_customer(name="Other", email="HANA@example.com ", by=clerk)
    assert refusal.value.existing == first
    assert list(Customer.objects.all()) == [first]


def test_customers_without_address_do_not_meet(clerk: User) -> None:
    create_customer(name="One", by=clerk)
    create_customer(name="Two", by=clerk)
    assert Customer.objects.count() == 2


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"name": " "}, "name"),
        ({"name": "x" * 151}, "name"),
        ({"name": "x", "email": "nobody"}, "email"),
        ({"name": "x", "phone": "1" * 33}, "phone"),
        ({"name": "x", "country": "XX"}, "country"),
        ({"name": "x", "country": "Japan"}, "country"),
    ],
)
def test_bad_values_are_named_and_nothing_is_stored(clerk: User, fields: dict[str, str], field: str) -> None:
    with pytest.raises(ValidationError) as refusal:
        create_customer(**fields, by=clerk)
    assert list(refusal.value.message_dict) == [field]
    assert not Customer.objects.exists()


def test_update_changes_only_what_is_named(clerk: User) -> None:
    made = create_customer(name="Hana", email="hana@example.com", phone="123", by=clerk)
    changed = update_customer(customer=made, by=clerk, phone="+81 90")
    assert (changed.name, changed.email, changed.phone) == ("Hana", "hana@example.com", "+8190")
    made.refresh_from_db()
    assert made.phone == "+8190"


def test_update_without_a_difference_writes_nothing(
    clerk: User, django_assert_num_queries: pytest.FixtureRequest
) -> None:
    made = create_customer(name="Hana", email="hana@example.com", by=clerk)
    with django_assert_num_queries(3):  # type: ignore[operator]  # savepoint, read, release
        update_customer(customer=made, by=clerk, name="Hana ", email="HANA@example.com")


def test_update_to_anothers_address_is_refused(clerk: User) -> None:
    first = create_customer(name="Hana", email="hana@example.com", by=clerk)
    second = create_customer(name="Ole", email="ole@example.com", by=clerk)
    with pytest.raises(CustomerExists) as refusal:
        update_customer(customer=second, by=clerk, email="Hana@example.com", name="Changed")
    assert refusal.value.existing == first
    second.refresh_from_db()
    assert (second.name, second.email) == ("Ole", "ole@example.com")


def test_personal_settings(clerk: User) -> None:
    change_personal_settings(user=clerk, language="ja")
    clerk.refresh_from_db()
    assert (clerk.language, clerk.time_zone) == ("ja", "")
    change_personal_settings(user=clerk, language="", time_zone="Asia/Tokyo")
    clerk.refresh_from_db()
    assert (clerk.language, clerk.time_zone) == ("", "Asia/Tokyo")


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("", {"Hana Suzuki", "Ole Nordmann", "佐藤 健"}),
        ("suzuki", {"Hana Suzuki"}),
        ("SUZ hana", {"Hana Suzuki"}),
        ("hana nordmann", set()),
        ("example.no", {"Ole Nordmann"}),
        ("tokyo", {"佐藤 健"}),
        ("佐藤", {"佐藤 健"}),
        ("090-1234", {"Hana Suzuki"}),
        ("+81 90 12", {"Hana Suzuki"}),
        ("nobody", set()),
        ("%", set()),
    ],
)
def test_search(clerk: User, text: str, names: set[str]) -> None:
    create_customer(name="Hana Suzuki", email="hana@example.com", phone="+81 90 1234 5678", by=clerk)
    create_customer(name="Ole Nordmann", email="ole@example.no", phone="+47 22 33 44", by=clerk)
    create_customer(name="佐藤 健", company="Tokyo Tours", by=clerk)
    assert {customer.name for customer in find_customers(text)} == names
