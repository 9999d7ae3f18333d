"""A wholesaler in this process that activates lines by a form, once, and says in a file what became of them."""

import json
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar, Self

from providers.activation_form import (
    ActivationFacts,
    ActivationRules,
    CodeMeaning,
    FormCheck,
    FormDescription,
    FormProblem,
)
from providers.base import Provider
from providers.reading import UnreadableError
from providers.types import (
    ActivationRequest,
    Capability,
    CompletionFile,
    CompletionRow,
    LineSnapshot,
    LineState,
    OrderOutcome,
    ProviderReply,
    RateBudget,
)
from tests.orders import fakes_faults


@dataclass(slots=True)
class Accepted:
    """An activation that the provider took; ``is_done`` None until it knows what becomes of it."""

    code: str
    eid: str
    is_done: bool | None = None

    @property
    def ref(self) -> str:
        return f"{self.eid}:{self.code}"


class Registry:
    """The provider's own truth, and what its next calls do."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        self.accepted: list[Accepted] = []
        self.arrivals: list[tuple[str, str]] = []
        self.todo: deque[str] = deque()
        self.during_call: Callable[[], None] | None = None

    def find(self, code: str) -> Accepted | None:
        return next((one for one in self.accepted if one.code == code), None)

    def arrive(self, code: str, behaviour: str) -> None:
        self.arrivals.append((code, behaviour))
        if self.during_call is not None:
            hook, self.during_call = self.during_call, None
            hook()

    def make_file(self, codes: Sequence[str]) -> bytes:
        """A completion file with a row for each of the codes whose outcome is known, in that order."""
        found = [one for code in codes if (one := self.find(code)) is not None and one.is_done is not None]
        rows = [{"code": one.code, "eid": one.eid, "ok": one.is_done} for one in found]
        return json.dumps({"rows": rows}).encode()


REGISTRY = Registry()


class Rules(ActivationRules):
    def describe(self, values: Mapping[str, str], *, plan_code: str, is_reissue: bool) -> FormDescription:
        raise AssertionError("no page draws this form")

    def check(self, values: Mapping[str, Any], *, plan_code: str, is_reissue: bool, now: datetime) -> FormCheck:
        del plan_code, is_reissue, now
        missing = [name for name in ("eid", "name") if not values.get(name)]
        problems = tuple(FormProblem(field=name, message="is missing", code="1") for name in missing)
        facts = ActivationFacts(eid=values.get("eid", ""), add_kind="N")
        return FormCheck(values=dict(values), corrections=(), problems=problems, warnings=(), facts=facts)

    def prefill(self, facts: ActivationFacts) -> Mapping[str, str]:
        return {"eid": facts.eid}

    def explain(self, code: str) -> CodeMeaning | None:
        return CodeMeaning(code=code, meaning="no such number", fields=("eid",)) if code == "372" else None


class FormProvider(Provider):
    adapter = "fake-form"
    capabilities: ClassVar[frozenset[Capability]] = frozenset({Capability.LINE_ACTIVATION})
    line_reference_name = "EID:deliveryCode"
    line_reference_pattern = r"[0-9]{32}:[0-9A-Za-z]{1,10}"

    @classmethod
    def from_settings(cls, account: str, values: Mapping[str, Any]) -> Self:
        del values
        return cls(account)

    @classmethod
    def is_configured(cls, values: Mapping[str, Any]) -> bool:
        del values
        return True

    @property
    def budgets(self) -> Mapping[str, RateBudget]:
        return {}

    def _send_activation(self, request: ActivationRequest) -> ProviderReply:
        assert request.payload["name"], "sent without its form"
        behaviour = REGISTRY.todo.popleft() if REGISTRY.todo else "ok"
        code = request.delivery_code

        def effect() -> Mapping[str, Any]:
            REGISTRY.accepted.append(Accepted(code=code, eid=request.eid))
            return {}

        return fakes_faults.write(
            "activation", behaviour, arrive=lambda: REGISTRY.arrive(code, behaviour), effect=effect
        )

    def _read_activation_reply(self, reply: ProviderReply, request: ActivationRequest) -> OrderOutcome:
        fakes_faults.read(reply)
        return OrderOutcome(transaction_id="", order_ref=request.delivery_code, lines=(), final=False)

    def _read_completions(self, data: bytes) -> CompletionFile:
        try:
            rows = json.loads(data)["rows"]
        except ValueError as error:
            raise UnreadableError("no such file") from error
        found = [
            CompletionRow(
                number=number,
                eid=row["eid"],
                delivery_code=row["code"],
                account_number="",
                succeeded=row["ok"],
                code="100" if row["ok"] else "372",
            )
            for number, row in enumerate(rows, start=1)
        ]
        return CompletionFile(rows=tuple(found), faults=())

    def _build_completed_line(
        self, row: CompletionRow, eid: str, delivery_code: str, seen_at: datetime
    ) -> LineSnapshot:
        del row
        return LineSnapshot(
            provider_ref=f"{eid}:{delivery_code}",
            iccid="",
            state=LineState.PROVISIONING,
            raw_states={},
            state_as_of=seen_at,
            usage_as_of=seen_at,
            eid=eid,
        )

    def _make_activation_rules(self) -> ActivationRules:
        return Rules()


ADAPTERS = {FormProvider.adapter: f"{__name__}.FormProvider"}
ACCOUNTS = {FormProvider.adapter: {"adapter": FormProvider.adapter, "name": "Forms", "sandbox": False}}
