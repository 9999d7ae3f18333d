"""Addresses of the API that belong to this app, below ``/api/v1/``."""

from django.urls import URLPattern, path, re_path

from orders.api import account, feed, notice_choices, orders, receipts, topups

#: What is no number of an order is not looked up.
_NUMBER = r"(?P<number>R-[0-9]{4}-[0-9A-Z]{1,12})"

urlpatterns: list[URLPattern] = [
    path("me/notification-choices", notice_choices.NoticeChoices.as_view(), name="api-me-notification-choices"),
    path("me/export", account.Export.as_view(), name="api-me-export"),
    path("me/deletion", account.Deletion.as_view(), name="api-me-deletion"),
    path("orders", orders.Orders.as_view(), name="api-orders"),
    re_path(rf"^orders/{_NUMBER}$", orders.OneOrder.as_view(), name="api-order"),
    re_path(rf"^orders/{_NUMBER}/payments$", orders.OrderPayments.as_view(), name="api-order-payments"),
    re_path(rf"^orders/{_NUMBER}/cancellation$", orders.OrderCancellation.as_view(), name="api-order-cancellation"),
    re_path(rf"^orders/{_NUMBER}/receipt$", receipts.OrderReceipt.as_view(), name="api-order-receipt"),
    path("esims/<int:esim_id>/top-ups", topups.TopUps.as_view(), name="api-top-ups"),
    path("notifications", feed.Notifications.as_view(), name="api-notifications"),
    path("notifications/unread", feed.UnreadCount.as_view(), name="api-notifications-unread"),
    path("notifications/read", feed.ReadMarks.as_view(), name="api-notifications-read"),
]
