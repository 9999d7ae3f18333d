"""Search everywhere: what is found, by whom, and at what cost."""

import logging
import re
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from allauth.mfa.models import Authenticator
from django.db import connection
from django.http import QueryDict
from django.test import Client
from django.test.utils import CaptureQueriesContext
from pytest_django import Settings

from customers.customers import create_customer, update_customer
from customers.keyset import keyset_page
from customers.models import Customer, CustomerTerm, User
from customers.terms import keep_terms
from esims.models import Esim, Package
from orders.list_pages import LISTS
from orders.models import Order, OrderLine, Payment, Purchase
from orders.selectors.search import Found, search_everything
from orders.selectors.search_words import read_typed
from tests.catalog.making import make_account, make_plan
from tests.esims.making import make_line, make_snapshot
from tests.esims.test_search import fill
from tests.orders.desk import buy, purchase_of, sign_in, sign_in_as
from tests.orders.making import make_customer, make_fake_plan, make_user
from tests.pages import assert_clean_page

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("wholesaler")]

EID, IMEI, OTHER_IMEI = "89049032123451234512345678901235", "356938035643809", "490154203237518"
PLAN = "QUERY PLAN " if connection.vendor == "sqlite" else ""
LONG = "esims_(esim|package)|orders_(order|orderline|purchase|payment)|customers_(customer|customerterm)"
HTMX = {"HX-Request": "true"}


def look(text: str, *permissions: str) -> Found:
    user = make_user(*permissions) if permissions else make_user(is_superuser=True)
    return search_everything(read_typed(text), user=user, limit=5)


def hits(text: str, *permissions: str) -> list[tuple[str, str, bool]]:
    """Kind, title and whether it is just that, in the order shown."""
    found = look(text, *permissions)
    return [(group.kind, hit.title, hit.is_exact) for group in found.groups for hit in group.hits]


def test_lines_are_found_by_what_stands_on_phones_papers_and_portals() -> None:
    line = make_line(make_snapshot("8981100000000001234", eid=EID, phone_number="+819012345678", order_ref="B2603A"))
    other = make_line(make_snapshot("8981100000000091234"))
    Esim.objects.filter(pk=line.pk).update(install_device_imei=IMEI, connection_device_imei=OTHER_IMEI)
    Package.objects.filter(esim=line).update(package_ref="TOP-77", order_ref="B9917")
    exact, near = ("lines", line.iccid, True), ("lines", line.iccid, False)
    for text in ("8981 1000 0000 0001 234", EID, "8904 9032 1234 5123 4512 3456 7890 1235", IMEI, OTHER_IMEI):
        assert hits(text) == [exact], text
    for text in ("+81 90-1234-5678", "８１９０１２３４５６７８", "B2603A", "b2603a", "TOP-77", "B9917"):
        assert hits(text) == [exact], text
    assert hits("01234") == hits("901235") == [near]
    assert hits("1234") == [("lines", other.iccid, False), near]
    assert hits("234") == hits("01235x") == hits("356938") == hits("") == []
    for nonsense in ("\x00", "é" * 300, "R-", "%_\\", "😀", "'; --", "٣٤٥٦٧", "+", "@", "a@", "\ufdfa" * 60):
        assert hits(nonsense) == [], nonsense
    assert hits("¹²³⁴") == hits("1234")


def test_the_end_of_an_eid_is_no_way_to_guess_it() -> None:
    line = make_line(make_snapshot("8981100000000001234", eid=EID))
    assert hits("901235", "esims.view_esim") == []
    assert hits(EID, "esims.view_esim") == [("lines", line.iccid, True)]
    bare = make_line(make_snapshot(provider_ref=f"{EID[::-1]}:AB1", eid=EID[::-1], iccid=""))
    client = sign_in("esims.view_esim", "orders.view_order")
    page = client.get("/search/", {"q": EID[::-1], "list": "1"}, headers=HTMX).content.decode()
    assert f"/esims/{bare.pk}/" in page
    assert EID[::-1] not in page.replace(" ", "")


def test_orders_purchases_payments_and_plans_are_found_by_their_numbers() -> None:
    order = buy(1)
    purchase = purchase_of(order)
    Purchase.objects.filter(pk=purchase.pk).update(transaction_id="TX-9F3A", provider_order_ref="PO-55")
    Payment.objects.filter(order=order).update(reference="Bank slip 7", intent_id="pi_3abc")
    _letter, month, code = order.number.split("-")
    for text in (order.number, order.number.lower(), f"{month}{code}", f"{month} {code}"):
        assert ("orders", order.number, True) in hits(text), text
    assert ("orders", order.number, False) in hits(f"R-{month}-{code[:3]}")
    assert ("orders", order.number, False) in hits(code.lower())
    for text in ("tx-9f3a", "PO-55", purchase.idempotency_key):
        assert hits(text) == [("purchases", "TX-9F3A", True)], text
    assert hits("bank slip 7") == []
    assert hits("Bank slip 7") == hits("pi_3abc") == [("payments", "Bank slip 7", True)]
    plan = make_plan(make_account(), plan_ref="ZZ-10", name="Zanzibar 3 GB")
    assert hits("zz-10") == [("plans", plan.name, True)]
    assert hits("zanzib") == [("plans", plan.name, False)]


def test_customers_are_found_from_any_word_on() -> None:
    boss = make_user()
    ren = create_customer(name="Ren Ito", email="ren@example.com", phone="+81 90-1234-5678", company="Ito KK", by=boss)
    ann = create_customer(name="Ann Itoh", email="ann@example.com", by=boss)
    for text in ("REN@example.com", "090-1234-5678", "+819012345678", "ren i", "ＲＥＮ", "ito kk", "ren@"):
        assert [title for _kind, title, _exact in hits(text)] == ["Ren Ito"], text
    # A whole word comes before the beginning of a longer one.
    assert [title for _kind, title, _exact in hits("ito")] == ["Ren Ito", "Ann Itoh"]
    assert look("ren@example.com").only_exact is not None
    assert look("ren@exam").only_exact is None
    assert hits("n ito") == hits("%") == hits("to kk") == []
    update_customer(customer=ann, name="Ann Abe", by=boss)
    assert hits("itoh") == []
    assert set(CustomerTerm.objects.filter(customer=ann).values_list("term", flat=True)) == {
        *("ann abe", "abe", "ann@example.com")
    }
    assert Customer.objects.get(pk=ren.pk).terms.count() == 6


def test_an_exact_single_hit_opens_and_nothing_is_remembered(caplog: pytest.LogCaptureFixture) -> None:
    line = make_line(make_snapshot("8981100000000001234"))
    customer = create_customer(name="Mia Sato", email="mia.sato@example.com", by=make_user())
    client = sign_in_as(make_user(is_superuser=True))
    caplog.set_level(logging.DEBUG)
    response = client.get("/search/", {"q": "mia.sato@example.com"})
    assert (response.status_code, response["Location"]) == (302, f"/customers/{customer.pk}/")
    for words in ({"q": "mia sat"}, {"q": "01234"}):
        page = client.get("/search/", words)
        assert_clean_page(page)
        assert page["Cache-Control"] == "no-store, private"
        assert page["Referrer-Policy"] == "strict-origin"
    assert f'href="/esims/{line.pk}/"' in page.content.decode()
    assert "the ICCID ends so" in page.content.decode()
    fragment = client.get("/search/", {"q": "mia.sato@example.com"}, headers=HTMX)
    assert fragment.status_code == 200
    assert re.search(rf'role="option"[^>]* href="/customers/{customer.pk}/"[^>]* data-only', fragment.content.decode())
    assert "mia" not in Client().get("/search/", {"q": "mia.sato@example.com"})["Location"]
    for record in caplog.records:
        if not record.name.startswith("django.db"):
            assert "mia.sato" not in record.getMessage(), record
    assert client.post("/search/", {"q": "mia"}).status_code == 405


def test_what_was_typed_is_not_taken_to_the_second_factor(settings: Settings) -> None:
    settings.STAFF_MFA_REQUIRED = True
    user = make_user(is_superuser=True)
    Authenticator.objects.create(user=user, type=Authenticator.Type.TOTP, data={"secret": "x"})
    for address, back in (("/search/?q=mia%40example.com", "/search/"), ("/orders/?q=7", "/orders/?q=7")):
        response = sign_in_as(user).get(address)
        assert response.status_code == 302
        assert parse_qs(urlsplit(response["Location"]).query) == {"next": [back]}


def test_people_find_what_they_may_open() -> None:
    order = buy(1)
    Customer.objects.filter(pk=order.customer_id).update(email="mia@example.com")
    Purchase.objects.update(transaction_id=order.number)
    assert {kind for kind, *_rest in hits(order.number)} == {"orders", "purchases"}
    assert {kind for kind, *_rest in hits(order.number, "orders.view_purchase")} == {"purchases"}
    assert hits("mia@example.com") == [("customers", order.customer.name, True)]
    assert hits("mia@example.com", "orders.view_order", "esims.view_esim") == []
    assert hits(order.number, "catalog.view_plan") == []


TEXTS = (
    *("8981200000000000007", "000007", EID, "+81 90 0000 0007", "R-2611-3467", "ABC346", "r-2611-a"),
    *("ren ito", "c7@example.com", "TX-7", "Bank slip 7", "pi_7"),
)


def fill_sales(first: int, last: int) -> None:
    """Customers with an order each, bought and paid."""
    plan = make_fake_plan()
    people = Customer.objects.bulk_create(
        Customer(name=f"Mia {number}" if number % 50 else "Ren Ito", email=f"c{number}@example.com")
        for number in range(first, last)
    )
    keep_terms(people)
    rows = list(zip(range(first, last), people, strict=True))
    orders = Order.objects.bulk_create(
        Order(number=f"R-2611-{number:06}", customer=owner, currency="USD", total=6) for number, owner in rows
    )
    lines = OrderLine.objects.bulk_create(
        OrderLine(order=order, plan=plan, plan_name=plan.name, quantity=1, unit_price=6) for order in orders
    )
    Purchase.objects.bulk_create(
        Purchase(
            order_line=line, account=plan.account, plan_ref="P", quantity=1, idempotency_key=f"K{number}",
            transaction_id=f"TX-{number}", provider_order_ref=f"PO-{number}",
        )
        for number, line in zip(range(first, last), lines, strict=True)
    )  # fmt: skip
    Payment.objects.bulk_create(
        Payment(
            order=order, method="transfer", amount=6, currency="USD", reference=f"Bank slip {number}",
            intent_id=f"pi_{number}", state="pending",
        )
        for number, order in zip(range(first, last), orders, strict=True)
    )  # fmt: skip


def fill_lines(count: int) -> None:
    fill(count, make_account(), make_customer(name="Ren Ito"))
    rows = Esim.objects.order_by("pk").values_list("pk", flat=True)[:3000]
    Package.objects.bulk_create(
        Package(esim_id=pk, name="P", package_ref=f"T{pk}", order_ref=f"TB{pk}", data_period="total") for pk in rows
    )
    # Some have what most lack, so that the planner sees both.
    for row in range(30):
        Esim.objects.filter(iccid=str(8981200000000000000 + row)).update(
            eid=EID[:-4] + f"{row:04}", install_device_imei=f"{row:015}", connection_device_imei=f"{row:015}",
            phone_number=f"+8190{row:08}", order_ref=f"B{row}",
        )  # fmt: skip


def statements_of(text: str, user: User) -> list[tuple[str, Any]]:
    """What the search asks the database, with its parameters as they are passed."""
    asked: list[tuple[str, Any]] = []

    def note(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        asked.append((sql, params))
        return execute(sql, params, many, context)

    with connection.execute_wrapper(note):
        search_everything(read_typed(text), user=user, limit=5)
    return asked


def explain_lists() -> None:
    """Every order of every list, from its middle on: the index that is said to carry it does."""
    for page in LISTS.values():
        if page.name == "deliveries":
            continue  # none are here: of an empty table any plan is as good
        rows = page.narrow(QueryDict())
        for sort in page.sorts:
            order: dict[str, Any] = {"key": sort.key, "descending": sort.descending, "is_text": sort.is_text}
            after = keyset_page(rows, **order).after
            with CaptureQueriesContext(connection) as queries:
                keyset_page(rows, after=after, **order)
            with connection.cursor() as cursor:
                cursor.execute(f"EXPLAIN {PLAN}{queries[0]['sql']}")
                plan = "\n".join(str(row[-1]) for row in cursor.fetchall())
            assert re.search(r"_recent\b|customer_by_name", plan), f"{page.name} {sort.name}:\n{plan}"


def test_the_queries_do_not_grow_and_are_answered_from_the_indexes() -> None:
    boss = make_user(is_superuser=True)
    fill_lines(30)
    fill_sales(0, 10)
    few = [len(statements_of(text, boss)) for text in TEXTS]
    Esim.objects.all().delete()
    fill_lines(30_000)
    fill_sales(10, 3000)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
        used: set[str] = set()
        for text, before in zip(TEXTS, few, strict=True):
            statements = statements_of(text, boss)
            assert len(statements) <= before, text
            for sql, params in statements:
                cursor.execute(f"EXPLAIN {PLAN}{sql}", params)
                plan = "\n".join(str(row[-1]) for row in cursor.fetchall())
                assert not re.search(rf"(Seq Scan on|SCAN) ({LONG})\b|_recent\b", plan), f"{text}:\n{sql}\n{plan}"
                used |= set(re.findall(r"\w+_by_\w+", plan))
        explain_lists()
    assert used >= {
        *("esim_by_iccid", "esim_by_iccid_end", "esim_by_ref", "esim_by_eid", "esim_by_eid_end", "esim_by_phone"),
        *("esim_by_imei", "esim_by_other_imei", "esim_by_order", "package_by_order", "package_by_ref"),
        *("order_by_number_end", "purchase_by_transaction", "purchase_by_order", "payment_by_reference"),
    }
    client = sign_in_as(boss)
    for text in TEXTS:
        with CaptureQueriesContext(connection) as queries:
            assert client.get("/search/", {"q": text}).status_code in (200, 302)
        assert len(queries) <= 20, text
