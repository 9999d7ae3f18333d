"""Completion files: what a provider says, in a file, about activations that it took.

Each row is applied by itself, in a transaction of its own, and leaves one row in the report: applied, repeated,
unmatched or faulty. What a row says is looked at again under the purchase's lock, so the same file twice, or two
imports at once, change nothing more.
"""

import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import structlog
from django.core.exceptions import ImproperlyConfigured
from django.db import InterfaceError, OperationalError, transaction
from django.db.models import F
from django.utils import timezone, translation
from django.utils.translation import gettext as _

from esims.events import EventKind, make_event
from orders.attention import ask_for_look
from orders.checkpoints import Checkpoint, pass_checkpoint
from orders.delivering import apply_in_transaction, deliver_snapshots
from orders.models import Activation, CompletionImport, CompletionOutcome, OrderLine, Purchase, PurchasedEsim
from orders.settling import settle_delivery
from orders.states import change_purchase, lock_purchase
from orders.verdicts import describe_crash
from providers.base import Provider
from providers.errors import NotOffered
from providers.models import ProviderAccount
from providers.reading import UnreadableError
from providers.registry import get_provider
from providers.types import CompletionRow, Fault

log = structlog.get_logger(__name__)
PS = Purchase.State
Outcome = CompletionOutcome.Outcome

#: A failure in the file says something new only of a purchase that waits for its outcome.
_WAITING = frozenset({PS.SENDING, PS.ALLOCATING, PS.UNKNOWN})
_EID_SHOWN = 6
_CODE = re.compile(r"[0-9A-Za-z]{1,10}", re.ASCII)
_LINE = re.compile(r"line ([0-9]{1,9})")


class FileRefused(Exception):
    """The file cannot be imported as a whole; nothing was written. ``message`` is for people, without a word of it."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


@dataclass(frozen=True, slots=True, kw_only=True)
class _Judged:
    """What became of a row. ``note`` is English, as everything that is stored; it holds nothing personal."""

    outcome: str
    note: str = ""
    purchase: Purchase | None = None


#: A row's outcome, which row of how many it was.
Progress = Callable[[CompletionOutcome, int, int], None]


def import_completions(
    *, account: ProviderAccount, data: bytes, file_name: str, by: str, on_row: Progress | None = None
) -> CompletionImport:
    """Read a completion file and apply its rows, in their order; returns the report.

    ``by`` is an e-mail address, or "command". ``on_row`` is told every row's outcome as it comes.
    Raises ``FileRefused``. An import that was cut short is finished by importing the file again.
    """
    try:
        provider = get_provider(account.slug)
        file = provider.read_completions(data)
    except UnreadableError as error:
        raise FileRefused(_("This is no completion file: %(fault)s") % {"fault": error}) from error
    except NotOffered as error:
        raise FileRefused(_("This provider sends no completion files.")) from error
    except ImproperlyConfigured as error:
        raise FileRefused(_("The provider's account is not configured.")) from error
    report = CompletionImport.objects.create(
        account=account, file_name=file_name[:200], digest=hashlib.sha256(data).hexdigest(), imported_by=by
    )
    rows = {row.number: row for row in file.rows}
    faults = _sort_faults(file.faults)
    numbers = sorted({*rows, *faults})
    for place, number in enumerate(numbers, start=1):
        found = _import_row(report, provider, number, rows.get(number), faults.get(number, ()), by=by)
        if on_row is not None:
            on_row(found, place, len(numbers))
    report.refresh_from_db()
    return report


def find_earlier(report: CompletionImport) -> CompletionImport | None:
    """The first import of the same file before this one."""
    same = CompletionImport.objects.filter(account=report.account, digest=report.digest, pk__lt=report.pk)
    return same.order_by("pk").first()


# -- one row ----------------------------------------------------------------------------------------------------------


def _sort_faults(faults: Sequence[Fault]) -> Mapping[int, list[Fault]]:
    """By the number of their row; 0 holds what is said of the whole file."""
    sorted_faults: dict[int, list[Fault]] = {}
    for fault in faults:
        place = _LINE.fullmatch(fault.where)
        sorted_faults.setdefault(int(place[1]) if place else 0, []).append(fault)
    return sorted_faults


def _import_row(
    report: CompletionImport,
    provider: Provider,
    number: int,
    row: CompletionRow | None,
    faults: Sequence[Fault],
    *,
    by: str,
) -> CompletionOutcome:
    """Apply one row and write it into the report, in one transaction."""
    said = "; ".join(fault.message for fault in faults)

    def apply() -> CompletionOutcome:
        judged = _judge(report, provider, row, by=by)
        if judged.purchase is not None:
            pass_checkpoint(Checkpoint.APPLYING, row_id=judged.purchase.pk)
        return _report(report, number, row, faults, judged, said=said)

    try:
        found = apply_in_transaction(apply, durable=False)
    except (OperationalError, InterfaceError):
        raise
    except Exception as error:  # noqa: BLE001  (one row must not keep the others from their customers)
        crash = describe_crash(error)
        log.critical("completion_row_crashed", report=report.pk, row=number, crash=crash)
        judged = _Judged(outcome=Outcome.FAULTY, note=f"our program failed over this row ({crash})")
        with transaction.atomic():
            return _report(report, number, row, faults, judged, said=said)
    if found.purchase_id is not None:
        pass_checkpoint(Checkpoint.APPLIED, row_id=found.purchase_id)
    return found


def _report(
    report: CompletionImport,
    number: int,
    row: CompletionRow | None,
    faults: Sequence[Fault],
    judged: _Judged,
    *,
    said: str,
) -> CompletionOutcome:
    count = str(judged.outcome)
    CompletionImport.objects.filter(pk=report.pk).update(**{count: F(count) + 1})
    return CompletionOutcome.objects.create(
        report=report,
        number=number,
        outcome=judged.outcome,
        delivery_code=_keep(row.delivery_code if row else next((fault.ref for fault in faults if fault.ref), "")),
        eid_end=row.eid[-_EID_SHOWN:] if row else "",
        code=_keep(row.code) if row and row.succeeded is None else row.code[:60] if row else "",
        note="; ".join(filter(None, [judged.note, said]))[:300],
        purchase=judged.purchase,
    )


def _keep(word: str) -> str:
    """A code; anything else might be a name or a number out of a wrong column, which no report keeps."""
    return word if _CODE.fullmatch(word) else ""


def _judge(report: CompletionImport, provider: Provider, row: CompletionRow | None, *, by: str) -> _Judged:
    if row is None:
        return _Judged(outcome=Outcome.FAULTY)
    found = _find_activation(report.account, row)
    if isinstance(found, str):
        return _Judged(outcome=Outcome.UNMATCHED, note=found)
    purchase_id = Purchase.objects.filter(order_line=found.order_line_id).values_list("pk", flat=True).first()
    if purchase_id is None:
        return _Judged(outcome=Outcome.UNMATCHED, note="it was never sent: its order is not paid")
    return _apply(report, provider, row, found, lock_purchase(purchase_id), by=by)


def _apply(
    report: CompletionImport,
    provider: Provider,
    row: CompletionRow,
    found: Activation,
    purchase: Purchase,
    *,
    by: str,
) -> _Judged:
    """What the row says of a locked purchase."""
    activation = Activation.objects.select_for_update().get(pk=found.pk)
    if (activation.eid, activation.delivery_code) != (found.eid, found.delivery_code):
        return _Judged(outcome=Outcome.UNMATCHED, note="its form was corrected just now: import the file again")
    if row.succeeded is None:
        return _Judged(outcome=Outcome.FAULTY, note="says neither success nor failure", purchase=purchase)
    if row.succeeded:
        return _apply_success(report, provider, row, purchase, activation, by=by)
    return _apply_failure(report, provider, row, purchase, by=by)


# -- which activation -------------------------------------------------------------------------------------------------


def _find_activation(account: ProviderAccount, row: CompletionRow) -> Activation | str:
    """The one activation that a row is about, or why it is about none of ours.

    By its delivery code (with the EID, where the row has one); a row without a code by EID and phone number, then by
    either alone where only one activation ever had it.
    """
    ours = Activation.objects.filter(account=account)
    if row.delivery_code:
        found = ours.filter(delivery_code=row.delivery_code).first()
        if found is None:
            return "no request of ours has this delivery code"
        if row.eid and row.eid != found.eid:
            return "our request of this delivery code has another EID"
        return found
    if row.eid and row.account_number:
        both = list(ours.filter(eid=row.eid, account_number=row.account_number)[:2])
        if both:
            return both[0] if len(both) == 1 else "several requests of ours have this EID and phone number"
    if row.eid:
        return _pick_only(list(ours.filter(eid=row.eid)[:2]), row, "EID")
    return _pick_only(list(ours.filter(account_number=row.account_number)[:2]), row, "phone number")


def _pick_only(found: Sequence[Activation], row: CompletionRow, what: str) -> Activation | str:
    if not found:
        return f"no request of ours has this {what}"
    if len(found) > 1:
        return f"several requests of ours have this {what}"
    (activation,) = found
    if row.account_number and activation.account_number not in ("", row.account_number):
        return f"our request of this {what} has another phone number"
    return activation


# -- what it says -----------------------------------------------------------------------------------------------------


def _apply_success(
    report: CompletionImport,
    provider: Provider,
    row: CompletionRow,
    purchase: Purchase,
    activation: Activation,
    *,
    by: str,
) -> _Judged:
    """The line is entered, whatever the purchase was: a success is always kept."""
    if purchase.state == PS.FULFILLED:
        return _Judged(outcome=Outcome.REPEATED, purchase=purchase)
    before = purchase.get_state_display() if purchase.state in Purchase.ENDED else ""
    line = provider.build_completed_line(
        row, eid=activation.eid, delivery_code=activation.delivery_code, seen_at=timezone.now()
    )
    if row.account_number:
        activation.account_number = row.account_number
        activation.save(update_fields=["account_number"])
    delivery = deliver_snapshots(purchase, [line], by=by)
    settle_delivery(purchase, delivery, provider=provider, surely_all=True, by=by)
    _mark_replaced(purchase, by=by)
    with translation.override("en"):
        note = f"came late: the purchase was “{before}”" if before else ""
    return _Judged(outcome=Outcome.APPLIED, note=note, purchase=purchase)


def _mark_replaced(purchase: Purchase, *, by: str) -> None:
    """Say on the old line's timeline which line a reissue put in its place."""
    old_line = purchase.order_line.esim
    if purchase.order_line.kind != OrderLine.Kind.REISSUE or old_line is None:
        return
    new_line = PurchasedEsim.objects.filter(purchase=purchase).first()
    if new_line is not None:
        facts = {"line": new_line.esim_id, "order": purchase.order_line.order.number}
        make_event(old_line, EventKind.REPLACED, by=by, facts=facts).save()


def _apply_failure(
    report: CompletionImport, provider: Provider, row: CompletionRow, purchase: Purchase, *, by: str
) -> _Judged:
    """The purchase is refused for good and the money owed back, unless the line is here or nothing waits."""
    repeated = _Judged(outcome=Outcome.REPEATED, purchase=purchase)
    applied = CompletionOutcome.objects.filter(purchase=purchase, outcome=Outcome.APPLIED)
    if applied.filter(code=row.code[:60]).exists():
        # The same row in an earlier file, whatever staff have decided since.
        return repeated
    if purchase.state == PS.FULFILLED:
        what = f"A completion file says that the activation failed ({row.code}), yet its line is here."
        ask_for_look(purchase, what, by=by)
        return _Judged(outcome=Outcome.APPLIED, note="failed, yet its line is here: needs a look", purchase=purchase)
    if purchase.state in Purchase.ENDED:
        return repeated
    if purchase.state not in _WAITING:
        return _Judged(outcome=Outcome.UNMATCHED, note="it does not wait for an outcome now", purchase=purchase)
    why, field = _explain(provider, row)
    facts = {"code": row.code, "field": field, "import": report.pk, "row": row.number}
    change_purchase(purchase, to=PS.REJECTED, by=by, why=why, facts=facts, error=why, error_code=row.code[:60])
    return _Judged(outcome=Outcome.APPLIED, note=why, purchase=purchase)


def _explain(provider: Provider, row: CompletionRow) -> tuple[str, str]:
    """The failure as a stored sentence, and the form's field that it names."""
    meaning = provider.activation_rules.explain(row.code)
    if meaning is None:
        says = f": {row.message}" if row.message else ""
        return f"The provider refused ({row.code}){says}", ""
    with translation.override("en"):
        text = str(meaning.meaning)
    return f"The provider refused ({row.code}): {text}", next(iter(meaning.fields), "")
