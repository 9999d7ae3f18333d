"""The pages on which staff enter plans, and the same in the admin."""

from decimal import Decimal
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from catalog.models import Plan, PlanChange
from providers.models import ProviderAccount
from tests.catalog.making import GB, make_plan
from tests.customers.making import make_staff, signed_in
from tests.pages import assert_clean_page

D = Decimal
pytestmark = pytest.mark.django_db
RIGHTS = ("catalog.view_plan", "catalog.set_price", "catalog.add_plan", "catalog.change_plan")
ADMIN = "/admin/catalog/plan/"


@pytest.fixture
def buyer() -> Client:
    return signed_in(make_staff(*RIGHTS, email="mia@example.com"))


@pytest.fixture
def entered(carrier: ProviderAccount) -> Plan:
    return make_plan(
        carrier,
        kind=Plan.Kind.ACTIVATION,
        plan_ref="V5",
        name="Voice",
        digest="",
        suggested_price=None,
        own_price=D("6.00"),
        price_source="own",
        restrictions="Keeps the number.",
    )


def words(account: ProviderAccount, /, **changes: Any) -> dict[str, Any]:
    typed = {"account": account.pk, "kind": "activation", "plan_ref": "V5", "name": "Voice 5 GB", "net_price": "900"}
    typed |= {"currency": "jpy", "own_price": "1500", "validity_days": "30", "counted": "total", "gb": "5"}
    return {**typed, "countries": "jp, kr", "notes": "Keeps the number.", **changes}


# -- who may ----------------------------------------------------------------------------------------------------------

PAGES = [
    ("plan-enter", False, ("catalog.set_price", "catalog.add_plan")),
    ("plan-edit", True, ("catalog.set_price", "catalog.change_plan")),
    ("plan-retire", True, ("catalog.set_price", "catalog.change_plan")),
    ("plan-return", True, ("catalog.set_price", "catalog.change_plan")),
]


@pytest.mark.parametrize(("name", "takes_pk", "needs"), PAGES)
@pytest.mark.parametrize("method", ["get", "post"])
def test_a_page_needs_both_permissions(
    entered: Plan, name: str, takes_pk: bool, needs: tuple[str, ...], method: str
) -> None:
    url = reverse(name, args=[entered.pk] if takes_pk else [])
    before = Plan.objects.values().get()
    strangers = [
        make_staff(*RIGHTS, email="customer@example.com", is_staff=False),
        *(
            make_staff(*(right for right in RIGHTS if right != lacking), email=f"{lacking}@example.com")
            for lacking in needs
        ),
    ]

    anonymous = getattr(Client(), method)(url)
    assert (anonymous.status_code, anonymous.url) == (302, f"/accounts/login/?next={url}")
    assert [getattr(signed_in(one), method)(url).status_code for one in strangers] == [403, 403, 403]

    assert Plan.objects.values().get() == before
    assert not PlanChange.objects.exists()


@pytest.mark.parametrize("name", ["plan-edit", "plan-retire", "plan-return"])
def test_only_entered_plans_have_these_pages(buyer: Client, entered: Plan, name: str) -> None:
    listed = make_plan()

    for pk in (listed.pk, 999_999):
        assert buyer.get(reverse(name, args=[pk])).status_code == 404
        assert buyer.post(reverse(name, args=[pk])).status_code == 404
    assert buyer.put(reverse(name, args=[entered.pk])).status_code == 405
    assert not PlanChange.objects.exists()


# -- entering ---------------------------------------------------------------------------------------------------------


def test_the_first_page_of_a_new_account_is_this_one(buyer: Client, carrier: ProviderAccount) -> None:
    """No job has run yet: nothing else has made the account's row."""
    ProviderAccount.objects.all().delete()
    assert ">Carrier<" in buyer.get(reverse("plan-enter")).content.decode()


def test_a_plan_is_entered_on_its_page(buyer: Client, carrier: ProviderAccount) -> None:
    page = buyer.get(reverse("plan-enter"))
    assert_clean_page(page)
    html = page.content.decode()
    for text in ("Carrier", "line activation", "line activation without a plan", "reissue of a line"):
        assert text in html
    assert ">Shelf<" not in html

    sent = buyer.post(reverse("plan-enter"), words(carrier))

    plan = Plan.objects.get()
    assert sent["Location"] == reverse("plan-detail", args=[plan.pk])
    assert (plan.account, plan.kind, plan.plan_ref, plan.currency) == (carrier, "activation", "V5", "JPY")
    assert (plan.net_price, plan.retail_price, plan.data_bytes, plan.data_period) == (D(900), D(1500), 5 * GB, "total")
    assert sorted(plan.coverage.values_list("country", flat=True)) == ["JP", "KR"]
    assert PlanChange.objects.get().by == "mia@example.com"
    shown = buyer.get(sent["Location"])
    assert_clean_page(shown)
    html = shown.content.decode()
    for text in ("line activation", "Keeps the number.", "Notes", "1,500\u00a0JPY", "Retire it"):
        assert text in html, text
    for text in ("As received", "The provider does not say", "Who sells it cheaper?"):
        assert text not in html, text


@pytest.mark.parametrize(
    ("changes", "field", "message"),
    [
        ({"plan_ref": ""}, "plan_ref", "This field is required."),
        ({"currency": "yen!"}, "currency", "Ensure this value has at most 3 characters (it has 4)."),
        ({"currency": "1"}, "currency", "Give the currency as its three capital letters, for example USD."),
        ({"countries": "Japan"}, "countries", "Give the country as its two capital letters, for example JP."),
        ({"gb": ""}, "gb", "Say how many GB."),
        ({"counted": ""}, "counted", "Say whether this is the data in total or of each day."),
        ({"counted": "unlimited", "gb": "5", "own_price": "1.5"}, "own_price", "The price has more decimals than"),
        ({"net_price": "-1"}, "net_price", "Ensure this value is greater than or equal to 0."),
        ({"kind": "esim"}, "kind", "Select a valid choice."),
        ({"account": "0"}, "account", "Select a valid choice."),
        ({"plan_ref": "V 5"}, "plan_ref", "A plan code has half-width letters, digits and signs, and no spaces."),
    ],
)
def test_what_cannot_be_is_said_at_its_field_and_kept_in_the_form(
    buyer: Client, carrier: ProviderAccount, changes: dict[str, str], field: str, message: str
) -> None:
    response = buyer.post(reverse("plan-enter"), words(carrier, **changes))

    assert_clean_page(response, status=422)
    errors = response.context["form"].errors
    assert list(errors) == [field]
    assert message in errors[field][0]
    assert 'value="Voice 5 GB"' in response.content.decode()
    assert not Plan.objects.exists()


def test_a_code_that_is_there_already_is_said(buyer: Client, entered: Plan) -> None:
    response = buyer.post(reverse("plan-enter"), words(entered.account))

    assert_clean_page(response, status=422)
    assert "already" in response.content.decode()
    assert Plan.objects.count() == 1
    assert not PlanChange.objects.exists()


def test_without_such_an_account_the_page_says_so(buyer: Client, account: ProviderAccount) -> None:
    page = buyer.get(reverse("plan-enter"))

    assert_clean_page(page)
    assert "There is no account to enter plans for" in page.content.decode()
    refused = buyer.post(reverse("plan-enter"), words(account))
    assert refused.status_code == 422
    assert not Plan.objects.exists()


def test_a_plan_is_changed_on_its_page(buyer: Client, entered: Plan) -> None:
    url = reverse("plan-edit", args=[entered.pk])
    page = buyer.get(url)
    assert_clean_page(page)
    form = page.context["form"]
    assert not {"account", "kind", "plan_ref"} & set(form.fields)
    # Sent as it was shown, it changes nothing.
    shown = {name: "" if (value := form[name].value()) is None else value for name in form.fields}
    assert shown["countries"] == "JP"
    assert buyer.post(url, shown).status_code == 302
    assert not PlanChange.objects.exists()

    buyer.post(url, {**shown, "net_price": "4.50", "plan_ref": "OTHER", "countries": "JP KR"})

    entered.refresh_from_db()
    assert (entered.plan_ref, entered.net_price, entered.restrictions) == ("V5", D("4.50"), "Keeps the number.")
    change = PlanChange.objects.get()
    assert (change.by, change.changes["net_price"]) == ("mia@example.com", ["4", "4.5"])
    refused = buyer.post(url, {**shown, "name": ""})
    assert_clean_page(refused, status=422)
    assert PlanChange.objects.count() == 1


def test_data_that_is_no_round_number_of_gb_stays_to_the_byte(buyer: Client, entered: Plan) -> None:
    Plan.objects.update(data_bytes=500_000_001)
    url = reverse("plan-edit", args=[entered.pk])
    form = buyer.get(url).context["form"]
    shown = {name: "" if (value := form[name].value()) is None else value for name in form.fields}
    assert shown["gb"] == D("0.4657")

    buyer.post(url, {**shown, "name": "Other"})

    assert Plan.objects.get().data_bytes == 500_000_001
    assert PlanChange.objects.get().changes == {"name": ["Voice", "Other"]}


def test_a_plan_is_retired_and_brought_back_on_its_page(buyer: Client, entered: Plan) -> None:
    asked = buyer.get(reverse("plan-retire", args=[entered.pk]))
    assert_clean_page(asked)
    assert "Retire “Voice”?" in asked.content.decode()
    assert Plan.objects.get().retired_at is None

    done = buyer.post(reverse("plan-retire", args=[entered.pk]), follow=True)
    assert_clean_page(done)
    assert "The plan is retired." in done.content.decode()
    assert Plan.objects.get().retired_at is not None
    assert_clean_page(buyer.get(reverse("plan-return", args=[entered.pk])))
    buyer.post(reverse("plan-return", args=[entered.pk]))
    assert Plan.objects.get().retired_at is None
    assert list(PlanChange.objects.order_by("pk").values_list("kind", flat=True)) == ["retired", "returned"]


def test_who_only_looks_sees_no_buttons(entered: Plan) -> None:
    clerk = signed_in(make_staff("catalog.view_plan"))

    for url in (reverse("plan-list"), reverse("plan-detail", args=[entered.pk])):
        html = clerk.get(url).content.decode()
        for text in ("Enter a plan", "Retire it", "/edit/"):
            assert text not in html


def test_kinds_are_found_in_the_list(buyer: Client, entered: Plan) -> None:
    make_plan(name="A new eSIM")

    both = buyer.get(reverse("plan-list")).content.decode()
    assert "A new eSIM" in both
    assert "Voice" in both
    one = buyer.get(reverse("plan-list"), {"kind": "activation"}).content.decode()
    assert "A new eSIM" not in one
    assert "Voice" in one


def test_the_sync_page_says_of_the_account_that_it_is_never_read(entered: Plan) -> None:
    rights = ("catalog.view_syncrun", "catalog.sync_catalog", *RIGHTS)
    client = signed_in(make_staff(*rights, email="noa@example.com"))

    page = client.get(reverse("sync-run-list"))

    assert_clean_page(page)
    html = page.content.decode()
    assert "Carrier has no list of plans that could be read: its plans are entered by staff." in html
    assert 'value="shelf"' in html
    assert 'value="carrier"' not in html
    assert reverse("plan-enter") in html
    alone = client.get(reverse("sync-run-list"), {"account": "carrier"}).content.decode()
    assert "Its provider lists no plans: it is never read, staff enter them." in alone
    assert "it is never read" not in client.get(reverse("sync-run-list"), {"account": "shelf"}).content.decode()
    refused = client.post(reverse("sync-start"), {"account": "carrier"}, follow=True)
    assert "Carrier has no list of plans that could be read" in refused.content.decode()
    assert not entered.account.sync_runs.exists()


# -- the admin --------------------------------------------------------------------------------------------------------

NO_INLINES = {"coverage-TOTAL_FORMS": "0", "coverage-INITIAL_FORMS": "0"}
NO_INLINES |= {"history-TOTAL_FORMS": "0", "history-INITIAL_FORMS": "0"}


def test_the_admin_enters_by_the_same_verb(buyer: Client, carrier: ProviderAccount) -> None:
    assert buyer.get(f"{ADMIN}add/").status_code == 200

    refused = buyer.post(f"{ADMIN}add/", {**words(carrier, currency="1"), **NO_INLINES})
    assert refused.status_code == 200
    assert "Give the currency as its three capital letters" in refused.content.decode()
    assert not Plan.objects.exists()
    sent = buyer.post(f"{ADMIN}add/", {**words(carrier), **NO_INLINES})

    assert sent["Location"] == ADMIN
    plan = Plan.objects.get()
    assert (plan.plan_ref, plan.retail_price, plan.digest) == ("V5", D(1500), "")
    assert sorted(plan.coverage.values_list("country", flat=True)) == ["JP", "KR"]
    assert PlanChange.objects.get().by == "mia@example.com"


def test_the_admin_changes_and_retires_by_the_same_verbs(buyer: Client, entered: Plan) -> None:
    listed = make_plan()
    page = buyer.get(f"{ADMIN}{entered.pk}/change/")
    form = page.context["adminform"].form
    shown = {name: "" if (value := form[name].value()) is None else value for name in form.fields}
    assert set(shown) >= {"name", "net_price", "gb", "countries", "is_published"}

    sent = buyer.post(f"{ADMIN}{entered.pk}/change/", {**shown, **NO_INLINES, "name": "Other", "is_published": ""})

    assert sent.status_code == 302
    entered.refresh_from_db()
    assert (entered.name, entered.is_published, entered.kind) == ("Other", False, "activation")
    assert list(PlanChange.objects.order_by("pk").values_list("changes", flat=True)) == [
        {"name": ["Voice", "Other"]},
        {"is_published": [True, False]},
    ]
    marked = {"_selected_action": [entered.pk, listed.pk]}
    assert "1 plan changed." in buyer.post(ADMIN, {"action": "retire", **marked}, follow=True).content.decode()
    assert sorted(Plan.objects.filter(retired_at=None).values_list("pk", flat=True)) == [listed.pk]
    assert "1 plan changed." in buyer.post(ADMIN, {"action": "bring_back", **marked}, follow=True).content.decode()
    assert Plan.objects.filter(retired_at=None).count() == 2


def test_the_admin_lets_prices_alone_be_set_without_the_right_to_change_plans(entered: Plan) -> None:
    client = signed_in(make_staff("catalog.view_plan", "catalog.set_price"))
    assert client.get(f"{ADMIN}add/").status_code == 403

    typed = {**NO_INLINES, "own_price": "7", "is_published": "on", "name": "Mars", "net_price": "0"}
    assert client.post(f"{ADMIN}{entered.pk}/change/", typed).status_code == 302

    entered.refresh_from_db()
    assert (entered.name, entered.net_price, entered.own_price) == ("Voice", D(4), D(7))
    client.post(ADMIN, {"action": "retire", "_selected_action": [entered.pk]})
    entered.refresh_from_db()
    assert entered.retired_at is None


def test_the_admins_list_filters_by_kind(buyer: Client, entered: Plan) -> None:
    make_plan(name="A new eSIM")

    html = buyer.get(ADMIN, {"kind__exact": "activation"}).content.decode()

    assert "Voice" in html
    assert "A new eSIM" not in html
