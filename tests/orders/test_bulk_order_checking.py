"""A list is read however it was saved, and every fault of it is said before anything is written."""

from decimal import Decimal
from io import BytesIO
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import translation
from openpyxl import Workbook

from customers.customers import create_customer
from customers.models import Customer
from orders.bulk_order_checking import check_list
from orders.bulk_order_files import LABELS, MOST_ROWS, ListRefused, read_list
from orders.models import BulkOrder, BulkOrderRow, Order
from tests.orders.bulk_order_lists import check, list_faults, make_seller, write_list
from tests.orders.making import make_customer, make_fake_plan, make_user
from tests.orders.test_credit import make_credit

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("wholesaler")]

JAPANESE = (
    "氏名,メールアドレス,電話番号,言語,プラン,数量,備考\n森 葵,aoi@example.jp,090-1234-5678,日本語,SKU1,２,窓口で渡す\n"
)


def write_workbook(*rows: tuple[Any, ...]) -> bytes:
    book, file = Workbook(), BytesIO()
    for row in rows:
        book.active.append(row)  # type: ignore[union-attr]
    book.save(file)
    return file.getvalue()


@pytest.mark.parametrize(
    "data",
    [
        JAPANESE.encode(),
        JAPANESE.encode("utf-8-sig"),
        JAPANESE.replace(",", "\t").encode("utf-16"),
        JAPANESE.replace(",", ";").encode("utf-16-le"),
        JAPANESE.replace("\n", "\r\n").encode("shift_jis"),
        write_workbook(*(tuple(line.split(",")) for line in JAPANESE.splitlines())),
    ],
    ids=["utf-8", "bom", "utf-16", "utf-16 without a mark", "shift_jis", "xlsx"],
)
def test_a_list_is_read_however_it_was_saved(data: bytes) -> None:
    make_fake_plan(plan_ref="SKU1")
    (row,) = check(data).rows.all()
    assert (row.number, row.name, row.email, row.phone) == (2, "森 葵", "aoi@example.jp", "09012345678")
    assert (row.language, row.plan_code, row.quantity, row.note) == ("ja", "SKU1", 2, "窓口で渡す")
    assert (row.state, row.unit_price, row.unit_cost, row.currency) == ("waiting", Decimal(6), Decimal(4), "USD")


def test_numbers_of_a_spreadsheet_are_read_as_people_see_them() -> None:
    plan = make_fake_plan()
    data = write_workbook(
        ("Customer name", "E-Mail", "Plan ID", "Qty", "Seat"), ("Mia", "mia@example.com", plan.pk, 3.0)
    )
    checked = check_list(data=data, name="x.xlsx", method="cash", reference="", by=make_seller())
    (row,) = checked.bulk.rows.all()
    assert (row.plan_id, row.quantity, checked.ignored) == (plan.pk, 3, ["Seat"])


@pytest.mark.parametrize(
    ("data", "word"),
    [
        (b"", "no rows"),
        (b"name,plan\n", "no rows"),
        (b"mail,sku\na@b.example,X\n", "It lacks: Name."),
        (b"name,plan,customer\na,b,c\n", "named more than once: Name"),
        (b'name,plan\n"a,b\n', "cannot be read"),
        (b"\xff\xfe\x00\xd8\x00\x00", "neither"),
        (b"PK\x03\x04nonsense", "spreadsheet cannot be read"),
        (b"name,plan\n" + b"a,b\n" * (MOST_ROWS + 1), "more than 2000 rows"),
        (b"x" * 2_000_001, "larger than 2 MB"),
    ],
)
def test_what_is_no_list_is_refused_and_nothing_is_kept(data: bytes, word: str) -> None:
    with pytest.raises(ListRefused) as refused:
        check(data)
    assert word in refused.value.message
    assert not BulkOrder.objects.exists()


def test_every_fault_of_every_row_is_said_and_nothing_else_is_written() -> None:
    plan = make_fake_plan(plan_ref="GOOD")
    make_fake_plan(plan_ref="HIDDEN", is_published=False)
    make_fake_plan(plan_ref="TWICE")
    make_fake_plan("fake-blind", plan_ref="TWICE")
    make_fake_plan(plan_ref="DAILY", days_choice_max=30)
    rows = [
        "name,email,phone,language,plan,quantity,days",
        ",,,,,0,",
        "Mia,mia@,,xx,NONE,1.5,x",
        "Ben,ben@example.com,,,HIDDEN,1,",
        "Ben,ben@example.com,,,TWICE,1,",
        "Ben,ben@example.com,,,fake:TWICE,1,",
        "Ben,ben@example.com,,,DAILY,1,31",
        "Ben,BEN@example.com,,en,GOOD,2,",
        "Ben,ben@example.com,,ja,good,2,",
        "Benno,ben@example.com,,,GOOD,3,",
        f"Ben,ben@example.com,,,{plan.pk},2,",
    ]
    bulk = check("\n".join(rows).encode())
    assert list_faults(bulk) == {
        2: [
            "The customer's name is missing.",
            "Neither an e-mail address nor a phone number tells who the customer is.",
            "The quantity is no whole number from 1 to 1000.",
            "The plan is missing.",
        ],
        3: [
            "The e-mail address is not valid.",
            "The language is none that we speak.",
            "The quantity is no whole number from 1 to 1000.",
            "The days are no whole number.",
            "No plan has this code or number.",
        ],
        4: ["This plan is not for sale."],
        5: ["Several plans have this code: give its number, or write account:code."],
        7: ["This plan is sold by the day: give 1 to 30 days."],
        9: ["No plan has this code or number."],
        10: ["Row 4 has another name for this e-mail address."],
        11: ["The same stands in row 8: add the quantities up."],
    }
    assert (Customer.objects.count(), Order.objects.count()) == (0, 0)


def test_customers_are_found_by_their_address_or_by_phone_and_name() -> None:
    plan = make_fake_plan()
    mia = create_customer(name="Mia Sato", email="mia@example.com", by=make_user())
    ken = create_customer(name="Ken Abe", phone="+81 90 1111 2222", by=make_user())
    rows = [
        "name,email,phone,plan",
        f"M. Sato,MIA@example.com,,{plan.plan_ref}",
        f"ken  ABE,,+81-90-1111-2222,{plan.plan_ref}",
        f"Ken Abe,,+81 90 9999 9999,{plan.plan_ref}",
    ]
    first, second, third = check("\n".join(rows).encode()).rows.order_by("number")
    assert (first.customer, second.customer, third.customer) == (mia, ken, None)
    assert first.remarks == ["Our books know this customer as “Mia Sato”."]
    assert (second.remarks, third.remarks) == ([], [])


def test_credit_must_cover_all_rows_of_a_customer() -> None:
    plan = make_fake_plan()
    rich, poor, none = (make_customer(email=f"{name}@example.com") for name in ("rich", "poor", "none"))
    make_credit("12", rich)
    make_credit("11.99", poor)
    rows = [f"{one.name},{one.email},{plan.plan_ref},{n}" for one in (rich, poor) for n in (1,)]
    rows += [f"{rich.name},{rich.email},#,1".replace("#", make_fake_plan().plan_ref)]
    rows += [f"{poor.name},{poor.email},{make_fake_plan().plan_ref},1", f"{none.name},{none.email},{plan.plan_ref},1"]
    bulk = check("\n".join(["name,email,plan,quantity", *rows]).encode(), method="credit")
    short = "The customer's credit does not cover their rows of this list."
    assert list_faults(bulk) == {
        3: [short],
        5: [short],
        6: ["This customer has no open credit account in USD."],
    }


def test_the_same_list_is_known_whatever_its_order_spelling_and_notes() -> None:
    plan = make_fake_plan(plan_ref="P1")
    first = check(b"name,email,plan,qty\nMia,mia@example.com,P1,1\nBen,ben@example.com,P1,2\n")
    text = f"氏名;数量;プラン;メール;備考\nBen ;２;{plan.pk};BEN@example.com;x\nMIA;1;P1; mia@example.com ;\n"
    assert check(text.encode("shift_jis")).digest == first.digest
    assert check(b"name,email,plan,qty\nMia,mia@example.com,P1,1\nBen,ben@example.com,P1,3\n").digest != first.digest


def test_a_thousand_rows_take_hardly_more_statements_than_ten() -> None:
    plan, seller = make_fake_plan(), make_seller()
    counts = []
    for people in (10, 1000):
        data = write_list(plan, people)
        with CaptureQueriesContext(connection) as queries:
            check(data, by=seller)
        counts.append(len([query for query in queries if "INSERT" not in query["sql"]]))
    assert BulkOrderRow.objects.filter(state="waiting").count() == 1010
    # Looked up in pieces of 500: addresses and digests one piece more.
    assert counts[1] - counts[0] == 2


def test_reading_alone_keeps_rows_and_numbers() -> None:
    read = read_list(b"\n\nname,plan\n\nMia,P1\n")
    assert [(row.number, row.cells) for row in read.rows] == [(5, {"name": "Mia", "plan": "P1"})]


@pytest.mark.parametrize("language", ["en", "ja"])
def test_columns_are_read_as_pages_name_them(language: str) -> None:
    with translation.override(language):
        header = ",".join(str(label) for label in LABELS.values())
    (row,) = read_list(f"{header}\n{','.join(LABELS)}\n".encode()).rows
    assert row.cells == {name: name for name in LABELS}
