"""Real workers, killed with SIGKILL where they stand: before and after each commit and each call.

``make faults KILLS=50`` kills so many, in turn at every place and for everything that is sold.
"""

import os
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import cycle, islice
from typing import NamedTuple

import pytest
import time_machine
from pytest_django import Settings

from orders.checkpoints import Checkpoint
from orders.models import Purchase
from tests.faults.conftest import forget_everything
from tests.faults.invariants import check_everything
from tests.faults.nursery import Nursery
from tests.faults.office import Office
from tests.faults.schedules import FaultSpec, Schedule, Step
from tests.faults.wholesale import Wholesale
from tests.journeys.wholesalers import write_environment
from tests.queue import child_environment

NUMBER = int(os.environ.get("FAULT_KILLS", "2"))

COMMERCE = ("esim", "esim-commerce", 3)
SANDBOX = ("esim", "esim-commerce-sandbox", 2)
ACCESS = ("esim", "esim-access", 32)
ESIMFX = ("esim", "esimfx", 2)
ACCESS_TOP_UP = ("top_up", "esim-access", 0)
ESIMFX_TOP_UP = ("top_up", "esimfx", 0)
FORM = ("form", "freebit", 0)

SILENCE = FaultSpec(account="esim-commerce", endpoint="order", kind="reset_after", skip=0, parameters={})


class Kill(NamedTuple):
    """Who is killed where, while what is bought."""

    place: Checkpoint
    wish: tuple[str, str, int]
    command: str = "run_purchases"
    turn: int = 0
    #: Steps that bring the purchase there.
    before: tuple[Step, ...] = ()


RUN = Step(name="run", argument=1)
_ASK = (RUN,)
_DIED = (Step(name="run", argument=1, dies=(Checkpoint.STORED, 0)), Step(name="overdue"))
_LOST = (Step(name="run", argument=1, dies=(Checkpoint.ANSWERED, 0)), Step(name="overdue"))

#: Each place once before any comes again; the others say what else is sold there.
KILLS = (
    Kill(Checkpoint.CLAIMING, ACCESS),
    Kill(Checkpoint.CLAIMED, COMMERCE, "qcluster"),
    Kill(Checkpoint.ANSWERED, COMMERCE),
    Kill(Checkpoint.STORING, ESIMFX, "qcluster"),
    Kill(Checkpoint.STORED, COMMERCE),
    Kill(Checkpoint.PARSED, FORM),
    Kill(Checkpoint.APPLYING, COMMERCE),
    Kill(Checkpoint.APPLIED, ESIMFX),
    Kill(Checkpoint.UNANSWERED, COMMERCE, before=(Step(name="fault", argument=SILENCE),)),
    Kill(Checkpoint.LOOKED, ACCESS_TOP_UP),
    Kill(Checkpoint.KEEPING, ACCESS_TOP_UP),
    Kill(Checkpoint.ASKING, ACCESS, before=_ASK),
    Kill(Checkpoint.ASKED, ACCESS, "qcluster", before=_ASK),
    Kill(Checkpoint.RULING, COMMERCE, "sweep_purchases", before=_LOST),
    Kill(Checkpoint.APPLYING, ESIMFX, "sweep_purchases", before=_DIED),
    Kill(Checkpoint.ANSWERED, ACCESS_TOP_UP),
    Kill(Checkpoint.ANSWERED, FORM, "qcluster"),
    Kill(Checkpoint.ANSWERED, ESIMFX_TOP_UP),
    Kill(Checkpoint.CLAIMED, ACCESS_TOP_UP),
    Kill(Checkpoint.CLAIMED, FORM),
    Kill(Checkpoint.APPLYING, ACCESS, before=_ASK),
    Kill(Checkpoint.STORED, ACCESS_TOP_UP, "qcluster"),
    Kill(Checkpoint.ANSWERED, ACCESS, turn=1),
    Kill(Checkpoint.ANSWERED, ESIMFX, turn=1),
    Kill(Checkpoint.STORING, SANDBOX),
    Kill(Checkpoint.PARSED, SANDBOX, "sweep_purchases", before=_DIED),
    Kill(Checkpoint.APPLYING, FORM),
    Kill(Checkpoint.CLAIMING, COMMERCE, "qcluster"),
    Kill(Checkpoint.APPLIED, ACCESS, before=_ASK),
    Kill(Checkpoint.APPLYING, ESIMFX_TOP_UP),
)


@pytest.fixture(scope="session")
def nursery(django_db_setup: None, wholesale: Wholesale, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nursery]:
    """One for the whole run of this worker."""
    del django_db_setup
    environment = child_environment(
        **write_environment(wholesale.entries),
        WORKERS="1",
        HTTP_CONNECT_TIMEOUT="20",
        HTTP_READ_TIMEOUT="20",
        HTTP_ORDER_READ_TIMEOUT="20",
    )
    made = Nursery(environment=environment, log=tmp_path_factory.mktemp("nursery") / "log")
    yield made
    made.close()


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("kill", list(islice(cycle(KILLS), NUMBER)), ids=lambda kill: f"{kill.command}-{kill.place}")
def test_nothing_is_lost_or_bought_twice_by_a_killed_worker(
    *, kill: Kill, wholesale: Wholesale, nursery: Nursery, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.PROVIDERS = {slug: {**settings.PROVIDERS[slug], **words} for slug, words in wholesale.entries.items()}
    forget_everything()
    # Workers live in real time: what happens before them is past.
    start = datetime.now(UTC) - timedelta(hours=1)
    with time_machine.travel(start, tick=True) as clock, monkeypatch.context() as patch:
        wholesale.reset(at=start, switches={"access_allocation_delay_s": 1})
        office = Office(wholesale=wholesale, clock=clock)
        patch.setattr(time, "sleep", office.sleep)
        patch.setattr(time, "monotonic", office.monotonic)
        sale = Step(name="sell", argument=(kill.wish, "cash"))
        office.prepare(Schedule(switches={}, steps=[sale]))
        for step in (sale, *kill.before):
            office.take(step)
        office.wait(3600 - office.waited)
        assert office.purchases, office.journal
        worker = nursery.start_worker([kill.command], stop_at=kill.place, turn=kill.turn)
        assert nursery.hear("stands_at")["stands_at"] == kill.place
        nursery.kill(worker)
        office.come_to_rest()
        check_everything(office)
        office.settle_everything()
        check_everything(office, is_settled=True)
        assert {one.state for one in office.purchases} <= {Purchase.State.FULFILLED, Purchase.State.REJECTED}
