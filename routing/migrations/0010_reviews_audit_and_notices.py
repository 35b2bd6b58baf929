"""Make room for reviews and evidence on editions, and tables for the audit trail and notices.

Locks: ACCESS EXCLUSIVE on routing_allowlist and routing_allowlistentry while columns that are
empty or have a constant default are added: no rewrite; the indexes and foreign keys read the
tables, which have a row per edition and per endpoint on one. Undo: `migrate routing 0009` drops
the columns and tables and what they say.
"""

import uuid

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

from providers.columns import AddColumn


class Migration(migrations.Migration):

    dependencies = [
        ('providers', '0002_revision_triggers'),
        ('routing', '0009_quarantine_triggers'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='AuditEntry',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('at', models.DateTimeField()),
                ('actor_name', models.CharField(help_text='A user, policy or detector.', max_length=150)),
                ('action', models.CharField(max_length=40)),
                ('model_slug', models.CharField(blank=True, max_length=200, verbose_name='model')),
                ('variant', models.CharField(blank=True, max_length=20)),
                ('edition', models.PositiveIntegerField(null=True)),
                ('endpoint_tag', models.CharField(blank=True, max_length=127, verbose_name='endpoint')),
                ('reason', models.TextField(blank=True)),
                ('before', models.JSONField(null=True)),
                ('after', models.JSONField(null=True)),
                ('previous', models.CharField(help_text='Hash of the row before.', max_length=64, unique=True)),
                ('hash', models.CharField(max_length=64, unique=True)),
            ],
            options={
                'verbose_name_plural': 'audit trail',
                'ordering': ['-pk'],
            },
        ),
        migrations.CreateModel(
            name='Delivery',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('channel', models.CharField(choices=[('email', 'e-mail'), ('webhook', 'webhook')], max_length=8)),
                ('state', models.CharField(choices=[('pending', 'Pending'), ('sent', 'Sent'), ('failed', 'given up')], default='pending', max_length=8)),
                ('attempts', models.PositiveSmallIntegerField(default=0)),
                ('due_at', models.DateTimeField(help_text='Not tried before this.')),
                ('sent_at', models.DateTimeField(null=True)),
                ('error', models.CharField(blank=True, max_length=200)),
            ],
            options={
                'verbose_name_plural': 'deliveries',
            },
        ),
        migrations.CreateModel(
            name='Lease',
            fields=[
                ('name', models.CharField(max_length=40, primary_key=True, serialize=False)),
                ('due_at', models.DateTimeField()),
                ('held_until', models.DateTimeField()),
            ],
        ),
        migrations.CreateModel(
            name='LeftOut',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('reason', models.CharField(blank=True, max_length=300)),
                ('review_by', models.DateField(blank=True, help_text='Look at this decision again by then.', null=True)),
            ],
            options={
                'verbose_name': 'endpoint left out',
                'verbose_name_plural': 'endpoints left out',
                'ordering': ['endpoint__tag'],
            },
        ),
        migrations.CreateModel(
            name='Notice',
            fields=[
                ('id', models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ('key', models.CharField(max_length=200, null=True, unique=True)),
                ('created_at', models.DateTimeField()),
                ('kind', models.CharField(choices=[('proposal', 'proposal'), ('review', 'sent to review'), ('published', 'published'), ('quarantine', 'quarantine'), ('release', 'release'), ('unconfirmed', 'not confirmed yet'), ('small_pool', 'pool too small'), ('frozen', 'frozen')], max_length=12)),
                ('urgent', models.BooleanField(default=False)),
                ('variant', models.CharField(blank=True, max_length=20)),
                ('text', models.TextField()),
                ('path', models.CharField(blank=True, help_text='The page to look at.', max_length=200)),
                ('seen_at', models.DateTimeField(help_text='A curator has read it.', null=True)),
            ],
            options={
                'ordering': ['-created_at'],
            },
        ),
        AddColumn(
            'allowlist',
            'approved_hash',
            models.CharField(blank=True, db_default='', default='', editable=False, max_length=64),
        ),
        AddColumn(
            'allowlist',
            'changed_by',
            models.ForeignKey(editable=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL),
        ),
        AddColumn(
            'allowlist',
            'evidence',
            models.JSONField(editable=False, null=True),
        ),
        AddColumn(
            'allowlist',
            'proposed_by_method',
            models.CharField(blank=True, db_default='', default='', editable=False, max_length=40),
        ),
        AddColumn(
            'allowlist',
            'sent_at',
            models.DateTimeField(editable=False, null=True),
        ),
        AddColumn(
            'allowlist',
            'sent_by',
            models.ForeignKey(editable=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL),
        ),
        AddColumn(
            'allowlistentry',
            'decided_by',
            models.ForeignKey(editable=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL),
        ),
        AddColumn(
            'allowlistentry',
            'decision',
            models.CharField(choices=[('evidence', 'as the evidence says'), ('kept', 'kept by a curator'), ('added', 'added by a curator')], db_default='evidence', default='evidence', editable=False, max_length=10),
        ),
        AddColumn(
            'allowlistentry',
            'review_by',
            models.DateField(blank=True, help_text='Look at this decision again by then.', null=True),
        ),
        migrations.AlterField(
            model_name='allowlist',
            name='status',
            field=models.CharField(choices=[('draft', 'Draft'), ('in_review', 'in review'), ('published', 'Published'), ('retired', 'Retired')], default='draft', editable=False, max_length=10),
        ),
        migrations.AddConstraint(
            model_name='allowlist',
            constraint=models.UniqueConstraint(condition=models.Q(('status__in', ['draft', 'in_review']), models.Q(('proposed_by_method', ''), _negated=True)), fields=('model', 'variant'), name='routing_allowlist_one_proposal'),
        ),
        migrations.AddField(
            model_name='auditentry',
            name='actor',
            field=models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddField(
            model_name='leftout',
            name='allowlist',
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='left_out', to='routing.allowlist'),
        ),
        migrations.AddField(
            model_name='leftout',
            name='decided_by',
            field=models.ForeignKey(editable=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddField(
            model_name='leftout',
            name='endpoint',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to='providers.endpoint'),
        ),
        migrations.AddField(
            model_name='notice',
            name='model',
            field=models.ForeignKey(null=True, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='providers.model'),
        ),
        migrations.AddField(
            model_name='notice',
            name='seen_by',
            field=models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddField(
            model_name='delivery',
            name='notice',
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='deliveries', to='routing.notice'),
        ),
        migrations.AddIndex(
            model_name='auditentry',
            index=models.Index(fields=['model_slug', '-id'], name='routing_auditentry_model'),
        ),
        migrations.AddConstraint(
            model_name='leftout',
            constraint=models.UniqueConstraint(fields=('allowlist', 'endpoint'), name='routing_leftout_once'),
        ),
        migrations.AddIndex(
            model_name='notice',
            index=models.Index(condition=models.Q(('seen_at', None), ('urgent', True)), fields=['-created_at'], name='routing_notice_unseen'),
        ),
        migrations.AddIndex(
            model_name='delivery',
            index=models.Index(condition=models.Q(('state', 'pending')), fields=['due_at'], name='routing_delivery_due'),
        ),
        migrations.AddConstraint(
            model_name='delivery',
            constraint=models.UniqueConstraint(fields=('notice', 'channel'), name='routing_delivery_once'),
        ),
    ]
