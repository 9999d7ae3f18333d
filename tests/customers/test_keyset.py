"""Pages by key."""

from datetime import UTC, datetime, timedelta

import pytest

from customers.keyset import keyset_page
from customers.models import Customer

pytestmark = pytest.mark.django_db
START = datetime(2025, 12, 1, tzinfo=UTC)


@pytest.fixture
def seven() -> None:
    """Seven customers, two of whom were made in the same moment."""
    for number, minute in enumerate([0, 1, 2, 3, 3, 4, 5]):
        customer = Customer.objects.create(name=str(number))
        Customer.objects.filter(pk=customer.pk).update(created_at=START + timedelta(minutes=minute))


def names(after: str = "", before: str = "") -> tuple[str, str, str]:
    page = keyset_page(Customer.objects.all(), after=after, before=before, size=3)
    return "".join(customer.name for customer in page.rows), page.after, page.before


@pytest.mark.usefixtures("seven")
def test_forwards_and_back_again() -> None:
    first, after, before = names()
    assert (first, before) == ("654", "")
    second, after_second, before_second = names(after=after)
    assert second == "321"
    third, after_third, before_third = names(after=after_second)
    assert (third, after_third) == ("0", "")
    assert names(before=before_third)[0] == "321"
    assert names(before=before_second) == ("654", after, "")


@pytest.mark.usefixtures("seven")
@pytest.mark.parametrize("cursor", ["x", "!!!", "W10", "WzEsMl0", "WyIyMDI1LTEyLTAxIiwxXQ", "é"])
def test_nonsense_gives_the_first_page(cursor: str) -> None:
    assert names(after=cursor)[0] == "654"
    assert names(before=cursor)[0] == "654"


def test_no_rows() -> None:
    assert names() == ("", "", "")


@pytest.mark.usefixtures("seven")
def test_one_query(django_assert_num_queries: pytest.FixtureRequest) -> None:
    with django_assert_num_queries(1):  # type: ignore[operator]
        names()
