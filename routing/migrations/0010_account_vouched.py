"""Let someone vouch for an account, so that its traffic is evidence from its first day.

Locks: routing_account briefly, for a column with a constant default; SQLite copies the table.
Undo: `migrate routing 0003` drops the column.
"""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("routing", "0003_curators")]

    operations = [
        migrations.AddField(
            model_name="account",
            name="vouched",
            field=models.BooleanField(
                default=False, help_text="Counts as a known owner from its first day."
            ),
        ),
    ]
