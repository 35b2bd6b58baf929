"""Let someone vouch for an account, so that its traffic is evidence from its first day.

Locks: routing_account briefly, for a column with a constant default: no rewrite.
Undo: `migrate routing 0006` drops the column.
"""

from django.db import migrations, models

from providers.columns import AddColumn


class Migration(migrations.Migration):
    dependencies = [("routing", "0006_key_scopes")]

    operations = [
        AddColumn(
            model_name="account",
            name="vouched",
            field=models.BooleanField(
                default=False, db_default=False, help_text="Counts as a known owner from its first day."
            ),
        ),
    ]
