"""What was paid and not delivered is owed back, line by line, and every page says for which plan and how many."""

from decimal import Decimal

import pytest

from orders.books import find_uneven_orders, read_balances
from orders.models import Order, OrderLine, Purchase, Refund
from orders.purchasing import run_purchase
from orders.reconciliation import attach_lines
from orders.refunds import record_refund_made
from tests.orders.desk import sign_in_as
from tests.orders.fakes import Wholesaler
from tests.orders.making import make_due, make_fake_plan, make_user, order_plan, pay
from tests.pages import assert_clean_page

pytestmark = pytest.mark.django_db
ZERO = Decimal(0)


def read(page: str) -> str:
    response = sign_in_as(make_user(is_superuser=True)).get(page)
    assert_clean_page(response)
    return " ".join(str(response.content.decode()).replace("\xa0", " ").split())


def assert_books(*, delivered: str, due: str = "0", made: str = "0", given_away: str = "0") -> None:
    (balance,) = read_balances()
    columns = (balance.delivered, balance.refunds_due, balance.refunds_made, balance.given_away, balance.difference)
    assert columns == (Decimal(delivered), Decimal(due), Decimal(made), Decimal(given_away), ZERO)
    assert find_uneven_orders() == []


def sell_short(wholesaler: Wholesaler) -> tuple[Order, Purchase]:
    """Three ordered, two came, for good."""
    wholesaler.plan_orders("short_sale")
    order = order_plan(make_fake_plan(name="Japan 1 GB"), 3)
    pay(order)
    purchase = Purchase.objects.get(order_line__order=order)
    for _look in range(4):
        run_purchase(purchase_id=make_due(purchase).pk)
    purchase.refresh_from_db()
    assert purchase.state == "short"
    return order, purchase


def test_the_missing_line_is_owed_back_with_its_plan_named(wholesaler: Wholesaler) -> None:
    order, _purchase = sell_short(wholesaler)
    refund = Refund.objects.get()
    assert (refund.kind, refund.quantity, refund.amount) == ("missing", 1, Decimal(6))
    assert_books(delivered="12", due="6")
    for page in (f"/orders/{order.pk}/", "/refunds/", f"/refunds/{refund.pk}/made/"):
        told = read(page)
        assert 'Not delivered</span>: 1 eSIM<br><span class="small muted">Japan 1 GB' in told, page
    # What it earned: two eSIMs at 6.00 that cost 4.00 each.
    assert "<dt>Cost</dt><dd>8.00 USD</dd>" in read(f"/orders/{order.pk}/")
    assert "<dt>Margin</dt><dd>4.00 USD</dd>" in read(f"/orders/{order.pk}/")


def test_a_line_that_comes_after_all_drops_the_refund(wholesaler: Wholesaler) -> None:
    order, purchase = sell_short(wholesaler)
    missing = set(wholesaler.sold_refs)
    boss = make_user("orders.reconcile", "orders.refund")
    attach_lines(purchase=purchase, iccids=["8981100000000000002"], why="the portal shows it", by=boss)
    assert (Refund.objects.get().state, Order.objects.get().state) == ("dropped", "completed")
    assert_books(delivered="18")
    assert len(missing) == 2
    assert "no longer due" in read(f"/orders/{order.pk}/")


def test_a_line_that_comes_after_the_money_went_back_asks_for_a_look(wholesaler: Wholesaler) -> None:
    order, purchase = sell_short(wholesaler)
    boss = make_user("orders.reconcile", "orders.refund")
    record_refund_made(refund=Refund.objects.get(), method="cash", reference="till 4", by=boss)
    attach_lines(purchase=purchase, iccids=["8981100000000000002"], why="the portal shows it", by=boss)
    assert (Refund.objects.get().state, Order.objects.get().state) == ("made", "completed")
    assert_books(delivered="18", made="6", given_away="6")
    told = read(f"/orders/{order.pk}/")
    assert "6.00 USD went back already, yet lines were delivered" in told
    assert 'Not delivered</span>: 1 eSIM<br><span class="small muted">Japan 1 GB' in read("/refunds/?state=made")


def test_of_an_order_with_two_lines_the_failed_one_alone_is_owed_back(wholesaler: Wholesaler) -> None:
    order = order_plan(make_fake_plan(name="Japan 1 GB"), 2)
    korea = make_fake_plan(name="Korea 3 GB", retail_price=Decimal(9), net_price=Decimal(7))
    OrderLine.objects.create(
        order=order,
        plan=korea,
        plan_name=korea.name,
        quantity=1,
        unit_price=Decimal(9),
        unit_cost=Decimal(7),
        cost_currency="USD",
    )
    order.total = Decimal(21)
    order.save(update_fields=["total"])
    pay(order)
    japan, other = Purchase.objects.filter(order_line__order=order).order_by("pk")
    run_purchase(purchase_id=japan.pk)
    wholesaler.plan_orders("refused")
    run_purchase(purchase_id=other.pk)
    order.refresh_from_db()
    refund = Refund.objects.get()
    assert (order.state, refund.purchase, refund.quantity, refund.amount) == ("partial", other, 1, Decimal(9))
    assert_books(delivered="12", due="9")
    told = read(f"/orders/{order.pk}/")
    assert 'Not delivered</span>: 1 eSIM<br><span class="small muted">Korea 3 GB' in told
    for amount in ("12.00 USD", "9.00 USD", "21.00 USD"):
        assert amount in told
    assert "<dt>Cost</dt><dd>8.00 USD</dd>" in told
    assert "<dt>Margin</dt><dd>4.00 USD</dd>" in told
