"""What staff are told: trouble that a person has to look at, of each kind at most once in a while, all new together.

What is open now is read from the books each time; nothing is remembered but what the last message named. A flood of
parked webhooks is one e-mail with their number, and the next one comes after ``NOTIFICATION_STAFF_MINUTES``, and only
for what came since.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import Q, QuerySet
from django.urls import reverse
from django.utils import timezone

from catalog.models import SyncRun
from customers.models import User
from orders.amounts import say_amount
from orders.models import Dispute, NoticeChoice, Notification, Payment, PaymentDelivery, Purchase, Wake
from orders.notice_words import choose_language, compose
from providers.balances import is_low
from providers.models import BalanceReading, ProviderAccount, WebhookDelivery

K = Notification.Kind
#: One lock for all planners: the row of a job that ``dispatch`` wakes.
LOCK = "staff notices"
#: So many are named in a message, and remembered from one to the next.
_NAMED, _REMEMBERED = 10, 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """One thing to look at. ``ref`` names it for good: the same trouble later is another one."""

    ref: str
    words: str
    #: The name of the address where it is looked at, if not that of its kind.
    page: str = ""


@dataclass(frozen=True, slots=True)
class Found:
    """What is open: the newest of it, at most ``_REMEMBERED``, and how much there is in all."""

    newest: list[Trouble]
    in_all: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Watch:
    """A kind of trouble: how it is found, who is told, where it is looked at. ``page`` is the name of an address."""

    find: Callable[[], Found]
    permission: str
    page: str


def plan_staff_notifications() -> int:
    """Tell staff of what is new; returns how many messages were written. Runs any number of times, at once too."""
    written = 0
    with transaction.atomic():
        Wake.objects.get_or_create(name=LOCK)
        Wake.objects.select_for_update().get(name=LOCK)
        for kind, watch in WATCHES.items():
            if kind not in settings.NOTIFICATION_OFF:
                written += _plan_kind(kind, watch)
    return written


def _plan_kind(kind: str, watch: Watch) -> int:
    now = timezone.now()
    last = Notification.objects.filter(kind=kind, resent_of=None).order_by("-created_at", "-pk").first()
    if last is not None and last.created_at > now - timedelta(minutes=settings.NOTIFICATION_STAFF_MINUTES):
        return 0
    found = watch.find()
    before: Mapping[str, Any] = last.facts if last is not None else {}
    told = set(before.get("refs", ()))
    new = _leave_out_known(found.newest, told, was_cut=before.get("in_all", 0) > len(told))
    count = len(new)
    if found.in_all > _REMEMBERED:
        # Beyond what is remembered only the numbers tell.
        count = max(count, found.in_all - before.get("in_all", len(told)))
    if not count:
        return 0
    facts = {
        "number": before.get("number", 0) + 1,
        "refs": [trouble.ref for trouble in found.newest],
        "new": count,
        "in_all": found.in_all,
    }
    words = {
        "count": count,
        "in_all": found.in_all,
        "named": [trouble.words for trouble in new[:_NAMED]],
        "others": count - len(new[:_NAMED]),
        "site": settings.SITE_URL.rstrip("/") + reverse(_choose_page(new, watch)),
    }
    rows = [_make_row(kind, user, words, facts) for user in find_staff(kind, watch.permission)]
    Notification.objects.bulk_create(rows, ignore_conflicts=True)
    return len(rows)


def _leave_out_known(newest: list[Trouble], told: set[str], *, was_cut: bool) -> list[Trouble]:
    """What was not told. Where not all could be remembered, what is older than everything remembered was told too."""
    known = [index for index, trouble in enumerate(newest) if trouble.ref in told]
    seen = newest[: max(known)] if was_cut and known else newest
    return [trouble for trouble in seen if trouble.ref not in told]


def _choose_page(new: list[Trouble], watch: Watch) -> str:
    """The page on which all of it is found; the kind's own where it is on several."""
    pages = {trouble.page or watch.page for trouble in new}
    return pages.pop() if len(pages) == 1 else watch.page


def _make_row(kind: str, user: User, words: Mapping[str, Any], facts: Mapping[str, Any]) -> Notification:
    language = choose_language(user.language)
    message = compose(kind, words, language=language, receiver=user.get_full_name() or user.email)
    return Notification(
        audience=Notification.Audience.STAFF,
        kind=kind,
        channel=Notification.Channel.EMAIL,
        key=f"staff:{kind}:{facts['number']}:user:{user.pk}",
        user=user,
        language=language,
        address=user.email,
        subject=message.subject,
        content=message.content.pack(),
        facts=dict(facts),
        next_attempt_at=timezone.now(),
    )


def find_staff(kind: str, permission: str) -> list[User]:
    """Members of staff who may look at it and did not switch it off."""
    off = [choice.user_id for choice in NoticeChoice.objects.all() if kind in choice.off]
    return list(_holders(permission).exclude(pk__in=off).order_by("pk"))


def _holders(permission: str) -> QuerySet[User]:
    app, _dot, codename = permission.partition(".")
    holds = {"content_type__app_label": app, "codename": codename}
    own = Q(**{f"user_permissions__{name}": value for name, value in holds.items()})
    by_group = Q(**{f"groups__permissions__{name}": value for name, value in holds.items()})
    staff = User.objects.filter(is_active=True, is_staff=True).exclude(email="")
    return staff.filter(Q(is_superuser=True) | own | by_group).distinct()


# -- what there is to look at ------------------------------------------------------------------------------------------


def _find_unknown() -> Found:
    waiting = Purchase.objects.filter(state=Purchase.State.UNKNOWN) | Purchase.objects.exclude(attention="")
    rows = waiting.select_related("order_line__order", "account").order_by("-pk")[:_REMEMBERED]
    newest = [
        Trouble(
            ref=f"{row.pk}:{row.attempts_made}:{row.state}:{len(row.attention)}",
            words=f"{row.order_line.order.number}, {row.account.name}, {row.quantity} × {row.order_line.plan_name}",
        )
        for row in rows
    ]
    return Found(newest, _count(waiting, len(newest)))


def _count(rows: QuerySet[Any], seen: int) -> int:
    """How many there are, where those that were read (``seen``) may not be all."""
    return rows.count() if seen == _REMEMBERED else seen


def _find_low() -> Found:
    """Accounts below their mark; the trouble is named by the reading since which they are."""
    found = []
    for account in ProviderAccount.objects.filter(low_balance__isnull=False).order_by("pk"):
        readings = BalanceReading.objects.filter(account=account)
        newest = readings.order_by("-at", "-pk").first()
        if newest is None or not is_low(account, newest):
            continue
        enough = readings.filter(amount__gte=account.low_balance).order_by("-at", "-pk").first()
        since = readings.filter(at__gt=enough.at) if enough is not None else readings
        first = since.order_by("at", "pk").values_list("pk", flat=True).first()
        words = f"{account.name}, {say_amount(newest.amount, newest.currency)}"
        found.append(Trouble(ref=f"{account.pk}:{first}", words=words))
    return Found(found, len(found))


def _find_failing() -> Found:
    """Accounts whose last finished sync failed; named by the first failure in a row."""
    found = []
    for account in ProviderAccount.objects.order_by("pk"):
        ended = SyncRun.objects.filter(account=account, finished_at__isnull=False).order_by("-pk")
        last = ended.first()
        if last is None or last.state not in _SYNC_TROUBLE:
            continue
        good = ended.exclude(state__in=_SYNC_TROUBLE).values_list("pk", flat=True).first() or 0
        first = ended.filter(pk__gt=good).order_by("pk").values_list("pk", flat=True).first()
        found.append(Trouble(ref=f"{account.pk}:{first}", words=account.name))
    return Found(found, len(found))


_SYNC_TROUBLE = (SyncRun.State.FAILED, SyncRun.State.INCOMPLETE)


def _find_parked() -> Found:
    """Parked calls of providers and of the payment service."""
    calls = WebhookDelivery.objects.filter(state=WebhookDelivery.State.PARKED, handled_at__isnull=False)
    paid = PaymentDelivery.objects.filter(state=PaymentDelivery.State.PARKED, handled_at__isnull=False)
    calls_read = list(calls.select_related("account").defer("body").order_by("-received_at", "-pk")[:_REMEMBERED])
    paid_read = list(paid.defer("body").order_by("-received_at", "-pk")[:_REMEMBERED])
    dated = [
        *((row.received_at, _say_call(row)) for row in calls_read),
        *((row.received_at, _say_payment_call(row)) for row in paid_read),
    ]
    dated.sort(key=lambda one: one[0], reverse=True)
    in_all = _count(calls, len(calls_read)) + _count(paid, len(paid_read))
    return Found([trouble for _at, trouble in dated[:_REMEMBERED]], in_all)


def _say_call(row: WebhookDelivery) -> Trouble:
    return Trouble(ref=f"w{row.pk}:{row.handled_at:%Y%m%d%H%M%S}", words=f"{row.account.name}, {row.word or row.kind}")


def _say_payment_call(row: PaymentDelivery) -> Trouble:
    return Trouble(ref=f"p{row.pk}:{row.handled_at:%Y%m%d%H%M%S}", words=row.kind, page="payment-delivery-list")


def _find_payments() -> Found:
    """Money that does not fit to its order, and banks that take money back."""
    odd = Payment.objects.exclude(attention="")
    disputes = Dispute.objects.filter(state=Dispute.State.OPEN)
    odd_read = list(odd.select_related("order").order_by("-created_at", "-pk")[:_REMEMBERED])
    disputes_read = list(disputes.select_related("payment__order").order_by("-pk")[:_REMEMBERED])
    # Disputes have a day until which they can be answered: they are never cut off by the others.
    newest = [
        *(
            Trouble(
                ref=f"d{row.pk}",
                words=f"{row.payment.order.number}, {say_amount(row.amount, row.currency)}",
                page="dispute-list",
            )
            for row in disputes_read
        ),
        *(Trouble(ref=f"p{row.pk}:{len(row.attention)}", words=_say_payment(row)) for row in odd_read),
    ]
    in_all = _count(odd, len(odd_read)) + _count(disputes, len(disputes_read))
    return Found(newest[:_REMEMBERED], in_all)


def _say_payment(payment: Payment) -> str:
    amount = payment.amount if payment.captured_amount is None else payment.captured_amount
    return f"{payment.order.number}, {say_amount(amount, payment.captured_currency or payment.currency)}"


WATCHES: Mapping[str, Watch] = {
    K.UNKNOWN_PURCHASE: Watch(find=_find_unknown, permission="orders.reconcile", page="purchase-queue"),
    K.LOW_BALANCE: Watch(find=_find_low, permission="providers.change_provideraccount", page="provider-list"),
    K.FAILING_SYNC: Watch(find=_find_failing, permission="catalog.sync_catalog", page="sync-run-list"),
    K.PARKED_DELIVERY: Watch(find=_find_parked, permission="providers.handle_delivery", page="delivery-list"),
    K.PAYMENT_LOOK: Watch(find=_find_payments, permission="orders.handle_payment", page="payment-queue"),
}


def kinds_for(user: User) -> Iterable[str]:
    """The kinds of which this person would be told."""
    return [kind for kind, watch in WATCHES.items() if user.has_perm(watch.permission)]
