"""The WSGI entry point."""

import gc
import os

from django.core.wsgi import get_wsgi_application

from config.server_log import mask_server_logs

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
application = get_wsgi_application()
mask_server_logs()
# What was loaded stays as long as the process does. To look through it for garbage again and again took longer than
# many an answer does (``make bench``, the API's lines).
gc.collect()
gc.freeze()
gc.set_threshold(10_000, 20, 20)
