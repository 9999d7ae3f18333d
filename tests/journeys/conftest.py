"""What journeys start from: an office that runs, with its catalogues read, and a browser in front of it."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect
from pytest_django.plugin import DjangoDbBlocker

from customers.models import User
from tests.browser import TIMEOUT_MS, Console
from tests.journeys.desk import ACCOUNT, SANDBOX_ACCOUNT, read_catalogue
from tests.journeys.office import Office
from tests.simulator_client import PRODUCTION, SANDBOX, Simulator

PLANS = 60
# Three processes share the machine with the browser.
expect.set_options(timeout=TIMEOUT_MS)


@pytest.fixture(scope="module")
def office(  # noqa: PLR0917
    request: pytest.FixtureRequest,
    simulator_process: Simulator,
    browser: Browser,
    tmp_path_factory: pytest.TempPathFactory,
    django_db_setup: None,
    django_db_blocker: DjangoDbBlocker,
) -> Iterator[Office]:
    """One office for the tests of a module, one after the other; each makes its own customers and buys other plans.

    It has read the catalogues of the accounts that the module names in ``CATALOGUES``: eSIM Commerce's by default.
    """
    simulator_process.reset(plans=PLANS)
    simulator_process.set_limits(multiplier=0)
    with django_db_blocker.unblock():
        opened = Office(simulator_process, tmp_path_factory.mktemp("office"))
        try:
            opened.open()
            console = Console(browser, opened.address, opened.staff)
            page = console.open("/syncs/")
            for name in getattr(request.module, "CATALOGUES", (ACCOUNT, SANDBOX_ACCOUNT)):
                read_catalogue(page, name)
            assert console.close() == []
            yield opened
        finally:
            opened.close()


@pytest.fixture
def transactional_db(office: Office) -> None:
    """In place of pytest-django's, which would empty the tables after each test: the office stays open until the
    module's end and empties them then. The name tells pytest-django that these tests need a database that commits.
    """


@pytest.fixture
def simulator(office: Office) -> Iterator[Simulator]:
    """The office's provider: no faults at the start of a test; its books go on from one test to the next."""
    office.simulator.forget_faults()
    yield office.simulator
    office.simulator.forget_faults()
    office.simulator.serve_cached(None, system=PRODUCTION)
    office.simulator.serve_cached(None, system=SANDBOX)


@pytest.fixture
def staff(office: Office, transactional_db: None) -> User:
    """The superuser in front of the browser."""
    return office.staff


@pytest.fixture
def console(browser: Browser, office: Office, simulator: Simulator, staff: User) -> Iterator[Console]:
    """The office's pages; troubles in the browser and tracebacks in the processes fail the test at its end."""
    opened = Console(browser, office.address, staff)
    yield opened
    troubles = opened.close()
    office.check()
    assert not troubles, "\n".join(troubles)
