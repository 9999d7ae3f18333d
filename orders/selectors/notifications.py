"""Notifications as people see them: the list, one, those of an order, a line or a customer, and the app's feed."""

from dataclasses import dataclass
from datetime import datetime

from django.db.models import Count, Q, QuerySet
from django.utils.translation import gettext as _

from customers.models import Customer, User
from orders.models import Notification
from orders.notice_content import Content, show_text

SHOWN = 10
N = Notification


@dataclass(frozen=True, slots=True, kw_only=True)
class NotificationFilter:
    """What is asked for; the defaults ask for everything."""

    state: str = ""
    kind: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedItem:
    """One item of the app's feed: words without codes; the app shows the line itself beside it.

    Of an old one only the subject is left: no paragraphs.
    """

    id: int
    kind: str
    at: datetime
    subject: str
    paragraphs: tuple[str, ...]
    #: "" where it is about no order.
    order_number: str
    esim_id: int | None
    is_read: bool


def find_notifications(wanted: NotificationFilter, *, reader: User) -> QuerySet[Notification]:
    """Rows that fit and that this member of staff may see, the newest first, without their contents."""
    rows = _rows().filter(_visible_to(reader))
    if wanted.state:
        rows = rows.filter(state=wanted.state)
    if wanted.kind:
        rows = rows.filter(kind=wanted.kind)
    return rows


def count_needing_look(*, reader: User) -> dict[str, int]:
    """How many that the reader may see have failed, or may have been sent: states that are few."""
    few = (N.State.FAILED, N.State.UNCERTAIN)
    rows = (
        N.objects.filter(_visible_to(reader), state__in=few)
        .order_by()
        .values_list("state")
        .annotate(number=Count("pk"))
    )
    return dict(rows)


def notifications_of(
    *, order_id: int | None = None, esim_id: int | None = None, customer_id: int | None = None
) -> list[Notification]:
    """The newest of an order, a line or a customer; one query. Of a line also those of orders that brought it."""
    asked = Q(order_id=order_id) if order_id is not None else Q()
    if esim_id is not None:
        asked = Q(esim_id=esim_id) | Q(
            order__lines__purchases__delivered__esim_id=esim_id, kind__in=(N.Kind.ORDER_READY, N.Kind.REPLACEMENT)
        )
    if customer_id is not None:
        asked = Q(customer_id=customer_id)
    return list(_rows().filter(asked).distinct()[:SHOWN])


def find_notification(pk: int) -> Notification | None:
    """One with its content and everything that its page names."""
    return N.objects.select_related("customer", "user", "order", "esim", "resent_of").filter(pk=pk).first()


def read_text(row: Notification) -> str:
    """Its text as it may be shown to staff: without codes; "" where it was erased."""
    if row.content is None:
        return ""
    return show_text(Content.unpack(row.content), link_words=_("(a link that is made when it is sent)"))


def find_feed(customer: Customer, *, unread: bool = False) -> QuerySet[Notification]:
    """What the app shows its customer: each telling once, whichever way it went besides."""
    mine = N.objects.filter(
        customer=customer,
        audience=N.Audience.CUSTOMER,
        channel__in=(N.Channel.EMAIL, N.Channel.FEED),
        resent_of=None,
    )
    return mine.filter(read_at=None) if unread else mine


def count_unread(customer: Customer) -> int:
    """How many of them the customer has not seen in the app."""
    return find_feed(customer, unread=True).count()


def look_at_item(row: Notification) -> FeedItem:
    """A row of ``find_feed`` that came with its order."""
    return FeedItem(
        id=row.pk,
        kind=row.kind,
        at=row.created_at,
        subject=row.subject,
        paragraphs=Content.unpack(row.content).paragraphs if row.content is not None else (),
        order_number=row.order.number if row.order is not None else "",
        esim_id=row.esim_id,
        is_read=row.read_at is not None,
    )


def may_see(user: User, row: Notification) -> bool:
    """Whether a member of staff who may see notifications may see this one: of staff's only their own."""
    return row.audience == N.Audience.CUSTOMER or row.user_id == user.pk or user.is_superuser


def _visible_to(user: User) -> Q:
    """``may_see`` as a condition."""
    return Q() if user.is_superuser else Q(audience=N.Audience.CUSTOMER) | Q(user=user)


def _rows() -> QuerySet[Notification]:
    return N.objects.select_related("customer", "user", "order", "esim").defer("content").order_by("-created_at", "-pk")
