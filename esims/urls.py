"""Addresses of the lines' pages."""

from django.urls import path

from esims import brand_views, link_desk_views, link_views, views

urlpatterns = [
    path("esims/", views.esim_list, name="esim-list"),
    path("esims/iccid/<str:iccid>/", views.esim_by_iccid, name="esim-by-iccid"),
    path("esims/<int:pk>/", views.esim_detail, name="esim-detail"),
    path("esims/<int:pk>/live/", views.esim_live, name="esim-live"),
    path("esims/<int:pk>/qr.png", views.esim_qr_png, name="esim-qr-png"),
    path("esims/<int:pk>/qr.svg", views.esim_qr_svg, name="esim-qr-svg"),
    path("esims/<int:pk>/codes/", views.esim_reveal, name="esim-reveal"),
    path("esims/<int:pk>/refresh/", views.esim_refresh, name="esim-refresh"),
    path("esims/<int:pk>/links/make/", link_desk_views.esim_link_make, name="esim-link-make"),
    path("esims/<int:pk>/links/renew/", link_desk_views.esim_links_renew, name="esim-links-renew"),
    path("brand/colours.css", brand_views.brand_colours, name="brand-colours"),
    path("brand/logo", brand_views.brand_logo, {"theme": "light"}, name="brand-logo-light"),
    path("brand/logo-dark", brand_views.brand_logo, {"theme": "dark"}, name="brand-logo-dark"),
    path("l/<str:token>/", link_views.line_link, name="line-link"),
    path("l/<str:token>/qr.png", link_views.line_link_qr, name="line-link-qr"),
    path("esims/<int:pk>/usage/", views.esim_simulate_usage, name="esim-simulate-usage"),
]
