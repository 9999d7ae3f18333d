"""The admin site, which signs in by the console's own page."""

from django.contrib import admin
from django.utils.translation import gettext_lazy as _


class RoamdeskAdminSite(admin.AdminSite):
    site_header = _("Roamdesk admin")
    site_title = _("Roamdesk admin")
    index_title = _("Everything in the office")
