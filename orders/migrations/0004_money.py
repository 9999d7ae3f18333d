import django.db.models.deletion
import django.utils.timezone
import providers.encryption
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('customers', '0001_initial'),
        ('esims', '0005_package_by_ref'),
        ('orders', '0003_activation_indexes'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='CreditAccount',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('currency', models.CharField(max_length=3, verbose_name='currency')),
                ('credit_limit', models.DecimalField(decimal_places=4, max_digits=14, verbose_name='limit')),
                ('owed', models.DecimalField(decimal_places=4, default=0, max_digits=14, verbose_name='owed')),
                ('is_open', models.BooleanField(default=True, verbose_name='open for new orders')),
                ('payment_days', models.PositiveSmallIntegerField(default=30, verbose_name='days to pay a statement')),
                ('created_at', models.DateTimeField(auto_now_add=True, verbose_name='created')),
            ],
            options={
                'verbose_name': 'credit account',
                'verbose_name_plural': 'credit accounts',
                'ordering': ('customer_id', 'currency'),
                'permissions': [('manage_credit', 'Can open credit accounts, set limits and enter payments on them')],
            },
        ),
        migrations.CreateModel(
            name='CreditEntry',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('kind', models.CharField(choices=[('charge', 'order'), ('payment', 'payment received'), ('refund', 'refund'), ('adjustment', 'adjustment')], max_length=10, verbose_name='kind')),
                ('amount', models.DecimalField(decimal_places=4, max_digits=14, verbose_name='amount')),
                ('owed_after', models.DecimalField(decimal_places=4, max_digits=14, verbose_name='owed then')),
                ('form_key', models.UUIDField(blank=True, null=True, unique=True, verbose_name='form key')),
                ('reference', models.CharField(blank=True, max_length=120, verbose_name='reference')),
                ('why', models.CharField(blank=True, max_length=300, verbose_name='why')),
                ('by', models.CharField(max_length=254, verbose_name='by')),
                ('at', models.DateTimeField(auto_now_add=True, verbose_name='at')),
            ],
            options={
                'verbose_name': 'credit entry',
                'verbose_name_plural': 'credit entries',
                'ordering': ('account_id', 'pk'),
            },
        ),
        migrations.CreateModel(
            name='CreditStatement',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('number', models.CharField(max_length=24, unique=True, verbose_name='number')),
                ('issued_at', models.DateTimeField(verbose_name='issued')),
                ('issued_by', models.CharField(blank=True, max_length=254, verbose_name='issued by')),
                ('due_on', models.DateField(verbose_name='to be paid by')),
                ('opening', models.DecimalField(decimal_places=4, max_digits=14, verbose_name='owed before')),
                ('closing', models.DecimalField(decimal_places=4, max_digits=14, verbose_name='owed')),
            ],
            options={
                'verbose_name': 'credit statement',
                'verbose_name_plural': 'credit statements',
                'ordering': ('-issued_at', '-pk'),
            },
        ),
        migrations.CreateModel(
            name='Dispute',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('dispute_id', models.CharField(max_length=80, unique=True, verbose_name='dispute')),
                ('state', models.CharField(choices=[('open', 'open'), ('won', 'won'), ('lost', 'lost')], default='open', max_length=6, verbose_name='state')),
                ('raw_state', models.CharField(blank=True, max_length=40, verbose_name="service's state")),
                ('reason', models.CharField(blank=True, max_length=80, verbose_name='reason')),
                ('amount', models.DecimalField(decimal_places=4, max_digits=14, verbose_name='amount')),
                ('currency', models.CharField(max_length=3, verbose_name='currency')),
                ('is_withdrawn', models.BooleanField(default=True, verbose_name='money taken back')),
                ('evidence_due_at', models.DateTimeField(blank=True, null=True, verbose_name='evidence due')),
                ('opened_at', models.DateTimeField(verbose_name='opened')),
                ('closed_at', models.DateTimeField(blank=True, null=True, verbose_name='closed')),
                ('settled_at', models.DateTimeField(blank=True, null=True, verbose_name='settled')),
                ('settled_by', models.CharField(blank=True, max_length=254, verbose_name='settled by')),
            ],
            options={
                'verbose_name': 'dispute',
                'verbose_name_plural': 'disputes',
                'ordering': ('-opened_at', '-pk'),
            },
        ),
        migrations.CreateModel(
            name='PaymentDelivery',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('event_id', models.CharField(max_length=80, unique=True, verbose_name='event')),
                ('kind', models.CharField(max_length=80, verbose_name='kind')),
                ('received_at', models.DateTimeField(verbose_name='received')),
                ('body', providers.encryption.EncryptedBytesField(verbose_name='body')),
                ('state', models.CharField(choices=[('new', 'waiting'), ('applied', 'done'), ('ignored', 'nothing to do'), ('parked', 'parked')], default='new', max_length=8, verbose_name='state')),
                ('attempts', models.PositiveSmallIntegerField(default=0, verbose_name='attempts')),
                ('next_attempt_at', models.DateTimeField(blank=True, null=True, verbose_name='next attempt')),
                ('handled_at', models.DateTimeField(blank=True, null=True, verbose_name='handled')),
                ('repeats', models.PositiveIntegerField(default=0, verbose_name='repeated')),
                ('note', models.CharField(blank=True, max_length=300, verbose_name='note')),
            ],
            options={
                'verbose_name': 'payment delivery',
                'verbose_name_plural': 'payment deliveries',
                'ordering': ('-received_at', '-pk'),
                'permissions': [('handle_paymentdelivery', 'Can try deliveries of the payment service again')],
            },
        ),
        migrations.AlterModelOptions(
            name='order',
            options={'ordering': ('-created_at', '-pk'), 'permissions': [('sell', 'Can take orders and record payments'), ('reconcile', 'Can decide about purchases whose outcome is not known'), ('refund', 'Can record refunds'), ('replace', 'Can replace faulty lines free of charge'), ('give_back', 'Can decide that a customer gets money back for what was delivered')], 'verbose_name': 'order', 'verbose_name_plural': 'orders'},
        ),
        migrations.AlterModelOptions(
            name='payment',
            options={'ordering': ('order_id', 'pk'), 'permissions': [('handle_payment', 'Can decide about payments that do not fit')], 'verbose_name': 'payment', 'verbose_name_plural': 'payments'},
        ),
        migrations.AddField(
            model_name='order',
            name='expires_at',
            field=models.DateTimeField(blank=True, null=True, verbose_name='expires'),
        ),
        migrations.AddField(
            model_name='orderline',
            name='replaces',
            field=models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='replacements', to='esims.esim', verbose_name='replaces'),
        ),
        migrations.AddField(
            model_name='payment',
            name='attention',
            field=models.TextField(blank=True, verbose_name='needs a look'),
        ),
        migrations.AddField(
            model_name='payment',
            name='captured_amount',
            field=models.DecimalField(blank=True, decimal_places=4, max_digits=14, null=True, verbose_name='captured'),
        ),
        migrations.AddField(
            model_name='payment',
            name='captured_currency',
            field=models.CharField(blank=True, max_length=3, verbose_name='captured in'),
        ),
        migrations.AddField(
            model_name='payment',
            name='checks',
            field=models.PositiveIntegerField(default=0, verbose_name='looks'),
        ),
        migrations.AddField(
            model_name='payment',
            name='client_secret',
            field=providers.encryption.EncryptedBytesField(blank=True, null=True, verbose_name='client secret'),
        ),
        migrations.AddField(
            model_name='payment',
            name='created_at',
            field=models.DateTimeField(auto_now_add=True, default=django.utils.timezone.now, verbose_name='created'),
            preserve_default=False,
        ),
        migrations.AddField(
            model_name='payment',
            name='ended_at',
            field=models.DateTimeField(blank=True, null=True, verbose_name='failed or given up'),
        ),
        migrations.AddField(
            model_name='payment',
            name='error',
            field=models.CharField(blank=True, max_length=300, verbose_name='error'),
        ),
        migrations.AddField(
            model_name='payment',
            name='intent_id',
            field=models.CharField(blank=True, max_length=80, verbose_name='payment intent'),
        ),
        migrations.AddField(
            model_name='payment',
            name='next_check_at',
            field=models.DateTimeField(blank=True, null=True, verbose_name='next look'),
        ),
        migrations.AddField(
            model_name='refund',
            name='calls',
            field=models.PositiveIntegerField(default=0, verbose_name='calls'),
        ),
        migrations.AddField(
            model_name='refund',
            name='error',
            field=models.CharField(blank=True, max_length=300, verbose_name='error'),
        ),
        migrations.AddField(
            model_name='refund',
            name='esim',
            field=models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='refunds', to='esims.esim', verbose_name='eSIM'),
        ),
        migrations.AddField(
            model_name='refund',
            name='kind',
            field=models.CharField(choices=[('missing', 'not delivered'), ('surplus', 'paid too much'), ('returned', 'given back')], default='missing', max_length=8, verbose_name='kind'),
        ),
        migrations.AddField(
            model_name='refund',
            name='next_attempt_at',
            field=models.DateTimeField(blank=True, null=True, verbose_name='next attempt'),
        ),
        migrations.AddField(
            model_name='refund',
            name='order',
            field=models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='refunds', to='orders.order', verbose_name='order'),
        ),
        migrations.AddField(
            model_name='refund',
            name='payment',
            field=models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='refunds', to='orders.payment', verbose_name='payment'),
        ),
        migrations.AddField(
            model_name='refund',
            name='service_ref',
            field=models.CharField(blank=True, max_length=80, verbose_name="service's refund"),
        ),
        migrations.AddField(
            model_name='refund',
            name='tries',
            field=models.PositiveSmallIntegerField(default=0, verbose_name='tries'),
        ),
        migrations.AlterField(
            model_name='order',
            name='state',
            field=models.CharField(choices=[('unpaid', 'waiting for payment'), ('buying', 'being bought'), ('completed', 'completed'), ('partial', 'partly delivered'), ('failed', 'not delivered'), ('cancelled', 'cancelled'), ('expired', 'expired unpaid')], default='unpaid', max_length=10, verbose_name='state'),
        ),
        migrations.AlterField(
            model_name='payment',
            name='captured_at',
            field=models.DateTimeField(blank=True, null=True, verbose_name='captured at'),
        ),
        migrations.AlterField(
            model_name='payment',
            name='method',
            field=models.CharField(choices=[('cash', 'cash'), ('transfer', 'bank transfer'), ('terminal', 'card terminal'), ('invoice', 'invoice'), ('credit', 'customer credit'), ('card', 'card, by the payment service')], max_length=10, verbose_name='method'),
        ),
        migrations.AlterField(
            model_name='payment',
            name='state',
            field=models.CharField(choices=[('pending', 'waiting for the customer'), ('captured', 'captured'), ('failed', 'failed'), ('cancelled', 'given up'), ('voided', 'entered by mistake')], default='captured', max_length=10, verbose_name='state'),
        ),
        migrations.AlterField(
            model_name='refund',
            name='method',
            field=models.CharField(blank=True, choices=[('cash', 'cash'), ('transfer', 'bank transfer'), ('terminal', 'card terminal'), ('invoice', 'invoice'), ('credit', 'customer credit'), ('card', 'card, by the payment service')], max_length=10, verbose_name='method'),
        ),
        migrations.AlterField(
            model_name='refund',
            name='purchase',
            field=models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='refunds', to='orders.purchase', verbose_name='purchase'),
        ),
        migrations.AlterField(
            model_name='refund',
            name='quantity',
            field=models.PositiveIntegerField(default=0, verbose_name='eSIMs'),
        ),
        migrations.AlterField(
            model_name='refund',
            name='state',
            field=models.CharField(choices=[('due', 'due'), ('sending', 'on its way'), ('made', 'made'), ('dropped', 'no longer due')], default='due', max_length=8, verbose_name='state'),
        ),
        migrations.AddIndex(
            model_name='order',
            index=models.Index(condition=models.Q(('state', 'unpaid')), fields=['expires_at'], name='order_expiring'),
        ),
        migrations.AddIndex(
            model_name='payment',
            index=models.Index(condition=models.Q(('next_check_at__isnull', False)), fields=['next_check_at'], name='payment_due'),
        ),
        migrations.AddIndex(
            model_name='payment',
            index=models.Index(condition=models.Q(('attention', ''), _negated=True), fields=['created_at'], name='payment_attention'),
        ),
        migrations.AddIndex(
            model_name='refund',
            index=models.Index(condition=models.Q(('next_attempt_at__isnull', False)), fields=['next_attempt_at'], name='refund_service_due'),
        ),
        migrations.AddConstraint(
            model_name='payment',
            constraint=models.UniqueConstraint(condition=models.Q(('intent_id', ''), _negated=True), fields=('intent_id',), name='payment_intent_once'),
        ),
        migrations.AddField(
            model_name='creditaccount',
            name='created_by',
            field=models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL, verbose_name='created by'),
        ),
        migrations.AddField(
            model_name='creditaccount',
            name='customer',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='credit_accounts', to='customers.customer', verbose_name='customer'),
        ),
        migrations.AddField(
            model_name='creditentry',
            name='account',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='entries', to='orders.creditaccount', verbose_name='credit account'),
        ),
        migrations.AddField(
            model_name='creditentry',
            name='payment',
            field=models.OneToOneField(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='credit_entry', to='orders.payment', verbose_name='payment'),
        ),
        migrations.AddField(
            model_name='creditentry',
            name='refund',
            field=models.OneToOneField(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='credit_entry', to='orders.refund', verbose_name='refund'),
        ),
        migrations.AddField(
            model_name='creditstatement',
            name='account',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='statements', to='orders.creditaccount', verbose_name='credit account'),
        ),
        migrations.AddField(
            model_name='creditentry',
            name='statement',
            field=models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='entries', to='orders.creditstatement', verbose_name='statement'),
        ),
        migrations.AddField(
            model_name='dispute',
            name='payment',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='disputes', to='orders.payment', verbose_name='payment'),
        ),
        migrations.AddIndex(
            model_name='paymentdelivery',
            index=models.Index(condition=models.Q(('next_attempt_at__isnull', False)), fields=['next_attempt_at'], name='payment_delivery_due'),
        ),
        migrations.AddIndex(
            model_name='paymentdelivery',
            index=models.Index(fields=['state', '-received_at', '-id'], name='payment_delivery_by_state'),
        ),
        migrations.AddConstraint(
            model_name='creditaccount',
            constraint=models.UniqueConstraint(fields=('customer', 'currency'), name='credit_account_once'),
        ),
        migrations.AddConstraint(
            model_name='creditaccount',
            constraint=models.CheckConstraint(condition=models.Q(('credit_limit__gte', 0)), name='credit_limit_not_negative'),
        ),
        migrations.AddIndex(
            model_name='creditentry',
            index=models.Index(fields=['account', '-id'], name='credit_entry_recent'),
        ),
        migrations.AddIndex(
            model_name='dispute',
            index=models.Index(fields=['state', '-opened_at'], name='dispute_by_state'),
        ),
    ]
