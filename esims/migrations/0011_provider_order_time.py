"""When the provider entered the order of a package: its periods run from then."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("esims", "0010_packages_of_before")]
    operations = [
        migrations.AddField(
            model_name="package",
            name="ordered_at",
            field=models.DateTimeField(blank=True, null=True, verbose_name="ordered"),
        ),
    ]
