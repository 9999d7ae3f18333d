"""The pages about people."""

from django.urls import path

from customers import joining_views, views

urlpatterns = [
    path("customers/", views.customer_list, name="customer-list"),
    path("customers/new/", views.customer_new, name="customer-new"),
    path("customers/<int:pk>/edit/", views.customer_edit, name="customer-edit"),
    path("me/", views.me, name="me"),
    path("me/sign-ins/", views.my_sessions, name="my-sessions"),
    path("join/<str:token>/", joining_views.join, name="staff-join"),
    path("language/", views.switch_language, name="set_language"),
]
