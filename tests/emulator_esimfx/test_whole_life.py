"""The house's own verbs at the four houses, lives drawn at random, and the comparison of the books."""

import uuid

import pytest
from django.test import Client
from hypothesis import HealthCheck, Phase, given
from hypothesis import settings as examples
from hypothesis import strategies as st

from esims.actions import ActionRefused
from esims.models import Esim, Package
from orders.inbox import drain_inbox
from orders.models import Payment, Purchase, Refund
from orders.reconciliation import resume_purchase
from orders.selling import PaymentTaken
from orders.topups import TopUpsUnknown, find_top_ups, sell_top_up
from providers.models import RatePause
from providers.types import Capability
from tests.emulator.desk import forgotten_rows
from tests.emulator.wire import Fault
from tests.emulator_esimfx.books import GIB
from tests.emulator_esimfx.conftest import HOOK_TOKEN, OpenOffice
from tests.emulator_esimfx.hooks import write_hook
from tests.emulator_esimfx.office import CODE, Office
from tests.emulator_esimfx.quirks import VARIANTS


def sell(office: Office, esim: Esim, code: str = CODE) -> Purchase:
    """Ask what fits, sell it, pay it."""
    plan = office.priced(next(choice.plan for choice in find_top_ups(esim=esim) if choice.plan.plan_ref == code))
    assert plan.retail_price is not None
    order = sell_top_up(
        esim=esim,
        plan=plan,
        checkout_key=uuid.uuid4(),
        expected_price=plan.retail_price,
        by=office.user,
        payment=PaymentTaken(method=Payment.Method.CASH, reference="", form_key=uuid.uuid4()),
    )
    return Purchase.objects.get(order_line__order=order)


def test_three_are_three_orders_with_three_keys(office: Office) -> None:
    purchases = office.buy(3)
    assert [(purchase.state, purchase.quantity) for purchase in purchases] == [("fulfilled", 1)] * 3
    assert [esim.provider_ref for esim in office.lines()] == office.emulator.books.sold
    for esim in office.lines():
        truth = office.emulator.books.esims[esim.provider_ref]
        assert (esim.lpa, esim.iccid, esim.state) == (truth.lpa, truth.iccid, "ready")
    office.check_books()


def test_lost_order_is_bought_exactly_once(office: Office) -> None:
    office.plan(CODE)
    for kind in ("reset_before", "reset_after", "close_before", "cut"):
        office.emulator.meet("create", Fault(kind=kind, cut=(lambda body: len(body) // 3) if kind == "cut" else None))
        (purchase,) = office.buy(1)
        assert office.settle(purchase).state == "fulfilled"
    assert (len(office.emulator.books.orders), Refund.objects.count()) == (4, 0)
    office.check_books()


def test_refused_and_held(office: Office) -> None:
    office.plan(CODE)
    books = office.emulator.books
    credit, books.credit = books.credit, books.credit * 0
    (held,) = office.buy(1)
    assert (held.state, books.orders) == ("held", {})
    books.credit = credit
    resume_purchase(purchase=held, by=office.user)
    assert office.settle(held).state == "fulfilled"
    books.products = [product for product in books.products if product.slug != CODE]
    (refused,) = office.buy(1)
    assert (refused.state, Refund.objects.get().quantity) == ("rejected", 1)
    office.check_books()


def test_line_in_use_topped_up_and_ended(office: Office) -> None:
    (purchase,) = office.buy(1)
    (esim,) = office.lines()
    books = office.emulator.books
    first = books.connect(esim.iccid)
    books.use(first, 4 * GIB)
    esim = office.refresh(esim)
    assert (esim.state, esim.total_used_bytes) == ("active", 4 * GIB)
    office.emulator.meet("create", Fault(kind="reset_after"))
    top_up = office.settle(sell(office, esim))
    assert (top_up.state, len(books.orders_of(esim.iccid))) == ("fulfilled", 2)
    esim = office.refresh(esim)
    assert sorted(Package.objects.filter(esim=esim).values_list("order_ref", flat=True)) == sorted(books.orders)
    assert esim.total_data_bytes == 20 * GIB
    books.use(first, 10 * GIB)
    second = books.orders_of(esim.iccid)[1]
    assert second.status == "ACTIVE"
    books.expire(second)
    esim = office.refresh(esim)
    assert (esim.state, purchase.state) == ("expired", "fulfilled")
    with pytest.raises(TopUpsUnknown):
        find_top_ups(esim=esim)
    office.check_books()


def test_delivery_makes_its_line_due(office: Office) -> None:
    office.buy(1)
    (order,) = office.emulator.books.orders.values()
    office.emulator.books.connect(order.iccid)
    Esim.objects.update(next_refresh_at=None)
    body = write_hook(office.emulator, "ACTIVATION", order)
    reply = Client().post("/hooks/esimfx/", body, content_type="application/json", headers={"token": HOOK_TOKEN})
    drain_inbox()
    (esim,) = office.lines()
    assert (reply.status_code, esim.state, esim.next_refresh_at is not None) == (200, "ready", True)
    assert office.refresh(esim).state == "active"
    office.check_books()


def test_terminate_and_block(office: Office) -> None:
    office.buy(2)
    first, second = office.lines()
    office.emulator.meet("terminate", Fault(kind="reset_after"))
    action = office.act(first, Capability.TERMINATE, package=Package.objects.get(esim=first))
    assert (action.state, Esim.objects.get(pk=first.pk).state) == ("confirmed", "terminated"), action.error
    assert office.emulator.count("terminate") == 1
    action = office.act(second, Capability.BLOCK)
    assert (action.state, Esim.objects.get(pk=second.pk).state) == ("confirmed", "terminated"), action.error
    assert [item.kind for item in office.emulator.books.invoice].count("refund") == 1
    office.check_books()


def test_tokens_end_all_the_time(office: Office) -> None:
    """A token that lives for one call at a time costs a call more, and nothing else."""
    office.plan(CODE)
    for _ in range(2):
        office.emulator.revoke_tokens()
        (purchase,) = office.buy(1)
        assert purchase.state == "fulfilled"
        office.emulator.revoke_tokens()
        office.refresh(office.lines()[-1])
    office.check_books()


FAULTS: dict[str, Fault | None] = {
    "none": None,
    "before": Fault(kind="reset_before"),
    "after": Fault(kind="reset_after"),
    "half": Fault(kind="cut", cut=lambda body: len(body) // 2),
    "500 done": Fault(kind="answer", status=500, effect=True, body=b""),
    "429": Fault(kind="answer", status=429, headers={"Retry-After": "1"}, body=b""),
    "mute": Fault(kind="answer", effect=True, body=b'{"code":0,"message":"Success","data":{}}'),
    "code": Fault(kind="answer", effect=True, body=b'{"code":777,"message":"?","data":null}'),
}
ACTIONS = {Capability.TERMINATE: "terminate", Capability.ACTIVATE: "activate", Capability.BLOCK: "block"}
faults = st.sampled_from(sorted(FAULTS))
steps = st.one_of(
    st.tuples(st.just("buy"), st.integers(1, 3), faults),
    st.tuples(st.just("revoke"), st.just(0), faults),
    st.tuples(st.just("use"), st.integers(0, 5), faults),
    st.tuples(st.just("top_up"), st.integers(0, 5), faults),
    st.tuples(st.just("act"), st.integers(0, 5), faults),
)


def take(office: Office, step: tuple[str, int, str]) -> None:
    kind, number, fault = step
    lines = office.lines()
    match kind:
        case "buy":
            office.emulator.meet("create", FAULTS[fault])
            office.buy(number)
        case "revoke":
            office.emulator.revoke_tokens()
        case "use" if lines:
            iccid = lines[number % len(lines)].iccid
            if any(order.status == "PENDING" for order in office.emulator.books.orders_of(iccid)):
                office.emulator.books.connect(iccid)
        case "top_up" if lines:
            try:
                purchase = sell(office, lines[number % len(lines)])
            except (TopUpsUnknown, StopIteration):
                return
            office.emulator.meet("create", FAULTS[fault])
            office.settle(purchase, steps=1)
        case "act" if lines:
            capability = list(ACTIONS)[number % len(ACTIONS)]
            office.emulator.meet(ACTIONS[capability], FAULTS[fault])
            try:
                esim = lines[number % len(lines)]
                package = Package.objects.filter(esim=esim).first() if capability is not Capability.BLOCK else None
                office.act(esim, capability, steps=3, package=package)
            except ActionRefused:
                office.emulator.faults[ACTIONS[capability]].clear()


@pytest.mark.parametrize("name", sorted(VARIANTS))
@examples(
    max_examples=2,
    deadline=None,
    derandomize=True,
    phases=[Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(life=st.lists(steps, min_size=4, max_size=8))
def test_random_life(name: str, life: list[tuple[str, int, str]], open_office: OpenOffice) -> None:
    with forgotten_rows():
        office = open_office(VARIANTS[name])
        office.plan(CODE)
        for step in life:
            take(office, step)
            RatePause.objects.all().delete()
        office.check_books()
        office.emulator.faults.clear()
        for purchase in Purchase.objects.exclude(state__in=("fulfilled", "rejected")):
            office.settle(purchase, steps=3)
        office.check_books()
        assert set(Purchase.objects.values_list("state", flat=True)) <= {"fulfilled", "rejected"}
        assert [esim.provider_ref for esim in office.lines()] == office.emulator.books.sold
