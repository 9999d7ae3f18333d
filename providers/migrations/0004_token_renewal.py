from django.db import migrations, models
from django.utils import timezone


class Migration(migrations.Migration):

    dependencies = [
        ('providers', '0003_wholesalers'),
    ]

    operations = [
        migrations.AddField(
            model_name='providertoken',
            name='issued_for',
            field=models.CharField(blank=True, max_length=64, verbose_name='issued for'),
        ),
        migrations.AddField(
            model_name='providertoken',
            name='renew_at',
            # Nothing wrote tokens before: what may stand there is renewed at once.
            field=models.DateTimeField(default=timezone.now, verbose_name='renewed from'),
            preserve_default=False,
        ),
        migrations.AddField(
            model_name='providertoken',
            name='renewing_until',
            field=models.DateTimeField(null=True, verbose_name='being renewed until'),
        ),
    ]
