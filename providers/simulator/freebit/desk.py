"""What freebit does with a request that the document allows: accept or decline it by what exists, complete it later.

The order of checks is ours: plan, account, master account, reservation, representative number, EID.
"""

import time
from datetime import datetime, timedelta
from decimal import Decimal

from providers.simulator.clock import format_instant, parse_instant, to_jst_date
from providers.simulator.freebit.codes import MESSAGE_BY_STATUS, STATUS_BY_CODE, Decline
from providers.simulator.freebit.numbers import make_iccid, make_phone_number
from providers.simulator.freebit.request_store import COMPLETED, FAILED, Accepted, RequestStore
from providers.simulator.freebit.validation import Activation
from providers.simulator.freebit.world import Line, World
from providers.simulator.messages import Refusal
from providers.simulator.system import Core

_FIRST_PHONE = 1_000_000


class Desk:
    """Accepts and completes. Call its methods inside a transaction."""

    def __init__(self, core: Core, *, system: str, world: World, requests: RequestStore) -> None:
        self._core = core
        self._system = system
        self._world = world
        self._requests = requests

    def accept(self, wanted: Activation, *, request_id: int, now: datetime) -> None:
        """Take a request and book it. Raises Decline when what exists stands against it."""
        month = f"{to_jst_date(now):%Y%m}"
        self._check_plan(wanted)
        self._check_account(wanted)
        self._check_master(wanted)
        if wanted.reserve_number and self._requests.is_reservation_used(wanted.reserve_number):
            raise Decline("310")
        self._check_representative(wanted)
        self._check_eid(wanted, month)
        new_master = wanted.master_account if wanted.create_type == "new" else ""
        if new_master:
            self._world.add_master(new_master)
        account = wanted.account or self._take_number(wanted)
        self._requests.add(
            wanted, request_id=request_id, at=format_instant(now), month=month, account=account, new_master=new_master
        )
        self._core.books.record_order(
            system=self._system,
            request_id=request_id,
            plan=wanted.plan,
            quantity=1,
            reference=wanted.delivery_code,
            unit_price=Decimal(0),
            refs=[wanted.eid],
            shown=0,
        )

    def complete(
        self, *, eid: str | None, delivery_code: str | None, code: str, message: str | None, now: datetime
    ) -> list[Accepted]:
        """Finish the waiting requests, all or those of an EID or a delivery code; `code` 100 is success.

        Returns what was finished. Raises Refusal 404 when one was named and nothing waits for it.
        """
        found = [
            accepted
            for accepted in self._requests.list_pending()
            if eid in (None, accepted.eid) and delivery_code in (None, accepted.delivery_code)
        ]
        if not found and (eid is not None or delivery_code is not None):
            raise Refusal(404, "NOT_FOUND", "No request waits for this EID and delivery code")
        if code not in STATUS_BY_CODE:
            raise Refusal(400, "UNKNOWN_CODE", f"No detail code {code!r}")
        for accepted in found:
            self._finish(accepted, code=code, message=message, now=now)
        return found

    def complete_due(self, *, after_s: float, now: datetime) -> None:
        """Finish what was accepted so many seconds ago, with success."""
        for accepted in self._requests.list_pending():
            if now - parse_instant(accepted.at) >= timedelta(seconds=after_s):
                self._finish(accepted, code="100", message=None, now=now)

    def _finish(self, accepted: Accepted, *, code: str, message: str | None, now: datetime) -> None:
        succeeded = code == "100"
        iccid = make_iccid(self._take_serial("iccid", int(time.time()) * 100)) if succeeded else ""
        if succeeded:
            sim_kind = accepted.sim_kind or self._read_sim_kind(accepted.account)
            self._world.put_line(Line(accepted.account, accepted.eid, iccid, "", sim_kind))
        elif accepted.new_master:
            self._world.drop_master(accepted.new_master)
        self._requests.finish(
            accepted,
            state=COMPLETED if succeeded else FAILED,
            completed_at=format_instant(now),
            code=code,
            message=MESSAGE_BY_STATUS[STATUS_BY_CODE[code]] if message is None else message,
            iccid=iccid,
        )
        self._core.books.record_effect(
            system=self._system,
            request_id=accepted.request_id,
            kind=COMPLETED if succeeded else FAILED,
            ref=accepted.eid,
            detail={
                "deliveryCode": accepted.delivery_code,
                "account": accepted.account if succeeded or accepted.given else "",
                "iccid": iccid,
                "code": code,
            },
        )

    def _read_sim_kind(self, account: str) -> str:
        """A reissue keeps the SIM type of the line."""
        line = self._world.find_line(account)
        return "" if line is None else line.sim_kind

    def _check_plan(self, wanted: Activation) -> None:
        if wanted.plan and not self._world.has_plan(wanted.plan):
            raise Decline("232")

    def _check_account(self, wanted: Activation) -> None:
        if not wanted.account:
            return
        if self._requests.is_account_pending(wanted.account):
            raise Decline("230")
        line = self._world.find_line(wanted.account)
        if wanted.kind != "R":
            if line is not None:
                raise Decline("208")
            return
        if line is None:
            raise Decline("210")
        if wanted.old_product_number and line.product_number != wanted.old_product_number:
            raise Decline("288")
        if wanted.old_eid and line.eid != wanted.old_eid:
            raise Decline("372")

    def _check_master(self, wanted: Activation) -> None:
        if not wanted.master_account:
            return
        exists = self._world.has_master(wanted.master_account)
        if exists and wanted.create_type == "new":
            raise Decline("208")
        if not exists and wanted.create_type == "add":
            raise Decline("210")

    def _check_representative(self, wanted: Activation) -> None:
        if not wanted.rep_account:
            return
        parent = self._world.find_representative(wanted.rep_account)
        if parent is None:
            raise Decline("287")
        if parent.locked:
            raise Decline("284")
        if parent.sim_kind not in ("", wanted.sim_kind):
            raise Decline("289")
        if not wanted.account and parent.stock < 1:
            raise Decline("275")

    def _check_eid(self, wanted: Activation, month: str) -> None:
        if not self._world.knows_eid(wanted.eid):
            raise Decline("372")
        if self._requests.is_eid_pending(wanted.eid) or self._world.find_line_of_eid(wanted.eid) is not None:
            raise Decline("371")
        most = int(self._core.switches["freebit_activations_a_month"])
        if most and self._requests.count_month(wanted.eid, month) >= most:
            raise Decline("374")

    def _take_number(self, wanted: Activation) -> str:
        """A free phone number, out of the representative's stock where one was named."""
        if wanted.rep_account:
            self._world.take_number(wanted.rep_account)
        while True:
            number = make_phone_number(self._take_serial("phone", _FIRST_PHONE))
            if self._world.find_line(number) is None and not self._requests.is_account_pending(number):
                return number

    def _take_serial(self, name: str, first: int) -> int:
        """The next serial. It counts on through resets: no number is ever given twice from one state."""
        setting = f"{self._system}.{name}"
        serial = int(self._core.store.read_setting(setting, first))
        self._core.store.write_setting(setting, serial + 1)
        return serial
