"""What exists at freebit: who is refused because of it, numbers that are given out, completions and their books."""

from collections.abc import Callable
from pathlib import Path

import pytest
import requests

from tests.simulator.freebit_samples import EID, OTHER_EID, PATTERNS, Document, change
from tests.simulator_client import ControlRefused, Simulator
from tests.simulator_freebit import Freebit

NEW = PATTERNS["20N"]
MOVED = PATTERNS["20M"]
REISSUED = PATTERNS["20R"]
REPRESENTATIVE = "08000001111"


@pytest.fixture
def freebit(simulator: Simulator) -> Freebit:
    return Freebit(simulator)


def refused(freebit: Freebit, document: Document) -> int:
    """The detail code of a request that must leave everything as it is."""
    before = (freebit.orders(), freebit.accepted(), freebit.lines())
    code = freebit.activate(document).code
    assert (freebit.orders(), freebit.accepted(), freebit.lines()) == before
    return code


def open_line(freebit: Freebit, eid: str = EID) -> str:
    """A line in use on an eSIM; its phone number."""
    assert freebit.activate({**NEW, "eid": eid}).code == 100
    assert freebit.complete(eid) == [eid]
    return next(str(line["account"]) for line in freebit.lines() if line["eid"] == eid)


# Completion


def test_trap_04_a_number_is_given_to_a_new_line_and_told_in_no_reply(freebit: Freebit) -> None:
    assert set(freebit.activate(NEW).body) == {"resultCode", "status"}
    assert [line for line in freebit.lines() if line["eid"]] == []
    assert freebit.complete() == [EID]
    [request] = freebit.accepted()
    [line] = [line for line in freebit.lines() if line["eid"]]
    assert (line["eid"], line["account"], line["iccid"]) == (EID, request["account"], request["iccid"])
    assert line["account"].startswith("0800") and len(line["account"]) == 11
    assert line["iccid"].startswith("898199") and len(line["iccid"]) == 19
    [effect] = freebit.effects()
    assert (effect["kind"], effect["ref"], effect["request_id"]) == ("completed", EID, request["request_id"])
    assert effect["detail"] == {
        "deliveryCode": "XXXX",
        "account": line["account"],
        "iccid": line["iccid"],
        "code": "100",
    }


def test_a_failure_opens_no_line_and_frees_the_eid_and_the_reservation(freebit: Freebit) -> None:
    assert freebit.activate(MOVED).code == 100
    assert freebit.complete(code="310", message="予約番号エラー") == [EID]
    assert [line for line in freebit.lines() if line["eid"]] == []
    [effect] = freebit.effects()
    assert (effect["kind"], effect["detail"]["code"], effect["detail"]["iccid"]) == ("failed", "310", "")
    assert freebit.activate(MOVED).code == 100


def test_one_request_is_completed_by_eid_or_delivery_code(freebit: Freebit) -> None:
    for number in range(3):
        document = {**NEW, "eid": f"{number:032d}", "deliveryCode": f"D{number}"}
        assert freebit.activate(document).code == 100
    assert freebit.complete(f"{1:032d}") == [f"{1:032d}"]
    assert freebit.complete(delivery_code="D2", code="900") == [f"{2:032d}"]
    assert [request["state"] for request in freebit.accepted()] == ["pending", "completed", "failed"]
    with pytest.raises(ControlRefused, match="404"):
        freebit.complete(delivery_code="D2")
    assert freebit.complete() == [f"{0:032d}"]
    assert freebit.complete() == []
    assert len(freebit.effects()) == 3


def test_requests_complete_by_themselves_after_a_time_if_a_switch_says_so(freebit: Freebit) -> None:
    freebit.simulator.move_clock(at="2026-01-05T00:00:00Z", frozen=True)
    freebit.simulator.set_switches(freebit_complete_after_s=60)
    assert freebit.activate(NEW).code == 100
    freebit.simulator.move_clock(seconds=59)
    assert freebit.effects() == []
    freebit.simulator.move_clock(seconds=1)
    assert [effect["kind"] for effect in freebit.effects()] == ["completed"]


def test_all_survives_a_kill_right_after_the_acceptance(start_simulator: Callable[..., Simulator]) -> None:
    freebit = Freebit(start_simulator("--plans", "20"))
    freebit.order_fault("crash_after")
    with pytest.raises(requests.ConnectionError):
        freebit.activate(NEW)
    freebit.simulator.wait_for_death()
    freebit.simulator.start()
    assert [order["refs"] for order in freebit.orders()] == [[EID]]
    assert [request["state"] for request in freebit.accepted()] == ["pending"]
    key = freebit.make_key()
    freebit.simulator.kill()
    freebit.simulator.start()
    assert freebit.activate(NEW, key=key).code == 371


def test_a_reset_forgets_all_but_gives_no_number_twice(freebit: Freebit) -> None:
    first, key = open_line(freebit), freebit.make_key()
    freebit.simulator.reset()
    assert (freebit.accepted(), freebit.orders()) == ([], [])
    assert freebit.activate(NEW, key=key).code == 205
    second = open_line(freebit)
    assert int(second) == int(first) + 1


def test_neither_names_nor_passwords_are_kept_beside_the_call(freebit: Freebit, tmp_path: Path) -> None:
    assert freebit.activate({**MOVED, "masterPassword": "s3cret-Word"}).code == 100
    [request] = freebit.accepted()
    told = " ".join(str(value) for value in request.values())
    assert not any(secret in told for secret in ("山田", "太郎", "ヤマダ", "19900101", "s3cret-Word"))


# Duplicates


def test_an_eid_that_waits_or_is_in_use_is_a_duplicate(freebit: Freebit) -> None:
    assert freebit.activate(NEW).code == 100
    assert refused(freebit, {**NEW, "deliveryCode": "OTHER"}) == 371
    account = freebit.accepted()[0]["account"]
    freebit.complete()
    assert refused(freebit, NEW) == 371
    freebit.change_world(ended=[account])
    assert freebit.activate(NEW).code == 100


def test_a_phone_number_is_busy_while_it_waits_and_a_duplicate_afterwards(freebit: Freebit) -> None:
    assert freebit.activate(MOVED).code == 100
    again = {**MOVED, "eid": OTHER_EID, "masterAccount": "other@test.ne.jp"}
    again = change(again, "mnp.reserveNumber", "9999999999")
    assert refused(freebit, again) == 230
    freebit.complete()
    assert refused(freebit, again) == 208
    assert refused(freebit, {**PATTERNS["10N"], "account": MOVED["account"], "eid": OTHER_EID}) == 208


def test_a_reservation_is_used_once(freebit: Freebit) -> None:
    assert freebit.activate(MOVED).code == 100
    again = {**MOVED, "eid": OTHER_EID, "account": "08011112299", "masterAccount": "other@test.ne.jp"}
    assert refused(freebit, again) == 310


def test_a_master_account_is_made_once_and_added_to_when_it_exists(freebit: Freebit) -> None:
    managed = {**NEW, "masterAccount": "m@test.ne.jp", "masterPassword": "x"}
    assert refused(freebit, {**managed, "createType": "add"}) == 210
    assert freebit.activate(managed).code == 100
    assert refused(freebit, {**managed, "eid": OTHER_EID}) == 208
    assert freebit.activate({**managed, "eid": OTHER_EID, "createType": "add"}).code == 100


def test_trap_07_the_month_of_an_eid_is_full(freebit: Freebit) -> None:
    freebit.simulator.set_switches(freebit_activations_a_month=2)
    freebit.simulator.move_clock(at="2026-01-31T14:00:00Z", frozen=True)
    for _ in range(2):
        assert freebit.activate(NEW).code == 100
        freebit.complete(code="900")
    assert refused(freebit, NEW) == 374
    assert freebit.activate({**NEW, "eid": OTHER_EID}).code == 100
    freebit.simulator.move_clock(hours=1)  # February begins in Japan
    assert freebit.activate(NEW).code == 100


def test_an_eid_can_be_unknown(freebit: Freebit) -> None:
    freebit.change_world(unknown_eids=[EID])
    assert refused(freebit, NEW) == 372
    freebit.change_world(unknown_eids=[])
    assert freebit.activate(NEW).code == 100


# Plans and representative numbers


def test_a_plan_exists_or_not(freebit: Freebit) -> None:
    assert refused(freebit, {**NEW, "planCode": "999K_PLAN"}) == 232
    freebit.change_world(plans=["999K_PLAN"])
    assert refused(freebit, NEW) == 232
    assert freebit.activate({**NEW, "planCode": "999K_PLAN"}).code == 100


@pytest.mark.parametrize(
    ("representative", "code"),
    [
        ({"locked": True}, 284),
        ({"stock": 0}, 275),
        ({"sim_kind": "E0"}, 289),
        ({"sim_kind": "E2"}, 100),
    ],
)
def test_a_representative_number_may_stand_in_the_way(freebit: Freebit, representative: Document, code: int) -> None:
    freebit.change_world(representatives={REPRESENTATIVE: representative})
    document = {**NEW, "repAccount": REPRESENTATIVE}
    assert (freebit.activate(document).code if code == 100 else refused(freebit, document)) == code


def test_an_unknown_representative_and_a_stock_that_ends(freebit: Freebit) -> None:
    assert refused(freebit, {**NEW, "repAccount": "08099999999"}) == 287
    freebit.change_world(representatives={REPRESENTATIVE: {"stock": 1}})
    assert freebit.activate({**NEW, "repAccount": REPRESENTATIVE}).code == 100
    assert refused(freebit, {**NEW, "repAccount": REPRESENTATIVE, "eid": OTHER_EID}) == 275
    assert freebit.activate({**NEW, "eid": OTHER_EID}).code == 100


# Reissue


def test_a_physical_sim_becomes_an_esim_with_the_same_number(freebit: Freebit) -> None:
    assert freebit.activate(REISSUED).code == 100
    assert refused(freebit, {**REISSUED, "eid": OTHER_EID}) == 230
    freebit.complete()
    [line] = [line for line in freebit.lines() if line["account"] == REISSUED["account"]]
    assert (line["eid"], line["product_number"], line["sim_kind"]) == (EID, "", "E0")
    assert refused(freebit, {**REISSUED, "eid": OTHER_EID}) == 288


def test_a_reissue_that_fails_leaves_the_old_sim(freebit: Freebit) -> None:
    before = freebit.lines()
    assert freebit.activate(REISSUED).code == 100
    freebit.complete(code="900")
    assert freebit.lines() == before


def test_an_esim_moves_to_another_device(freebit: Freebit) -> None:
    account = open_line(freebit)
    document = {"eid": OTHER_EID, "account": account, "addKind": "R", "reissue": {"oldEid": f"{7:032d}"}}
    assert refused(freebit, document) == 372
    assert refused(freebit, {**document, "account": "08099999999"}) == 210
    assert freebit.activate({**document, "reissue": {"oldEid": EID}}).code == 100
    freebit.complete()
    assert [line["eid"] for line in freebit.lines() if line["account"] == account] == [OTHER_EID]
    assert freebit.activate({**NEW, "eid": EID}).code == 100


def test_a_physical_sim_of_another_number_is_unavailable(freebit: Freebit) -> None:
    assert refused(freebit, change(REISSUED, "reissue.oldProductNumber", "CD0009999999005")) == 288
