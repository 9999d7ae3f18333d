"""The admin shows everything of buying and changes nothing of it."""

import pytest
from django.apps import apps
from django.contrib import admin
from django.test import Client

from orders.models import PurchaseAttempt
from orders.purchasing import run_purchase
from tests.orders.fakes import Wholesaler
from tests.orders.making import make_purchase, make_user

pytestmark = pytest.mark.django_db
MODELS = [model._meta.model_name for model in apps.get_app_config("orders").get_models()]


@pytest.fixture
def boss(client: Client) -> Client:
    client.force_login(make_user(is_superuser=True))
    return client


@pytest.mark.parametrize("name", MODELS)
def test_lists_open_and_nothing_can_be_added(boss: Client, wholesaler: Wholesaler, name: str) -> None:
    run_purchase(purchase_id=make_purchase().pk)
    assert boss.get(f"/admin/orders/{name}/", {"q": "1"}).status_code == 200
    assert boss.get(f"/admin/orders/{name}/add/").status_code == 403


@pytest.mark.parametrize("name", ["order", "purchase", "purchaseattempt", "refund", "orderevent", "payment"])
def test_rows_are_shown_and_cannot_be_changed_or_deleted(boss: Client, wholesaler: Wholesaler, name: str) -> None:
    wholesaler.plan_orders("refused")
    run_purchase(purchase_id=make_purchase().pk)
    model = apps.get_model("orders", name)
    row = model._default_manager.first()
    assert row is not None
    before = model._default_manager.values().get(pk=row.pk)
    assert boss.get(f"/admin/orders/{name}/{row.pk}/change/").status_code == 200
    assert boss.post(f"/admin/orders/{name}/{row.pk}/change/", {"state": "x"}).status_code == 403
    assert boss.post(f"/admin/orders/{name}/{row.pk}/delete/", {"post": "yes"}).status_code == 403
    assert model._default_manager.values().get(pk=row.pk) == before


def test_raw_reply_is_not_shown(boss: Client, wholesaler: Wholesaler) -> None:
    purchase = make_purchase()
    run_purchase(purchase_id=purchase.pk)
    attempt = PurchaseAttempt.objects.get()
    for page in (f"purchaseattempt/{attempt.pk}", f"purchase/{purchase.pk}"):
        body = boss.get(f"/admin/orders/{page}/change/").content.decode()
        assert "tx-0001" in body or "fulfilled" in body
        assert "behaviour" not in body


def test_every_model_is_registered() -> None:
    assert not [model for model in apps.get_app_config("orders").get_models() if model not in admin.site._registry]
