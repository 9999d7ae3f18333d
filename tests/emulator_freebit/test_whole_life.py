"""The house's own verbs at the four houses: form, payment, one request, the file that tells the rest; random lives."""

from datetime import timedelta

import pytest
from django.utils import timezone
from hypothesis import HealthCheck, Phase, given
from hypothesis import settings as examples
from hypothesis import strategies as st

from catalog.models import Plan
from esims.models import Esim
from orders.activations import FormNotReady, correct_form
from orders.checkout import CheckoutRefused
from orders.models import Activation, Purchase, Refund
from orders.reconciliation import resume_purchase
from orders.sweeping import sweep_purchases
from providers.models import RatePause
from tests.emulator.desk import forgotten_rows
from tests.emulator.wire import Fault
from tests.emulator_freebit.conftest import OpenOffice
from tests.emulator_freebit.files import LAYOUTS
from tests.emulator_freebit.making import make_eid
from tests.emulator_freebit.office import Office
from tests.emulator_freebit.quirks import VARIANTS

NEW = {"addKind": "N", "simKind": "E2", "createType": "new"}
TRANSFER = {
    "addKind": "M",
    "simKind": "E0",
    "createType": "new",
    "account": "08077776666",
    "contractLine": "5G",
    "mnp.reserveNumber": "1109998887",
    "mnp.gender": "W",
    "mnp.lastnameKanji": "髙橋",
    "mnp.firstnameKanji": "美咲",
    "mnp.lastnameZenKana": "タカハシ",
    "mnp.firstnameZenKana": "ミサキ",
    "mnp.birthday": "19870605",
}
#: One way of writing the file for each house.
FILES = dict(zip(VARIANTS, LAYOUTS.values(), strict=True))


@pytest.fixture(params=list(VARIANTS))
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def office(name: str, open_office: OpenOffice) -> Office:
    return open_office(VARIANTS[name], **FILES[name].settings())


def test_form_request_file_line(name: str, office: Office) -> None:
    books = office.emulator.books
    eid = make_eid()
    purchase = office.step(office.place({"eid": eid, **TRANSFER}))
    assert (purchase.state, len(books.taken), office.lines()) == ("allocating", 1, [])
    taken = office.taken(purchase)
    assert (taken.eid, taken.request["mnp"]["lastnameKanji"], taken.request["planCode"]) == (eid, "髙橋", "100K_PLAN")
    purchase = office.settle(purchase, steps=3)
    assert (purchase.state, office.emulator.count("activate") <= 2) == ("allocating", True)
    books.finish(taken)
    report = office.read_file(FILES[name], taken)
    assert (report.applied, report.unmatched, report.faulty) == (1, 0, 0)
    purchase.refresh_from_db()
    (esim,) = office.lines()
    assert (purchase.state, esim.eid, esim.lpa) == ("fulfilled", eid, "")
    assert esim.provider_ref == f"{eid}:{taken.delivery_code}"
    again = office.read_file(FILES[name], taken)
    assert (again.applied, again.repeated, Esim.objects.count()) == (0, 1, 1)
    assert Activation.objects.get().payload in (None, b"")
    office.check_books()


def test_failure_in_the_file_owes_a_refund(name: str, office: Office) -> None:
    purchases = [office.step(office.place({"eid": make_eid(), **NEW})) for _ in range(3)]
    taken = [office.taken(purchase) for purchase in purchases]
    office.emulator.books.finish(taken[0])
    office.emulator.books.finish(taken[1], code="275")
    report = office.read_file(FILES[name], taken[1], taken[0])
    assert (report.applied, report.faulty) == (2, 0)
    states = [Purchase.objects.get(pk=purchase.pk).state for purchase in purchases]
    assert (states[0], states[2], len(office.lines())) == ("fulfilled", "allocating", 1)
    assert states[1] in ("rejected", "held")
    assert Refund.objects.count() == (states[1] == "rejected")
    office.check_books()


def test_one_open_request_for_one_eid(open_office: OpenOffice) -> None:
    office = open_office()
    eid = make_eid()
    office.step(office.place({"eid": eid, **NEW}))
    with pytest.raises(CheckoutRefused) as refusal:
        office.place({"eid": eid, **NEW})
    assert (refusal.value.field, len(office.emulator.books.taken)) == ("eid", 1)
    with pytest.raises(FormNotReady):
        office.place({"eid": "123", **NEW})
    office.check_books()


@pytest.mark.parametrize("kind", ["reset_before", "reset_after", "close_before", "cut", "500"])
def test_lost_answer_waits_for_the_file(kind: str, open_office: OpenOffice) -> None:
    layout = LAYOUTS["cp932 with headings"]
    office = open_office(VARIANTS["table"], **layout.settings())
    fault = {
        "cut": Fault(kind="cut", cut=lambda body: len(body) // 2),
        "500": Fault(kind="answer", status=500, effect=True, body=b""),
    }.get(kind) or Fault(kind=kind)
    office.emulator.meet("activate", fault)
    purchase = office.settle(office.place({"eid": make_eid(), **NEW}))
    assert (purchase.state, office.emulator.count("activate"), Refund.objects.count()) == ("unknown", 1, 0)
    office.check_books()
    if office.emulator.books.taken:
        taken = office.taken(purchase)
        office.emulator.books.finish(taken)
        assert office.read_file(layout, taken).applied == 1
        purchase.refresh_from_db()
        assert (purchase.state, len(office.lines())) == ("fulfilled", 1)
    office.check_books()


def test_worker_that_died_is_not_followed_by_another_request(open_office: OpenOffice) -> None:
    office = open_office()
    office.emulator.meet("activate", Fault(kind="reset_after"))
    purchase = office.step(office.place({"eid": make_eid(), **NEW}))
    Purchase.objects.filter(pk=purchase.pk).update(claim_until=timezone.now() - timedelta(seconds=1))
    sweep_purchases()
    assert (office.settle(purchase).state, office.emulator.count("activate")) == ("unknown", 1)
    office.check_books()


@pytest.mark.parametrize("code", [230, 284])
def test_busy_is_sent_again_later(code: int, open_office: OpenOffice) -> None:
    office = open_office(VARIANTS["live"])
    office.emulator.meet("activate", Fault(kind="answer", status=500, body=office.emulator.word(code)))
    purchase = office.step(office.place({"eid": make_eid(), **NEW}))
    assert (purchase.state, office.emulator.books.taken) == ("planned", [])
    RatePause.objects.all().delete()
    purchase = office.step(purchase)
    assert (purchase.state, len(office.emulator.books.taken)) == ("allocating", 1)
    office.check_books()


@pytest.mark.parametrize(
    ("code", "state"), [(374, "held"), (275, "held"), (371, "rejected"), (900, "unknown"), (205, "held")]
)
@pytest.mark.parametrize("house", ["live", "table"])
def test_what_staff_see_of_a_no(code: int, state: str, house: str, open_office: OpenOffice) -> None:
    office = open_office(VARIANTS[house])
    fault = Fault(kind="answer", body=office.emulator.word(code))
    office.emulator.meet("activate", *([fault] * (2 if code == 205 else 1)))
    purchase = office.step(office.place({"eid": make_eid(), **NEW}))
    assert (purchase.state, office.emulator.books.taken) == (state, [])
    assert Refund.objects.count() == (state == "rejected")
    if state == "held":
        resume_purchase(purchase=purchase, by=office.user)
        assert office.step(purchase).state == "allocating"
    office.check_books()


def test_form_is_corrected_and_sent_again(name: str, office: Office) -> None:
    office.emulator.books.products.add("CD0009999999004")
    office.emulator.books.accounts.add("08011112225")
    values = {
        "eid": make_eid(),
        "addKind": "R",
        "account": "08011112226",
        "reissue.oldProductNumber": "CD0009999999004",
    }
    purchase = office.step(office.place(values, Plan.Kind.REISSUE))
    assert (purchase.state, purchase.error_code, office.emulator.books.taken) == ("held", "210", [])
    correct_form(purchase=purchase, values={**values, "account": "08011112225"}, why="misread", by=office.user)
    purchase = office.step(purchase)
    assert (purchase.state, office.taken(purchase).account) == ("allocating", "08011112225")
    office.check_books()


FAULTS: dict[str, Fault | None] = {
    "none": None,
    "before": Fault(kind="reset_before"),
    "after": Fault(kind="reset_after"),
    "half": Fault(kind="cut", cut=lambda body: len(body) // 2),
    "500 done": Fault(kind="answer", status=500, effect=True, body=b""),
    "429": Fault(kind="answer", status=429, headers={"Retry-After": "1"}, body=b""),
    "mute": Fault(kind="answer", effect=True, body=b"null"),
}
steps = st.tuples(st.sampled_from(sorted(FAULTS)), st.sampled_from(["done", "275", "", "key"]))


@pytest.mark.parametrize("house", sorted(VARIANTS))
@examples(
    max_examples=2,
    deadline=None,
    derandomize=True,
    phases=[Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(life=st.lists(steps, min_size=4, max_size=7))
def test_random_life(house: str, life: list[tuple[str, str]], open_office: OpenOffice) -> None:
    """Whatever is lost on the way, each form is sent once, and the file settles what it names."""
    with forgotten_rows():
        layout = FILES[house]
        office = open_office(VARIANTS[house], **layout.settings())
        books = office.emulator.books
        for fault, outcome in life:
            if outcome == "key":
                office.emulator.keys.clear()
            office.emulator.meet("activate", FAULTS[fault])
            office.settle(office.place({"eid": make_eid(), **NEW}), steps=2)
            RatePause.objects.all().delete()
            if outcome in ("done", "275") and books.waiting():
                books.finish(books.waiting()[0], code="" if outcome == "done" else outcome)
                office.read_file(layout, *books.taken[::-1])
        office.check_books()
        office.emulator.faults.clear()
        for purchase in Purchase.objects.filter(state="planned"):
            office.settle(purchase, steps=2)
        for taken in books.waiting():
            books.finish(taken)
        office.read_file(layout, *books.taken)
        done = {f"{taken.eid}:{taken.delivery_code}" for taken in books.taken if taken.state == "done"}
        assert {esim.provider_ref for esim in office.lines()} == done
        left = Purchase.objects.exclude(state__in=("fulfilled", "rejected", "held"))
        assert {office.code_of(purchase) for purchase in left}.isdisjoint(taken.delivery_code for taken in books.taken)
        assert set(left.values_list("state", flat=True)) <= {"unknown"}
        office.check_books()
