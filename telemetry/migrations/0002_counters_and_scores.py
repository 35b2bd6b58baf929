"""Make the tables of counters, scores and benchmark runs, and what facts need to be counted.

Locks: facts briefly, for columns with constant defaults; all else is new. SQLite copies the two
tables of facts. Undo: `migrate telemetry 0001` drops it all; all but benchmark runs and the slots
of old attempts can be rebuilt from facts. Facts stored before have no stratum and never score.
"""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('providers', '0002_revision_triggers'),
        ('telemetry', '0001_initial'),
    ]

    operations = [
        migrations.AddField(
            model_name='attempt',
            name='benchmark',
            field=models.BooleanField(default=False, help_text="A probe's or benchmark's own."),
        ),
        migrations.AddField(
            model_name='attempt',
            name='scored',
            field=models.BooleanField(default=False, help_text='Scores count it if lost mid-reply, or once it has a verdict.'),
        ),
        migrations.AddField(
            model_name='attempt',
            name='slot',
            field=models.PositiveSmallIntegerField(help_text='Of its owner at the time.', null=True),
        ),
        migrations.AddField(
            model_name='attempt',
            name='stratum',
            field=models.PositiveSmallIntegerField(help_text='Comparable requests with tools (scoring.evidence); empty: no tools.', null=True),
        ),
        migrations.AddField(
            model_name='generation',
            name='ignored_endpoints',
            field=models.JSONField(default=list, help_text='Of the models asked for, by a request with tools.'),
        ),
        migrations.AddField(
            model_name='generation',
            name='pinned_endpoints',
            field=models.JSONField(default=list, help_text='Likewise.'),
        ),
        migrations.CreateModel(
            name='BenchmarkRun',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('suite', models.CharField(max_length=60)),
                ('suite_version', models.CharField(blank=True, max_length=60)),
                ('judge', models.CharField(blank=True, max_length=120)),
                ('request_set', models.CharField(blank=True, help_text='Hash of what was asked.', max_length=64)),
                ('origin', models.CharField(blank=True, help_text='Who ran it, and where from.', max_length=300)),
                ('content_hash', models.CharField(max_length=64)),
                ('measured_at', models.DateTimeField()),
                ('imported_at', models.DateTimeField(auto_now_add=True)),
                ('requests', models.PositiveIntegerField(help_text='The sample: requests that were answered.')),
                ('tool_calls', models.PositiveIntegerField(default=0, help_text='Of these, replies that are, or should have been, tool calls.')),
                ('failures', models.PositiveIntegerField(default=0, help_text='Of those, replies with a bad one.')),
                ('endpoint', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='benchmark_runs', to='providers.endpoint')),
            ],
        ),
        migrations.CreateModel(
            name='BenchmarkResult',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('metric', models.CharField(max_length=60)),
                ('value', models.FloatField()),
                ('low', models.FloatField(null=True)),
                ('high', models.FloatField(null=True)),
                ('sample', models.PositiveIntegerField()),
                ('run', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='results', to='telemetry.benchmarkrun')),
            ],
        ),
        migrations.CreateModel(
            name='EndpointScore',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('computed_at', models.DateTimeField()),
                ('method', models.CharField(max_length=40)),
                ('inputs_hash', models.CharField(max_length=64)),
                ('standing', models.CharField(choices=[('verified', 'verified'), ('insufficient_data', 'too little data'), ('below_par', 'below par'), ('quarantined', 'quarantined')], max_length=20)),
                ('standing_since', models.DateTimeField()),
                ('eligible', models.BooleanField(help_text='Whether the method would have it on the list.')),
                ('sentence', models.TextField(help_text='Why, in one sentence.')),
                ('criteria', models.JSONField()),
                ('failures', models.JSONField(default=dict, help_text='Requests by kind of failure.')),
                ('disputed', models.BooleanField(default=False, help_text='Most failures come from very few owners: look at it.')),
                ('evidence_since', models.DateTimeField(help_text='Older accuracy counters are set aside: the endpoint changed then.', null=True)),
                ('propensity_since', models.DateTimeField(help_text='Older propensity counters are set aside.', null=True)),
                ('endpoint', models.OneToOneField(on_delete=django.db.models.deletion.PROTECT, related_name='score', to='providers.endpoint')),
            ],
        ),
        migrations.CreateModel(
            name='OwnerSlot',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('account_id', models.BigIntegerField()),
                ('slot', models.PositiveSmallIntegerField()),
                ('model', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to='providers.model')),
            ],
        ),
        migrations.CreateModel(
            name='OwnerUse',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('account_id', models.BigIntegerField()),
                ('day', models.DateField()),
                ('requests', models.PositiveBigIntegerField(default=0)),
                ('tool_calls', models.PositiveBigIntegerField(default=0, help_text='Replies that ended in any.')),
                ('failures', models.PositiveBigIntegerField(default=0, help_text='Requests with a bad one.')),
                ('pinned', models.PositiveBigIntegerField(default=0)),
                ('cost_pico', models.PositiveBigIntegerField(default=0, verbose_name='cost, 1e-12 USD')),
                ('endpoint', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to='providers.endpoint')),
            ],
        ),
        migrations.CreateModel(
            name='PreferenceSignal',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('account_id', models.BigIntegerField()),
                ('day', models.DateField()),
                ('ignored', models.PositiveBigIntegerField(default=0)),
                ('pinned', models.PositiveBigIntegerField(default=0)),
                ('endpoint', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to='providers.endpoint')),
            ],
        ),
        migrations.CreateModel(
            name='Rollup',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('period', models.CharField(choices=[('hour', 'Hour'), ('day', 'Day')], max_length=4)),
                ('starts_at', models.DateTimeField()),
                ('cells', models.BinaryField(help_text='Sparse stratum x slot x field: scoring.cells.')),
                ('endpoint', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to='providers.endpoint')),
            ],
        ),
        migrations.CreateModel(
            name='ScorePoint',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('hour', models.DateTimeField()),
                ('standing', models.CharField(choices=[('verified', 'verified'), ('insufficient_data', 'too little data'), ('below_par', 'below par'), ('quarantined', 'quarantined')], max_length=20)),
                ('error_rate', models.FloatField(null=True)),
                ('error_low', models.FloatField(null=True)),
                ('error_high', models.FloatField(null=True)),
                ('propensity', models.FloatField(help_text='Odds ratio to the reference.', null=True)),
                ('ignore_rate', models.FloatField(null=True)),
                ('endpoint', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to='providers.endpoint')),
            ],
        ),
        migrations.AddIndex(
            model_name='benchmarkrun',
            index=models.Index(fields=['endpoint', '-measured_at'], name='telemetry_benchmarkrun_latest'),
        ),
        migrations.AddConstraint(
            model_name='benchmarkrun',
            constraint=models.UniqueConstraint(fields=('endpoint', 'content_hash'), name='telemetry_benchmarkrun_once'),
        ),
        migrations.AddConstraint(
            model_name='benchmarkresult',
            constraint=models.UniqueConstraint(fields=('run', 'metric'), name='telemetry_benchmarkresult_once'),
        ),
        migrations.AddConstraint(
            model_name='ownerslot',
            constraint=models.UniqueConstraint(fields=('model', 'account_id'), name='telemetry_ownerslot_once'),
        ),
        migrations.AddConstraint(
            model_name='owneruse',
            constraint=models.UniqueConstraint(fields=('endpoint', 'day', 'account_id'), name='telemetry_owneruse_once'),
        ),
        migrations.AddConstraint(
            model_name='preferencesignal',
            constraint=models.UniqueConstraint(fields=('endpoint', 'day', 'account_id'), name='telemetry_preferencesignal_once'),
        ),
        migrations.AddIndex(
            model_name='rollup',
            index=models.Index(fields=['period', 'starts_at'], name='telemetry_rollup_period'),
        ),
        migrations.AddConstraint(
            model_name='rollup',
            constraint=models.UniqueConstraint(fields=('endpoint', 'period', 'starts_at'), name='telemetry_rollup_once'),
        ),
        migrations.AddConstraint(
            model_name='scorepoint',
            constraint=models.UniqueConstraint(fields=('endpoint', 'hour'), name='telemetry_scorepoint_once'),
        ),
    ]
