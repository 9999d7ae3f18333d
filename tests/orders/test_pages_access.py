"""Who may open which page of the order side, and with which method."""

import uuid
from datetime import timedelta
from decimal import Decimal

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from customers.models import Customer, User
from esims.models import Esim, LineAction
from orders.giving_back import owe_return
from orders.models import Order, Payment, PaymentDelivery, Purchase, Refund
from providers.models import ProviderAccount, WebhookDelivery
from tests.orders.card_office import make_card_payment, make_dispute
from tests.orders.comparing import make_difference
from tests.orders.desk import buy, purchase_of, sign_in, sign_in_as
from tests.orders.fakes import Wholesaler
from tests.orders.making import make_fake_plan, make_user, order_plan
from tests.pages import assert_clean_page

pytestmark = pytest.mark.django_db(transaction=True)

#: Page → the permission that opens it ("" = every member of staff).
READ = {
    "dashboard": "",
    "search": "",
    "order-list": "orders.view_order",
    "order-new": "orders.sell",
    "order-detail": "orders.view_order",
    "order-esims": "orders.view_order",
    "order-codes": "esims.reveal_codes",
    "order-cancel": "orders.sell",
    "purchase-queue": "orders.view_purchase",
    "purchase-list": "orders.view_purchase",
    "purchase-detail": "orders.view_purchase",
    "purchase-decide": "orders.reconcile",
    "action-settle": "orders.reconcile",
    "difference-list": "orders.view_difference",
    "difference-detail": "orders.view_difference",
    "difference-close": "orders.reconcile",
    "difference-attach": "orders.reconcile",
    "difference-take-over": "orders.reconcile",
    "difference-reopen": "orders.reconcile",
    "comparison-detail": "orders.view_difference",
    "refund-list": "orders.view_refund",
    "refund-made": "orders.refund",
    "refund-drop": "orders.give_back",
    "esim-give-back": "orders.give_back",
    "esim-replace": "orders.replace",
    "customer-detail": "customers.view_customer",
    "provider-list": "providers.view_provideraccount",
    "provider-detail": "providers.view_provideraccount",
    "provider-pause": "providers.change_provideraccount",
    "notification-list": "orders.view_notification",
    "delivery-list": "providers.view_webhookdelivery",
    "delivery-detail": "providers.view_webhookdelivery",
    "esim-top-up": "orders.sell",
    "card-payment-give-up": "orders.sell",
    "refund-card": "orders.refund",
    "refund-decide": "orders.refund",
    "dispute-list": "orders.view_dispute",
    "payment-delivery-list": "orders.view_paymentdelivery",
    "payment-delivery-detail": "orders.view_paymentdelivery",
}
WRITE = {
    "list-export": "orders.export_list",
    "order-pay": "orders.sell",
    "order-cancel": "orders.sell",
    "order-new": "orders.sell",
    "order-codes": "esims.reveal_codes",
    "purchase-decide": "orders.reconcile",
    "purchase-reply": "esims.reveal_codes",
    "action-settle": "orders.reconcile",
    "difference-close": "orders.reconcile",
    "difference-attach": "orders.reconcile",
    "difference-take-over": "orders.reconcile",
    "difference-reopen": "orders.reconcile",
    "comparison-start": "orders.reconcile",
    "refund-made": "orders.refund",
    "refund-drop": "orders.give_back",
    "esim-give-back": "orders.give_back",
    "esim-replace": "orders.replace",
    "provider-pause": "providers.change_provideraccount",
    "provider-task": "providers.change_provideraccount",
    "provider-low-mark": "providers.change_provideraccount",
    "delivery-retry": "providers.handle_delivery",
    "esim-top-up": "orders.sell",
    "order-card-ask": "orders.sell",
    "card-payment-look": "orders.sell",
    "card-payment-give-up": "orders.sell",
    "refund-card": "orders.refund",
    "refund-decide": "orders.refund",
    "dispute-settle": "orders.handle_payment",
    "payment-delivery-retry": "orders.handle_paymentdelivery",
}


def address(name: str, wholesaler: Wholesaler) -> str:
    """The page with something on it."""
    arguments: list[object] = []
    if name.startswith(("difference-", "comparison-", "action-", "purchase-reply")):
        return address_of_reconciling(name)
    match name:
        case "order-detail" | "order-esims" | "order-codes":
            arguments = [buy().pk]
        case "order-pay" | "order-cancel" | "order-card-ask":
            arguments = [order_plan(make_fake_plan()).pk]
        case "purchase-detail" | "purchase-decide":
            wholesaler.plan_orders("lost_before")
            purchase = Purchase.objects.get(order_line__order=buy())
            arguments = [purchase.pk, *(["not-bought"] if name == "purchase-decide" else [])]
        case "refund-made":
            wholesaler.plan_orders("refused")
            arguments = [Refund.objects.get(purchase__order_line__order=buy()).pk]
        case "customer-detail":
            arguments = [Customer.objects.create(name="Mia Sato").pk]
        case "provider-detail" | "provider-pause" | "provider-task" | "provider-low-mark":
            arguments = [make_fake_plan().account.slug]
        case "delivery-list" | "delivery-detail" | "delivery-retry":
            row = WebhookDelivery.objects.create(
                account=make_fake_plan().account,
                key="n1",
                received_at=timezone.now(),
                body=b'{"id": "n1"}',
                state="parked",
            )
            arguments = [] if name == "delivery-list" else [row.pk]
        case "esim-top-up" | "esim-give-back" | "esim-replace":
            arguments = [Esim.objects.filter(purchased__purchase__order_line__order=buy())[0].pk]
        case _:
            arguments = find_card_arguments(name)
    return reverse(name, args=arguments)


def address_of_reconciling(name: str) -> str:
    if name == "purchase-reply":
        return reverse(name, args=[purchase_of(buy()).pk, 1])
    if name == "action-settle":
        esim = Esim.objects.filter(purchased__purchase__order_line__order=buy())[0]
        return reverse(name, args=[LineAction.objects.create(esim=esim, kind="suspend", state="unknown").pk])
    row = make_difference(**({"state": "closed", "verdict": "known"} if name == "difference-reopen" else {}))
    if name == "comparison-detail":
        return reverse(name, args=[row.run_id])
    return reverse(name, args=[] if name in ("difference-list", "comparison-start") else [row.pk])


def find_card_arguments(name: str) -> list[object]:
    """Of a page about cards or lists, or about what is given back."""
    match name:
        case "list-export":
            return ["orders"]
        case "refund-drop" | "refund-card" | "refund-decide":
            return find_refund_arguments(name)
        case "card-payment-look" | "card-payment-give-up":
            return [make_card_payment(order_plan(make_fake_plan())).pk]
        case "dispute-list" | "dispute-settle":
            dispute = make_dispute(make_card_payment(order_plan(make_fake_plan())))
            return [] if name == "dispute-list" else [dispute.pk]
        case "payment-delivery-list" | "payment-delivery-detail" | "payment-delivery-retry":
            call = PaymentDelivery.objects.create(
                event_id="evt_1", kind="x", received_at=timezone.now(), body=b'{"id": "evt_1"}', state="parked"
            )
            return [] if name == "payment-delivery-list" else [call.pk]
    return []


def find_refund_arguments(name: str) -> list[object]:
    refund = make_returned()
    if name == "refund-card":
        make_card_payment(refund.order, state="captured")
    if name == "refund-decide":
        Refund.objects.update(state="sending", sending_since=timezone.now() - timedelta(days=2))
        return [refund.pk, "not-paid"]
    return [refund.pk]


def make_returned() -> Refund:
    """Money that staff owe back for a line that came."""
    purchase = Purchase.objects.get(order_line__order=buy(1))
    esim = Esim.objects.get(purchased__purchase=purchase)
    key, boss = uuid.uuid4(), make_user("orders.give_back")
    return owe_return(purchase=purchase, esim=esim, amount=Decimal(1), reason="x", form_key=key, by=boss)


def count_rows() -> dict[str, int]:
    return {model.__name__: model._default_manager.count() for model in (Order, Payment, Purchase, Refund, Customer)}


@pytest.mark.parametrize("name", READ)
def test_strangers_are_asked_to_sign_in_and_come_back(name: str, wholesaler: Wholesaler) -> None:
    url = address(name, wholesaler)
    response = Client().get(url)
    assert response.status_code == 302
    assert response["Location"] == f"/accounts/login/?next={url}"


@pytest.mark.parametrize("name", READ)
def test_customers_who_sign_in_are_no_staff(name: str, wholesaler: Wholesaler) -> None:
    client = sign_in_as(User.objects.create_user("traveller@example.com", "x"))
    assert client.get(address(name, wholesaler)).status_code == 403


@pytest.mark.parametrize(("name", "permission"), [(name, needed) for name, needed in READ.items() if needed])
def test_staff_need_the_permission(name: str, permission: str, wholesaler: Wholesaler) -> None:
    others = {needed for needed in {*READ.values(), *WRITE.values()} if needed} - {permission}
    response = sign_in(*others).get(address(name, wholesaler))
    assert response.status_code == 403
    assert permission in response.content.decode()


@pytest.mark.parametrize(("name", "permission"), READ.items())
def test_staff_with_the_permission_alone_see_a_clean_page(name: str, permission: str, wholesaler: Wholesaler) -> None:
    client = sign_in(*([permission] if permission else []))
    response = client.get(address(name, wholesaler))
    assert_clean_page(response)
    assert "no-store" in response["Cache-Control"]


@pytest.mark.parametrize("name", READ)
def test_a_superuser_sees_every_page_clean(name: str, wholesaler: Wholesaler) -> None:
    boss = make_user(is_superuser=True)
    assert_clean_page(sign_in_as(boss).get(address(name, wholesaler)))


@pytest.mark.parametrize("name", READ)
def test_every_page_reads_in_japanese(name: str, wholesaler: Wholesaler) -> None:
    boss = make_user(is_superuser=True, language="ja")
    assert_clean_page(sign_in_as(boss).get(address(name, wholesaler)), language="ja")


@pytest.mark.parametrize(("name", "permission"), WRITE.items())
def test_writing_needs_the_permission_and_writes_nothing_without(
    name: str, permission: str, wholesaler: Wholesaler
) -> None:
    url = address(name, wholesaler)
    others = {needed for needed in {*READ.values(), *WRITE.values()} if needed} - {permission}
    client = sign_in(*others)
    before = count_rows()
    response = client.post(url, {"why": "I may not", "method": "cash", "reference": "1"})
    assert response.status_code == 403
    assert count_rows() == before
    assert not Order.objects.filter(state=Order.State.CANCELLED).exists()
    assert not Refund.objects.filter(state=Refund.State.MADE).exists()


@pytest.mark.parametrize("name", [name for name in READ if name not in WRITE])
def test_pages_that_only_read_refuse_to_be_posted_to(name: str, wholesaler: Wholesaler) -> None:
    client = sign_in_as(make_user(is_superuser=True))
    assert client.post(address(name, wholesaler)).status_code == 405


def test_a_payment_is_posted_only(wholesaler: Wholesaler) -> None:
    order = order_plan(make_fake_plan())
    client = sign_in_as(make_user(is_superuser=True))
    assert client.get(reverse("order-pay", args=[order.pk])).status_code == 405


@pytest.mark.parametrize(
    "url", ["/orders/999999/", "/purchases/999999/", "/refunds/999999/made/", "/customers/999999/", "/providers/none/"]
)
def test_what_is_not_there_is_not_found(url: str) -> None:
    client = sign_in_as(make_user(is_superuser=True))
    assert client.get(url).status_code == 404


def test_an_unknown_decision_is_not_found(wholesaler: Wholesaler) -> None:
    wholesaler.plan_orders("lost_before")
    purchase = Purchase.objects.get(order_line__order=buy())
    client = sign_in_as(make_user(is_superuser=True))
    assert client.get(f"/purchases/{purchase.pk}/delete/").status_code == 404


def test_the_account_of_another_contract_is_shown_as_not_configured() -> None:
    ProviderAccount.objects.create(slug="old", adapter="none", name="Old contract")
    client = sign_in("providers.view_provideraccount")
    response = client.get("/providers/old/")
    assert_clean_page(response)
    assert "not configured" in response.content.decode()
