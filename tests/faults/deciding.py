"""Honest staff: they decide by what the wholesaler's portal shows, which is its books."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from esims.models import Esim
from orders import reconciliation
from orders.activations import CorrectionRefused, FormNotReady, correct_form, may_correct
from orders.checkout import CheckoutRefused
from orders.models import OrderLine, Purchase
from orders.payments import PaymentRefused
from orders.reconciliation import ReconciliationRefused
from orders.topups import TopUpsUnknown
from tests.orders.activating import NEW, make_eid

if TYPE_CHECKING:
    from tests.faults.office import Office

PS = Purchase.State
Kind = OrderLine.Kind
#: What verbs say when something cannot be done (any more): nothing was written.
REFUSALS = (
    *(ReconciliationRefused, CorrectionRefused, FormNotReady),
    *(CheckoutRefused, PaymentRefused, TopUpsUnknown),
)


class Decider:
    """Decides about the office's purchases."""

    def __init__(self, office: "Office") -> None:
        self._office = office

    def decide(self, name: str, number: int) -> None:
        """Take a decision about one of the purchases, where honest staff would."""
        purchases = self._office.purchases
        if not purchases:
            return
        purchase = purchases[number % len(purchases)]
        if name == "correct":
            if may_correct(purchase):
                self._correct(purchase)
            return
        verb, arguments = self._choose(name, purchase)
        if verb is not None:
            verb(purchase=purchase, by=self._office.staff, **arguments)
            self._office.say(f"{name} of {purchase.pk}")

    def settle(self, purchase: Purchase) -> None:
        """Whatever ends the wait of a purchase."""
        if purchase.state == PS.HELD:
            names = ["resume", "correct_eid"] if may_correct(purchase) else ["resume", "give_up", "not_bought"]
        else:
            names = ["transaction", "lines", "arrived", "accepted", "not_bought"]
        for name in names:
            if name == "resume" and purchase.error_code == "form_erased":
                continue
            if name == "correct_eid":
                self._correct(purchase)
                return
            verb, arguments = self._choose(name, purchase)
            if verb is None:
                continue
            try:
                verb(purchase=purchase, by=self._office.staff, **arguments)
            except REFUSALS as refused:
                self._office.say(f"{name} of {purchase.pk} refused: {getattr(refused, 'message', refused)}")
                continue
            self._office.say(f"{name} of {purchase.pk}")
            return

    def _correct(self, purchase: Purchase) -> None:
        values = {**NEW, "eid": make_eid()}
        correct_form(purchase=purchase, values=values, why="another device", by=self._office.staff)

    def _choose(self, name: str, purchase: Purchase) -> tuple[Callable[..., Any] | None, dict[str, Any]]:
        """The verb with what the portal shows; None where honest staff would not take this decision."""
        books = self._office.wholesale.read_books()
        sales = books.find(purchase)
        refs = [ref for sale in sales for ref in sale.refs]
        is_esim = purchase.order_line.kind == Kind.ESIM
        missing = [ref for ref in refs if not Esim.objects.filter(provider_ref=ref).exists()] if is_esim else []
        is_sold = bool(sales)
        if purchase.order_line.kind in OrderLine.BY_FORM:
            code = purchase.order_line.activation.delivery_code
            is_sold = is_sold and books.activated.get(code) is not False
        is_there = is_sold and not is_esim
        reference = self._name_transaction(purchase, sales[0].reference if sales else "")
        told: Mapping[str, Any] = {"why": "seen in the portal"}
        # The portal says whose a package is.
        none = {**told, "not_ours": True}
        choices: dict[str, tuple[Callable[..., Any] | None, dict[str, Any]]] = {
            "look_again": (reconciliation.look_again, {}),
            "arrived": (reconciliation.confirm_top_up if is_there else None, {**told}),
            "accepted": (reconciliation.await_completion if is_there else None, {**told}),
            "not_bought": (None if missing or is_there else reconciliation.mark_not_bought, none),
            "transaction": (
                reconciliation.enter_transaction_id if reference and missing else None,
                {"transaction_id": reference},
            ),
            "lines": (reconciliation.attach_lines if missing else None, {"iccids": missing}),
            "resume": (reconciliation.resume_purchase, {}),
            "give_up": (reconciliation.give_up_purchase, {"why": "customer left"}),
            "read_again": (reconciliation.read_reply_again, {}),
            "looked_at": (reconciliation.settle_attention, {}),
        }
        return choices[name]

    def _name_transaction(self, purchase: Purchase, reference: str) -> str:
        """What the portal calls the transaction: at eSIM Access the order's number."""
        if purchase.account.slug != "esim-access" or not reference or purchase.order_line.kind != Kind.ESIM:
            return reference
        lines = self._office.wholesale.access.lines()
        return next((one["order_no"] for one in lines if one["transaction_id"] == reference), "")
