"""Finding lines, and lists whose cost does not grow."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from config.formatting import group_digits
from customers.models import Customer
from esims.models import Esim
from esims.search import LineFilter, count_up_to, find_lines, search_lines
from providers.models import ProviderAccount
from tests.catalog.making import make_account, make_plan
from tests.esims.making import make_customer, make_line, make_snapshot, make_staff

pytestmark = pytest.mark.django_db


def found(text: str) -> set[str]:
    return {line.provider_ref for line in find_lines(text)}


def test_a_line_is_found_by_its_number_or_the_end_of_it() -> None:
    first = make_line(make_snapshot("8981100000000001234")).provider_ref
    second = make_line(make_snapshot("8981100000000091234")).provider_ref
    assert found("8981100000000001234") == {first}
    assert found("8981 1000 0000 0001 234") == {first}
    assert found("01234") == {first}
    assert found("1234") == {first, second}
    assert found(" 91234 ") == {second}
    # The middle is not the end, and three digits name too many.
    assert found("0000") == set()
    assert found("234") == set()
    assert found("89811000000000012349") == set()


def test_a_line_is_found_by_eid_customer_and_plan() -> None:
    customer = make_customer("Ren Ito", email="ren@example.com", company="Ito Trading")
    plan = make_plan(name="Japan 3 GB", plan_ref="JP-3")
    ref = make_line(make_snapshot(eid="89049032123451234512345678901235"), customer=customer, plan=plan).provider_ref
    make_line()
    for text in ("89049032123451234512345678901235", "ren@example.com", "REN@", "ito", "trading", "japan 3", "jp-3"):
        assert found(text) == {ref}, text
    assert found("nobody") == set()
    assert found("%") == set()


def test_a_line_is_found_by_its_phone_number_and_by_the_providers_order() -> None:
    ref = make_line(make_snapshot(phone_number="+819012345678", order_ref="B26033119290003")).provider_ref
    make_line(make_snapshot(order_ref="B26033119290004"))
    for text in ("819012345678", "+81 90-1234-5678", "B26033119290003"):
        assert found(text) == {ref}, text
    assert found("90123456") == set()
    assert found("B2603311929") == set()


def test_filters_narrow_and_combine() -> None:
    customer = make_customer("Ren Ito")
    other = make_account("esim-commerce-sandbox")
    ready = make_line(customer=customer)
    elsewhere = make_line(account=other, customer=customer)
    ended = make_line(customer=customer)
    Esim.objects.filter(pk=ended.pk).update(state="terminated")
    make_line()

    def ids(**fields: object) -> list[int]:
        return [line.pk for line in search_lines(LineFilter(**fields))]  # type: ignore[arg-type]

    assert ids(customer_id=customer.pk) == [ended.pk, elsewhere.pk, ready.pk]
    assert ids(customer_id=customer.pk, state="ready") == [elsewhere.pk, ready.pk]
    assert ids(customer_id=customer.pk, account_id=other.pk, state="ready") == [elsewhere.pk]
    assert ids(text="ren", state="terminated") == [ended.pk]


def test_lines_that_must_be_installed_soon(client: Client) -> None:
    now = timezone.now()
    soon, later, past, installed, downloaded = (make_line() for _number in range(5))
    deadlines = {soon: 13, later: 20, past: -1, installed: 13, downloaded: 2}
    for line, days in deadlines.items():
        Esim.objects.filter(pk=line.pk).update(activation_deadline=now + timedelta(days=days))
    Esim.objects.filter(pk=installed.pk).update(state="installed")
    Esim.objects.filter(pk=downloaded.pk).update(state="downloaded")

    def shown(address: str) -> list[int]:
        response = client.get(address)
        assert response.status_code == 200
        assert response.context is not None
        return [line.pk for line in response.context["page"].rows]

    client.force_login(make_staff("view_esim"))
    assert shown("/esims/?install_within=14") == [downloaded.pk, soon.pk]
    assert shown("/esims/?install_within=30&state=ready") == [later.pk, soon.pk]
    assert shown("/esims/?install_within=3") == [downloaded.pk]
    # What is not on the menu narrows nothing.
    assert len(shown("/esims/?install_within=-1")) == len(shown("/esims/?install_within=soon")) == 5


def test_rows_of_lists_hold_no_secrets() -> None:
    make_line()
    with CaptureQueriesContext(connection) as queries:
        list(search_lines(LineFilter()))
    for column in ("lpa", "matching_id", "confirmation_code", '"eid"', "imei", '"raw"'):
        assert column not in queries[0]["sql"]


def test_counting_stops_where_it_is_told() -> None:
    for _count in range(3):
        make_line()
    assert count_up_to(Esim.objects.all(), 5) == (3, False)
    assert count_up_to(Esim.objects.all(), 3) == (3, False)
    assert count_up_to(Esim.objects.all(), 2) == (2, True)


def fill(count: int, account: ProviderAccount, customer: Customer) -> None:
    """So many lines (an even number), in the database itself: as copies of one, half of them entered at one instant.

    Paging must not stumble over lines of one instant.
    """
    copied = Esim.objects.create(account=account, customer=customer, plan=make_plan(account), provider_ref="copied")
    made = {
        "provider_ref": "CAST(8981200000000000000 + n AS VARCHAR(22))",
        "iccid": "CAST(8981200000000000000 + n AS VARCHAR(22))",
        "iccid_reversed": "REVERSE(CAST(8981200000000000000 + n AS VARCHAR(22)))",
        "state": "CASE n % 2 WHEN 0 THEN 'active' ELSE 'ready' END",
    }
    columns = [str(field.column) for field in Esim._meta.concrete_fields if not field.primary_key]
    names = ", ".join(f'"{column}"' for column in columns)
    values = ", ".join(made.get(column, f'copied."{column}"') for column in columns)
    steps = [range(count // 2), *(range(count // 2 + part, count, 5) for part in range(5))]
    for minutes, step in enumerate(steps):
        Esim.objects.filter(pk=copied.pk).update(created_at=timezone.now() - timedelta(days=1, minutes=minutes))
        with connection.cursor() as cursor:
            cursor.execute(
                f"""INSERT INTO esims_esim ({names})
                WITH RECURSIVE numbers(n) AS (
                    SELECT {step.start}
                    UNION ALL SELECT n + {step.step} FROM numbers WHERE n + {step.step} < {step.stop}
                ) SELECT {values} FROM numbers CROSS JOIN esims_esim copied WHERE copied.id = {copied.pk}"""
            )
    copied.delete()
    assert Esim.objects.count() == count


def queries_of_list(client: Client, address: str) -> tuple[int, list[int]]:
    with CaptureQueriesContext(connection) as queries:
        response = client.get(address)
    assert response.status_code == 200
    assert response.context is not None
    return len(queries), [line.pk for line in response.context["page"].rows]


def test_the_list_costs_the_same_with_many_lines(client: Client) -> None:
    account, customer = make_account(), make_customer("Ren Ito", email="ren@example.com")
    client.force_login(make_staff("view_esim"))
    addresses = [
        "/esims/",
        "/esims/?state=ready",
        f"/esims/?account={account.pk}",
        f"/esims/?customer={customer.pk}",
        "/esims/?q=89812" + "0" * 13 + "7",
        "/esims/?q=0007",
        "/esims/?q=ren",
        "/esims/?q=ren%40example.com&state=active",
        "/esims/?install_within=14",
    ]
    fill(10, account, customer)
    few = [queries_of_list(client, address)[0] for address in addresses]
    Esim.objects.all().delete()
    fill(100_000, account, customer)
    many = [queries_of_list(client, address)[0] for address in addresses]
    assert many == few
    assert max(many) <= 9


def test_the_list_costs_the_same_with_many_lines_without_a_number(client: Client) -> None:
    client.force_login(make_staff("view_esim"))
    account, eid = make_account(), "89049032123451234512345678901235"

    def enter(count: int) -> None:
        for _number in range(count):
            code = f"AB{Esim.objects.count()}"
            make_line(make_snapshot(provider_ref=f"{eid}:{code}", eid=eid, iccid=""), account=account)

    enter(1)
    few, _rows = queries_of_list(client, "/esims/")
    enter(5)
    make_line(account=account)
    many, rows = queries_of_list(client, "/esims/")
    assert (many, len(rows)) == (few, 7)
    page = client.get("/esims/").content.decode()
    assert eid not in page
    assert group_digits(eid) not in page
    assert all(group_digits(f"••••1235:AB{number}") in page for number in range(6))


def test_every_line_is_on_exactly_one_page(client: Client) -> None:
    fill(130, make_account(), make_customer())
    client.force_login(make_staff("view_esim"))
    seen: list[int] = []
    address = "/esims/"
    for _page in range(10):
        response = client.get(address)
        assert response.context is not None
        page = response.context["page"]
        seen += [line.pk for line in page.rows]
        if not page.after or not page.rows:
            break
        address = f"/esims/?after={page.after}"
    assert len(seen) == 130
    assert set(seen) == set(Esim.objects.values_list("pk", flat=True))


@pytest.mark.postgres
def test_postgres_answers_from_the_indexes() -> None:
    fill(20_000, make_account(), make_customer())
    for number in range(20):
        make_line(make_snapshot(order_ref=f"B{number}"), account=make_account(f"other-{number % 2}"))
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE esims_esim")
    searches = {
        "first page": (search_lines(LineFilter())[:51], "esim_recent"),
        "state": (search_lines(LineFilter(state="ready"))[:51], "esim_"),
        "end of the number": (search_lines(LineFilter(text="0007"))[:51], "esim_by_iccid_end"),
        "provider's order": (search_lines(LineFilter(text="B17"))[:51], "esim_by_order"),
        "number": (search_lines(LineFilter(text="8981200000000000007"))[:51], "esim_by_iccid"),
    }
    for name, (lines, index) in searches.items():
        plan = lines.explain()
        assert index in plan, f"{name}:\n{plan}"
        assert "Seq Scan on esims_esim" not in plan, f"{name}:\n{plan}"
    account = ProviderAccount.objects.get(slug="esim-commerce")
    due = Esim.objects.filter(account=account, next_refresh_at__lte=timezone.now()).order_by("next_refresh_at")
    assert "esim_due" in due[:50].explain()
