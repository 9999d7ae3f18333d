"""What must be true once everything has come to rest (DESIGN.md, section 3)."""

from collections import Counter
from decimal import Decimal

from catalog.currencies import minor_units
from esims.models import Esim
from orders.books import find_uneven_orders, read_balances
from orders.models import (
    Activation,
    Order,
    OrderEvent,
    OrderLine,
    Payment,
    Purchase,
    PurchasedEsim,
    PurchasedPackage,
    Refund,
)
from orders.states import ORDER_TRANSITIONS, PURCHASE_TRANSITIONS, derive_order_state
from tests.faults.office import Office
from tests.faults.wholesale import SYSTEMS, Books, make_key

PS = Purchase.State
Kind = OrderLine.Kind
#: A provider that met these has certainly done nothing, so that even what has no key may be sent again.
HARMLESS = frozenset({"rate_limited", "refuse", "refuse_code"})
#: Before the deed as well, and nobody can tell.
_SILENT = frozenset({"hang", "reset_before", "close_before", "status_before"})


def check_everything(office: Office, *, is_settled: bool = False) -> None:
    """All invariants. ``is_settled``: staff have decided about everything, so nothing is unknown any more."""
    books = office.wholesale.read_books()
    purchases = office.purchases
    check_lines(books, purchases)
    check_packages(books, purchases)
    check_sending(books, purchases)
    check_states(purchases)
    check_forms(purchases)
    check_money()
    check_cards(office)
    if is_settled:
        assert {one.state for one in purchases} <= set(Purchase.ENDED)


def check_lines(books: Books, purchases: list[Purchase]) -> None:
    """Every line that was sold is on one purchase here, the one that asked for it, or that is marked unknown."""
    by_key = {make_key(one): one for one in purchases}
    brought = PurchasedEsim.objects.values_list("esim__account__slug", "esim__provider_ref", "purchase_id")
    owners = {(account, ref): purchase_id for account, ref, purchase_id in brought}
    assert len(owners) == PurchasedEsim.objects.count()
    sold: dict[tuple[str, str], Purchase] = {}
    for sale in books.sales:
        if sale.kind == "top_up":
            continue
        purchase = by_key.get((sale.account, sale.key))
        assert purchase is not None, f"sold what nobody asked for: {sale}"
        if sale.kind == "activation":
            if books.activated.get(sale.key):
                sold[sale.account, f"{sale.refs[0]}:{sale.key}"] = purchase
            continue
        for ref in sale.refs:
            assert (sale.account, ref) not in sold, f"{ref} was sold twice"
            sold[sale.account, ref] = purchase
    assert set(owners) <= set(sold), "a line that nobody sold"
    for line, purchase in sold.items():
        owner = owners.get(line)
        is_unknown = owner is None and purchase.state == PS.UNKNOWN
        assert owner == purchase.pk or is_unknown, f"{line}, sold for {purchase.pk} ({purchase.state}), is on {owner}"
    assert Esim.objects.filter(purchased__isnull=False).count() == len(owners)


def check_packages(books: Books, purchases: list[Purchase]) -> None:
    """Every package that was sold is on one purchase here, on its line, or its purchase is marked unknown."""
    by_key = {make_key(one): one for one in purchases}
    came = {row.purchase_id: row for row in PurchasedPackage.objects.select_related("esim")}
    sold = [sale for sale in books.sales if sale.kind == "top_up"]
    wanted = {by_key[sale.account, sale.key].pk: sale for sale in sold}
    assert set(came) <= set(wanted), "a top-up that nobody made"
    for purchase_id, sale in wanted.items():
        purchase = by_key[sale.account, sale.key]
        assert purchase_id in came or purchase.state == PS.UNKNOWN, f"{sale} is not here: {purchase.state}"
        if purchase_id in came:
            assert came[purchase_id].esim.provider_ref == sale.refs[0]


def check_sending(books: Books, purchases: list[Purchase]) -> None:
    """Nothing is bought twice; what has no key is not even sent twice, unless nothing can have come of the first."""
    for purchase in purchases:
        sales = books.find(purchase)
        assert len(sales) <= 1, f"{purchase.pk} was bought twice: {sales}"
        if purchase.order_line.order.paid_at is None:
            assert not sales, f"{purchase.pk} was bought before it was paid"
        if is_repeatable(purchase):
            continue
        harmful = [one for one in find_arrivals(books, purchase) if not is_harmless(one)]
        assert len(harmful) <= 1, f"{purchase.pk} was sent twice: {[(one['id'], one['faults']) for one in harmful]}"


def is_repeatable(purchase: Purchase) -> bool:
    """By the wholesalers' documents, not by what our adapters declare."""
    account, kind = purchase.account.slug, purchase.order_line.kind
    return account == "esimfx" or (account == "esim-access" and kind == Kind.ESIM)


def find_arrivals(books: Books, purchase: Purchase) -> list[dict[str, object]]:
    """The calls that ordered a purchase."""
    account, key = make_key(purchase)
    mine = [one for one in books.arrivals if one["system"] == SYSTEMS[account]]
    return [
        one
        for one in mine
        if one["endpoint"] in ("order", "topup", "activate") and key in f"{one['body']}{one['query']}"
    ]


def is_harmless(arrival: dict[str, object]) -> bool:
    """Whether the provider said that it did nothing: of the faults before the deed only the first comes."""
    faults = arrival["faults"]
    assert isinstance(faults, list)
    ends = [kind for kind in faults if kind in HARMLESS or kind in _SILENT]
    return bool(ends) and ends[0] in HARMLESS


def check_states(purchases: list[Purchase]) -> None:
    for purchase in purchases:
        is_top_up = purchase.order_line.kind == Kind.TOP_UP
        rows = PurchasedPackage.objects if is_top_up else PurchasedEsim.objects
        came = rows.filter(purchase=purchase).count()
        match purchase.state:
            case PS.FULFILLED:
                assert came >= purchase.quantity
            case PS.SHORT:
                assert 0 < came < purchase.quantity
            case PS.REJECTED | PS.CANCELLED:
                assert came == 0
            case _:
                assert purchase.error or purchase.attention, f"{purchase.pk}: a person is asked without a word why"
        told = list(purchase.events.filter(kind="purchase.state").order_by("pk").values_list("facts", flat=True))
        states = [PS.PLANNED.value, *(facts["new"] for facts in told)]
        assert [facts["old"] for facts in told] == states[:-1], f"{purchase.pk}: gaps in its timeline {told}"
        assert states[-1] == purchase.state
    for order in Order.objects.all():
        assert order.state == derive_order_state(order)
        assert order.state in ORDER_TRANSITIONS
        planned = Purchase.objects.filter(order_line__order=order)
        assert planned.exists() == (order.paid_at is not None)
        wanted = sum(order.lines.values_list("quantity", flat=True))
        assert order.paid_at is None or sum(planned.values_list("quantity", flat=True)) == wanted
    for row in OrderEvent.objects.filter(kind="purchase.state"):
        assert row.facts["new"] in PURCHASE_TRANSITIONS[row.facts["old"]]
        assert row.by


def check_forms(purchases: list[Purchase]) -> None:
    """A form is kept while it may have to be sent; one EID has one open request."""
    opened = Counter(Activation.objects.filter(is_open=True).values_list("eid", flat=True))
    assert set(opened.values()) <= {1}
    for purchase in purchases:
        if purchase.order_line.kind in OrderLine.BY_FORM:
            form = Activation.objects.get(order_line=purchase.order_line)
            assert form.payload is None or purchase.state == PS.HELD, purchase.state


def check_cards(office: Office) -> None:
    """Captured at the payment service is captured here, and paid back there is made here: each once, and no more."""
    service = office.wholesale.cards
    came = {
        row["metadata"]["payment"]: (row["id"], row["amount_received"], row["currency"].upper())
        for row in service.objects("payment_intent")
        if row["status"] == "succeeded"
    }
    captured = {
        str(row.form_key): (
            row.intent_id,
            count_minor(row.captured_amount, row.captured_currency),
            row.captured_currency,
        )
        for row in Payment.objects.filter(method=Payment.Method.CARD, state=Payment.State.CAPTURED)
    }
    assert captured == came
    paid_back = [row for row in service.objects("refund") if row["status"] == "succeeded"]
    gone = sorted((row["id"], row["amount"], row["currency"].upper()) for row in paid_back)
    made = Refund.objects.filter(method=Payment.Method.CARD, state=Refund.State.MADE)
    assert sorted((row.service_ref, count_minor(row.amount, row.currency), row.currency) for row in made) == gone
    assert not Refund.objects.filter(state=Refund.State.SENDING).exists()
    open_intents = {row["id"] for row in service.objects("payment_intent") if row["status"] != "canceled"}
    for payment in Payment.objects.filter(state=Payment.State.PENDING):
        assert payment.intent_id in open_intents, f"{payment.pk} waits for nothing"


def count_minor(amount: Decimal | None, currency: str) -> int:
    """In the currency's smallest unit, by ISO 4217."""
    return int((amount or Decimal(0)).scaleb(minor_units(currency)))


def check_money() -> None:
    """Per currency, captured is delivered + open + refunds due and made + unallocated, less what was given away."""
    assert [(one.currency, one.difference) for one in read_balances() if one.difference] == []
    assert find_uneven_orders() == []
    for refund in Refund.objects.filter(state__in=Refund.STANDING):
        assert refund.amount > 0
    total = sum((one.captured for one in read_balances()), Decimal(0))
    captured = Payment.objects.filter(state=Payment.State.CAPTURED)
    assert total == sum((one.captured_amount or Decimal(0) for one in captured), Decimal(0))
