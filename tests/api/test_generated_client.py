"""An app whose client openapi-python-client has made from the description buys an eSIM, over HTTP."""

import importlib
import io
import subprocess
import sys
import uuid
from pathlib import Path
from typing import Any

import httpx
import pytest
import zxingcpp
from PIL import Image
from pytest_django.live_server_helper import LiveServer

from catalog.version import bump_version
from customers.models import User
from orders.models import Payment, Purchase
from tests.api.app import PASSWORD
from tests.api.buying import HANA, buy_all, make_traveller, make_wire_plan
from tests.orders.card_office import drain
from tests.project.sources import PROJECT_DIR
from tests.queue import Queue
from tests.simulator_cards import DOOR, CardService
from tests.simulator_client import Simulator

NAME = "roamdesk_client"


@pytest.fixture
def user(transactional_db: None) -> User:
    return make_traveller()


@pytest.fixture
def plan_name(user: User, shop: Simulator) -> str:
    del user
    name = make_wire_plan(shop).name
    bump_version()
    return name


@pytest.fixture
def made(live_server: LiveServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The generated package: ``made("api.orders.place_order")`` imports a part of it."""
    command = [sys.executable, "-m", "openapi_python_client", "generate", "--meta", "none", "--fail-on-warning"]
    where = ["--url", f"{live_server.url}/api/schema/", "--output-path", str(tmp_path / NAME)]
    config = ["--config", str(PROJECT_DIR / "docs" / "openapi-python-client.yaml")]
    run = subprocess.run([*command, *where, *config], capture_output=True, text=True, check=False)
    assert (run.returncode, "arning" in run.stdout + run.stderr) == (0, False), run.stdout + run.stderr
    monkeypatch.syspath_prepend(tmp_path)
    return lambda part: importlib.import_module(f"{NAME}.{part}" if part else NAME)


def _sign_in(url: str) -> str:
    address = f"{url}/_allauth/app/v1/auth/login"
    answer = httpx.post(address, json={"email": HANA, "password": PASSWORD}, timeout=10)
    assert answer.status_code == 200, answer.text
    return str(answer.json()["meta"]["session_token"])


def test_a_generated_client_buys_an_esim(
    live_server: LiveServer, plan_name: str, cards: CardService, queue: Queue, made: Any
) -> None:
    models = made("models")
    visitor = made("").Client(base_url=live_server.url, raise_on_unexpected_status=True)
    (plan,) = made("api.catalogue.list_plans").sync(client=visitor, country="JP").results
    assert (plan.name, plan.price.amount, plan.data.unlimited) == (plan_name, "6.00", False)

    app = made("").AuthenticatedClient(
        base_url=live_server.url,
        token=_sign_in(live_server.url),
        prefix="",
        auth_header_name="X-Session-Token",
        raise_on_unexpected_status=True,
    )
    wish = models.NewOrderRequest(
        plan_id=plan.id,
        quantity=1,
        unit_price=models.AmountRequest(amount=plan.price.amount, currency=plan.price.currency),
    )
    key = str(uuid.uuid4())
    place_order = made("api.orders.place_order")
    order = place_order.sync(client=app, body=wish, idempotency_key=key)
    assert order == place_order.sync(client=app, body=wish, idempotency_key=key)
    assert (order.state, order.items[0].must_show != []) == (models.OrderState.AWAITING_PAYMENT, True)
    assert models.AppMethod.CARD in order.pay_by

    payment = models.NewPaymentRequest(
        method=models.AppMethod.CARD,
        amount=models.AmountRequest(amount=order.outstanding.amount, currency=order.outstanding.currency),
    )
    paying = made("api.orders.pay_order").sync(
        order.number, client=app, body=payment, idempotency_key=str(uuid.uuid4())
    )
    # What the payment service's own sheet does on the phone, and what the service then says to us.
    cards.set_webhook(f"{live_server.url}{DOOR}")
    cards.pay(paying.payments[0].sheet.intent_id)
    assert cards.wait_for_event("payment_intent.succeeded")["state"] == "sent"
    drain()
    queue.run()
    buy_all()
    assert (Payment.objects.get().state, Purchase.objects.count()) == ("captured", 1)

    order = made("api.orders.read_order").sync(order.number, client=app)
    assert (order.state, order.delivered) == (models.OrderState.COMPLETED, 1)
    (esim,) = made("api.esims.list_esims").sync(client=app).results
    assert esim.id == order.esims[0].id
    codes = made("api.esims.read_esim_activation").sync(esim.id, client=app)
    picture = made("api.esims.read_esim_qr_png").sync(esim.id, client=app)
    shown = zxingcpp.read_barcode(Image.open(io.BytesIO(picture.payload.read())))
    assert shown is not None
    assert shown.text == codes.lpa

    refused = place_order.sync_detailed(
        client=app,
        body=models.NewOrderRequest(
            plan_id=plan.id, unit_price=models.AmountRequest(amount="0.01", currency=plan.price.currency)
        ),
        idempotency_key=str(uuid.uuid4()),
    )
    assert (refused.status_code, refused.parsed.code) == (409, models.ProblemCode.PRICE_CHANGED)
