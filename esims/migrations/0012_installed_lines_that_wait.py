"""Lines that are installed, not used, and have a deadline: the next job finds out when each has something to tell."""

from django.apps.registry import Apps
from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.utils import timezone


def look_once(apps: Apps, _schema_editor: BaseDatabaseSchemaEditor) -> None:
    lines = apps.get_model("esims", "Esim").objects.filter(state="installed", activation_deadline__isnull=False)
    lines.update(notice_due_at=timezone.now())


class Migration(migrations.Migration):
    dependencies = [("esims", "0011_provider_order_time")]
    operations = [migrations.RunPython(look_once, migrations.RunPython.noop)]
