"""What staff can decide about a purchase, in words; the verbs are in ``orders/reconciliation.py``."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django import forms
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from orders import reconciliation
from orders.forms_decisions import LinesForm, NotBoughtForm, ReasonForm, RemarkForm, TransactionForm
from orders.models import Purchase, PurchaseAttempt


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """One decision, about a purchase or a payment. The verb looks again whether it is possible."""

    label: Promise
    hint: Promise
    title: Promise
    consequences: Sequence[Promise]
    form: type[forms.Form]
    verb: Callable[..., Any]
    is_possible: Callable[..., bool]
    done: Promise
    danger: bool = False


def _while(decision: str) -> Callable[[Purchase], bool]:
    return lambda purchase: reconciliation.is_possible(purchase, decision)


def _has_reply(purchase: Purchase) -> bool:
    """A stored reply whose reading may still change something."""
    if purchase.state == Purchase.State.FULFILLED:
        return False
    return purchase.attempts.filter(kind=PurchaseAttempt.Kind.ORDER, body__isnull=False).exists()


DECISIONS: Mapping[str, Decision] = {
    "transaction": Decision(
        label=_("Enter the transaction id"),
        hint=_("The provider's portal shows that it was sold."),
        title=_("The provider sold it: enter its transaction"),
        consequences=(
            _("The provider is asked which lines it holds under this transaction; nothing is ordered."),
            _("Lines that it names are entered here and read one by one."),
        ),
        form=TransactionForm,
        verb=reconciliation.enter_transaction_id,
        is_possible=_while("enter_transaction_id"),
        done=_("The transaction is entered; the provider is being asked."),
    ),
    "lines": Decision(
        label=_("Enter the lines"),
        hint=_("The portal shows the lines, and the provider can no longer be asked."),
        title=_("Enter the lines that the provider sold"),
        consequences=(
            _(
                "The provider is asked about each line first: one that it does not know, that is over, or that is"
                " another order's, stays out."
            ),
            _("Each line becomes an eSIM of this order and is read from the provider; nothing is ordered."),
            _("With all of them here the purchase counts as delivered."),
        ),
        form=LinesForm,
        verb=reconciliation.attach_lines,
        is_possible=_while("attach_lines"),
        done=_("The lines are entered and are being read."),
    ),
    "look-again": Decision(
        label=_("Look for it again"),
        hint=_("The provider is asked once more; nothing is bought by that."),
        title=_("Ask the provider again what it holds?"),
        consequences=(
            _("The provider is asked by its transaction, by our key, or, for a top-up, the line is read."),
            _("What it holds is entered here; nothing is ordered."),
        ),
        form=RemarkForm,
        verb=reconciliation.look_again,
        is_possible=_while("look_again"),
        done=_("The provider is being asked."),
    ),
    "arrived": Decision(
        label=_("The top-up arrived"),
        hint=_("The portal shows the package on the line."),
        title=_("Decide that the top-up arrived?"),
        consequences=(
            _("The package is entered on the line, and the line is read again; nothing is ordered."),
            _("The purchase counts as delivered: nothing is owed back."),
        ),
        form=ReasonForm,
        verb=reconciliation.confirm_top_up,
        is_possible=_while("confirm_top_up"),
        done=_("Decided: the top-up arrived."),
    ),
    "accepted": Decision(
        label=_("The provider took it"),
        hint=_("The portal shows the request: the completion file will tell."),
        title=_("Decide that the provider took the activation?"),
        consequences=(
            _("It waits for its row in a completion file; nothing is sent again."),
            _("Without such a row it stays open, and staff see that it waits."),
        ),
        form=ReasonForm,
        verb=reconciliation.await_completion,
        is_possible=_while("await_completion"),
        done=_("Decided: it waits for the completion file."),
    ),
    "not-bought": Decision(
        label=_("Nothing was bought"),
        hint=_("The portal shows no such sale, and the provider confirms it."),
        title=_("Decide that nothing was bought?"),
        consequences=(
            _("What is missing is owed back to the customer: a refund becomes due."),
            _("It is not ordered again. To try again, place a new order."),
            _("Should eSIMs come late after all, they are kept and you are told."),
        ),
        form=NotBoughtForm,
        verb=reconciliation.mark_not_bought,
        is_possible=_while("mark_not_bought"),
        done=_("Decided: nothing was bought. The refund is due."),
        danger=True,
    ),
    "resume": Decision(
        label=_("Resume"),
        hint=_("What stopped it is mended."),
        title=_("Send it again?"),
        consequences=(
            _("The order is sent to the provider again; this time it may be bought."),
            _(
                "An earlier request was refused or not sent; one that was never answered goes out under its own key, or"
                " is looked for. So nothing is bought twice."
            ),
        ),
        form=RemarkForm,
        verb=reconciliation.resume_purchase,
        is_possible=_while("resume_purchase"),
        done=_("It is being sent again."),
    ),
    "give-up": Decision(
        label=_("Give up"),
        hint=_("It will not be bought here."),
        title=_("Give this purchase up?"),
        consequences=(
            _("Nothing more is sent to the provider for it."),
            _("The money for what did not come is owed back to the customer: a refund becomes due."),
        ),
        form=ReasonForm,
        verb=reconciliation.give_up_purchase,
        is_possible=_while("give_up_purchase"),
        done=_("Given up. The refund is due."),
        danger=True,
    ),
    "read-again": Decision(
        label=_("Read the reply again"),
        hint=_("Our program was mended since."),
        title=_("Read the stored reply again?"),
        consequences=(
            _("The reply that is stored is read once more; nothing is sent to the provider."),
            _("eSIMs that it holds and that are not here yet are entered."),
        ),
        form=RemarkForm,
        verb=reconciliation.read_reply_again,
        is_possible=_has_reply,
        done=_("The reply was read again."),
    ),
    "looked-at": Decision(
        label=_("I have looked at it"),
        hint=_("Takes the mark away."),
        title=_("Take the mark away?"),
        consequences=(_("The purchase leaves the queue; what it asked for stays on the timeline."),),
        form=RemarkForm,
        verb=reconciliation.settle_attention,
        is_possible=lambda purchase: bool(purchase.attention),
        done=_("The mark is taken away."),
    ),
}
