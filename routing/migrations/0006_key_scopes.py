"""Let a key be limited to some scopes; the keys there are keep them all.

Locks: ACCESS EXCLUSIVE on routing_apikey while an empty column is added, without a rewrite. Undo:
`migrate routing 0005` drops the column: limited keys may then do everything, so revoke them first.
"""

from django.db import migrations, models

from providers.columns import AddColumn


class Migration(migrations.Migration):
    dependencies = [("routing", "0005_edition_retirement_trigger")]

    operations = [
        AddColumn(
            "apikey",
            "scopes",
            models.JSONField(
                blank=True, help_text="What the key may do. None chosen: everything.", null=True
            ),
        ),
    ]
