"""Count what comes from one address in one hour, for the limit of the feedback form.

Locks: none, the table is new. Undo: `migrate telemetry 0012` drops it; nothing else knows of it.
"""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('telemetry', '0012_feedback_cases'),
    ]

    operations = [
        migrations.CreateModel(
            name='FeedbackSender',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('sender', models.CharField(blank=True, max_length=64)),
                ('hour', models.DateTimeField(db_index=True)),
                ('sent', models.PositiveIntegerField(default=0)),
            ],
            options={
                'constraints': [models.UniqueConstraint(fields=('sender', 'hour'), name='telemetry_feedbacksender_once')],
            },
        ),
    ]
