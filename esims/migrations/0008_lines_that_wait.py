"""Lines that are sold already: the next job finds out when each has something to tell."""

from django.apps.registry import Apps
from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.models import Q
from django.utils import timezone


def look_once(apps: Apps, _schema_editor: BaseDatabaseSchemaEditor) -> None:
    waits = Q(state__in=("ready", "downloaded"), activation_deadline__isnull=False)
    runs = Q(state__in=("installed", "active")) & (Q(expires_on__isnull=False) | Q(expires_at__isnull=False))
    apps.get_model("esims", "Esim").objects.filter(waits | runs).update(notice_due_at=timezone.now())


class Migration(migrations.Migration):
    dependencies = [("esims", "0007_notices")]
    operations = [migrations.RunPython(look_once, migrations.RunPython.noop)]
