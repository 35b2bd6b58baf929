"""Make a queue of cases of feedback: who wrote it how, its status, reply and endpoint.

Locks: ACCESS EXCLUSIVE on telemetry_feedback while columns that may be null or have a constant
default are added and three lose NOT NULL: no rewrite; the indexes read the table, which has a row
per message. Undo: `migrate telemetry 0011` drops the columns and what they say; it fails while
there are messages of the form, which have no account: delete those first. No trigger speaks of
the table.
"""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('providers', '0003_endpoint_reference'),
        ('telemetry', '0011_failed_generation'),
    ]

    operations = [
        migrations.AddField(
            model_name='feedback',
            name='contact',
            field=models.CharField(blank=True, db_default='', default='', help_text='Removed some days after the message came.', max_length=200),
        ),
        migrations.AddField(
            model_name='feedback',
            name='endpoint',
            field=models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to='providers.endpoint'),
        ),
        migrations.AddField(
            model_name='feedback',
            name='link_hash',
            field=models.CharField(max_length=64, null=True, unique=True),
        ),
        migrations.AddField(
            model_name='feedback',
            name='note',
            field=models.TextField(blank=True, db_default='', default='', help_text='For colleagues only.'),
        ),
        migrations.AddField(
            model_name='feedback',
            name='part_of',
            field=models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='parts', to='telemetry.feedback'),
        ),
        migrations.AddField(
            model_name='feedback',
            name='replied_at',
            field=models.DateTimeField(null=True),
        ),
        migrations.AddField(
            model_name='feedback',
            name='reply',
            field=models.TextField(blank=True, db_default='', default='', help_text='Shown to everybody whose message is in this case.'),
        ),
        migrations.AddField(
            model_name='feedback',
            name='said_model',
            field=models.CharField(blank=True, db_default='', default='', max_length=200, verbose_name='model, as written'),
        ),
        migrations.AddField(
            model_name='feedback',
            name='said_provider',
            field=models.CharField(blank=True, db_default='', default='', max_length=200, verbose_name='provider, as written'),
        ),
        migrations.AddField(
            model_name='feedback',
            name='source',
            field=models.CharField(choices=[('api', 'API'), ('form', 'form')], db_default='api', default='api', max_length=4),
        ),
        migrations.AddField(
            model_name='feedback',
            name='status',
            field=models.CharField(choices=[('new', 'new'), ('looking', 'being looked at'), ('answered', 'answered'), ('closed', 'closed'), ('spam', 'spam')], db_default='new', default='new', max_length=8),
        ),
        migrations.AddField(
            model_name='feedback',
            name='told_at',
            field=models.DateTimeField(help_text='Curators had a notice of it.', null=True),
        ),
        migrations.AlterField(
            model_name='feedback',
            name='account_id',
            field=models.BigIntegerField(null=True),
        ),
        migrations.AlterField(
            model_name='feedback',
            name='api_key_id',
            field=models.BigIntegerField(null=True),
        ),
        migrations.AlterField(
            model_name='feedback',
            name='generation',
            field=models.ForeignKey(db_constraint=False, null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name='feedback', to='telemetry.generation'),
        ),
        migrations.AddIndex(
            model_name='feedback',
            index=models.Index(condition=models.Q(('part_of', None), ('status__in', ['new', 'looking'])), fields=['-created_at'], name='telemetry_feedback_open'),
        ),
        migrations.AddIndex(
            model_name='feedback',
            index=models.Index(condition=models.Q(('told_at', None)), fields=['created_at'], name='telemetry_feedback_untold'),
        ),
        migrations.AddIndex(
            model_name='feedback',
            index=models.Index(condition=models.Q(('contact__gt', '')), fields=['created_at'], name='telemetry_feedback_contact'),
        ),
    ]
