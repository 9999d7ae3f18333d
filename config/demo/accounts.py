"""The accounts of the demo office: wholesalers learn its address, catalogues and balances are read, prices are set."""

from collections.abc import Sequence
from decimal import Decimal

from django.conf import settings
from django.db.models import Q
from django.urls import reverse

from catalog.models import PriceRule, SyncRun
from catalog.pricing import save_rule
from catalog.sync import request_sync
from config.demo.provider import ESIMFX as ESIMFX_SYSTEM
from config.demo.provider import DemoProvider, find_system
from config.demo.story import ACCESS, ESIMFX, FREEBIT
from config.demo.waiting import FillingStuck, wait_for
from orders.comparing import request_comparison
from orders.models import Comparison
from providers.account_tasks import find_webhook_address, request_task
from providers.balances import set_low_mark
from providers.models import AccountTask, ProviderAccount
from providers.registry import ensure_accounts, get_provider, offers
from providers.types import Capability

#: Who suggests no retail price: account → (currency, margin in percent, rounding).
_MARGINS = (
    (ESIMFX, "USD", 65, PriceRule.Rounding.NINETY_NINE),
    (ESIMFX, "EUR", 65, PriceRule.Rounding.NINETY_NINE),
    (FREEBIT, "JPY", 40, PriceRule.Rounding.TEN),
)
#: Below these the console warns: eSIM Access is there by the end of the story, eSIMfx is not.
_LOW_MARKS = {ACCESS: Decimal(85), ESIMFX: Decimal(50)}


def connect(*, by: str) -> None:
    """Tell all that call us our address: by their API where it can be told so, else in their portal."""
    ensure_accounts()
    do_tasks(AccountTask.Kind.WEBHOOK_SAVE, Capability.WEBHOOK_SETUP, by=by)
    for account in ProviderAccount.objects.all():
        if find_system(account) == ESIMFX_SYSTEM:
            DemoProvider().open_portal(find_webhook_address(get_provider(account.slug)))
    DemoProvider().set_card_webhook(settings.SITE_URL.rstrip("/") + reverse("payment-events"))


def do_tasks(kind: str, needed: Capability, *, by: str) -> None:
    """Have workers do something about every account that offers it. Raises FillingStuck when one fails."""
    accounts = [account for account in ensure_accounts() if offers(account.slug, needed)]
    ids = [request_task(account=account, kind=kind, asked_by=by).pk for account in accounts]
    tasks = AccountTask.objects.filter(pk__in=ids)
    waiting = tasks.filter(state__in=(AccountTask.State.WAITING, AccountTask.State.RUNNING))
    wait_for(f"the {kind} tasks", lambda: not waiting.exists())
    if failed := tasks.filter(state=AccountTask.State.FAILED).select_related("account").first():
        raise FillingStuck(f"{failed.account}: {kind} failed: {failed.error}")


def compare(slugs: Sequence[str], *, by: str) -> list[Comparison]:
    """Have workers compare these accounts with our books. Raises FillingStuck when one fails."""
    accounts = ProviderAccount.objects.filter(slug__in=slugs).order_by("slug")
    ids = [request_comparison(account=account, asked_by=by).pk for account in accounts]
    runs = Comparison.objects.filter(pk__in=ids).select_related("account").order_by("pk")
    wait_for("the comparisons", lambda: not runs.filter(state__in=Comparison.OPEN).exists())
    if failed := runs.filter(state=Comparison.State.FAILED).first():
        raise FillingStuck(f"{failed.account}: {failed.error}")
    return list(runs)


def set_margins(*, by: str) -> None:
    """Rules of price for wholesalers that suggest none."""
    for slug, currency, margin, rounding in _MARGINS:
        account = ProviderAccount.objects.get(slug=slug)
        name = f"{account.name}, {currency}"
        if not PriceRule.objects.filter(name=name).exists():
            rule = PriceRule(
                name=name, account=account, currency=currency, margin_percent=Decimal(margin), rounding=rounding
            )
            save_rule(rule=rule, by=by)


def set_low_marks(*, by: str) -> None:
    """From which balance on staff are told."""
    for slug, amount in _LOW_MARKS.items():
        set_low_mark(account=ProviderAccount.objects.get(slug=slug), amount=amount, by=by)


def read_catalogues(*, by: str) -> Sequence[SyncRun]:
    """Of every account that lists its plans."""
    accounts = [account for account in ensure_accounts() if offers(account.slug, Capability.LIST_PLANS)]
    ids = [request_sync(account=account, asked_by=by).pk for account in accounts]
    ended = ~Q(state__in=(SyncRun.State.WAITING, SyncRun.State.RUNNING))
    wait_for("the catalogues", lambda: SyncRun.objects.filter(ended, pk__in=ids).count() == len(ids))
    return list(SyncRun.objects.filter(pk__in=ids).select_related("account").order_by("pk"))


def misdirect_webhook() -> None:
    """A call of a kind that nobody has heard of, as after a change at the provider."""
    provider = get_provider(ACCESS)
    body = {
        "notifyType": "PROFILE_MIGRATION",
        "notifyId": "6f1d0c0de4b94f6f9a3c2f6f3c1e7a55",
        "content": {"batchNo": "M20260412", "plannedFor": "2026-06-01"},
    }
    DemoProvider().send_webhook(
        system="access", kind="PROFILE_MIGRATION", url=find_webhook_address(provider), body=body
    )
