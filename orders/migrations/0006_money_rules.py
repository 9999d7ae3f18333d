import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [("orders", "0005_money_of_before")]

    operations = [
        migrations.AlterField(
            model_name="refund",
            name="order",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT,
                related_name="refunds",
                to="orders.order",
                verbose_name="order",
            ),
        ),
        migrations.AddConstraint(
            model_name='payment',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('state', 'captured'), _negated=True), models.Q(('captured_amount__gte', 0), ('captured_at__isnull', False), models.Q(('captured_currency', ''), _negated=True)), _connector='OR'), name='payment_captured_is_said'),
        ),
        migrations.AddConstraint(
            model_name='refund',
            constraint=models.UniqueConstraint(condition=models.Q(('kind', 'missing')), fields=('purchase',), name='refund_missing_once'),
        ),
        migrations.AddConstraint(
            model_name='refund',
            constraint=models.UniqueConstraint(condition=models.Q(('kind', 'surplus')), fields=('payment',), name='refund_surplus_once'),
        ),
        migrations.AddConstraint(
            model_name='refund',
            constraint=models.UniqueConstraint(condition=models.Q(('kind', 'returned'), models.Q(('state', 'dropped'), _negated=True)), fields=('purchase', 'esim'), name='refund_returned_once'),
        ),
        migrations.AddConstraint(
            model_name='refund',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('kind', 'missing'), ('purchase__isnull', False)), models.Q(('kind', 'surplus'), ('payment__isnull', False)), models.Q(('kind', 'returned'), ('purchase__isnull', False)), _connector='OR'), name='refund_is_for_something'),
        ),
    ]
