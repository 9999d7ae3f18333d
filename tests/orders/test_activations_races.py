"""Activations and completion files under a race: one device, one request; one row, one line."""

import threading
from typing import Any
from uuid import uuid4

import pytest

from esims.models import Esim
from orders.activations import place_activation
from orders.checkout import CheckoutRefused
from orders.completions import import_completions
from orders.models import Activation, CompletionImport, Order, Purchase, PurchasedEsim, Refund
from tests.orders.activating import (
    NEW,
    activation_of,
    fail,
    make_activation_plan,
    make_eid,
    make_file,
    make_freebit,
    make_row,
    pay_cash,
    place,
    send,
)
from tests.orders.making import make_customer, make_user
from tests.orders.test_races import race
from tests.simulator_freebit import Freebit

pytestmark = [pytest.mark.postgres, pytest.mark.django_db(transaction=True)]


def words(**changes: Any) -> dict[str, Any]:
    plan = make_activation_plan()
    return {
        "customer": make_customer(),
        "plan": plan,
        "values": {**NEW, "eid": make_eid()},
        "checkout_key": uuid4(),
        "expected_price": plan.retail_price,
        "by": make_user(),
        "payment": pay_cash(),
        **changes,
    }


def test_two_forms_for_one_device_are_one_request(freebit: Freebit) -> None:
    eid = make_eid()
    forms = [words(values={**NEW, "eid": eid}) for _ in range(4)]
    results = race(*[lambda form=form: place_activation(**form) for form in forms])
    assert sum(isinstance(result, Order) for result in results) == 1
    refused = [result for result in results if not isinstance(result, Order)]
    assert [(type(one), getattr(one, "field", "")) for one in refused] == [(CheckoutRefused, "eid")] * 3
    assert (Order.objects.count(), Activation.objects.count(), Purchase.objects.count()) == (1, 1, 1)


def test_one_form_sent_four_times_is_one_order(freebit: Freebit) -> None:
    form = words()
    results = race(*[lambda: place_activation(**form)] * 4)
    assert len({result.pk for result in results if isinstance(result, Order)}) == 1
    assert [result for result in results if isinstance(result, BaseException)] == []
    assert (Order.objects.count(), Activation.objects.count(), Purchase.objects.count()) == (1, 1, 1)


def test_without_the_lock_two_imports_would_both_apply_a_row(freebit: Freebit) -> None:
    """The race itself: look, then write."""
    purchase = send(place())
    both_looked = threading.Barrier(2)

    def apply_naively() -> bool:
        row = Purchase.objects.get(pk=purchase.pk)
        both_looked.wait(timeout=10)
        if row.state != Purchase.State.ALLOCATING:
            return False
        Purchase.objects.filter(pk=row.pk).update(state=Purchase.State.FULFILLED)
        return True

    assert race(apply_naively, apply_naively) == [True, True]


def test_imports_at_once_apply_each_row_once(freebit: Freebit) -> None:
    good = [send(place()) for _ in range(6)]
    bad = [send(place()) for _ in range(6)]
    account = make_freebit()
    rows = [make_row(activation_of(one)) for one in good]
    rows += [make_row(activation_of(one), **fail("372")) for one in bad]
    forwards, backwards = make_file(*rows), make_file(*reversed(rows))

    def bring(data: bytes) -> CompletionImport:
        return import_completions(account=account, data=data, file_name="done.csv", by="command")

    reports = race(lambda: bring(forwards), lambda: bring(backwards), lambda: bring(forwards))
    assert not [report for report in reports if isinstance(report, BaseException)]
    told = [(one.applied, one.repeated, one.unmatched, one.faulty) for one in CompletionImport.objects.all()]
    assert sum(applied for applied, *_rest in told) == 12
    assert sum(repeated for _applied, repeated, *_rest in told) == 24
    assert (Esim.objects.count(), PurchasedEsim.objects.count(), Refund.objects.count()) == (6, 6, 6)
