from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('esims', '0008_lines_that_wait'),
    ]

    operations = [
        migrations.AddField(
            model_name='package',
            name='awaits_order',
            field=models.BooleanField(default=False, editable=False, verbose_name='waits for its order'),
        ),
        migrations.AddIndex(
            model_name='package',
            index=models.Index(condition=models.Q(('awaits_order', True)), fields=['id'], name='package_awaits'),
        ),
    ]
