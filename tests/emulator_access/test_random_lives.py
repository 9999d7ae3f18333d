"""Lives drawn at random at houses drawn at random; whatever happens on the way, the books agree in the end."""

import pytest
from hypothesis import HealthCheck, Phase, given
from hypothesis import settings as examples
from hypothesis import strategies as st

from esims.actions import ActionRefused
from esims.models import LineAction
from orders.models import Purchase, Refund
from orders.topups import TopUpsUnknown
from providers.errors import ProviderError
from providers.models import RatePause
from providers.types import Capability
from tests.emulator.desk import forgotten_rows
from tests.emulator.wire import Fault
from tests.emulator_access.conftest import OpenOffice
from tests.emulator_access.office import Office
from tests.emulator_access.quirks import VARIANTS
from tests.emulator_access.test_whole_life import sell

FAULTS: dict[str, Fault | None] = {
    "none": None,
    "before": Fault(kind="reset_before"),
    "after": Fault(kind="reset_after"),
    "shut": Fault(kind="close_before"),
    "half": Fault(kind="cut", cut=lambda body: len(body) // 2),
    "500 done": Fault(kind="answer", status=500, effect=True, body=b""),
    "500": Fault(kind="answer", status=500, body=b"<html></html>"),
    "429": Fault(kind="answer", status=429, headers={"Retry-After": "1"}, body=b""),
    "mute": Fault(kind="answer", effect=True, body=b'{"success":true}'),
}
OPERATIONS = {
    Capability.SUSPEND: "suspend",
    Capability.RELEASE: "unsuspend",
    Capability.CANCEL: "cancel",
    Capability.REVOKE: "revoke",
}
faults = st.sampled_from(sorted(FAULTS))
steps = st.one_of(
    st.tuples(st.just("buy"), st.sampled_from([1, 2, 31]), faults),
    st.tuples(st.just("read"), st.just(0), faults),
    st.tuples(st.just("use"), st.integers(0, 5), st.just("none")),
    st.tuples(st.just("top_up"), st.integers(0, 5), faults),
    st.tuples(st.just("act"), st.integers(0, 23), faults),
)


def take(office: Office, step: tuple[str, int, str]) -> None:
    kind, number, fault = step
    lines = office.lines()
    match kind:
        case "buy":
            office.emulator.meet("order", FAULTS[fault])
            office.buy(number)
        case "read":
            office.emulator.meet("query", FAULTS[fault])
            for purchase in Purchase.objects.filter(state="allocating"):
                office.step(purchase)
        case "use" if lines:
            line = office.emulator.books.lines[lines[number % len(lines)].provider_ref]
            if line.status == "GOT_RESOURCE":
                office.emulator.books.install(line, in_use=True)
        case "top_up" if lines:
            office.emulator.meet("topup", FAULTS[fault])
            try:
                office.settle(sell(office, lines[number % len(lines)]), steps=2)
            except (TopUpsUnknown, ProviderError):
                office.emulator.faults["topup"].clear()
        case "act" if lines:
            capability = list(OPERATIONS)[number % 4]
            office.emulator.meet(OPERATIONS[capability], FAULTS[fault])
            try:
                office.act(lines[number % len(lines)], capability, steps=3)
            except ActionRefused:
                office.emulator.faults[OPERATIONS[capability]].clear()


def come_to_rest(office: Office) -> None:
    office.emulator.faults.clear()
    for _ in range(3):
        RatePause.objects.all().delete()
        for purchase in Purchase.objects.exclude(state__in=("fulfilled", "rejected", "short")):
            office.settle(purchase, steps=3)


@pytest.mark.parametrize("name", sorted(VARIANTS))
@examples(
    max_examples=2,
    deadline=None,
    derandomize=True,
    phases=[Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(life=st.lists(steps, min_size=4, max_size=7))
def test_random_life(name: str, life: list[tuple[str, int, str]], open_office: OpenOffice) -> None:
    with forgotten_rows():
        office = open_office(VARIANTS[name])
        office.plan("CKH002")
        for step in life:
            take(office, step)
        office.check_books()
        come_to_rest(office)
        office.check_books()
        books = office.emulator.books
        assert [esim.provider_ref for esim in office.lines()] == books.sold
        # A top-up is sent once; a lost one is found on its line or stays a person's question.
        by_state = dict.fromkeys(("fulfilled", "unknown", "allocating"), 0)
        top_ups = list(Purchase.objects.filter(order_line__kind="top_up"))
        for purchase in top_ups:
            by_state[purchase.state] = by_state.get(purchase.state, 0) + 1
        assert by_state["fulfilled"] <= len(books.top_ups) <= len(top_ups)
        assert Refund.objects.exclude(purchase__state__in=("rejected", "short")).count() == 0
        assert len({key for _line, key in books.top_ups}) == len(books.top_ups), "topped up twice"
        assert not LineAction.objects.filter(state="sending").exists()
