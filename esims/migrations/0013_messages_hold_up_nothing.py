"""An SMS keeps nobody from asking for something else: each is once at a time by itself."""

from django.db import migrations, models

OPEN = ("planned", "sending", "not_confirmed")


class Migration(migrations.Migration):
    dependencies = [("esims", "0012_installed_lines_that_wait")]
    operations = [
        migrations.RemoveConstraint(model_name="lineaction", name="line_action_one_open"),
        migrations.AddConstraint(
            model_name="lineaction",
            constraint=models.UniqueConstraint(
                fields=("esim",),
                condition=models.Q(state__in=OPEN) & ~models.Q(kind="sms"),
                name="line_action_one_open",
            ),
        ),
        migrations.AddConstraint(
            model_name="lineaction",
            constraint=models.UniqueConstraint(
                fields=("esim",),
                condition=models.Q(state__in=OPEN, kind="sms"),
                name="line_action_one_open_sms",
            ),
        ),
    ]
