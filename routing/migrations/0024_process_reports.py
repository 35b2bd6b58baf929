"""Keep the latest word of each process. Locks: none beyond the new table. Undo: drops it."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('routing', '0023_curators_answer_feedback'),
    ]

    operations = [
        migrations.CreateModel(
            name='ProcessReport',
            fields=[
                ('name', models.CharField(max_length=120, primary_key=True, serialize=False)),
                ('kind', models.CharField(choices=[('web', 'web process'), ('worker', 'worker'), ('schedule', 'scheduled work')], max_length=10)),
                ('host', models.CharField(max_length=80)),
                ('pid', models.PositiveIntegerField()),
                ('reported_at', models.DateTimeField()),
                ('snapshot', models.BigIntegerField(help_text='Revision of the catalogue it serves.', null=True)),
                ('snapshot_age_s', models.FloatField(help_text='Since the database confirmed it.', null=True)),
                ('facts_dropped', models.BigIntegerField(default=0)),
                ('waiting_files', models.PositiveIntegerField(default=0, help_text="Of this machine's spool.")),
                ('waiting_bytes', models.BigIntegerField(default=0)),
                ('oldest_waiting_s', models.FloatField(default=0.0)),
            ],
        ),
    ]
