"""Packages that came before anybody looked whose they are: the next job looks at each of them once."""

from django.apps.registry import Apps
from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor


def look_once(apps: Apps, _schema_editor: BaseDatabaseSchemaEditor) -> None:
    top_ups = apps.get_model("esims", "Package").objects.filter(kind="top_up")
    top_ups.exclude(order_key="").update(awaits_order=True)


class Migration(migrations.Migration):

    dependencies = [("esims", "0009_packages_that_await_their_order")]

    operations = [migrations.RunPython(look_once, migrations.RunPython.noop)]
