"""All that is kept about a person, for themselves, as JSON: what they gave, what they bought, what was sent to them."""

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

from allauth.usersessions.models import UserSession
from django.utils import timezone

from catalog.currencies import as_money
from customers.models import Customer, Device, User
from esims.models import Esim, UsageDay
from orders.models import CreditEntry, Notification, Order, Payment, Receipt, Refund
from orders.notice_content import Content
from providers.api import as_data

FORMAT = 1


def export_person(*, user: User, customer: Customer | None) -> dict[str, Any]:
    """Everything, in a fixed number of queries. It holds codes that install lines: they are the person's own."""
    return {
        "format": FORMAT,
        "made_at": timezone.now(),
        "account": _account(user),
        "customer": _customer(customer) if customer else None,
        "orders": _orders(customer) if customer else [],
        "esims": _lines(customer) if customer else [],
        "credit": _credit(customer) if customer else [],
        "messages": _messages(customer) if customer else [],
        "devices": _devices(user),
        "sign_ins": _sign_ins(user),
    }


def _account(user: User) -> dict[str, Any]:
    return {
        "email": user.email,
        "language": user.language,
        "time_zone": user.time_zone,
        "joined_at": user.date_joined,
        "last_sign_in_at": user.last_login,
    }


def _customer(customer: Customer) -> dict[str, Any]:
    plain = ("name", "email", "phone", "company", "country", "language", "email_off", "push_off", "created_at")
    return {name: getattr(customer, name) for name in plain}


def _orders(customer: Customer) -> list[dict[str, Any]]:
    payments = _by_order(Payment.objects.filter(order__customer=customer).order_by("pk"))
    refunds = _by_order(Refund.objects.filter(order__customer=customer).order_by("pk"))
    receipts = dict(Receipt.objects.filter(order__customer=customer).values_list("order_id", "number"))
    orders = Order.objects.filter(customer=customer).order_by("pk").prefetch_related("lines")
    return [
        {
            "number": order.number,
            "state": order.state,
            "total": as_money(order.total, order.currency),
            "created_at": order.created_at,
            "paid_at": order.paid_at,
            "receipt": receipts.get(order.pk),
            "finished_at": order.finished_at,
            "lines": [
                {
                    "kind": line.kind,
                    "plan": line.plan_name,
                    "quantity": line.quantity,
                    "days": line.period_days,
                    "unit_price": as_money(line.unit_price, order.currency),
                }
                for line in order.lines.all()
            ],
            "payments": [
                {
                    "method": payment.method,
                    "state": payment.state,
                    "amount": as_money(payment.amount, payment.currency),
                    "created_at": payment.created_at,
                    "captured_at": payment.captured_at,
                }
                for payment in payments[order.pk]
            ],
            "refunds": [
                {
                    "kind": refund.kind,
                    "state": refund.state,
                    "amount": as_money(refund.amount, refund.currency),
                    "created_at": refund.created_at,
                    "made_at": refund.made_at,
                }
                for refund in refunds[order.pk]
            ],
        }
        for order in orders
    ]


def _by_order(rows: Iterable[Any]) -> dict[int, list[Any]]:
    found: dict[int, list[Any]] = defaultdict(list)
    for row in rows:
        found[row.order_id].append(row)
    return found


def _lines(customer: Customer) -> list[dict[str, Any]]:
    days: dict[int, list[dict[str, Any]]] = defaultdict(list)
    used = UsageDay.objects.filter(esim__customer=customer).order_by("esim_id", "day")
    for esim_id, day, number, is_derived in used.values_list("esim_id", "day", "used_bytes", "is_derived"):
        days[esim_id].append({"day": day, "bytes": number, "is_derived": is_derived})
    names = ("iccid", "eid", "lpa", "confirmation_code", "phone_number", "install_device_imei")
    moments = ("downloaded_at", "installed_at", "activated_at", "expires_at", "created_at")
    lines = Esim.objects.filter(customer=customer).select_related("plan").prefetch_related("packages").order_by("pk")
    return [
        {
            "plan": line.plan.name,
            "label": line.nickname,
            "state": line.state,
            **{name: getattr(line, name) for name in (*names, *moments)},
            "packages": [
                {
                    "name": package.name,
                    "data": as_data(package.data_bytes, unlimited=package.data_unlimited),
                    "used": as_data(package.used_bytes),
                }
                for package in line.packages.all()
            ],
            "usage_days": days[line.pk],
        }
        for line in lines
    ]


def _credit(customer: Customer) -> list[dict[str, Any]]:
    entries = CreditEntry.objects.filter(account__customer=customer).select_related("account").order_by("pk")
    return [
        {
            "kind": entry.kind,
            "amount": as_money(entry.amount, entry.account.currency),
            "owed_after": as_money(entry.owed_after, entry.account.currency),
            "at": entry.at,
        }
        for entry in entries
    ]


def _messages(customer: Customer) -> list[dict[str, Any]]:
    rows = Notification.objects.filter(customer=customer, audience=Notification.Audience.CUSTOMER).order_by("pk")
    return [
        {
            "kind": row.kind,
            "way": row.channel,
            "address": row.address,
            "subject": row.subject,
            "paragraphs": list(Content.unpack(row.content).paragraphs),
            "created_at": row.created_at,
            "sent_at": row.sent_at,
            "read_at": row.read_at,
        }
        for row in rows
    ]


def _devices(user: User) -> list[dict[str, Any]]:
    rows = Device.objects.filter(user=user)
    return [{"platform": row.platform, "name": row.name, "seen_at": row.seen_at} for row in rows]


def _sign_ins(user: User) -> list[dict[str, Any]]:
    return list(UserSession.objects.filter(user=user).order_by("pk").values("ip", "user_agent", "created_at"))
