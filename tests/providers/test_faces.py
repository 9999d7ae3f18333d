"""The command and the admin of this floor."""

from collections.abc import Callable
from datetime import UTC, datetime
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.test import Client

from customers.models import User
from providers.accounts import pause_account
from providers.models import AccountEvent, ProviderAccount, ProviderCall, RatePause, RateSlot
from providers.registry import ensure_accounts
from tests.simulator_client import SANDBOX, Simulator

pytestmark = pytest.mark.django_db


def run(*arguments: str) -> tuple[str, str]:
    """What the command printed, and the message that it failed with."""
    out = StringIO()
    try:
        call_command("check_providers", *arguments, stdout=out, no_color=True)
    except CommandError as error:
        return out.getvalue(), str(error)
    return out.getvalue(), ""


def test_every_account_answers(accounts: Simulator) -> None:
    printed, failure = run()
    assert failure == ""
    lines = printed.splitlines()
    assert len(lines) == 2
    assert lines[0].startswith("esim-commerce: answers (")
    assert lines[1].startswith("esim-commerce-sandbox: answers (")
    assert [request["query"] for request in accounts.requests("plans")] == ["page=1&limit=1"]


def test_an_account_that_does_not_answer_is_an_exit_status(accounts: Simulator) -> None:
    accounts.order_fault("status_before", "plans", system=SANDBOX, status=401, message="Unknown key")
    printed, failure = run()
    assert failure == "1 of 2 provider accounts did not answer."
    assert (
        "esim-commerce-sandbox: The provider refused (HTTP 401 SIMULATED): Unknown key (look at the credentials)"
        in printed
    )
    assert "last answer: never" in printed
    assert "esim-commerce: answers" in printed


def test_one_account_alone(accounts: Simulator) -> None:
    printed, _failure = run("--account", "esim-commerce-sandbox")
    assert "esim-commerce:" not in printed
    assert accounts.count_requests("plans") == 0
    assert accounts.count_requests("plans", SANDBOX) == 1


def test_settings_that_cannot_be_used(accounts: Simulator, configure: Callable[..., None]) -> None:
    configure("esim-commerce", paths={"status": "GET /esim"})
    printed, failure = run("--account", "esim-commerce")
    assert "esim-commerce: ESIM_COMMERCE_PATHS: status needs {iccid} once in its path" in printed
    assert failure == "1 of 1 provider accounts did not answer."


def test_a_paused_account_is_told(accounts: Simulator) -> None:
    ensure_accounts()
    ProviderAccount.objects.update(is_paused=True)
    printed, _failure = run("--account", "esim-commerce")
    assert "esim-commerce: paused by staff, nothing was sent" in printed


def test_no_account_at_all() -> None:
    assert run() == ("", "No such provider account is configured.")


@pytest.fixture
def admin(client: Client) -> Client:
    client.force_login(User.objects.create_superuser(email="admin@roamdesk.example", password="x"))
    return client


@pytest.fixture
def account() -> ProviderAccount:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    ProviderCall.objects.create(account="a", operation="order", outcome="ok", sent_at=now, duration_ms=1)
    RatePause.objects.create(account="a", operation="order", until=now)
    RateSlot.objects.create(account="a", operation="order", number=0)
    return ProviderAccount.objects.create(slug="a", adapter="esim_commerce", name="A")


def test_the_admin_shows_everything(admin: Client, account: ProviderAccount) -> None:
    pause_account(account=account, by="mia@example.com", why="Testing.")
    for model in (ProviderAccount, AccountEvent, ProviderCall, RatePause, RateSlot):
        row = model._default_manager.get()
        base = f"/admin/providers/{model._meta.model_name}/"
        for path in (base, f"{base}{row.pk}/change/"):
            assert admin.get(path).status_code == 200, path
        assert admin.get(f"{base}add/").status_code == 403
        assert admin.post(f"{base}{row.pk}/delete/", {"post": "yes"}).status_code == 403
    assert ProviderCall.objects.exists()


def test_only_the_pause_can_be_changed(admin: Client, account: ProviderAccount) -> None:
    path = f"/admin/providers/provideraccount/{account.pk}/change/"
    inline = {"events-TOTAL_FORMS": "0", "events-INITIAL_FORMS": "0"}
    fields = {"is_paused": "on", "why": "Testing.", "slug": "b", "name": "B"}
    assert admin.post(path, fields | inline).status_code == 302
    account.refresh_from_db()
    assert (account.is_paused, account.slug, account.name) == (True, "a", "A")
    call = ProviderCall.objects.get()
    assert admin.post(f"/admin/providers/providercall/{call.pk}/change/", {"error": "x"}).status_code == 403
