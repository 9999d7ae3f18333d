"""One test for each trap of freebit's document, by the door; the numbers are those of ``docs/providers/freebit.md``."""

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

import pytest
import time_machine
from pytest_django.fixtures import Settings

from providers import registry
from providers.base import Provider
from providers.errors import Mend, OutcomeUnknown, Rejected
from providers.models import ProviderCall
from providers.types import ActivationRequest, Capability, OrderOutcome
from tests.providers.freebit_calls import CODE, EID, NEW, PERSON, TRANSFER, make_request, read_document
from tests.simulator.freebit_samples import EID as SAMPLE_EID
from tests.simulator.freebit_samples import EXAMPLES
from tests.simulator_client import Simulator
from tests.simulator_freebit import OEM_ID, OEM_KEY, SYSTEM, Freebit

pytestmark = pytest.mark.django_db
Configure = Callable[..., None]
COMPANY: Mapping[str, str] = {
    "reserveNumber": "1101201235",
    "lastnameKanji": "フリービット 株式会社",
    "lastnameZenKana": "フリービット  カブシキカイシャ",
    "gender": "C",
}
OPERATED: Mapping[str, Any] = {
    "aladinOperated": "10",
    "simKind": "E0",
    "addKind": "N",
    "account": "08011112229",
    "repAccount": "08000001111",
    "shipDate": "20170301",
}


class Desk:
    """The account, and what arrived at freebit from it."""

    def __init__(self, simulator: Simulator, configure: Configure) -> None:
        self.freebit = Freebit(simulator)
        self.simulator = simulator
        self._configure = configure
        self.set()
        registry.ensure_accounts()

    def set(self, **settings: Any) -> None:
        self._configure("freebit", url=self.freebit.url, oem_id=OEM_ID, oem_key=OEM_KEY, **settings)

    @property
    def provider(self) -> Provider:
        return registry.get_provider("freebit")

    def activate(self, payload: Mapping[str, Any], *, eid: str = EID, code: str = CODE) -> OrderOutcome:
        request = make_request(payload, eid=eid, code=code)
        return self.provider.read_activation_reply(self.provider.send_activation(request), request)

    def refuse(self, payload: Mapping[str, Any], *, eid: str = EID, code: str = CODE) -> Rejected:
        """The refusal of what is not even sent."""
        before = self.freebit.count_activations()
        with pytest.raises(Rejected) as caught:
            self.activate(payload, eid=eid, code=code)
        assert self.freebit.count_activations() == before
        assert (caught.value.mend, caught.value.message.startswith("Not sent: ")) == (Mend.DATA, True)
        return caught.value

    def last_document(self) -> Any:
        """The JSON document of the last activation that arrived."""
        body = self.simulator.requests("activate", SYSTEM)[-1]["body"]
        return read_document(b"POST\r\n\r\n" + body.encode())


@pytest.fixture
def desk(simulator: Simulator, configure: Configure) -> Desk:
    return Desk(simulator, configure)


def without(payload: Mapping[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in payload.items() if name not in names}


def holder(**changes: str) -> dict[str, Any]:
    """A transfer without a plan, of a person with these changes."""
    return {"account": "08011112222", "simKind": "E0", "addKind": "M", "mnp": {**PERSON, **changes}}


def test_trap_01_an_operated_line_that_is_not_new_is_not_sent_unless_a_setting_says_so(desk: Desk) -> None:
    example = without(EXAMPLES["operated_mnp_under_representative"], "eid")
    refused = desk.refuse(example)
    assert (refused.code, refused.field) == ("356", "addKind")
    desk.set(allow_aladin_other=True)
    # The provider decides then; by its own rule it says no.
    with pytest.raises(Rejected) as caught:
        desk.activate(example)
    assert (caught.value.code, caught.value.mend) == ("356", Mend.DATA)
    assert desk.freebit.count_activations() == 1
    desk.simulator.set_switches(freebit_lift_aladin_ban=True)
    assert desk.activate(example).order_ref == CODE


def test_trap_02_half_width_spaces_become_one_full_width_space_for_companies_only(desk: Desk) -> None:
    desk.activate(without(holder(), "mnp") | {"mnp": dict(COMPANY)})
    assert desk.last_document()["mnp"] == {
        **COMPANY,
        "lastnameKanji": "フリービット\u3000株式会社",
        "lastnameZenKana": "フリービット\u3000カブシキカイシャ",
    }
    for space in (" ", "\u3000"):
        refused = desk.refuse(holder(lastnameKanji=f"山{space}田"))
        assert (refused.code, refused.field) == ("253", "mnp.lastnameKanji")
        assert "山" not in refused.message


def test_trap_03_a_plan_needs_a_registration_type_and_a_master_account_only_with_the_service(desk: Desk) -> None:
    assert desk.activate(NEW).order_ref == CODE
    assert desk.refuse(without(NEW, "createType")).code == "279"
    assert desk.refuse({**NEW, "createType": "add"}).code == "279"
    assert desk.refuse({**NEW, "masterAccount": "desk@example.org"}).field == "masterAccount"
    desk.set(uses_ums=True)
    assert desk.refuse(NEW).field == "masterAccount"
    assert desk.refuse({**NEW, "masterAccount": "desk@example.org"}).field == "masterPassword"


def test_trap_04_a_new_line_is_found_by_eid_and_delivery_code_only(desk: Desk) -> None:
    outcome = desk.activate(NEW)
    assert (outcome.transaction_id, outcome.order_ref, outcome.lines, outcome.final) == ("", CODE, (), False)
    assert "account" not in desk.last_document()
    assert (desk.last_document()["eid"], desk.last_document()["deliveryCode"]) == (EID, CODE)
    desk.freebit.complete(EID)
    (row,) = desk.provider.read_completions(desk.freebit.completion_file().content).rows
    assert (row.eid, row.delivery_code) == (EID, CODE)
    assert [row.account_number] == [line["account"] for line in desk.freebit.lines() if line["eid"] == EID]


def test_trap_05_there_is_no_activation_code_and_the_eid_comes_first(desk: Desk) -> None:
    desk.activate(NEW)
    desk.freebit.complete(EID)
    (row,) = desk.provider.read_completions(desk.freebit.completion_file().content).rows
    line = desk.provider.build_completed_line(row, eid=EID, delivery_code=CODE, seen_at=datetime.now(UTC))
    assert (line.lpa, line.smdp_address, line.matching_id, line.eid) == ("", "", "", EID)
    refused = desk.refuse(NEW, eid="")
    assert (refused.code, refused.field) == ("370", "eid")


@pytest.mark.parametrize("kind", ["reset_after", "close_after", "hang_after", "status_after", "cut_body", "html_body"])
def test_trap_06_an_activation_is_never_sent_again_by_itself(kind: str, desk: Desk, settings: Settings) -> None:
    settings.HTTP_READ_TIMEOUT = 0.5
    seconds: dict[str, Any] = {"seconds": 60} if kind == "hang_after" else {}
    desk.freebit.order_fault(kind, times=None, **seconds)
    with pytest.raises(OutcomeUnknown):
        desk.activate(NEW)
    assert len(desk.freebit.orders()) == desk.freebit.count_activations() == 1
    assert desk.provider.repeatable == frozenset()
    assert not desk.provider.offered & {Capability.ORDER_LOOKUP, Capability.TRANSACTION_INQUIRY}


def test_trap_07_the_monthly_limit_of_an_eid_asks_for_time(desk: Desk) -> None:
    desk.freebit.order_fault("refuse_code", code="374")
    with pytest.raises(Rejected) as caught:
        desk.activate(NEW)
    assert (caught.value.code, caught.value.field, caught.value.mend) == ("374", "eid", Mend.TIME)
    assert "next month" in caught.value.message
    assert desk.freebit.count_activations() == 1


@pytest.mark.parametrize(
    ("now", "today", "tomorrow"),
    [
        # In Japan the next day begins at 15:00 UTC.
        (datetime(2026, 2, 3, 14, 59, tzinfo=UTC), "20260203", "20260204"),
        (datetime(2026, 2, 3, 15, 1, tzinfo=UTC), "20260204", "20260205"),
    ],
)
def test_trap_08_a_ship_date_may_be_today_in_japan_and_not_later(
    desk: Desk, now: datetime, today: str, tomorrow: str
) -> None:
    desk.simulator.move_clock(at=now.isoformat())
    with time_machine.travel(now):
        refused = desk.refuse({**OPERATED, "shipDate": tomorrow})
        assert (refused.code, refused.field) == ("276", "shipDate")
        assert desk.activate({**OPERATED, "shipDate": today}).order_ref == CODE


def test_trap_09_a_reissue_names_one_old_sim_which_is_another(desk: Desk) -> None:
    number, old_eid = "CD0009999999004", "89086030202200000022000023022943"
    base = {"account": "08011112225", "addKind": "R"}
    for reissue in ({}, {"oldProductNumber": number, "oldEid": old_eid}):
        assert desk.refuse({**base, "reissue": reissue}).code == "204"
    assert desk.refuse({**base, "reissue": {"oldEid": EID}}).field == "reissue.oldEid"
    assert desk.activate({**base, "reissue": {"oldProductNumber": number}}).order_ref == CODE
    assert desk.last_document()["reissue"] == {"oldProductNumber": number}


def test_trap_10_a_woman_is_w_and_a_company_has_no_birthday(desk: Desk) -> None:
    assert desk.refuse(holder(gender="F")).field == "mnp.gender"
    company = without(holder(), "mnp") | {"mnp": {**COMPANY, "birthday": "19900101"}}
    assert desk.refuse(company).field == "mnp.birthday"
    assert desk.activate(holder(gender="W")).order_ref == CODE


def test_trap_11_what_is_not_needed_is_left_out_and_never_empty(desk: Desk) -> None:
    desk.activate(
        {**NEW, "repAccount": "", "account": None, "contractLine": None, "mnp": {}, "reissue": {"oldEid": ""}}
    )
    assert without(desk.last_document(), "authKey") == {**NEW, "eid": EID, "deliveryCode": CODE}
    assert desk.refuse({**NEW, "shipDate": "20170301"}).field == "shipDate"


def test_trap_12_every_sign_of_a_password_arrives(desk: Desk) -> None:
    desk.set(uses_ums=True)
    password = "".join(map(chr, range(0x21, 0x7F)))
    desk.activate({**TRANSFER, "masterPassword": password})
    document = desk.last_document()
    assert document["masterPassword"] == password
    assert document["mnp"] == PERSON


@pytest.mark.parametrize("kind", [None, "reset_after", "status_before", "html_body"])
def test_trap_13_the_whole_form_field_is_hidden(kind: str | None, desk: Desk, caplog: pytest.LogCaptureFixture) -> None:
    desk.set(uses_ums=True)
    request = make_request(TRANSFER)
    shown = ""
    if kind:
        desk.freebit.order_fault(kind)
        with pytest.raises(OutcomeUnknown) as caught:
            desk.activate(TRANSFER)
        shown += f"{caught.value!r} {caught.value}"
    else:
        desk.activate(TRANSFER)
    row = ProviderCall.objects.get(operation="activate")
    assert row.request == "json=[redacted]"
    shown += f"{row.path} {row.reply} {row.error} {request!r} {caplog.text}"
    private = (EID, "08011112222", "desk@example.org", "a+b", *(value for value in PERSON.values() if len(value) > 1))
    assert [value for value in private if value in shown] == []


def test_trap_14_limits_are_characters_and_digits_are_half_width(desk: Desk) -> None:
    assert desk.refuse({**NEW, "account": "０８０１１１１２２２２"}).code == "201"
    assert desk.refuse(NEW, eid="٨" * 32).code == "370"
    assert desk.refuse({**NEW, "planCode": "P" * 33}).code == "215"
    # The provider puts a full-width space between the two: 49 characters are left for them.
    assert desk.refuse(holder(lastnameKanji="山" * 48)).code == "253"
    assert desk.activate(holder(lastnameKanji="山" * 47)).order_ref == CODE
    assert len(desk.last_document()["mnp"]["lastnameKanji"].encode()) == 141


def test_trap_15_check_digits_of_an_eid_do_not_refuse(desk: Desk) -> None:
    assert int(SAMPLE_EID) % 97 == 12
    assert desk.activate(NEW, eid=SAMPLE_EID).order_ref == CODE


@pytest.mark.parametrize("name", sorted(EXAMPLES))
def test_the_examples_of_the_document_are_sent_as_they_are_printed(name: str, desk: Desk) -> None:
    """But for the two operated ones (trap 1) and the company's half-width spaces (trap 2)."""
    example = EXAMPLES[name]
    desk.set(uses_ums="masterAccount" in example, allow_aladin_other=True)
    desk.simulator.set_switches(freebit_lift_aladin_ban=True)
    code = example.get("deliveryCode", "OURS1")
    request = ActivationRequest(eid=example["eid"], delivery_code=code, payload=example)
    desk.provider.read_activation_reply(desk.provider.send_activation(request), request)
    sent = without(desk.last_document(), "authKey")
    printed = json.loads(json.dumps({**example, "deliveryCode": code}, ensure_ascii=False).replace("ト ", "ト\u3000"))
    assert sent == printed
