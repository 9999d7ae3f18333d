"""What is asked about an account and done by a worker: balance, regions, webhook address."""

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.utils import timezone
from pytest_django import Settings

from providers.account_tasks import TaskRefused, find_webhook_address, request_task, run_account_task
from providers.balances import MarkRefused, is_low, newest_reading, record_balance, set_low_mark
from providers.models import AccountTask, BalanceReading, ProviderAccount, ProviderCall, ProviderRegion
from providers.regions import record_regions
from providers.registry import ensure_accounts, get_provider
from providers.tasks import read_all_balances
from providers.types import AccountBalance, Money, Region
from tests.queue import Queue
from tests.simulator_access import ACCESS_CODE, SECRET_KEY, Access
from tests.simulator_client import Simulator
from tests.simulator_webhooks import Receiver

pytestmark = pytest.mark.django_db

SECRET = "an-unguessable-part-of-the-path"
Kind = AccountTask.Kind


@pytest.fixture
def access(simulator: Simulator, configure: Callable[..., None]) -> Access:
    simulator.set_limits(multiplier=0)
    account = Access(simulator)
    configure("esim-access", url=account.url, code=ACCESS_CODE, secret_key=SECRET_KEY, webhook_secret=SECRET)
    ensure_accounts()
    return account


@pytest.fixture
def account(access: Access) -> ProviderAccount:
    del access
    return ProviderAccount.objects.get(slug="esim-access")


def do(account: ProviderAccount, kind: str) -> AccountTask:
    return run_account_task(task_id=request_task(account=account, kind=kind, asked_by="mika@desk.example").pk)


# -- tasks -------------------------------------------------------------------------------------------------------------


def test_task_is_done_by_a_worker_and_says_what_came_of_it(
    account: ProviderAccount, access: Access, queue: Queue
) -> None:
    access.set_account(balance=1_234_500)
    task = request_task(account=account, kind=Kind.BALANCE, asked_by="mika@desk.example")
    assert (task.state, access.requests()) == ("waiting", [])
    queue.run()
    task.refresh_from_db()
    assert (task.state, task.result, task.error) == ("done", "123.45 USD", "")
    reading = BalanceReading.objects.get()
    assert (reading.amount, reading.currency) == (Decimal("123.45"), "USD")


def test_same_question_is_open_once(account: ProviderAccount, queue: Queue) -> None:
    first = request_task(account=account, kind=Kind.REGIONS, asked_by="a@desk.example")
    assert request_task(account=account, kind=Kind.REGIONS, asked_by="b@desk.example") == first
    queue.run()
    assert AccountTask.objects.count() == 1
    assert request_task(account=account, kind=Kind.REGIONS, asked_by="b@desk.example") != first


def test_task_runs_once_however_often_its_job_comes(account: ProviderAccount, access: Access) -> None:
    task = do(account, Kind.BALANCE)
    run_account_task(task_id=task.pk)
    assert len(access.requests("balance")) == 1


def test_regions_are_kept_as_told(account: ProviderAccount) -> None:
    task = do(account, Kind.REGIONS)
    assert task.result == f"{ProviderRegion.objects.count()} regions"
    spain = ProviderRegion.objects.get(code="ES")
    assert (spain.name, spain.is_multi, spain.members) == ("Spain", False, ["ES"])
    assert ProviderRegion.objects.filter(is_multi=True).exists()
    record_regions(account=account, regions=[Region(code="EU-2", name="Two", is_multi=True, members=("ES", "PT"))])
    assert list(ProviderRegion.objects.values_list("code", "members")) == [("EU-2", ["ES", "PT"])]


def test_refusal_is_recorded_with_the_providers_code(
    account: ProviderAccount, access: Access, simulator: Simulator
) -> None:
    simulator.order_fault("refuse_code", "balance", system="access", code="101003", message="Signature mismatch")
    task = do(account, Kind.BALANCE)
    assert (task.state, task.error_code) == ("failed", "101003")
    assert not BalanceReading.objects.exists()


@pytest.mark.parametrize("change", [{"is_paused": True}, {"slug": "esim-commerce"}])
def test_nothing_is_asked_where_nothing_can_be(
    account: ProviderAccount, access: Access, change: dict[str, Any]
) -> None:
    ProviderAccount.objects.filter(pk=account.pk).update(**change)
    with pytest.raises(TaskRefused):
        request_task(account=ProviderAccount.objects.get(), kind=Kind.BALANCE, asked_by="mika@desk.example")
    assert (AccountTask.objects.count(), access.requests()) == (0, [])


def test_task_of_a_dead_worker_makes_room(account: ProviderAccount) -> None:
    old = request_task(account=account, kind=Kind.CHECK, asked_by="a@desk.example")
    AccountTask.objects.update(state="running", started_at=timezone.now() - timedelta(hours=1))
    assert do(account, Kind.CHECK).result == "it answers"
    old.refresh_from_db()
    assert (old.state, old.error) == ("failed", "the worker stopped")


def test_task_that_our_program_fails_over_is_failed(account: ProviderAccount, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_self: object, _priority: object) -> None:
        raise KeyError("SECRET")

    monkeypatch.setattr(type(get_provider("esim-access")), "_read_balance", fail)
    task = request_task(account=account, kind=Kind.BALANCE, asked_by="a@desk.example")
    with pytest.raises(KeyError):
        run_account_task(task_id=task.pk)
    task.refresh_from_db()
    assert (task.state, task.error) == ("failed", "our program failed (KeyError)")


# -- webhooks ----------------------------------------------------------------------------------------------------------


def test_our_webhook_address_is_set_after_the_provider_called_it(
    account: ProviderAccount, access: Access, settings: Settings
) -> None:
    with Receiver() as receiver:
        settings.SITE_URL = receiver.url
        task = do(account, Kind.WEBHOOK_SAVE)
        assert (task.state, task.result) == ("done", "our address is set")
        assert [call.path for call in receiver.received] == [f"/hook/hooks/esim-access/{SECRET}/"]
    account.refresh_from_db()
    assert SECRET not in account.webhook_address
    assert account.webhook_address.endswith("/hooks/esim-access/[redacted]/")
    assert not ProviderCall.objects.filter(request__contains=SECRET).exists()
    assert not ProviderCall.objects.filter(reply__contains=SECRET).exists()
    access.set_account(webhook="https://elsewhere.example/hook")
    assert do(account, Kind.WEBHOOK_READ).result == "another address is set"
    access.set_account(webhook=None)
    assert do(account, Kind.WEBHOOK_READ).result == "no address is set"


def test_address_that_does_not_answer_is_not_set(account: ProviderAccount, access: Access, settings: Settings) -> None:
    settings.SITE_URL = "http://127.0.0.1:9"
    task = do(account, Kind.WEBHOOK_SAVE)
    assert task.state == "failed"
    assert do(account, Kind.WEBHOOK_READ).result == "no address is set"


def test_address_has_the_secret_part(account: ProviderAccount, settings: Settings) -> None:
    settings.SITE_URL = "https://desk.example/"
    assert find_webhook_address(get_provider("esim-access")) == f"https://desk.example/hooks/esim-access/{SECRET}/"


# -- balances ----------------------------------------------------------------------------------------------------------


def balance(text: str, *, hours: float = 0) -> AccountBalance:
    at = timezone.now() + timedelta(hours=hours)
    return AccountBalance(money=Money(amount=Decimal(text), currency="USD"), as_of=at)


def test_history_has_changes_and_now_and_then_a_look(account: ProviderAccount) -> None:
    record_balance(account=account, balance=balance("10.00"))
    record_balance(account=account, balance=balance("10.00", hours=1))
    record_balance(account=account, balance=balance("9.50", hours=2))
    record_balance(account=account, balance=balance("9.50", hours=9))
    assert [str(row.amount) for row in BalanceReading.objects.order_by("at")] == ["10.0000", "9.5000", "9.5000"]


def test_low_mark_is_told_once_when_it_is_crossed(account: ProviderAccount, caplog: pytest.LogCaptureFixture) -> None:
    account = set_low_mark(account=account, amount=Decimal(5), by="mika@desk.example")
    for number, amount in enumerate(("6.00", "4.00", "3.00", "8.00", "1.00")):
        record_balance(account=account, balance=balance(amount, hours=number))
    assert is_low(account, newest_reading(account))
    assert caplog.text.count("balance_low") == 2


def test_mark_above_the_balance_is_told_at_once(account: ProviderAccount, caplog: pytest.LogCaptureFixture) -> None:
    record_balance(account=account, balance=balance("6.00"))
    account = set_low_mark(account=account, amount=Decimal(10), by="mika@desk.example")
    assert caplog.text.count("balance_low") == 1
    account = set_low_mark(account=account, amount=Decimal(20), by="mika@desk.example")
    record_balance(account=account, balance=balance("5.00", hours=1))
    assert caplog.text.count("balance_low") == 1
    set_low_mark(account=account, amount=Decimal(4), by="mika@desk.example")
    assert caplog.text.count("balance_low") == 1


def test_secret_of_another_office_is_neither_shown_nor_kept(account: ProviderAccount, access: Access) -> None:
    """Two offices may share an account: its address may be the other one's."""
    theirs = "https://other.example/hooks/esim-access/s3cret-of-another-office/"
    access.set_account(webhook=theirs)
    task = do(account, Kind.WEBHOOK_READ)
    account.refresh_from_db()
    kept = f"{task.result} {account.webhook_address}" + "".join(map(str, ProviderCall.objects.values_list()))
    assert task.result == "another address is set"
    assert account.webhook_address.startswith("https://other.example/hooks/esim-access/")
    assert "s3cret-of-another-office" not in kept


def test_negative_mark_is_refused(account: ProviderAccount) -> None:
    with pytest.raises(MarkRefused):
        set_low_mark(account=account, amount=Decimal(-1), by="mika@desk.example")
    assert ProviderAccount.objects.get(pk=account.pk).low_balance is None


def test_schedule_asks_every_account_that_tells_its_balance(account: ProviderAccount, queue: Queue) -> None:
    ProviderAccount.objects.create(slug="esim-commerce", adapter="esim_commerce", name="eSIM Commerce")
    assert read_all_balances() == 1
    queue.run()
    assert list(AccountTask.objects.values_list("account__slug", "kind", "state")) == [
        ("esim-access", "balance", "done")
    ]


def test_wrong_settings_are_told(account: ProviderAccount, configure: Callable[..., None]) -> None:
    task = request_task(account=account, kind=Kind.BALANCE, asked_by="a@desk.example")
    configure("esim-access", url="nonsense")
    with pytest.raises(ImproperlyConfigured):
        get_provider("esim-access")
    assert run_account_task(task_id=task.pk).state == "failed"
