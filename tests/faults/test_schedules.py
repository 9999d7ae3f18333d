"""Random schedules over everything that is sold, at all wholesalers, against the books that they keep.

``make faults`` tries 300, ``make faults N=2000`` so many, ``make faults SEED=17`` one block again, with its smallest
failing schedule.
"""

import os
import time
from datetime import UTC, datetime

import hypothesis
import pytest
import time_machine
from hypothesis import HealthCheck, Phase, Verbosity, event, given
from hypothesis import settings as examples
from pytest_django import Settings

from tests.faults.conftest import forget_everything
from tests.faults.invariants import check_everything
from tests.faults.office import Office
from tests.faults.schedules import KINDS, FaultSpec, Schedule, fault_specs, schedules
from tests.faults.wholesale import CARD_SERVICE, SYSTEMS, Wholesale
from tests.simulator_cards import PUBLISHABLE_KEY, SECRET_KEY, WEBHOOK_SECRET

#: A block is one seed of hypothesis: so many schedules, and the simplest one of all.
BLOCK = 10
NUMBER = int(os.environ.get("FAULTS", "10"))
SEED = os.environ.get("FAULTS_SEED", "")
FIRST = int(os.environ.get("FAULTS_FIRST", "0"))
BLOCKS = [int(SEED)] if SEED else [FIRST + block for block in range(-(-NUMBER // BLOCK))]
START = datetime(2027, 3, 1, 3, 0, tzinfo=UTC)
#: Of calls that a fault lets run into it, and of the others: never reached, however busy the machine is.
SHORT, LONG = 0.4, 20.0

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.parametrize("block", BLOCKS)
def test_nothing_is_lost_or_bought_twice(
    block: int, wholesale: Wholesale, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.PROVIDERS = {slug: {**settings.PROVIDERS[slug], **words} for slug, words in wholesale.entries.items()}
    settings.STRIPE_URL, settings.STRIPE_SECRET_KEY = wholesale.cards.url, SECRET_KEY
    settings.STRIPE_PUBLISHABLE_KEY, settings.STRIPE_WEBHOOK_SECRET = PUBLISHABLE_KEY, WEBHOOK_SECRET
    phases = [Phase.generate, Phase.shrink] if SEED else [Phase.generate]

    @hypothesis.seed(block)
    @examples(
        max_examples=BLOCK + 1,
        deadline=None,
        database=None,
        phases=phases,
        report_multiple_bugs=False,
        verbosity=Verbosity.quiet,
        suppress_health_check=list(HealthCheck),
    )
    @given(schedule=schedules())
    def run(schedule: Schedule) -> None:
        timeout = SHORT if schedule.is_slow else LONG
        settings.HTTP_CONNECT_TIMEOUT = settings.STRIPE_CONNECT_TIMEOUT = LONG
        settings.STRIPE_READ_TIMEOUT = timeout
        settings.HTTP_READ_TIMEOUT = settings.HTTP_ORDER_READ_TIMEOUT = timeout
        run_schedule(schedule, wholesale, monkeypatch, seed=block)

    run()


def run_schedule(schedule: Schedule, wholesale: Wholesale, monkeypatch: pytest.MonkeyPatch, *, seed: int) -> None:
    """One example, from empty tables and books to the invariants; a failure says how to run it again."""
    forget_everything()
    with time_machine.travel(START, tick=False) as clock, monkeypatch.context() as patch:
        wholesale.reset(at=START, switches=schedule.switches)
        office = Office(wholesale=wholesale, clock=clock)
        patch.setattr(time, "sleep", office.sleep)
        patch.setattr(time, "monotonic", office.monotonic)
        try:
            office.prepare(schedule)
            for step in schedule.steps:
                office.take(step)
            office.come_to_rest()
            check_everything(office)
            for state in sorted({f"{one.order_line.kind} {one.state}" for one in office.purchases}):
                event(state)
            office.settle_everything()
            check_everything(office, is_settled=True)
            if office.cards.pay_everything_back():
                check_everything(office, is_settled=True)
        except Exception as error:
            told = "\n".join(["", f"make faults SEED={seed}", str(schedule), "--", *office.journal, office.describe()])
            error.add_note(told)
            raise


def test_every_fault_that_the_simulators_know_is_drawn(wholesale: Wholesale) -> None:
    drawn: set[str] = set()

    @examples(max_examples=250, deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck))
    @given(fault=fault_specs([*sorted(SYSTEMS), CARD_SERVICE], KINDS))
    def draw(fault: FaultSpec) -> None:
        drawn.add(fault.kind)

    draw()
    assert sorted(drawn) == wholesale.simulator.fault_kinds()
