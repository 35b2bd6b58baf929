"""Index an account's generations by time, for the pages of its newest.

Locks: SHARE on telemetry_generation while the index is built: reading goes on, ingestion waits and
catches up from the spool. Undo: `migrate telemetry 0013` drops it.
"""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("telemetry", "0013_feedback_senders")]

    operations = [
        migrations.AddIndex(
            "generation",
            models.Index(
                fields=["account_id", "-created_at", "-id"], name="telemetry_generation_owner"
            ),
        ),
    ]
