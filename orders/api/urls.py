"""Addresses of the API that belong to this app, below ``/api/v1/``."""

from django.urls import URLPattern, path

from orders.api import account, feed, notice_choices, orders, receipts, topups

urlpatterns: list[URLPattern] = [
    path("me/notification-choices", notice_choices.NoticeChoices.as_view(), name="api-me-notification-choices"),
    path("me/export", account.Export.as_view(), name="api-me-export"),
    path("me/deletion", account.Deletion.as_view(), name="api-me-deletion"),
    path("orders", orders.Orders.as_view(), name="api-orders"),
    path("orders/<str:number>", orders.OneOrder.as_view(), name="api-order"),
    path("orders/<str:number>/payments", orders.OrderPayments.as_view(), name="api-order-payments"),
    path("orders/<str:number>/cancellation", orders.OrderCancellation.as_view(), name="api-order-cancellation"),
    path("orders/<str:number>/receipt", receipts.OrderReceipt.as_view(), name="api-order-receipt"),
    path("esims/<int:esim_id>/top-ups", topups.TopUps.as_view(), name="api-top-ups"),
    path("notifications", feed.Notifications.as_view(), name="api-notifications"),
    path("notifications/unread", feed.UnreadCount.as_view(), name="api-notifications-unread"),
    path("notifications/read", feed.ReadMarks.as_view(), name="api-notifications-read"),
]
