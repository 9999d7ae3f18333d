"""What staff can decide about a payment, in words: ``orders/payment_decisions.py``, ``orders/card/deciding.py``."""

from collections.abc import Mapping
from functools import partial

from django.utils.translation import gettext_lazy as _

from orders import payment_decisions
from orders.card import deciding
from orders.forms_decisions import ReasonForm, RemarkForm, WentThroughForm
from orders.models import Order, Payment
from orders.payment_decisions import POSSIBLE
from orders.views.decisions import Decision


def _may_cancel_too(payment: Payment) -> bool:
    return payment.order.state == Order.State.UNPAID and POSSIBLE["give_back"](payment)


PAYMENT_DECISIONS: Mapping[str, Decision] = {
    "went-through": Decision(
        label=_("It went through"),
        hint=_("The service's own pages show that the money came."),
        title=_("Decide that this card payment went through?"),
        consequences=(
            _("The payment service is asked first, if it can be: what it says counts, not this decision."),
            _("The whole amount counts as captured: the order is bought, or the money is owed back."),
            _("Did another amount come? Decide that it did not go through, then record what came."),
            _("If the service says something else later, the payment asks for a look."),
        ),
        form=WentThroughForm,
        verb=deciding.declare_paid,
        is_possible=deciding.may_decide_payment,
        done=_("Decided. The order's page shows what became of the payment."),
    ),
    "not-paid": Decision(
        label=_("It did not go through"),
        hint=_("The service's own pages show no money, and nobody can pay it any more."),
        title=_("Decide that this card payment did not go through?"),
        consequences=(
            _("The payment service is asked first, if it can be: what it says counts, not this decision."),
            _("Cancel it in the service's own pages before, or the customer may still pay it."),
            _("The payment has failed, and its order waits for it no longer: one whose time is over expires."),
            _("If money comes after all, it is recorded, and what the order does not need is owed back."),
        ),
        form=ReasonForm,
        verb=deciding.declare_unpaid,
        is_possible=deciding.may_decide_payment,
        done=_("Decided. The order's page shows what became of the payment."),
        danger=True,
    ),
    "buy": Decision(
        label=_("Buy the order after all"),
        hint=_("At the price that the customer was told."),
        title=_("Buy the order with what came?"),
        consequences=(
            _("The eSIMs are bought at the provider now; that cannot be taken back."),
            _("The order keeps its price. What came beyond it is owed back to the customer."),
        ),
        form=RemarkForm,
        verb=payment_decisions.buy_after_all,
        is_possible=POSSIBLE["buy_after_all"],
        done=_("The order is being bought."),
    ),
    "give-back": Decision(
        label=_("Give the money back"),
        hint=_("The order goes on waiting, or stays expired."),
        title=_("Give this money back?"),
        consequences=(
            _("A refund becomes due for all of it; it shows until it is made."),
            _("An order whose time is over expires with it; another one goes on waiting for its payment."),
        ),
        form=ReasonForm,
        verb=payment_decisions.give_back,
        is_possible=POSSIBLE["give_back"],
        done=_("The refund is due."),
    ),
    "give-back-and-cancel": Decision(
        label=_("Give the money back and cancel the order"),
        hint=_("The customer does not want it any more."),
        title=_("Give the money back and cancel the order?"),
        consequences=(
            _("A refund becomes due for all that came for the order; it shows until it is made."),
            _("The order stays in the list as cancelled; it cannot be paid or bought any more."),
        ),
        form=ReasonForm,
        verb=partial(payment_decisions.give_back, cancels=True),
        is_possible=_may_cancel_too,
        done=_("The order is cancelled, and the refund is due."),
        danger=True,
    ),
    "looked-at": Decision(
        label=_("I have looked at it"),
        hint=_("Takes the mark away."),
        title=_("Take the mark away?"),
        consequences=(_("The payment leaves the list; what it asked for stays on the order's timeline."),),
        form=ReasonForm,
        verb=payment_decisions.settle_payment,
        is_possible=POSSIBLE["settle_payment"],
        done=_("The mark is taken away."),
    ),
    "void": Decision(
        label=_("It was entered by mistake"),
        hint=_("Only while nothing was bought for it."),
        title=_("Take this payment back?"),
        consequences=(
            _("The payment stays on the order's page as entered by mistake, and counts for nothing."),
            _("A refund that was owed for it is no longer due."),
        ),
        form=ReasonForm,
        verb=payment_decisions.void_payment,
        is_possible=POSSIBLE["void_payment"],
        done=_("The payment is taken back."),
        danger=True,
    ),
}
