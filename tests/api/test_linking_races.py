"""Two first sign-ins at once, and staff who enter the same customer at that moment: one customer comes of it."""

import threading
from collections.abc import Callable
from functools import partial

import pytest
from django.db import IntegrityError, connection

from customers.accounts import vouch_for_address
from customers.customers import CustomerExists, create_customer
from customers.linking import link_customer
from customers.models import Customer, User
from tests.customers.making import make_staff

pytestmark = [pytest.mark.postgres, pytest.mark.django_db(transaction=True)]
HANA = "hana@example.com"


def make_user() -> User:
    user = make_staff(email=HANA, is_staff=False)
    vouch_for_address(user=user)
    return user


def at_once(*works: Callable[[], object]) -> list[str]:
    """Run them together; the names of what they raised."""
    together, raised = threading.Barrier(len(works)), list[str]()

    def run(work: Callable[[], object]) -> None:
        try:
            together.wait(10)
            work()
        except (IntegrityError, CustomerExists) as error:
            raised.append(type(error).__name__)
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return raised


def test_without_care_the_second_sign_in_fails() -> None:
    user = make_user()
    seen = threading.Barrier(4)

    def link() -> None:
        if not Customer.objects.filter(user=user).exists():
            seen.wait(10)
            Customer.objects.create(user=user, name="Hana", email=HANA)

    assert at_once(*[link] * 4) == ["IntegrityError"] * 3


def test_many_phones_are_one_customer() -> None:
    user = make_user()
    assert at_once(*[lambda: link_customer(user=user)] * 4) == []
    assert Customer.objects.get().user == user


def test_the_customer_whom_staff_enter_at_that_moment_is_the_same() -> None:
    """Whoever is first: nothing fails at the sign-in, and there is one customer with this address, who is linked."""
    clerk = make_staff()
    for _round in range(20):
        Customer.objects.all().delete()
        User.objects.exclude(pk=clerk.pk).delete()
        user = make_user()
        raised = at_once(
            partial(link_customer, user=user), partial(create_customer, name="Sato-sama", email=HANA, by=clerk)
        )
        assert raised in ([], ["CustomerExists"])
        customer = Customer.objects.get()
        assert (customer.user, customer.email) == (user, HANA)
