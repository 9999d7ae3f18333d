"""Random schedules: what is sold and paid, what goes wrong at the wholesalers, who dies where, who comes by meanwhile.

Everything that happens stands in the schedule, so that it happens again when the schedule is run again.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st

from orders.checkpoints import Checkpoint
from tests.faults.wholesale import CARD_SERVICE, SYSTEMS

#: The calls that buying makes: which endpoints faults are ordered for.
WRITES: Mapping[str, Sequence[str]] = {
    "esim-commerce": ("order",),
    "esim-commerce-sandbox": ("order",),
    "esim-access": ("order", "topup"),
    "esimfx": ("order",),
    "freebit": ("activate",),
    CARD_SERVICE: ("intent_create", "refund_create", "intent_cancel"),
}
READS: Mapping[str, Sequence[str]] = {
    "esim-commerce": ("transaction", "status"),
    "esim-commerce-sandbox": ("transaction",),
    "esim-access": ("query",),
    "esimfx": ("auth", "order_detail", "esim_status", "esim_orders", "topups"),
    "freebit": ("auth",),
    CARD_SERVICE: ("intent", "intent_list", "refund", "refund_list"),
}
#: Faults that need a call to run into its time-out: then time-outs are short.
SLOW = frozenset({"hang", "hang_after", "delay_before", "delay_after", "drip"})
#: Codes by which a provider says no, or that it is busy, before it does anything.
_NOES: Mapping[str, Sequence[tuple[str, int | None]]] = {
    "esim-commerce": (("INVALID_PLAN_CODE", 400), ("PLAN_NOT_FOUND", 404), ("FORBIDDEN", 403)),
    "esim-commerce-sandbox": (("INVALID_PLAN_CODE", 400), ("UNAUTHORIZED", 401)),
    "esim-access": tuple(
        (code, None) for code in ("000001", "101013", "900001", "200005", "200007", "200010", "200011", "310241")
    ),
    "esimfx": (("40001", None), ("PRODUCT_NOT_FOUND", None), ("50000", None)),
    "freebit": (("900", None), ("275", None), ("372", None), ("204", None), ("228", None)),
    CARD_SERVICE: (("parameter_invalid", 400), ("invalid_api_key", 401), ("idempotency_key_in_use", 409)),
}
#: Codes by which it says after the deed that it does not know: never a plain no, which would be a lie.
_TROUBLES: Mapping[str, Sequence[tuple[str, int | None]]] = {
    "esim-commerce": (("SIMULATED", 500), ("SIMULATED", 503)),
    "esim-commerce-sandbox": (("SIMULATED", 502),),
    "esim-access": (("000001", None), ("200010", None), ("777777", None)),
    "esimfx": (("50000", 500), ("99999", 503)),
    "freebit": (("900", None),),
    CARD_SERVICE: (("api_error", 500), ("api_error", 503), ("idempotency_key_in_use", 409)),
}
_FIELDS = (
    *("transactionId", "esims", "iccid", "orderNo", "esimList", "esimTranNo", "obj", "success", "errorCode"),
    *("amount", "amount_received", "currency", "payment_intent", "latest_charge", "client_secret"),
    *("code", "data", "id", "esim", "subscription", "resultCode", "status", "statusCode", "ac", "smdpStatus"),
)
_BODIES = ("{}", "null", "[]", "0", '"done"', '{"esims": [null]}', '{"success": true}', '{"code": 0}', "\ufeff{}")
_seldom_late = st.sampled_from([0.01, 0.01, 0.8])


def _words(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries(fields)


def _statuses(*statuses: int) -> st.SearchStrategy[dict[str, Any]]:
    return _words(status=st.sampled_from(statuses))


def _codes(table: Sequence[tuple[str, int | None]]) -> st.SearchStrategy[dict[str, Any]]:
    return st.sampled_from(table).map(lambda found: {"code": found[0], "http_status": found[1]})


def list_parameters(account: str) -> Mapping[str, st.SearchStrategy[dict[str, Any]]]:
    """Every kind of fault with what it is told. A provider may do anything but lie: it says no "no" to what it did."""
    return {
        "delay_before": _words(seconds=_seldom_late),
        "hang": _words(),
        "reset_before": _words(),
        "close_before": _words(),
        "status_before": _statuses(500, 502, 503, 504, 408),
        "rate_limited": _words(retry_after=st.sampled_from([1, 30]), style=st.sampled_from([None, "seconds", "date"])),
        "refuse": _words(reason=st.sampled_from(["out_of_stock", "insufficient_balance"])),
        "refuse_code": _codes(_NOES[account]),
        "short_order": _words(by=st.integers(1, 2)),
        "short_reply": _words(by=st.integers(1, 3)),
        "wrong_json": _words(),
        "replace_body": _words(body=st.sampled_from(_BODIES)),
        "empty_body": _words(),
        "html_body": _statuses(200, 502),
        "unknown_words": _words(),
        "set_fields": _words(values=st.sampled_from(_FIELDS).map(lambda name: {name: {"x": [1]}})),
        "null_fields": _words(fields=st.lists(st.sampled_from(_FIELDS), min_size=1, max_size=2)),
        "drop_fields": _words(fields=st.lists(st.sampled_from(_FIELDS), min_size=1, max_size=2)),
        "extra_fields": _words(),
        "duplicate_item": _words(index=st.integers(0, 2)),
        "wrong_total": _words(delta=st.sampled_from([-1, 1, 5])),
        "crash_after": _words(),
        "delay_after": _words(seconds=_seldom_late),
        "hang_after": _words(),
        "reset_after": _words(),
        "close_after": _words(),
        "status_after": _statuses(500, 502, 503, 504),
        "refuse_code_after": _codes(_TROUBLES[account]),
        "cut_body": _words(fraction=st.sampled_from([0.0, 0.2, 0.5, 0.9, 0.99])),
        "drip": _words(seconds=st.sampled_from([0.05, 0.8])),
    }


PARAMETERS = {account: list_parameters(account) for account in (*SYSTEMS, CARD_SERVICE)}
KINDS = sorted(PARAMETERS["freebit"])


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultSpec:
    """One fault, as the simulator is told: it meets the call after ``skip`` others."""

    account: str
    endpoint: str
    kind: str
    skip: int
    parameters: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """Something that happens here. ``dies`` and ``meanwhile`` name a checkpoint and how often it is passed before.

    Whoever takes the step dies at the first; at the second the steps of ``others`` happen before it goes on.
    """

    name: str
    argument: Any = None
    dies: tuple[str, int] | None = None
    meanwhile: tuple[str, int] | None = None
    others: Sequence["Step"] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """One example."""

    switches: Mapping[str, Any]
    steps: Sequence[Step]

    @property
    def is_slow(self) -> bool:
        return any(fault.kind in SLOW for fault in self.list_faults())

    def list_faults(self) -> list[FaultSpec]:
        return _find_faults(self.steps)

    def __str__(self) -> str:
        lines = [line for step in self.steps for line in _write_step(step, "")]
        return "\n".join([f"switches {dict(self.switches)}", *lines])


def _find_faults(steps: Sequence[Step]) -> list[FaultSpec]:
    found = [step.argument for step in steps if isinstance(step.argument, FaultSpec)]
    return found + [fault for step in steps for fault in _find_faults(step.others)]


def _write_fault(fault: FaultSpec) -> str:
    words = "".join(f" {name}={value!r}" for name, value in fault.parameters.items())
    return f"{fault.account} {fault.endpoint} {fault.kind} skip={fault.skip}{words}"


def _write_step(step: Step, indent: str) -> list[str]:
    argument = _write_fault(step.argument) if isinstance(step.argument, FaultSpec) else step.argument
    word = f"{indent}{step.name} {argument}"
    if step.dies:
        word += f", dies at {step.dies[0]} + {step.dies[1]}"
    if step.meanwhile:
        word += f", meanwhile at {step.meanwhile[0]} + {step.meanwhile[1]}:"
    return [word, *(line for other in step.others for line in _write_step(other, indent + "    "))]


# -- drawing ----------------------------------------------------------------------------------------------------------

#: Where somebody may come by: outside every transaction.
BETWEEN = (
    *(Checkpoint.LOOKED, Checkpoint.CLAIMED, Checkpoint.ANSWERED, Checkpoint.UNANSWERED, Checkpoint.STORED),
    *(Checkpoint.PARSED, Checkpoint.ASKING, Checkpoint.ASKED, Checkpoint.RULING, Checkpoint.APPLIED),
    *(Checkpoint.OPENED, Checkpoint.TOLD),
)
_RUNNING = (
    *BETWEEN[:10],
    *(Checkpoint.KEEPING, Checkpoint.POSTPONING, Checkpoint.HOLDING, Checkpoint.CLAIMING, Checkpoint.STORING),
    Checkpoint.APPLYING,
)
_BY_CARD = (Checkpoint.CAPTURING, Checkpoint.CAPTURED, Checkpoint.REFUNDING, Checkpoint.REFUNDED)
_ASKING_FOR_CARDS = (Checkpoint.OPENED, Checkpoint.TOLD, *_BY_CARD)
#: Which step passes which checkpoints: where whoever takes it may die.
DEATHS: Mapping[str, Sequence[str]] = {
    "sell": (Checkpoint.PLACING, Checkpoint.PLACED, Checkpoint.CAPTURING, Checkpoint.CAPTURED, Checkpoint.OPENED),
    "pay": (Checkpoint.CAPTURING, Checkpoint.CAPTURED),
    "card": _ASKING_FOR_CARDS,
    "cards": _ASKING_FOR_CARDS,
    "news": (Checkpoint.TOLD, *_BY_CARD, Checkpoint.DRAINED),
    "refund": (Checkpoint.REFUNDING, Checkpoint.REFUNDED, Checkpoint.TOLD),
    "give_up_card": (Checkpoint.TOLD, *_BY_CARD),
    "hanging": (Checkpoint.TOLD, *_BY_CARD),
    "run": _RUNNING,
    "job": _RUNNING,
    "sweep": (Checkpoint.RULING, Checkpoint.PARSED, Checkpoint.APPLYING, Checkpoint.APPLIED),
    "hooks": (Checkpoint.DRAINING, Checkpoint.DRAINED),
    "file": (Checkpoint.APPLYING, Checkpoint.APPLIED),
    "decide": (Checkpoint.DECIDING, Checkpoint.DECIDED, Checkpoint.APPLYING, Checkpoint.APPLIED),
}
DECISIONS = (
    *("look_again", "arrived", "accepted", "not_bought", "transaction", "lines"),
    *("resume", "give_up", "read_again", "correct", "looked_at"),
)
PAID = ("cash", "cash", "cash", "twice", "nothing")
PAID_BY_CARD = ("card", "card", "card_over", "card_over", "card_open", "cash")
CAPTURES = ("exact", "exact", "short", "over", "foreign")
WAITS = (1, 25, 70, 400, 3_700, 180_000, 300_000, 900_000)

_number = st.integers(0, 20)
#: What is sold, by whose it is.
SALES: Mapping[str, st.SearchStrategy[Any]] = {
    **{slug: st.tuples(st.just("esim"), st.just(slug), st.integers(1, 4)) for slug in SYSTEMS if "commerce" in slug},
    "esim-access": st.one_of(
        st.tuples(st.just("esim"), st.just("esim-access"), st.sampled_from([1, 2, 3, 32])),
        st.tuples(st.just("top_up"), st.just("esim-access"), _number),
    ),
    "esimfx": st.one_of(
        st.tuples(st.just("esim"), st.just("esimfx"), st.integers(1, 3)),
        st.tuples(st.just("top_up"), st.just("esimfx"), _number),
    ),
    "freebit": st.tuples(st.just("form"), st.just("freebit"), st.integers(0, 1)),
}
_ARGUMENTS: Mapping[str, st.SearchStrategy[Any]] = {
    "sell": st.tuples(st.one_of(*SALES.values()), st.sampled_from((*PAID, *PAID_BY_CARD))),
    "pay": _number,
    "card": _number,
    "capture": st.tuples(_number, st.sampled_from(CAPTURES)),
    "cards": st.sampled_from([True, True, False]),
    "news": st.integers(0, 10_000),
    "decline": _number,
    "refund_ends": st.tuples(_number, st.sampled_from(["succeeded", "failed"])),
    "give_up_card": _number,
    "keys": st.booleans(),
    "hanging": _number,
    "cancel": _number,
    "expire": st.none(),
    "buy_after_all": _number,
    "give_back": _number,
    "void": _number,
    "settle_payment": _number,
    "refund": _number,
    "run": st.sampled_from([1, 2, 5]),
    "job": st.tuples(_number, st.booleans()),
    "sweep": st.none(),
    "overdue": st.none(),
    "wait": st.sampled_from(WAITS),
    "skew": st.sampled_from([-70, -5, 5, 70]),
    "hooks": st.integers(0, 10_000),
    "use": _number,
    "file": st.integers(0, 10_000),
    "decide": st.tuples(st.sampled_from(DECISIONS), _number),
    "pause": st.sampled_from(sorted(SYSTEMS)),
    "unpause": st.none(),
}
#: The steps of schedules in which nobody pays by card, and those that are about cards alone.
CARD_STEPS = (
    *("card", "capture", "cards", "news", "decline", "refund_ends", "give_up_card", "keys", "hanging"),
    *("refund", "wait"),
)
_OTHER_STEPS = [name for name in _ARGUMENTS if name not in CARD_STEPS[:9]]
#: What others do while somebody holds a reply in hand.
_OTHERS = ("run", "sweep", "overdue", "wait", "hooks", "file", "decide", "capture", "refund", "job", "cards", "news")
_others = st.lists(
    st.one_of([st.builds(Step, name=st.just(name), argument=_ARGUMENTS[name]) for name in _OTHERS]),
    min_size=1,
    max_size=3,
)


@st.composite
def fault_specs(draw: st.DrawFn, accounts: Sequence[str], kinds: Sequence[str]) -> FaultSpec:
    """A fault of one of the kinds at one of the accounts."""
    account = draw(st.sampled_from(accounts))
    endpoints = [*WRITES[account], *WRITES[account], *READS[account]]
    kind = draw(st.sampled_from(kinds))
    return FaultSpec(
        account=account,
        endpoint=draw(st.sampled_from(endpoints)),
        kind=kind,
        skip=draw(st.sampled_from([0, 0, 0, 0, 1])),
        parameters=draw(PARAMETERS[account][kind]),
    )


@st.composite
def _steps(draw: st.DrawFn, name: str) -> Step:
    places = DEATHS.get(name, ())
    fate = draw(st.sampled_from(["goes well", "dies", "is slow"]))
    turn = st.sampled_from([0, 0, 0, 1])
    between = [place for place in places if place in BETWEEN]
    return Step(
        name=name,
        argument=draw(_ARGUMENTS[name]),
        dies=(draw(st.sampled_from(places)), draw(turn)) if fate == "dies" and places else None,
        meanwhile=(draw(st.sampled_from(between)), draw(turn)) if fate == "is slow" and between else None,
        others=draw(_others) if fate == "is slow" and between else (),
    )


@st.composite
def schedules(draw: st.DrawFn) -> Schedule:
    """Of few kinds of things each: what goes wrong only together is found sooner than among everything at once."""

    def choose(names: Collection[str], most: int) -> list[str]:
        return draw(st.lists(st.sampled_from(sorted(names)), min_size=1, max_size=most, unique=True))

    accounts = choose(SYSTEMS, 3)
    by_card = draw(st.sampled_from([False, False, True]))
    more = ("cards", "news", *choose(CARD_STEPS, 3)) if by_card else ()
    paid = st.sampled_from(PAID_BY_CARD if by_card else PAID)
    faults = fault_specs([*accounts, *([CARD_SERVICE, CARD_SERVICE] if by_card else [])], choose(KINDS, 4))
    one = st.one_of([_steps(name) for name in ("run", "run", "run", "sweep", *more, *choose(_OTHER_STEPS, 5))])
    wishes = st.one_of([SALES[account] for account in accounts])
    sale = st.builds(Step, name=st.just("sell"), argument=st.tuples(wishes, paid))
    trouble = st.builds(Step, name=st.just("fault"), argument=faults)
    steps: list[Step] = []
    for _round in range(draw(st.integers(2, 6))):
        steps += draw(st.lists(trouble, max_size=2))
        steps.append(draw(sale))
        if by_card:
            # Money that is not needed goes back to the card only after it came.
            steps += [draw(_steps(name)) for name in draw(st.sampled_from([(), ("cards",), ("cards", "refund")]))]
        steps += draw(st.lists(one, min_size=1, max_size=5))
    return Schedule(switches=draw(_natures), steps=steps)


#: What the documents leave open, of all providers.
_natures = st.fixed_dictionaries(
    {
        "access_allocation_delay_s": st.sampled_from([0, 1, 40]),
        "access_allocating_reply": st.sampled_from(["error", "empty", "bare"]),
        "access_duplicate_order": st.sampled_from(["original", "error"]),
        "access_duplicate_topup": st.sampled_from(["original", "error", "again"]),
        "access_topup_transaction": st.sampled_from(["ours", "own"]),
        "access_notify_ids": st.booleans(),
        "esimfx_webhook_shape": st.sampled_from(["flat", "nested", "unknown"]),
        "esimfx_error_status": st.sampled_from(["ok", "matching"]),
        "order_status": st.sampled_from([200, 201]),
        "stripe_refund_status": st.sampled_from(["succeeded", "succeeded", "pending", "failed"]),
    }
)
