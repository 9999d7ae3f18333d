"""The WSGI entry point."""

import os

from django.core.wsgi import get_wsgi_application

from config.server_log import mask_server_logs

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
application = get_wsgi_application()
mask_server_logs()
