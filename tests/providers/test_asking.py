"""``ask_provider``: every question from the command line, over HTTP, with secrets masked."""

import json
from collections.abc import Callable
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from providers.models import ProviderCall
from providers.registry import ensure_accounts
from tests.simulator_access import ACCESS_CODE, SECRET_KEY, Access
from tests.simulator_client import PRODUCTION, Simulator
from tests.simulator_esimfx import CLIENT_ID, CLIENT_KEY, Esimfx

pytestmark = pytest.mark.django_db


@pytest.fixture
def access(simulator: Simulator, configure: Callable[..., None]) -> Access:
    simulator.set_limits(multiplier=0)
    account = Access(simulator)
    account.set_switches(allocation_delay_s=0)
    configure("esim-access", url=account.url, code=ACCESS_CODE, secret_key=SECRET_KEY)
    ensure_accounts()
    return account


def ask(*arguments: str) -> list[dict[str, Any]]:
    out = StringIO()
    call_command("ask_provider", *arguments, stdout=out)
    return [json.loads(line) for line in out.getvalue().splitlines()]


def refuse(*arguments: str) -> tuple[str, int]:
    with pytest.raises(CommandError) as refused:
        ask(*arguments)
    return str(refused.value), refused.value.returncode


def test_every_question_that_esim_access_answers(access: Access) -> None:
    code = access.base_codes()[0]
    order = access.order(code, 2, transaction_id="ours-1")
    lines = access.query(orderNo=order)
    ref = lines[0]["esimTranNo"]

    plans = ask("esim-access", "plans")
    assert len(plans) == len(access.base_codes())
    assert {plan["plan_ref"] for plan in ask("esim-access", "plan", code)} == {code}
    (line,) = ask("esim-access", "line", ref)
    assert (line["provider_ref"], line["state"], line["lpa"]) == (ref, "ready", "[redacted]")
    assert [row["provider_ref"] for row in ask("esim-access", "order-lines", order)] == [
        row["esimTranNo"] for row in lines
    ]
    (record,) = ask("esim-access", "transaction", order)
    assert sorted(record["line_refs"]) == sorted(row["esimTranNo"] for row in lines)
    (found,) = ask("esim-access", "find-order", "ours-1")
    assert found["transaction_id"] == order
    assert ask("esim-access", "find-order", "nobodys") == []
    assert {row["provider_ref"] for row in ask("esim-access", "lines", "--since", "2020-01-01")} == {
        row["esimTranNo"] for row in lines
    }
    (use,) = ask("esim-access", "usage", ref)
    assert (use["provider_ref"], use["used_bytes"]) == (ref, 0)
    (balance,) = ask("esim-access", "balance")
    assert balance["money"]["currency"] == "USD"
    assert ask("esim-access", "regions")
    assert all(plan["plan_ref"].startswith("TOPUP_") for plan in ask("esim-access", "top-ups", ref, "--plan", code))
    printed = json.dumps([line, record, found])
    assert not any(row["ac"] in printed for row in lines)


def test_every_question_that_esimfx_answers(simulator: Simulator, configure: Callable[..., None]) -> None:
    fx = Esimfx(simulator)
    configure("esimfx", url=fx.url, client_id=CLIENT_ID, client_key=CLIENT_KEY)
    ensure_accounts()
    product = ask("esimfx", "plans")[0]
    assert ask("esimfx", "plan", product["plan_ref"])[0]["plan_ref"] == product["plan_ref"]
    assert ask("esimfx", "plan", product["alias"])[0]["net_price"] == product["net_price"]
    assert ask("esimfx", "balance")[0]["money"]["currency"] == "USD"


def test_question_that_a_provider_does_not_answer(simulator: Simulator, configure: Callable[..., None]) -> None:
    configure("esim-commerce", url=f"{simulator.url}/{PRODUCTION}", key_id="demo-key", key_secret="demo-secret")
    ensure_accounts()
    message, status = refuse("esim-commerce", "balance")
    assert (message, status) == ("NotOffered: balance is not offered by this provider (not_offered)", 1)
    assert not ProviderCall.objects.exists()


def test_no_of_the_provider_is_an_exit_status(access: Access) -> None:
    message, status = refuse("esim-access", "line", "26000000000000")
    assert (status, message.startswith("Rejected: ")) == (1, True)
    assert len(access.requests("query")) == 1


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (("nobody", "balance"), "not a configured provider account"),
        (("esim-access", "lines", "--since", "yesterday"), "not a date"),
        (("esim-access", "anything"), "invalid choice"),
    ],
)
def test_wrong_question_is_another_exit_status(access: Access, arguments: tuple[str, ...], word: str) -> None:
    try:
        message, status = refuse(*arguments)
    except SystemExit as ended:
        message, status = "", int(str(ended.code))
    assert status in (1, 2)
    assert word in message or message == ""
    assert access.requests() == []
