"""The addresses of this app: those that wholesalers call."""

from django.urls import path

from providers import webhooks

urlpatterns = [
    path("hooks/<slug:slug>/", webhooks.receive_webhook, name="webhook"),
    path("hooks/<slug:slug>/<str:secret>/", webhooks.receive_webhook, name="webhook-secret"),
]
