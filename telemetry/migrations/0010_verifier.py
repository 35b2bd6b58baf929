"""Make the tables of the built-in verifier: request sets, runs, probes, and what became of them.

Locks: none beyond the new tables. Undo: `migrate telemetry 0009` drops them; the evidence that
finished runs left in the benchmark tables stays.
"""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('providers', '0003_endpoint_reference'),
        ('telemetry', '0009_count_spending'),
    ]

    operations = [
        migrations.CreateModel(
            name='RequestSet',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('digest', models.CharField(help_text='Hash of what is asked.', max_length=64, unique=True)),
                ('name', models.CharField(max_length=120)),
                ('content', models.TextField(help_text='JSONL, as docs/verifier.md describes it.')),
                ('requests', models.PositiveIntegerField()),
                ('created_at', models.DateTimeField(auto_now_add=True)),
            ],
        ),
        migrations.CreateModel(
            name='VerifierRun',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('recorded', models.JSONField(help_text='Else, by request: whether the reference called a tool.', null=True)),
                ('reference_name', models.CharField(blank=True, max_length=80)),
                ('cause', models.CharField(choices=[('schedule', 'on schedule'), ('person', 'asked for'), ('fix', 'the provider claims a fix')], max_length=10)),
                ('asked_by', models.CharField(blank=True, max_length=150)),
                ('state', models.CharField(choices=[('open', 'running'), ('finished', 'finished'), ('stopped', 'stopped')], default='open', max_length=10)),
                ('waits_for', models.CharField(blank=True, help_text='Why it does not go on.', max_length=200)),
                ('created_at', models.DateTimeField(auto_now_add=True)),
                ('ended_at', models.DateTimeField(null=True)),
                ('model', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='verifier_runs', to='providers.model')),
                ('reference', models.ForeignKey(help_text='Whose answers in this run say when a tool is to be called.', null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='providers.endpoint')),
                ('request_set', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='runs', to='telemetry.requestset')),
            ],
        ),
        migrations.CreateModel(
            name='Probe',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('request', models.PositiveIntegerField(help_text='Line of the request set, from 1.')),
                ('streamed', models.BooleanField()),
                ('position', models.PositiveIntegerField(help_text='In the order of sending.')),
                ('state', models.CharField(choices=[('waiting', 'waiting'), ('sent', 'sent'), ('done', 'done'), ('unknown', 'outcome unknown'), ('skipped', 'not sent')], default='waiting', max_length=10)),
                ('why_skipped', models.CharField(blank=True, max_length=60)),
                ('sent_at', models.DateTimeField(null=True)),
                ('reserved_pico', models.BigIntegerField(default=0)),
                ('cost_pico', models.BigIntegerField(null=True)),
                ('generation_id', models.CharField(blank=True, max_length=64)),
                ('outcome', models.CharField(blank=True, choices=[('ok', 'answered'), ('http_5xx', 'server error'), ('rate_limited', 'rate limited'), ('auth', 'our credential refused'), ('client_error', 'request refused'), ('not_found', 'not found'), ('timeout_connect', 'no connection in time'), ('timeout_ttft', 'no first token in time'), ('timeout_idle', 'stalled'), ('timeout_total', 'took too long'), ('connect_error', 'refused connection'), ('disconnected', 'connection lost'), ('truncated', 'ended early'), ('malformed', 'unreadable answer'), ('client_cancelled', 'caller left'), ('gateway_error', 'our fault'), ('busy', 'our limit reached')], max_length=20)),
                ('http_status', models.PositiveSmallIntegerField(null=True)),
                ('latency_ms', models.PositiveIntegerField(null=True)),
                ('duration_ms', models.PositiveIntegerField(null=True)),
                ('prompt_tokens', models.PositiveIntegerField(null=True)),
                ('completion_tokens', models.PositiveIntegerField(null=True)),
                ('finish_reason', models.CharField(blank=True, max_length=20)),
                ('verdict', models.CharField(blank=True, choices=[('valid', 'valid'), ('invalid_json', 'invalid JSON'), ('unknown_name', 'unknown tool'), ('schema_mismatch', 'schema mismatch'), ('no_tool_calls', 'no tool call'), ('pending', 'not judged yet'), ('unjudged', 'cannot be judged'), ('', 'no tools offered')], max_length=16)),
                ('verdict_reason', models.CharField(blank=True, max_length=40)),
                ('tool_calls', models.PositiveSmallIntegerField(default=0)),
                ('leaked_tool_text', models.BooleanField(default=False)),
                ('tool_choice_violated', models.BooleanField(default=False)),
                ('truncated_arguments', models.BooleanField(default=False)),
                ('empty_reply', models.BooleanField(default=False)),
                ('duplicate_ids', models.BooleanField(default=False)),
                ('endpoint', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to='providers.endpoint')),
                ('run', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='probes', to='telemetry.verifierrun')),
            ],
        ),
        migrations.CreateModel(
            name='VerifierVerdict',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('why_none', models.CharField(blank=True, max_length=300)),
                ('endpoint', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to='providers.endpoint')),
                ('evidence', models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to='telemetry.benchmarkrun')),
                ('run', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='verdicts', to='telemetry.verifierrun')),
            ],
        ),
        migrations.AddIndex(
            model_name='verifierrun',
            index=models.Index(fields=['state', 'created_at'], name='telemetry_verifierrun_state'),
        ),
        migrations.AddIndex(
            model_name='probe',
            index=models.Index(fields=['run', 'state', 'position'], name='telemetry_probe_next'),
        ),
        migrations.AddIndex(
            model_name='probe',
            index=models.Index(fields=['sent_at'], name='telemetry_probe_sent'),
        ),
        migrations.AddConstraint(
            model_name='probe',
            constraint=models.UniqueConstraint(fields=('run', 'endpoint', 'request', 'streamed'), name='telemetry_probe_once'),
        ),
        migrations.AddConstraint(
            model_name='verifierverdict',
            constraint=models.UniqueConstraint(fields=('run', 'endpoint'), name='telemetry_verifierverdict_once'),
        ),
    ]
