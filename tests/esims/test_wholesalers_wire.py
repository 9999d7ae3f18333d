"""Lines of eSIM Access and eSIMfx from the wire to our rows and back: the real adapters against the simulator."""

from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.utils import timezone
from pytest_django.fixtures import Settings

from customers.models import User
from esims.actions import ActionRefused, request_action, run_action
from esims.due_lines import refresh_due_lines
from esims.lifecycle import register_lines
from esims.models import Esim, LineAction, Package, UsageDay
from esims.packages import register_top_up
from esims.refresh import refresh_line
from providers.models import ProviderAccount
from providers.registry import ensure_accounts, get_provider
from providers.types import Capability, Priority, TopUpRequest
from tests.catalog.making import make_plan
from tests.esims.making import MB, make_customer, make_staff
from tests.simulator_access import ACCESS_CODE, SECRET_KEY, Access
from tests.simulator_client import Simulator
from tests.simulator_esimfx import BLOCK_PATH, CLIENT_ID, CLIENT_KEY, Esimfx

ACCESS, FX = "esim-access", "esimfx"


@pytest.fixture
def mika(db: None) -> User:
    return make_staff("cancel_esim", "revoke_esim", "message_esim", "activate_esim", "suspend_esim")


@pytest.fixture
def access(db: None, settings: Settings, simulator: Simulator) -> Access:
    simulator.set_limits(multiplier=0)
    access = Access(simulator)
    access.set_switches(allocation_delay_s=0)
    values = {"url": access.url, "code": ACCESS_CODE, "secret_key": SECRET_KEY, "limits": {"calls": 1000}}
    _switch_on(settings, ACCESS, values)
    return access


@pytest.fixture
def fx(db: None, settings: Settings, simulator: Simulator) -> Esimfx:
    simulator.set_limits(multiplier=0)
    fx = Esimfx(simulator)
    values = {"url": fx.url, "client_id": CLIENT_ID, "client_key": CLIENT_KEY, "limits": {"calls": 100, "seconds": 1}}
    _switch_on(settings, FX, {**values, "block_path": BLOCK_PATH})
    return fx


def _switch_on(settings: Settings, slug: str, values: dict[str, Any]) -> None:
    settings.PROVIDERS = {slug: {**settings.PROVIDERS[slug], **values}}
    settings.HTTP_READ_TIMEOUT = 5.0
    ensure_accounts()


def enter_order(access: Access, count: int) -> list[Esim]:
    """Lines of one order at eSIM Access, entered as a delivery is."""
    account = ProviderAccount.objects.get(slug=ACCESS)
    order = access.order(access.find_package(dataType=1), count)
    snapshots = get_provider(ACCESS).read_order_lines(order)
    plan = make_plan(account, plan_ref=snapshots[0].packages[0].plan_ref)
    return register_lines(account=account, customer=make_customer(), plan=plan, snapshots=snapshots, by="purchase")


def enter_fx(fx: Esimfx) -> Esim:
    account = ProviderAccount.objects.get(slug=FX)
    product = fx.find_product(amount_unit="GB")["id"]
    iccid = fx.order_new(product)["esim"]["iccid"]
    (esim,) = register_lines(
        account=account,
        customer=make_customer(),
        plan=make_plan(account, plan_ref=product),
        snapshots=[get_provider(FX).read_line(iccid)],
        by="purchase",
    )
    return esim


def act(esim: Esim, by: User, capability: Capability, **said: Any) -> LineAction:
    """Ask, and step until it has ended."""
    line = Esim.objects.select_related("account").get(pk=esim.pk)
    action = request_action(esim=line, capability=capability, reason="test", by=by, **said)
    for _count in range(40):
        action = LineAction.objects.get(pk=action.pk)
        if action.next_attempt_at is None:
            return action
        with time_machine.travel(max(action.next_attempt_at, timezone.now()) + timedelta(milliseconds=1)):
            run_action(action_id=action.pk)
    pytest.fail(f"still {action.state}")


def make_due(*, use: bool = False) -> None:
    hour_ago = timezone.now() - timedelta(hours=1)
    later = timezone.now() + timedelta(days=1)
    Esim.objects.update(
        next_refresh_at=later if use else hour_ago, next_usage_at=hour_ago if use else None, refreshed_at=hour_ago
    )


# -- eSIM Access ------------------------------------------------------------------------------------------------------


def test_an_order_is_read_by_one_query_and_use_ten_lines_a_call(access: Access) -> None:
    lines = enter_order(access, 25)
    seen = len(access.requests())
    access.use_data(lines[0].provider_ref, 5 * MB)
    make_due()
    assert refresh_due_lines(limit=None, seconds=10) == 25
    assert [row["endpoint"] for row in access.requests()[seen:]] == ["query"]
    fresh = Esim.objects.get(pk=lines[0].pk)
    assert (fresh.state, fresh.total_used_bytes) == ("active", 5 * MB)
    assert fresh.total_data_bytes is not None
    assert fresh.expires_at is not None

    seen = len(access.requests())
    make_due(use=True)
    assert refresh_due_lines(limit=None, seconds=10) == 25
    assert [row["endpoint"] for row in access.requests()[seen:]] == ["usage"] * 3


def test_totals_of_esim_access_become_derived_days(access: Access) -> None:
    (esim,) = enter_order(access, 1)
    access.use_data(esim.provider_ref, 5 * MB)
    refresh_line(esim_id=esim.pk, priority=Priority.PEOPLE, by="test")
    days = UsageDay.objects.filter(esim=esim)
    assert sum(day.used_bytes for day in days) == 5 * MB
    assert {day.is_derived for day in days} == {True}


def test_an_unused_line_is_cancelled_and_the_money_comes_back(access: Access, mika: User) -> None:
    (esim,) = enter_order(access, 1)
    before = access.balance()
    action = act(esim, mika, Capability.CANCEL)
    assert (action.state, action.refunded) == ("confirmed", True)
    assert Esim.objects.get(pk=esim.pk).state == "cancelled"
    assert access.balance() > before
    assert [effect["ref"] for effect in access.effects("cancel")] == [esim.provider_ref]


def test_a_line_on_a_device_is_not_cancelled_whatever_we_knew(access: Access, mika: User) -> None:
    (esim,) = enter_order(access, 1)
    access.change_line(esim.provider_ref, "install")
    action = act(esim, mika, Capability.CANCEL)
    assert (action.state, action.error_code, action.sent_at) == ("rejected", "state", None)
    assert access.effects("cancel") == []


def test_the_refusal_of_a_cancellation_shows_the_providers_code(access: Access, mika: User) -> None:
    (esim,) = enter_order(access, 1)
    # The query lags behind: the truth is that it is in use.
    stale = access.line(esim.provider_ref)["line"]
    access.use_data(esim.provider_ref, MB)
    words = ("esimStatus", "smdpStatus", "eid", "orderUsage", "activateTime", "installationTime", "expiredTime")
    access.set_line(esim.provider_ref, **{name: stale[name] for name in words})
    action = act(esim, mika, Capability.CANCEL)
    assert (action.state, action.error_code) == ("rejected", "200002")
    assert access.effects("cancel") == []


def test_suspend_release_revoke_and_sms(access: Access, mika: User) -> None:
    (esim,) = enter_order(access, 1)
    access.use_data(esim.provider_ref, MB)
    refresh_line(esim_id=esim.pk, priority=Priority.PEOPLE, by="test")
    assert act(esim, mika, Capability.SUSPEND).state == "confirmed"
    assert act(esim, mika, Capability.RELEASE).state == "confirmed"
    if Esim.objects.get(pk=esim.pk).api_sms is not False:
        assert act(esim, mika, Capability.SMS, message="Welcome!").state == "confirmed"
        assert len(access.effects("sms")) == 1
    revoked = act(esim, mika, Capability.REVOKE)
    assert (revoked.state, revoked.refunded) == ("confirmed", False)
    assert Esim.objects.get(pk=esim.pk).state == "terminated"
    with pytest.raises(ActionRefused, match="The line has ended"):
        act(esim, mika, Capability.SUSPEND)


def test_a_top_up_of_esim_access_stands_once(access: Access) -> None:
    (esim,) = enter_order(access, 1)
    provider = get_provider(ACCESS)
    offer = provider.list_top_ups(provider_ref=esim.provider_ref, iccid=esim.iccid)[0]
    request = TopUpRequest(
        provider_ref=esim.provider_ref, iccid=esim.iccid, plan_ref=offer.plan_ref, idempotency_key="RD-TOPUP-1"
    )
    outcome = provider.read_top_up_reply(provider.send_top_up(request), request)
    plan = make_plan(esim.account, plan_ref=offer.plan_ref, kind="top_up")
    # A reading comes first.
    refresh_line(esim_id=esim.pk, priority=Priority.PEOPLE, by="test")
    for _twice in range(2):
        register_top_up(
            esim_id=esim.pk,
            plan=plan,
            package=outcome.package,
            order_key=request.idempotency_key,
            order_ref=outcome.order_ref,
            by="purchase",
        )
    refresh_line(esim_id=esim.pk, priority=Priority.PEOPLE, by="test")
    kinds = list(Package.objects.filter(esim=esim).values_list("kind", "plan__plan_ref"))
    assert kinds == [("base", esim.plan.plan_ref), ("top_up", offer.plan_ref)]
    assert Package.objects.get(esim=esim, kind="top_up").order_key == "RD-TOPUP-1"


# -- eSIMfx -----------------------------------------------------------------------------------------------------------


def test_a_waiting_package_is_terminated_and_its_fee_comes_back(fx: Esimfx, mika: User) -> None:
    esim = enter_fx(fx)
    package = Package.objects.get(esim=esim)
    assert (package.status, package.is_projected, package.plan_id) == ("waiting", True, esim.plan_id)
    action = act(esim, mika, Capability.TERMINATE, package=package)
    assert (action.state, action.refunded) == ("confirmed", True)
    assert Package.objects.get(pk=package.pk).status == "terminated"


def test_a_running_package_is_terminated_without_money(fx: Esimfx, mika: User) -> None:
    esim = enter_fx(fx)
    fx.connect(esim.iccid)
    refresh_line(esim_id=esim.pk, priority=Priority.PEOPLE, by="test")
    action = act(esim, mika, Capability.TERMINATE, package=Package.objects.get(esim=esim))
    assert (action.state, action.refunded) == ("confirmed", False)


def test_a_package_is_started_by_hand(fx: Esimfx, mika: User) -> None:
    esim = enter_fx(fx)
    action = act(esim, mika, Capability.ACTIVATE, package=Package.objects.get(esim=esim))
    assert action.state == "confirmed"
    package = Package.objects.get(esim=esim)
    assert (package.status, package.is_projected) == ("active", False)
    assert package.starts_at is not None
    assert package.starts_at <= timezone.now() + timedelta(minutes=1)


def test_several_packages_have_their_own_use_and_a_top_up_stands_once(fx: Esimfx) -> None:
    esim = enter_fx(fx)
    fx.use(esim.iccid, 7 * MB)
    provider = get_provider(FX)
    offer = provider.list_top_ups(provider_ref=esim.iccid, iccid=esim.iccid, plan_ref=esim.plan.plan_ref)[0]
    order = fx.order_topup(esim.iccid, offer.plan_ref)
    # The same product may be sold with a new eSIM and on top of one.
    plan = esim.plan if offer.plan_ref == esim.plan.plan_ref else make_plan(esim.account, plan_ref=offer.plan_ref)
    bought = register_top_up(
        esim_id=esim.pk, plan=plan, package=None, order_key="RD-FX-1", order_ref=order["id"], by="purchase"
    )
    refresh_line(esim_id=esim.pk, priority=Priority.PEOPLE, by="test")
    rows = list(Package.objects.filter(esim=esim).values_list("pk", "kind", "status", "used_bytes"))
    assert [(kind, status, used) for _pk, kind, status, used in rows] == [
        ("base", "active", 7 * MB),
        ("top_up", "waiting", 0),
    ]
    assert rows[1][0] == bought.pk
    fresh = Esim.objects.get(pk=esim.pk)
    assert (fresh.state, fresh.total_used_bytes) == ("active", 7 * MB)


def test_a_line_is_blocked_for_good(fx: Esimfx, mika: User) -> None:
    esim = enter_fx(fx)
    action = act(esim, mika, Capability.BLOCK)
    assert action.state == "confirmed"
    assert Esim.objects.get(pk=esim.pk).state == "terminated"
