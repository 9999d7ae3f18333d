"""The pages of this app."""

from django.urls import path

from catalog import compare_views, device_views, entering_views, sync_views, views

urlpatterns = [
    path("plans/", views.plan_list, name="plan-list"),
    path("plans/compare/", compare_views.plan_compare, name="plan-compare"),
    path("plans/enter/", entering_views.plan_enter, name="plan-enter"),
    path("plans/<int:pk>/", views.plan_detail, name="plan-detail"),
    path("plans/<int:pk>/edit/", entering_views.plan_edit, name="plan-edit"),
    path("plans/<int:pk>/retire/", entering_views.plan_retire, name="plan-retire"),
    path("plans/<int:pk>/return/", entering_views.plan_return, name="plan-return"),
    path("plans/<int:pk>/price/", views.plan_price, name="plan-price"),
    path("plans/<int:pk>/publish/", views.plan_publish, name="plan-publish"),
    path("devices/", device_views.device_list, name="device-list"),
    path("devices/enter/", device_views.device_enter, name="device-enter"),
    path("devices/import/", device_views.device_import, name="device-import"),
    path("devices/devices.csv", device_views.device_export, name="device-export"),
    path("devices/<int:pk>/", device_views.device_edit, name="device-edit"),
    path("devices/<int:pk>/delete/", device_views.device_delete, name="device-delete"),
    path("syncs/", sync_views.run_list, name="sync-run-list"),
    path("syncs/start/", sync_views.sync_start, name="sync-start"),
    path("syncs/<int:pk>/", sync_views.run_detail, name="sync-run-detail"),
    path("syncs/<int:pk>/approve/", sync_views.sync_approve, name="sync-approve"),
    path("syncs/<int:pk>/decline/", sync_views.sync_decline, name="sync-decline"),
]
