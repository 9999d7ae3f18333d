"""Customers may give their lines names."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("esims", "0013_messages_hold_up_nothing")]
    operations = [
        migrations.AddField(
            model_name="esim",
            name="nickname",
            field=models.CharField(blank=True, max_length=60, verbose_name="name given by the customer"),
        ),
    ]
