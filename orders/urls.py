"""The pages of the order side."""

from django.urls import path

from orders.views import accounts, customers, dashboard, deliveries, order_pages, queue, refunds, topups, wizard

urlpatterns = [
    path("", dashboard.dashboard, name="dashboard"),
    path("orders/", order_pages.order_list, name="order-list"),
    path("orders/new/", wizard.order_new, name="order-new"),
    path("esims/<int:pk>/top-up/", topups.esim_top_up, name="esim-top-up"),
    path("orders/<int:pk>/", order_pages.order_detail, name="order-detail"),
    path("orders/<int:pk>/live/", order_pages.order_live, name="order-live"),
    path("orders/<int:pk>/esims/", order_pages.order_esim_list, name="order-esims"),
    path("orders/<int:pk>/pay/", order_pages.order_pay, name="order-pay"),
    path("orders/<int:pk>/cancel/", order_pages.order_cancel, name="order-cancel"),
    path("purchases/", queue.purchase_queue, name="purchase-queue"),
    path("purchases/<int:pk>/", queue.purchase_detail, name="purchase-detail"),
    path("purchases/<int:pk>/<slug:decision>/", queue.purchase_decide, name="purchase-decide"),
    path("refunds/", refunds.refund_list, name="refund-list"),
    path("refunds/<int:pk>/made/", refunds.refund_made, name="refund-made"),
    path("webhooks/", deliveries.delivery_list, name="delivery-list"),
    path("webhooks/<int:pk>/", deliveries.delivery_detail, name="delivery-detail"),
    path("webhooks/<int:pk>/retry/", deliveries.delivery_retry, name="delivery-retry"),
    path("customers/<int:pk>/", customers.customer_detail, name="customer-detail"),
    path("providers/", accounts.provider_list, name="provider-list"),
    path("providers/<slug:slug>/", accounts.provider_detail, name="provider-detail"),
    path("providers/<slug:slug>/tasks/", accounts.provider_task, name="provider-task"),
    path("providers/<slug:slug>/low-mark/", accounts.provider_low_mark, name="provider-low-mark"),
    path("providers/<slug:slug>/pause/", accounts.provider_pause, name="provider-pause"),
    path("providers/<slug:slug>/resume/", accounts.provider_resume, name="provider-resume"),
]
