"""Keep links to reports for providers, and what providers write there.

Locks: none beyond the new tables; naming a kind of notice changes no table. Undo: drops both.
"""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('providers', '0003_endpoint_reference'),
        ('routing', '0025_score_orders'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AlterField(
            model_name='notice',
            name='kind',
            field=models.CharField(choices=[('proposal', 'proposal'), ('review', 'sent to review'), ('published', 'published'), ('quarantine', 'quarantine'), ('release', 'release'), ('unconfirmed', 'not confirmed yet'), ('small_pool', 'pool too small'), ('frozen', 'frozen'), ('feedback', 'feedback'), ('provider', 'a provider writes')], max_length=12),
        ),
        migrations.CreateModel(
            name='ProviderReport',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('link_hash', models.CharField(editable=False, max_length=64, unique=True)),
                ('note', models.CharField(help_text='Whom it is for. The provider does not see.', max_length=200)),
                ('created_at', models.DateTimeField()),
                ('expires_at', models.DateTimeField()),
                ('revoked_at', models.DateTimeField(null=True)),
                ('last_opened_at', models.DateTimeField(null=True, verbose_name='last opened')),
                ('created_by', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('endpoint', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='reports', to='providers.endpoint')),
            ],
            options={
                'verbose_name': 'provider report',
                'ordering': ['-created_at', '-pk'],
            },
        ),
        migrations.CreateModel(
            name='ProviderMessage',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('kind', models.CharField(choices=[('answer', 'answer'), ('retest', 'asks for a re-test')], max_length=8)),
                ('text', models.TextField(help_text='What the provider wrote.')),
                ('created_at', models.DateTimeField()),
                ('reply', models.TextField(blank=True, help_text='The provider reads it under the link.')),
                ('settled_at', models.DateTimeField(null=True)),
                ('endpoint', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to='providers.endpoint')),
                ('settled_by', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('report', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='messages', to='routing.providerreport')),
            ],
            options={
                'verbose_name': "provider's message",
                'verbose_name_plural': "providers' messages",
                'ordering': ['-created_at', '-pk'],
                'constraints': [models.UniqueConstraint(condition=models.Q(('kind', 'retest'), ('settled_at', None)), fields=('endpoint',), name='routing_providermessage_one_retest')],
            },
        ),
    ]
